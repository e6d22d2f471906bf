#include "harness/run/judge.h"

#include <algorithm>

#include "harness/model/attack_fault.h"
#include "harness/model/ball.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

// The points to judge: which rows have one, and where it came from.
struct Points {
  at::Tensor x;          // [n, ...]
  at::Tensor distances;  // [n] float64
  at::Tensor claimed;    // [n] bool: the attack's own point, not one that the oracle saw
  at::Tensor present;    // [n] bool
};

Points choose(const Oracle& oracle, const Candidates& candidates) {
  const Block& block = oracle.block();
  const Candidates seen = oracle.best();
  const at::Tensor claims = oracle.admissible(candidates.x, at::arange(block.size(), at::kLong));
  const at::Tensor claim_distance = distance(claims, block.x, oracle.threat());
  // A claim counts where the oracle saw nothing, or something farther: an attack may build its
  // answer without a last query.
  const at::Tensor claimed = candidates.success.logical_and(
      oracle.found().logical_not().logical_or(claim_distance.lt(oracle.best_distance())));  // [n]
  std::vector<int64_t> shape(static_cast<size_t>(block.x.dim()), 1);
  shape[0] = block.size();
  Points points;
  points.x = at::where(claimed.view(shape), claims, seen.x);
  points.distances = at::where(claimed, claim_distance, oracle.best_distance());
  points.claimed = claimed;
  points.present = claimed.logical_or(oracle.found());
  return points;
}

// What a fresh forward says of the rows `judged` [v] of the points.
struct Fresh {
  at::Tensor labels;  // [n] int64, -1 for other rows
  at::Tensor finite;  // [n] bool
  at::Tensor broken;  // [n] bool
};

Fresh look_afresh(const Model& model, const Oracle& oracle, const at::Tensor& x,
                  const at::Tensor& judged) {
  const int64_t n = x.size(0);
  Fresh fresh{at::full({n}, -1, at::kLong), at::ones({n}, at::kBool), at::zeros({n}, at::kBool)};
  if (judged.size(0) > 0) {
    const Votes votes = vote_often(model, x.index_select(0, judged));
    fresh.labels.index_copy_(0, judged, votes.labels());
    fresh.finite.index_copy_(0, judged, votes.finite);
    fresh.broken.index_copy_(0, judged,
                             oracle.breaking_votes(votes, judged).mul(2).gt(votes.number));
  }
  fresh.broken.logical_and_(fresh.finite);
  return fresh;
}

Signs signs_of(const Oracle& oracle, int64_t row) {
  Signs signs;
  signs.zero_gradients = oracle.zero_gradients()[row].item<int64_t>();
  signs.nonfinite_gradients = oracle.nonfinite_gradients()[row].item<int64_t>();
  signs.blind = 2 * signs.nonfinite_gradients > oracle.gradients()[row].item<int64_t>();
  if (oracle.trace()) {
    const Trace& trace = *oracle.trace();
    // By labels samples start late or early: one that had no time for its steps counts as one that
    // had not converged.
    const bool late = oracle.threat().access == Access::kLabel && trace.hasty(row);
    signs.traced = late || trace.tells(row);
    signs.unfinished = late || trace.unfinished(row);
    signs.hasty = !late && trace.hasty(row);
    signs.led = !signs.blind && trace.tells(row);
  }
  signs.unstarted = oracle.unstarted()[row].item<bool>();
  return signs;
}

}  // namespace

JudgedBlock judge_block(const Model& model, const Oracle& oracle, const Candidates& candidates,
                        const std::string& attack) {
  const Block& block = oracle.block();
  const ThreatModel& threat = oracle.threat();
  const int64_t n = block.size();
  require_of_attack(candidates.x.sizes() == block.x.sizes() && candidates.success.numel() == n,
                    "it returned candidates of another shape");
  Points points = choose(oracle, candidates);
  const double radius =
      ball_radius(threat, block.x.numel() / n, block.x.scalar_type() == at::kDouble);
  const at::Tensor in_ball = points.distances.le(radius);
  const at::Tensor boxed = in_box(points.x, threat.lo, threat.hi);
  const at::Tensor valid = points.present.logical_and(in_ball).logical_and(boxed);
  const at::Tensor judged = valid.nonzero().squeeze(1);  // [v]

  JudgedBlock result;
  result.rows.resize(static_cast<size_t>(n));
  result.forwards = judged.size(0);
  const Fresh fresh = look_afresh(model, oracle, points.x, judged);
  // An item() for each would cost more than small models do.
  const auto is = [](const at::Tensor& flags, int64_t i) {
    return flags.const_data_ptr<bool>()[i];
  };
  const int64_t* found = fresh.labels.const_data_ptr<int64_t>();
  const int64_t* queries = oracle.queries().const_data_ptr<int64_t>();
  const int64_t* gradients = oracle.gradients().const_data_ptr<int64_t>();
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < n; ++i) {
    Verdict& row = result.rows[static_cast<size_t>(i)];
    row.queries = queries[i];
    row.gradients = gradients[i];
    result.signs.push_back(signs_of(oracle, i));
    if (is(oracle.failed(), i) || !is(fresh.finite, i)) {
      row.status = Status::kError;
      row.cause = Cause::kCandidate;
      row.detail = "the model returned NaN or infinity for an input in the box";
    } else if (!is(points.present, i)) {
      row.status = Status::kRobust;
    } else if (!is(valid, i)) {
      row.status = Status::kInvalid;
      row.detail = is(boxed, i) ? "the claimed point is outside the ball"
                                : "the claimed point is outside the box";
    } else if (!is(fresh.broken, i)) {
      row.status = Status::kUnconfirmed;
      row.detail = "a fresh forward gives label " + std::to_string(found[i]);
    } else {
      row.status = Status::kBroken;
      row.adversarial = found[i];
      row.breaking_attack = attack;
      const auto at = static_cast<size_t>(i);
      if (at < candidates.by.size() && !candidates.by[at].empty()) {
        row.breaking_attack += ":" + candidates.by[at];
      }
      row.tensor_row = static_cast<int64_t>(kept.size());
      result.signs.back().silent = !candidates.success[i].item<bool>();
      kept.push_back(i);
    }
    const bool measured = row.status != Status::kRobust && row.status != Status::kError;
    if (measured && !threat.unbounded) row.distance = points.distances.const_data_ptr<double>()[i];
  }
  result.adversarials = points.x.index_select(0, at::tensor(kept, at::kLong));
  return result;
}

}  // namespace assay
