// The summary table for a terminal.
#include <algorithm>
#include <array>
#include <set>

#include "reports/markup.h"
#include "reports/report.h"
#include "reports/view.h"

namespace assay {
namespace {

using reports::RuleVerdict;
constexpr int kMostExplained = 8;
constexpr int kLeastWidth = 48;  // what the columns need at their shortest

/// Columns a terminal spends on UTF-8 text: code points, which holds for all that we print.
int columns(std::string_view text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

/// One line, never a terminal's control sequence.
std::string plain(std::string_view text) {
  std::string out = reports::clean_text(text);
  for (char& c : out) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  }
  return out;
}

/// Cut in the middle, so that `name@eps` keeps both ends.
std::string elide(const std::string& text, int most) {
  const int length = columns(text);
  if (length <= most) return text;
  if (most <= 2) return std::string(static_cast<size_t>(std::max(most, 0)), '.');
  const int tail = (most - 2) / 2, head = most - 2 - tail;
  std::string out;
  int at = 0;
  for (const char c : text) {
    if ((c & 0xC0) != 0x80 && ++at == head + 1) out += "..";
    if (at <= head || at > length - tail) out += c;
  }
  return out;
}

/// Cut before the budget, which tells rules of one metric apart: `surrogate..@1000 <= 76 %`.
std::string elide_rule(const std::string& text, int most) {
  const size_t at = text.find('@');
  const std::string tail = at == std::string::npos ? "" : text.substr(at);
  const int room = most - columns(tail) - 2;
  if (columns(text) <= most || tail.empty() || room < 4) return elide(text, most);
  return text.substr(0, static_cast<size_t>(room)) + ".." + tail;
}

std::string pad(std::string text, int width) {
  const int missing = width - columns(text);
  if (missing > 0) text.append(static_cast<size_t>(missing), ' ');
  return text;
}

std::string wrap(const std::string& text, int width, const std::string& indent) {
  std::string out, line = indent;
  bool empty = true;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find(' ', at), text.size());
    std::string word = text.substr(at, end - at);
    at = end + 1;
    if (word.empty()) continue;
    if (!empty && columns(line) + 1 + columns(word) > width) {
      out += line + "\n";
      line = indent;
      empty = true;
    }
    word = elide(word, width - columns(indent));
    line += (empty ? "" : " ") + word;
    empty = false;
  }
  return out + line + "\n";
}

class Painter {
 public:
  explicit Painter(bool colour) : colour_(colour) {}
  std::string operator()(const std::string& text, const char* code) const {
    return colour_ ? std::string("\x1b[") + code + "m" + text + "\x1b[0m" : text;
  }

 private:
  bool colour_;
};

const char* code_of(RuleVerdict verdict) {
  switch (verdict) {
    case RuleVerdict::kPass:
      return "32";
    case RuleVerdict::kFail:
      return "1;31";
    case RuleVerdict::kInconclusive:
      return "1;33";
    case RuleVerdict::kNotApplicable:
    case RuleVerdict::kWaived:
      break;
  }
  return "2";
}

const char* code_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return "1;32";
    case Outcome::kFail:
    case Outcome::kRefused:
      return "1;31";
    case Outcome::kInconclusive:
    case Outcome::kIncomplete:
      break;
  }
  return "1;33";
}

std::string verdict_word(RuleVerdict verdict) {
  return verdict == RuleVerdict::kNotApplicable ? "n/a" : std::string(to_string(verdict));
}

/// `robust_accuracy drop <= 3 points`
std::string rule_text(const RuleResult& rule) {
  if (rule.kind == RuleSpec::Kind::kFlagsClear) return "flags clear";
  const std::string limit = reports::show_limit(rule.limit, reports::rule_unit(rule));
  switch (rule.kind) {
    case RuleSpec::Kind::kAtLeast:
      return rule.metric + " >= " + limit;
    case RuleSpec::Kind::kMaxDrop:
      return rule.metric + " drop <= " + limit;
    case RuleSpec::Kind::kMaxRise:
      return rule.metric + " rise <= " + limit;
    case RuleSpec::Kind::kAtMost:
    case RuleSpec::Kind::kFlagsClear:
      break;
  }
  return rule.metric + " <= " + limit;
}

std::string ascii_dash(std::string text) { return text == "—" ? "-" : text; }

/// Without the unit, which the rule's column already names.
std::string bare(std::string text) {
  for (const std::string_view unit : {" %", " points", " point"}) {
    if (text.ends_with(unit)) return text.substr(0, text.size() - unit.size());
  }
  return text;
}

std::string bounds_text(const RuleResult& rule) {
  if (!rule.lower && !rule.upper) return "-";
  const reports::Unit unit = reports::rule_unit(rule);
  const auto side = [&](const std::optional<double>& bound) {
    return bound ? bare(reports::show_against(*bound, rule.limit, unit)) : std::string("-");
  };
  return side(rule.lower) + ".." + side(rule.upper);
}

using Row = std::array<std::string, 5>;  // verdict, cell, rule, measured, bounds

