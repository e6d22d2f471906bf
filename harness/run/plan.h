// Suite → Plan: the units of work, and the header that expects them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/attack.h"
#include "harness/model/model.h"
#include "harness/record/evidence.h"
#include "harness/run/audit.h"
#include "harness/suite/suite.h"

namespace assay {

/// One piece of work. Runs once all in `after` exist in the store.
struct Unit {
  /// Evasion: the clean pass, an attack on a range of samples. Membership: training a shadow, the
  /// outputs of a model on a range of records, a search for the boundary around some, features
  /// of their inputs, the scores of a whole cell. Extraction: stealing a surrogate, the
  /// replay of its queries through monitors, outputs, adversarials made on it, scores.
  enum class Kind {
    kClean,
    kBlock,
    kTrain,
    kSteal,
    kReplay,
    kOutputs,
    kBoundary,
    kFeatures,
    kTransfer,
    kScore
  };
  std::string key;
  Kind kind = Kind::kBlock;
  size_t entry = 0;           ///< index into Suite::attacks; not of kClean
  std::optional<double> eps;  ///< kBlock with a fixed radius
  std::string cell;           ///< name for UnitResult::cell
  int64_t begin = 0;          ///< range of Header::samples; membership: of Audit::records
  int64_t end = 0;
  std::vector<double> sample_scale;  ///< kBlock: shares of eps of the range; empty: all of it
  int64_t part = 0;             ///< units of one part stay together where a run is cut into shards
  std::vector<int64_t> probes;  ///< positions in the range of samples to look at more closely
  std::vector<std::string> after;  ///< kBlock: the clean unit first
  /// Units of earlier cells that `source` names: by the name as spelt, also in `after`.
  std::map<std::string, std::string> sources;
  size_t audit = 0;     ///< membership, extraction: index into Plan::audits
  int64_t shadow = -1;  ///< which shadow or surrogate; -1 is the candidate
  int64_t view = 0;     ///< kOutputs: see view_of()
};

struct Plan {
  Header header;
  std::vector<Unit> units;    ///< clean pass first, then entries in the suite's order
  std::vector<Audit> audits;  ///< one for each membership and extraction cell, in order
};

/// Makes adversarials on a surrogate and tries them on the candidate.
inline constexpr const char* kTransferAttack = "transfer";

/// Searches for the boundary around records: label-only, minimum norm, with `queries` as budget.
inline constexpr const char* kBoundaryAttack = "hop_skip_jump";

/// What membership and extraction cells are planned from; it outlives the plan.
struct AuditInputs {
  const RecordSets* sets = nullptr;
  /// By Recipe::architecture.
  std::map<std::string, std::shared_ptr<const Architecture>> architectures;
};

/// Most rows of a forward: the suite's run.block, else a fixed formula of the input's size (never a
/// timing).
int64_t block_size(const Suite& suite);

/// Samples per unit of a run over so many, at most block_size().
int64_t unit_size(const Suite& suite, int64_t samples);

/// Key of what loading finds out about a model (ModelFacts), for Store::get_fact.
std::string facts_key(const Suite& suite, const FileIdentity& model, const Platform& platform);

/// The table's entry for an attack that the suite's validation has found in it.
const Attack& find_attack(const std::vector<Attack>& attacks, const std::string& name);

/// An entry's attack, bound to its parameters.
Bound bind_entry(const AttackSpec& spec, const ThreatModel& threat,
                 const std::vector<Attack>& attacks);

/// The table with `ensemble`, which has no file of its own: a plan runs its stages.
std::vector<Attack> with_ensemble(std::vector<Attack> attacks);

/// Digests of what entries take from outside of the run, by `source:` as spelt, and by kCorpus.
using Digests = std::map<std::string, std::string>;

/// The shares of eps of all drawn samples, by `sample_scale:` as spelt.
using SampleScales = std::map<std::string, std::vector<double>>;

/// Plans a run of `model` over drawn samples. Pure. `digests` has all that the suite's entries
/// name, earlier cells apart, and `scales` all of their files of shares.
Plan make_plan(const Suite& suite, const FileIdentity& model,
               const std::vector<SampleInfo>& samples, const Platform& platform,
               const std::vector<Attack>& attacks, const Digests& digests,
               const AuditInputs& audits = {}, const SampleScales& scales = {});

/// Keys of the units that train a membership cell's shadows, by shadow; its architecture is set.
std::vector<std::string> train_keys(const Suite& suite, const Audit& audit,
                                    const Platform& platform);

/// Units of a membership entry.
size_t audit_units(const Suite& suite, const AttackSpec& spec, const std::vector<Attack>& attacks,
                   const RecordSets& sets);

/// Units of an extraction entry.
size_t heist_units(const Suite& suite, const AttackSpec& spec, const std::vector<Attack>& attacks,
                   const RecordSets& sets);

/// Recipe::architecture of all shadows and surrogates that the suite asks for, and an entry that
/// does.
std::map<std::string, Where> architectures_of(const Suite& suite,
                                              const std::vector<Attack>& attacks);

}  // namespace assay
