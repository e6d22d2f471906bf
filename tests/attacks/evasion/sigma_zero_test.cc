#include <gtest/gtest.h>

#include <string>

#include "tests/testing/attacks.h"
#include "tests/testing/linear.h"
#include "tests/testing/models.h"
#include "tests/testing/nearest.h"

namespace assay::testing {
namespace {

TEST(SigmaZero, ChangesNoMoreEntriesThanALinearModelNeedsAndATenth) {
  for (const int64_t d : {2, 20, 100}) {
    Shape shape{{d}, 2, at::kDouble};
    shape.lo = -4;
    shape.hi = 4;
    const LinearCase flat = linear_case(shape, Norm::kL0);
    const Outcome outcome = run(flat.model, find_attack("sigma_zero"), "{steps: 300}",
                                nearest(Norm::kL0, -4, 4), flat.block);
    EXPECT_EQ(outcome.count(), flat.block.size());
    const at::Tensor found = distances(outcome, flat.block, Norm::kL0);
    EXPECT_TRUE(found.ge(flat.closest).all().item<bool>()) << "d " << d;
    EXPECT_LE(found.sub(flat.closest.mul(1.1).add(1)).max().item<double>(), 0) << "d " << d;
  }
}

TEST(SigmaZero, ChangesFewerEntriesThanFmn) {
  const Model model = cnn_model({{1, 12, 12}, 6}, 31);
  const Block block = random_block(model, 60, 32);
  const Outcome sparse = run(model, find_attack("sigma_zero"), "{}", nearest(Norm::kL0), block);
  const Outcome other = run(model, find_attack("fmn"), "{}", nearest(Norm::kL0), block);
  EXPECT_EQ(sparse.count(), 60);
  const double changed = distances(sparse, block, Norm::kL0).sum().item<double>();
  EXPECT_LE(changed, distances(other, block, Norm::kL0).sum().item<double>());
  EXPECT_GE(changed, 60);
}

TEST(SigmaZero, RefiningOnlyDropsChanges) {
  const Model model = mlp_model({{60}, 6}, 64, 43);
  const Block block = random_block(model, 60, 44);
  const auto with = [&](const char* refine) {
    return run(model, find_attack("sigma_zero"),
               std::string("{steps: 5, threshold: 0, refine: ") + refine + "}", nearest(Norm::kL0),
               block);
  };
  const Outcome coarse = with("0");
  const Outcome fine = with("10");
  const at::Tensor gain =
      distances(coarse, block, Norm::kL0).sub(distances(fine, block, Norm::kL0));
  EXPECT_GE(gain.min().item<double>(), 0);
  EXPECT_GT(gain.sum().item<double>(), 60);
}

TEST(SigmaZero, FindsTheBoundaryInReachWhereTheBoxKeepsANearerOneOut) {
  expect_looks_past_walls("sigma_zero", {Norm::kL0});
}

}  // namespace
}  // namespace assay::testing
