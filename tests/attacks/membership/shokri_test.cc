#include <gtest/gtest.h>

#include <cmath>

#include "harness/suite/error.h"
#include "tests/testing/membership.h"

namespace assay::testing {
namespace {

TEST(Shokri, LearnsFromShadowsWhatMembersLookLike) {
  const World world{.population = 600, .shadows = 4, .shift = 2, .difficulty = 0.1};
  const Scene scene = imagine(world);
  // Two normals two standard deviations apart: at most Phi(2 / sqrt 2) = 0.92.
  EXPECT_GT(auc_of(scores_of("shokri", "{}", scene.outputs), scene.member), 0.88);
  EXPECT_GT(auc_of(scores_of("shokri", "{per_class: false}", scene.outputs), scene.member), 0.88);
}

TEST(Shokri, LearnsThatMembersMayBeTheLessSure) {
  // Where training lowers confidence, a threshold on the loss is wrong way round.
  const World world{.population = 600, .shadows = 4, .shift = -2, .difficulty = 0.1};
  const Scene scene = imagine(world);
  EXPECT_GT(auc_of(scores_of("shokri", "{}", scene.outputs), scene.member), 0.85);
  EXPECT_LT(auc_of(scores_of("loss", "{}", scene.outputs), scene.member), 0.15);
}

TEST(Shokri, FindsNothingWhereThereIsNothing) {
  const World world{.members = 1000, .population = 600, .shadows = 4, .shift = 0};
  const Scene scene = imagine(world);
  EXPECT_NEAR(auc_of(scores_of("shokri", "{}", scene.outputs), scene.member), 0.5, 0.05);
}

TEST(Shokri, AClassThatNoShadowSawIsJudgedByTheCommonNetwork) {
  Scene scene = imagine({.members = 100, .population = 600, .shadows = 4, .shift = 2});
  scene.outputs.in.masked_fill_(scene.outputs.labels.eq(1).unsqueeze(0), false);
  const at::Tensor scores = scores_of("shokri", "{}", scene.outputs);
  EXPECT_TRUE(scores.isfinite().all().item<bool>());
  const at::Tensor rows = scene.outputs.labels.narrow(0, 0, 200).eq(1);
  EXPECT_GT(std::get<0>(scores.masked_select(rows).sort())[-1].item<double>(), 0);
}

TEST(Shokri, IsNotBlindedByWildAnswersOfAShadow) {
  const World world{.population = 600, .shadows = 4, .shift = 2, .difficulty = 0.1};
  Scene scene = imagine(world);
  for (const double wild : {1000.0, -1000.0}) {
    at::Tensor logits = scene.shadow_logits.clone();
    logits.select(2, 1300).mul_(wild);
    logits.select(2, 1500).mul_(wild);
    give_shadows(&scene.outputs, logits, scene.outputs.in);
    EXPECT_GT(auc_of(scores_of("shokri", "{}", scene.outputs), scene.member), 0.88) << wild;
  }
}

TEST(Shokri, NeedsBothKinds) {
  Scene scene = imagine({.members = 10, .population = 20, .shadows = 2});
  scene.outputs.in.fill_(true);
  EXPECT_THROW(scores_of("shokri", "{}", scene.outputs), Error);
}

}  // namespace
}  // namespace assay::testing
