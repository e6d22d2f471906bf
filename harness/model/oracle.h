// All that an attack may touch: a model behind the access that the threat model grants.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/model.h"
#include "harness/model/trace.h"
#include "harness/suite/suite.h"

namespace assay {

/// Most points from elsewhere that are tried on one sample.
inline constexpr int64_t kMostPoints = 16;

/// The samples one call of an attack works on: all rightly classified (targeted: not yet the
/// target).
struct Block {
  at::Tensor x;               ///< [n, ...shape]
  at::Tensor y;               ///< [n] int64, true labels
  at::Tensor target;          ///< [n] int64 for a targeted goal, else undefined
  std::vector<uint64_t> ids;  ///< [n] keys of the samples for Rng
  /// Points from elsewhere (the corpus, a file), at most kMostPoints for each sample and in the
  /// order to try them: [p, ...], or undefined.
  at::Tensor points;
  at::Tensor point_rows;          ///< [p] int64: the block rows they belong to
  const Model* source = nullptr;  ///< the model that `source` names, if it names one
  /// Asked before each query: a reason to end the work on the block, or "".
  const std::function<std::string()>* stop = nullptr;
  int64_t size() const { return x.size(0); }
};

/// An attack's claims. A row whose `success` is true says: this point is a valid adversarial.
struct Candidates {
  at::Tensor x;        ///< [n, ...shape]
  at::Tensor success;  ///< [n] bool
  /// Which part of the attack broke each sample, or empty: [n], "" where none did.
  std::vector<std::string> by = {};
};

/// Rounds of Model::kVotes in which a point found by a search is judged: the best of many points is
/// a lucky one.
inline constexpr int64_t kRounds = 10;

/// The labels that judge() gives to points found by a search: one forward, or kRounds · kVotes of a
/// randomised model.
Votes vote_often(const Model& model, const at::Tensor& x);

/// Counts rows, enforces budgets, and keeps per sample the best valid broken point of any query:
/// the first one inside the ball (or the box, for attacks that have a set of their own), or for
/// minimum-norm attacks the nearest one in the box.
/// "Broken" is decided on the judge's graph and padding; for a randomised model, two thirds of its
/// votes must agree, twice: of kVotes on a point that broke once, then of kVotes · kRounds drawn
/// anew, for a search that stops at the first lucky vote would bring the judge nothing but lucky
/// points. One thread only.
///
/// Every query names, for each row of x, the block row it belongs to (`rows`, [m] int64): restarts
/// and targets of one sample may be further rows of the same batch. Rows must lie in the box. What
/// is sent is confined(x); for attacks with gradient access admissible(x), so that they follow the
/// model behind the rounding: its labels are those that count, and its gradient there is taken for
/// that at x (the straight-through estimator of Athalye et al. 2018, arXiv:1802.00420).
class Oracle {
 public:
  /// `queries` and `gradients`: hard budgets per sample; 0 for none.
  Oracle(const Model& model, const ThreatModel& threat, const Block& block, int64_t queries,
         int64_t gradients);

  /// The model that `source` names, with gradients and without a radius: nothing is ever decided
  /// there. Null where there is none. What it costs is not the candidate's.
  std::optional<Oracle> source() const;

  const ThreatModel& threat() const { return threat_; }
  const Block& block() const { return block_; }
  int64_t classes() const { return model_.classes(); }
  at::ScalarType dtype() const { return model_.dtype(); }

  /// Gradient access: a taped forward of x [m, ...] → logits [m, K] and vjps.
  Tape tape(const at::Tensor& x, const at::Tensor& rows);
  /// The tape's vjp, counted as gradient rows of the samples behind `rows` whose row of c is not
  /// all zero. Entries that are not finite come back as 0, so that one of them does not turn a
  /// whole point into NaN, and are counted.
  at::Tensor vjp(const Tape& tape, const at::Tensor& c, const at::Tensor& rows);
  /// Score access: [m, ...] → [m, K].
  at::Tensor logits(const at::Tensor& x, const at::Tensor& rows);
  /// Label access: [m, ...] → [m] int64.
  at::Tensor labels(const at::Tensor& x, const at::Tensor& rows);
  /// The same for attacks that come from outside the ball, where features have shares of eps, or
  /// levels, in linf: x is seen in coordinates in which each may move by eps, up and down, and the
  /// ball is whole. The ends of its sides are the last levels that a feature reaches. Else
  /// labels().
  at::Tensor labels_from_afar(const at::Tensor& x, const at::Tensor& rows);
  /// The labels of what the judge looks at in place of the points that labels_from_afar() sends.
  at::Tensor labels_once_admissible(const at::Tensor& x, const at::Tensor& rows);

  // What trace() needs to know of an attack's course.

  /// The attack looks for the nearest broken point, though there is an eps: what counts is how near
  /// it came, from outside the ball too.
  void trace_distances() { by_distance_ = true; }
  /// The samples at `rows` begin a run from another start, or towards another target.
  void start_ascent(const at::Tensor& rows);
  /// The attack has ended its run on `rows` by a rule of its own, with steps to spare.
  void settle(const at::Tensor& rows);
  /// Label access: the samples at `rows` have taken a step, of whatever queries.
  void count_step(const at::Tensor& rows);

  /// [m] bool: would these labels break the samples behind `rows`?
  at::Tensor breaks(const at::Tensor& labels, const at::Tensor& rows) const;
  /// [m] int64: how many of the votes on points of the samples behind `rows` would break them.
  at::Tensor breaking_votes(const Votes& votes, const at::Tensor& rows) const;

