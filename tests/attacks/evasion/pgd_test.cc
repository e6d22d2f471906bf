#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "harness/model/ball.h"
#include "tests/testing/attacks.h"
#include "tests/testing/linear.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

Attack pgd() { return find_attack("pgd"); }

std::string error_of(const std::string& params) {
  try {
    bind_params(pgd(), params, ball(Norm::kLinf, 0.1));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// Up to the dimension of a small image, the flip is found within 2 % of the closed form.
TEST(Pgd, ReachesTheClosedFormOnLinearModels) {
  for (const Norm norm : {Norm::kLinf, Norm::kL2, Norm::kL1}) {
    for (const Shape& shape :
         {Shape{{20}, 2, at::kDouble, -100, 100}, Shape{{1, 28, 28}, 2, at::kDouble, -100, 100}}) {
      const LinearCase linear = crowded_case(shape, 1, norm, 6);
      for (int64_t i = 0; i < linear.block.size(); ++i) {
        const Block one = select(linear.block, {i});
        const double closest = linear.closest[i].item<double>();
        for (const char* params : {"{steps: 100, random_start: false}", "{steps: 100}"}) {
          EXPECT_EQ(
              run(linear.model, pgd(), params, ball(norm, 1.02 * closest, -100, 100), one).count(),
              1)
              << to_string(norm) << " d " << shape.size() << " sample " << i << " " << params;
          EXPECT_EQ(
              run(linear.model, pgd(), params, ball(norm, 0.99 * closest, -100, 100), one).count(),
              0);
        }
      }
    }
  }
}

// With several boundaries the largest logit need not be the nearest class, so a few may be missed;
// below the closed form nothing may be found.
TEST(Pgd, NearlyReachesTheClosedFormBetweenManyClasses) {
  for (const Norm norm : {Norm::kLinf, Norm::kL2, Norm::kL1}) {
    const LinearCase linear = crowded_case({{60}, 10, at::kDouble, -100, 100}, 1, norm, 40);
    int64_t found = 0;
    for (int64_t i = 0; i < linear.block.size(); ++i) {
      const Block one = select(linear.block, {i});
      const double closest = linear.closest[i].item<double>();
      const std::string params = "{loss: margin, restarts: 3}";
      found += run(linear.model, pgd(), params, ball(norm, 1.05 * closest, -100, 100), one).count();
      EXPECT_EQ(
          run(linear.model, pgd(), params, ball(norm, 0.99 * closest, -100, 100), one).count(), 0);
    }
    EXPECT_GE(found, 32) << to_string(norm);
  }
}

TEST(Pgd, IsNoWeakerThanFgsmAndGainsFromStepsAndRestarts) {
  for (const Norm norm : {Norm::kLinf, Norm::kL2, Norm::kL1}) {
    const Model model = mlp_model({{40}, 6}, 64, 41);
    const Block block = random_block(model, 200, 42);
    const double eps = norm == Norm::kLinf ? 0.03 : norm == Norm::kL2 ? 0.15 : 0.6;
    const ThreatModel threat = ball(norm, eps);
    const int64_t fgsm = run(model, find_attack("fgsm"), "{}", threat, block).count();
    const int64_t once = run(model, pgd(), "{steps: 40}", threat, block).count();
    const int64_t more = run(model, pgd(), "{steps: 40, restarts: 5}", threat, block).count();
    EXPECT_GT(fgsm, 10) << to_string(norm);
    // One random start may miss a few that the clean start finds.
    EXPECT_GE(once, fgsm - fgsm / 20) << to_string(norm);
    EXPECT_GE(more, fgsm) << to_string(norm);
    EXPECT_GE(more, once) << to_string(norm);
    EXPECT_LT(more, 200) << to_string(norm);
  }
}

// In a small box a top-1 step ends at a wall, and the projection takes as much off all walls.
TEST(Pgd, L1LeavesTheRandomStartBehindWhereEntriesReachTheirWalls) {
  const Model model = cnn_model({{2, 8, 7}, 4}, 44);
  const Block block = random_block(model, 60, 45);
  const ThreatModel threat = ball(Norm::kL1, 9);
  const int64_t fgsm = run(model, find_attack("fgsm"), "{}", threat, block).count();
  const int64_t apgd = run(model, find_attack("apgd"), "{steps: 40}", threat, block).count();
  const int64_t found = run(model, pgd(), "{steps: 40}", threat, block).count();
  EXPECT_GT(apgd, 30);
  EXPECT_GE(found, fgsm);
  EXPECT_GE(found, apgd - apgd / 20);
}

TEST(Pgd, LaterRestartsRunForRobustSamplesOnly) {
  const Model model = mlp_model({{9}, 4}, 16, 1);
  const Block block = random_block(model, 64, 2);
  const Outcome outcome =
      run(model, pgd(), "{steps: 5, restarts: 3}", ball(Norm::kLinf, 0.05), block);
  int64_t early = 0;
  for (int64_t i = 0; i < 64; ++i) {
    const int64_t queries = outcome.queries[i].item<int64_t>();
    if (outcome.claimed(i)) {
      early += queries <= 6 ? 1 : 0;
      EXPECT_LE(queries, 18);
    } else {
      EXPECT_EQ(queries, 18);
      EXPECT_EQ(outcome.gradients[i].item<int64_t>(), 15);
    }
  }
  EXPECT_GT(early, 0);
  EXPECT_LT(outcome.count(), 64);
}

TEST(Pgd, StopsAtTheFirstSuccessOfASample) {
  const Model model = mlp_model({{9}, 4}, 16, 1);
  const Block block = random_block(model, 64, 2);
  const Outcome outcome =
      run(model, pgd(), "{steps: 50, random_start: false}", ball(Norm::kLinf, 0.3), block);
  for (int64_t i = 0; i < 64; ++i) {
    if (!outcome.claimed(i)) continue;
    // Every query but the successful one was followed by a gradient.
    EXPECT_EQ(outcome.queries[i].item<int64_t>(), outcome.gradients[i].item<int64_t>() + 1);
  }
  EXPECT_GT(outcome.count(), 32);
}

TEST(Pgd, TriesTheLastIterateToo) {
  // One step is enough, and only the query after it can see that.
  const at::Tensor w = values({2.0, -1.0, 0.5, -3.0});
  const Model model = linear_model({{4}, 2}, at::stack({at::zeros({4}), w}), values({0.0, 0.9}));
  Block block = random_block(model, 1, 1);
  block.x = at::full({1, 4}, 0.5);
  block.y = at::ones({1}, at::kLong);
  EXPECT_EQ(
      run(model, pgd(), "{steps: 1, random_start: false}", ball(Norm::kLinf, 0.1), block).count(),
      1);
}

TEST(Pgd, MomentumAndEveryLossBreakWhatIsFarInside) {
  const Model model = mlp_model({{20}, 5}, 32, 51);
  const Block block = random_block(model, 30, 52);
  for (const Norm norm : {Norm::kLinf, Norm::kL2, Norm::kL1}) {
    const ThreatModel threat = ball(norm, norm == Norm::kLinf ? 0.5 : norm == Norm::kL2 ? 2 : 8);
    for (const char* loss : {"ce", "margin", "dlr"}) {
      for (const char* momentum : {"0", "1"}) {
        const std::string params =
            std::string("{steps: 30, loss: ") + loss + ", momentum: " + momentum + "}";
        EXPECT_GE(run(model, pgd(), params, threat, block).count(), 28)
            << to_string(norm) << " " << params;
      }
    }
  }
}

TEST(Pgd, MomentumChangesThePath) {
  const Model model = mlp_model({{20}, 5}, 32, 51);
  const Block block = random_block(model, 60, 52);
  const ThreatModel threat = ball(Norm::kL2, 0.3);
  const Outcome plain = run(model, pgd(), "{steps: 10}", threat, block);
  const Outcome heavy = run(model, pgd(), "{steps: 10, momentum: 1}", threat, block);
  EXPECT_FALSE(plain.claims.x.equal(heavy.claims.x));
}

TEST(Pgd, SeedMattersOnlyWithARandomStart) {
  const Model model = mlp_model({{9}, 4}, 16, 1);
  const Block block = random_block(model, 64, 2);
  const ThreatModel threat = ball(Norm::kL2, 0.3);
  const auto bytes = [&](const std::string& params, uint64_t seed) {
    return run(model, pgd(), params, threat, block, seed).claims.x;
  };
  EXPECT_FALSE(bytes("{}", 1).equal(bytes("{}", 2)));
  EXPECT_TRUE(bytes("{random_start: false}", 1).equal(bytes("{random_start: false}", 2)));
}

TEST(Pgd, DefaultStepIsTwoAndAHalfEpsOverSteps) {
  const Model model = mlp_model({{9}, 4}, 16, 1);
  const Block block = random_block(model, 32, 2);
  const ThreatModel threat = ball(Norm::kLinf, 0.08);
  const Outcome derived = run(model, pgd(), "{steps: 10}", threat, block);
  const Outcome given = run(model, pgd(), "{steps: 10, step_size: 0.02}", threat, block);
  EXPECT_TRUE(derived.claims.x.equal(given.claims.x));
}

TEST(Pgd, EveryTransferVariantBreaksWhatIsFarInside) {
  const Model model = cnn_model({{1, 8, 10}, 5}, 51);
  const Block block = random_block(model, 30, 52);
  for (const char* variant :
       {"momentum: 1, nesterov: true", "diverse_prob: 0.5", "scale_copies: 3",
        "translation_kernel: 3", "momentum: 1, diverse_prob: 1, scale_copies: 2"}) {
    const std::string params = std::string("{steps: 30, ") + variant + "}";
    const Outcome outcome = run(model, pgd(), params, ball(Norm::kLinf, 0.5), block);
    EXPECT_GE(outcome.count(), 28) << params;
    const Outcome near = run(model, pgd(), params, ball(Norm::kL2, 0.2), block);
    const Outcome plain = run(model, pgd(), "{steps: 30}", ball(Norm::kL2, 0.2), block);
    EXPECT_FALSE(near.claims.x.equal(plain.claims.x)) << params;
  }
}

TEST(Pgd, CopiesCostAQueryAndAGradientEach) {
  const Model model = mlp_model({{9}, 4}, 16, 1);
  const Block block = random_block(model, 10, 2);
  const Outcome outcome =
      run(model, pgd(), "{steps: 5, scale_copies: 3}", ball(Norm::kLinf, 1e-6), block);
  EXPECT_TRUE(outcome.queries.eq(16).all().item<bool>());
  EXPECT_TRUE(outcome.gradients.eq(15).all().item<bool>());
}

TEST(Pgd, RefusesImageTransformsForTables) {
  const Model model = mlp_model({{9}, 4}, 16, 1);
  const Block block = random_block(model, 4, 2);
  for (const char* name : {"diverse_prob", "translation_kernel"}) {
    const std::string params = std::string("{") + name + ": 1}";
    try {
      run(model, pgd(), params, ball(Norm::kLinf, 0.1), block);
      FAIL() << params;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr(name));
      EXPECT_THAT(error.what(), ::testing::HasSubstr("9 features"));
    }
  }
}

TEST(Pgd, RefusesBadParametersWithTheirPlace) {
  using ::testing::HasSubstr;
  EXPECT_THAT(error_of("{steps: 0}"), HasSubstr("test.yaml:1:"));
  EXPECT_THAT(error_of("{steps: 0}"), HasSubstr("steps"));
  EXPECT_THAT(error_of("{steps: ten}"), HasSubstr("steps"));
  EXPECT_THAT(error_of("{restarts: 0}"), HasSubstr("restarts"));
  EXPECT_THAT(error_of("{step_size: 0}"), HasSubstr("step_size"));
  EXPECT_THAT(error_of("{step_size: -0.1}"), HasSubstr("step_size"));
  EXPECT_THAT(error_of("{momentum: -1}"), HasSubstr("momentum"));
  EXPECT_THAT(error_of("{top_share: 2}"), HasSubstr("top_share"));
  EXPECT_THAT(error_of("{loss: crossentropy}"), HasSubstr("ce"));
  EXPECT_THAT(error_of("{restart: 2}"), HasSubstr("restarts"));
  EXPECT_THAT(error_of("{restarts: 2, random_start: false}"), HasSubstr("random_start: true"));
  EXPECT_EQ(error_of("{restarts: 1, random_start: false}"), "");
  EXPECT_THAT(error_of("{nesterov: true}"), HasSubstr("momentum: 1"));
  EXPECT_THAT(error_of("{translation_kernel: 4}"), HasSubstr("5"));
  EXPECT_THAT(error_of("{diverse_prob: 1.5}"), HasSubstr("diverse_prob"));
  EXPECT_THAT(error_of("{scale_copies: 0}"), HasSubstr("scale_copies"));
}

TEST(PgdDeathTest, ARadiusIsNeeded) {
  const Model model = mlp_model({{9}, 4}, 16, 1);
  const Block block = random_block(model, 2, 2);
  ThreatModel threat;
  EXPECT_DEATH(run(model, pgd(), "{}", threat, block), "without eps");
}

TEST(Pgd, AveragesSoManyLooksInEachStep) {
  // Nothing breaks in so small a ball: every look is paid for.
  const Model model = mlp_model({{1, 6, 6}, 3}, 16, 8);
  const Block block = random_block(model, 6, 9);
  const ThreatModel threat = ball(Norm::kLinf, 1e-7);
  const Outcome plain = run(model, pgd(), "{steps: 3, eot: 4}", threat, block);
  EXPECT_TRUE(plain.queries.eq(3 * 4 + 1).all().item<bool>());
  const Outcome diverse =
      run(model, pgd(), "{steps: 3, eot: 4, scale_copies: 2, diverse_prob: 0.5}", threat, block);
  EXPECT_TRUE(diverse.queries.eq(3 * 4 * 2 + 3).all().item<bool>()) << "iterates are tried too";
}

TEST(Pgd, OfAModelWithoutNoiseTheMeanLookIsTheLook) {
  const Model model = mlp_model({{12}, 3}, 16, 8);
  const Block block = random_block(model, 20, 9);
  const ThreatModel threat = ball(Norm::kLinf, 0.2);
  const Outcome one = run(model, pgd(), "{steps: 5, eot: 1}", threat, block);
  const Outcome many = run(model, pgd(), "{steps: 5, eot: 3}", threat, block);
  EXPECT_GT(one.count(), 0);
  EXPECT_TRUE(one.claims.success.equal(many.claims.success));
}

}  // namespace
}  // namespace assay::testing
