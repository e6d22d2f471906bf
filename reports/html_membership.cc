// Membership cells: ROC on logarithmic axes, scores of members and non-members, what the records
// could have told, shadows, classes, and the most exposed records by name.
#include <algorithm>
#include <cmath>
#include <span>

#include "reports/html.h"
#include "reports/markup.h"

namespace assay::reports {
namespace {

constexpr ChartBox kScoreBox{460, 300, 64, 440, 14, 250};
constexpr size_t kMostExposed = 50;

/// Both axes from 10^-decades to 1; what is less lies on the edge.
struct LogAxes {
  int decades = 3;
  double position(double share) const {
    const double least = std::pow(10.0, -decades);
    return 1 + std::log10(std::max(share, least)) / decades;
  }
  double x(double fpr) const { return kScoreBox.x(position(fpr)); }
  double y(double tpr) const { return kScoreBox.y(position(tpr)); }
  std::string at(double fpr, double tpr) const {
    return coordinate(x(fpr)) + "," + coordinate(y(tpr));
  }
};

std::string score_legend(const std::vector<std::pair<std::string, std::string>>& names,
                         const std::string& note) {
  std::string out;
  for (const auto& [tone, words] : names) out += legend_entry(tone, tone, words);
  return element("div", "legend", out + element("span", "", note));
}

std::string roc_line(const LogAxes& axes, const std::string& tone,
                     const std::vector<RocPoint>& points) {
  std::string upper, middle, lower;
  for (const RocPoint& point : points) {
    if (point.fpr <= 0) continue;  // no place on a logarithmic axis
    upper += axes.at(point.fpr, point.upper) + " ";
    middle += axes.at(point.fpr, point.tpr) + " ";
    lower.insert(0, axes.at(point.fpr, point.lower) + " ");
  }
  return "<polygon class=\"band " + tone + "\" points=\"" + upper + lower + "\"/>" +
         "<polyline class=\"line " + tone + "\" points=\"" + middle + "\"/>";
}

std::string roc_chart(const CellResult& cell) {
  const MembershipResult& result = *cell.membership;
  LogAxes axes;
  const double finest = 1 / static_cast<double>(std::max<int64_t>(10, result.non_members));
  axes.decades = std::clamp(static_cast<int>(std::ceil(-std::log10(finest) - 1e-9)), 1, 5);
  std::string out;
  for (int i = 0; i <= axes.decades; ++i) {
    const double share = std::pow(10.0, -i);
    const std::string words = show_limit(share, Unit::kPercent);
    out += svg_line(i == axes.decades ? "axis" : "rule", kScoreBox.left, axes.y(share),
                    kScoreBox.right, axes.y(share));
    out += svg_text(kScoreBox.left - 7, axes.y(share) + 4, "end", "", words);
    out += svg_line("axis", axes.x(share), kScoreBox.bottom, axes.x(share), kScoreBox.bottom + 4);
    out += svg_text(axes.x(share), kScoreBox.bottom + 17, i == 0 ? "end" : "middle", "", words);
  }
  out += svg_text(kScoreBox.x(0.5), kScoreBox.bottom + 37, "middle", "",
                  "non-members taken for members (FPR)");
  out += svg_line("axis chance", axes.x(0), axes.y(0), axes.x(1), axes.y(1));
  std::vector<std::pair<std::string, std::string>> names = {{"candidate", "candidate"}};
  if (cell.baseline_membership && !cell.baseline_membership->roc.empty()) {
    out += roc_line(axes, "baseline", cell.baseline_membership->roc);
    names.emplace_back("baseline", "baseline");
  }
  out += roc_line(axes, "candidate", result.roc);
  return "<figure class=\"card\"><h3>ROC</h3>" +
         element("p", "small soft", "members found (TPR), both axes logarithmic") +
         chart_svg(kScoreBox, "ROC of " + cell.name, out) +
         score_legend(names, "bands: one-sided bounds at each FPR; diagonal: guessing") +
         "</figure>\n";
}

/// Shares of one set per bin as a stepped outline.
std::string steps(const std::string& tone, const std::vector<int64_t>& bins, double tallest,
                  int64_t total) {
  std::string points = coordinate(kScoreBox.left) + "," + coordinate(kScoreBox.bottom) + " ";
  const double width = (kScoreBox.right - kScoreBox.left) / static_cast<double>(bins.size());
  for (size_t i = 0; i < bins.size(); ++i) {
    const double share = static_cast<double>(bins[i]) / static_cast<double>(total);
    const std::string y = coordinate(kScoreBox.y(share / tallest));
    points += coordinate(kScoreBox.left + width * static_cast<double>(i)) + "," + y + " ";
    points += coordinate(kScoreBox.left + width * static_cast<double>(i + 1)) + "," + y + " ";
  }
  points += coordinate(kScoreBox.right) + "," + coordinate(kScoreBox.bottom);
  return "<polygon class=\"band " + tone + "\" points=\"" + points + "\"/><polyline class=\"line " +
         tone + "\" points=\"" + points + "\"/>";
}

std::string histogram(const CellResult& cell) {
  const MembershipResult& result = *cell.membership;
  const ScoreHistogram& bins = result.histogram;
  if (bins.members.empty()) return "";
  const auto share = [](const std::vector<int64_t>& list, int64_t total) {
    return static_cast<double>(*std::max_element(list.begin(), list.end())) /
           static_cast<double>(total);
  };
  const double tallest =
      std::max(share(bins.members, result.members), share(bins.non_members, result.non_members));
  std::string out;
  for (const double part : {0.0, 0.5, 1.0}) {
    const double y = kScoreBox.y(part);
    out += svg_line(part == 0 ? "axis" : "rule", kScoreBox.left, y, kScoreBox.right, y);
    out += svg_text(kScoreBox.left - 7, y + 4, "end", "", show(part * tallest, Unit::kPercent));
  }
  out += steps("baseline", bins.non_members, tallest, result.non_members);
  out += steps("candidate", bins.members, tallest, result.members);
  out +=
      svg_text(kScoreBox.left, kScoreBox.bottom + 17, "start", "", show(bins.least, Unit::kNumber));
  out +=
      svg_text(kScoreBox.right, kScoreBox.bottom + 17, "end", "", show(bins.most, Unit::kNumber));
  out += svg_text(kScoreBox.x(0.5), kScoreBox.bottom + 37, "middle", "",
                  "score (higher: more likely a member)");
  return "<figure class=\"card\"><h3>Scores</h3>" +
         element("p", "small soft", "share of each set; the end bins hold what lies outside") +
         chart_svg(kScoreBox, "scores of members and non-members in " + cell.name, out) +
         score_legend({{"candidate", "members"}, {"baseline", "non-members"}}, "") + "</figure>\n";
}

/// What each TPR costs; "" where none could be estimated.
std::string rate_table(const CellResult& cell) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, metric] : cell.metrics) {
    if (!metric.realised_fpr) continue;
    const BoundedShare& fpr = *metric.realised_fpr;
    rows.push_back(
        {escape(metric_words(name)), escape(show(metric.value, Unit::kPercent)),
         escape(show(metric.lower, Unit::kPercent)), escape(show(metric.upper, Unit::kPercent)),
         escape(show(fpr.value, Unit::kPercent, 2)), escape(show(fpr.lower, Unit::kPercent, 2)),
         escape(show(fpr.upper, Unit::kPercent, 2))});
  }
  if (rows.empty()) return "";
  return table({"rate", ">TPR", ">lower bound", ">upper bound", ">realised FPR", ">lower bound",
                ">upper bound"},
               rows);
}

