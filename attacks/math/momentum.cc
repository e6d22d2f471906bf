#include "attacks/math/momentum.h"

#include <algorithm>
#include <cmath>

#include "attacks/math/rows.h"

namespace assay::attacks {

at::Tensor coast(const at::Tensor& velocity, const at::Tensor& g, double momentum) {
  at::Tensor result = at::empty_like(g, at::MemoryFormat::Contiguous);
  const at::Tensor gradient = g.contiguous();
  const int64_t d = row_length(g);
  with_type(g, [&](auto zero) {
    using T = decltype(zero);
    const T* gs = gradient.const_data_ptr<T>();
    const T* old = velocity.defined() ? velocity.const_data_ptr<T>() : nullptr;
    T* out = result.data_ptr<T>();
    for (int64_t row = 0; row < g.size(0); ++row, gs += d, out += d) {
      double sum = 0;
      for (int64_t i = 0; i < d; ++i) sum += std::abs(double{gs[i]});
      const double scale = sum > 0 && std::isfinite(sum) ? 1 / sum : 0;
      for (int64_t i = 0; i < d; ++i) {
        const double past = old == nullptr ? 0 : momentum * double{old[row * d + i]};
        out[i] = static_cast<T>(past + (scale > 0 ? scale * double{gs[i]} : 0));
      }
    }
  });
  return result;
}

int64_t top_entries(double share, int64_t d, int64_t step, int64_t steps) {
  const double most = std::max(1.0, share * static_cast<double>(d));
  const double left =
      std::max(0.0, 1 - 2.0 * static_cast<double>(step) / static_cast<double>(steps));
  return static_cast<int64_t>(std::pow(most, left));
}

}  // namespace assay::attacks
