// What scores tell about membership: ROC, AUC, advantage and TPR at a low FPR, each with bounds.
// Records are members or non-members; a higher score claims a member. Bounds are one-sided.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/gate/statistics.h"

namespace assay {

/// Finite scores of the two sets. Keys are fixed by the records alone, never by their set: they
/// split the records and order ties; empty where neither is done.
struct ScoreSets {
  std::vector<double> members;
  std::vector<double> non_members;
  std::vector<uint64_t> member_keys;
  std::vector<uint64_t> non_member_keys;
};

/// How many of each set score at least `threshold`.
struct OperatingPoint {
  double threshold = 0;
  int64_t members = 0;
  int64_t non_members = 0;
};

/// From claiming none to claiming all, one point per distinct score: records that tie are claimed
/// together.
struct Roc {
  int64_t members = 0;
  int64_t non_members = 0;
  std::vector<OperatingPoint> points;
};
Roc make_roc(const ScoreSets& scores);

struct Bounded {
  double value = 0;
  double lower = 0;
  double upper = 0;
};

/// AUC with the bounds of DeLong on the logit scale, which keeps them in [0, 1], by Student's t;
/// never nearer to 1 (or 0) than perfect separation of as many records allows. Of few records of a
/// set, of few on the wrong side, and of few values that many records share, at least as wide as
/// the bounds of the mean placement (mean_bounds) of members and of non-members, squared and added:
/// they hold where nearly all records tie. Two of each set or more.
Bounded auc_with_bounds(const ScoreSets& scores, double confidence);

/// By what factor the records must grow, placed as these are, until those bounds are on the same
/// side of `limit` as the AUC; infinite where they are equal.
double auc_growth(const ScoreSets& scores, double limit, double confidence);

/// The largest TPR - FPR over all thresholds. The lower bound allows for the choice of the
/// threshold.
Bounded advantage(const Roc& roc, double confidence);

/// By what factor `members` and `non_members` must grow until those bounds of an advantage of
/// `value` are on the same side of `limit` as it; infinite where they are equal.
double advantage_growth(double value, int64_t members, int64_t non_members, double limit,
                        double confidence);

/// The largest TPR at a threshold whose FPR is at most `fpr`; no interpolation. Clopper-Pearson on
/// TPR and on the realised FPR, squared and added; where ties, or members that crowd between two
/// non-members, make TPR jump near `fpr`, at least as far as the other side of the jump, and where
/// it leaves more than half of the allowed false positives unused, as far up as the region that
/// would exceed them.
Bounded tpr_at_fpr(const Roc& roc, double fpr, double confidence);

/// Why that TPR says nothing of what an attacker gets at this FPR; "" if it does. So it is where a
/// tie of non-members (or what `negatives` names) leaves more than half of the allowed false
/// positives unused: the threshold above it claims next to nobody, whatever the model gives away.
/// A TPR there that is certainly more than `fpr` shows a leak all the same.
std::string tpr_obstacle(const Roc& roc, double fpr, double confidence, std::string_view negatives);

/// The FPR of that threshold: Clopper-Pearson.
Bounded realised_fpr(const Roc& roc, double fpr, double confidence);

/// Non-members from which TPR at this FPR may be spoken of: ten of them are allowed false
/// positives.
int64_t non_members_needed(double fpr);

/// The same differences between two models on the same records, in the same order: `here` minus
/// `there`. AUC: DeLong with covariance. The others: a bootstrap of `kDraws` draws that resamples
/// members and non-members apart and the two models together, seeded, in bytes that depend on no
/// library. None is narrower than what no discordant record at all would show (Tango). Ties widen
/// those of AUC and TPR as they do for one model.
inline constexpr int kDraws = 10'000;
Bounded auc_difference(const ScoreSets& here, const ScoreSets& there, double confidence);

/// By what factor the records must grow until those bounds are on the same side of `limit` as the
/// difference; infinite where they are equal.
double auc_difference_growth(const ScoreSets& here, const ScoreSets& there, double limit,
                             double confidence);
Bounded advantage_difference(const ScoreSets& here, const ScoreSets& there, double confidence,
                             uint64_t seed);
Bounded tpr_difference(const ScoreSets& here, const ScoreSets& there, double fpr, double confidence,
                       uint64_t seed);

}  // namespace assay
