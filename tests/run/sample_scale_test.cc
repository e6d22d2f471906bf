// Samples that may use a share of eps each.
#include "harness/model/sample_scale.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "tests/run/fixture.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

const std::vector<double> kShares = {1, 0.5, 0.25};

class SampleScaleTest : public testing::RunTest {
 protected:
  // A file with the shares of the first samples.
  void write_shares(const std::vector<double>& shares) {
    std::ofstream file(folder_ / "s.csv");
    file << "sample,share\n";
    for (size_t i = 0; i < shares.size(); ++i) file << i << ',' << shares[i] << '\n';
  }

  // Plans a suite with the shares that the file has now.
  Plan plan(const Suite& suite) {
    const Dataset dataset = Dataset::open(suite.data.at("test"), suite.model);
    const std::vector<SampleInfo> samples = describe(dataset, draw(dataset, suite.sample));
    scales_ = {{"s.csv", read_sample_scale(folder_ / "s.csv", samples).shares}};
    return make_plan(suite, {"m.pt", std::string(64, 'a')}, samples, platform("cpu"), attacks_, {},
                     {}, scales_);
  }

  // In turn 1, 1/2 and 1/4 for each of the samples.
  void give_shares(size_t samples) {
    std::vector<double>& shares = scales_["s.csv"];
    for (size_t i = 0; i < samples; ++i) shares.push_back(kShares[i % kShares.size()]);
  }
};

// All but where the point is kept.
void expect_same(const Verdict& found, const Verdict& alone, const std::string& what) {
  EXPECT_EQ(found.status, alone.status) << what;
  EXPECT_EQ(found.clean, alone.clean) << what;
  EXPECT_EQ(found.adversarial, alone.adversarial) << what;
  EXPECT_EQ(found.distance, alone.distance) << what;
  EXPECT_EQ(found.queries, alone.queries) << what;
  EXPECT_EQ(found.gradients, alone.gradients) << what;
  EXPECT_EQ(found.breaking_attack, alone.breaking_attack) << what;
}

TEST_F(SampleScaleTest, ASampleHasTheVerdictThatItHasInACellOfItsOwnEps) {
  const auto entry = [](const std::string& name, const std::string& keys, const std::string& eps) {
    return "  - {name: " + name + "_scaled, " + keys + ", eps: " + eps +
           ", sample_scale: s.csv}\n  - {name: " + name + ", " + keys + ", eps: [" + eps + ", " +
           eps + "/2, " + eps + "/4]}\n";
  };
  const Suite suite = make_suite(
      "attacks:\n" +
          entry("pgd", "attack: pgd, norm: linf, steps: 5, random_start: true, restarts: 2",
                "0.2") +
          entry("apgd", "attack: apgd, norm: l2, steps: 8", "0.8") +
          entry("square", "attack: square, norm: l1, queries: 100", "2") +
          entry("fab", "attack: fab, norm: linf, steps: 5", "0.2") +
          entry("nes", "attack: nes, norm: l2, queries: 200, step_size: 0.1", "0.8") +
          entry("jump", "attack: hop_skip_jump, norm: l2, queries: 200", "0.8") +
          entry("again", "attack: transfer, norm: linf, source: pgd_scaled", "0.2") +
          entry("aimed", "attack: pgd, norm: linf, steps: 5, goal: targeted, target: next", "0.2") +
          entry("all",
                "attack: ensemble, norm: linf, stages: [{attack: fgsm}, {attack: pgd, steps: 5}, "
                "{attack: square, queries: 50}]",
                "0.2") +
          entry("few", "attack: ensemble, norm: l0, stages: [{attack: sigma_zero, steps: 20}]",
                "8"),
      "sample: {first: 60}\n");
  give_shares(60);
  const Evidence evidence = run(suite, make_model(1), "s");
  ASSERT_EQ(evidence.header.cells.size(), 40U);
  for (size_t scaled = 0; scaled < 40; scaled += 4) {
    const CellHeader& cell = evidence.header.cells[scaled];
    EXPECT_EQ(cell.sample_scale, scales_["s.csv"]);
    EXPECT_EQ(cell.params.at("sample_scale"), ParamValue(std::string("s.csv")));
    std::array<int, 3> broken{};
    const auto rows = evidence.rows(cell);
    for (size_t i = 0; i < rows.size(); ++i) {
      const CellHeader& own = evidence.header.cells[scaled + 1 + i % 3];
      expect_same(*rows[i], *evidence.rows(own)[i], cell.name + " " + std::to_string(i));
      broken[i % 3] += rows[i]->status == Status::kBroken;
    }
    EXPECT_GT(broken[0], 0) << cell.name << ": a comparison of nothing shows nothing";
    EXPECT_NE(evidence.rows(cell), evidence.rows(evidence.header.cells[scaled + 1])) << cell.name;
  }
}

