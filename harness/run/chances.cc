#include "harness/run/chances.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/model/ball.h"
#include "harness/model/oracle.h"

namespace assay {
namespace {

// The `draw`th random point of each sample's ball, or of its box: corners of it and points within,
// in turn; in l2 and l1 on the way to those of the box, without eps at several distances. [n, ...]
at::Tensor random_point(const Oracle& oracle, const Rng& rng, int64_t draw) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  const at::Tensor centre = block.x.to(at::kDouble);
  const at::IntArrayRef shape = block.x.sizes().slice(1);
  const at::Tensor u = rng.uniform(block.ids, shape, draw, 0);  // [n, ...]
  const at::Tensor side = draw % 2 == 0 ? u.ge(0.5).to(at::kDouble) : u;
  at::Tensor way = side.mul(threat.hi - threat.lo).add(threat.lo).sub(centre);
  if (!threat.eps) {
    way = way.mul(static_cast<double>(draw + 1) / static_cast<double>(kChances));
  } else if (threat.norm == Norm::kLinf) {
    way = side.mul(2).sub(1).mul(*threat.eps);
  } else if (threat.norm == Norm::kL0) {
    const at::Tensor order = rng.uniform(block.ids, shape, draw, 1).flatten(1);
    const auto count = std::min(order.size(1), static_cast<int64_t>(*threat.eps));
    const at::Tensor chosen = std::get<1>(order.topk(count, 1));
    way = way.mul(at::zeros_like(order).scatter_(1, chosen, 1.0).view(way.sizes()));
  } else {
    const at::Tensor length = distance(way, at::zeros_like(way), threat.norm);
    const at::Tensor share = length.reciprocal().mul(*threat.eps).clamp_max(1);
    way = way.flatten(1).mul(share.unsqueeze(1)).view(way.sizes());
  }
  const at::Tensor rows = at::arange(block.size(), at::kLong);
  const at::Tensor end = centre.add(way).clamp(threat.lo, threat.hi).to(block.x.scalar_type());
  const at::Tensor point = oracle.admissible(end, rows);
  const int64_t d = block.x.numel() / block.size();
  const double radius = ball_radius(threat, d, block.x.scalar_type() == at::kDouble);
  const at::Tensor inside = distance(point, block.x, threat).le(radius);
  std::vector<int64_t> each(static_cast<size_t>(block.x.dim()), 1);
  each[0] = block.size();
  return at::where(inside.view(each), point, block.x);
}

// Logits of points, row by row where the model fails on some: NaN of those. [n, ...] → [n, K].
at::Tensor logits_or_nan(const Model& model, const at::Tensor& points) {
  try {
    return model.logits(points);
  } catch (const ModelFailure&) {
    if (points.size(0) == 1) {
      return at::full({1, model.classes()}, std::numeric_limits<double>::quiet_NaN());
    }
  }
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < points.size(0); ++i) {
    rows.push_back(logits_or_nan(model, points.narrow(0, i, 1)));
  }
  return at::cat(rows, 0);
}

// Margins (see Trace) at logits [n, K]: [n] float64.
at::Tensor margins_at(const Oracle& oracle, const at::Tensor& logits) {
  const bool targeted = oracle.threat().goal == Goal::kTargeted;
  const at::Tensor wanted = (targeted ? oracle.block().target : oracle.block().y).unsqueeze(1);
  const double lowest = -std::numeric_limits<double>::infinity();
  const at::Tensor own = logits.gather(1, wanted);
  const at::Tensor other = std::get<0>(logits.scatter(1, wanted, lowest).max(1, true));
  return (targeted ? other.sub(own) : own.sub(other)).squeeze(1).contiguous();
}

// At points x [k, ...] of the block's samples from the `first` on: logits [k, K] and the margin's
// gradient [k, ...], float64.
struct Slant {
  at::Tensor logits, gradient;
};

Slant margin_slant(const Model& model, const Oracle& oracle, const at::Tensor& x,
                   int64_t first = 0) {
  const Block& block = oracle.block();
  const bool targeted = oracle.threat().goal == Goal::kTargeted;
  const Tape tape = model.record(x);
  const at::Tensor wanted =
      (targeted ? block.target : block.y).narrow(0, first, x.size(0)).unsqueeze(1);
  const double lowest = -std::numeric_limits<double>::infinity();
  const at::Tensor other = tape.logits().scatter(1, wanted, lowest).argmax(1, true);
  at::Tensor c = at::zeros_like(tape.logits());
  c.scatter_(1, wanted, targeted ? -1.0 : 1.0).scatter_(1, other, targeted ? 1.0 : -1.0);
  return {tape.logits().to(at::kDouble),
          at::nan_to_num(tape.vjp(c), 0.0, 0.0, 0.0).to(at::kDouble)};
}

