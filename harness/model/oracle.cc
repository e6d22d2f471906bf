#include "harness/model/oracle.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "harness/model/attack_fault.h"
#include "harness/model/ball.h"
#include "harness/model/crash.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

// Queries that make a step of a search by scores; of small inputs as many as they have entries.
constexpr int64_t kScoreWindow = 100;

// The largest magnitude of a row's d entries, as bits: these order as magnitudes do, with NaN above
// infinity.
template <typename Bits, typename Number>
Bits largest_magnitude(const Number* row, int64_t d) {
  Bits largest = 0;
  for (int64_t i = 0; i < d; ++i) {
    largest = std::max<Bits>(largest, std::bit_cast<Bits>(row[i]) & (~Bits{0} >> 1));
  }
  return largest;
}

// Calls run(i, zero, wild) for each row of `gradient` [m, ...]: whether all its entries are 0, and
// whether one is NaN or infinite.
template <typename Bits, typename Number, typename Run>
void survey(const at::Tensor& gradient, Run run) {
  const int64_t d = gradient.numel() / std::max<int64_t>(gradient.size(0), 1);
  const Bits infinity = std::bit_cast<Bits>(std::numeric_limits<Number>::infinity());
  const Number* row = gradient.const_data_ptr<Number>();
  for (int64_t i = 0; i < gradient.size(0); ++i, row += d) {
    const Bits largest = largest_magnitude<Bits>(row, d);
    run(i, largest == 0, largest >= infinity);
  }
}

}  // namespace

Votes vote_often(const Model& model, const at::Tensor& x) {
  Votes votes = model.vote(x);
  for (int64_t round = 1; model.facts().random && round < kRounds; ++round) {
    const Votes more = model.vote(x);
    votes.counts.add_(more.counts);
    votes.finite.logical_and_(more.finite);
    votes.number += more.number;
  }
  return votes;
}

Oracle::Oracle(const Model& model, const ThreatModel& threat, const Block& block, int64_t queries,
               int64_t gradients)
    : model_(model),
      threat_(threat),
      block_(block),
      query_budget_(queries),
      gradient_budget_(gradients),
      radius_(ball_radius(threat, block.x.numel() / block.size(), model.dtype() == at::kDouble)),
      by_distance_(seeks_distance(threat) || threat.access == Access::kLabel) {
  const int64_t n = block.size();
  decided_ = at::zeros({n}, at::kBool);
  found_ = at::zeros({n}, at::kBool);
  crossed_ = at::zeros({n}, at::kBool);
  failed_ = at::zeros({n}, at::kBool);
  from_afar_ = at::zeros({n}, at::kBool);
  walks_ = at::zeros({n}, at::kBool);
  best_x_ = block.x.clone();
  best_distance_ = at::full({n}, std::numeric_limits<double>::infinity(), at::kDouble);
  queries_ = at::zeros({n}, at::kLong);
  gradients_ = at::zeros({n}, at::kLong);
  zero_gradients_ = at::zeros({n}, at::kLong);
  nonfinite_gradients_ = at::zeros({n}, at::kLong);
  if (!threat.fixed.empty()) fixed_ = at::tensor(threat.fixed, at::kLong);
  if (!threat.feature_scale.empty() && threat.eps) {
    std::vector<int64_t> shape = block.x.sizes().vec();
    shape[0] = 1;
    reach_ = at::tensor(threat.feature_scale, at::kDouble).mul(*threat.eps).reshape(shape);
  }
  if (!threat.unbounded) {
    const int64_t entries = block.x.numel() / n;
    trace_.emplace(block.y, threat.goal == Goal::kTargeted ? block.target : at::Tensor(),
                   threat.norm == Norm::kL0,
                   threat.access == Access::kScore ? std::min(kScoreWindow, entries) : 1);
  }
}

std::optional<Oracle> Oracle::source() const {
  if (block_.source == nullptr) return std::nullopt;
  ThreatModel threat = threat_;
  threat.eps.reset();
  threat.access = Access::kGradient;
  std::optional<Oracle> source(std::in_place, *block_.source, threat, block_, 0, 0);
  source->is_source_ = true;
  source->trace_.reset();
  return source;
}