std::string worst_text(const MembershipResult& result) {
  if (!result.worst) return "";
  const WorstSlice& worst = *result.worst;
  return element("p", "small soft",
                 "Of the " + show_count(worst.records) +
                     " records that score highest, 1 % of both sets and what ties with them, " +
                     show_count(worst.members) +
                     " are members: " + show(worst.share.value, Unit::kPercent) + ", between " +
                     show(worst.share.lower, Unit::kPercent) + " and " +
                     show(worst.share.upper, Unit::kPercent) + "; guessing finds " +
                     show(worst.base_rate, Unit::kPercent) + ".");
}

std::string power_table(const MembershipResult& result) {
  const MembershipPower& power = result.power;
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"AUC", escape(show(power.auc.value, Unit::kNumber)),
                  element("span", "soft", escape(power.auc.reason))});
  for (const auto& [metric, smallest] : power.tpr) {
    rows.push_back({escape(metric_words(metric)), escape(show(smallest.value, Unit::kPercent)),
                    element("span", "soft", escape(smallest.reason))});
  }
  rows.push_back({"epsilon above 0", escape(show(power.epsilon_detectable, Unit::kNumber)), ""});
  rows.push_back(
      {"epsilon of a perfect attack", escape(show(power.epsilon_reach, Unit::kNumber)), ""});
  return element("p", "small soft",
                 "The least that " + show_count(result.members) + " members and " +
                     show_count(result.non_members) +
                     " non-members tell from chance in four of five runs.") +
         table({"power", ">smallest", ""}, rows);
}

std::string fidelity_table(const MembershipResult& result) {
  if (!result.fidelity) return "";
  const Fidelity& of = *result.fidelity;
  std::string out =
      table({"accuracy", ">candidate", ">shadows"},
            {{"on what it was trained on", escape(show(of.candidate_members, Unit::kPercent)),
              of.trained ? escape(show(of.shadow_members, Unit::kPercent)) : "–"},
             {"on what it was not", escape(show(of.candidate_non_members, Unit::kPercent)),
              escape(show(of.shadow_non_members, Unit::kPercent))},
             {"on members that shadows were not trained on", "–",
              escape(show(of.shadow_unseen_members, Unit::kPercent))}});
  std::string words = show_plural(of.shadows, "shadow") + " of " + of.architecture;
  if (!of.reason.empty()) words += ": " + of.reason;
  out += element("p", "small soft", escape(words));
  if (!result.not_comparable.empty()) out += element("p", "strong", escape(result.not_comparable));
  return out;
}

