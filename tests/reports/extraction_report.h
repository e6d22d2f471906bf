// A made-up run of extraction cells, judged by the gate, that every report can show.
#pragma once

#include <memory>
#include <string>

#include "tests/gate/extraction_fixture.h"
#include "tests/reports/sample_report.h"

namespace assay::testing {

/// Two cells that differ by the surface, with a baseline that was harder to steal, and monitors.
inline std::unique_ptr<Sample> stolen_models() {
  auto s = std::make_unique<Sample>();
  s->evidence = make_theft_run(2000);
  add_thefts(s->evidence, "steal", {{0.61, 0.64, 0.63}, {0.83, 0.84, 0.84}, {0.915, 0.921, 0.918}})
      .key = hex('a');
  Extracted& stolen = last_extracted(s->evidence);
  stolen.stolen.back().findings = {{"hidden_width", 64}};
  s->evidence.units.back().monitored = {
      {"blacklight", 0, 10'000, 0, 0, 0, -1, 5000, 0, 25},
      {"blacklight", 0, 10'000, 500, 100, 0, -1, 5000, 0, 25, false},
      {"blacklight", 1, 10'000, 500, 100, 0, -1, 5000, 0, 25, false},
      {"blacklight", 2, 10'000, 500, 100, 0, -1, 5000, 0, 25, false},
      {"prada", 0, 10'000, 500, 100, 213, 1180, 5000, 3, 0.9, true},
      {"prada", 1, 10'000, 500, 100, 0, -1, 5000, 3, 0.9, false},
      {"prada", 2, 10'000, 500, 100, 187, 2410, 5000, 3, 0.9, true}};
  CellHeader& labels = add_thefts(s->evidence, "steal-labels",
                                  {{0.42, 0.45, 0.4}, {0.7, 0.71, 0.7}, {0.85, 0.86, 0.85}});
  labels.key = hex('b');
  labels.threat.surface.kind = Surface::Kind::kLabel;
  labels.threat.access = Access::kLabel;
  for (Stolen& each : last_extracted(s->evidence).stolen) each.transfer = "";
  for (CellHeader& cell : s->evidence.header.cells) {
    cell.taxonomy = {{"atlas", "AML.T0024.002"}, {"nist", "NISTAML.031"}, {"owasp", "ML05:2023"}};
    cell.version = "0123456789abcdef";
  }
  s->baseline = s->evidence;
  for (UnitResult& unit : s->baseline.units) {
    if (!unit.extracted || unit.extracted->candidate.empty()) continue;
    for (Stolen& each : unit.extracted->stolen) {
      for (size_t i = 0; i < 240; ++i) each.agreement[8 * i] = '0';
    }
  }
  s->evidence.header.class_names = {"shirt", "coat", "boot", "bag"};
  s->suite = make_suite(s->evidence);
  s->suite.name = "theft";
  s->suite.sha256 = hex('e');
  add_rule(s->suite, "agreement@10000", RuleSpec::Kind::kAtMost, 0.9);
  add_rule(s->suite, "agreement@10000", RuleSpec::Kind::kMaxRise, 0.02);
  add_rule(s->suite, "surrogate_accuracy@1000", RuleSpec::Kind::kAtMost, 0.76);
  s->decision = decide(s->suite, s->evidence, &s->baseline);
  s->report = {.suite = &s->suite,
               .evidence = &s->evidence,
               .baseline = &s->baseline,
               .decision = &s->decision,
               .baseline_path = "old.pt"};
  return s;
}

}  // namespace assay::testing
