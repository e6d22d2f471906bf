#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/attacks.h"
#include "tests/testing/labels.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

Attack geoda() { return find_attack("geoda"); }

TEST(Geoda, StaysWithinOneAndAHalfTimesTheClosedFormAtTenThousandQueries) {
  for (const Norm norm : {Norm::kL2, Norm::kLinf, Norm::kL1}) {
    for (const Shape& shape : {Shape{{2}, 2}, Shape{{1, 5, 5}, 2, at::kDouble}, Shape{{100}, 2}}) {
      expect_close_to_the_plane(geoda(), norm, shape, "{queries: 10000}", 1.5);
    }
  }
}

// Where the normal is smooth, few frequencies find it with fewer probes.
TEST(Geoda, FindsASmoothNormalFasterInItsSubspace) {
  Shape shape{{1, 16, 16}, 2};
  shape.lo = -5;
  shape.hi = 5;
  const at::Tensor w = at::arange(16, at::kDouble).sub(7.5).unsqueeze(1).expand({16, 16});
  const Model model = linear_model(shape, at::stack({at::zeros({256}, at::kDouble), w.flatten()}),
                                   values({0.0, -100.0}));
  Block block = random_block(model, 6, 3);
  block.x = at::zeros({6, 1, 16, 16});
  block.y = at::zeros({6}, at::kLong);
  const double closest = 100 / w.norm().item<double>();
  const auto ratio = [&](const std::string& params) {
    return median_of_best(geoda(), params, Norm::kL2, model, block) / closest;
  };
  const double smooth = ratio("{queries: 1000, subspace: 4}");
  const double all = ratio("{queries: 1000, subspace: 16}");
  EXPECT_LT(smooth, 1.02);
  EXPECT_GT(all, 1.05);
  EXPECT_GE(smooth, 0.999);
}

TEST(Geoda, MoreQueriesComeNearer) {
  const Model model = mlp_model({{20}, 4}, 32, 61);
  const Block block = random_block(model, 30, 62);
  for (const Norm norm : geoda().info.norms) {
    const double few = median_of_best(geoda(), "{queries: 200}", norm, model, block);
    const double many = median_of_best(geoda(), "{queries: 3000}", norm, model, block);
    EXPECT_LT(many, few) << to_string(norm);
    EXPECT_TRUE(std::isfinite(few)) << to_string(norm);
  }
}

TEST(Geoda, ComesCloseToWhatGradientsFind) {
  const Model model = mlp_model({{20}, 4}, 32, 63);
  const Block block = random_block(model, 60, 64);
  for (const Norm norm : geoda().info.norms) {
    ThreatModel threat = label_only(norm, model);
    threat.eps = norm == Norm::kL2 ? 0.25 : norm == Norm::kLinf ? 0.06 : 0.8;
    const int64_t found = run(model, geoda(), "{queries: 6000}", threat, block).count();
    threat.access = Access::kGradient;
    const int64_t pgd = run(model, find_attack("pgd"), "{restarts: 3}", threat, block).count();
    EXPECT_GT(pgd, 10) << to_string(norm);
    EXPECT_GE(found, pgd * 8 / 10) << to_string(norm);
  }
}

TEST(Geoda, SpendsTheWholeBudget) {
  for (const int64_t queries : {150, 1111}) expect_all_labels_used(geoda(), queries);
}

TEST(Geoda, SeeksAStartWhileThereAreQueries) { expect_more_starts(geoda()); }

TEST(Geoda, ClaimsNothingWhereNoStartIsFound) { expect_nothing_without_start(geoda()); }

TEST(Geoda, MinimumNormDoesNotDependOnTheRestOfTheBatch) {
  expect_rows_alone_alike(geoda(), "{queries: 700}");
}

TEST(Geoda, RefusesBadParameters) {
  EXPECT_THROW(bind_params(geoda(), "{queries: 0}", {}), Error);
  EXPECT_THROW(bind_params(geoda(), "{starts: 0}", {}), Error);
  EXPECT_THROW(bind_params(geoda(), "{mu: 1}", {}), Error);
  EXPECT_THROW(bind_params(geoda(), "{subspace: 0}", {}), Error);
}

}  // namespace
}  // namespace assay::testing