// The margin's gradients at points x [k, ...] of the samples from the `first` on: 0 where the model
// fails.
at::Tensor gradient_or_none(const Model& model, const Oracle& oracle, const at::Tensor& x,
                            int64_t first = 0) {
  try {
    return margin_slant(model, oracle, x, first).gradient;
  } catch (const ModelFailure&) {
    if (x.size(0) == 1) return at::zeros(x.sizes(), at::kDouble);
  }
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < x.size(0); ++i) {
    rows.push_back(gradient_or_none(model, oracle, x.narrow(0, i, 1), first + i));
  }
  return at::cat(rows, 0);
}

// The way against a gradient of the margin [n, ...] as far as the walls and what may not change
// allow: all entries alike in linf and l1, one in l0; 0 where nothing is left of it.
at::Tensor way_down(const Oracle& oracle, const at::Tensor& gradient) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  at::Tensor way = gradient.neg();
  way = way.masked_fill(way.lt(0).logical_and(block.x.le(threat.lo)), 0.0)
            .masked_fill(way.gt(0).logical_and(block.x.ge(threat.hi)), 0.0);
  if (!threat.fixed.empty()) {
    way = way.flatten(1).index_fill(1, at::tensor(threat.fixed, at::kLong), 0).view(way.sizes());
  }
  if (threat.norm == Norm::kL0) {  // one entry is in any ball
    const at::Tensor size = way.abs().flatten(1);
    way = way.mul(size.ge(size.amax(1, true)).view(way.sizes()));
  }
  return threat.norm == Norm::kL2 ? way : way.sign();
}

// The samples that far along their ways, in shares of the ball's radius, of the box's width without
// one.
at::Tensor stepped(const Oracle& oracle, const at::Tensor& way, double share) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  const at::Tensor size = distance(way, at::zeros_like(way), threat.norm).clamp_min(1e-300);
  const double widest = threat.hi - threat.lo;
  const double radius = threat.norm == Norm::kL0 ? widest : threat.eps.value_or(widest);
  const at::Tensor step = way.flatten(1).div(size.div(radius * share).unsqueeze(1));
  const at::Tensor end = block.x.to(at::kDouble).add(step.view(way.sizes()));
  return oracle.admissible(end.clamp(threat.lo, threat.hi).to(block.x.scalar_type()),
                           at::arange(block.size(), at::kLong));
}

// What random points of each sample show: their least and greatest margin, their largest logit, and
// the nearest of them that breaks it.
struct Draws {
  std::vector<double> least, most, largest;
  Candidates broken;
};

Draws draw_points(const Model& model, const Oracle& oracle, const Rng& rng) {
  const Block& block = oracle.block();
  const auto n = static_cast<size_t>(block.size());
  const double infinity = std::numeric_limits<double>::infinity();
  Draws draws{std::vector(n, infinity),
              std::vector(n, -infinity),
              std::vector(n, 0.0),
              {block.x.clone(), at::zeros({block.size()}, at::kBool)}};
  at::Tensor nearest = at::full({block.size()}, infinity, at::kDouble);
  const at::Tensor rows = at::arange(block.size(), at::kLong);
  std::vector<int64_t> each(static_cast<size_t>(block.x.dim()), 1);
  each[0] = block.size();
  for (int64_t draw = 0; draw < kChances; ++draw) {
    const at::Tensor point = random_point(oracle, rng, draw);
    const at::Tensor logits = logits_or_nan(model, point).to(at::kDouble);
    const at::Tensor away = distance(point, block.x, oracle.threat());
    const at::Tensor hit = oracle.breaks(logits.argmax(1), rows)
                               .logical_and(logits.isfinite().all(1))
                               .logical_and(away.lt(nearest));
    nearest = at::where(hit, away, nearest);
    draws.broken.x = at::where(hit.view(each), point, draws.broken.x);
    draws.broken.success.logical_or_(hit);
    const at::Tensor ahead = margins_at(oracle, logits);
    const at::Tensor size = logits.abs().amax(1).contiguous();
    for (size_t i = 0; i < n; ++i) {
      const double margin = ahead.const_data_ptr<double>()[i];
      if (!std::isfinite(margin)) continue;
      draws.least[i] = std::min(draws.least[i], margin);
      draws.most[i] = std::max(draws.most[i], margin);
      draws.largest[i] = std::max(draws.largest[i], size.const_data_ptr<double>()[i]);
    }
  }
  return draws;
}

}  // namespace