// What a failure of the model means, whose call this is.
template <typename Call>
auto Oracle::blamed(Call call) const {
  std::optional<SourceUse> on_source;
  if (is_source_) on_source.emplace();
  try {
    return call();
  } catch (const ModelFailure& failure) {
    if (!is_source_) throw;
    throw Error("the source model failed: " + std::string(failure.what()));
  }
}

Tape Oracle::tape(const at::Tensor& x, const at::Tensor& rows) {
  count(x, rows, Access::kGradient);
  const at::Tensor point = sent(x, rows);
  Tape tape = blamed([&] { return model_.record(point); });
  watch(point, point, tape.logits(), rows);
  return tape;
}

at::Tensor Oracle::vjp(const Tape& tape, const at::Tensor& c, const at::Tensor& rows) {
  const at::Tensor used = c.ne(0).any(1);  // [m]
  const bool* is_used = used.const_data_ptr<bool>();
  const at::Tensor places = rows.contiguous();
  const int64_t* place = places.const_data_ptr<int64_t>();
  int64_t* gradients = gradients_.data_ptr<int64_t>();
  for (int64_t i = 0; i < places.size(0); ++i) {
    require_of_attack(place[i] >= 0 && place[i] < block_.size(),
                      "an attack named a row that the block lacks");
    gradients[place[i]] += is_used[i] ? 1 : 0;
    require_of_attack(gradient_budget_ == 0 || gradients[place[i]] <= gradient_budget_,
                      "an attack exceeded its gradient budget");
  }
  at::Tensor gradient = blamed([&] { return tape.vjp(c); }).contiguous();  // [m, ...]
  bool any_wild = false;
  const auto note = [&](int64_t i, bool zero, bool wild) {
    any_wild |= wild;
    if (!is_used[i]) return;
    zero_gradients_.data_ptr<int64_t>()[place[i]] += zero ? 1 : 0;
    nonfinite_gradients_.data_ptr<int64_t>()[place[i]] += wild ? 1 : 0;
  };
  if (gradient.scalar_type() == at::kDouble) {
    survey<uint64_t, double>(gradient, note);
  } else {
    survey<uint32_t, float>(gradient, note);
  }
  if (any_wild) gradient = at::nan_to_num(gradient, 0.0, 0.0, 0.0);
  if (fixed_.defined()) {
    gradient = gradient.flatten(1).index_fill(1, fixed_, 0).view(gradient.sizes());
  }
  return gradient;
}

at::Tensor Oracle::logits(const at::Tensor& x, const at::Tensor& rows) {
  count(x, rows, Access::kScore);
  const at::Tensor point = sent(x, rows);
  at::Tensor logits = blamed([&] { return model_.logits(point); });
  watch(point, point, logits, rows);
  return logits;
}

at::Tensor Oracle::labels(const at::Tensor& x, const at::Tensor& rows) {
  count(x, rows, Access::kLabel);
  return ask_labels(sent(x, rows), x, rows);
}

at::Tensor Oracle::labels_from_afar(const at::Tensor& x, const at::Tensor& rows) {
  count(x, rows, Access::kLabel);
  from_afar_.index_fill_(0, rows, true);
  walks_.index_fill_(0, rows, true);
  return ask_labels(scales() ? scaled(x, rows) : sent(x, rows), x, rows);
}

at::Tensor Oracle::labels_once_admissible(const at::Tensor& x, const at::Tensor& rows) {
  count(x, rows, Access::kLabel);
  from_afar_.index_fill_(0, rows, true);
  walks_.index_fill_(0, rows, true);
  return ask_labels(admissible(scales() ? scaled(x, rows) : x, rows), x, rows);
}

at::Tensor Oracle::ask_labels(const at::Tensor& sent, const at::Tensor& seen,
                              const at::Tensor& rows) {
  const at::Tensor logits = blamed([&] { return model_.logits(sent); });
  watch(sent, seen, logits, rows);
  return logits.argmax(1);
}

at::Tensor Oracle::breaks(const at::Tensor& labels, const at::Tensor& rows) const {
  if (threat_.goal == Goal::kTargeted) return labels.eq(block_.target.index_select(0, rows));
  return labels.ne(block_.y.index_select(0, rows));
}

