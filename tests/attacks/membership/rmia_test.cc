#include <gtest/gtest.h>

#include <cmath>

#include "harness/suite/error.h"
#include "harness/suite/value.h"
#include "tests/testing/attacks.h"
#include "tests/testing/membership.h"

namespace assay::testing {
namespace {

// log(p / mean of p) for T = 1.
Outputs rmia_example(const std::vector<double>& mine, const std::vector<double>& shadows,
                     int64_t audited, const at::Tensor& in) {
  const auto records = static_cast<int64_t>(mine.size());
  const auto logits = [](const at::Tensor& p) {
    return at::stack({p.log(), p.neg().add(1).log()}, -1);
  };
  Outputs outputs =
      outputs_of(logits(numbers(mine)), std::vector<int64_t>(mine.size(), 0), audited);
  give_shadows(&outputs, logits(numbers(shadows).view({-1, 1, records})), in);
  return outputs;
}

TEST(Rmia, OnlineIsTheShareOfDominatedRatios) {
  // Ratios: audited 0.9 / 0.3 = 3, 0.5 / 0.5 = 1; z: 0.4 / 0.4 = 1, 0.8 / 0.4 = 2.
  const Outputs outputs =
      rmia_example({0.9, 0.5, 0.4, 0.8}, {0.2, 0.4, 0.5, 0.3, 0.4, 0.6, 0.3, 0.5}, 2,
                   numbers({1, 0, 1, 0, 0, 1, 0, 1}).view({2, 4}));
  const at::Tensor scores =
      scores_of("rmia", "{mode: online, shadows: 2, gamma: 1.2, temperature: 1}", outputs);
  EXPECT_NEAR(scores[0].item<double>(), 1, 0.25 / 2);  // 3 / 1.2 exceeds both
  EXPECT_NEAR(scores[1].item<double>(), 0, 0.25 / 2);
}

TEST(Rmia, OfflineScalesTheMeanOfOutShadows) {
  // One shadow; p(x) = (1.3 p + 0.7) / 2. Audited: 0.9 / 0.48 = 1.875; z: the same p(z), 0.45 /
  // 0.48 and 0.96 / 0.48 = 2. At gamma 1 it dominates the first alone, at 1 / 2 both.
  const Outputs outputs = rmia_example({0.9, 0.45, 0.96}, {0.2, 0.2, 0.2}, 1, at::zeros({1, 3}));
  const auto score = [&](const std::string& gamma) {
    return scores_of("rmia", "{shadows: 1, temperature: 1, gamma: " + gamma + "}", outputs)[0]
        .item<double>();
  };
  EXPECT_NEAR(score("1"), 0.5, 0.25 / 2);
  EXPECT_NEAR(score("0.5"), 1, 0.25 / 2);
  EXPECT_NEAR(score("1.99"), 0.5, 0.25 / 2);  // 0.942 against 0.9375
  EXPECT_NEAR(score("2.01"), 0, 0.25 / 2);    // 0.933
}

TEST(Rmia, ReferencesThatSawARecordOfThePoolDoNotCountForIt) {
  // z has p = 0.5; the shadow that saw it says 1, the one that did not 0.1. Without the first,
  // p(z) = (1.3 * 0.1 + 0.7) / 2 = 0.415, and z's ratio is 1.2.
  const Outputs outputs =
      rmia_example({0.5, 0.5}, {0.5, 0.9999, 0.5, 0.1}, 1, numbers({0, 1, 0, 0}).view({2, 2}));
  // x: p(x) = 0.675, ratio 0.741; with the first shadow p(z) would be 0.707 and z's ratio 0.707.
  const at::Tensor scores = scores_of("rmia", "{shadows: 2, temperature: 1, gamma: 1}", outputs);
  EXPECT_NEAR(scores[0].item<double>(), 0, 0.25);
}

TEST(Rmia, ARecordOfThePoolThatAllShadowsSawIsLeftOut) {
  const Outputs outputs =
      rmia_example({0.5, 0.9, 0.1}, {0.5, 0.9, 0.5}, 1, numbers({0, 1, 0}).view({1, 3}));
  const at::Tensor scores = scores_of("rmia", "{shadows: 1, temperature: 1, gamma: 1}", outputs);
  EXPECT_NEAR(scores[0].item<double>(), 1, 0.25);  // above 0.1's; 0.9 is no z
}

TEST(Rmia, OrdersAsTheRatioDoesWhateverGammaAndZ) {
  const Scene scene = imagine({.members = 100, .population = 5, .shadows = 4});
  const at::Tensor one = scores_of("rmia", "{shadows: 4, gamma: 1}", scene.outputs);
  const at::Tensor four = scores_of("rmia", "{shadows: 4, gamma: 4}", scene.outputs);
  EXPECT_TRUE(one.argsort().equal(four.argsort()));
  const at::Tensor sorted = std::get<0>(one.sort());
  EXPECT_TRUE(sorted.narrow(0, 1, 199).gt(sorted.narrow(0, 0, 199)).all().item<bool>());
}

TEST(Rmia, TaylorIsTheSoftMarginOfOrderFour) {
  // Audited alone, two records; the shadow is flat: u = 0, so T(-0.6) / (T(-0.6) + 1) for both.
  const auto series = [](double u) {
    return 1 + u + u * u / 2 + u * u * u / 6 + u * u * u * u / 24;
  };
  const at::Tensor logits = numbers({3, 1, 2, 1}).view({2, 2});
  const double first = series(1.4) / (series(1.4) + 1);
  const double second = series(0.4) / (series(0.4) + 1);
  // Offline with a = 1, p(x) = p_out; gamma just below and above the ratio of the two ratios.
  for (const double tilt : {0.999, 1.001}) {
    Outputs outputs = outputs_of(logits, {0, 0}, 1);
    give_shadows(&outputs, at::zeros({1, 1, 2, 2}, at::kDouble), at::zeros({1, 2}));
    const double gamma = tilt * first / second;
    const at::Tensor scores = scores_of(
        "rmia", "{shadows: 1, a: 1, likelihood: taylor, gamma: " + std::to_string(gamma) + "}",
        outputs);
    EXPECT_NEAR(scores[0].item<double>(), tilt < 1 ? 1 : 0, 0.25);
  }
}

TEST(Rmia, TaylorDoesNotChangeWithAShiftOfAllLogits) {
  Scene scene = imagine({.members = 30, .population = 20, .shadows = 2});
  const std::string params = "{shadows: 2, likelihood: taylor}";
  const at::Tensor before = scores_of("rmia", params, scene.outputs);
  scene.outputs.logits = scene.outputs.logits.sub(100);
  EXPECT_TRUE(scores_of("rmia", params, scene.outputs).allclose(before, 1e-9, 1e-9));
}

TEST(Rmia, CanariesComeFirst) {
  World world{.population = 200, .shadows = 8, .shift = 0, .canaries = 20, .noise = 0.5};
  EXPECT_TRUE(on_top(scores_of("rmia", "{}", imagine(world).outputs), 20));
  world.online = true;
  EXPECT_TRUE(on_top(scores_of("rmia", "{mode: online}", imagine(world).outputs), 20));
}

TEST(Rmia, TakesNoAuditedRecordForZ) {
  // The one record of the pool was seen by the one shadow: there is no z, and x is none.
  const Outputs seen = rmia_example({0.5, 0.5}, {0.2, 0.9}, 1, numbers({0, 1}).view({1, 2}));
  EXPECT_THROW(scores_of("rmia", "{shadows: 1}", seen), Error);
  EXPECT_NO_THROW(scores_of("rmia", "{mode: online, shadows: 2}",
                            rmia_example({0.5, 0.5}, {0.2, 0.9, 0.3, 0.4}, 1, at::ones({2, 2}))));
  const Attack attack = find_attack("rmia");
  EXPECT_TRUE(attack.info.pool && attack.info.population);
}

TEST(Rmia, AIsTheFirstTenthThatTellsBestWhatShadowsSaw) {
  // Two shadows. Of the pool, each has seen one record that the other has not; of two more, neither
  // has: one is `unseen` to the first shadow and `unseen_out` to the second, one the other way.
  const auto pool = [](double seen, double seen_out, double unseen, double unseen_out) {
    const std::vector<double> mine = {0.9, 0.4, 0.5, 0.6, 0.7, 0.8};
    const std::vector<double> both = {0.5, 0.1, seen,     seen_out, unseen,     unseen_out,
                                      0.5, 0.1, seen_out, seen,     unseen_out, unseen};
    return rmia_example(mine, both, 2, numbers({0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0}).view({2, 6}));
  };
  const auto scores = [](const Outputs& outputs, const std::string& a) {
    return scores_of("rmia", "{shadows: 2, temperature: 1, a: " + a + "}", outputs);
  };
  // 0.4 / (0.1 (1 + a) + 1 - a) exceeds 0.9 / (0.5 (1 + a) + 1 - a) from a = 0.39 / 0.61 on.
  const Outputs late = pool(0.4, 0.1, 0.9, 0.5);
  EXPECT_TRUE(scores(late, "auto").equal(scores(late, "0.7")));
  EXPECT_FALSE(scores(late, "0.7").equal(scores(late, "0.8")));
  EXPECT_TRUE(scores_of("rmia", "{shadows: 2, temperature: 1}", late).equal(scores(late, "0.7")));
  Outputs told = late;
  std::map<std::string, double> tuned;
  told.tell = [&](const std::string& param, double value) { tuned[param] = value; };
  scores(told, "auto");
  EXPECT_EQ(tuned, (std::map<std::string, double>{{"a", 0.7}}));
  tuned.clear();
  scores(told, "0.7");
  EXPECT_TRUE(tuned.empty()) << "the suite said it";
  // The other way round they are told apart up to there.
  const Outputs early = pool(0.9, 0.5, 0.4, 0.1);
  EXPECT_TRUE(scores(early, "auto").equal(scores(early, "0")));
  // One shadow leaves none to attack it with.
  const Outputs alone = rmia_example({0.9, 0.4, 0.5}, {0.5, 0.1, 0.3}, 2, at::zeros({1, 3}));
  EXPECT_TRUE(scores_of("rmia", "{shadows: 1}", alone)
                  .equal(scores_of("rmia", "{shadows: 1, a: 0.3}", alone)));
}

TEST(Rmia, AIsTunedWithoutAuditedRecords) {
  World world{.members = 60, .population = 200, .shadows = 4};
  Scene scene = imagine(world);
  const auto scores = [&](const std::string& params) {
    return scores_of("rmia", params, scene.outputs);
  };
  const at::Tensor tuned = scores("{shadows: 4}");
  int equal = 0;
  std::string found;
  for (int tenths = 0; tenths <= 10; ++tenths) {
    const std::string params = "{shadows: 4, a: " + number_text(tenths / 10.0) + "}";
    if (!scores(params).equal(tuned)) continue;
    ++equal;
    found = params;
  }
  ASSERT_EQ(equal, 1);
  // Other audited outputs, the same a.
  scene.outputs.logits.narrow(1, 0, 120).neg_();
  scene.shadow_logits.narrow(2, 0, 120).mul_(3);
  EXPECT_TRUE(scores("{shadows: 4}").equal(scores(found)));
}

TEST(Rmia, RefusesSettingsWithoutEffect) {
  EXPECT_THROW(inference_of("rmia", "{mode: online, a: 0.3}"), Error);
  EXPECT_THROW(inference_of("rmia", "{likelihood: taylor, temperature: 2}"), Error);
  EXPECT_THROW(inference_of("rmia", "{a: most}"), Error);
  EXPECT_THROW(inference_of("rmia", "{a: 2}"), Error);
  EXPECT_NO_THROW(inference_of("rmia", "{likelihood: taylor, a: auto}"));
}

}  // namespace
}  // namespace assay::testing
