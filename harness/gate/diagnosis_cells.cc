// Flags from cells held against each other, sample by sample: what Carlini et al. 2019
// (arXiv:1902.06705) ask of an evaluation before they believe it.
#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "harness/gate/diagnosis.h"
#include "harness/gate/pairing.h"
#include "harness/gate/statistics.h"
#include "harness/gate/text.h"

namespace assay {
namespace {

// A sample or two may always fall the other way; beyond them these shares of all samples count.
constexpr int64_t kFew = 2;
constexpr double kBeaten = 0.002;      // AutoAttack's own: .2 points by which Square may be better
constexpr double kNotMonotone = 0.01;  // fixed step sizes lose a few at a larger radius
constexpr double kExhausted = 0.005;   // what doubling a budget may bring
constexpr double kChance = 0.05;
constexpr double kAlmostAll = 0.01;
constexpr double kHardToReach = 0.1;  // one label of many

using Samples = std::vector<bool>;

bool too_many(int64_t count, size_t samples, double share) {
  return count >= kFew && static_cast<double>(count) > share * static_cast<double>(samples);
}

Samples with_status(const CellView& cell, Status status) {
  Samples samples(cell.rows.size());
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i] = cell.rows[i] && cell.rows[i]->status == status;
  }
  return samples;
}

int64_t count_true(const Samples& samples) {
  return std::count(samples.begin(), samples.end(), true);
}

int64_t count_both(const Samples& a, const Samples& b) {
  int64_t both = 0;
  for (size_t i = 0; i < a.size(); ++i) both += a[i] && b[i] ? 1 : 0;
  return both;
}

/// `12 of 400 samples`
std::string of_samples(int64_t count, size_t samples) {
  return std::to_string(count) + " of " + assay::count(static_cast<int64_t>(samples), "sample");
}

bool has_ball(const CellView& cell) {
  return cell.header->family == Family::kEvasion && cell.header->threat.eps.has_value();
}

std::optional<int64_t> integer_param(const CellHeader& cell, const std::string& name) {
  const auto found = cell.params.find(name);
  if (found == cell.params.end() || !std::holds_alternative<int64_t>(found->second)) return {};
  return std::get<int64_t>(found->second);
}

bool single_step(const CellHeader& cell) {
  return cell.attack == "fgsm" || integer_param(cell, "steps") == 1;
}

bool white_box(const CellHeader& cell) {
  if (cell.stages.empty()) return cell.threat.access == Access::kGradient;
  return std::find(cell.stage_access.begin(), cell.stage_access.end(), Access::kGradient) !=
         cell.stage_access.end();
}

bool iterates(const CellHeader& cell) { return white_box(cell) && !single_step(cell); }

/// A kind of stages of an ensemble.
using StageKind = bool (*)(const CellHeader& header, size_t stage);

bool sees(const CellHeader& header, size_t stage) {
  return stage < header.stage_access.size() && header.stage_access[stage] == Access::kGradient;
}

bool sees_and_iterates(const CellHeader& header, size_t stage) {
  const auto is = [&](const char* field, const char* text) {
    const auto found = header.key_fields.find("params.stages." + std::to_string(stage) + field);
    return found != header.key_fields.end() && found->second == text;
  };
  return sees(header, stage) && !is(".attack", "fgsm") && !is(".steps", "1");
}

/// Which stage of an ensemble broke a sample; their number where none is known to have.
size_t stage_that_broke(const CellHeader& header, const Verdict& row) {
  const auto& stages = header.stages;
  return static_cast<size_t>(std::find(stages.begin(), stages.end(), breaking_stage(row)) -
                             stages.begin());
}

/// Samples that a cell broke without gradients: all of a black-box cell, or those of an ensemble's
/// stages without gradient access. Points that come from other models, or from what broke them
/// earlier, are found without the candidate's gradients, too.
Samples broken_blindly(const CellView& cell) {
  const CellHeader& header = *cell.header;
  Samples samples = with_status(cell, Status::kBroken);
  if (header.stages.empty()) {
    if (header.threat.access == Access::kGradient) samples.assign(samples.size(), false);
    return samples;
  }
  for (size_t i = 0; i < samples.size(); ++i) {
    if (!samples[i]) continue;
    const size_t stage = stage_that_broke(header, *cell.rows[i]);
    samples[i] = stage < header.stage_access.size() && !sees(header, stage);
  }
  return samples;
}

