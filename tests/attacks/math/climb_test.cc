#include "attacks/math/climb.h"

#include <gtest/gtest.h>

#include "harness/model/oracle.h"
#include "tests/testing/attacks.h"
#include "tests/testing/models.h"
#include "tests/testing/scores.h"

namespace assay::testing {
namespace {

using attacks::Climb;

// The first gradient of a climb at x, which is not in the ball's way.
at::Tensor first_gradient(const Model& model, const Block& block, Climb settings) {
  settings.queries = 2 * settings.pairs + 1;
  const ThreatModel threat = score_ball(model, Norm::kLinf, 1e-6);
  Oracle oracle(model, threat, block, settings.queries, 0);
  at::Tensor found;
  attacks::climb(oracle, Rng(1, "climb", 0), settings, block.x,
                 [&](const at::Tensor& x, const at::Tensor& gradient, const at::Tensor&) {
                   found = gradient;
                   return x;
                 });
  return found;
}

double cosine(const at::Tensor& a, const at::Tensor& b) {
  return a.dot(b).div(a.norm()).div(b.norm()).item<double>();
}

TEST(Climb, EstimatesTheGradientOfTheMargin) {
  const Shape shape{{6}, 2};
  const at::Tensor w = values({1.0, -2.0, 0.5, 3.0, -0.1, 0.7});
  const Model model = linear_model(shape, at::stack({at::zeros({6}), w}), values({0.0, -100.0}));
  Block block = random_block(model, 3, 1);
  block.x = at::full({3, 6}, 0.5);
  block.y = at::zeros({3}, at::kLong);  // the margin is w·x − 100
  for (const bool signs : {false, true}) {
    const at::Tensor g =
        first_gradient(model, block, {.pairs = 2000, .sigma = 0.1, .signs = signs});
    for (int64_t i = 0; i < 3; ++i) {
      EXPECT_GT(cosine(g[i], w.to(at::kDouble)), 0.99) << "signs " << signs;
    }
    EXPECT_FALSE(g[0].equal(g[1]));
  }
}

TEST(Climb, SeesWhatTheWallsOfTheBoxLeaveOfAProbe) {
  const Shape shape{{4}, 2};
  const at::Tensor w = values({1.0, 1.0, -1.0, -1.0});
  const Model model = linear_model(shape, at::stack({at::zeros({4}), w}), values({0.0, -100.0}));
  Block block = random_block(model, 1, 1);
  block.x = values({0.0, 0.5, 0.5, 1.0}).unsqueeze(0);
  block.y = at::zeros({1}, at::kLong);
  const at::Tensor g =
      first_gradient(model, block, {.pairs = 4000, .sigma = 0.1, .signs = true})[0];
  EXPECT_TRUE(g.sign().equal(w.sign().to(at::kDouble)));
  // An entry at a wall moves in one probe of a pair: half as far, so its square is a quarter.
  EXPECT_NEAR((g[0] / g[1]).item<double>(), 0.25, 0.06);
}

}  // namespace
}  // namespace assay::testing
