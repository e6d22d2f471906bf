// What an extraction attack asks for, and what it is given: an API, a pool of records to send, and
// networks to train.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "harness/model/rng.h"
#include "harness/model/surrogate.h"
#include "harness/model/victim.h"

namespace assay {

/// Records that a thief has, with labels of his own: empty where the suite names no `pool`.
struct Pool {
  at::Tensor labels;          ///< [n] int64
  std::vector<uint64_t> ids;  ///< [n] keys of the records for Rng, by content
  /// [m, ...shape] in the box, for positions in [0, n).
  std::function<at::Tensor(std::span<const int64_t> positions)> read;
  int64_t size() const { return static_cast<int64_t>(ids.size()); }
};

/// `rows` records that are uniform in the box, each fixed by rng and its place; one label for all.
/// `spec` outlives the pool.
Pool noise_pool(const ModelSpec& spec, int64_t rows, const Rng& rng);

/// What an attack comes back with.
struct Theft {
  std::string surrogate;  ///< TorchScript that Model::load takes with the candidate's ModelSpec
  std::map<std::string, double> findings;  ///< finite figures, e.g. hidden_width
  /// Weights of the last layer up to an invertible map of the hidden units, [K, width] float64, or
  /// these less their mean over classes; undefined where it was not recovered.
  at::Tensor head;
};

/// A network with fresh weights, to the entry's architecture and recipe. Each round has weights and
/// an order of its own.
using FreshSurrogate = std::function<Surrogate(int64_t round)>;

/// Steals. The budget is what `victim` has left; each call starts from nothing. Deterministic in
/// (model, pool, budget, rng key).
using Extract = std::function<Theft(Victim& victim, const Pool& pool, const FreshSurrogate& fresh,
                                    const Rng& rng)>;

/// A bound extraction attack.
struct Extraction {
  std::vector<int64_t> budgets;  ///< queries, ascending
  int64_t seeds = 3;             ///< repetitions at every budget
  Recipe recipe;                 ///< of surrogates that are trained
  int64_t trainings = 1;         ///< for one surrogate, at most: what an estimate goes by
  bool surrogate = true;         ///< Theft::surrogate is given; else findings alone
  int64_t transfer_count = 500;  ///< test records that adversarials are made of; 0: none
  double transfer_eps = 0.1;     ///< their linf radius, as a share of the box's width
  Extract extract;               ///< undefined in other families
};

}  // namespace assay
