#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/attacks.h"
#include "tests/testing/labels.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

Attack hop_skip_jump() { return find_attack("hop_skip_jump"); }

TEST(HopSkipJump, StaysWithinOneAndAHalfTimesTheClosedFormAtTenThousandQueries) {
  for (const Norm norm : {Norm::kL2, Norm::kLinf}) {
    for (const Shape& shape : {Shape{{2}, 2}, Shape{{1, 5, 5}, 2, at::kDouble}, Shape{{100}, 2}}) {
      expect_close_to_the_plane(hop_skip_jump(), norm, shape, "{queries: 10000}", 1.5);
    }
  }
}

TEST(HopSkipJump, MoreQueriesComeNearer) {
  const Model model = mlp_model({{20}, 4}, 32, 61);
  const Block block = random_block(model, 30, 62);
  for (const Norm norm : {Norm::kL2, Norm::kLinf}) {
    const double few = median_of_best(hop_skip_jump(), "{queries: 300}", norm, model, block);
    const double many = median_of_best(hop_skip_jump(), "{queries: 3000}", norm, model, block);
    EXPECT_LT(many, few) << to_string(norm);
    EXPECT_TRUE(std::isfinite(few));
  }
}

TEST(HopSkipJump, ComesCloseToWhatGradientsFind) {
  const Model model = mlp_model({{20}, 4}, 32, 63);
  const Block block = random_block(model, 60, 64);
  for (const Norm norm : {Norm::kL2, Norm::kLinf}) {
    ThreatModel threat = label_only(norm, model);
    threat.eps = norm == Norm::kL2 ? 0.25 : 0.06;
    const int64_t found = run(model, hop_skip_jump(), "{queries: 4000}", threat, block).count();
    threat.access = Access::kGradient;
    const int64_t pgd = run(model, find_attack("pgd"), "{restarts: 3}", threat, block).count();
    EXPECT_GT(pgd, 10) << to_string(norm);
    EXPECT_GE(found, pgd - pgd / 10 - 1) << to_string(norm);
  }
}

TEST(HopSkipJump, SeeksAStartWhileThereAreQueries) { expect_more_starts(hop_skip_jump()); }

TEST(HopSkipJump, ClaimsNothingWhereNoStartIsFound) {
  expect_nothing_without_start(hop_skip_jump());
}

TEST(HopSkipJump, SpendsTheWholeBudget) {
  for (const int64_t queries : {150, 1111}) expect_all_labels_used(hop_skip_jump(), queries);
}

TEST(HopSkipJump, MinimumNormDoesNotDependOnTheRestOfTheBatch) {
  expect_rows_alone_alike(hop_skip_jump(), "{queries: 700}");
}

TEST(HopSkipJump, RefusesBadParameters) {
  ThreatModel threat;
  EXPECT_THROW(bind_params(hop_skip_jump(), "{queries: 0}", threat), Error);
  EXPECT_THROW(bind_params(hop_skip_jump(), "{probes: 0}", threat), Error);
  EXPECT_THROW(bind_params(hop_skip_jump(), "{starts: 0}", threat), Error);
}

}  // namespace
}  // namespace assay::testing
