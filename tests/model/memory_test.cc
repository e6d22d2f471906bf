#include "harness/model/memory.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "harness/model/rng.h"

namespace assay {
namespace {

constexpr int64_t kMiB = 1 << 20;

at::Tensor bytes(int64_t count) { return at::zeros({count}, at::kByte); }

TEST(LargeTensors, ServeTheNextOfTheirSize) {
  keep_large_tensors();
  at::Tensor first = bytes(3 * kMiB);
  const void* place = first.const_data_ptr();
  first.fill_(7);
  const int64_t used = large_tensors().used;
  first = at::Tensor();
  EXPECT_EQ(large_tensors().used, used - 3 * kMiB);
  const at::Tensor second = bytes(3 * kMiB - 100);
  EXPECT_EQ(second.const_data_ptr(), place);
  EXPECT_EQ(second.max().item<int64_t>(), 0) << "zeros are zeros in a used block";
}

TEST(LargeTensors, NeverHoldMoreThanWasInUseAtOnce) {
  keep_large_tensors();
  const Rng rng(1, "sizes", 0);
  std::vector<at::Tensor> live(8);
  for (int64_t i = 0; i < 2000; ++i) {
    const auto at = static_cast<size_t>(rng.uniform(0, 0, i) * 8);
    // Batches shrink and grow: sizes of some rounds are far from those of others.
    const double scale = i / 200 % 2 == 0 ? 8 : 0.5;
    live[at] = bytes(static_cast<int64_t>((0.3 + rng.uniform(1, 0, i)) * scale * kMiB));
    const LargeTensors now = large_tensors();
    EXPECT_LE(now.used, now.held);
    EXPECT_LE(now.held, now.most);
  }
}

TEST(LargeTensors, AreForAllThreads) {
  keep_large_tensors();
  const int64_t before = large_tensors().used;
  std::vector<std::thread> threads;
  for (int64_t value = 1; value <= 4; ++value) {
    threads.emplace_back([value] {
      for (int round = 0; round < 200; ++round) {
        const at::Tensor mine = bytes(kMiB).fill_(value);
        EXPECT_EQ(mine.min().item<int64_t>(), value);
        EXPECT_EQ(mine.max().item<int64_t>(), value);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(large_tensors().used, before);
}

}  // namespace
}  // namespace assay
