// What an audit that chooses its threshold on one half of the records could have shown on the other
// half. The choice is noisy, so that crediting the best threshold would promise too much: choice
// and test are simulated, seeded, on the trade-off curve of an (epsilon, delta) mechanism.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "harness/gate/epsilon_internal.h"
#include "harness/gate/random.h"

namespace assay {
namespace {

constexpr int kRuns = 600;

/// A threshold by what it claims of the two populations.
struct Threshold {
  double tpr = 0;
  double fpr = 0;
};

/// Counts of records that each of some thresholds claims.
using Counts = std::vector<int64_t>;

/// The share of the best attack's members above the score that a share `fpr` of others exceeds.
double best_tpr(double fpr, double epsilon, double delta) {
  return std::clamp(
      std::min(delta + std::exp(epsilon) * fpr, 1 - std::exp(-epsilon) * (1 - delta - fpr)), 0.0,
      1.0);
}

/// FPRs from far under one of n to far over all but one, a seventh apart, with the corner of the
/// curve. One inside a tie is that above it, and none where the tie holds the highest scores.
std::vector<Threshold> thresholds_of(const EpsilonAudit& audit, const Resolution& resolution,
                                     int64_t n, double truth) {
  std::vector<double> fprs = {(1 - audit.delta) / (1 + std::exp(truth)), 1};
  for (double share = 0.3 / static_cast<double>(n); share < 0.5; share *= 1.15) {
    fprs.push_back(share);
    fprs.push_back(1 - share);
  }
  const auto place = [&](int64_t at) {
    return static_cast<double>(at) / static_cast<double>(resolution.non_members);
  };
  for (const Tie& tie : resolution.non_member_ties) {
    for (double& fpr : fprs) {
      if (fpr > place(tie.first) && fpr < place(tie.first + tie.count)) fpr = place(tie.first);
    }
  }
  std::erase(fprs, 0.0);
  std::sort(fprs.begin(), fprs.end());
  fprs.erase(std::unique(fprs.begin(), fprs.end()), fprs.end());
  std::vector<Threshold> thresholds;
  for (const double fpr : fprs) thresholds.push_back({best_tpr(fpr, truth, audit.delta), fpr});
  return thresholds;
}

/// Binomial: by inversion where few come out, else normal, which planning may use.
int64_t draw_count(Draws& draws, int64_t n, double p) {
  if (n == 0 || p <= 0) return 0;
  if (p >= 1) return n;
  if (p > 0.5) return n - draw_count(draws, n, 1 - p);
  const double mean = static_cast<double>(n) * p;
  if (mean > 30) {
    const double drawn = std::round(mean + std::sqrt(mean * (1 - p)) * draws.normal());
    return static_cast<int64_t>(std::clamp(drawn, 0.0, static_cast<double>(n)));
  }
  double left = draws.uniform();
  double probability = std::exp(static_cast<double>(n) * std::log1p(-p));
  int64_t k = 0;
  for (; k < n && left > probability; ++k) {
    left -= probability;
    probability *= p / (1 - p) * static_cast<double>(n - k) / static_cast<double>(k + 1);
  }
  return k;
}

/// Of n records, how many each threshold claims; `share` is what it claims of the population.
template <typename Share>
Counts draw_claims(Draws& draws, const std::vector<Threshold>& thresholds, int64_t n, Share share) {
  Counts counts;
  int64_t claimed = 0;
  double below = 0;
  for (const Threshold& at : thresholds) {
    const double rest = 1 - below;
    const double p = rest > 0 ? (share(at) - below) / rest : 0;
    claimed += draw_count(draws, n - claimed, p);
    below = share(at);
    counts.push_back(claimed);
  }
  return counts;
}

/// The place of the threshold that by_split would choose on these records.
size_t choose(const EpsilonAudit& audit, const Counts& members, int64_t m, const Counts& others,
              int64_t n, double alpha) {
  size_t chosen = 0;
  double best = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < members.size(); ++i) {
    if (i > 0 && members[i] == members[i - 1] && others[i] == others[i - 1]) continue;
    const double here = epsilon_of(
        {wilson(members[i], m, 1 - alpha).lower, wilson(others[i], n, 1 - alpha).upper}, audit);
    if (here <= best) continue;
    best = here;
    chosen = i;
  }
  return chosen;
}

}  // namespace

double split_power(const EpsilonAudit& audit, const Resolution& resolution, int64_t members,
                   int64_t non_members, double limit, double truth) {
  const int64_t m = members / 2;
  const int64_t n = non_members / 2;
  if (m == 0 || n == 0) return 0;
  const double alpha = level_of_each(audit, 1);
  const std::vector<Threshold> thresholds = thresholds_of(audit, resolution, n, truth);
  const auto tpr = [](const Threshold& at) { return at.tpr; };
  const auto fpr = [](const Threshold& at) { return at.fpr; };
  Draws draws(static_cast<uint64_t>(m) ^ static_cast<uint64_t>(n) << 32);
  std::map<int64_t, int64_t> needed;  // members claimed, by non-members claimed
  int beyond = 0;
  for (int run = 0; run < kRuns; ++run) {
    const Counts chosen_members = draw_claims(draws, thresholds, m, tpr);
    const Counts chosen_others = draw_claims(draws, thresholds, n, fpr);
    const Threshold& at = thresholds[choose(audit, chosen_members, m, chosen_others, n, alpha)];
    const int64_t a = draw_count(draws, m, at.tpr);
    const int64_t k = draw_count(draws, n, at.fpr);
    const auto [known, is_new] = needed.emplace(k, 0);
    if (is_new) {
      known->second =
          last_that_holds(m,
                          [&](int64_t few) {
                            return epsilon_of(bound_region(few, m, k, n, alpha), audit) <= limit;
                          }) +
          1;
    }
    beyond += a >= known->second ? 1 : 0;
  }
  // Less what the simulation may err by.
  const double power = static_cast<double>(beyond) / kRuns;
  return power - 2 * std::sqrt(power * (1 - power) / kRuns);
}

}  // namespace assay
