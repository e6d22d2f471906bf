#include "attacks/math/windows.h"

#include <algorithm>
#include <cmath>

#include "attacks/math/rows.h"

namespace assay::attacks {
namespace {

// Adds concentric rectangles to rows first ≤ i < first + height of a bump of that length: of weight
// 1/k², for l1 1/k⁴.
void add_bump(std::vector<double>& bump, int64_t first, int64_t height, int64_t width, Norm norm,
              double size) {
  double sum = 0;
  std::vector<double> part(static_cast<size_t>(height * width), 0.0);
  for (int64_t i = 0; i < height; ++i) {
    for (int64_t j = 0; j < width; ++j) {
      // The first rectangle that reaches the entry; all larger ones do too.
      const int64_t rings = std::max(height / 2, width / 2) + 1;
      const int64_t reach = std::max(std::abs(i - height / 2), std::abs(j - width / 2));
      double& value = part[static_cast<size_t>(i * width + j)];
      for (int64_t k = reach; k < rings; ++k) {
        const double weight = 1.0 / static_cast<double>((k + 1) * (k + 1));
        value += norm == Norm::kL1 ? weight * weight : weight;
      }
      sum += norm == Norm::kL1 ? value : value * value;
    }
  }
  const double factor = sum > 0 ? size / (norm == Norm::kL1 ? sum : std::sqrt(sum)) : 0;
  for (size_t k = 0; k < part.size(); ++k) {
    bump[static_cast<size_t>(first * width) + k] = factor * part[k];
  }
}

}  // namespace

Layout layout_of(const at::Tensor& x) {
  const int64_t width = x.size(x.dim() - 1);
  const int64_t height = x.dim() > 2 ? x.size(x.dim() - 2) : 1;
  return {row_length(x) / (height * width), height, width};
}

Window sized(const Layout& layout, double share, bool odd) {
  const double area = share * static_cast<double>(layout.height * layout.width);
  int64_t side = std::max<int64_t>(std::lround(std::sqrt(area)), odd ? 3 : 1);
  if (odd && side % 2 == 0) ++side;
  Window window{0, 0, std::min(side, layout.height), std::min(side, layout.width)};
  const auto stretched = [area](int64_t other, int64_t least, int64_t most) {
    return std::clamp<int64_t>(std::lround(area / static_cast<double>(other)), least, most);
  };
  if (window.height < side) {
    window.width = stretched(window.height, window.width, layout.width);
  } else if (window.width < side) {
    window.height = stretched(window.width, window.height, layout.height);
  }
  return window;
}

Window placed(Window window, const Layout& layout, const double* u) {
  window.top = static_cast<int64_t>(u[0] * static_cast<double>(layout.height - window.height + 1));
  window.left = static_cast<int64_t>(u[1] * static_cast<double>(layout.width - window.width + 1));
  return window;
}

std::vector<double> eta(int64_t height, int64_t width, bool across, Norm norm) {
  if (across) {
    const std::vector<double> other = eta(width, height, false, norm);
    std::vector<double> result(other.size());
    for (int64_t i = 0; i < height; ++i) {
      for (int64_t j = 0; j < width; ++j) {
        result[static_cast<size_t>(i * width + j)] = other[static_cast<size_t>(j * height + i)];
      }
    }
    return result;
  }
  std::vector<double> result(static_cast<size_t>(height * width), 0.0);
  const double half = height == 1 ? 1 : norm == Norm::kL1 ? 0.5 : std::sqrt(0.5);
  add_bump(result, 0, height / 2, width, norm, half);
  add_bump(result, height / 2, height - height / 2, width, norm, -half);
  return result;
}

}  // namespace assay::attacks
