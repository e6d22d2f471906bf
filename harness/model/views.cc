#include "harness/model/views.h"

#include <array>
#include <utility>

#include "harness/suite/error.h"

namespace assay {

at::Tensor view_of(const at::Tensor& x, int64_t view) {
  if (view == 0) return x;
  constexpr int64_t kPixels = 4;
  // The image in its place first, so that few views are the likeliest of many.
  constexpr std::array<std::pair<int64_t, int64_t>, 9> kMoves = {
      {{0, 0}, {-1, 0}, {1, 0}, {0, -1}, {0, 1}, {-1, -1}, {-1, 1}, {1, -1}, {1, 1}}};
  ASSAY_CHECK(x.dim() == 4, "only images have views");
  ASSAY_CHECK(view > 0 && view < 2 * static_cast<int64_t>(kMoves.size()), "no such view");
  const auto [down, right] = kMoves[static_cast<size_t>(view / 2)];
  const at::Tensor wide = at::replication_pad2d(x, {kPixels, kPixels, kPixels, kPixels});
  const at::Tensor moved =
      wide.narrow(2, kPixels * (1 - down), x.size(2)).narrow(3, kPixels * (1 - right), x.size(3));
  return view % 2 == 0 ? moved.contiguous() : moved.flip({3});
}

}  // namespace assay
