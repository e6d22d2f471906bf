#include "harness/model/extraction.h"

#include <numeric>

namespace assay {

Pool noise_pool(const ModelSpec& spec, int64_t rows, const Rng& rng) {
  Pool pool;
  pool.labels = at::zeros({rows}, at::kLong);
  pool.ids.resize(static_cast<size_t>(rows));
  std::iota(pool.ids.begin(), pool.ids.end(), uint64_t{0});
  pool.read = [&spec, rng](std::span<const int64_t> positions) {
    const std::vector<uint64_t> places(positions.begin(), positions.end());
    const at::ScalarType type = spec.dtype == ModelSpec::Dtype::kFloat64 ? at::kDouble : at::kFloat;
    return rng.uniform(places, spec.shape, 0, 0)
        .mul_(spec.hi - spec.lo)
        .add_(spec.lo)
        .to(type)
        .clamp_(spec.lo, spec.hi);
  };
  return pool;
}

}  // namespace assay