Row row_of(const RuleResult& rule) {
  const std::optional<double> value = reports::measured(rule);
  return {verdict_word(rule.verdict), plain(rule.cell.empty() ? "(run)" : rule.cell),
          plain(rule_text(rule)),
          value ? bare(reports::show_against(*value, rule.limit, reports::rule_unit(rule))) : "-",
          ascii_dash(bounds_text(rule))};
}

/// Natural widths, then cell and rule give way until a row fits: the one that is farther above what
/// it can be read at (cell 16, rule 32).
std::array<int, 5> fit(const std::vector<Row>& rows, int width) {
  std::array<int, 5> widths{};
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  }
  const auto total = [&] { return widths[0] + widths[1] + widths[2] + widths[3] + widths[4] + 8; };
  while (total() > width && (widths[1] > 8 || widths[2] > 12)) {
    --widths[widths[2] > 12 && (widths[1] <= 8 || widths[2] - 32 >= widths[1] - 16) ? 2 : 1];
  }
  if (total() > width) widths[4] = -2;  // too narrow for bounds
  return widths;
}

std::string rules_table(const std::vector<const RuleResult*>& rules, int width,
                        const Painter& paint) {
  std::vector<Row> rows{{"verdict", "cell", "rule", "measured", "bounds"}};
  for (const RuleResult* rule : rules) rows.push_back(row_of(*rule));
  const std::array<int, 5> widths = fit(rows, width);
  std::string out;
  for (size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (size_t i = 0; i < rows[r].size(); ++i) {
      if (widths[i] <= 0) continue;
      const bool last = i + 1 == rows[r].size() || widths[i + 1] <= 0;
      std::string cell = i == 2 ? elide_rule(rows[r][i], widths[i]) : elide(rows[r][i], widths[i]);
      if (!last) cell = pad(cell, widths[i]);
      if (r == 0) {
        cell = paint(cell, "2");
      } else if (i == 0) {
        cell = paint(cell, code_of(rules[r - 1]->verdict));
      }
      line += (i == 0 ? "" : "  ") + cell;
    }
    out += line + "\n";
  }
  return out;
}

std::string explanations(const std::vector<const RuleResult*>& rules, int width) {
  std::string out;
  int explained = 0, left_out = 0;
  std::set<std::string> hints;  // rules of one kind often share theirs
  for (const RuleResult* rule : rules) {
    if (rule->verdict == RuleVerdict::kPass) continue;
    if (explained >= kMostExplained) {
      ++left_out;
      continue;
    }
    ++explained;
    std::string line = rule->cell.empty() ? "" : plain(rule->cell) + ": ";
    line += rule->reason.empty() ? verdict_word(rule->verdict) : plain(rule->reason);
    out += wrap(line, width, "  ");
    if (!rule->hint.empty() && hints.insert(rule->hint).second) {
      out += wrap("-> " + plain(rule->hint), width, "     ");
    }
  }
  if (left_out > 0) out += "  and " + std::to_string(left_out) + " more, see report.html\n";
  return out;
}

}  // namespace

std::string summary_text(const Report& report, int width, bool colour) {
  width = std::max(width, kLeastWidth);
  const Painter paint(colour);
  const Decision& decision = *report.decision;
  std::string names =
      plain(report.suite->name) + "  " + plain(reports::base_name(reports::model_path(report)));
  if (reports::has_baseline(report)) {
    names += " against " + plain(reports::base_name(report.baseline_path));
  }
  // A shard only measures: it has no decision, and exits as if it passed.
  const bool shard = report.shard;
  const std::string left = shard ? report.evidence->interrupted : "";  // "" by one that is all
  const std::string part = left.empty() ? "this shard" : left;
  const Outcome outcome = shard ? Outcome::kPass : decision.outcome;
  std::string word(shard ? "measured" : to_string(outcome));
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const int room = width - columns(word) - 2;
  std::string out = paint(word, code_of(outcome)) + "  " + elide(names, room) + "\n";
  out +=
      wrap(shard ? plain(part) + " is measured; `assay merge` puts the shards together and decides"
                 : plain(reports::headline(report).sentence),
           width, "");
  const std::vector<const RuleResult*> rules = reports::by_severity(decision);
  if (!rules.empty()) {
    out += "\n" + rules_table(rules, width, paint);
    const std::string why = explanations(rules, width);
    if (!why.empty()) out += "\n" + why;
  }
  if (!decision.flags.empty()) out += "\n";
  for (const Flag& flag : decision.flags) {
    std::string line = "flag " + plain(flag.id);
    if (!flag.cell.empty()) line += " (" + plain(flag.cell) + ")";
    out += wrap(line + ": " + plain(flag.detail), width, "");
  }
  out += "\n" + wrap(reports::show_plural(decision.rules_decided, "rule") + " decided, " +
                         reports::show_count(decision.rules_not_applicable) + " not applicable, " +
                         reports::show_plural(static_cast<int64_t>(decision.cells.size()), "cell") +
                         "; exit " + std::to_string(static_cast<int>(exit_code(outcome))),
                     width, "");
  return out;
}

}  // namespace assay
