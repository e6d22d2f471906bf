// What a run leaves behind: a header, and rows by unit. Specified in evidence.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/suite/params.h"
#include "harness/suite/suite.h"

namespace assay {

enum class Status { kRobust, kBroken, kMisclassified, kInvalid, kUnconfirmed, kError };
enum class Cause { kNone, kCandidate, kHost };
/// Why no pass may rest on an attack's verdict.
enum class Doubt {
  kNone,
  kBlind,   ///< more than half of its gradients held NaN or infinity, and nothing else led it
  kChance,  ///< a point that the harness tried breaks the sample that it left standing
};

std::string_view to_string(Status status);  // as in samples.csv
std::string_view to_string(Cause cause);    // "" candidate host
std::string_view to_string(Doubt doubt);    // "" blind chance

/// A warning about a model, a cell or a rule, which a rule `flags: clear` can gate on.
struct Flag {
  std::string id;      ///< snake_case, e.g. batch_dependent
  std::string cell;    ///< "" for the whole run
  std::string detail;  ///< what was seen, with figures
  std::string advice;  ///< what to do next
  bool operator==(const Flag&) const = default;
};

/// One drawn sample.
struct SampleInfo {
  std::string id;      ///< relative path for images, row number otherwise
  std::string digest;  ///< SHA-256 of its decoded content and label
  int64_t label = 0;
  /// SHA-256 of its decoded content without the label, so that a relabelled copy is found. Known
  /// where data was read, and no part of evidence.
  std::string content = {};
};

/// What happened to one sample in one cell (or in the clean pass, where only `clean` is set).
struct Verdict {
  int64_t sample = 0;        ///< index into Header::samples
  int64_t clean = -1;        ///< label of the clean input
  int64_t adversarial = -1;  ///< label of the stored adversarial; -1 if there is none
  Status status = Status::kRobust;
  Cause cause = Cause::kNone;
  /// Of the stored adversarial from the sample, in the cell's norm; infinite where there is no
  /// adversarial or no norm.
  double distance = std::numeric_limits<double>::infinity();
  int64_t queries = 0;    ///< rows the attack sent for this sample
  int64_t gradients = 0;  ///< vjp rows
  /// The stage or attack that broke it and, where it says so, `:` and which part of it did.
  std::string breaking_attack;
  std::string detail;  ///< kError, kInvalid, kUnconfirmed: what happened
  Doubt doubt = Doubt::kNone;
  /// From which on the sample may break for all that is known: of the point that breaks it, 0 where
  /// the attack was blind; infinite without a doubt.
  double doubt_distance = std::numeric_limits<double>::infinity();
  std::string tensors;      ///< SHA-256 of the blob with the adversarial; "" if none
  int64_t tensor_row = -1;  ///< its row in the blob
  bool operator==(const Verdict&) const = default;
};

/// The stage or attack that broke it, without the part.
inline std::string_view breaking_stage(const Verdict& row) {
  return std::string_view(row.breaking_attack).substr(0, row.breaking_attack.find(':'));
}

/// How one record scored in a membership cell.
struct Score {
  bool member = false;  ///< of the set `members`, else of `non_members`
  int64_t record = 0;   ///< index into Header::sets of that set
  double score = 0;     ///< higher: more likely a member; finite
  bool failed = false;  ///< the candidate failed on it, or gave no numbers; the score means nothing
  bool operator==(const Score&) const = default;
};

/// Mean accuracies that say whether shadow models are like the candidate.
struct Fidelity {
  int64_t shadows = 0;
  double candidate_members = 0;      ///< of the candidate on the members
  double candidate_non_members = 0;  ///< and on the non-members
  double shadow_members = 0;         ///< of each shadow on what it was trained on; 0 if not trained
  double shadow_non_members = 0;     ///< and on non-members that it was not
  std::string architecture;          ///< what the shadows are copies of
  std::string reason;                ///< why not of the candidate; "" if they are
  bool trained = true;  ///< false: stolen surrogates, which learnt answers and not records
  /// Of each shadow on members that it was not trained on, which it knows no better than
  /// non-members: offline that is all members. Absent in older evidence.
  std::optional<double> shadow_unseen_members = {};
  int64_t frozen = 0;  ///< the candidate's parameters and buffers whose values shadows share
  /// What else shows that shadows are not what the candidate was without its members; "" if nothing
  /// does. Absent in older evidence.
  std::string unlike = {};
  /// How models that neither set taught anything tell one from the other: then so does the
  /// candidate, whatever it remembers, and no figure of the cell stands. "" if they do not. Absent
  /// in older evidence.
  std::string foreknown = {};
  bool operator==(const Fidelity&) const = default;
};

/// What a thief got out of the candidate for one budget and seed. Strings have a character for each
/// record of the test set, in its order.
struct Stolen {
  int64_t budget = 0;     ///< queries he was allowed
  int64_t seed = 0;       ///< which of the repetitions, from 0
  int64_t queries = 0;    ///< that he sent
  std::string agreement;  ///< '1' where the surrogate gives the candidate's label, else '0'
  std::string accuracy;   ///< '1' where the surrogate gives the true label, else '0'
  /// '1' where an adversarial made on the surrogate breaks the candidate, '0' where the candidate
  /// stands, '-' where none was tried.
  std::string transfer;
  /// By record: KL divergence in nats of the surrogate's probabilities from the candidate's.
  std::vector<double> divergence;
  std::map<std::string, double> findings;  ///< what else it told, e.g. hidden_width
  std::string failure;  ///< what the candidate failed on while it was queried; "" if it answered
  bool operator==(const Stolen&) const = default;
};

/// An extraction cell's outcome.
struct Extracted {
  std::string candidate;  ///< by record of the test set: '1' where the candidate is right, else '0'
  std::vector<Stolen> stolen;  ///< budgets ascending, seeds within; strings empty without surrogate
  int64_t commonest = 0;  ///< test records with the candidate's most frequent answer; 0: unknown
  bool operator==(const Extracted&) const = default;
};

/// What a monitor made of one thief's queries among benign traffic, and of benign traffic alone.
struct Monitored {
  std::string monitor;
  int64_t seed = 0;            ///< Stolen::seed, at the largest budget
  int64_t attack_queries = 0;  ///< sent
  int64_t mixed = 0;           ///< benign queries among them
  /// How often the monitor held its statistic against the threshold there. 0: too few queries for
  /// any verdict.
  int64_t checks = 0;
  int64_t flagged = 0;  ///< of the attack's queries, with an alarm
  /// Attack queries sent when the first alarm came on one of them; -1: it never came. A false alarm
  /// counts.
  int64_t queries_to_alarm = -1;
  int64_t benign_queries = 0;  ///< of the benign traffic alone
  int64_t false_alarms = 0;    ///< on these
  double threshold = 0;        ///< that alarms were raised by, in the monitor's own unit
  /// There were more alarms than benign traffic explains; absent where nothing can be said.
  std::optional<bool> noticed;
  /// What the candidate failed on meanwhile; then nothing else but `seed` is set. "" if it
  /// answered.
  std::string failure;
  bool operator==(const Monitored&) const = default;
};

/// Figures about the machine's work: never part of the same-bytes promise.
struct Cost {
  double time_s = 0;      ///< summed over workers
  int64_t forwards = 0;   ///< rows sent by the attack
  int64_t gradients = 0;  ///< vjp rows
  int64_t judged = 0;     ///< rows of clean and judging forwards
};

/// What a unit saw of how its attack fared, as counts: they add up over the units of a cell, so
/// that the flags which the gate reads from them do not depend on blocks, workers or shards.
struct Diagnosis {
  int64_t gradients = 0;            ///< vjp rows
  int64_t zero_gradients = 0;       ///< of these, zero in every entry
  int64_t nonfinite_gradients = 0;  ///< of these, with a NaN or an infinity
  int64_t standing = 0;             ///< samples left robust
  int64_t blinded = 0;              ///< of these, with a nonfinite gradient on their way
  int64_t traced = 0;               ///< of these, with steps enough to tell whether it converged
  int64_t unfinished = 0;           ///< of these, where it had not
  int64_t hasty = 0;                ///< of the standing, with too few to tell
  int64_t stalled = 0;              ///< of these, where points looked at come nearer than any step
  int64_t averaged = 0;             ///< of the standing, looked at by a step against mean gradients
  int64_t turned = 0;               ///< of these, stalled by what it showed
  int64_t flat = 0;                 ///< of the standing, with the same margin all over the ball
  int64_t unguided = 0;             ///< of these, with gradients that were all zero
  int64_t unstarted = 0;            ///< of these, for want of a point to start from
  int64_t broken = 0;               ///< samples broken
  int64_t silent = 0;               ///< of these, not claimed by the attack itself
  int64_t boxed = 0;                ///< samples attacked again with the whole box as the ball
  int64_t withstood = 0;            ///< of these, left standing even so
  int64_t surrounded = 0;           ///< clean pass: samples whose neighbourhood was looked at
  int64_t unstable = 0;             ///< of these, with a margin that jumps within it
  int64_t approached = 0;           ///< clean pass: samples from which a way crosses the boundary
  int64_t cliffs = 0;               ///< of these, where half of the margin goes in one leap
  bool operator==(const Diagnosis&) const = default;
  Diagnosis& operator+=(const Diagnosis& other);
};

/// What one unit of the plan produced.
struct UnitResult {
  std::string key;    ///< SHA-256: everything its rows depend on
  std::string cell;   ///< cell name (minimum norm: the entry's, shared by its eps); "" if clean
  int64_t index = 0;  ///< position among the cell's units
  std::vector<Verdict> rows;
  std::vector<Flag> flags;
  Diagnosis diagnosis;
  std::string tensors;        ///< SHA-256 of the blob it made: a shadow, or logits; "" if none
  std::vector<Score> scores;  ///< of a membership cell, members first
  std::vector<std::string>
      failed_pool;                      ///< ids of records of its pool that the candidate failed on
  std::optional<Fidelity> fidelity;     ///< of a membership cell with shadows
  std::map<std::string, double> tuned;  ///< what its attack found for parameters left to it
  std::optional<Extracted> extracted;   ///< of an extraction cell
  std::vector<Monitored> monitored;     ///< of the replay of one thief's queries
  Cost cost;
};

/// A cell as a run knows it.
struct CellHeader {
  std::string name;
  std::string key;  ///< pairing key: SHA-256 over `key_fields`
  /// What pairs cells of two runs, field by field (norm, eps, goal, access, attack, version, every
  /// parameter as `params.NAME`, seed, sample, preprocessing), so that a mismatch can be named.
  std::map<std::string, std::string> key_fields;
  Family family = Family::kEvasion;
  std::string attack;
  std::string version;
  bool minimum_norm = false;
  ParamMap params;
  ThreatModel threat;
  /// The share of eps that each sample may use, by index into Header::samples; empty: all of it.
  std::vector<double> sample_scale;
  std::map<std::string, std::string> taxonomy;
  std::vector<std::string> stages;   ///< ensemble: stage names in order
  std::vector<Access> stage_access;  ///< what each of them may see
  /// Data names by role. Membership: `members`, `non_members` and `pool`; extraction: `test` and,
  /// where the attack queries one, `pool`.
  std::map<std::string, std::string> sets;
  std::vector<std::string> units;  ///< keys the plan expects, in order
};

struct FileIdentity {
  std::string path;
  std::string sha256;
};

struct Header {
  int version = 2;
  std::string assay;           ///< program version
  std::string libtorch;        ///< 2.13.0
  std::string cpu_capability;  ///< AVX512, AVX2, …
  std::string device;
  std::string suite_name;
  std::string suite_sha256;
  uint64_t seed = 0;
  std::string suite;         ///< Suite::effective
  std::string suite_folder;  ///< what its relative paths are relative to
  FileIdentity model;
  std::vector<std::string> class_names;  ///< or empty
  int64_t classes = 0;
  std::vector<int64_t> shape;
  bool float64 = false;  ///< the model's dtype
  std::vector<SampleInfo> samples;
  /// By data name: audited records, members and non-members, and the whole test set where something
  /// is extracted.
  std::map<std::string, std::vector<SampleInfo>> sets;
  std::vector<CellHeader> cells;
  std::vector<std::string> clean_units;  ///< keys of the clean pass, in order
  std::vector<Flag> flags;               ///< seen while loading model and data, and in planning
};

/// A run's header with the units it has. Units are ordered as the header lists them.
struct Evidence {
  Header header;
  std::vector<UnitResult> units;
  /// Set when the run ended by itself before all units ran, with the reason (contracts §4, the
  /// clean pass); such evidence is final although units are missing.
  std::string ended_early;
  /// Why the run is incomplete (time limit, signal, shard, host fault), or "".
  std::string interrupted;

