#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "harness/model/image.h"
#include "tests/testing/attacks.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

const std::vector<std::string> kCorruptions = {"noise",    "blur",       "defocus",
                                               "contrast", "brightness", "jpeg",
                                               "pixelate", "rotation",   "translation"};

std::string corruption_of(const std::string& kind, int severity) {
  return "{kind: " + kind + ", severity: " + std::to_string(severity) + "}";
}

Outcome corrupt(const Model& model, const std::string& params, const Block& block) {
  ThreatModel threat;
  threat.unbounded = true;
  threat.lo = model.spec().lo;
  threat.hi = model.spec().hi;
  threat.access = Access::kLabel;
  return run(model, find_attack("corruption"), params, threat, block);
}

// The images [n, C, H, W] as the attack corrupts them: under a label that the model never gives,
// the first query breaks them all.
at::Tensor corrupted(const at::Tensor& x, const std::string& kind, int severity, double lo = 0,
                     double hi = 1) {
  Shape shape{x.sizes().slice(1).vec(), 2, x.scalar_type()};
  shape.lo = lo;
  shape.hi = hi;
  const Model model =
      linear_model(shape, at::zeros({2, shape.size()}, x.options()), values({1, 0}, at::kDouble));
  Block block{x, at::ones({x.size(0)}, at::kLong), {}, {}};
  for (int64_t i = 0; i < x.size(0); ++i) block.ids.push_back(static_cast<uint64_t>(i));
  const Outcome outcome = corrupt(model, corruption_of(kind, severity), block);
  EXPECT_EQ(outcome.count(), x.size(0));
  EXPECT_TRUE(outcome.queries.eq(1).all().item<bool>());
  return outcome.claims.x;
}

// Smooth images with edges, [n, channels, height, width] in [0, 1].
at::Tensor pictures(int64_t n, int64_t channels, int64_t height, int64_t width) {
  const at::Tensor i = at::arange(height, at::kDouble).view({height, 1});
  const at::Tensor j = at::arange(width, at::kDouble).view({1, width});
  const at::Tensor numbers = random_uniform({n, channels, 4}, 3, 0.1, 0.6, at::kDouble);
  at::Tensor x = at::empty({n, channels, height, width});
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t c = 0; c < channels; ++c) {
      const at::Tensor a = numbers[k][c];
      const at::Tensor waves = i.mul(a[0]).add(a[1].mul(9)).sin().mul(j.mul(a[2]).cos());
      x[k][c].copy_(waves.mul(0.3).add(0.4).add(i.gt(height * a[3]).to(at::kDouble).mul(0.2)));
    }
  }
  return x.clamp(0, 1);
}

double mean_change(const at::Tensor& a, const at::Tensor& b) {
  return a.sub(b).abs().mean().item<double>();
}

TEST(Corruption, EverySeverityChangesMoreThanTheOneBefore) {
  for (const auto& [channels, height, width] :
       std::vector<std::tuple<int64_t, int64_t, int64_t>>{{1, 28, 28}, {3, 32, 32}, {3, 40, 24}}) {
    const at::Tensor x = pictures(12, channels, height, width);
    for (const std::string& kind : kCorruptions) {
      double before = 0;
      for (int severity = 1; severity <= 5; ++severity) {
        const double change = mean_change(corrupted(x, kind, severity), x);
        EXPECT_GT(change, before) << kind << " " << severity << " of " << height << "x" << width;
        before = change;
      }
    }
  }
}

TEST(Corruption, MeansTheSameInEveryBox) {
  const at::Tensor x = pictures(4, 3, 12, 15).to(at::kDouble);
  for (const std::string& kind : kCorruptions) {
    const at::Tensor wide = corrupted(x.mul(4).sub(1), kind, 4, -1, 3);
    EXPECT_TRUE(wide.add(1).div(4).allclose(corrupted(x, kind, 4), 0, 1e-9)) << kind;
  }
}

TEST(Corruption, LeavesAnEvenImageAsItIsWhereOnlyDetailIsLost) {
  const at::Tensor x = at::full({2, 3, 20, 14}, 0.4F);
  for (const char* kind : {"blur", "contrast", "pixelate"}) {
    EXPECT_TRUE(corrupted(x, kind, 5).allclose(x, 0, 1e-6)) << kind;
  }
}

TEST(Corruption, NoiseHasTheDeviationOfItsSeverity) {
  const at::Tensor x = at::zeros({20, 1, 32, 32});
  const double deviations[] = {0.04, 0.06, 0.08, 0.09, 0.10};
  for (int severity = 1; severity <= 5; ++severity) {
    const at::Tensor noise = corrupted(x, "noise", severity, -1, 1);  // a box of width 2
    EXPECT_NEAR(noise.std().item<double>(), 2 * deviations[severity - 1], 0.003);
    EXPECT_NEAR(noise.mean().item<double>(), 0, 0.005);
  }
}