at::Tensor Oracle::breaking_votes(const Votes& votes, const at::Tensor& rows) const {
  const at::Tensor labels = threat_.goal == Goal::kTargeted ? block_.target : block_.y;
  const at::Tensor agreeing =
      votes.counts.gather(1, labels.index_select(0, rows).unsqueeze(1)).squeeze(1);  // [m]
  return threat_.goal == Goal::kTargeted ? agreeing : votes.number - agreeing;
}

at::Tensor Oracle::undecided(const at::Tensor& rows) const {
  return decided_.index_select(0, rows).logical_not_().nonzero().squeeze(1);
}

at::Tensor Oracle::queries_left() const {
  if (query_budget_ == 0) return at::full_like(queries_, std::numeric_limits<int64_t>::max());
  return query_budget_ - queries_;
}

void Oracle::count(const at::Tensor& x, const at::Tensor& rows, Access needed) {
  require_of_attack(threat_.access <= needed, "an attack asked for more access than it declares");
  require_of_attack(x.size(0) == rows.size(0), "a query needs one block row for each of its rows");
  if (block_.stop != nullptr) {
    if (const std::string reason = (*block_.stop)(); !reason.empty()) {
      throw Error(reason, ExitCode::kIncomplete);
    }
  }
  const at::Tensor places = rows.contiguous();
  const int64_t* place = places.const_data_ptr<int64_t>();
  int64_t* queries = queries_.data_ptr<int64_t>();
  for (int64_t i = 0; i < places.size(0); ++i) {
    require_of_attack(place[i] >= 0 && place[i] < block_.size(),
                      "an attack named a row that the block lacks");
    const int64_t sent = ++queries[place[i]];
    require_of_attack(query_budget_ == 0 || sent <= query_budget_,
                      "an attack exceeded its query budget");
  }
}

void Oracle::start_ascent(const at::Tensor& rows) {
  if (trace_) trace_->start(rows);
}

void Oracle::settle(const at::Tensor& rows) {
  if (trace_) trace_->settle(rows);
}

void Oracle::count_step(const at::Tensor& rows) {
  require_of_attack(threat_.access == Access::kLabel, "of other attacks every query is a step");
  walks_.index_fill_(0, rows, true);
  if (trace_) trace_->add(rows);
}

void Oracle::watch(const at::Tensor& x, const at::Tensor& seen, const at::Tensor& logits,
                   const at::Tensor& rows) {
  // One pass finds non-finite rows: a sum is finite only if every term is (or it overflows, which
  // the slow path sorts out).
  if (!logits.sum().isfinite().item<bool>()) watch_failures(x, logits, rows);
  const at::Tensor broken = breaks(logits.argmax(1), rows);  // [m]
  if (!seeks_distance(threat_)) {
    // Only the first valid point counts: what is decided stays as it is.
    broken.logical_and_(decided_.index_select(0, rows).logical_not_());
  }
  const at::Tensor hits = broken.nonzero().squeeze(1);  // [h]
  if (hits.size(0) > 0) {
    const at::Tensor hit_rows = rows.index_select(0, hits);  // [h]
    crossed_.index_fill_(0, hit_rows, true);
    const at::Tensor sent = x.index_select(0, hits);       // [h, ...]
    const at::Tensor points = admissible(sent, hit_rows);  // [h, ...]
    const at::Tensor x0 = block_.x.index_select(0, hit_rows);
    const at::Tensor finite = logits.index_select(0, hits).isfinite().all(1);
    const at::Tensor away = distance(points, x0, threat_).contiguous();
    at::Tensor valid = in_box(points, threat_.lo, threat_.hi).logical_and_(finite);
    // Where whole levels count and nothing bounds them, only points that broke once rounded do.
    const bool own = threat_.access == Access::kLabel && (threat_.eps || threat_.levels == 0);
    const bool whole = threat_.access == Access::kLabel && !own;
    if (trace_ && by_distance_ && !whole) {
      // By labels an attack goes by its own points, whatever rounding and shares leave of them.
      trace_crossings(hits, own ? distance(seen.index_select(0, hits), x0, threat_) : away, valid,
                      rows);
    }
    valid.logical_and_(away.le(radius_));
    valid.logical_and_(away.lt(best_distance_.index_select(0, hit_rows)));
    if (reach_.defined()) {  // what was sent from afar may lie outside, by more than rounding takes
      const at::Tensor near = rounded(sent, hit_rows);
      valid.logical_and_(confined(near, hit_rows).eq(near).flatten(1).all(1));
    }
    const bool rounds = threat_.levels > 0 && threat_.access != Access::kGradient;
    if (model_.facts().random || rounds) vote(points, hit_rows, valid);
    if (trace_ && whole) trace_crossings(hits, away, valid, rows);
    keep_best(points, hit_rows, away, valid);
  }
  const int64_t steps = std::min(traced_rows_, rows.size(0));
  if (!trace_ || threat_.access == Access::kLabel) return;
  if (threat_.access == Access::kScore) trace_->spend(rows);
  if (steps == 0) return;
  trace_->add(logits.narrow(0, 0, steps), rows.narrow(0, 0, steps));
}

