// Whether members and non-members are of one kind: by labels, and by models that saw neither.
#include <algorithm>
#include <array>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/hypergeometric.hpp>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "harness/gate/membership.h"
#include "harness/gate/text.h"

namespace assay {
namespace {

/// Records of one label, or of several that are too few each: members and non-members.
struct LabelCount {
  int64_t label = 0;
  double members = 0;
  double others = 0;

  double all() const { return members + others; }
};

/// Of the records that the cell scored, by label.
std::vector<LabelCount> label_counts(const EvidenceView& view, const CellView& cell) {
  const Header& header = view.evidence->header;
  std::map<int64_t, LabelCount> by_label;
  for (const Score& score : cell.scored->scores) {
    const std::vector<SampleInfo>& set = audited(header, *cell.header, score.member);
    if (score.record < 0 || score.record >= static_cast<int64_t>(set.size())) continue;
    LabelCount& count = by_label[set[static_cast<size_t>(score.record)].label];
    ++(score.member ? count.members : count.others);
  }
  std::vector<LabelCount> counts;
  for (auto& [label, count] : by_label) {
    count.label = label;
    counts.push_back(count);
  }
  return counts;
}

/// Merges labels, the rarest first, until a chi-squared distribution suits all: at least 5 records
/// are expected of either set. One entry where that cannot be.
std::vector<LabelCount> merged(std::vector<LabelCount> counts, double share_of_fewer) {
  std::sort(counts.begin(), counts.end(),
            [](const LabelCount& a, const LabelCount& b) { return a.all() < b.all(); });
  std::vector<LabelCount> groups;
  bool full = true;  // the last group
  for (const LabelCount& count : counts) {
    if (full) groups.push_back({count.label, 0, 0});
    groups.back().members += count.members;
    groups.back().others += count.others;
    full = groups.back().all() * share_of_fewer >= 5;
  }
  if (!full && groups.size() > 1) {
    const LabelCount last = groups.back();
    groups.pop_back();
    groups.back().members += last.members;
    groups.back().others += last.others;
  }
  return groups;
}

/// Fisher's exact test, two-sided: how often chance gives `one` label's members, or what is rarer.
double fisher_p(const LabelCount& one, double members, double others) {
  const auto all = static_cast<unsigned>(members + others);
  const auto drawn = static_cast<unsigned>(members);
  const auto of_label = static_cast<unsigned>(one.all());
  const boost::math::hypergeometric_distribution<double> chance(of_label, drawn, all);
  const double seen = boost::math::pdf(chance, static_cast<unsigned>(one.members));
  double p = 0;
  const unsigned least = drawn + of_label > all ? drawn + of_label - all : 0;
  for (unsigned k = least; k <= std::min(of_label, drawn); ++k) {
    const double here = boost::math::pdf(chance, k);
    if (here <= seen * (1 + 1e-7)) p += here;
  }
  return p;
}

/// How often sets drawn from one source have labels that differ as much.
double mix_p(const std::vector<LabelCount>& counts, double members, double others) {
  const double all = members + others;
  const std::vector<LabelCount> groups = merged(counts, std::min(members, others) / all);
  if (groups.size() < 2) {
    return fisher_p(*std::max_element(
                        counts.begin(), counts.end(),
                        [](const LabelCount& a, const LabelCount& b) { return a.all() < b.all(); }),
                    members, others);
  }
  double statistic = 0;
  for (const LabelCount& group : groups) {
    const double in = group.all() * members / all;
    const double out = group.all() * others / all;
    statistic += std::pow(group.members - in, 2) / in + std::pow(group.others - out, 2) / out;
  }
  const boost::math::chi_squared_distribution<double> chance(
      static_cast<double>(groups.size() - 1));
  return boost::math::cdf(boost::math::complement(chance, statistic));
}

/// Shadows that were trained on neither set are right on both as often, but for sampling error.
std::string accuracy_text(const CellView& cell) {
  if (!cell.scored->fidelity || !cell.scored->fidelity->shadow_unseen_members) return "";
  const auto [members, non_members] = sizes_of(cell);
  const double here = *cell.scored->fidelity->shadow_unseen_members;
  const double there = cell.scored->fidelity->shadow_non_members;
  const double p = std::clamp((here + there) / 2, 0.0, 1.0);
  const double spread = std::sqrt(p * (1 - p) *
                                  (1 / static_cast<double>(std::max<int64_t>(1, members)) +
                                   1 / static_cast<double>(std::max<int64_t>(1, non_members))));
  const double allowed = normal_quantile(kReversedConfidence) * spread;
  if (std::abs(here - there) <= allowed) return "";
  return "shadows that were trained on neither are right on " + figure(here) +
         " of the members and " + figure(there) + " of the non-members, more than " +
         figure(allowed) +
         " apart: they know the members by the candidate, or the sets are of "
         "different kinds";
}

}  // namespace

std::pair<int64_t, int64_t> sizes_of(const CellView& cell) {
  int64_t members = 0;
  for (const Score& score : cell.scored->scores) members += score.member ? 1 : 0;
  return {members, static_cast<int64_t>(cell.scored->scores.size()) - members};
}

int64_t copies_of(const EvidenceView& view, const CellView& cell) {
  int64_t copies = 0;
  for (const bool member : {true, false}) {
    const std::vector<SampleInfo>& set = audited(view.evidence->header, *cell.header, member);
    std::set<int64_t> scored;
    std::set<std::string_view> known;
    for (const Score& score : cell.scored->scores) {
      if (score.member != member || score.record < 0 ||
          score.record >= static_cast<int64_t>(set.size())) {
        continue;
      }
      scored.insert(score.record);
      known.insert(set[static_cast<size_t>(score.record)].digest);
    }
    for (size_t i = 0; i < set.size(); ++i) {
      const bool copy = !scored.contains(static_cast<int64_t>(i)) && known.contains(set[i].digest);
      copies += copy ? 1 : 0;
    }
  }
  return copies;
}

std::string unequal_labels(const EvidenceView& view, const CellView& cell) {
  if (cell.scored == nullptr) return "";
  const std::vector<LabelCount> counts = label_counts(view, cell);
  if (counts.size() < 2) return "";
  double members = 0, others = 0;
  for (const LabelCount& count : counts) {
    members += count.members;
    others += count.others;
  }
  if (members == 0 || others == 0) return "";
  if (mix_p(counts, members, others) >= 1 - kReversedConfidence) return "";
  const auto apart = [&](const LabelCount& count) {
    return std::abs(count.members / members - count.others / others);
  };
  const LabelCount most = *std::max_element(
      counts.begin(), counts.end(),
      [&](const LabelCount& a, const LabelCount& b) { return apart(a) < apart(b); });
  return "members and non-members are of other classes: class " + std::to_string(most.label) +
         " makes up " + figure(most.members / members) + " of the members and " +
         figure(most.others / others) +
         " of the non-members, and sets of one source differ as much less than once in a thousand "
         "times; a score that depends on the class then tells the sets apart or hides a leak "
         "within classes";
}

std::string unequal_models(const CellView& cell) {
  if (cell.scored == nullptr || !cell.scored->fidelity) return "";
  const std::string text = accuracy_text(cell);
  const std::string& foreknown = cell.scored->fidelity->foreknown;
  return text + (text.empty() || foreknown.empty() ? "" : "; ") + foreknown;
}

}  // namespace assay
