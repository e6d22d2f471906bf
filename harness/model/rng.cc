#include "harness/model/rng.h"

#include <cmath>
#include <numbers>

#include "harness/suite/digest.h"
#include "harness/suite/error.h"
#include "harness/suite/splitmix.h"

namespace assay {
namespace {

// Spreads related keys over the whole key space.
uint64_t mix(uint64_t value) { return mix64(value + kGolden); }

// Numbers of one key (seed, attack, stage, restart), addressed by sample, step and index.
class CounterStream {
 public:
  CounterStream(uint64_t seed, uint64_t attack, uint64_t stage, int64_t restart) {
    const uint64_t key = mix(mix(mix(mix(seed) ^ attack) ^ stage) ^ static_cast<uint64_t>(restart));
    key_ = {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
  }

  // Two numbers in [0, 1) of 53 bits each: numbers 2·pair and 2·pair + 1 of the draw.
  std::array<double, 2> two(uint64_t sample, int64_t step, uint32_t pair) const {
    const std::array<uint32_t, 4> words =
        philox({pair, static_cast<uint32_t>(step), static_cast<uint32_t>(sample),
                static_cast<uint32_t>(sample >> 32)},
               key_);
    return {unit(words[0], words[1]), unit(words[2], words[3])};
  }

 private:
  static double unit(uint32_t high, uint32_t low) {
    const uint64_t bits = (static_cast<uint64_t>(high) << 32 | low) >> 11;
    return static_cast<double>(bits) * 0x1.0p-53;
  }
  std::array<uint32_t, 2> key_;
};

// Calls put(values, i, pair of uniforms) for every pair of numbers of every row.
template <typename Put>
at::Tensor fill(const CounterStream& stream, std::span<const uint64_t> samples,
                at::IntArrayRef shape, int64_t step, Put put) {
  std::vector<int64_t> sizes{static_cast<int64_t>(samples.size())};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  at::Tensor result = at::empty(sizes, at::kDouble);
  const int64_t width = samples.empty() ? 0 : result.numel() / result.size(0);
  double* row = result.data_ptr<double>();
  for (const uint64_t sample : samples) {
    for (int64_t i = 0; i < width; i += 2) {
      std::array<double, 2> pair = put(stream.two(sample, step, static_cast<uint32_t>(i / 2)));
      row[i] = pair[0];
      if (i + 1 < width) row[i + 1] = pair[1];
    }
    row += width;
  }
  return result;
}

}  // namespace

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  constexpr uint64_t kFirst = 0xD2511F53;
  constexpr uint64_t kSecond = 0xCD9E8D57;
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = kFirst * counter[0];
    const uint64_t b = kSecond * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

Rng::Rng(uint64_t seed, std::string_view attack, uint64_t stage)
    : seed_(seed), attack_(hash64(attack)), stage_(stage) {}

Rng Rng::stage(uint64_t stage) const {
  Rng other = *this;
  other.stage_ = stage;
  return other;
}

at::Tensor Rng::uniform(std::span<const uint64_t> samples, at::IntArrayRef shape, int64_t restart,
                        int64_t step) const {
  return fill(CounterStream(seed_, attack_, stage_, restart), samples, shape, step,
              [](std::array<double, 2> pair) { return pair; });
}

at::Tensor Rng::normal(std::span<const uint64_t> samples, at::IntArrayRef shape, int64_t restart,
                       int64_t step) const {
  // Box–Muller; 1 − u lies in (0, 1], so the logarithm is finite.
  return fill(CounterStream(seed_, attack_, stage_, restart), samples, shape, step,
              [](std::array<double, 2> pair) -> std::array<double, 2> {
                const double r = std::sqrt(-2 * std::log(1 - pair[0]));
                const double angle = 2 * std::numbers::pi * pair[1];
                return {r * std::cos(angle), r * std::sin(angle)};
              });
}

at::Tensor Rng::integers(std::span<const uint64_t> samples, int64_t bound, at::IntArrayRef shape,
                         int64_t restart, int64_t step) const {
  ASSAY_CHECK(bound >= 1, "an integer below " + std::to_string(bound));
  const double scale = static_cast<double>(bound);
  return fill(CounterStream(seed_, attack_, stage_, restart), samples, shape, step,
              [scale](std::array<double, 2> pair) -> std::array<double, 2> {
                return {std::floor(pair[0] * scale), std::floor(pair[1] * scale)};
              })
      .to(at::kLong);
}

double Rng::uniform(uint64_t sample, int64_t restart, int64_t step) const {
  return CounterStream(seed_, attack_, stage_, restart).two(sample, step, 0)[0];
}

}  // namespace assay