std::string tuned_text(const MembershipResult& result) {
  std::string words;
  for (const auto& [param, value] : result.tuned) {
    words += (words.empty() ? "found by the harness and the attack: " : ", ") + param + " = " +
             show(value, Unit::kNumber);
  }
  return words.empty() ? "" : element("p", "small soft", escape(words));
}

std::string copies_text(const MembershipResult& result) {
  if (result.copies == 0) return "";
  return element("p", "small soft",
                 show_plural(result.copies, "record") +
                     (result.copies == 1 ? " is a copy" : " are copies") +
                     " of another one of the same set and not counted");
}

std::string slice_table(const Report& report, std::vector<MembershipSlice> slices) {
  std::stable_sort(slices.begin(), slices.end(), [](const auto& one, const auto& two) {
    return one.auc.value.value_or(0) > two.auc.value.value_or(0);
  });
  std::vector<std::vector<std::string>> rows;
  for (const MembershipSlice& slice : slices) {
    rows.push_back({element("span", "strong", escape(class_name(report, slice.label))),
                    show_count(slice.members), show_count(slice.non_members),
                    escape(show(slice.auc.value, Unit::kNumber)),
                    escape(show(slice.auc.lower, Unit::kNumber)),
                    escape(show(slice.tpr.value, Unit::kPercent)),
                    escape(show(slice.tpr.lower, Unit::kPercent))});
  }
  return table({"class", ">members", ">non-members", ">AUC", ">lower bound", ">TPR at 1 % FPR",
                ">lower bound"},
               rows);
}

/// How many of the first `most` can be named: none of a tie that goes beyond them, since nothing
/// but their order tells its records apart.
size_t nameable(const std::vector<ExposedRecord>& exposed, size_t most) {
  const size_t shown = std::min(most, exposed.size());
  if (shown == 0) return 0;
  const double last = exposed[shown - 1].score;
  const auto end = exposed.begin() + static_cast<std::ptrdiff_t>(shown);
  const auto tie = std::find_if(exposed.begin(), end,
                                [&](const ExposedRecord& record) { return record.score == last; });
  return end - tie < tie->tied ? static_cast<size_t>(tie - exposed.begin()) : shown;
}

std::string exposed_table(const Report& report, const std::vector<ExposedRecord>& exposed) {
  const size_t named = nameable(exposed, kMostExposed);
  std::vector<std::vector<std::string>> rows;
  for (const ExposedRecord& record : std::span(exposed).first(named)) {
    rows.push_back({element("code", "", escape(record.id)),
                    escape(class_name(report, record.label)), show_count(record.rank),
                    escape(show(record.score, Unit::kNumber)),
                    escape(show(record.fpr, Unit::kPercent, 2))});
  }
  std::string out;
  if (!rows.empty()) {
    out = element("p", "small soft",
                  "The members that score highest, by name: rank among all records, and the share "
                  "of non-members that score as high.") +
          table({"record", "class", ">rank", ">score", ">FPR"}, rows);
  }
  if (named < std::min(kMostExposed, exposed.size())) {
    const ExposedRecord& next = exposed[named];
    out +=
        element("p", "small soft",
                show_plural(next.tied, "member") + " tie " + (named == 0 ? "at the top" : "next") +
                    " with a score of " + escape(show(next.score, Unit::kNumber)) +
                    ". They are more than fit here, and nothing tells them apart: none is "
                    "named.");
  } else if (exposed.size() > named) {
    out += element("p", "small soft",
                   "the first " + show_count(static_cast<int64_t>(named)) + " of " +
                       show_count(static_cast<int64_t>(exposed.size())) + "; report.json has all");
  }
  return out;
}

std::string membership_part(const Report& report, const CellResult& cell) {
  const MembershipResult& result = *cell.membership;
  std::string inside = element("div", "grid wide", roc_chart(cell) + histogram(cell));
  inside += rate_table(cell) + power_table(result) + fidelity_table(result) + tuned_text(result) +
            copies_text(result);
  inside += element("h3", "", "Most exposed records") + worst_text(result) +
            exposed_table(report, result.exposed);
  inside += element("h3", "", "By class") + slice_table(report, result.slices);
  const auto auc = cell.metrics.find("auc");
  const std::string words =
      auc == cell.metrics.end() ? "" : "AUC " + show(auc->second.value, Unit::kNumber);
  return details(true,
                 element("code", "strong", escape(cell.name)) +
                     element("span", "end small soft", escape(words)),
                 inside);
}

}  // namespace

std::string membership_section(const Report& report) {
  std::string out;
  for (const CellResult& cell : report.decision->cells) {
    if (cell.membership && !cell.membership->roc.empty()) out += membership_part(report, cell);
  }
  if (out.empty()) return "";
  return section("membership", "Membership",
                 "How well an attacker tells records that the model was trained on from records "
                 "that it was not.",
                 out);
}

}  // namespace assay::reports
