#include <gtest/gtest.h>

#include <cmath>

#include "attacks/math/membership.h"
#include "harness/suite/error.h"
#include "tests/testing/membership.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

// phi 2; OUT shadows at 0, 1, 5; IN shadows at 3, 5.
Outputs lira_example() {
  const at::Tensor y = at::zeros({1}, at::kLong);
  Outputs outputs = outputs_of(logits_with(numbers({2}), y, 3), {0}, 1);
  give_shadows(&outputs, logits_with(numbers({0, 3, 1, 5, 5}).view({5, 1, 1}), y, 3),
               numbers({0, 1, 0, 1, 0}).view({5, 1}));
  return outputs;
}

// What the shadows of a scene say by the formulas of the paper: [R].
struct Formulas {
  at::Tensor z_score;  // offline, of the OUT shadows alone
  at::Tensor ratio;    // online, with the centres found for the true ones
};
Formulas formulas(const Scene& scene, attacks::Spreads spreads) {
  const Outputs& outputs = scene.outputs;
  const at::Tensor value = attacks::log_odds(outputs.logits, outputs.labels);
  const at::Tensor shadows = attacks::of_shadows(outputs, attacks::log_odds, false);
  const attacks::Moments out = attacks::moments(shadows, outputs.in.logical_not(), spreads);
  const attacks::Moments in = attacks::moments(shadows, outputs.in, spreads);
  const at::Tensor from_out = value.sub(out.centre).div(out.spread);
  const at::Tensor from_in = value.sub(in.centre).div(in.spread);
  const at::Tensor apart = from_out.square().sub(from_in.square()).div(2);
  return {from_out[0], apart.add(out.spread.log()).sub(in.spread.log())[0]};
}

// Share of members above all but 1 % of the others.
double tpr_of(const at::Tensor& scores, const at::Tensor& member) {
  const at::Tensor out = scores.masked_select(member.logical_not());
  const at::Tensor threshold = std::get<0>(out.topk(out.size(0) / 100)).min();
  return scores.masked_select(member).ge(threshold).to(at::kDouble).mean().item<double>();
}

TEST(Lira, OfflineIsTheOneSidedZScoreOfOutShadows) {
  // Median 1; mean 2, variance (4 + 1 + 9) / 2 = 7.
  EXPECT_NEAR(scores_of("lira", "{mode: offline}", lira_example())[0].item<double>(),
              1 / std::sqrt(7.0), 1e-12);
}

TEST(Lira, OfflineFarBelowTheShadowsIsNoMember) {
  // A two-sided density would call both ends unlikely for OUT.
  const at::Tensor y = at::zeros({2}, at::kLong);
  Outputs outputs = outputs_of(logits_with(numbers({-9, 9}), y, 3), {0, 0}, 2);
  give_shadows(&outputs, logits_with(numbers({-1, -1, 1, 1}).view({2, 1, 2}), y, 3),
               at::zeros({2, 2}));
  const at::Tensor scores = scores_of("lira", "{mode: offline}", outputs);
  EXPECT_LT(scores[0].item<double>(), 0);
  EXPECT_GT(scores[1].item<double>(), 0);
}

TEST(Lira, OfflineDoesNotSaturate) {
  const at::Tensor y = at::zeros({2}, at::kLong);
  Outputs outputs = outputs_of(logits_with(numbers({50, 60}), y, 3), {0, 0}, 2);
  give_shadows(&outputs, logits_with(numbers({-1, -1, 1, 1}).view({2, 1, 2}), y, 3),
               at::zeros({2, 2}));
  const at::Tensor scores = scores_of("lira", "{mode: offline}", outputs);
  EXPECT_LT(scores[0].item<double>(), scores[1].item<double>());
}

TEST(Lira, OnlineOfManyShadowsIsTheLikelihoodRatioOfTwoNormals) {
  const Scene scene = imagine({.members = 100, .shadows = 512, .online = true, .shift = 3});
  const at::Tensor scores =
      scores_of("lira", "{mode: online, shadows: 512, variance: per_record}", scene.outputs);
  const at::Tensor expected = formulas(scene, attacks::Spreads::kOwn).ratio;
  // Ratios are normal around 4.5 and -4.5, and 3 wide. A centre is known to 0.06.
  EXPECT_LT(scores.sub(expected).square().mean().sqrt().item<double>(), 0.25);
}