TEST_F(SampleScaleTest, PointsOfTheCorpusAreTriedInTheSamplesOwnBall) {
  const Suite suite = make_suite(
      "attacks:\n"
      "  - {name: scaled, attack: corpus, norm: linf, eps: 0.4, sample_scale: s.csv}\n"
      "  - {name: whole, attack: corpus, norm: linf, eps: [0.4, 0.2, 0.1]}\n",
      "sample: {first: 60}\n");
  RunOptions options;
  options.sources.model = [](const std::string&) { return nullptr; };
  options.sources.points = [](const std::string&, const SampleInfo& sample) {
    return testing::random_uniform({5, 1, 4, 4}, static_cast<uint64_t>(std::stoi(sample.id)), 0, 1);
  };
  digests_ = {{kCorpus, "some"}};
  give_shares(60);
  const Evidence evidence = run(suite, make_model(1), "s", options);
  const std::vector<CellHeader>& cells = evidence.header.cells;
  const auto rows = evidence.rows(cells[0]);
  std::array<int, 3> broken{};
  for (size_t i = 0; i < rows.size(); ++i) {
    expect_same(*rows[i], *evidence.rows(cells[1 + i % 3])[i], std::to_string(i));
    broken[i % 3] += rows[i]->status == Status::kBroken;
  }
  EXPECT_GT(broken[0], 0);
  EXPECT_GT(broken[0], broken[2]);
}

TEST_F(SampleScaleTest, VerdictsDoNotDependOnWorkersAndBlocksAndPointsAreTheSamplesOwn) {
  const std::string entry =
      "attacks:\n  - {name: a, attack: pgd, norm: linf, eps: 0.2, steps: 5, sample_scale: s.csv}\n";
  const Suite suite = make_suite(entry, "run: {block: 16}\n");
  give_shares(150);
  const Model model = make_model(1);
  RunOptions options;
  options.workers = 1;
  const Evidence one = run(suite, model, "s1", options);
  options.workers = 2;
  EXPECT_EQ(to_text(one), to_text(run(suite, model, "s2", options)));
  EXPECT_EQ(to_text(parse_evidence(to_text(one), "x")), to_text(one));
  const Evidence small = run(make_suite(entry, "run: {block: 7}\n"), model, "s3");
  Store store(folder_ / "s1");
  const auto rows = one.rows(one.header.cells[0]), others = small.rows(small.header.cells[0]);
  const Dataset dataset = Dataset::open(suite.data.at("test"), suite.model);
  for (size_t i = 0; i < rows.size(); ++i) {
    expect_same(*rows[i], *others[i], std::to_string(i));
    if (rows[i]->status != Status::kBroken) continue;
    const std::string bytes = store.get_blob(rows[i]->tensors);
    const at::Tensor point = at::empty({1, 1, 4, 4});
    std::memcpy(point.data_ptr(), bytes.data() + rows[i]->tensor_row * 64, 64);
    const auto index = static_cast<int64_t>(i);
    const at::Tensor clean = dataset.read(std::span(&index, 1)).to(at::kDouble);
    EXPECT_EQ((point - clean).abs().max().item<double>(), rows[i]->distance) << i;
    EXPECT_LE(rows[i]->distance, 0.2 * kShares[i % 3] + 2e-7) << i;
    EXPECT_EQ(model.judge(point).argmax(1).item<int64_t>(), rows[i]->adversarial) << i;
  }
}