std::vector<bool> falls_by_gradient(const Model& model, const ThreatModel& threat,
                                    const Block& block) {
  const Oracle oracle(model, threat, block, 0, 0);
  std::vector<bool> falls(static_cast<size_t>(block.size()), false);
  if (threat.access != Access::kGradient || !model.facts().gradient) return falls;
  Slant slant;
  try {
    slant = margin_slant(model, oracle, block.x);
  } catch (const ModelFailure&) {
    return falls;
  }
  const at::Tensor way = way_down(oracle, slant.gradient);
  const at::Tensor steep = slant.gradient.ne(0).flatten(1).any(1).contiguous();
  const at::Tensor free = way.ne(0).flatten(1).any(1).contiguous();
  for (size_t i = 0; i < falls.size(); ++i) {  // only the walls are in its way
    falls[i] = steep.const_data_ptr<bool>()[i] && !free.const_data_ptr<bool>()[i];
  }
  const at::Tensor limit =
      margins_at(oracle, slant.logits).sub(slant.logits.abs().amax(1).mul(kSlack / 10));
  for (const double share : {1.0, 1.0 / 8, 1.0 / 128}) {
    const at::Tensor logits = logits_or_nan(model, stepped(oracle, way, share)).to(at::kDouble);
    const at::Tensor lower = margins_at(oracle, logits).lt(limit).contiguous();
    for (size_t i = 0; i < falls.size(); ++i) {
      falls[i] = falls[i] || lower.const_data_ptr<bool>()[i];
    }
  }
  return falls;
}

MeanStep step_by_mean_gradient(const Model& model, const ThreatModel& threat, const Block& block,
                               const Rng& rng) {
  const Oracle oracle(model, threat, block, 0, 0);
  const at::Tensor rows = at::arange(block.size(), at::kLong);
  at::Tensor sum = at::zeros(block.x.sizes(), at::kDouble);
  for (int64_t draw = 0; draw < kSmoothing; ++draw) {
    const at::Tensor there = at::lerp(block.x, random_point(oracle, rng, draw), 0.5);
    sum.add_(gradient_or_none(model, oracle, oracle.admissible(there, rows)));
  }
  const at::Tensor end = stepped(oracle, way_down(oracle, sum), 1);
  const at::Tensor logits = logits_or_nan(model, end).to(at::kDouble);
  const at::Tensor hit =
      oracle.breaks(logits.argmax(1), rows).logical_and(logits.isfinite().all(1));
  const at::Tensor before = logits_or_nan(model, block.x).to(at::kDouble);
  return {margins_at(oracle, before), margins_at(oracle, logits), {end, hit}};
}

Candidates broken_by_chance(const Model& model, const ThreatModel& threat, const Block& block,
                            const Rng& rng) {
  return draw_points(model, Oracle(model, threat, block, 0, 0), rng).broken;
}

Chances look_by_chance(const Model& model, const ThreatModel& threat, const Block& block,
                       const std::vector<double>& least, const Rng& rng) {
  const Oracle near(model, threat, block, 0, 0);
  const Draws inside = draw_points(model, near, rng);
  ThreatModel wide = threat;
  wide.eps.reset();
  wide.feature_scale.clear();
  const Oracle far(model, wide, block, 0, 0);
  std::optional<Draws> outside;
  Chances chances{std::vector<Slope>(least.size(), Slope::kUnknown), inside.broken};
  for (size_t i = 0; i < least.size(); ++i) {
    const double rounding = kSlack * inside.largest[i];
    if (inside.least[i] < least[i] - rounding) chances.slopes[i] = Slope::kFalls;
    if (inside.least[i] != least[i] || inside.most[i] != least[i]) continue;
    if (!outside) outside = draw_points(model, far, rng);
    if (outside->least[i] < outside->most[i]) chances.slopes[i] = Slope::kFlat;
  }
  return chances;
}

}  // namespace assay
