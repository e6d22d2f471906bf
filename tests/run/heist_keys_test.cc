// Keys of extraction cells: what may be paired with what.
#include <gtest/gtest.h>

#include "harness/run/keys.h"
#include "tests/run/fixture.h"

namespace assay {
namespace {

class HeistKeys : public testing::RunTest {
 protected:
  CellHeader cell(const std::string& more) {
    const std::filesystem::path file = folder_ / "heist.yaml";
    std::ofstream(file) << "assay: 1\nname: t\nseed: 5\n"
                           "model: {path: m.pt, input: {shape: [1, 4, 4]}, classes: 3}\ndata:\n"
                           "  test: {format: idx, images: x, labels: y, rows: [100, 150]}\n"
                           "  pool: {format: idx, images: x, labels: y, rows: [40, 100]}\n"
                           "attacks:\n  - {name: steal, attack: knockoff, architecture: mlp, "
                           "pool: pool, budgets: [10, 40]"
                        << more << "}\n";
    const Suite suite = load_suite(file, {}, infos_);
    RecordSets sets;
    std::vector<std::unique_ptr<Dataset>> datasets;
    for (const auto& [name, spec] : suite.data) {
      datasets.push_back(std::make_unique<Dataset>(Dataset::open(spec, suite.model)));
      Records records{datasets.back().get(), draw(*datasets.back(), {}), {}};
      records.infos = describe(*records.dataset, records.indices);
      sets.pools[name] = records;
      sets.audited[name] = std::move(records);
    }
    AuditInputs inputs{&sets, {}};
    inputs.architectures["mlp"] =
        std::make_shared<Architecture>(Architecture::of(suite.model, "", "mlp"));
    return make_plan(suite, {"m.pt", std::string(64, 'a')}, {}, platform("cpu"), attacks_, {},
                     inputs)
        .header.cells[0];
  }
};

TEST_F(HeistKeys, HoldTheTransferAttackThatMeasures) {
  const CellHeader measured = cell("");
  const CellHeader unmeasured = cell(", transfer_count: 0");
  for (Attack& attack : attacks_) {
    if (attack.info.name == kTransferAttack) attack.info.version = "another";
  }
  EXPECT_NE(cell("").key, measured.key);
  EXPECT_EQ(stolen_text(cell(""), "steal@40"), stolen_text(measured, "steal@40"))
      << "the surrogate is the same";
  EXPECT_EQ(cell(", transfer_count: 0").key, unmeasured.key);
}

}  // namespace
}  // namespace assay
