// Which cell and which samples of the baseline a cell is compared with. Never by name alone.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/gate/view.h"

namespace assay {

struct Pairing {
  const CellView* cell = nullptr;  ///< the baseline's cell with the same key
  std::string reason;              ///< why there is none
};

/// `baseline` may be null. The reason names the first field that differs, with both values.
Pairing pair_cell(const CellHeader& here, const EvidenceView* baseline);

/// True if the fields of both cells' keys are equal, those aside that `may_differ`.
bool same_but(const CellHeader& a, const CellHeader& b,
              const std::function<bool(const std::string&)>& may_differ);

/// True if both cells attack the same samples towards the same goal in the same norm, whatever
/// their radius, access and attack.
/// With `any_shares`, whatever share of eps each sample may use.
bool same_threat(const CellHeader& a, const CellHeader& b, bool any_shares = false);

/// True of the fields of a key that are an attack's parameters.
bool is_parameter(const std::string& field);

/// For each sample of `here` its index in `there`, by id and digest, or -1. An id that occurs
/// several times pairs in order.
std::vector<int64_t> pair_samples(const std::vector<SampleInfo>& here,
                                  const std::vector<SampleInfo>& there);

/// A fact in both runs, over the samples that have a verdict in both.
struct PairedCounts {
  int64_t n = 0;
  int64_t here = 0;                ///< yes here
  int64_t baseline = 0;            ///< yes in the baseline
  std::vector<int64_t> regressed;  ///< sample indices here: yes in the baseline, no here
  std::vector<int64_t> repaired;
};
PairedCounts count_pairs(const std::vector<Fact>& here, const std::vector<Fact>& there,
                         const std::vector<int64_t>& partners);

/// By cell of `candidate`, the samples that it lost, of those with a verdict on both sides: also of
/// runs that are not whole, as shards are.
std::vector<std::vector<int64_t>> regressed_so_far(const Evidence& candidate,
                                                   const Evidence& baseline);

/// Distances, infinite where unbroken.
struct DistancePair {
  double here = 0;  ///< 0 where misclassified here
  double baseline = 0;
};
/// Those of each sample that the baseline classifies rightly and both have a verdict on.
std::vector<DistancePair> pair_distances(const EvidenceView& here, const CellView& cell,
                                         const EvidenceView& baseline,
                                         const CellView& baseline_cell,
                                         const std::vector<int64_t>& partners);

/// 1 - median here / median in the baseline; 0 where both are 0 or both are infinite, which the
/// caller must tell apart. Paired bootstrap, percentiles; an end that so few samples cannot give is
/// absent. Equal for equal arguments. One pair or more.
struct MedianDrop {
  double here = 0;
  double baseline = 0;
  double value = 0;
  std::optional<double> lower;
  std::optional<double> upper;
};
MedianDrop median_drop(const std::vector<DistancePair>& pairs, double confidence);

}  // namespace assay
