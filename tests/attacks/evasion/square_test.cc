#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "harness/model/ball.h"
#include "tests/testing/attacks.h"
#include "tests/testing/models.h"
#include "tests/testing/scores.h"

namespace assay::testing {
namespace {

Attack square() { return find_attack("square"); }

// Two classes that a plane divides, the box far away: found a little above the closed form, never
// below it. One-row and one-column images work like any other.
TEST(Square, ComesCloseToTheClosedFormOnLinearModels) {
  for (const Norm norm : {Norm::kLinf, Norm::kL2, Norm::kL1}) {
    for (Shape shape : {Shape{{20}, 2}, Shape{{18, 1}, 2}, Shape{{2, 3, 4}, 2, at::kDouble}}) {
      if (norm != Norm::kLinf && shape.shape.size() > 2) continue;
      shape.lo = -100;
      shape.hi = 100;
      const at::Tensor w = random_normal({shape.size()}, 3, at::kDouble);
      const Model model =
          linear_model(shape, at::stack({at::zeros_like(w), w}), values({0.0, 0.0}, at::kDouble));
      Block block = random_block(model, 8, 4);
      const at::Tensor x = block.x.to(at::kDouble).flatten(1).mul(0.01);  // [n, d]
      const at::Tensor off = x.matmul(w).add(0.5).div(w.dot(w));          // [n]
      block.x = x.sub(off.unsqueeze(1).mul(w)).reshape(block.x.sizes()).to(shape.dtype);
      block.y = at::zeros({8}, at::kLong);  // w·x = −0.5
      const double dual = norm == Norm::kLinf ? w.abs().sum().item<double>()
                          : norm == Norm::kL2 ? w.norm().item<double>()
                                              : w.abs().max().item<double>();
      const double slack = norm == Norm::kLinf ? 1.02 : 1.25;
      const auto count = [&](double factor) {
        return run(model, square(), "{queries: 3000}", score_ball(model, norm, factor * 0.5 / dual),
                   block)
            .count();
      };
      EXPECT_EQ(count(slack), 8) << to_string(norm) << " d " << shape.size();
      EXPECT_EQ(count(0.99), 0) << to_string(norm) << " d " << shape.size();
    }
  }
}

TEST(Square, BeatsItsOwnStartAndGainsFromQueries) {
  const Model model = cnn_model({{2, 8, 7}, 5}, 41);
  const Block block = random_block(model, 150, 42);
  for (const Norm norm : {Norm::kLinf, Norm::kL2, Norm::kL1}) {
    const ThreatModel threat = score_ball(model, norm,
                                          norm == Norm::kLinf ? 0.02
                                          : norm == Norm::kL2 ? 0.12
                                                              : 0.7);
    const int64_t start = run(model, square(), "{queries: 1}", threat, block).count();
    const int64_t some = run(model, square(), "{queries: 40}", threat, block).count();
    const int64_t more = run(model, square(), "{queries: 800}", threat, block).count();
    EXPECT_GT(some, start) << to_string(norm);
    EXPECT_GT(more, some) << to_string(norm);
    EXPECT_LT(more, 150) << to_string(norm);
  }
}

// AutoAttack halves its squares at fixed steps, so that a small budget is the start of a large one;
// the rescaled schedule has smaller squares by then.
TEST(Square, AnAbsoluteScheduleDoesNotDependOnTheBudget) {
  const Model model = cnn_model({{2, 8, 7}, 5}, 41);
  const Block block = random_block(model, 60, 42);
  const ThreatModel threat = score_ball(model, Norm::kLinf, 0.02);
  const auto broken_by = [&](const std::string& params) {  // [60] within 150 queries
    const Outcome outcome = run(model, square(), params, threat, block);
    return outcome.claims.success.logical_and(outcome.queries.le(150));
  };
  const at::Tensor few = broken_by("{queries: 150, schedule: absolute}");
  EXPECT_GT(few.sum().item<int64_t>(), 5);
  EXPECT_TRUE(few.equal(broken_by("{queries: 400, schedule: absolute}")));
  EXPECT_FALSE(few.equal(broken_by("{queries: 150}")));
}

// No gradient attack can be beaten by much, and a random search should not fall far behind either.
TEST(Square, ComesCloseToPgd) {
  const Model model = cnn_model({{1, 8, 8}, 4}, 43);
  const Block block = random_block(model, 150, 44);
  for (const Norm norm : {Norm::kLinf, Norm::kL2}) {
    ThreatModel threat = score_ball(model, norm, norm == Norm::kLinf ? 0.03 : 0.15);
    const int64_t found = run(model, square(), "{queries: 2000}", threat, block).count();
    threat.access = Access::kGradient;
    const int64_t pgd = run(model, find_attack("pgd"), "{}", threat, block).count();
    EXPECT_GT(pgd, 10) << to_string(norm);
    EXPECT_GE(found, pgd * 8 / 10) << to_string(norm);
  }
}

TEST(Square, SpendsTheWholeBudgetOnRobustSamplesAndStopsAtTheFirstSuccess) {
  const Model model = cnn_model({{1, 6, 6}, 4}, 45);
  const Block block = random_block(model, 60, 46);
  const Outcome outcome =
      run(model, square(), "{queries: 77}", score_ball(model, Norm::kLinf, 0.02), block);
  EXPECT_GT(outcome.count(), 0);
  EXPECT_LT(outcome.count(), 60);
  int64_t early = 0;
  for (int64_t i = 0; i < 60; ++i) {
    const int64_t queries = outcome.queries[i].item<int64_t>();
    if (outcome.claimed(i)) {
      early += queries < 77 ? 1 : 0;
    } else {
      EXPECT_EQ(queries, 77);
    }
  }
  EXPECT_GT(early, 0);
}

TEST(Square, SamplesWithEqualPixelsButOtherIdsDrawOtherSquares) {
  const Model model = cnn_model({{1, 6, 6}, 4}, 47);
  Block block = random_block(model, 1, 48);
  block.x = block.x.expand({8, 1, 6, 6}).contiguous();
  block.y = block.y.expand({8}).contiguous();
  block.ids = {1, 2, 3, 4, 5, 6, 7, 7};
  const Outcome outcome =
      run(model, square(), "{queries: 300}", score_ball(model, Norm::kLinf, 0.5), block);
  ASSERT_EQ(outcome.count(), 8);
  EXPECT_NE(row_bytes(outcome.claims.x, 0), row_bytes(outcome.claims.x, 1));
  EXPECT_EQ(row_bytes(outcome.claims.x, 6), row_bytes(outcome.claims.x, 7));
}

TEST(Square, SeedsMatter) {
  const Model model = cnn_model({{1, 6, 6}, 4}, 47);
  const Block block = random_block(model, 20, 48);
  const auto points = [&](uint64_t seed) {
    return run(model, square(), "{queries: 50}", score_ball(model, Norm::kL2, 0.4), block, seed)
        .claims.x;
  };
  EXPECT_FALSE(points(1).equal(points(2)));
}

TEST(Square, RefusesBadParameters) {
  const ThreatModel threat = ball(Norm::kLinf, 0.1);
  EXPECT_THROW(bind_params(square(), "{queries: 0}", threat), Error);
  EXPECT_THROW(bind_params(square(), "{share: 0}", threat), Error);
  EXPECT_THROW(bind_params(square(), "{share: 1.5}", threat), Error);
  EXPECT_THROW(bind_params(square(), "{steps: 10}", threat), Error);
}

}  // namespace
}  // namespace assay::testing