TEST(Corruption, NoiseAndDirectionsAreTheSamplesOwn) {
  const at::Tensor x = pictures(1, 1, 28, 28).expand({40, 1, 28, 28}).contiguous();
  const at::Tensor noisy = corrupted(x, "noise", 1);
  EXPECT_GT(mean_change(noisy[0], noisy[1]), 0.01);
  for (const char* kind : {"rotation", "translation"}) {
    const at::Tensor y = corrupted(x, kind, 3);
    int64_t like_first = 0;
    for (int64_t i = 0; i < 40; ++i) like_first += y[i].equal(y[0]);
    EXPECT_GT(like_first, 2) << kind;
    EXPECT_LT(like_first, 38) << kind;
  }
}

TEST(Corruption, BlurSpreadsADotAsAGaussian) {
  at::Tensor x = at::zeros({1, 1, 64, 64}, at::kDouble);
  x[0][0][30][31] = 1;
  const at::Tensor y = corrupted(x, "blur", 5)[0][0];  // 64 pixels: a deviation of 2
  EXPECT_NEAR(y.sum().item<double>(), 1, 1e-9);
  const double peak = y[30][31].item<double>();
  for (const int64_t k : {1, 2, 5}) {
    const double expected = peak * std::exp(-0.125 * static_cast<double>(k * k));
    EXPECT_NEAR(y[30 + k][31].item<double>(), expected, 1e-12);
    EXPECT_NEAR(y[30][31 - k].item<double>(), expected, 1e-12);
  }
  EXPECT_EQ(y[30 + 9][31].item<double>(), 0);
}

TEST(Corruption, ContrastPullsTowardsTheMeanOfEachChannel) {
  const at::Tensor x = values({0.2, 0.6, 0.1, 0.3}).view({1, 2, 1, 2});
  const at::Tensor y = values({0.37, 0.43, 0.185, 0.215}).view({1, 2, 1, 2});
  EXPECT_TRUE(corrupted(x, "contrast", 5).allclose(y, 0, 1e-6));
}

TEST(Corruption, BrightnessKeepsHueAndSaturation) {
  // Pixels (0.2, 0.4, 0.1), black and a bright one, whose largest channel ends at 1.
  const at::Tensor x = values({0.2, 0, 0.9, 0.4, 0, 0.45, 0.1, 0, 0}).view({1, 3, 1, 3});
  const at::Tensor y = values({0.35, 0.3, 1, 0.7, 0.3, 0.5, 0.175, 0.3, 0}).view({1, 3, 1, 3});
  EXPECT_TRUE(corrupted(x, "brightness", 5).allclose(y, 0, 1e-6));
  const at::Tensor grey = values({0.2, 0.9}).view({1, 1, 1, 2});
  EXPECT_TRUE(
      corrupted(grey, "brightness", 5).allclose(values({0.5, 1}).view({1, 1, 1, 2}), 0, 1e-6));
}

TEST(Corruption, JpegIsAFileWrittenAndReadAgain) {
  const int qualities[] = {80, 65, 58, 50, 40};
  for (const int64_t channels : {1, 3}) {
    const at::Tensor x = pictures(1, channels, 21, 34);
    const at::Tensor rows =
        x[0].permute({1, 2, 0}).to(at::kDouble).mul(255).round().to(at::kByte).contiguous();
    const auto* first = rows.const_data_ptr<uint8_t>();
    const Image image{21, 34, channels, {first, first + rows.numel()}};
    for (int severity = 1; severity <= 5; ++severity) {
      const at::Tensor y = corrupted(x, "jpeg", severity)[0].permute({1, 2, 0}).contiguous();
      const Image read = decode_jpeg(encode_jpeg(image, qualities[severity - 1]), "test");
      ASSERT_EQ(static_cast<int64_t>(read.pixels.size()), y.numel());
      const auto* got = y.const_data_ptr<float>();
      for (size_t i = 0; i < read.pixels.size(); ++i) {
        ASSERT_NEAR(got[i], read.pixels[i] / 255.0, 1e-6) << "severity " << severity;
      }
    }
  }
  const at::Tensor two = pictures(1, 2, 16, 16);
  EXPECT_TRUE(corrupted(two, "jpeg", 5)[0][1].equal(
      corrupted(two.slice(1, 1, 2).contiguous(), "jpeg", 5)[0][0]))
      << "two channels are two grey files";
}

TEST(Corruption, PixelateTakesMeansOfBoxes) {
  const at::Tensor x = random_uniform({1, 1, 4, 6}, 8, 0, 1, at::kDouble);
  // 65 % of 4 and 6 are 2 and 3 boxes of two.
  const at::Tensor means = at::avg_pool2d(x, {2, 2});
  EXPECT_TRUE(corrupted(x, "pixelate", 5)
                  .allclose(means.repeat_interleave(2, 2).repeat_interleave(2, 3), 0, 1e-12));
}

