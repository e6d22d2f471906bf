// Square: random search with square-shaped changes; needs scores, no gradients.
//
// Paper: Andriushchenko, Croce, Flammarion, Hein, "Square Attack: a Query-efficient Black-box
// Adversarial Attack via Random Search", ECCV 2020, arXiv:1912.00049, Algorithms 1 to 3; for l1:
// Croce, Hein, "Mind the Box: l1-APGD for Sparse Adversarial Attacks on Image Classifiers", ICML
// 2021, arXiv:2103.01208, §4.
// Reference: fra31/auto-attack autoattack/square.py.
// Deviations: each sample draws its own squares (the reference shares one place, and its
// colours, over a batch); they may touch the last row and column; a linf square that changes
// nothing has its colours flipped, so that no query is lost; the l2 point fills the ball inside
// the box exactly where the reference clips it and falls short; the budget counts the start; every
// fourth l1 square may shrink to one entry (reference: three). Squares are rectangles of the same
// area where an input is narrow; a tabular input [D] is one row. The margin is the loss for a
// targeted goal too.
// Cost per sample, at most: queries forwards, no gradients.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "attacks/math/look.h"
#include "attacks/math/projection.h"
#include "attacks/math/query.h"
#include "attacks/math/rows.h"
#include "attacks/math/steepest.h"
#include "attacks/math/windows.h"
#include "harness/model/attack.h"

