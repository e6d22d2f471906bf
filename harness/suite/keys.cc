#include "harness/suite/keys.h"

#include <algorithm>
#include <limits>

#include "harness/suite/flags.h"

namespace assay {
namespace {

using Type = Key::Type;

constexpr Limits kAboveZero{std::numeric_limits<double>::denorm_min()};
constexpr Limits kFromZero{0};
constexpr Limits kFromOne{1};
// The open interval (0.5, 1): the numbers next to its ends.
constexpr Limits kConfidence{0.50000000000000011, 0.99999999999999989};

Key name_key(const char* help) {
  return {.name = "name",
          .help = help,
          .required = true,
          .pattern = kNamePattern,
          .expected = kNameExpected};
}

Key text_key(const char* name, const char* help, bool required = false) {
  return {.name = name, .help = help, .required = required};
}

Key choice_key(const char* name, const char* help, std::vector<std::string> choices,
               bool required = false) {
  return {.name = name, .help = help, .required = required, .choices = std::move(choices)};
}

Key integer_key(const char* name, const char* help, Limits limits) {
  return {.name = name, .type = Type::kInteger, .help = help, .limits = limits};
}

Key section_key(const char* name, const char* help, bool required = false) {
  return {.name = name, .type = Type::kSection, .help = help, .required = required};
}

Key confidence_key(const char* help) {
  return {.name = "confidence",
          .type = Type::kNumber,
          .help = help,
          .limits = kConfidence,
          .expected = "a number above 0.5 and below 1"};
}

Key limit_key(const char* name, const char* help, Type type) {
  Key key{.name = name, .type = type, .help = help, .limits = kFromZero};
  if (type == Type::kLimit) {
    key.expected = "a number of at least 0, or a percentage such as 5%";
  }
  return key;
}

}  // namespace

const char* const kNamePattern = "[A-Za-z0-9_.-]+";
const char* const kNameExpected = "a name of letters, digits, `_`, `.` and `-`";

std::vector<Key> suite_keys() {
  return {
      {.name = "assay",
       .type = Type::kInteger,
       .help = "format version of the suite: 1",
       .required = true,
       .limits = {1, 1}},
      name_key("name of the suite, used in reports and folders"),
      {.name = "seed", .type = Type::kSeed, .help = "seed of everything random; 0 by default"},
      section_key("model", "the candidate: a TorchScript file and what it takes and gives", true),
      {.name = "baseline",
       .help =
           "the incumbent: a model, a run folder or an evidence file; none declares a first run",
       .may_be_empty = true},  // ${BASELINE:-}
      section_key("data", "data sets by name; evasion attacks samples of `test`"),
      section_key("sample", "which samples of `test` are attacked; all by default"),
      section_key("defaults", "merged into every attack entry that takes the key"),
      {.name = "attacks",
       .type = Type::kList,
       .help = "the attacks; one cell each, or one per eps where eps is a list",
       .required = true,
       .most_items = 1000},
      section_key("monitors",
                  "monitors of query streams that extraction attacks are replayed through"),
      section_key("gate", "the rules that decide whether the candidate may replace the incumbent"),
      section_key("run", "how the work is done; verdicts do not depend on it"),
  };
}

std::vector<Key> model_keys() {
  return {
      text_key("path", "the candidate's TorchScript file; --model replaces it", true),
      section_key("input", "shape and value range of one input", true),
      section_key(
          "normalize",
          "the harness feeds (x - mean) / std; leave it out if the model normalises itself"),
      choice_key("output", "what the model returns; sigmoid is one logit z for two classes",
                 {"logits", "probabilities", "sigmoid"}),
      text_key("output_index", "which output to use: a position in a tuple, or a key of a dict"),
      {.name = "classes",
       .type = Type::kIntegerOrTexts,
       .help = "the number of classes, or a list of their names",
       .required = true,
       .limits = {2, 1e6},
       .least_items = 2},
      choice_key("dtype", "the floating-point type that the model computes in; float32 by default",
                 {"float32", "float64"}),
  };
}

std::vector<Key> input_keys() {
  return {
      {.name = "shape",
       .type = Type::kIntegers,
       .help = "shape of one input without the batch, e.g. [1, 28, 28]",
       .required = true,
       .limits = {1, 1e9},
       .most_items = 8},
      {.name = "range",
       .type = Type::kNumbers,
       .help = "the box [low, high] inputs live in before normalisation; [0, 1] by default",
       .least_items = 2,
       .most_items = 2},
  };
}

std::vector<Key> normalize_keys() {
  return {
      {.name = "mean",
       .type = Type::kNumbers,
       .help = "a list of one number, or of one for each channel",
       .required = true},
      {.name = "std",
       .type = Type::kNumbers,
       .help = "a list of one number above 0, or of one for each channel",
       .required = true,
       .limits = kAboveZero},
  };
}

std::vector<Key> sample_keys() {
  return {
      integer_key("count", "draws this many samples by seed", kFromOne),
      {.name = "seed", .type = Type::kSeed, .help = "seed of the draw"},
      {.name = "stratified", .type = Type::kBoolean, .help = "draw per class, in proportion"},
      integer_key("first", "takes the first N samples instead", kFromOne),
      text_key("ids", "takes the samples named in this file, one id a line"),
  };
}

std::vector<Key> gate_keys() {
  return {
      confidence_key("confidence of every bound; 0.95 by default"),
      {.name = "rules", .type = Type::kList, .help = "what must hold", .most_items = 1000},
  };
}

std::vector<Key> rule_keys() {
  return {
      text_key("cell", "a cell's name, or a glob such as \"*\" or pgd@*, of * and ? alone", true),
      text_key("metric", "what is measured, e.g. robust_accuracy"),
      limit_key("at_least", "the metric must be at least this", Type::kNumber),
      limit_key("at_most", "the metric must be at most this", Type::kNumber),
      limit_key("max_drop", "may fall by at most this against the baseline; median_distance: 5%",
                Type::kLimit),
      limit_key("max_rise", "may rise by at most this against the baseline; median_distance: 5%",
                Type::kLimit),
      choice_key("flags", "no flag may be raised", {"clear"}),
      {.name = "except",
       .type = Type::kTexts,
       .help = "flags that are allowed all the same",
       .choices = {kFlagIds.begin(), kFlagIds.end()}},
      confidence_key("of this rule, instead of the gate's"),
      choice_key("vacuous", "ok lists a rule that cannot fail as not applicable", {"ok"}),
  };
}

std::vector<Key> run_keys() {
  return {
      integer_key("block", "samples per unit of work", {1, 65536}),
      {.name = "time_limit",
       .help = "ends the run as incomplete after this long, e.g. 90s, 10m, 6h",
       .pattern = "[0-9]+(\\.[0-9]+)?(s|m|h)",
       .expected = "a time such as 90s, 10m or 6h"},
      {.name = "memory_limit",
       .help = "memory that workers may use together, e.g. 16GB, 512MiB",
       .pattern = "[0-9]+(\\.[0-9]+)?(KB|MB|GB|TB|KiB|MiB|GiB|TiB)",
       .expected = "a size such as 16GB or 512MiB"},
      {.name = "device",
       .help = "where the model runs: cpu, cuda or cuda:N",
       .pattern = "cpu|cuda(:[0-9]+)?",
       .expected = "cpu, cuda or cuda:N"},
  };
}

std::vector<Key> monitors_keys() {
  return {
      text_key("benign", "data set of benign traffic", true),
      {.name = "benign_share",
       .type = Type::kNumber,
       .help = "share of benign queries in the traffic that attacks are mixed into; 0.5 by default",
       .limits = {0, 0.99}},
      {.name = "detectors",
       .type = Type::kList,
       .help = "the monitors, each by itself",
       .required = true,
       .most_items = 100},
  };
}

std::vector<Key> detector_keys() {
  Key name = name_key("name of the detector; the monitor's by default");
  name.required = false;
  return {name, text_key("monitor", "which monitor", true)};
}

std::vector<Key> entry_head_keys() {
  return {name_key("name of the entry and of its cells"), text_key("attack", "which attack", true)};
}

namespace {

void add_evasion_keys(bool ensemble, bool unbounded, std::vector<Key>& keys) {
  if (!unbounded) {
    keys.push_back(
        choice_key("norm", "the norm distances are measured in", {"l0", "l1", "l2", "linf"}));
    keys.push_back({.name = "eps",
                    .type = Type::kRadius,
                    .help = "radius in units of the input range, fractions too; a list makes a "
                            "cell of each",
                    .limits = kAboveZero,
                    .expected = "a number above 0 such as 0.1 or 8/255",
                    .most_items = 100});
  }
  keys.push_back(choice_key("goal", "untargeted by default", {"untargeted", "targeted"}));
  keys.push_back(text_key(
      "target", "with goal: targeted: next, random, least_likely, or a label; next by default"));
  keys.push_back({.name = "fixed",
                  .type = Type::kIntegers,
                  .help = "features that may not change: indices into the flattened input",
                  .limits = kFromZero,
                  .most_items = 1000000});
  if (!unbounded) {
    keys.push_back({.name = "feature_scale",
                    .type = Type::kNumbers,
                    .help = "linf: the share of eps that each feature may use, 0 to 1",
                    .limits = {0, 1},
                    .most_items = 1000000});
    keys.push_back(text_key("sample_scale",
                            "the share of eps that each sample may use: a CSV file with the header "
                            "sample,share"));
  }
  keys.push_back(integer_key("levels",
                             "a success must hold after rounding each entry to one of so many "
                             "levels of the box, 256 for 8 bits",
                             {2, 65536}));
  if (ensemble) {
    keys.push_back({.name = "stages",
                    .type = Type::kList,
                    .help = "attacks in order, each on the survivors of the one before",
                    .required = true,
                    .most_items = 100});
  }
}

void add_membership_keys(std::vector<Key>& keys) {
  keys.push_back(text_key("members", "data set the model was trained on", true));
  keys.push_back(text_key("non_members", "data set the model has not seen", true));
  keys.push_back(text_key("pool", "data set that shadow models are trained on"));
  keys.push_back(integer_key("count", "records per set; all by default", kFromOne));
  keys.push_back({.name = "delta",
                  .type = Type::kNumber,
                  .help = "of the (epsilon, delta) that epsilon_lower bounds; 1e-5 by default",
                  .limits = {0, 0.5}});
  keys.push_back(choice_key("estimator",
                            "how epsilon_lower corrects for the choice of a threshold; "
                            "one_run needs inclusion: randomised; bonferroni by default",
                            {"bonferroni", "split", "gdp", "one_run"}));
  keys.push_back(choice_key("inclusion",
                            "randomised: a fair coin put each record into members or "
                            "non_members before the model was trained; fixed by default",
                            {"fixed", "randomised"}));
}

void add_extraction_keys(std::vector<Key>& keys) {
  keys.push_back(text_key("pool",
                          "data set whose records the attack may send as queries; noise: inputs "
                          "that are uniform in the box"));
  keys.push_back(choice_key("surface", "what the API answers to a query",
                            {"logits", "probabilities", "top_k", "rounded", "label"}));
  keys.push_back(integer_key(
      "top_k", "surface: top_k: classes answered, the most probable; 3 by default", {1, 1e6}));
  keys.push_back(
      integer_key("decimals", "surface: rounded: of each probability; 2 by default", {0, 15}));
  keys.push_back({.name = "temperature",
                  .type = Type::kNumber,
                  .help = "a defence: logits are divided by it before the softmax; 1 by default",
                  .limits = {1e-6, 1e6}});
  keys.push_back({.name = "noise",
                  .type = Type::kNumber,
                  .help = "a defence: standard deviation of Gaussian noise on each number that "
                          "is answered, the same for the same query; 0 by default",
                  .limits = {0, 1e6}});
}

}  // namespace

std::vector<Key> entry_keys(Family family, bool ensemble, bool unbounded) {
  std::vector<Key> keys = entry_head_keys();
  if (family == Family::kEvasion) add_evasion_keys(ensemble, unbounded, keys);
  if (family == Family::kMembership) add_membership_keys(keys);
  if (family == Family::kExtraction) add_extraction_keys(keys);
  return keys;
}

std::vector<std::pair<std::string, std::string>> harness_keys(const AttackInfo& info) {
  std::vector<std::pair<std::string, std::string>> keys;
  for (const Key& key : entry_keys(info.family, info.name == "ensemble", info.unbounded)) {
    keys.emplace_back(key.name, key.help);
  }
  return keys;
}

std::vector<Key> stage_keys() {
  Key name = name_key("name of the stage; the attack's by default");
  name.required = false;
  return {name, text_key("attack", "which attack", true)};
}

}  // namespace assay
