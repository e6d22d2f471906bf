// A parsed and validated suite: plain data, with the place of everything an error may name.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/suite/params.h"
#include "harness/suite/value.h"

namespace assay {

/// Numbers in an input of this shape.
inline int64_t entries_of(std::span<const int64_t> shape) {
  int64_t entries = 1;
  for (const int64_t size : shape) entries *= size;
  return entries;
}

enum class Norm { kL0, kL1, kL2, kLinf };
enum class Goal { kUntargeted, kTargeted };
enum class Access { kGradient, kScore, kLabel };  ///< each grants the ones after it
enum class Family { kEvasion, kMembership, kExtraction };

std::string_view to_string(Norm norm);      // l0 l1 l2 linf
std::string_view to_string(Goal goal);      // untargeted targeted
std::string_view to_string(Access access);  // gradient score label
std::string_view to_string(Family family);  // evasion membership extraction

/// How a targeted goal picks each sample's target.
struct Target {
  enum class Kind { kNext, kRandom, kLeastLikely, kLabel };
  Kind kind = Kind::kNext;
  int64_t label = 0;  ///< kLabel
};

/// What the candidate's API answers to a query, as an extraction attack meets it.
struct Surface {
  enum class Kind { kLogits, kProbabilities, kTopK, kRounded, kLabel };
  Kind kind = Kind::kProbabilities;
  int64_t top_k = 3;     ///< kTopK: the most probable classes are answered, the others as 0
  int64_t decimals = 2;  ///< kRounded: of each probability
  // Defences, which change no label that the API gives without noise.
  double temperature = 1;  ///< divides logits before the softmax
  double noise = 0;  ///< standard deviation of Gaussian noise on each number, fixed by the query
};
std::string_view to_string(Surface::Kind kind);  // logits probabilities top_k rounded label

/// What the attacker may change, see and want. Lengths are in the units of the box.
struct ThreatModel {
  Norm norm = Norm::kLinf;
  std::optional<double> eps;  ///< absent: a minimum-norm attack without a radius, or `unbounded`
  /// The attack has a perturbation set of its own, such as rotations: only the box bounds a point,
  /// norm and eps mean nothing, and distances are none.
  bool unbounded = false;
  double lo = 0;  ///< the box that every input lives in
  double hi = 1;
  Goal goal = Goal::kUntargeted;
  Target target;  ///< kTargeted
  Access access = Access::kGradient;
  /// Features that may not change: indices into the flattened input, ascending.
  std::vector<int64_t> fixed;
  /// linf: the share of eps that each feature may use, in [0, 1]; empty: all of it.
  std::vector<double> feature_scale;
  /// A success counts only if it holds when every entry is rounded, towards the clean input, to one
  /// of so many levels of the box (256 for 8 bits). 0: inputs are continuous.
  int64_t levels = 0;
  Surface surface;  ///< extraction
};

/// True if the nearest point is sought. Else any valid point decides its sample, the first one.
inline bool seeks_distance(const ThreatModel& threat) {
  return !threat.eps.has_value() && !threat.unbounded;
}

/// The radius up to which a point counts as inside the ball (contracts §2): eps + u·R·d^(1/p), with
/// u = 2^-23 (float64: 2^-52), R = max(|lo|, |hi|) and d entries per sample; linf: eps + u·R;
/// l0: eps. Infinite without eps. Judge, projections and curves all use it.
double ball_radius(const ThreatModel& threat, int64_t d, bool float64);

/// The radius left of `eps` to a sample that may use `share` of it, 0 to 1. l0: a whole number of
/// entries, rounded down.
double share_of_eps(Norm norm, double eps, double share);

/// What the outside knows of an attack: the torch-free part of an Attack.
struct AttackInfo {
  std::string name;  ///< one of contracts §1, or an attack from outside the tree
  Family family = Family::kEvasion;
  Access access = Access::kGradient;
  std::vector<Norm> norms;           ///< evasion: the norms it supports
  bool minimum_norm = false;         ///< finds distances; eps only says where the curve is read
  bool nearest_without_eps = false;  ///< finds distances where no eps is given
  bool unbounded = false;   ///< has a perturbation set of its own: takes neither norm nor eps
  bool images = false;      ///< inputs must be images, [channels, height, width]
  bool targeted = true;     ///< supports goal: targeted
  bool pool = false;        ///< membership, extraction: needs the data set `pool`
  bool population = false;  ///< membership: needs it even where shadows are trained online
  std::vector<Surface::Kind> surfaces;  ///< extraction: those it works with, the default first
  std::string summary;                  ///< one line
  std::string paper;                    ///< authors, title, venue, year, arXiv id
  std::string cost;                     ///< forwards and gradients per sample, as a formula
  std::map<std::string, std::string> taxonomy;  ///< keys atlas, nist, owasp
  std::string version;                          ///< digest of its source and of attacks/math
  /// Declares and checks the parameters (bind without keeping the result).
  std::function<void(Params&, const ThreatModel&)> declare;
};

/// What the outside knows of a monitor of query streams.
struct MonitorInfo {
  std::string name;
  std::string summary;  ///< one line
  std::string paper;    ///< authors, title, venue, year, arXiv id
  /// Declares and checks the parameters (bind without keeping the result).
  std::function<void(Params&)> declare;
};

struct ModelSpec {
  enum class Output { kLogits, kProbabilities, kSigmoid };
  enum class Dtype { kFloat32, kFloat64 };
  std::filesystem::path path;  ///< resolved against the suite's folder
  std::vector<int64_t> shape;  ///< of one input, without the batch
  double lo = 0;               ///< input.range
  double hi = 1;
  std::vector<double> mean;  ///< normalize; empty: the model normalises itself
  std::vector<double> std;
  Output output = Output::kLogits;
  std::string output_index;  ///< "" or a number (tuple) or a key (dict)
  int64_t classes = 0;
  std::vector<std::string> class_names;  ///< empty, or `classes` names
  Dtype dtype = Dtype::kFloat32;
  Where where;
};

struct DataSpec {
  enum class Format { kIdx, kNpy, kNpz, kSafetensors, kCsv, kImages };
  std::string name;  ///< test, members, non_members, pool, …
  Format format = Format::kIdx;
  std::filesystem::path images, labels;    ///< idx, npy
  std::filesystem::path path;              ///< npz, safetensors, csv, images
  std::string x = "x", y = "y";            ///< keys in npz and safetensors
  bool nhwc = false;                       ///< layout: nhwc
  std::string label;                       ///< csv: the label's column
  std::filesystem::path class_order;       ///< images: one class folder a line; empty: bytewise
  std::vector<int64_t> resize;             ///< images: [shorter side] or [height, width]
  std::vector<int64_t> crop;               ///< images: centre crop [height, width]
  std::string interpolation = "bilinear";  ///< nearest bilinear bicubic
  bool antialias = true;
  std::optional<std::pair<int64_t, int64_t>> rows;  ///< half-open
  Where where;
};

struct SampleSpec {
  std::optional<int64_t> count;
  uint64_t seed = 0;
  bool stratified = false;
  std::optional<int64_t> first;
  std::filesystem::path ids;  ///< a file of sample ids, one a line
  Where where;                ///< of count or first
};

/// One entry under `attacks:`; a stage of an ensemble is one too.
struct AttackSpec {
  std::string name;
  std::string attack;
  Family family = Family::kEvasion;
  ThreatModel threat;  ///< eps unset if the entry has a list of them
  struct Eps {
    double number;
    std::string text;  ///< as spelt
  };
  std::vector<Eps> eps;  ///< a scalar or a list
  bool eps_list = false;
  std::string sample_scale;  ///< evasion: the file with each sample's share of eps; "" if absent
  ParamMap params;
  Value entry;                     ///< with defaults merged in; what bind reads
  std::vector<AttackSpec> stages;  ///< attack: ensemble
  std::string source;              ///< `source:` a cell, `baseline` or a file; "" if absent
  std::string references;
  std::map<std::string, std::string> sets;  ///< members, non_members, pool, test → data name
  std::optional<int64_t> count;             ///< membership: records per set; absent: all
  Where where;
};

/// What is measured, judged and reported by itself: an entry, or an entry at one of its eps.
struct Cell {
  std::string name;  ///< `pgd` or `pgd@0.1`
  size_t spec = 0;   ///< index into Suite::attacks
  std::optional<double> eps;
};

struct RuleSpec {
  enum class Kind { kAtLeast, kAtMost, kMaxDrop, kMaxRise, kFlagsClear };
  std::string selector;       ///< as spelt
  std::vector<size_t> cells;  ///< what it covers: indices into Suite::cells, never empty
  std::string metric;         ///< "flags" for kFlagsClear
  Kind kind = Kind::kAtLeast;
  double limit = 0;
  bool relative = false;  ///< of the baseline's value: `5%` is limit 0.05
  double confidence = 0.95;
  bool vacuous_ok = false;
  std::vector<std::string> except;  ///< kFlagsClear: flag ids that are allowed
  Where where;
};

/// True of kMaxDrop and kMaxRise, which compare with a baseline.
bool is_paired(RuleSpec::Kind kind);
std::string_view to_string(RuleSpec::Kind kind);  // at_least at_most max_drop max_rise flags

/// One entry under `monitors.detectors`: a monitor with its parameters.
struct DetectorSpec {
  std::string name;  ///< the monitor's, unless the entry has one
  std::string monitor;
  ParamMap params;
  Value entry;  ///< what bind reads
  Where where;
};

/// Which monitors extraction attacks are replayed through, and beside which traffic.
struct MonitorsSpec {
  std::string benign;         ///< name of the data set of benign traffic
  double benign_share = 0.5;  ///< of the queries that attacks are mixed into, in [0, 1)
  std::vector<DetectorSpec> detectors;
  Where where;
};

struct RunSpec {
  int64_t block = 0;         ///< samples per unit; 0: unit_size()
  double time_limit_s = 0;   ///< 0: none
  int64_t memory_limit = 0;  ///< bytes; 0: none
  std::string device = "cpu";
};

struct Suite {
  std::string name;
  uint64_t seed = 0;
  ModelSpec model;
  std::string baseline;  ///< as spelt and resolved; "" absent, "none" declares a first run
  std::map<std::string, DataSpec> data;
  SampleSpec sample;
  std::vector<AttackSpec> attacks;
  std::vector<Cell> cells;
  double confidence = 0.95;
  std::vector<RuleSpec> rules;
  std::optional<MonitorsSpec> monitors;
  RunSpec run;
  std::filesystem::path file;  ///< empty in a restored suite
  /// Canonical JSON of the suite after env, defaults and --set; no path of the suite is made
  /// absolute in it. Rules carry the line they stood in, so that a restored suite reports the same
  /// places.
  std::string effective;
  /// Of `effective` without `model.path`, `baseline` and the rules' lines: what may differ between
  /// runs of one suite. A run's header has the digests of model and baseline.
  std::string sha256;
};

/// Command-line settings that replace parts of a suite before it is validated.
struct Overrides {
  std::vector<std::string> set;         ///< `attacks.pgd.steps=10`
  std::optional<std::string> model;     ///< not empty
  std::optional<std::string> baseline;  ///< not empty
};

/// Reads, merges and validates a suite. Nothing but the suite file itself is opened.
/// Throws Error (exit 2) with file:line:column, the value found, what is allowed and the nearest.
Suite load_suite(const std::filesystem::path& file, const Overrides& overrides,
                 std::span<const AttackInfo> attacks, std::span<const MonitorInfo> monitors = {});

/// Rebuilds a suite from the `effective` text kept in a run, for judging evidence again.
/// Paths are taken relative to `folder`.
Suite restore_suite(const std::string& effective, const std::filesystem::path& folder,
                    std::span<const AttackInfo> attacks,
                    std::span<const MonitorInfo> monitors = {});

/// The adversarials that earlier runs found, as a source.
inline constexpr const char* kCorpus = "corpus";

/// What an entry or a stage takes from elsewhere: kCorpus, its `source`, or "".
std::string source_of(const AttackSpec& spec);

/// Names under which later entries take from this one, by `source` or `references`: those of its
/// cells; an extraction entry's surrogates are `name@budget`, and `name` at the largest budget.
std::vector<std::string> source_names(const AttackSpec& spec);

/// True if an entry, or one of its stages, tries points of the corpus or starts at them.
bool uses_corpus(const AttackSpec& spec);

/// True if the points of an entry, or of one that it takes points from, were made for one of two
/// models: those of the corpus or of a file were chosen on other models, and those of the baseline
/// are the incumbent's own. No paired rule holds there.
bool favours_one(const Suite& suite, const AttackSpec& spec);

/// The parameters of an entry or a stage, as its attack's `bind` reads them.
Params params_of(const AttackSpec& spec);
/// The same for a detector, as its monitor's `bind` reads them.
Params params_of(const DetectorSpec& spec);

/// True if `selector` (a name or a glob; numbers in any spelling) covers the cell.
bool selects(std::string_view selector, std::string_view cell);

/// True if `selector` has a wildcard (`*` or `?`) and so may cover several cells.
bool is_glob(std::string_view selector);

/// Of an extraction cell, each at each of its budgets: `agreement@1000`.
inline constexpr std::array<const char*, 5> kExtractionMetrics = {
    "agreement", "surrogate_accuracy", "transfer_success", "accuracy_ratio", "mean_kl"};

/// The budgets of an extraction entry or cell, from its parameters.
std::vector<int64_t> budgets_of(const ParamMap& params);

/// Each of them at each of the `budgets` among an extraction attack's parameters.
std::vector<std::string> extraction_metrics(const ParamMap& params);

/// The metrics a family of attack yields (contracts §3). `minimum_norm` adds median_distance.
/// For extraction, `agreement@B` and its like for each budget B.
std::vector<std::string> metric_names(const AttackSpec& spec, bool minimum_norm);

/// The keys that an entry of this attack may have besides its parameters, with what they mean.
std::vector<std::pair<std::string, std::string>> harness_keys(const AttackInfo& info);

/// JSON Schema (draft-07) of suites, made from the same declarations that validate them.
std::string suite_schema(std::span<const AttackInfo> attacks,
                         std::span<const MonitorInfo> monitors = {});

}  // namespace assay