namespace assay::attacks::square {
namespace {

struct Settings {
  int64_t queries;
  double share;
  bool rescaled;  // the schedule of the share is stretched to the budget
};

// The share of the area that a square takes: halved as the search goes on, at steps that are meant
// for 10,000 queries.
double share_at(int64_t step, const Settings& settings) {
  static constexpr std::array<int64_t, 8> kHalvings = {10, 50, 200, 500, 1000, 2000, 4000, 6000};
  const double stretch = settings.rescaled ? 10000.0 / static_cast<double>(settings.queries) : 1;
  const double place = stretch * static_cast<double>(step);
  double share = settings.share;
  for (const int64_t halving : kHalvings) share /= place > static_cast<double>(halving) ? 2 : 1;
  return place > 8000 ? share / 2 : share;
}

double sign_of(double u) { return u < 0.5 ? -1 : 1; }

// A line cannot be cut the long way.
bool runs_across(const Window& window, double u) {
  return window.height == 1 || (window.width > 1 && u > 0.5);
}

// linf: vertical stripes of ±eps; later one square of ±eps in each channel.
template <typename T>
void paint(const Layout& l, const Window& window, const T* x0, T* out, const Ball& ball,
           const auto& sign) {
  for (int64_t c = 0; c < l.channels; ++c) {
    for_each(window, [&](int64_t i, int64_t j) {
      const int64_t k = l.at(c, i, j);
      const double to = double{x0[k]} + ball.eps * sign(c, j);
      out[k] = static_cast<T>(std::clamp(to, ball.lo, ball.hi));
    });
  }
}

// l2, l1: a grid of bumps. delta [c, h, w] is 0 on entry.
void start_tiles(const Layout& l, const double* u, double* delta, Norm norm) {
  Window tile{0, 0, std::max<int64_t>(1, l.height / 5), std::max<int64_t>(1, l.width / 5)};
  const int64_t down = l.height / tile.height;
  const int64_t right = l.width / tile.width;
  const int64_t top = (l.height - down * tile.height) / 2;
  const int64_t left = (l.width - right * tile.width) / 2;
  for (int64_t t = 0; t < down * right; ++t) {
    tile.top = top + (t / right) * tile.height;
    tile.left = left + (t % right) * tile.width;
    const std::vector<double> bump = eta(tile.height, tile.width, runs_across(tile, *u++), norm);
    for (int64_t c = 0; c < l.channels; ++c) {
      const double sign = sign_of(*u++);
      const double* next = bump.data();
      for_each(tile, [&](int64_t i, int64_t j) { delta[l.at(c, i, j)] = sign * *next++; });
    }
  }
}

double length(const double* v, int64_t d, bool l1) {
  double sum = 0;
  for (int64_t k = 0; k < d; ++k) sum += l1 ? std::abs(v[k]) : v[k] * v[k];
  return l1 ? sum : std::sqrt(sum);
}

// l2, l1: moves the length that one window spends, and what is left of eps, to another window,
// where a bump is added to what is there. delta [c, h, w]; u: 4 places, the cut, a sign a channel.
void move_mass(const Layout& l, const Window& size, const double* u, double* delta,
               const Ball& ball) {
  const bool l1 = ball.norm == Norm::kL1;
  const Window to = placed(size, l, u);
  const Window from = placed(size, l, u + 2);
  const std::vector<double> bump = eta(to.height, to.width, runs_across(to, u[4]), ball.norm);
  const int64_t d = l.size();
  const double spent = length(delta, d, l1);
  const double left =
      l1 ? std::max(ball.eps - spent, 0.0) : std::max(ball.eps * ball.eps - spent * spent, 0.0);
  const double spare = left / static_cast<double>(l.channels);
  std::vector<double> taken(static_cast<size_t>(l.height * l.width));
  std::vector<double> fresh(bump.size());
  for (int64_t c = 0; c < l.channels; ++c) {
    double* plane = delta + c * l.height * l.width;
    std::fill(taken.begin(), taken.end(), 0.0);
    size_t n = 0;
    for_each(to, [&](int64_t i, int64_t j) { fresh[n++] = plane[i * l.width + j]; });
    const double old = length(fresh.data(), to.height * to.width, l1);
    const double sign = sign_of(u[5 + c]);
    for (size_t k = 0; k < fresh.size(); ++k) {
      fresh[k] = sign * bump[k] + fresh[k] / (1e-12 + old);
    }
    for (const Window& window : {from, to}) {
      for_each(window, [&](int64_t i, int64_t j) {
        const int64_t k = i * l.width + j;
        taken[static_cast<size_t>(k)] = plane[k];
      });
    }
    const double windows = length(taken.data(), l.height * l.width, l1);
    // l1: so much for every channel that the projection cuts small entries elsewhere.
    const double wanted = l1 ? (spare + windows) * static_cast<double>(l.channels)
                             : std::sqrt(spare + windows * windows);
    const double factor = wanted / (1e-12 + length(fresh.data(), to.height * to.width, l1));
    for_each(from, [&](int64_t i, int64_t j) { plane[i * l.width + j] = 0; });
    n = 0;
    for_each(to, [&](int64_t i, int64_t j) { plane[i * l.width + j] = factor * fresh[n++]; });
  }
}

// What to try in place of x [m, ...]; step 0 starts. u [m, k]: the numbers that decide.
at::Tensor propose(const at::Tensor& x, const at::Tensor& x0, const at::Tensor& u, int64_t step,
                   const Ball& ball, const Settings& settings) {
  const Layout l = layout_of(x0);
  const bool linf = ball.norm == Norm::kLinf;
  // In l1 the nearest flip may lie along one entry: every fourth square may be that small.
  const bool odd = ball.norm == Norm::kL2 || (ball.norm == Norm::kL1 && step % 4 != 0);
  const Window size = sized(l, share_at(step, settings), odd);
  const at::Tensor result = x.clone(at::MemoryFormat::Contiguous);
  const at::Tensor centre = x0.contiguous();
  const int64_t d = l.size();
  std::vector<double> delta(static_cast<size_t>(d));
  with_type(x, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t row = 0; row < x.size(0); ++row) {
      const double* draw = u.const_data_ptr<double>() + row * u.size(1);
      const T* from = centre.const_data_ptr<T>() + row * d;
      T* out = result.data_ptr<T>() + row * d;
      if (linf && step == 0) {
        paint(l, {0, 0, l.height, l.width}, from, out, ball,
              [&](int64_t c, int64_t j) { return sign_of(draw[c * l.width + j]); });
      } else if (linf) {
        const std::vector<T> before(out, out + d);
        const Window window = placed(size, l, draw);
        paint(l, window, from, out, ball, [&](int64_t c, int64_t) { return sign_of(draw[5 + c]); });
        if (!std::equal(before.begin(), before.end(), out)) continue;
        paint(l, window, from, out, ball,
              [&](int64_t c, int64_t) { return -sign_of(draw[5 + c]); });
      } else {
        for (int64_t k = 0; k < d; ++k) delta[k] = double{out[k]} - double{from[k]};
        if (step == 0) start_tiles(l, draw, delta.data(), ball.norm);
        if (step > 0) move_mass(l, size, draw, delta.data(), ball);
        for (int64_t k = 0; k < d; ++k) {
          out[k] = static_cast<T>(delta[k] + (ball.norm == Norm::kL1 ? double{from[k]} : 0.0));
        }
      }
    }
  });
  if (linf) return result;
  // l2 follows the direction δ to the surface; l1 cuts what is too long.
  return ball.norm == Norm::kL2 ? maximise_linear(result, centre, ball)
                                : project(result, centre, ball);
}

