#include "attacks/math/in_out.h"

#include "harness/suite/error.h"

namespace assay::attacks {

at::Tensor learn_in_out(const at::Tensor& x, const at::Tensor& in, const at::Tensor& audited,
                        const MlpTraining& training, const Rng& rng) {
  const at::Tensor member = in.to(at::kDouble).unsqueeze(1);  // [M, 1]
  const double members = member.sum().item<double>();
  const double others = static_cast<double>(x.size(0)) - members;
  ASSAY_CHECK(members > 0 && others > 0, "rows of both kinds are needed");
  const at::Tensor weight = at::where(in.unsqueeze(1), 0.5 / members, 0.5 / others).to(at::kDouble);
  const Scaling scaling = mean_scaling(x);
  // Cross-entropy.
  const Mlp net = fit(scaling(x), 1, training, rng,
                      [&](const at::Tensor& out) { return out.sigmoid().sub(member).mul(weight); });
  return net(scaling(audited)).squeeze(1);
}

}  // namespace assay::attacks
