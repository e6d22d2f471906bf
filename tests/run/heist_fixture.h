// Runs of extraction cells on small tables.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "harness/monitor/monitor.h"
#include "tests/run/fixture.h"

namespace assay::testing {

class HeistTest : public RunTest {
 protected:
  HeistTest() {
    model_ = folder_ / "m.pt";
    save_module(model_, "def forward(self, x):\n    return torch.flatten(x, 1)[:, :3]\n", {});
  }

  Suite heist_suite(const std::string& entries, const std::string& more = "") {
    const std::filesystem::path file = folder_ / "heist.yaml";
    std::ofstream(file) << "assay: 1\nname: t\nseed: 5\n"
                           "model: {path: m.pt, input: {shape: [1, 4, 4]}, classes: 3}\n"
                           "data:\n"
                           "  test: {format: idx, images: x, labels: y, rows: [100, 150]}\n"
                           "  members: {format: idx, images: x, labels: y, rows: [0, 20]}\n"
                           "  out: {format: idx, images: x, labels: y, rows: [20, 40]}\n"
                           "  pool: {format: idx, images: x, labels: y, rows: [40, 100]}\n"
                           "defaults: {architecture: mlp, epochs: 2, least_steps: 10}\n"
                           "attacks:\n"
                        << entries << more;
    return load_suite(file, {}, infos_, monitor_infos());
  }

  static std::string steal(const std::string& more = "") {
    return "  - {name: steal, attack: knockoff, pool: pool, budgets: [10, 40]" + more + "}\n";
  }

  Evidence run_heist(const Suite& suite, const Model& model, const std::string& store,
                     RunOptions options = {}) {
    RecordSets& sets = sets_.emplace_back();
    for (const auto& [name, spec] : suite.data) {
      const Dataset& set =
          *datasets_.emplace_back(std::make_unique<Dataset>(Dataset::open(spec, suite.model)));
      Records records{&set, draw(set, {}), {}};
      records.infos = describe(set, records.indices);
      sets.pools[name] = records;
      sets.audited[name] = std::move(records);
    }
    AuditInputs inputs;
    inputs.sets = &sets;
    for (const auto& [wanted, where] : architectures_of(suite, attacks_)) {
      inputs.architectures[wanted] =
          std::make_shared<Architecture>(Architecture::of(suite.model, model_, wanted));
    }
    const Samples samples{sets.audited["test"].dataset, sets.audited["test"].indices};
    const Plan plan = make_plan(suite, {"m.pt", std::string(64, 'a')}, sets.audited["test"].infos,
                                platform("cpu"), attacks_, digests_, inputs);
    Store kept(folder_ / store);
    return run_plan(
        suite, plan, samples, attacks_, [&]() -> const Model& { return model; }, &kept, options);
  }

  static const Extracted& scored(const Evidence& evidence) {
    for (const UnitResult& unit : evidence.units) {
      if (unit.extracted && !unit.extracted->candidate.empty()) return *unit.extracted;
    }
    throw std::runtime_error("nothing was extracted");
  }

  std::filesystem::path model_;
  std::vector<std::unique_ptr<Dataset>> datasets_;
  std::deque<RecordSets> sets_;
};

}  // namespace assay::testing
