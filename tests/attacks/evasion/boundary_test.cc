#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/attacks.h"
#include "tests/testing/labels.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

Attack boundary() { return find_attack("boundary"); }

TEST(Boundary, StaysWithinOneAndAHalfTimesTheClosedFormAtTenThousandQueries) {
  for (const Shape& shape : {Shape{{2}, 2}, Shape{{1, 5, 5}, 2, at::kDouble}, Shape{{100}, 2}}) {
    expect_close_to_the_plane(boundary(), Norm::kL2, shape, "{queries: 10000}", 1.5);
  }
}

TEST(Boundary, MoreQueriesComeNearer) {
  const Model model = mlp_model({{20}, 4}, 32, 61);
  const Block block = random_block(model, 30, 62);
  for (const Norm norm : boundary().info.norms) {
    const double few = median_of_best(boundary(), "{queries: 400}", norm, model, block);
    const double many = median_of_best(boundary(), "{queries: 6000}", norm, model, block);
    EXPECT_LT(many, few) << to_string(norm);
    EXPECT_TRUE(std::isfinite(few)) << to_string(norm);
  }
}

TEST(Boundary, ComesCloseToWhatGradientsFind) {
  const Model model = mlp_model({{20}, 4}, 32, 63);
  const Block block = random_block(model, 60, 64);
  for (const Norm norm : boundary().info.norms) {
    ThreatModel threat = label_only(norm, model);
    threat.eps = norm == Norm::kL2 ? 0.25 : norm == Norm::kLinf ? 0.06 : 0.8;
    const int64_t found = run(model, boundary(), "{queries: 6000}", threat, block).count();
    threat.access = Access::kGradient;
    const int64_t pgd = run(model, find_attack("pgd"), "{restarts: 3}", threat, block).count();
    EXPECT_GT(pgd, 10) << to_string(norm);
    EXPECT_GE(found, pgd * 8 / 10) << to_string(norm);
  }
}

TEST(Boundary, SpendsTheWholeBudget) {
  for (const int64_t queries : {150, 1111}) expect_all_labels_used(boundary(), queries);
}

TEST(Boundary, SeeksAStartWhileThereAreQueries) { expect_more_starts(boundary()); }

TEST(Boundary, ClaimsNothingWhereNoStartIsFound) { expect_nothing_without_start(boundary()); }

TEST(Boundary, MinimumNormDoesNotDependOnTheRestOfTheBatch) {
  expect_rows_alone_alike(boundary(), "{queries: 700}");
}

TEST(Boundary, RefusesBadParameters) {
  EXPECT_THROW(bind_params(boundary(), "{queries: 0}", {}), Error);
  EXPECT_THROW(bind_params(boundary(), "{starts: 0}", {}), Error);
  EXPECT_THROW(bind_params(boundary(), "{adaptation: 0.5}", {}), Error);
  EXPECT_THROW(bind_params(boundary(), "{source_step: 0}", {}), Error);
}

}  // namespace
}  // namespace assay::testing