/// Samples that an ensemble's stages of a kind had left standing when one of another kind broke
/// them.
Samples left_to_others(const CellView& cell, StageKind kind) {
  const CellHeader& header = *cell.header;
  Samples samples = with_status(cell, Status::kBroken);
  size_t first = 0;
  while (first < header.stages.size() && !kind(header, first)) ++first;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (!samples[i]) continue;
    const size_t stage = stage_that_broke(header, *cell.rows[i]);
    samples[i] = stage < header.stages.size() && first < stage && !kind(header, stage);
  }
  return samples;
}

/// True if each sample's ball in `a` lies in its ball in `b`, all else of the threat being the
/// same.
bool lies_in(const CellHeader& a, const CellHeader& b) {
  if (*a.threat.eps > *b.threat.eps) return false;
  return same_threat(a, b, /*any_shares=*/!b.key_fields.contains("sample_scale"));
}

/// The cells of a kind that should do at least as well as `weaker`.
std::vector<const CellView*> stronger_than(const EvidenceView& view, const CellView& weaker,
                                           bool (*kind)(const CellHeader&)) {
  std::vector<const CellView*> cells;
  for (const CellView& cell : view.cells) {
    if (has_ball(cell) && kind(*cell.header) && lies_in(*weaker.header, *cell.header)) {
      cells.push_back(&cell);
    }
  }
  return cells;
}

/// Of `broken`, the samples that every one of `cells` but `weaker` itself left standing, ensembles
/// by their stages of this kind.
Samples left_by_all(Samples broken, const CellView& weaker,
                    const std::vector<const CellView*>& cells, StageKind kind) {
  for (const CellView* cell : cells) {
    if (cell == &weaker) continue;
    const Samples standing = with_status(*cell, Status::kRobust);
    const Samples left = left_to_others(*cell, kind);
    for (size_t i = 0; i < broken.size(); ++i) broken[i] = broken[i] && (standing[i] || left[i]);
  }
  return broken;
}

const CellView& strongest(const std::vector<const CellView*>& cells) {
  return **std::max_element(cells.begin(), cells.end(), [](const auto* a, const auto* b) {
    return count_true(with_status(*a, Status::kBroken)) <
           count_true(with_status(*b, Status::kBroken));
  });
}

void compare_access(const EvidenceView& view, std::vector<Flag>& flags) {
  for (const CellView& blind : view.cells) {
    if (!has_ball(blind)) continue;
    Samples broken = broken_blindly(blind);
    if (count_true(broken) < kFew) continue;
    const std::vector<const CellView*> white = stronger_than(view, blind, white_box);
    if (white.empty()) continue;
    // Without another cell, what an ensemble broke before its first white-box stage has no witness.
    const bool others = white.size() > 1 || white[0] != &blind;
    const Samples left = left_to_others(blind, sees);
    for (size_t i = 0; i < broken.size(); ++i) broken[i] = broken[i] && (others || left[i]);
    const int64_t beaten = count_true(left_by_all(broken, blind, white, sees));
    if (!too_many(beaten, broken.size(), kBeaten)) continue;
    const std::string& name = strongest(white).header->name;
    const std::string how = blind.header->stages.empty()
                                ? blind.header->name + " without gradients broke "
                                : "stages of " + blind.header->name + " without gradients broke ";
    flags.push_back({"black_box_beats_white_box", name,
                     how + of_samples(beaten, broken.size()) +
                         " that every white-box attack of this norm and no smaller eps left "
                         "standing",
                     "the gradients mislead: look for layers that round, saturate or draw; do not "
                     "trust white-box figures of this model, give the attacks without gradients "
                     "more queries"});
  }
}

