#include "attacks/math/pool_order.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace assay::attacks {

std::vector<int64_t> shuffled(const Pool& pool, const Rng& rng, int64_t draw) {
  const at::Tensor keys = rng.uniform(pool.ids, {}, draw, 0);  // [n]
  std::vector<int64_t> order(pool.ids.size());
  std::iota(order.begin(), order.end(), 0);
  const double* key = keys.const_data_ptr<double>();
  std::sort(order.begin(), order.end(), [key, &pool](int64_t a, int64_t b) {
    return std::pair(key[a], pool.ids[static_cast<size_t>(a)]) <
           std::pair(key[b], pool.ids[static_cast<size_t>(b)]);
  });
  return order;
}

std::vector<int64_t> affordable(const Pool& pool, const Rng& rng, const Victim& victim) {
  std::vector<int64_t> order = shuffled(pool, rng);
  order.resize(static_cast<size_t>(std::min(victim.left(), pool.size())));
  return order;
}

}  // namespace assay::attacks
