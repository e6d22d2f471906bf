// Membership and extraction cells: which records are measured on, what each shadow model is trained
// on, and what a thief may send.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "harness/model/dataset.h"
#include "harness/model/extraction.h"
#include "harness/model/membership.h"
#include "harness/record/evidence.h"
#include "harness/suite/suite.h"

namespace assay {

/// Records of one data set: where they are read from, and what is known of them.
struct Records {
  const Dataset* dataset = nullptr;
  std::vector<int64_t> indices;   ///< in the data set
  std::vector<SampleInfo> infos;  ///< of the same records
};

/// What the suite's membership and extraction cells use, by data name. Plans point into it.
struct RecordSets {
  /// Members and non-members, the most that a cell asks for; the whole test set where something is
  /// extracted.
  std::map<std::string, Records> audited;
  /// The other records of audited sets: whoever trained on a set trained on all of it.
  std::map<std::string, Records> left_out;
  std::map<std::string, Records> pools;  ///< whole
};

/// One of a set's records.
struct RecordRef {
  const Records* set = nullptr;
  int64_t position = 0;
  bool member = false;  ///< of the set `members`

  const SampleInfo& info() const { return set->infos[static_cast<size_t>(position)]; }
};

/// One surrogate of an extraction cell.
struct Steal {
  int64_t budget = 0;
  int64_t seed = 0;
};

/// A membership or an extraction cell, resolved.
struct Audit {
  /// Membership: audited records first, then the population; each part by content, which tells no
  /// set, and each content and label once. Extraction: the test set in its order.
  std::vector<RecordRef> records;
  int64_t audited = 0;
  /// What shadows are trained on parts of, by content; none without shadows.
  std::vector<RecordRef> training;
  std::vector<uint64_t> training_keys;   ///< for Rng
  std::vector<int64_t> training_record;  ///< its index in `records`, or -1
  Shadows shadows;
  int64_t references = 0;                            ///< surrogates in place of shadows
  int64_t features = 0;                              ///< Inference::features
  std::shared_ptr<const Architecture> architecture;  ///< of shadows or surrogates
  std::shared_ptr<const Architecture> stock;  ///< `auto`, where surrogates copy the candidate's
  uint64_t seed = 0;
  // Extraction:
  const Records* pool = nullptr;    ///< the thief's records; null: nothing is at hand
  std::vector<RecordRef> sent;      ///< those of them that may be sent: each content once
  std::vector<Steal> steals;        ///< budgets ascending, seeds within: Unit::shadow counts them
  const Records* benign = nullptr;  ///< traffic that monitors see beside the attack; null: none
  std::vector<int64_t> transfer;    ///< `records` of which adversarials are made, ascending
};

/// At most so many records of a pool are the population.
inline constexpr int64_t kPopulation = 25000;

/// Throws Error (exit 2) where sets share records, also those that a cell's `count` leaves out, or
/// are too small to train on.
Audit make_audit(const Suite& suite, const AttackSpec& spec, const Inference& inference,
                 const RecordSets& sets);

/// Throws Error (exit 2) where the pool that a thief sends has audited records: what the candidate
/// answers on a member is nearly its label.
void refuse_seen(const AttackSpec& spec, const Audit& audit, const Records& pool,
                 const std::string& name);

/// An extraction cell's. Throws Error (exit 2) where the test set is empty.
Audit make_heist(const Suite& suite, const AttackSpec& spec, const Extraction& extraction,
                 const RecordSets& sets);

/// What shadow number k is trained on: ascending positions in `training`. It does not depend on how
/// many shadows there are. Shadows 0 and 1, 2 and 3 and so on share as few records as there are.
std::vector<int64_t> trained_on(const Audit& audit, int64_t shadow);

/// Inputs [n, ...shape] and labels [n] of some records, in their order.
std::pair<at::Tensor, at::Tensor> read_records(const std::vector<RecordRef>& records);

}  // namespace assay
