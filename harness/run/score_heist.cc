// What thieves got: their surrogates against the candidate on the test set.
#include <chrono>
#include <cmath>

#include "harness/run/score.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

using What = Scoring::Part::What;

std::string bits_of(const at::Tensor& yes) {
  const at::Tensor rows = yes.contiguous();
  const bool* bit = rows.const_data_ptr<bool>();
  std::string text;
  for (int64_t i = 0; i < rows.size(0); ++i) text += bit[i] ? '1' : '0';
  return text;
}

// [n] float64: 1 broken, 0 not, NaN not tried.
std::string outcome_text(const at::Tensor& outcome) {
  const at::Tensor rows = outcome.contiguous();
  const double* value = rows.const_data_ptr<double>();
  std::string text;
  for (int64_t i = 0; i < rows.size(0); ++i) {
    text += std::isnan(value[i]) ? '-' : (value[i] > 0 ? '1' : '0');
  }
  return text;
}

// The factor, 0 or more, that brings the surrogate's probabilities nearest to p [n, K]. The mean
// divergence is convex in it, and its slope the mean of Σ (q − p) logits.
double best_scale(const at::Tensor& p, const at::Tensor& logits) {
  constexpr double kLeast = -20, kMost = 20;  // of the factor's logarithm
  const auto rises = [&](double scale) {
    return logits.mul(scale).softmax(1).sub(p).mul(logits).sum().item<double>() > 0;
  };
  if (rises(0)) return 0;
  double low = kLeast, high = kMost;
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    (rises(std::exp(middle)) ? high : low) = middle;
  }
  return std::exp((low + high) / 2);
}

// KL divergence of the surrogate's probabilities from the candidate's, in nats, by row, at the
// scale of the surrogate's logits that fits best: a `temperature` divides logits by one number, and
// hides nothing that the surrogate knows. Seven digits: a figure of ten thousand records needs no
// more, and files are a third as long.
std::vector<double> divergences(const at::Tensor& candidate, const at::Tensor& surrogate) {
  const at::Tensor log_p = candidate.to(at::kDouble).log_softmax(1);
  // Less the row's highest, which changes no probability: they are all finite at any scale.
  const at::Tensor logits =
      surrogate.to(at::kDouble).sub(surrogate.to(at::kDouble).amax(1, /*keepdim=*/true));
  const at::Tensor p = log_p.exp();
  const at::Tensor log_q = logits.mul(best_scale(p, logits)).log_softmax(1);
  const at::Tensor kl = p.mul(log_p.sub(log_q)).sum(1).clamp_min(0).to(at::kFloat);
  std::vector<double> values;
  for (int64_t i = 0; i < kl.size(0); ++i) {
    const double value = kl[i].item<double>();
    const double digits = value > 0 ? std::pow(10, 6 - std::floor(std::log10(value))) : 1;
    values.push_back(std::round(value * digits) / digits);
  }
  return values;
}

}  // namespace

UnitResult score_heist(const Suite& suite, const std::vector<Attack>& attacks,
                       const Gathered& gathered) {
  const auto start = std::chrono::steady_clock::now();
  const Scoring& scoring = gathered.scoring();
  const AttackSpec& spec = suite.attacks.at(static_cast<size_t>(scoring.entry));
  const bool surrogates = bind_entry(spec, spec.threat, attacks).extraction.surrogate;
  const auto records = static_cast<int64_t>(scoring.labels.size());
  const at::Tensor labels = at::tensor(scoring.labels, at::kLong);
  const auto logits_of = [&](int64_t model) {
    return gathered.numbers(What::kLogits, model, 0, records, {scoring.classes});
  };
  UnitResult result;
  result.key = scoring.key;
  result.cell = scoring.cell;
  Extracted extracted;
  at::Tensor candidate = logits_of(-1);
  const at::Tensor finite = candidate.isfinite().all(1);
  const int64_t failed = records - finite.sum().item<int64_t>();
  candidate = candidate.nan_to_num(0, 0, 0);
  extracted.candidate = bits_of(candidate.argmax(1).eq(labels).logical_and(finite));
  const at::Tensor answers = candidate.argmax(1).masked_select(finite);
  if (answers.size(0) > 0) extracted.commonest = answers.bincount().max().item<int64_t>();
  for (size_t i = 0; i < scoring.trained.size(); ++i) {
    const UnitResult& steal = gathered.result_of(scoring.trained[i]);
    ASSAY_CHECK(steal.extracted && steal.extracted->stolen.size() == 1, "a theft of each unit");
    Stolen stolen = steal.extracted->stolen.front();
    const auto model = static_cast<int64_t>(i);
    for (const Scoring::Part& part : scoring.parts) {
      if (part.what != What::kTransfer || part.shadow != model) continue;
      const std::optional<Extracted>& tried = gathered.result_of(part.key).extracted;
      if (tried && stolen.failure.empty()) stolen.failure = tried->stolen.front().failure;
    }
    if (failed > 0 && stolen.failure.empty()) {
      stolen.failure =
          "the candidate gave no numbers for " + std::to_string(failed) + " records of `test`";
    }
    const at::Tensor logits = surrogates ? logits_of(model) : at::Tensor();
    if (logits.defined()) {
      if (!logits.isfinite().all().item<bool>()) {
        throw Error(spec.where, "a surrogate of " + scoring.cell +
                                    " gives NaN or infinity; lower `learning_rate`");
      }
      const at::Tensor told = logits.argmax(1);
      stolen.agreement = bits_of(told.eq(candidate.argmax(1)));
      stolen.accuracy = bits_of(told.eq(labels));
      stolen.divergence = divergences(candidate, logits);
      const at::Tensor outcome = gathered.numbers(What::kTransfer, model, 0, records, {});
      if (outcome.defined()) stolen.transfer = outcome_text(outcome);
    }
    extracted.stolen.push_back(std::move(stolen));
  }
  result.extracted = std::move(extracted);
  result.cost.time_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace assay