  /// The unit with this key, or nullptr.
  const UnitResult* find(std::string_view key) const;
  /// True if every unit that the header expects is here.
  bool complete() const;
  /// Clean label by sample index; -1 where the clean pass is missing.
  std::vector<int64_t> clean_labels() const;
  /// Rows of one cell by sample index; nullopt where its unit is missing. A minimum-norm cell with
  /// eps reads its entry's rows at that radius: broken where the distance is within it, else
  /// robust.
  std::vector<std::optional<Verdict>> rows(const CellHeader& cell) const;
};

/// Evidence as bytes: JSON lines, a header line and a line per unit, each with a checksum.
/// `costs` are left out, so that equal verdicts have equal bytes; they go to write_costs.
std::string to_text(const Evidence& evidence);
/// Throws Error naming file and line for truncated, altered or foreign text.
Evidence parse_evidence(std::string_view text, const std::string& file);

/// A run folder's files: evidence.jsonl, costs.json, and baseline.jsonl where there is one.
void write_evidence(const std::filesystem::path& folder, const Evidence& evidence);
void write_baseline(const std::filesystem::path& folder, const Evidence& baseline);
void remove_baseline(const std::filesystem::path& folder);
/// Reads a run folder or a single evidence file; costs are read where they exist.
Evidence read_evidence(const std::filesystem::path& folder_or_file);
std::optional<Evidence> read_baseline(const std::filesystem::path& folder);

/// Unites shards of one run: set union by unit key. Throws Error where headers differ (naming the
/// field) or where one key has two different results.
Evidence merge(const std::vector<Evidence>& shards);

}  // namespace assay
