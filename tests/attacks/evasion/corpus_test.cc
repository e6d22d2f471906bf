#include <gtest/gtest.h>

#include "tests/testing/attacks.h"
#include "tests/testing/labels.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

Attack corpus() { return find_attack("corpus"); }

// Class 1 where x0 > 0.5; samples at x0 = 0.4.
Model half_plane() {
  return linear_model({{2}, 2}, values({-1.0, 0.0, 1.0, 0.0}).reshape({2, 2}), values({0.5, -0.5}));
}

Block four_samples() {
  Block block;
  block.x = values({0.4, 0.1, 0.4, 0.2, 0.4, 0.3, 0.4, 0.4}).reshape({4, 2});
  block.y = at::zeros({4}, at::kLong);
  block.ids = {1, 2, 3, 4};
  return block;
}

TEST(Corpus, TriesThePointsInOrderAndStopsAtTheFirstThatBreaks) {
  const Model model = half_plane();
  Block block = four_samples();
  // Sample 0: breaks at its second; sample 1: at its first; sample 2 has none; sample 3: never.
  block.points = values({0.3, 0.1, 0.55, 0.1, 0.59, 0.2, 0.6, 0.2, 0.1, 0.4}).reshape({5, 2});
  block.point_rows = at::tensor({0, 0, 1, 1, 3}, at::kLong);
  const Outcome outcome = run(model, corpus(), "{}", label_only(Norm::kLinf, model, 0.2), block);
  EXPECT_TRUE(outcome.claimed(0));
  EXPECT_TRUE(outcome.claimed(1));
  EXPECT_FALSE(outcome.claimed(2));
  EXPECT_FALSE(outcome.claimed(3));
  EXPECT_TRUE(outcome.queries.equal(at::tensor({2, 1, 0, 1}, at::kLong)));
  EXPECT_NEAR(outcome.claims.x[0][0].item<double>(), 0.55, 1e-6);
}

TEST(Corpus, PullsPointsIntoTheBall) {
  const Model model = half_plane();
  Block block = four_samples();
  block.points = values({1.0, 1.0, 1.0, 1.0}).reshape({2, 2});
  block.point_rows = at::tensor({0, 1}, at::kLong);
  EXPECT_EQ(run(model, corpus(), "{}", label_only(Norm::kLinf, model, 0.11), block).count(), 2);
  const Outcome close = run(model, corpus(), "{}", label_only(Norm::kLinf, model, 0.09), block);
  EXPECT_EQ(close.count(), 0);
  EXPECT_EQ(close.queries.sum().item<int64_t>(), 2);
}

TEST(Corpus, PgdStartsThereWhereTheSuiteSaysSo) {
  // Only a corner of the ball breaks the model, and its gradient is flat everywhere else.
  const Model model =
      load_module({{2}, 2},
                  "def forward(self, x):\n"
                  "    inside = torch.logical_and(x[:, 0] > 0.55, x[:, 1] < 0.05).to(x.dtype)\n"
                  "    return torch.stack([1.0 - 2.0 * inside + 0.0 * x[:, 0], inside], 1)\n",
                  {});
  Block block = four_samples();
  block.points = values({0.58, 0.01}).reshape({1, 2});
  block.point_rows = at::tensor({0}, at::kLong);
  ThreatModel threat = label_only(Norm::kLinf, model, 0.2);
  threat.access = Access::kGradient;
  for (const char* attack : {"pgd", "apgd"}) {
    SCOPED_TRACE(attack);
    const std::string more = std::string(attack) == "pgd" ? ", random_start: false" : "";
    const Outcome without =
        run(model, find_attack(attack), "{steps: 3" + more + "}", threat, block);
    EXPECT_FALSE(without.claimed(1));
    const Outcome with =
        run(model, find_attack(attack), "{steps: 3, init: corpus" + more + "}", threat, block);
    EXPECT_TRUE(with.claimed(0));
    EXPECT_EQ(with.queries[0].item<int64_t>(), 1);
    EXPECT_EQ(with.claimed(1), without.claimed(1));
    EXPECT_EQ(row_bytes(with.claims.x, 1), row_bytes(without.claims.x, 1));
  }
}

}  // namespace
}  // namespace assay::testing
