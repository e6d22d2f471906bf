#include "harness/model/rng.h"

#include <gtest/gtest.h>

#include <vector>

namespace assay {
namespace {

using Words = std::array<uint32_t, 4>;

// The known-answer vectors of Random123 (Salmon et al., SC 2011), kat_vectors, philox4x32 10.
TEST(Philox, GivesTheKnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox({ones, ones, ones, ones}, {ones, ones}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, ARowDependsOnItsOwnKeyAlone) {
  const Rng rng(7, "pgd", 0);
  const std::vector<uint64_t> many = {5, 9, 1, 9};
  const std::vector<uint64_t> one = {9};
  for (const auto& draw : {rng.uniform(many, {3, 5}, 2, 4), rng.normal(many, {3, 5}, 2, 4)}) {
    EXPECT_TRUE(draw[1].equal(draw[3]));
    EXPECT_FALSE(draw[0].equal(draw[1]));
  }
  EXPECT_TRUE(rng.uniform(one, {3, 5}, 2, 4)[0].equal(rng.uniform(many, {3, 5}, 2, 4)[1]));
}

TEST(Rng, EveryPartOfTheKeyCounts) {
  const std::vector<uint64_t> sample = {3};
  const at::Tensor draw = Rng(7, "pgd", 0).uniform(sample, {8}, 0, 0);
  EXPECT_FALSE(draw.equal(Rng(8, "pgd", 0).uniform(sample, {8}, 0, 0)));
  EXPECT_FALSE(draw.equal(Rng(7, "fgsm", 0).uniform(sample, {8}, 0, 0)));
  EXPECT_FALSE(draw.equal(Rng(7, "pgd", 1).uniform(sample, {8}, 0, 0)));
  EXPECT_FALSE(draw.equal(Rng(7, "pgd", 0).uniform(sample, {8}, 1, 0)));
  EXPECT_FALSE(draw.equal(Rng(7, "pgd", 0).uniform(sample, {8}, 0, 1)));
  EXPECT_TRUE(Rng(7, "pgd", 0)
                  .stage(1)
                  .uniform(sample, {8}, 0, 0)
                  .equal(Rng(7, "pgd", 1).uniform(sample, {8}, 0, 0)));
}

TEST(Rng, AWiderDrawBeginsLikeANarrowOne) {
  const std::vector<uint64_t> sample = {3};
  const Rng rng(7, "pgd", 0);
  EXPECT_TRUE(rng.uniform(sample, {9}, 0, 0).narrow(1, 0, 5).equal(rng.uniform(sample, {5}, 0, 0)));
}

TEST(Rng, MomentsAreThoseOfTheDistributions) {
  std::vector<uint64_t> samples(500);
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = i;
  const Rng rng(1, "moments", 0);
  const at::Tensor u = rng.uniform(samples, {400}, 0, 0);
  const at::Tensor z = rng.normal(samples, {400}, 0, 0);
  EXPECT_GE(u.min().item<double>(), 0.0);
  EXPECT_LT(u.max().item<double>(), 1.0);
  EXPECT_NEAR(u.mean().item<double>(), 0.5, 0.003);
  EXPECT_NEAR(u.var().item<double>(), 1.0 / 12, 0.001);
  EXPECT_NEAR(z.mean().item<double>(), 0.0, 0.01);
  EXPECT_NEAR(z.var().item<double>(), 1.0, 0.015);
  EXPECT_NEAR(z.pow(4).mean().item<double>(), 3.0, 0.1);
  // Neighbours are not correlated.
  EXPECT_NEAR(z.narrow(1, 0, 399).mul(z.narrow(1, 1, 399)).mean().item<double>(), 0.0, 0.01);
}

TEST(Rng, IntegersCoverTheirRangeEvenly) {
  std::vector<uint64_t> samples = {1, 2, 3, 4};
  const at::Tensor draw = Rng(1, "integers", 0).integers(samples, 7, {3500}, 0, 0);
  const at::Tensor counts = draw.flatten().bincount({}, 7);
  EXPECT_EQ(counts.numel(), 7);
  EXPECT_GT(counts.min().item<int64_t>(), 1850);
  EXPECT_LT(counts.max().item<int64_t>(), 2150);
}

}  // namespace
}  // namespace assay