void compare_steps(const EvidenceView& view, std::vector<Flag>& flags) {
  for (const CellView& single : view.cells) {
    if (!has_ball(single) || !white_box(*single.header) || !single_step(*single.header)) continue;
    const Samples broken = with_status(single, Status::kBroken);
    const std::vector<const CellView*> iterative = stronger_than(view, single, iterates);
    if (iterative.empty()) continue;
    const int64_t beaten = count_true(left_by_all(broken, single, iterative, sees_and_iterates));
    if (!too_many(beaten, broken.size(), kBeaten)) continue;
    flags.push_back({"single_step_beats_iterative", strongest(iterative).header->name,
                     "the single step of " + single.header->name + " broke " +
                         of_samples(beaten, broken.size()) +
                         " that every iterative attack of this norm and no smaller eps left "
                         "standing",
                     "the iterations go astray: try a larger step_size, random_start and restarts, "
                     "and look for gradients that are masked near the clean input"});
  }
}

void compare_radii(const EvidenceView& view, std::vector<Flag>& flags) {
  for (const CellView& large : view.cells) {
    if (!has_ball(large) || large.header->minimum_norm || single_step(*large.header)) continue;
    const Samples standing = with_status(large, Status::kRobust);
    for (const CellView& small : view.cells) {
      if (!has_ball(small) || *small.header->threat.eps >= *large.header->threat.eps) continue;
      const auto is_eps = [](const std::string& field) { return field == "eps"; };
      if (!same_but(*small.header, *large.header, is_eps)) continue;
      const int64_t lost = count_both(with_status(small, Status::kBroken), standing);
      if (!too_many(lost, standing.size(), kNotMonotone)) continue;
      flags.push_back({"not_monotone_in_eps", large.header->name,
                       of_samples(lost, standing.size()) + " that break in " + small.header->name +
                           " stand here, in a larger ball",
                       "the attack does not use its ball: let step_size follow from eps, take more "
                       "steps, or read the smaller radius's verdicts"});
      break;
    }
  }
}

/// The budget parameters, by which two cells of the same attack, or of the same stages, may differ.
constexpr const char* kBudgets[] = {"steps",   "restarts", "queries",  "draws",
                                    "targets", "rounds",   "searches", "pairs"};

/// Of a parameter, or a key field: `steps`, `stage.steps`, `params.stages.0.steps`.
bool is_budget(const std::string& field) {
  const std::string last = field.substr(field.rfind('.') + 1);
  return std::find(std::begin(kBudgets), std::end(kBudgets), last) != std::end(kBudgets);
}

/// True if `b` has at least `a`'s budget in everything, and more in something.
bool larger_budget(const CellHeader& a, const CellHeader& b) {
  std::set<std::string> names;
  for (const CellHeader* cell : {&a, &b}) {
    for (const auto& [name, value] : cell->params) {
      if (is_budget(name)) names.insert(name);
    }
  }
  bool more = false;
  for (const std::string& name : names) {
    const int64_t mine = integer_param(a, name).value_or(0);
    const int64_t theirs = integer_param(b, name).value_or(0);
    if (theirs < mine) return false;
    more = more || theirs > mine;
  }
  return more;
}

void compare_budgets(const EvidenceView& view, std::vector<Flag>& flags) {
  for (const CellView& cell : view.cells) {
    if (!has_ball(cell) || single_step(*cell.header)) continue;
    const Samples broken = with_status(cell, Status::kBroken);
    const Samples standing = with_status(cell, Status::kRobust);
    for (const CellView& other : view.cells) {
      if (!has_ball(other) || !larger_budget(*cell.header, *other.header) ||
          !same_but(*cell.header, *other.header, is_budget)) {
        continue;
      }
      const int64_t gained = count_both(with_status(other, Status::kBroken), standing);
      const int64_t lost = count_both(with_status(other, Status::kRobust), broken);
      if (!too_many(gained - lost, broken.size(), kExhausted)) continue;
      if (mcnemar_mid_p(gained, lost) >= kChance) continue;
      flags.push_back({"budget_not_exhausted", cell.header->name,
                       "the larger budget of " + other.header->name + " broke " +
                           of_samples(gained, broken.size()) + " that stand here, and lost " +
                           std::to_string(lost),
                       "gate on " + other.header->name +
                           ", and raise steps, restarts or queries until doubling them changes "
                           "nothing"});
      break;
    }
  }
}

