// Thieves who are told less than the truth: what labels alone would have taught them, and how far
// their probabilities are from the candidate's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/run/heist_fixture.h"

namespace assay {
namespace {

using testing::HeistTest;

double mean_kl(const Extracted& extracted, int64_t budget) {
  double sum = 0;
  double n = 0;
  for (const Stolen& stolen : extracted.stolen) {
    if (stolen.budget != budget) continue;
    sum += std::accumulate(stolen.divergence.begin(), stolen.divergence.end(), 0.0);
    n += static_cast<double>(stolen.divergence.size());
  }
  return sum / n;
}

TEST_F(HeistTest, AThiefWhoMissesHisOwnAnswersIsHeldAgainstBareLabels) {
  const Evidence evidence = run_heist(heist_suite(steal()), make_model(1), "s");
  for (const Stolen& stolen : scored(evidence).stolen) {
    EXPECT_EQ(stolen.findings.contains("agreement_labels"), stolen.findings.at("fit") < 0.9);
  }
}

// A network may know distorted answers of its queries by heart.
TEST_F(HeistTest, DistortedAnswersAreAlwaysHeldAgainstTheirLabels) {
  for (const std::string surface :
       {"noise: 0.3", "surface: rounded, decimals: 2", "temperature: 3"}) {
    const Suite suite = heist_suite(steal(", least_steps: 400, " + surface));
    const Evidence evidence = run_heist(suite, make_model(1), surface.substr(0, 5));
    for (const Stolen& stolen : scored(evidence).stolen) {
      ASSERT_TRUE(stolen.findings.contains("agreement_labels")) << surface;
      EXPECT_GE(stolen.findings.at("agreement_labels"), 0);
      EXPECT_LE(stolen.findings.at("agreement_labels"), 1);
    }
  }
  const Evidence label =
      run_heist(heist_suite(steal(", surface: label, noise: 0.3")), make_model(1), "label");
  for (const Stolen& stolen : scored(label).stolen) {
    EXPECT_FALSE(stolen.findings.contains("agreement_labels")) << "they are all he has";
  }
}

// To know the candidate's network takes no other away.
TEST_F(HeistTest, CopiesOfTheCandidatesNetworkAreHeldAgainstOneOfOurs) {
  const auto mean_of = [&](const std::string& name, const std::string& more) {
    double surrogates = 0;
    double labels = 0;
    const Evidence evidence =
        run_heist(heist_suite(steal(", least_steps: 400, architecture: candidate" + more)),
                  make_model(1), name);
    for (const Stolen& stolen : scored(evidence).stolen) {
      if (stolen.budget < 40) continue;
      surrogates +=
          static_cast<double>(std::count(stolen.agreement.begin(), stolen.agreement.end(), '1')) /
          50 / 3;
      labels += stolen.findings.at("agreement_labels") / 3;
    }
    return std::pair(surrogates, labels);
  };
  // All that its copies learn is which class is frequent.
  testing::save_module(model_,
                       "def forward(self, x):\n"
                       "    return torch.flatten(x, 1)[:, :3] * 0 + self.bias\n",
                       {{"bias", at::zeros({3})}});
  for (const std::string surface : {"probabilities", "label"}) {
    const auto [copies, ours] = mean_of("dull " + surface, ", surface: " + surface);
    EXPECT_GT(ours, copies + 0.1) << surface;
  }
}

// A network whose loss is no number once a weight is large, as bare labels make it and flat answers
// do not: the theft stands, and says that nobody knows what labels would have taught.
TEST_F(HeistTest, ADiagnosisThatDivergesIsLeftOut) {
  const std::filesystem::path file = folder_ / "brittle.pt";
  testing::save_module(file,
                       "def forward(self, x):\n"
                       "    z = torch.flatten(x, 1).matmul(self.weight)\n"
                       "    if float(self.weight.abs().max()) > 2.5:\n"
                       "        z = z * float('nan')\n"
                       "    return z\n",
                       {{"weight", at::zeros({16, 3})}});
  const Suite suite =
      heist_suite(steal(", temperature: 1000, optimizer: sgd, learning_rate: 0.5, "
                        "least_steps: 300, architecture: " +
                        file.string()));
  const Evidence evidence = run_heist(suite, make_model(1), "s");
  EXPECT_EQ(evidence.interrupted, "");
  int diverged = 0;
  for (const Stolen& stolen : scored(evidence).stolen) {
    EXPECT_EQ(stolen.agreement.size(), 50U);
    EXPECT_NE(stolen.findings.contains("agreement_labels"),
              stolen.findings.contains("labels_diverged"));
    diverged += stolen.findings.contains("labels_diverged");
  }
  EXPECT_GT(diverged, 0);
}

// What labels teach is measured on the test set: another one is another theft.
TEST_F(HeistTest, AnotherTestSetMeasuresAnew) {
  const std::string entry = steal(", noise: 0.3");
  run_heist(heist_suite(entry), make_model(1), "s");
  Suite suite = heist_suite(entry);
  suite.data.at("test").rows = std::pair<int64_t, int64_t>(100, 130);
  EXPECT_EQ(to_text(run_heist(suite, make_model(1), "s")),
            to_text(run_heist(suite, make_model(1), "other")));
}

// No rounding: where all answers are even, each label was drawn, and there is nothing to fit.
TEST_F(HeistTest, LabelsThatWereDrawnAreNoneToFit) {
  const Evidence evidence = run_heist(
      heist_suite(steal(", surface: rounded, decimals: 1, temperature: 1e6")), make_model(1), "s");
  for (const Stolen& stolen : scored(evidence).stolen) {
    EXPECT_FALSE(stolen.findings.contains("fit"));
    EXPECT_TRUE(stolen.findings.contains("agreement_labels"));
  }
}

TEST_F(HeistTest, ATemperatureHidesNoProbabilities) {
  const auto kl = [&](const std::string& more, const std::string& store) {
    return mean_kl(
        scored(run_heist(heist_suite(steal(", least_steps: 400" + more)), make_model(1), store)),
        40);
  };
  const double plain = kl("", "plain");
  EXPECT_LT(kl(", temperature: 20", "warm"), 1.2 * plain + 0.01);
}

}  // namespace
}  // namespace assay
