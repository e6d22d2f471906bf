#include "attacks/math/unit_box.h"

#include <numeric>
#include <vector>

namespace assay::attacks {
namespace {

double middle(const ModelSpec& spec) { return (spec.lo + spec.hi) / 2; }
double half(const ModelSpec& spec) { return (spec.hi - spec.lo) / 2; }

int64_t inputs_of(const Victim& victim) {
  int64_t d = 1;
  for (const int64_t side : victim.spec().shape) d *= side;
  return d;
}

std::vector<uint64_t> numbered(int64_t m) {
  std::vector<uint64_t> ids(static_cast<size_t>(m));
  std::iota(ids.begin(), ids.end(), uint64_t{0});
  return ids;
}

}  // namespace

Answered ask(Victim& victim, const at::Tensor& points) {
  const ModelSpec& spec = victim.spec();
  std::vector<int64_t> shape = {points.size(0)};
  shape.insert(shape.end(), spec.shape.begin(), spec.shape.end());
  const at::Tensor x = points.mul(half(spec))
                           .add_(middle(spec))
                           .to(victim.dtype())
                           .clamp_(spec.lo, spec.hi)
                           .reshape(shape);
  const at::Tensor sent =
      x.reshape(points.sizes()).to(at::kDouble).sub(middle(spec)).div(half(spec));
  return {sent, victim.query(x)};
}

at::Tensor uniform_points(const Victim& victim, int64_t m, const Rng& rng, int64_t step) {
  return rng.uniform(numbered(m), {inputs_of(victim)}, 0, step).mul_(2).sub_(1);
}

at::Tensor scattered_points(const Victim& victim, int64_t m, const Rng& rng, int64_t draw) {
  const int64_t d = inputs_of(victim);
  const at::Tensor draws = rng.uniform(numbered(m), {2 * d + 1}, draw, 0);
  const at::Tensor white = draws.narrow(1, 0, d).lt(draws.narrow(1, 2 * d, 1));  // [m, d]
  const at::Tensor size = draws.narrow(1, d, d).mul(0.4).add(0.55);
  return at::where(white, size, -size);
}

Dense in_box(const Dense& layer, const ModelSpec& spec) {
  const at::Tensor weight = layer.first.div(half(spec));
  return {weight, layer.second.sub(weight.sum(1).mul(middle(spec)))};
}

}  // namespace assay::attacks
