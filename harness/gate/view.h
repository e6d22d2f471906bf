// Evidence as the gate reads it: per sample and cell what is known, and what is in the way.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/gate/decision.h"
#include "harness/record/evidence.h"

namespace assay {

/// Whether something holds of a sample; unknown without a verdict.
enum class Fact : int8_t { kUnknown, kNo, kYes };

/// A fault of the candidate, which fails the gate by itself.
struct Fault {
  std::string cell;    ///< "" in the clean pass
  std::string set;     ///< data name of an audited record; "" for a sample
  int64_t sample = 0;  ///< index into Header::samples, or into its set
  std::string
      pooled;  ///< id of a record of the pool `set`, which the header does not list; else ""
  std::string
      theft;  ///< extraction: `budget 1000, seed 0` while queried so, and no sample; else ""
  std::string detail;
};

struct CellView {
  const CellHeader* header = nullptr;
  /// By sample; empty unless evasion. A fault of the host leaves no verdict, as a missing unit
  /// does.
  std::vector<std::optional<Verdict>> rows;
  std::vector<bool> aimed;  ///< by sample: its own label is the target, so metrics leave it out
  const UnitResult* scored = nullptr;  ///< the unit with the scores, or what was extracted, if here
  SampleCounts counts;                 ///< of samples, of audited records, or of test records
  int64_t judged = 0;                  ///< rows with a verdict
  bool complete = false;
};

/// Pointers into the evidence, which must outlive it.
struct EvidenceView {
  const Evidence* evidence = nullptr;
  std::map<std::string_view, const UnitResult*> units;  ///< by key
  std::vector<Fact> clean;                              ///< rightly classified, by sample
  bool clean_complete = false;
  std::vector<CellView> cells;  ///< as in the header
  std::vector<Fault> faults;

  const CellView* find(std::string_view cell) const;
};

EvidenceView view_evidence(const Evidence& evidence);

/// The audited records of a membership cell, members or non-members.
const std::vector<SampleInfo>& audited(const Header& header, const CellHeader& cell, bool member);

/// True for the samples that an evasion cell's metrics are taken over: they have a verdict, and an
/// attack could change their label into the target.
bool counts(const CellView& cell, size_t sample);
/// Rightly classified without an attack. A candidate that failed on the input counts as rightly
/// classified and broken, unless its clean label is known to be wrong.
bool rightly_classified(const Verdict& row, int64_t label);
/// Counts as broken: broken, or the candidate failed.
bool counts_as_broken(const Verdict& row);

/// Stands although the attack never sent a query for it: no point of it was at hand (corpus,
/// transfer). A sample whose own label is the target is none of these.
bool untried(const CellView& cell, size_t sample);
int64_t count_untried(const CellView& cell);

/// Right clean and under attack, by sample. Only status robust is a yes. Unknown where the sample
/// does not count.
std::vector<Fact> robust_facts(const CellView& cell);

/// The smallest distance that breaks each rightly classified sample, infinite where none was found;
/// nullopt where the sample is misclassified or does not count. Whatever is neither robust nor
/// broken (a fault, an invalid or unconfirmed row) counts as broken at distance 0.
std::vector<std::optional<double>> distances(const EvidenceView& view, const CellView& cell);

}  // namespace assay