/// True if the ball around any input holds the middle of the box, and so inputs of all classes.
bool reaches_everything(const CellHeader& cell, const std::vector<int64_t>& shape) {
  double d = 1;
  for (const int64_t side : shape) d *= static_cast<double>(side);
  const double half = (cell.threat.hi - cell.threat.lo) / 2;
  switch (cell.threat.norm) {
    case Norm::kLinf:
      return *cell.threat.eps >= half;
    case Norm::kL2:
      return *cell.threat.eps >= half * std::sqrt(d);
    case Norm::kL1:
      return *cell.threat.eps >= half * d;
    default:
      return *cell.threat.eps >= d;
  }
}

/// Of `standing`, the samples that a cell with the same features to move and the same goal broke.
Samples broken_elsewhere(const EvidenceView& view, const CellView& cell, const Samples& standing) {
  const auto may_differ = [](const std::string& field) {
    return field == "norm" || field == "eps" || field == "access" || field == "attack" ||
           field == "version" || field == "sample_scale" || is_parameter(field);
  };
  Samples broken(standing.size());
  for (const CellView& other : view.cells) {
    if (&other == &cell || other.header->family != Family::kEvasion) continue;
    if (other.header->threat.unbounded) continue;
    if (!same_but(*cell.header, *other.header, may_differ)) continue;
    for (size_t i = 0; i < broken.size(); ++i) {
      const std::optional<Verdict>& row = other.rows[i];
      broken[i] = broken[i] || (standing[i] && row &&
                                (row->status == Status::kBroken || std::isfinite(row->distance)));
    }
  }
  return broken;
}

void check_large_radii(const EvidenceView& view, std::vector<Flag>& flags) {
  if (!gives_several_labels(view)) return;
  const std::vector<int64_t>& shape = view.evidence->header.shape;
  for (const CellView& cell : view.cells) {
    const CellHeader& header = *cell.header;
    if (header.family != Family::kEvasion || !iterates(header)) continue;
    if (!header.minimum_norm && !(has_ball(cell) && reaches_everything(header, shape))) continue;
    Samples standing = with_status(cell, Status::kRobust);
    for (size_t i = 0; i < standing.size() && header.minimum_norm; ++i) {
      // Beyond a radius where the curve is read a sample stands, with its distance.
      standing[i] = standing[i] && std::isinf(cell.rows[i]->distance);
    }
    const bool targeted = header.threat.goal == Goal::kTargeted;
    bool certain = !targeted || gives_every_target(view, header);
    // With features held still, or in a smaller ball of its own, not every sample can be broken.
    for (const char* field : {"fixed", "feature_scale", "sample_scale"}) {
      certain = certain && !header.key_fields.contains(field);
    }
    if (!certain) standing = broken_elsewhere(view, cell, standing);
    const int64_t left = count_true(standing);
    if (!too_many(left, standing.size(), targeted || !certain ? kHardToReach : kAlmostAll))
      continue;
    flags.push_back(
        {"survives_whole_box", entry_of(header),
         of_samples(left, standing.size()) + " stand although " +
             (header.minimum_norm ? "nothing bounds the distance"
                                  : "eps is half of the box or more") +
             (certain ? ", where every sample can be broken" : ", and another attack breaks them"),
         kWholeBoxAdvice});
  }
}

void check_untried(const EvidenceView& view, std::vector<Flag>& flags) {
  for (const CellView& cell : view.cells) {
    const int64_t left = count_untried(cell);
    if (left == 0) continue;
    flags.push_back({"not_attacked", cell.header->name,
                     of_samples(left, cell.rows.size()) + " stand that no query has tried",
                     "the corpus or the source has no point of them; do not take this cell alone "
                     "for robustness"});
  }
}

}  // namespace

std::vector<Flag> diagnose_cells(const EvidenceView& view) {
  std::vector<Flag> flags;
  compare_access(view, flags);
  compare_steps(view, flags);
  compare_radii(view, flags);
  compare_budgets(view, flags);
  check_large_radii(view, flags);
  check_untried(view, flags);
  return flags;
}

}  // namespace assay
