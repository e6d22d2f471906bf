#include "attacks/math/answers.h"

#include <cmath>
#include <limits>

namespace assay::attacks {
namespace {

using Kind = Surface::Kind;

constexpr double kTiny = std::numeric_limits<double>::min();

// How far an answered probability may be from the candidate's.
double answer_slack(const Surface& surface) {
  double slack = 2 * surface.noise;
  if (surface.kind == Kind::kRounded) {
    slack += 0.5 * std::pow(10.0, -static_cast<double>(surface.decimals));
  }
  return slack;
}

}  // namespace

at::Tensor centred(const at::Tensor& rows) { return rows.sub(rows.mean(1, /*keepdim=*/true)); }

at::Tensor Brackets::nearest(const at::Tensor& logits) const {
  return logits.log_softmax(1).maximum(least).minimum(most);
}

bool Brackets::exact() const { return least.equal(most); }

at::Tensor Brackets::decided() const {
  const at::Tensor best = least.argmax(1, /*keepdim=*/true);  // [m, 1]
  const at::Tensor others = most.scatter(1, best, -std::numeric_limits<double>::infinity());
  return least.gather(1, best).ge(others.amax(1, /*keepdim=*/true)).squeeze(1);
}

Brackets brackets_of(const at::Tensor& answers, const Surface& surface) {
  if (surface.kind == Kind::kLogits) {
    const at::Tensor log = answers.log_softmax(1);
    return {log, log};
  }
  const double off = answer_slack(surface);
  at::Tensor most = answers.add(off).clamp_min(kTiny).log();
  // Never above most, which a sum that rounds would allow.
  at::Tensor least = off > 0 ? answers.sub(off).clamp_min(0).log() : most.clone();
  const at::Tensor none = answers.eq(0);
  least.masked_fill_(none, -std::numeric_limits<double>::infinity());
  if (surface.kind == Kind::kTopK) {
    const at::Tensor smallest =
        answers.masked_fill(none, 1.0).amin(1, /*keepdim=*/true).add(off).log();
    most = at::where(none, smallest.expand_as(most), most);
  }
  return {least, most};
}

at::Tensor centred_logits(const at::Tensor& answers, const Surface& surface) {
  if (surface.kind == Kind::kLogits) return centred(answers);
  const at::Tensor halfway = brackets_of(answers, surface).most.sub(std::log(2.0));
  return centred(at::where(answers > 0, answers.log(), halfway));
}

}  // namespace assay::attacks
