#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "attacks/math/sign_blocks.h"
#include "tests/testing/attacks.h"
#include "tests/testing/linear.h"
#include "tests/testing/models.h"
#include "tests/testing/scores.h"

namespace assay::testing {
namespace {

Attack sign_hunter() { return find_attack("sign_hunter"); }

// One pass over all blocks tells every sign of a linear model.
TEST(SignHunter, ReachesTheClosedFormOnLinearModels) {
  for (Shape shape : {Shape{{12}, 2}, Shape{{2, 3, 5}, 2}, Shape{{30}, 2, at::kDouble}}) {
    shape.lo = -4;
    shape.hi = 4;
    const LinearCase flat = linear_case(shape, Norm::kLinf);
    const double closest = flat.closest.max().item<double>();
    const auto count = [&](double factor) {
      const ThreatModel threat = score_ball(flat.model, Norm::kLinf, factor * closest);
      return run(flat.model, sign_hunter(), "{queries: 150}", threat, flat.block).count();
    };
    EXPECT_EQ(count(1.01), flat.block.size()) << "d " << shape.size();
    EXPECT_EQ(count(0.99), 0) << "d " << shape.size();
  }
}

TEST(SignHunter, GainsFromQueries) {
  const Model model = mlp_model({{40}, 4}, 32, 41);
  const Block block = random_block(model, 150, 42);
  for (const Norm norm : {Norm::kLinf, Norm::kL2}) {
    const ThreatModel threat = score_ball(model, norm, norm == Norm::kLinf ? 0.03 : 0.2);
    const int64_t start = run(model, sign_hunter(), "{queries: 1}", threat, block).count();
    const int64_t some = run(model, sign_hunter(), "{queries: 20}", threat, block).count();
    const int64_t more = run(model, sign_hunter(), "{queries: 300}", threat, block).count();
    EXPECT_GT(some, start) << to_string(norm);
    EXPECT_GT(more, some) << to_string(norm);
    EXPECT_LT(more, 150) << to_string(norm);
  }
}

TEST(SignHunter, SpendsTheWholeBudgetOnRobustSamples) {
  const Model model = mlp_model({{20}, 4}, 32, 43);
  const Block block = random_block(model, 40, 44);
  const Outcome outcome =
      run(model, sign_hunter(), "{queries: 123}", score_ball(model, Norm::kLinf, 0.02), block);
  EXPECT_GT(outcome.count(), 0);
  EXPECT_LT(outcome.count(), 40);
  for (int64_t i = 0; i < 40; ++i) {
    if (outcome.claimed(i)) continue;
    EXPECT_EQ(outcome.queries[i].item<int64_t>(), 123);
  }
}

TEST(SignHunter, RefusesBadParameters) {
  const Model model = mlp_model({{4}, 3}, 4, 1);
  EXPECT_THROW(bind_params(sign_hunter(), "{queries: 0}", score_ball(model, Norm::kLinf, 1)),
               Error);
}

TEST(SignBlocks, HalveDownToSingleEntriesAndCoverEverythingAtEachLevel) {
  const Rng rng(1, "sign_blocks", 0);
  for (const int64_t d : {1, 2, 7, 16}) {
    attacks::SignBlocks blocks;
    for (int pass = 0; pass < 3; ++pass) {
      for (int64_t size = d;; size = (size + 1) / 2) {
        std::vector<int64_t> flips(static_cast<size_t>(d), 0);
        for (int64_t covered = 0; covered < d;) {
          std::vector<double> sign(static_cast<size_t>(d), 1.0);
          blocks.flip_next(sign.data(), d, 9, rng);
          int64_t changed = 0;
          for (size_t k = 0; k < sign.size(); ++k) {
            if (sign[k] > 0) continue;
            ++flips[k];
            ++changed;
          }
          ASSERT_GT(changed, 0);
          covered += changed;
          blocks.flip_last(sign.data(), d);
          EXPECT_EQ(std::count(sign.begin(), sign.end(), 1.0), d);
        }
        EXPECT_EQ(std::count(flips.begin(), flips.end(), 1), d) << "d " << d;
        if (size == 1) break;
      }
    }
  }
}

}  // namespace
}  // namespace assay::testing
