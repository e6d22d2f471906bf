#include <gtest/gtest.h>

#include "tests/testing/attacks.h"
#include "tests/testing/models.h"
#include "tests/testing/scores.h"

namespace assay::testing {
namespace {

Attack nes() { return find_attack("nes"); }

TEST(Nes, FindsTheFlipOfLinearModelsAtASmallMargin) {
  expect_flips_at(nes(), "{queries: 10000}", 1.1);
}

TEST(Nes, SpendsTheWholeBudgetOnRobustSamplesHoweverSmall) {
  for (const int64_t queries : {1, 2, 3, 4, 100, 101, 523}) expect_all_queries_used(nes(), queries);
}

TEST(Nes, GainsFromQueries) { expect_gain_from_queries(nes()); }

TEST(Nes, ComesCloseToPgd) {
  const Model model = cnn_model({{1, 8, 8}, 4}, 43);
  const Block block = random_block(model, 100, 44);
  for (const Norm norm : {Norm::kLinf, Norm::kL2}) {
    ThreatModel threat = score_ball(model, norm, norm == Norm::kLinf ? 0.03 : 0.15);
    const int64_t found = run(model, nes(), "{queries: 4000}", threat, block).count();
    threat.access = Access::kGradient;
    const int64_t pgd = run(model, find_attack("pgd"), "{}", threat, block).count();
    EXPECT_GT(pgd, 10) << to_string(norm);
    EXPECT_GE(found, pgd * 9 / 10) << to_string(norm);
  }
}

TEST(Nes, SeedsMatter) {
  const Model model = cnn_model({{1, 6, 6}, 4}, 47);
  const Block block = random_block(model, 20, 48);
  const auto points = [&](uint64_t seed) {
    const ThreatModel threat = score_ball(model, Norm::kL2, 0.4);
    return run(model, nes(), "{queries: 300}", threat, block, seed).claims.x;
  };
  EXPECT_FALSE(points(1).equal(points(2)));
}

TEST(Nes, RefusesBadParameters) {
  const ThreatModel threat = score_ball(mlp_model({{4}, 3}, 4, 1), Norm::kLinf, 0.1);
  for (const char* bad : {"{queries: 0}", "{pairs: 0}", "{sigma: 0}", "{step_size: -1}"}) {
    EXPECT_THROW(bind_params(nes(), bad, threat), Error) << bad;
  }
}

}  // namespace
}  // namespace assay::testing
