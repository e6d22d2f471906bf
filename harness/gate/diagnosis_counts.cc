// Flags from counts: AutoAttack's checks (autoattack/checks.py) and the Indicators of Attack
// Failure (Pintor et al. 2022, arXiv:2106.09947), with the harness as witness instead of the
// attack.
#include <cmath>
#include <set>

#include "harness/gate/diagnosis.h"
#include "harness/gate/extraction.h"
#include "harness/gate/membership.h"
#include "harness/gate/text.h"

namespace assay {
namespace {

// A tenth is more than a few odd samples, and one or two of a handful tell little.
constexpr double kTenth = 0.1;
// Sound models with saturating outputs come to a half of the ways, and those to be found to nine
// tenths.
constexpr double kTwoThirds = 2.0 / 3;
constexpr int64_t kFewCliffs = 4;
// Of samples on which the attack is known to have failed.
constexpr double kHundredth = 0.01;
constexpr int64_t kHandful = 2;

// Advice where neither gradients nor scores tell anything.
const char* const kBlunt =
    "use attacks by labels alone (hop_skip_jump, rays, geoda), or fmn, which leave the ball";

bool above(int64_t count, int64_t of, double share) {
  return static_cast<double>(count) > share * static_cast<double>(of);
}

/// `12 of 40 samples left standing (30%)`
std::string share_of(int64_t count, int64_t of, const std::string& noun) {
  const double share = static_cast<double>(count) / static_cast<double>(of);
  return std::to_string(count) + " of " + assay::count(of, noun) + " (" +
         percent(std::round(share * 1000) / 1000) + ")";
}

Diagnosis total(const EvidenceView& view, const std::vector<std::string>& keys) {
  Diagnosis sum;
  for (const std::string& key : keys) {
    const auto unit = view.units.find(key);
    if (unit != view.units.end()) sum += unit->second->diagnosis;
  }
  return sum;
}

std::set<int64_t> labels_given(const EvidenceView& view) {
  std::set<int64_t> labels;
  for (const int64_t label : view.evidence->clean_labels()) {
    if (label >= 0) labels.insert(label);
  }
  return labels;
}

// Of the clean pass.
void add_surroundings(const Diagnosis& d, std::vector<Flag>& flags) {
  std::string detail, advice;
  const auto add = [&](const std::string& more, const std::string& to_do) {
    detail += (detail.empty() ? "" : "; ") + more;
    advice += (advice.empty() ? "" : "; ") + to_do;
  };
  // A small run looks around a few samples only: all of them tell as much as three of many.
  const bool everywhere = d.unstable >= kHandful && d.unstable == d.surrounded;
  if (everywhere || (d.unstable > kHandful && above(d.unstable, d.surrounded, kTenth))) {
    add("around " + share_of(d.unstable, d.surrounded, "clean sample") +
            " the margin does not change as its gradient says: by more than 10% of the logits' "
            "spread, on average within 1/64 of the box (tables: of each column's spread), or by "
            "more than .3 of the squares of its changes, over wide steps and short ones",
        "gradients point nowhere on such a surface, or are of something else; attack the model "
        "without what replaces them, average them (eot), or rely on attacks with score and label "
        "access");
  }
  if (d.cliffs >= kFewCliffs && above(d.cliffs, d.approached, kTwoThirds)) {
    add("on the way from " + share_of(d.cliffs, d.approached, "clean sample") +
            " to a random point of another label, half of the margin goes within 1/64 of the way "
            "to the boundary: until there, gradients and scores are of what does not decide",
        "look for a part that has saturated: one member of an ensemble of probabilities, a softmax "
        "or a clamp before the output, a detector; attack its logits, or rely on attacks with "
        "label access");
  }
  if (!detail.empty()) flags.push_back({"unstable_predictions", "", detail, advice});
}

void add_gradients(const Diagnosis& d, const std::string& cell, std::vector<Flag>& flags) {
  const bool unguided = d.unguided > kHandful && above(d.unguided, d.standing, kHundredth);
  if (unguided || above(d.zero_gradients, d.gradients, kTenth)) {
    std::string detail = share_of(d.zero_gradients, d.gradients, "gradient") +
                         " of the attack are zero in every entry";
    if (d.unguided > 0) {
      detail += ", and so are all that it saw of " + share_of(d.unguided, d.standing, "sample") +
                " left standing";
    }
    const bool flat = d.flat > kHandful && above(d.flat, d.standing, kHundredth);
    flags.push_back({"zero_gradient", cell, detail,
                     flat ? "gradients are masked, and scores are flat too; " + std::string(kBlunt)
                          : "gradients are masked or saturated; use loss: margin or dlr, or add an "
                            "attack with score access"});
  }
  if (d.nonfinite_gradients > 0) {
    std::string detail =
        share_of(d.nonfinite_gradients, d.gradients, "gradient") + " hold NaN or infinity";
    if (d.blinded > 0) {
      detail += ", on the way of " + share_of(d.blinded, d.standing, "sample") + " left standing";
    }
    flags.push_back({"nonfinite_gradient", cell, detail,
                     "such entries reach the attack as 0, so these samples may stand for that "
                     "alone; look for log, sqrt or division at 0 and for a NaN that torch.where "
                     "hides, or add an attack with score access"});
  }
}

void add_stalled(const Diagnosis& d, const std::string& cell, std::vector<Flag>& flags) {
  std::string detail;
  const auto add = [&detail](const std::string& part) {
    detail += (detail.empty() ? "" : "; ") + part;
  };
  if (d.stalled > d.turned) {
    add("random points of the ball come nearer to breaking " +
        share_of(d.stalled - d.turned, d.standing, "sample") +
        " left standing than any step of the attack");
  }
  if (d.turned > 0) {
    add("one step against the mean of gradients around breaks " +
        share_of(d.turned, d.averaged, "sample") +
        " looked at, of those left standing, and goes further down than the whole attack");
  }
  if (d.flat > 0) {
    add("around " + share_of(d.flat, d.standing, "sample") +
        " left standing the margin is the same all over the ball: scores are piecewise constant");
  }
  const std::string astray =
      std::string(d.turned > 0 ? "more restarts may be all that is missing; where they find no "
                                 "more, "
                               : "") +
      "the gradients (or scores) lead astray: look for layers that round, saturate, draw or "
      "replace their gradient, and attack the model without them";
  flags.push_back({"stalled_optimisation", cell, detail, d.stalled > d.flat ? astray : kBlunt});
}

// `certain`: every sample can be broken in the whole box. Else few may stand that are only hard to
// break there.
void add_withstood(const Diagnosis& d, bool certain, const std::string& cell,
                   std::vector<Flag>& flags) {
  const bool many = d.withstood >= kHandful && above(d.withstood, d.boxed, kTenth);
  if (certain ? d.withstood == 0 : !many) return;
  flags.push_back({"survives_whole_box", cell,
                   share_of(d.withstood, d.boxed, "sample") +
                       " withstood the same attack with the whole box as its ball, where " +
                       (certain ? "every sample" : "each of these") + " can be broken",
                   kWholeBoxAdvice});
}

void add_optimisation(const Diagnosis& d, const std::string& cell, std::vector<Flag>& flags) {
  if (d.silent > 0) {
    flags.push_back({"silent_success", cell,
                     "the attack did not claim " + share_of(d.silent, d.broken, "sample") +
                         " that it broke on its way; the harness counted them",
                     "verdicts stand; mend the attack so that it returns the best point it saw "
                     "(Oracle::best), not its last one"});
  }
  if (d.hasty > 0) {
    flags.push_back({"incomplete_optimisation", cell,
                     "for " + share_of(d.hasty, d.traced + d.hasty, "sample") +
                         " no run of the attack had 10 steps (in the ball), which is too few to "
                         "tell whether it had converged",
                     "give the attack more steps (or queries) until this flag is gone"});
  } else if (d.unfinished > kHandful && above(d.unfinished, d.traced, kTenth)) {
    flags.push_back(
        {"incomplete_optimisation", cell,
         "for " + share_of(d.unfinished, d.traced, "sample") +
             " no run of the attack had converged: in the last tenth of its steps the "
             "margin still fell by more than 5% of its whole fall (by scores: 10%), or the "
             "distance by more than 20% of what is left",
         "give the attack more steps (or queries) until this flag is gone; more "
         "restarts do not help"});
  }
  if (const int64_t stalled = d.stalled + d.flat;
      stalled > kHandful && above(stalled, d.standing, kHundredth)) {
    add_stalled(d, cell, flags);
  }
  if (d.unstarted > 0) {
    flags.push_back({"no_starting_point", cell,
                     "for " + share_of(d.unstarted, d.standing, "sample") +
                         " left standing no query of a label-only attack gave another label, so "
                         "there was nothing to start from",
                     "these samples stand untried: give the attack more starts and queries, or add "
                     "one with score or gradient access"});
  }
}

}  // namespace

std::string entry_of(const CellHeader& cell) {
  return cell.minimum_norm ? cell.name.substr(0, cell.name.find('@')) : cell.name;
}

bool gives_several_labels(const EvidenceView& view) { return labels_given(view).size() > 1; }

bool gives_every_target(const EvidenceView& view, const CellHeader& cell) {
  const std::set<int64_t> labels = labels_given(view);
  if (cell.threat.target.kind == Target::Kind::kLabel) {
    return labels.contains(cell.threat.target.label);
  }
  return static_cast<int64_t>(labels.size()) == view.evidence->header.classes;
}

std::vector<Flag> diagnose_counts(const EvidenceView& view) {
  std::vector<Flag> flags;
  const Header& header = view.evidence->header;
  add_surroundings(total(view, header.clean_units), flags);
  const bool several = gives_several_labels(view);
  std::set<std::string> seen;
  for (const CellHeader& cell : header.cells) {
    // The radii of one minimum-norm entry share its units: one flag stands for the entry.
    const std::string name = entry_of(cell);
    if (!seen.insert(name).second) continue;
    Diagnosis sum = total(view, cell.units);
    const bool targeted = cell.threat.goal == Goal::kTargeted;
    const auto has = [&cell](const char* field) { return cell.key_fields.contains(field); };
    const bool held = has("fixed") || has("feature_scale") || has("levels");
    // With features held still or rounded, and without a radius, only samples that a random point
    // breaks were counted.
    const bool shown = has("fixed") || has("levels") || cell.minimum_norm;
    if (!several || (targeted && !shown && !gives_every_target(view, cell))) sum.withstood = 0;
    add_gradients(sum, name, flags);
    add_optimisation(sum, name, flags);
    add_withstood(sum, !targeted && !held, name, flags);
  }
  return flags;
}

std::vector<Flag> diagnose(const EvidenceView& view) {
  std::vector<Flag> flags = diagnose_counts(view);
  for (const std::vector<Flag>& more :
       {diagnose_cells(view), diagnose_membership(view), diagnose_extraction(view)}) {
    flags.insert(flags.end(), more.begin(), more.end());
  }
  return flags;
}

}  // namespace assay