Candidates run(Oracle& oracle, const Rng& rng, const Settings& settings) {
  const Block& block = oracle.block();
  const Ball ball = ball_of(oracle.threat());
  const Layout l = layout_of(block.x);
  at::Tensor rows = at::arange(block.size(), at::kLong);  // [m] still robust
  at::Tensor x0 = block.x;                                // [m, ...]
  at::Tensor x = block.x;                                 // [m, ...] the best point
  at::Tensor best;                                        // [m] its margin
  std::vector<uint64_t> keys = block.ids;
  for (int64_t step = 0; step < settings.queries; ++step) {
    const int64_t numbers = step > 0 ? 5 + l.channels : (1 + l.channels) * l.height * l.width;
    const at::Tensor u = rng.uniform(keys, {numbers}, 0, step);
    const at::Tensor trial = propose(x, x0, u, step, ball, settings);
    const at::Tensor value = margins(oracle, trial, rows);
    const at::Tensor better = step == 0 ? at::ones_like(rows, at::kBool) : value.gt(best);  // [m]
    best = step == 0 ? value : at::where(better, value, best);
    x = at::where(spread(better, x), trial, x);
    const at::Tensor left = oracle.undecided(rows);
    if (left.size(0) == 0) break;
    if (left.size(0) == rows.size(0)) continue;
    for (at::Tensor* each : {&rows, &x0, &x, &best}) *each = each->index_select(0, left);
    keys = keys_of(block, rows);
  }
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel&) {
  const Settings settings{
      .queries = params.integer("queries", 5000, {1, 10000000}, "hard budget for each sample"),
      .share = params.number("share", 0.8, {1e-6, 1},
                             "share of the area that the first squares take (the paper's p)"),
      .rescaled =
          params.choice("schedule", "rescaled", {"rescaled", "absolute"},
                        "the steps at which that share is halved: rescaled from 10000 "
                        "queries to the budget, or absolute (as in AutoAttack)") == "rescaled",
  };
  return {[settings](Oracle& oracle, const Block&, const Rng& rng) {
            return run(oracle, rng, settings);
          },
          {.queries = settings.queries}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "square",
      .family = Family::kEvasion,
      .access = Access::kScore,
      .norms = {Norm::kLinf, Norm::kL2, Norm::kL1},
      .targeted = true,
      .summary = "random search with square-shaped changes, by scores alone",
      .paper =
          "Andriushchenko, Croce, Flammarion, Hein: Square Attack: a Query-efficient Black-box "
          "Adversarial Attack via Random Search, ECCV 2020, arXiv:1912.00049",
      .cost = "queries forwards",
      .taxonomy = {{"atlas", "AML.T0043.001"}, {"nist", "NISTAML.025"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::square