TEST(Lira, OnlineOfFewShadowsIsNoWeakerThanTheirOutShadowsAlone) {
  // Half a spread of memorisation, or 5 % canaries among records that are hardly memorised; of
  // records with one spread, and with spreads of their own.
  for (const int64_t shadows : {4, 16}) {
    for (const bool canaries : {false, true}) {
      for (const bool alike : {true, false}) {
        if (shadows > 4 && (canaries || !alike)) continue;
        World world{.members = 1000, .shadows = shadows, .online = true, .difficulty = 3};
        world.shift = canaries ? 0.1 : 0.5;
        world.canaries = canaries ? 50 : 0;
        world.noise = canaries ? 2 : 1;  // kCanaryShift is four of it
        Scene scene = imagine(world);
        if (!alike) {
          const at::Tensor factor = random_normal({1, 2000, 1}, 3).div(2).exp().to(at::kDouble);
          scene.outputs.logits = scene.outputs.logits.mul(factor);
          give_shadows(&scene.outputs, scene.shadow_logits.mul(factor), scene.outputs.in);
        }
        const std::string params = "{mode: online, shadows: " + std::to_string(shadows) + "}";
        const at::Tensor online = scores_of("lira", params, scene.outputs);
        const Formulas papers = formulas(scene, attacks::Spreads::kDrawn);
        for (const at::Tensor& other : {papers.z_score, papers.ratio}) {
          EXPECT_GT(auc_of(online, scene.member), auc_of(other, scene.member) - 0.01)
              << params << canaries << alike;
          if (!canaries) continue;  // next to none is certain
          EXPECT_GT(tpr_of(online, scene.member), tpr_of(other, scene.member) - 0.01)
              << params << canaries << alike;
        }
      }
    }
  }
}

TEST(Lira, OnlineFindsRecordsThatLoseByTraining) {
  // Of every other record log-odds are turned round: half of the records lose a spread.
  World world{.members = 1000, .shadows = 16, .online = true};
  Scene scene = imagine(world);
  const at::Tensor sign = at::ones({1, 2000}, at::kDouble);
  sign.slice(1, 0, 2000, 2).fill_(-1);
  const auto turned = [&](const at::Tensor& logits) {
    const at::Tensor odds = attacks::log_odds(logits, scene.outputs.labels).mul(sign);
    return logits_with(odds, scene.outputs.labels, world.classes);
  };
  const double plain =
      auc_of(scores_of("lira", "{mode: online, shadows: 16}", scene.outputs), scene.member);
  scene.outputs.logits = turned(scene.outputs.logits);
  give_shadows(&scene.outputs, turned(scene.shadow_logits), scene.outputs.in);
  const double found =
      auc_of(scores_of("lira", "{mode: online, shadows: 16}", scene.outputs), scene.member);
  EXPECT_GT(found, plain - 0.03);
  EXPECT_GT(found, auc_of(formulas(scene, attacks::Spreads::kPooled).ratio, scene.member) - 0.01);
}

TEST(Lira, OnlineOfShadowsThatKnowNothingTakesHighLogOddsForMembership) {
  for (const int64_t shadows : {4, 16}) {
    World world{.members = 1000, .shadows = shadows, .online = true, .shift = 0};
    const Scene ignorant = imagine(world);
    world.shift = 0.5;
    Scene scene = imagine(world);
    give_shadows(&scene.outputs, ignorant.shadow_logits, scene.outputs.in);
    const std::string params = "{mode: online, shadows: " + std::to_string(shadows) + "}";
    EXPECT_GT(auc_of(scores_of("lira", params, scene.outputs), scene.member),
              auc_of(formulas(scene, attacks::Spreads::kDrawn).z_score, scene.member) - 0.01)
        << shadows;
  }
}

