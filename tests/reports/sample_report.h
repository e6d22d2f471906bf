// A small made-up run that every report can show, in each of the five outcomes.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "reports/report.h"
#include "tests/gate/membership_fixture.h"

namespace assay::testing {

inline constexpr int64_t kSamples = 20;

/// Owns what a Report points to.
struct Sample {
  Suite suite;
  Evidence evidence;
  Evidence baseline;
  Decision decision;
  Report report;
};

inline size_t occurrences(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

inline std::string hex(char digit) { return std::string(64, digit); }

inline Estimate estimate(double value, double half, int64_t n = 4000) {
  return {.value = value, .lower = value - half, .upper = value + half, .n = n, .reason = ""};
}

inline CellHeader cell_header(const std::string& name, const std::string& attack,
                              std::optional<double> eps, char key) {
  CellHeader cell;
  cell.name = name;
  cell.key = hex(key);
  cell.attack = attack;
  cell.version = "0123456789abcdef";
  cell.threat.eps = eps;
  cell.params = {{"steps", int64_t{40}},      {"step_size", 0.01},
                 {"loss", std::string("ce")}, {"momentum", std::monostate{}},
                 {"random_start", true},      {"targets", std::vector<int64_t>{1, 2}}};
  cell.taxonomy = {{"atlas", "AML.T0015"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}};
  cell.units = {"unit-" + name};
  return cell;
}

/// Row i of a cell: every fifth is misclassified clean, and `broken` of the others break.
inline UnitResult unit_of(const std::string& cell, int64_t broken, double distance) {
  UnitResult unit;
  unit.key = "unit-" + cell;
  unit.cell = cell;
  for (int64_t i = 0; i < kSamples; ++i) {
    Verdict row;
    row.sample = i;
    row.clean = i % 5 == 4 ? (i + 1) % 10 : i % 10;
    row.queries = 40;
    if (i % 5 == 4) {
      row.status = Status::kMisclassified;
      row.queries = 0;
    } else if (i < broken) {
      row.status = Status::kBroken;
      row.adversarial = (i + 3) % 10;
      row.distance = distance;
      row.breaking_attack = "pgd";
      row.queries = 3 * i + 1;
    }
    unit.rows.push_back(row);
  }
  return unit;
}

inline void add_cell(Sample& s, const CellHeader& header, double robust, double before,
                     int64_t broken) {
  s.evidence.header.cells.push_back(header);
  s.evidence.units.push_back(unit_of(header.name, broken, header.threat.eps.value_or(0.5)));
  s.baseline.header.cells.push_back(header);
  s.baseline.units.push_back(unit_of(header.name, 2, header.threat.eps.value_or(0.5)));
  CellResult cell;
  cell.name = header.name;
  cell.key = header.key;
  cell.complete = true;
  cell.samples = {4000, 4000, 0, 0, 0};
  cell.metrics = {{"clean_accuracy", estimate(0.902, 0.008)},
                  {"robust_accuracy", estimate(robust, 0.013)},
                  {"attack_success", estimate(1 - robust / 0.902, 0.014, 3608)}};
  cell.baseline_metrics = {{"clean_accuracy", estimate(0.861, 0.009)},
                           {"robust_accuracy", estimate(before, 0.013)}};
  cell.cost = {12.345, 1234567, 1200000, 4400};
  for (int64_t label = 0; label < 10; ++label) {
    const auto hold = static_cast<int64_t>(std::lround(robust * (20.0 + 2 * label) / 29 * 400));
    const auto held = static_cast<int64_t>(std::lround(before * (28.0 - label % 4) / 28 * 400));
    cell.classes.push_back({label, 400, 340 + 4 * label, hold, held});
  }
  for (int64_t i = 2; i < broken; ++i) {
    if (i % 5 != 4) cell.regressed.push_back(i);
  }
  s.decision.cells.push_back(std::move(cell));
}

inline RuleResult rule(const std::string& cell, RuleSpec::Kind kind, double limit, int line) {
  RuleResult result;
  result.cell = cell;
  result.metric = kind == RuleSpec::Kind::kFlagsClear ? "flags" : "robust_accuracy";
  result.kind = kind;
  result.limit = limit;
  result.n = 4000;
  result.line = line;
  result.verdict = RuleResult::Verdict::kPass;
  return result;
}

inline RuleResult floor_rule(const std::string& cell, double limit, double value, int line) {
  RuleResult result = rule(cell, RuleSpec::Kind::kAtLeast, limit, line);
  result.value = value;
  result.lower = value - 0.013;
  result.upper = value + 0.013;
  return result;
}

inline RuleResult drop_rule(const std::string& cell, double before, double value, double half) {
  RuleResult result = rule(cell, RuleSpec::Kind::kMaxDrop, 0.03, 31);
  result.value = value;
  result.baseline = before;
  result.difference = before - value;
  result.lower = before - value - half;
  result.upper = before - value + half;
  result.regressed = 1712;
  result.repaired = 58;
  return result;
}

/// A shirt: enough of a shape to see what an attack does to it.
inline Picture picture(const std::string& cell, int64_t sample) {
  Picture shot{cell, sample, {1, 28, 28}, {}, {}};
  for (int y = 0; y < 28; ++y) {
    for (int x = 0; x < 28; ++x) {
      const double side = std::abs(x - 13.5);
      const double width = y < 9 ? 5 + y : 6.5 + 0.6 * std::sin(y + double(sample));
      const bool inside = y > 3 && y < 26 && side < width && !(y < 7 && side < 2.5);
      const double shade = inside ? 0.55 + 0.03 * ((x * 7 + y * 3 + int(sample) * 5) % 9) : 0;
      const double sign = (x * 31 + y * 17 + x * y + int(sample)) % 3 - 1.0;
      shot.clean.push_back(static_cast<float>(shade));
      shot.adversarial.push_back(
          static_cast<float>(std::fmin(1, std::fmax(0, shade + 0.1 * sign))));
    }
  }
  return shot;
}

inline void fill_header(Header& header, const Sample& s, const std::string& model, char digest) {
  header.assay = "0.1.0";
  header.libtorch = "2.13.0";
  header.cpu_capability = "AVX512";
  header.device = "cpu";
  header.suite_name = s.suite.name;
  header.suite_sha256 = s.suite.sha256;
  header.seed = s.suite.seed;
  header.model = {model, hex(digest)};
  header.class_names = s.suite.model.class_names;
  header.classes = 10;
  header.shape = {1, 28, 28};
  for (int64_t i = 0; i < kSamples; ++i) {
    // One id needs quoting everywhere.
    const std::string id = i == 3 ? "odd, \"<id>\" & 'co'.png" : std::to_string(100 + i);
    header.samples.push_back({id, hex("0123456789abcdef"[i % 16]), i % 10});
  }
}

/// The careless candidate: high clean accuracy, hardly any robustness left.
inline std::unique_ptr<Sample> failing() {
  auto s = std::make_unique<Sample>();
  s->suite.name = "fashion-nightly";
  s->suite.seed = 20260101;
  s->suite.sha256 = hex('5');
  s->suite.file = "configs/suites/fashion-nightly.yaml";
  s->suite.baseline = "models/incumbent.pt";
  s->suite.model.path = "models/careless.pt";
  s->suite.model.classes = 10;
  s->suite.model.class_names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  fill_header(s->evidence.header, *s, "models/careless.pt", 'c');
  fill_header(s->baseline.header, *s, "models/incumbent.pt", 'b');
  add_cell(*s, cell_header("fgsm", "fgsm", 0.1, '1'), 0.214, 0.702, 9);
  add_cell(*s, cell_header("pgd@0.05", "pgd", 0.05, '2'), 0.331, 0.742, 8);
  add_cell(*s, cell_header("pgd@0.1", "pgd", 0.1, '3'), 0.021, 0.663, 19);
  add_cell(*s, cell_header("aa", "ensemble", 0.1, '4'), 0.009, 0.631, 19);
  s->decision.cells[3].stages = {{"apgd", 3608, 3490}, {"square", 118, 82}};
  const RuleSpec::Kind flags = RuleSpec::Kind::kFlagsClear;
  s->decision.rules = {
      floor_rule("pgd@0.1", 0.4, 0.021, 30),      drop_rule("fgsm", 0.702, 0.214, 0.014),
      drop_rule("pgd@0.05", 0.742, 0.331, 0.014), drop_rule("pgd@0.1", 0.663, 0.021, 0.014),
      drop_rule("aa", 0.631, 0.009, 0.014),       rule("aa", flags, 0, 32)};
  for (RuleResult& result : s->decision.rules) {
    if (result.kind == flags) continue;
    result.verdict = RuleResult::Verdict::kFail;
    result.reason = result.kind == RuleSpec::Kind::kAtLeast
                        ? "robust_accuracy is 0.021, at most 0.034, under at_least 0.4"
                        : "robust_accuracy dropped against the baseline, over max_drop 0.03";
    result.hint = "train against the attack, or keep the model in production";
  }
  s->decision.outcome = Outcome::kFail;
  s->decision.reason = "5 of 6 rules failed; the first, pgd@0.1 robust_accuracy at_least: " +
                       s->decision.rules[0].reason;
  s->decision.rules_decided = 6;
  s->decision.clean_accuracy = 0.902;
  s->decision.baseline_clean_accuracy = 0.861;
  s->decision.flags = {{"few_classes", "", "10 classes", "read attack_success beside it"},
                       {"eps_scale", "aa", "eps 0.1 is 10 % of the box", ""}};
  for (int64_t i = 2; i < 8; ++i) {
    if (i != 4) s->report.pictures.push_back(picture("pgd@0.1", i));
  }
  s->report.suite = &s->suite;
  s->report.evidence = &s->evidence;
  s->report.baseline = &s->baseline;
  s->report.decision = &s->decision;
  s->report.baseline_path = "models/incumbent.pt";
  s->report.started = "2026-01-02T02:03:04Z";
  s->report.wall_s = 83.2;
  s->report.workers = 2;
  return s;
}

/// The improved candidate.
inline std::unique_ptr<Sample> passing() {
  auto s = failing();
  s->evidence.header.model.path = "models/improved.pt";
  const double robust[4] = {0.731, 0.768, 0.689, 0.652};
  for (size_t i = 0; i < 4; ++i) {
    CellResult& cell = s->decision.cells[i];
    cell.metrics["robust_accuracy"] = estimate(robust[i], 0.012);
    cell.regressed.clear();
    for (ClassRow& row : cell.classes) row.robust = *row.baseline_robust + 3 * (row.label - 2);
  }
  s->decision.rules = {
      floor_rule("pgd@0.1", 0.4, 0.689, 30),      drop_rule("fgsm", 0.702, 0.731, 0.011),
      drop_rule("pgd@0.05", 0.742, 0.768, 0.011), drop_rule("pgd@0.1", 0.663, 0.689, 0.011),
      drop_rule("aa", 0.631, 0.652, 0.011),       rule("aa", RuleSpec::Kind::kFlagsClear, 0, 32)};
  for (RuleResult& result : s->decision.rules) {
    if (result.regressed) result.regressed = 61, result.repaired = 165;
  }
  s->decision.outcome = Outcome::kPass;
  s->decision.reason = "6 rules passed";
  s->decision.flags.clear();
  s->report.pictures.clear();
  return s;
}

/// A small candidate on too few samples, and one rule without a partner.
inline std::unique_ptr<Sample> inconclusive() {
  auto s = passing();
  RuleResult& wide = s->decision.rules[3];
  wide = drop_rule("pgd@0.1", 0.663, 0.655, 0.041);
  wide.n = 400;
  wide.verdict = RuleResult::Verdict::kInconclusive;
  wide.reason =
      "the drop of robust_accuracy is 0.008, between -0.033 and 0.049: these samples "
      "cannot tell it from max_drop 0.03";
  wide.hint =
      "about 2,310 samples would decide if the rates hold; these 400 samples can show "
      "max_drop 0.049";
  RuleResult& alone = s->decision.rules[4];
  alone = rule("aa", RuleSpec::Kind::kMaxDrop, 0.03, 31);
  alone.verdict = RuleResult::Verdict::kInconclusive;
  alone.reason = "no baseline for this cell: steps 40 in the baseline, 100 here";
  alone.hint = "give the incumbent's model file as baseline, and it is attacked by the same plan";
  s->decision.cells[3].baseline_reason = "steps 40 in the baseline, 100 here";
  s->decision.cells[3].baseline_metrics.clear();
  for (ClassRow& row : s->decision.cells[3].classes) row.baseline_robust.reset();
  s->decision.rules_decided = 4;
  s->decision.outcome = Outcome::kInconclusive;
  s->decision.reason =
      "2 of 6 rules inconclusive; the first, pgd@0.1 robust_accuracy max_drop: " + wide.reason;
  return s;
}

/// Stopped by a time limit after two cells.
inline std::unique_ptr<Sample> incomplete() {
  auto s = passing();
  s->evidence.interrupted = "time limit of 60 s reached";
  s->evidence.units.resize(2);
  for (size_t i = 2; i < 4; ++i) {
    CellResult& cell = s->decision.cells[i];
    cell.complete = false;
    cell.samples = {4000, 0, 0, 0, 0};
    cell.metrics = {{"robust_accuracy",
                     {.value = {}, .lower = {}, .upper = {}, .n = 0, .reason = "incomplete"}}};
    cell.classes.clear();
    cell.cost = {};
  }
  for (RuleResult& result : s->decision.rules) {
    if (result.cell != "aa" && result.cell != "pgd@0.1") continue;
    const RuleResult old = std::exchange(result, rule(result.cell, result.kind, result.limit, 31));
    result.verdict = RuleResult::Verdict::kInconclusive;
    result.reason = "incomplete: 4000 of 4000 samples without a verdict";
    result.hint = "finish the run with --resume, or merge its missing shards";
  }
  s->decision.rules_decided = 2;
  s->decision.outcome = Outcome::kIncomplete;
  s->decision.reason = "the run is incomplete: time limit of 60 s reached";
  return s;
}

/// Refused by preflight: there is no evidence at all.
inline std::unique_ptr<Sample> refused() {
  auto s = failing();
  s->decision = {};
  s->decision.outcome = Outcome::kRefused;
  s->decision.reason = "the candidate's output has 12 columns, the suite says 10 classes";
  s->decision.flags = {{"class_count", "", "12 columns for 10 classes",
                        "set classes: 12, or export the head that has 10 outputs"}};
  s->report.evidence = nullptr;
  s->report.baseline = nullptr;
  s->report.pictures.clear();
  return s;
}

/// A run of one membership cell without test samples, judged by the gate: members score higher, and
/// the candidate failed on one of them.
inline std::unique_ptr<Sample> audited_members() {
  auto s = std::make_unique<Sample>();
  s->evidence = make_audit(1200, 1000);
  CellHeader& cell = add_scores(s->evidence, "lira", ramp(1200, 0.2), ramp(1000, 0));
  cell.key = hex('a');
  cell.taxonomy = {{"atlas", "AML.T0024.000"}, {"nist", "NISTAML.033"}, {"owasp", "ML04:2023"}};
  UnitResult& unit = s->evidence.units.back();
  unit.fidelity = {16, 0.97, 0.9, 0.96, 0.91, "cnn", "the candidate is frozen"};
  unit.fidelity->shadow_unseen_members = 0.9;
  unit.tuned = {{"a", 0.25}};
  s->evidence.header.class_names = {"shirt", "coat", "boot"};
  s->baseline = s->evidence;
  for (Score& score : s->baseline.units.back().scores) score.score -= score.member ? 0.1 : 0;
  unit.scores[3].failed = true;
  s->suite = make_suite(s->evidence);
  s->suite.name = "privacy";
  s->suite.sha256 = hex('e');
  add_rule(s->suite, "auc", RuleSpec::Kind::kAtMost, 0.55);
  add_rule(s->suite, "auc", RuleSpec::Kind::kMaxRise, 0.02);
  add_rule(s->suite, "epsilon_lower", RuleSpec::Kind::kAtMost, 8);
  s->decision = decide(s->suite, s->evidence, &s->baseline);
  s->report = {.suite = &s->suite,
               .evidence = &s->evidence,
               .baseline = &s->baseline,
               .decision = &s->decision,
               .baseline_path = "old.pt"};
  return s;
}

}  // namespace assay::testing
