// CW: descends squared distance + c · hinge of the margin in tanh space, where no box is in the
// way, and searches for the smallest c that succeeds.
//
// Paper: Carlini, Wagner, "Towards Evaluating the Robustness of Neural Networks", S&P 2017,
// arXiv:1608.04644, section VI.A.
// Reference: carlini/nn_robust_attacks l2_attack.py; bethgelab/foolbox
// foolbox/attacks/carlini_wagner.py.
// Deviations: every sample stops and goes on by its own loss (the references look at the batch's
// sum); distances are measured in widths of the box, of which a ten-thousandth is left out at the
// walls (references: a millionth), as entries on a wall would seem stuck; an entry's step is no
// longer than what flips the model linearised at the clean input; up to 9 steps of the last search
// are spent on the planes of other labels at the best point (planes.h), which is then pulled
// towards the clean input by bisection. Cost per sample, at most: searches · steps + 1 + refine
// forwards, searches · steps + 1 gradients.
#include <algorithm>
#include <cmath>
#include <utility>

#include "attacks/math/adam.h"
#include "attacks/math/constant_search.h"
#include "attacks/math/displacement.h"
#include "attacks/math/look.h"
#include "attacks/math/nearest.h"
#include "attacks/math/planes.h"
#include "attacks/math/rows.h"
#include "attacks/math/search_params.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"

namespace assay::attacks::cw {
namespace {

struct Settings {
  int64_t searches, steps;
  double step_size;
  double initial_const;
  int64_t refine;
};

struct Active {
  at::Tensor rows;    // [m] their block rows
  at::Tensor x0, w0;  // [m, ...] clean, and where tanh space has it
  at::Tensor w;       // [m, ...] displacement in tanh space
  at::Tensor y;       // [m]
  at::Tensor target;  // [m], or undefined
  at::Tensor c;       // [m] float64
  at::Tensor size;    // [m] float64 learning rate