void Oracle::keep_best(const at::Tensor& points, const at::Tensor& rows, const at::Tensor& away,
                       const at::Tensor& valid) {
  const bool* is_valid = valid.const_data_ptr<bool>();
  const double* distances = away.const_data_ptr<double>();
  const int64_t* samples = rows.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < rows.size(0); ++i) {
    const int64_t sample = samples[i];
    double& best = best_distance_.data_ptr<double>()[sample];
    if (!is_valid[i] || distances[i] >= best) continue;
    best = distances[i];
    best_x_[sample].copy_(points[i]);
    found_.data_ptr<bool>()[sample] = true;
    if (!seeks_distance(threat_)) decided_.data_ptr<bool>()[sample] = true;
  }
}

void Oracle::trace_crossings(const at::Tensor& hits, const at::Tensor& away,
                             const at::Tensor& valid, const at::Tensor& rows) {
  const at::Tensor lengths = away.contiguous();
  const at::Tensor samples = rows.index_select(0, hits);
  const bool labels = threat_.access == Access::kLabel;
  for (int64_t i = 0; i < hits.size(0); ++i) {
    const int64_t sample = samples.const_data_ptr<int64_t>()[i];
    // By labels, what is no step is found on the way to one, by attacks that take any.
    const bool traced = labels ? walks_.const_data_ptr<bool>()[sample]
                               : hits.const_data_ptr<int64_t>()[i] < traced_rows_;
    if (!traced || !valid.const_data_ptr<bool>()[i]) continue;
    trace_->cross(sample, lengths.const_data_ptr<double>()[i]);
  }
}

void Oracle::vote(const at::Tensor& points, const at::Tensor& rows, at::Tensor& valid) const {
  at::Tensor asked = valid.nonzero().squeeze(1);  // [v]
  valid.zero_();
  at::Tensor breaking;  // [v] int64
  const auto ask = [&] {
    const Votes votes = model_.vote(points.index_select(0, asked));
    breaking = breaking_votes(votes, rows.index_select(0, asked));
    return votes.number;
  };
  const auto keep = [&](const at::Tensor& which) {
    const at::Tensor kept = which.nonzero().squeeze(1);
    asked = asked.index_select(0, kept);
    breaking = breaking.index_select(0, kept);
  };
  if (asked.size(0) == 0) return;
  const int64_t number = ask();
  keep(breaking.mul(3).ge(2 * number));
  at::Tensor sum = at::zeros_like(asked);
  for (int64_t round = 1; number > 1 && round <= kRounds && asked.size(0) > 0; ++round) {
    ask();
    breaking.add_(sum);
    // Most points that fall short do so early.
    const bool last = round == kRounds;
    keep(last ? breaking.mul(3).ge(2 * number * round) : breaking.mul(2).gt(number * round));
    sum = breaking;
  }
  valid.index_fill_(0, asked, true);
}

void Oracle::watch_failures(const at::Tensor& x, const at::Tensor& logits, const at::Tensor& rows) {
  const at::Tensor bad =
      logits.isfinite().all(1).logical_not_().logical_and_(in_box(x, threat_.lo, threat_.hi));
  const at::Tensor samples = rows.index_select(0, bad.nonzero().squeeze(1));
  if (is_source_ && samples.size(0) > 0) {
    throw Error("the source model returned NaN or infinity for an input in the box");
  }
  failed_.index_fill_(0, samples, true);
  decided_.index_fill_(0, samples, true);
}

}  // namespace assay
