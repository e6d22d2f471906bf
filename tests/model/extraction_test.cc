#include "harness/model/extraction.h"

#include <gtest/gtest.h>

#include "tests/testing/models.h"

namespace assay::testing {
namespace {

TEST(NoisePool, IsUniformInTheBoxAndFixedByPlaceAndKey) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const ModelSpec spec = to_spec({{1, 4, 5}, 3, type, -0.5, 1.5}, "");
    const Pool pool = noise_pool(spec, 300, Rng(1, "noise", 0));
    EXPECT_EQ(pool.size(), 300);
    EXPECT_EQ(pool.labels.size(0), 300);
    std::vector<int64_t> all;
    for (int64_t i = 0; i < 300; ++i) all.push_back(i);
    const at::Tensor x = pool.read(all);
    EXPECT_EQ(x.sizes(), at::IntArrayRef({300, 1, 4, 5}));
    EXPECT_EQ(x.scalar_type(), type);
    EXPECT_GE(x.min().item<double>(), -0.5);
    EXPECT_LE(x.max().item<double>(), 1.5);
    EXPECT_NEAR(x.mean().item<double>(), 0.5, 0.03);
    EXPECT_NEAR(x.std().item<double>(), 2 / std::sqrt(12.0), 0.03);
    const std::vector<int64_t> some = {7, 299, 7};
    EXPECT_TRUE(pool.read(some).equal(x.index_select(0, at::tensor(some, at::kLong))));
    EXPECT_FALSE(noise_pool(spec, 300, Rng(2, "noise", 0)).read(all).equal(x));
    EXPECT_TRUE(noise_pool(spec, 8, Rng(1, "noise", 0)).read({some.data(), 1})[0].equal(x[7]));
  }
}

}  // namespace
}  // namespace assay::testing