  /// x [m, ...] with the features that may not move, or not so far, put back.
  at::Tensor confined(const at::Tensor& x, const at::Tensor& rows) const;
  /// What the judge looks at in place of x [m, ...]: confined(x), and entries rounded where the
  /// suite asks for it.
  at::Tensor admissible(const at::Tensor& x, const at::Tensor& rows) const;

  /// [n] bool: nothing left to gain: a valid broken point was seen; minimum norm: only where the
  /// model failed on the sample. Attacks stop paying for these.
  at::Tensor decided() const { return decided_; }
  /// [m] indices into `rows` (and so into x) whose sample is not decided.
  at::Tensor undecided(const at::Tensor& rows) const;

  /// [n] bool: a valid broken point is known.
  at::Tensor found() const { return found_; }
  /// [n] float64: its distance in the threat's norm; infinite where none is known.
  at::Tensor best_distance() const { return best_distance_; }
  /// The best points seen, the clean input where there is none. What most attacks return.
  Candidates best() const { return {best_x_, found_}; }

  /// [n] int64: queries left under the budget; a large number without one.
  at::Tensor queries_left() const;
  /// [n] int64: rows sent so far, and vjp rows.
  at::Tensor queries() const { return queries_; }
  at::Tensor gradients() const { return gradients_; }
  /// [n] int64: gradient rows that were zero in every entry: masked gradients, or saturation.
  at::Tensor zero_gradients() const { return zero_gradients_; }
  /// [n] int64: gradient rows with a NaN or an infinity.
  at::Tensor nonfinite_gradients() const { return nonfinite_gradients_; }
  /// How the attack's steps fared: every row of a query is one, of attacks that see gradients, and
  /// every hundred queries of a sample that see scores, unless an Untraced says otherwise. Empty
  /// where the box alone bounds them.
  const std::optional<Trace>& trace() const { return trace_; }
  /// [n] bool: the attack came from outside the ball (labels_from_afar), and no label that it saw
  /// breaks the sample: it had nothing to start from.
  at::Tensor unstarted() const { return crossed_.logical_not().logical_and_(from_afar_); }
  /// [n] bool: the candidate failed on an input in the box (non-finite output).
  at::Tensor failed() const { return failed_; }

 private:
  template <typename Call>
  auto blamed(Call call) const;
  void count(const at::Tensor& x, const at::Tensor& rows, Access needed);
  // x, sent in place of the point `seen` that the attack knows of.
  void watch(const at::Tensor& x, const at::Tensor& seen, const at::Tensor& logits,
             const at::Tensor& rows);
  // Keeps the nearest of valid broken points; `away` [h] and `valid` [h] are theirs.
  void keep_best(const at::Tensor& points, const at::Tensor& rows, const at::Tensor& away,
                 const at::Tensor& valid);
  void trace_crossings(const at::Tensor& hits, const at::Tensor& away, const at::Tensor& valid,
                       const at::Tensor& rows);
  // What is sent for x.
  at::Tensor sent(const at::Tensor& x, const at::Tensor& rows) const;
  at::Tensor ask_labels(const at::Tensor& sent, const at::Tensor& seen, const at::Tensor& rows);
  // Whether what comes from afar is seen in other coordinates.
  bool scales() const {
    return reach_.defined() ||
           (threat_.levels > 0 && threat_.eps.has_value() && threat_.norm == Norm::kLinf);
  }
  // The point of the true ball for one of the ball in which every feature may move by eps; outside
  // it, one that is not in the true ball either.
  at::Tensor scaled(const at::Tensor& x, const at::Tensor& rows) const;
  // Entries on levels of the box: towards the clean input; l1, l2: nearest, in the ball if x is.
  at::Tensor rounded(const at::Tensor& x, const at::Tensor& rows) const;
  // Takes points out of `valid` that the model's votes do not break: by chance, or once rounded.
  // With q the chance that a forward breaks a point, it passes the second vote and fails before the
  // judge, who asks as often and for a majority, with probability P(B ≥ 140) · P(B ≤ 105), B
  // binomial(210, q): at most 7e-5, at q = 0.59. From q = 0.75 on the second vote passes 99.7 %.
  void vote(const at::Tensor& points, const at::Tensor& rows, at::Tensor& valid) const;
  void watch_failures(const at::Tensor& x, const at::Tensor& logits, const at::Tensor& rows);

  // True for source(): its failures are not the candidate's, and end the run.
  bool is_source_ = false;
  const Model& model_;
  const ThreatModel threat_;
  const Block& block_;
  int64_t query_budget_;
  int64_t gradient_budget_;
  double radius_;
  at::Tensor fixed_;  // indices of features that may not move, or undefined
  at::Tensor reach_;  // [1, ...] float64, how far each feature may, or undefined
  at::Tensor decided_, found_, failed_, crossed_, from_afar_;
  at::Tensor walks_;  // [n] bool: by labels, it comes from afar or counts its steps
  at::Tensor best_x_, best_distance_;
  at::Tensor queries_, gradients_, zero_gradients_, nonfinite_gradients_;
  std::optional<Trace> trace_;
  bool by_distance_;
  int64_t traced_rows_ = std::numeric_limits<int64_t>::max();
  friend class Untraced;
};

/// As long as it lives, only the first `but` rows of a query are steps of the attack: for probes,
/// draws of the same point, transformed copies, and the polish of what was found.
class Untraced {
 public:
  explicit Untraced(Oracle& oracle, int64_t but = 0)
      : oracle_(oracle), before_(oracle.traced_rows_) {
    oracle.traced_rows_ = std::min(before_, but);
  }
  ~Untraced() { oracle_.traced_rows_ = before_; }
  Untraced(const Untraced&) = delete;
  Untraced& operator=(const Untraced&) = delete;

 private:
  Oracle& oracle_;
  const int64_t before_;
};

}  // namespace assay
