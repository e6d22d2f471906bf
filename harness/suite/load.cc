#include "harness/suite/load.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "harness/suite/digest.h"
#include "harness/suite/host_limits.h"
#include "harness/suite/keys.h"

namespace assay {
namespace {

constexpr const char* kRestored = "the suite kept in the run";

Value text_value(const std::string& text, const Where& where) {
  Value value;
  value.kind = Value::Kind::kScalar;
  value.scalar = text;
  value.quoted = true;
  value.where = where;
  return value;
}

void erase(Value& map, std::string_view key) {
  std::erase_if(map.map, [&](const auto& entry) { return entry.first.scalar == key; });
}

std::string read_text(const std::filesystem::path& file) {
  std::error_code fault;
  if (std::filesystem::is_directory(file, fault)) {
    throw Error(file.string() + ": is a folder, expected a suite in YAML");
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    throw Error(file.string() + ": cannot be read: " + std::strerror(errno));
  }
  // One byte more than parse_yaml takes, so that it refuses what is cut here.
  std::string text((size_t{4} << 20) + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad()) throw Error(file.string() + ": reading failed");
  text.resize(static_cast<size_t>(stream.gcount()));
  return text;
}

// Paths given on the command line are relative to where it is typed, not to the suite.
std::string from_here(const std::string& path, const std::string& option) {
  if (path.empty()) throw Error("`" + option + "` is empty; is a variable unset?");
  return std::filesystem::absolute(path).lexically_normal().string();
}

void apply(Value& root, const Overrides& overrides) {
  for (const std::string& assignment : overrides.set) apply_set(root, assignment);
  if (overrides.model) {
    Value* model = root.find("model");
    if (model != nullptr && model->is_map()) {
      model->set("path", text_value(from_here(*overrides.model, "--model"), Where{"--model"}));
    }
  }
  if (overrides.baseline) {
    const std::string& named = *overrides.baseline;
    root.set("baseline", text_value(named == "none" ? named : from_here(named, "--baseline"),
                                    Where{"--baseline"}));
  }
}

void check_version(const Value& root, const std::string& file) {
  if (!root.is_map()) {
    throw Error(Where{file, std::max(root.where.line, 1), std::max(root.where.column, 1)},
                "not a suite: the document is " + shown(root) +
                    ", expected a map that begins with `assay: 1`");
  }
  const Value* version = root.find("assay");
  if (version == nullptr) throw Error(root.where, "not a suite: `assay: 1` is missing");
  if (!version->is_scalar() || version->scalar != "1") {
    throw Error(version->where,
                "`assay` is " + shown(*version) + ", and this program reads format version 1");
  }
}

Suite build(Value& root, const std::filesystem::path& folder, std::span<const AttackInfo> attacks,
            std::span<const MonitorInfo> monitors) {
  check_section(root, suite_keys(), "the suite");
  Suite suite;
  suite.name = text_at(root, "name");
  if (const Value* seed = root.find("seed")) suite.seed = as_seed(*seed, "seed");
  suite.model = load_model(*root.find("model"), folder);
  suite.baseline = text_at(root, "baseline");
  if (!suite.baseline.empty() && suite.baseline != "none") {
    suite.baseline = resolve(folder, suite.baseline).string();
  }
  // Without it, an attack tells which set it lacks.
  if (Value* data = root.find("data")) suite.data = load_data(*data, folder);
  if (Value* sample = root.find("sample")) suite.sample = load_sample(*sample, folder);
  suite.attacks = load_attacks(root, suite, attacks);
  name_baseline(suite, folder);
  suite.cells = make_cells(suite.attacks);
  if (Value* gate = root.find("gate")) load_gate(*gate, suite, attacks);
  if (Value* section = root.find("monitors")) {
    suite.monitors = load_monitors(*section, suite, monitors);
  }
  if (Value* run = root.find("run")) suite.run = load_run(*run);
  return suite;
}

Value* rules_of(Value& root) {
  Value* gate = root.find("gate");
  return gate != nullptr && gate->is_map() ? gate->find("rules") : nullptr;
}

// Writes `effective` and `sha256`. The hash leaves out what may differ between runs of one suite:
// the model's path and the baseline (a run's header has the digests of both), the limits of the
// host, and the lines that rules stand in, which `effective` keeps for reports.
void seal(Value root, Suite& suite) {
  erase(root, "defaults");
  Value hashed = root;
  erase(hashed, "baseline");
  erase(*hashed.find("model"), "path");
  if (Value* run = hashed.find("run")) {
    for (const char* key : kHostLimits) erase(*run, key);
    if (run->map.empty()) erase(hashed, "run");
  }
  suite.sha256 = sha256(canonical_json(hashed));
  if (Value* rules = rules_of(root)) {
    for (size_t i = 0; i < suite.rules.size(); ++i) {
      if (suite.rules[i].where.line <= 0) continue;
      Value line;
      line.kind = Value::Kind::kScalar;
      line.scalar = std::to_string(suite.rules[i].where.line);
      rules->list[i].set("line", std::move(line));
    }
  }
  suite.effective = canonical_json(root);
}

// Takes the lines that `seal` wrote out of the rules and makes them their places again.
void restore_lines(Value& root) {
  Value* rules = rules_of(root);
  if (rules == nullptr) return;
  for (Value& rule : rules->list) {
    if (!rule.is_map()) continue;
    rule.where = Where{kRestored};
    if (const Value* line = rule.find("line")) {
      rule.where.line = static_cast<int>(as_integer(*line, "line", Limits{1, 1e9}));
      erase(rule, "line");
    }
  }
}

// Which keys of the entries came from `defaults` is not kept: none is refused for having no effect.
void restore_defaults(Value& root) {
  Value* entries = root.find("attacks");
  if (entries == nullptr) return;
  for (Value& entry : entries->list) {
    for (auto& [key, value] : entry.map) key.inherited = true;
  }
}

}  // namespace

Suite load_suite(const std::filesystem::path& file, const Overrides& overrides,
                 std::span<const AttackInfo> attacks, std::span<const MonitorInfo> monitors) {
  Value root = parse_yaml(read_text(file), file.string());
  check_version(root, file.string());
  apply(root, overrides);
  check_version(root, file.string());  // --set may have replaced it
  Suite suite = build(root, file.parent_path(), attacks, monitors);
  suite.file = file;
  seal(std::move(root), suite);
  return suite;
}

Suite restore_suite(const std::string& effective, const std::filesystem::path& folder,
                    std::span<const AttackInfo> attacks, std::span<const MonitorInfo> monitors) {
  Value root = parse_yaml(effective, kRestored, Environment::kKeep);
  check_version(root, kRestored);
  restore_lines(root);
  restore_defaults(root);
  Suite suite = build(root, folder, attacks, monitors);
  seal(std::move(root), suite);
  return suite;
}

}  // namespace assay