TEST(Lira, AveragesTheScoresOfViews) {
  const at::Tensor y = at::zeros({1}, at::kLong);
  Outputs outputs = outputs_of(logits_with(numbers({1, 4}).view({2, 1}), y, 3), {0}, 1);
  // View 0: centre 0, variance 2; view 1: centre 1, variance 8.
  give_shadows(&outputs, logits_with(numbers({-1, -1, 1, 3}).view({2, 2, 1}), y, 3),
               at::zeros({2, 1}));
  const double expected = (1 / std::sqrt(2.0) + 3 / std::sqrt(8.0)) / 2;
  EXPECT_NEAR(scores_of("lira", "{mode: offline}", outputs)[0].item<double>(), expected, 1e-12);
}

TEST(Lira, ReachesTheAucOfTheory) {
  // Of two normals one standard deviation apart: Phi(1 / sqrt 2), which 256 shadows come near.
  // 2,000 records of each kind: a standard error of 0.0075.
  const double theory = 0.5 * std::erfc(-0.5);
  World world{.members = 2000, .shadows = 256, .difficulty = 3};
  for (const bool online : {false, true}) {
    world.online = online;
    const Scene scene = imagine(world);
    for (const char* variance : {"pooled", "per_record"}) {
      const std::string mode = online ? "online" : "offline";
      const std::string params = "{shadows: 256, mode: " + mode + ", variance: " + variance + "}";
      EXPECT_NEAR(auc_of(scores_of("lira", params, scene.outputs), scene.member), theory, 0.03)
          << params;
    }
    // Without shadows, what is easy drowns what is known.
    EXPECT_LT(auc_of(scores_of("loss", "{}", scene.outputs), scene.member), theory - 0.1);
  }
}

TEST(Lira, FindsNothingWhereThereIsNothing) {
  World world{.members = 2000, .shadows = 16, .shift = 0};
  for (const bool online : {false, true}) {
    world.online = online;
    const Scene scene = imagine(world);
    const std::string params = online ? "{mode: online}" : "{mode: offline}";
    EXPECT_NEAR(auc_of(scores_of("lira", params, scene.outputs), scene.member), 0.5, 0.03);
  }
}

TEST(Lira, OfAllRecordsIsNotWeakenedByOneOutlyingInput) {
  // One non-member of 1,000 records is answered 3,000 times as surely, by all models.
  World world{.shadows = 8, .shift = 1.5};
  for (const bool online : {false, true}) {
    world.online = online;
    const std::string params = online ? "{mode: online, shadows: 8}" : "{shadows: 8}";
    for (const int64_t record : {500, 600, 700, 800, 900}) {
      Scene scene = imagine(world);
      const double plain = auc_of(scores_of("lira", params, scene.outputs), scene.member);
      const at::Tensor factor = at::ones({1, 1000, 1}, at::kDouble);
      factor.narrow(1, record, 1).fill_(3000);
      scene.outputs.logits = scene.outputs.logits.mul(factor);
      give_shadows(&scene.outputs, scene.shadow_logits.mul(factor), scene.outputs.in);
      EXPECT_NEAR(auc_of(scores_of("lira", params, scene.outputs), scene.member), plain, 0.005)
          << params << ' ' << record;
    }
  }
}

TEST(Lira, CanariesComeFirst) {
  World world{.shadows = 8, .shift = 0, .canaries = 20, .noise = 0.5};
  EXPECT_TRUE(on_top(scores_of("lira", "{mode: offline}", imagine(world).outputs), 20));
  world.online = true;
  EXPECT_TRUE(on_top(scores_of("lira", "{mode: online}", imagine(world).outputs), 20));
}

TEST(Lira, RefusesWhatItCannotWorkWith) {
  EXPECT_THROW(inference_of("lira", "{shadows: 1}"), Error);
  EXPECT_THROW(inference_of("lira", "{mode: online, shadows: 2}"), Error);
  EXPECT_THROW(inference_of("lira", "{mode: online, shadows: 7}"), Error);
  EXPECT_THROW(inference_of("lira", "{mode: online, shadows: 8, train_records: 10}"), Error);
  EXPECT_TRUE(inference_of("lira", "{mode: online, shadows: 8}").shadows.online);
}

}  // namespace
}  // namespace assay::testing