TEST(Corruption, TranslationMovesBySeverityPixelsOf28) {
  for (const int64_t side : {28, 56}) {
    at::Tensor x = at::zeros({30, 1, side, side});
    x.select(2, side / 2).select(2, side / 2).fill_(1);
    for (int severity = 1; severity <= 5; ++severity) {
      const int64_t length = severity * side / 28;
      const at::Tensor places = corrupted(x, "translation", severity).nonzero();  // [30, 4]
      ASSERT_EQ(places.size(0), 30);
      EXPECT_TRUE(places.slice(1, 2, 4).sub(side / 2).abs().eq(length).all().item<bool>());
    }
  }
}

TEST(Corruption, RotationTurnsByTheAngleOfItsSeverity) {
  const double radians[] = {0.2, 0.4, 0.6, 0.8, 1};
  at::Tensor x = at::zeros({10, 1, 101, 101}, at::kDouble);
  x.select(2, 50).select(2, 90).fill_(1);  // 40 to the right of the centre
  const at::Tensor line = at::arange(101, at::kDouble).sub(50);
  for (int severity = 1; severity <= 5; ++severity) {
    const at::Tensor y = corrupted(x, "rotation", severity).select(1, 0);  // [10, 101, 101]
    const at::Tensor mass = y.sum({1, 2});
    const at::Tensor down = y.sum(2).mv(line).div(mass);
    const at::Tensor right = y.sum(1).mv(line).div(mass);
    for (int64_t i = 0; i < 10; ++i) {
      const double angle = std::atan2(down[i].item<double>(), right[i].item<double>());
      EXPECT_NEAR(std::abs(angle), radians[severity - 1], 0.02);
    }
  }
}

TEST(Corruption, AModelThatTheKindLeavesAloneNeverBreaks) {
  const Shape shape{{1, 6, 6}, 2};
  const auto reads = [&](const at::Tensor& weights, double threshold) {
    return linear_model(shape, at::stack({at::zeros({36}), weights}), values({threshold, 0}));
  };
  Block block = random_block(reads(at::ones({36}), 0), 40, 4);  // class 1: the sum is above 0
  block.x = block.x.mul(0.5).add(0.25);
  for (int64_t i = 0; i < 40; ++i) {
    const double sum = block.x[i].sum().item<double>();
    const Block one = select(block, {i});
    EXPECT_EQ(
        corrupt(reads(at::ones({36}), 0.999 * sum), corruption_of("contrast", 5), one).count(), 0)
        << "contrast keeps the mean";
  }
  // A model that reads one pixel breaks where that is far enough above the mean.
  const at::Tensor first = at::one_hot(at::zeros({1}, at::kLong), 36)[0].to(at::kFloat);
  block.x.flatten(1).select(1, 0).fill_(0.75);
  EXPECT_EQ(corrupt(reads(first, 0.7), corruption_of("contrast", 5), block).count(), 40);
}

TEST(Corruption, AllIsTheWorstOfTheKinds) {
  const Model model = cnn_model({{3, 10, 12}, 4}, 11);
  const Block block = random_block(model, 40, 12);
  const Outcome all = corrupt(model, corruption_of("all", 1), block);
  at::Tensor any = at::zeros({40}, at::kBool);
  at::Tensor queries = at::zeros({40}, at::kLong);
  for (const std::string& kind : kCorruptions) {
    queries.add_(any.logical_not().to(at::kLong));
    const at::Tensor one = corrupt(model, corruption_of(kind, 1), block).claims.success;
    for (int64_t i = 0; i < 40; ++i) {
      if (any[i].item<bool>() || !one[i].item<bool>()) continue;
      EXPECT_EQ(all.claims.by[static_cast<size_t>(i)], kind) << "the first that broke it";
    }
    any.logical_or_(one);
  }
  EXPECT_TRUE(all.claims.success.equal(any));
  EXPECT_TRUE(all.queries.equal(queries)) << "nothing is paid for once a kind has broken it";
  EXPECT_GT(all.count(), 0);
  EXPECT_LT(all.count(), 40);
}

TEST(Corruption, RefusesOtherKindsAndSeverities) {
  for (const char* params : {"{kind: fog}", "{severity: 0}", "{severity: 6}", "{severity: 1.5}"}) {
    EXPECT_THROW(bind_params(find_attack("corruption"), params, ThreatModel{}), Error) << params;
  }
  EXPECT_EQ(bind_params(find_attack("corruption"), "{}", ThreatModel{}).budget.queries, 9);
}

}  // namespace
}  // namespace assay::testing