TEST_F(SampleScaleTest, AKeyChangesWithTheShareOfADrawnSampleAndWithNoOther) {
  const Suite suite = make_suite(
      "attacks:\n  - {name: a, attack: pgd, norm: linf, eps: 0.2, sample_scale: s.csv}\n"
      "  - {name: b, attack: pgd, norm: linf, eps: 0.2}\n",
      "sample: {first: 10}\nrun: {block: 4}\n");
  std::vector<double> shares(12, 0.5);
  write_shares(shares);
  const Plan base = plan(suite);
  const std::vector<CellHeader>& cells = base.header.cells;
  EXPECT_NE(cells[0].key, cells[1].key);
  EXPECT_TRUE(cells[0].key_fields.contains("sample_scale"));
  EXPECT_FALSE(cells[1].key_fields.contains("sample_scale"));
  shares[11] = 0.75;
  write_shares(shares);
  EXPECT_EQ(plan(suite).header.cells[0].key, cells[0].key) << "sample 11 is not drawn";
  EXPECT_EQ(plan(suite).header.cells[0].units, cells[0].units);
  shares[9] = 0.75;
  write_shares(shares);
  const Plan other = plan(suite);
  EXPECT_NE(other.header.cells[0].key, cells[0].key);
  EXPECT_NE(other.header.cells[0].key_fields.at("sample_scale"),
            cells[0].key_fields.at("sample_scale"));
  EXPECT_EQ(other.header.cells[1].key, cells[1].key);
  ASSERT_EQ(cells[0].units.size(), 3U);
  EXPECT_EQ(other.header.cells[0].units[0], cells[0].units[0])
      << "its samples' shares are as before";
  EXPECT_EQ(other.header.cells[0].units[1], cells[0].units[1]);
  EXPECT_NE(other.header.cells[0].units[2], cells[0].units[2]);
}

TEST_F(SampleScaleTest, AnEpsIsOddWhereThatOfASampleIs) {
  const auto flags = [this](const std::string& eps, double share) {
    const Suite suite = make_suite(
        "attacks:\n  - {name: a, attack: pgd, norm: linf, eps: " + eps + ", sample_scale: s.csv}\n",
        "sample: {first: 2}\n");
    write_shares({share, 0.5});
    return plan(suite).header.flags;
  };
  EXPECT_TRUE(flags("0.2", 1).empty());
  EXPECT_TRUE(flags("0.8", 0.25).empty()) << "no sample may use more than 0.4";
  ASSERT_EQ(flags("0.8", 1).size(), 1U);
  EXPECT_THAT(flags("0.8", 1)[0].detail, HasSubstr("eps 0.8 of a sample is 80 %"));
  ASSERT_EQ(flags("0.2", 0.001).size(), 1U);
  EXPECT_EQ(flags("0.2", 0.001)[0].id, "eps_scale");
}

TEST_F(SampleScaleTest, AnEpsIsOddWhereThatOfTheFeatureThatMovesMostIs) {
  const auto flags = [this](const std::string& eps, const std::string& fixed,
                            const std::string& first) {
    write_shares({1, 1});  // the fixture's samples, of which nothing is asked here
    std::string shares = first;
    for (int i = 1; i < 16; ++i) shares += ", 0.00001";
    return plan(make_suite("attacks:\n  - {name: a, attack: pgd, norm: linf, eps: " + eps +
                               ", fixed: [" + fixed + "], feature_scale: [" + shares + "]}\n",
                           "sample: {first: 2}\n"))
        .header.flags;
  };
  EXPECT_TRUE(flags("1", "15", "0.03").empty()) << "a radius for each feature";
  EXPECT_TRUE(flags("0.1", "15", "1").empty());
  ASSERT_EQ(flags("0.125", "15", "0.0009765625").size(), 1U);
  EXPECT_THAT(flags("0.125", "15", "0.0009765625")[0].detail,
              HasSubstr("of the feature that moves most is 0.01220703125 % of the box"));
  EXPECT_EQ(flags("0.1", "0", "1").size(), 1U) << "it is held still";
}

}  // namespace
}  // namespace assay
