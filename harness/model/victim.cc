#include "harness/model/victim.h"

#include <cmath>
#include <string_view>

#include "harness/model/rng.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

using Kind = Surface::Kind;

constexpr uint64_t kTies = 1;  // stage of draws among equal answers

// Of the way from 1 / K to 1: where the mean highest probability of targets should stand at least.
constexpr double kSharp = 0.25;

// A number for each row, by its bytes.
std::vector<uint64_t> keys_of(const at::Tensor& x) {
  const at::Tensor rows = x.contiguous();
  const size_t size = rows.nbytes() / static_cast<size_t>(rows.size(0));
  const auto* bytes = static_cast<const char*>(rows.const_data_ptr());
  std::vector<uint64_t> keys;
  for (int64_t i = 0; i < rows.size(0); ++i) {
    keys.push_back(hash64(std::string_view(bytes + static_cast<size_t>(i) * size, size)));
  }
  return keys;
}

// [m, K] standard normal, fixed by the bytes of each row.
at::Tensor noise_for(const at::Tensor& x, int64_t classes, uint64_t seed) {
  return Rng(seed, "surface", 0).normal(keys_of(x), {classes}, 0, 0);
}

// The class of each row's highest answer [m, K], of equals one drawn by the row's bytes: [m].
at::Tensor labels_of(const at::Tensor& answers, const at::Tensor& x, uint64_t seed) {
  const at::Tensor highest = answers.eq(answers.amax(1, /*keepdim=*/true));  // [m, K]
  const at::Tensor labels = answers.argmax(1);
  const at::Tensor open = highest.sum(1).gt(1).nonzero().squeeze(1);
  if (open.size(0) == 0) return labels;
  const at::Tensor draws = Rng(seed, "surface", 0)
                               .stage(kTies)
                               .uniform(keys_of(x.index_select(0, open)), {answers.size(1)}, 0, 0);
  return labels.index_copy(
      0, open, draws.masked_fill(highest.index_select(0, open).logical_not(), -1).argmax(1));
}

at::Tensor label_only(const at::Tensor& scores) {
  return at::zeros_like(scores).scatter_(1, scores.argmax(1, /*keepdim=*/true), 1.0);
}

at::Tensor highest(const at::Tensor& scores, int64_t k) {
  const at::Tensor places = std::get<1>(scores.topk(k, 1));
  return at::zeros_like(scores).scatter(1, places, scores.gather(1, places));
}

// How far the mean highest probability of rows stands from 1 / K to 1: [0, 1].
double peak_of(const at::Tensor& targets) {
  const double even = 1 / static_cast<double>(targets.size(1));
  return (targets.amax(1).mean().item<double>() - even) / (1 - even);
}

}  // namespace

Victim::Victim(const Model& model, const Surface& surface, int64_t budget, uint64_t seed)
    : model_(model), surface_(surface), budget_(budget), seed_(seed) {}

at::Tensor Victim::query(const at::Tensor& x) {
  const int64_t m = x.size(0);
  ASSAY_CHECK(m <= left(), "asked for " + std::to_string(m) + " of " + std::to_string(left()) +
                               " queries that are left");
  if (m == 0) return at::empty({0, classes()}, at::kDouble);
  spent_ += m;
  batches_.push_back(m);
  const at::Tensor input = x.detach().to(dtype()).contiguous();
  const ModelSpec& box = spec();
  ASSAY_CHECK(input.ge(box.lo).logical_and(input.le(box.hi)).all().item<bool>(),
              "a query lies in the box");
  asked_.push_back(input.clone());
  at::Tensor answers = answer(input);
  labels_.push_back(labels_of(answers, input, seed_));
  drawn_.push_back(answers.eq(answers.amax(1, /*keepdim=*/true)).sum(1).gt(1));
  return answers;
}

at::Tensor Victim::answer(const at::Tensor& x) const {
  const at::Tensor logits = model_.judge(x).to(at::kDouble);
  if (!logits.isfinite().all().item<bool>()) {
    throw ModelFailure("the candidate gave NaN or infinity for an input in the box");
  }
  const at::Tensor noise =
      surface_.noise > 0 ? noise_for(x, classes(), seed_).mul_(surface_.noise) : at::Tensor();
  if (surface_.kind == Kind::kLogits) return noise.defined() ? logits.add(noise) : logits;
  at::Tensor shares = logits.div(surface_.temperature).softmax(1);
  at::Tensor ranked = logits;  // two probabilities may be equal where their logits are not
  if (noise.defined()) {
    ranked = shares.add(noise);  // of which all may be cut off at 0
    shares = ranked.clamp_min(0);
    const at::Tensor sum = shares.sum(1, /*keepdim=*/true);
    shares = at::where(sum > 0, shares / sum, 1.0 / static_cast<double>(classes()));
  }
  switch (surface_.kind) {
    case Kind::kTopK:
      return highest(shares, surface_.top_k);
    case Kind::kRounded: {
      const double scale = std::pow(10.0, static_cast<double>(surface_.decimals));
      return shares.mul(scale).round().div(scale);
    }
    case Kind::kLabel:
      return label_only(ranked);
    default:
      return shares;
  }
}

at::Tensor Victim::asked() const {
  if (asked_.empty()) {
    std::vector<int64_t> shape = {0};
    shape.insert(shape.end(), spec().shape.begin(), spec().shape.end());
    return at::empty(shape, dtype());
  }
  return at::cat(asked_);
}

at::Tensor Victim::labels() const {
  return labels_.empty() ? at::empty({0}, at::kLong) : at::cat(labels_);
}

at::Tensor Victim::drawn() const {
  return drawn_.empty() ? at::empty({0}, at::kBool) : at::cat(drawn_);
}

at::Tensor targets_of(const at::Tensor& answers, const Surface& surface) {
  const auto classes = static_cast<double>(answers.size(1));
  switch (surface.kind) {
    case Kind::kLogits:
      return answers.softmax(1);
    case Kind::kTopK: {
      const at::Tensor left_out = answers.eq(0);
      const at::Tensor rest = (1 - answers.sum(1, true)).clamp_min(0);
      const at::Tensor others = left_out.sum(1, true).clamp_min(1);
      const at::Tensor filled = at::where(left_out, rest / others, answers);
      return filled / filled.sum(1, true);
    }
    case Kind::kRounded: {
      const at::Tensor sum = answers.sum(1, true);
      return at::where(sum > 0, answers / sum.clamp_min(1e-300), 1 / classes);
    }
    default:
      return answers;
  }
}

double sharpness_of(const at::Tensor& targets) {
  if (targets.size(0) == 0 || peak_of(targets) >= kSharp) return 1;
  // The most peaked row is decided by then, whatever its scale; nothing is where all are even.
  const double most = targets.amax().mul(static_cast<double>(targets.size(1))).log().item<double>();
  if (!(most > 1e-12)) return 1;
  double low = 0, high = std::log(1e3 / most);  // of the power's logarithm
  for (int i = 0; i < 20; ++i) {
    const double middle = (low + high) / 2;
    (peak_of(sharpened(targets, std::exp(middle))) < kSharp ? low : high) = middle;
  }
  return std::exp(high);
}

at::Tensor sharpened(const at::Tensor& targets, double sharpness) {
  return sharpness == 1 ? targets : targets.log().mul(sharpness).softmax(1);
}

}  // namespace assay
