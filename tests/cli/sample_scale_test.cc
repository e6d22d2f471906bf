// Suites that give each sample a share of eps, from the file to the report.
#include "tests/cli/workshop.h"

namespace assay::testing {
namespace {

using ::testing::HasSubstr;

class SampleScales : public Workshop {
 protected:
  // Samples 0 to 49 are 0.3 away from the line and 50 to 99 are 0.05 away; eps is 0.1.
  void write_shares(double first_75, double last_25) const {
    std::string text = "sample,share\n";
    for (int i = 0; i < 100; ++i) {
      text += std::to_string(i) + ',' + std::to_string(i < 75 ? first_75 : last_25) + '\n';
    }
    write("shares.csv", text);
  }
  static SuiteParts scaled(const std::string& more = "") {
    SuiteParts parts;
    parts.attacks =
        "- { name: pgd, attack: pgd, eps: [0.1], steps: 3, sample_scale: shares.csv" + more + " }";
    return parts;
  }
};

TEST_F(SampleScales, ASampleStandsWhereItsShareDoesNotReachTheLine) {
  write_shares(1, 0.25);
  write_suite(scaled());
  ASSERT_EQ(run("out").code, 0);
  const nlohmann::json found = cell("out", "pgd@0.1");
  EXPECT_EQ(found["metrics"]["robust_accuracy"]["value"], 0.75);
  EXPECT_EQ(found["params"]["sample_scale"], "shares.csv");
  EXPECT_EQ(found["threat_model"]["eps"], 0.1);
  const std::string table = read("out/samples.csv");
  EXPECT_THAT(table, HasSubstr("cell,sample,label,clean,adversarial,status,distance,queries,"
                               "broken_by,baseline_status\n"));
  EXPECT_THAT(table, HasSubstr("\npgd@0.1,74,0,0,1,broken,"));
  EXPECT_THAT(table, HasSubstr("\npgd@0.1,76,0,0,,robust,"));
  EXPECT_THAT(read("out/report.html"), HasSubstr("times each sample&#39;s share"));
  write_shares(1, 0.6);
  ASSERT_EQ(run("more").code, 0);
  EXPECT_EQ(cell("more", "pgd@0.1")["metrics"]["robust_accuracy"]["value"], 0.5);
}

TEST_F(SampleScales, FaultsAreToldBeforeAnythingRuns) {
  const auto expect_refused = [this](const std::vector<std::string>& says) {
    expect_end(run("out"), 2, says);
    EXPECT_FALSE(exists("out"));
    expect_end(assay({"validate", "suite.yaml", "--load"}), 2, says);
    expect_end(assay({"plan", "suite.yaml"}), 2, says);
  };
  write_suite(scaled());
  expect_refused({"suite.yaml:12:67", "`sample_scale`", "shares.csv"});
  EXPECT_EQ(assay({"validate", "suite.yaml"}).code, 0) << "it opens nothing but the suite";
  write("shares.csv", "sample,share\n0,0.5\n");
  expect_refused({"shares.csv: ", "no share for sample `1`"});
  write_shares(1, 1.5);
  expect_refused({"shares.csv:77:4", "`1.500000`", "`75`"});
  SuiteParts few = scaled();
  few.attacks =
      "- { name: few, attack: ensemble, norm: l0, eps: 2, sample_scale: shares.csv, stages: [ "
      "{ attack: sigma_zero } ] }";
  few.rules = "- { cell: few, metric: robust_accuracy, at_least: 0 }";
  write_suite(few);
  write_shares(0.5, 0.25);
  expect_refused({"shares.csv:77", "0.25", "cell `few`", "less than one entry"});
  write_shares(1, 0.5);
  EXPECT_EQ(assay({"validate", "suite.yaml", "--load"}).code, 0);
}

TEST_F(SampleScales, CellsOfOtherSharesDoNotPairAndTheReasonNamesThem) {
  SuiteParts parts = scaled();
  parts.rules = kPaired;
  write_suite(parts);
  write_shares(1, 0.25);
  run("incumbent", {"--baseline", "none"});
  ASSERT_TRUE(exists("incumbent/report.json"));
  run("same", {"--baseline", "incumbent"});
  EXPECT_EQ(json("same/report.json")["rules"][0]["n"], 100);
  write_shares(1, 0.5);
  EXPECT_EQ(run("other", {"--baseline", "incumbent"}).code, 4);
  const std::string reason = json("other/report.json")["rules"][0]["reason"];
  EXPECT_THAT(reason, HasSubstr("no baseline for this cell: sample_scale "));
}

TEST_F(SampleScales, ResumeRefusesOtherSharesByName) {
  write_suite(scaled());
  write_shares(1, 0.25);
  ASSERT_EQ(run("out").code, 0);
  const std::string before = read("out/evidence.jsonl");
  EXPECT_EQ(run("out", {"--resume"}).code, 0);
  write_shares(1, 0.5);
  expect_end(run("out", {"--resume"}), 2, {"another sample_scale", "pgd@0.1"});
  EXPECT_EQ(read("out/evidence.jsonl"), before);
}

TEST_F(SampleScales, ReportsDoNotDependOnWorkers) {
  write_suite(scaled());
  write_shares(0.6, 0.25);
  ASSERT_EQ(run("one", {"--workers", "1", "--store", "s1"}).code, 0);
  ASSERT_EQ(run("two", {"--workers", "2", "--store", "s2"}).code, 0);
  EXPECT_EQ(read("one/evidence.jsonl"), read("two/evidence.jsonl"));
  EXPECT_EQ(read("one/samples.csv"), read("two/samples.csv"));
}

}  // namespace
}  // namespace assay::testing