  void keep(const at::Tensor& indices) {
    keep_rows(indices, {&rows, &x0, &w0, &w, &y, &target, &c, &size});
  }
};

// f of every entry, computed in float64 one by one: vectorised functions may round the last entries
// of a batch otherwise.
template <typename F>
at::Tensor each(const at::Tensor& x, F f) {
  const at::Tensor from = x.contiguous();
  at::Tensor result = at::empty_like(from);
  with_type(from, [&](auto zero) {
    using T = decltype(zero);
    const T* in = from.const_data_ptr<T>();
    std::transform(in, in + from.numel(), result.data_ptr<T>(),
                   [&](T v) { return static_cast<T>(f(double{v})); });
  });
  return result;
}

// Box to tanh space; the walls themselves lie at infinity, and entries that start near them hardly
// move for a long time.
at::Tensor to_tanh_space(const at::Tensor& x, const ThreatModel& threat) {
  const double middle = (threat.lo + threat.hi) / 2;
  const double half = (threat.hi - threat.lo) / 2;
  return each(x, [&](double v) { return std::atanh((v - middle) / half * 0.9999); });
}

// ∂/∂w of squared distance + c · max(−margin, 0) at t = tanh(w0 + w), up to a factor; distances in
// widths of the box.
at::Tensor descent(const Active& active, const at::Tensor& t, const at::Tensor& away,
                   const Look& seen, double width) {
  const at::Tensor pull = at::where(seen.value.lt(0), active.c, 0.0).mul(-width);
  const at::Tensor leave = finite_entries(seen.gradient).mul(spread(pull, t).to(t.scalar_type()));
  return away.mul(2).add(leave).mul(t.mul(t).neg().add(1));
}

// The learning rate of each sample: no more than it takes, with all entries together, to flip the
// model linearised at the clean input. Costs a look at it. → [n] float64
at::Tensor first_size(Oracle& oracle, const Settings& settings) {
  const Block& block = oracle.block();
  const at::Tensor all = at::arange(block.size(), at::kLong);
  at::Tensor size = at::full({block.size()}, settings.step_size, at::kDouble);
  const std::optional<Look> seen =
      look(oracle, block.x, all, block.y, block.target, LossKind::kMargin);
  if (!seen) return size;
  // Tanh space is two widths wide where it is widest.
  const at::Tensor plane = plane_distance(*seen, Norm::kLinf, oracle.threat()).mul(2);
  size.index_copy_(0, seen->keep, plane.clamp_max(settings.step_size));
  return size;
}

// One descent of all samples of `active` under their c. → [n] bool: the samples that broke.
at::Tensor search(Oracle& oracle, Active active, int64_t steps) {
  const ThreatModel& threat = oracle.threat();
  const double width = threat.hi - threat.lo;
  const int64_t tenth = (steps + 9) / 10;
  at::Tensor found = at::zeros({oracle.block().size()}, at::kBool);
  Adam adam(active.w);
  Progress progress(active.rows.size(0));
  for (int64_t step = 0; step < steps; ++step) {
    at::Tensor t = each(active.w0.add(active.w), [](double v) { return std::tanh(v); });
    const at::Tensor x =
        t.mul(width / 2).add((threat.lo + threat.hi) / 2).clamp(threat.lo, threat.hi);
    std::optional<Look> seen =
        look(oracle, x, active.rows, active.y, active.target, LossKind::kMargin);
    if (!seen) break;
    const auto keep = [&](const at::Tensor& indices) {
      active.keep(indices);
      keep_rows(indices, {&t, &adam.mean, &adam.square, &progress.last});
    };
    keep(seen->keep);
    found.index_put_({active.rows}, seen->broken.logical_or(found.index_select(0, active.rows)));
    at::Tensor away = x.index_select(0, seen->keep).sub(active.x0).div(width);
    if (step % tenth == 0) {
      const at::Tensor reach = length(away, Norm::kL2);
      const at::Tensor loss = reach.mul(reach).add(active.c.mul(seen->value.neg().clamp_min(0)));
      const at::Tensor falling = progress.check(loss);
      if (falling.size(0) == 0) break;
      keep(falling);
      keep_rows(falling, {&away, &seen->value, &seen->gradient, &seen->broken});
    }
    const at::Tensor gradient = descent(active, t, away, *seen, width);
    const at::Tensor size = spread(active.size, t).to(t.scalar_type());
    active.w = active.w.sub(adam.direction(gradient).mul(size));
  }
  return found;
}

Candidates run(Oracle& oracle, const Settings& settings) {
  const Block& block = oracle.block();
  const at::Tensor w0 = to_tanh_space(block.x, oracle.threat());
  const at::Tensor size = first_size(oracle, settings);
  const int64_t kept = kept_back(oracle, settings.steps, settings.refine);
  ConstantSearch constant(block.size(), settings.initial_const);
  for (int64_t i = 0; i < settings.searches; ++i) {
    Active active{.rows = at::arange(block.size(), at::kLong),
                  .x0 = block.x,
                  .w0 = w0,
                  .w = at::zeros_like(w0),
                  .y = block.y,
                  .target = block.target,
                  .c = constant.c,
                  .size = size};
    active.keep(oracle.undecided(active.rows));
    if (active.rows.size(0) == 0) break;
    oracle.start_ascent(active.rows);
    const int64_t steps = settings.steps - (i + 1 == settings.searches ? kept : 0);
    constant.next(search(oracle, std::move(active), steps));
  }
  straighten(oracle, kept);
  tighten(oracle, settings.refine);
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel&) {
  const Settings settings{
      .searches = params.integer("searches", 9, {1, 1000},
                                 "descents, each with another weight c of the margin"),
      .steps = params.integer("steps", 100, {1, 100000},
                              "gradient steps of a search (published runs: 1000 to 10000)"),
      .step_size = params.number(
          "step_size", 0.1, {1e-9, 1e3},
          "learning rate at most, in tanh space (published runs: 0.01, with far more steps)"),
      .initial_const = params.number("initial_const", 1e-3, {1e-12, 1e12}, "c of the first search"),
      .refine = refine_param(params),
  };
  const int64_t gradients = settings.searches * settings.steps;
  return {[settings](Oracle& oracle, const Block&, const Rng&) { return run(oracle, settings); },
          {.queries = gradients + 1 + settings.refine, .gradients = gradients + 1}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "cw",
      .family = Family::kEvasion,
      .access = Access::kGradient,
      .norms = {Norm::kL2},
      .minimum_norm = true,
      .targeted = true,
      .summary = "nearest adversarial in l2 by descent in tanh space (Carlini-Wagner)",
      .paper =
          "Carlini, Wagner: Towards Evaluating the Robustness of Neural Networks, S&P 2017, "
          "arXiv:1608.04644",
      .cost = "at most searches * steps + 1 + refine forwards, searches * steps + 1 gradients",
      .taxonomy = {{"atlas", "AML.T0043.000"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::cw
