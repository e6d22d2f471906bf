// assay compare: two runs, sample by sample.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "harness/cli/commands.h"
#include "harness/gate/extraction.h"
#include "harness/gate/membership.h"
#include "harness/gate/metrics.h"
#include "harness/gate/pairing.h"
#include "harness/gate/statistics.h"
#include "harness/gate/view.h"
#include "harness/record/evidence.h"
#include "harness/suite/digest.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// `folder` or `folder:cell`; a folder whose own name holds a colon is tried first.
struct Side {
  Evidence evidence;
  std::string cell;
};

Side open_side(const std::string& text) {
  if (fs::exists(text)) return {read_evidence(text), ""};
  const size_t colon = text.rfind(':');
  if (colon != std::string::npos && fs::exists(text.substr(0, colon))) {
    return {read_evidence(text.substr(0, colon)), text.substr(colon + 1)};
  }
  throw Error("no such run: " + text + "; write FOLDER or FOLDER:CELL");
}

using Cells = std::vector<const CellHeader*>;

// The cells that a selector covers (contracts §1), or all; never none.
Cells cells_of(const Side& side, const std::string& selector) {
  Cells found;
  std::vector<std::string> names;
  for (const CellHeader& cell : side.evidence.header.cells) {
    names.push_back(cell.name);
    if (selector.empty() || selects(selector, cell.name)) found.push_back(&cell);
  }
  if (found.empty()) throw Error("no cell `" + selector + "`" + suggest(selector, names));
  return found;
}

// Which cells are set against each other: those of one name, or one of each side.
std::vector<std::pair<const CellHeader*, const CellHeader*>> pairs_of(const Side& a,
                                                                      const Side& b) {
  const Cells left = cells_of(a, a.cell.empty() ? b.cell : a.cell);
  const Cells right = cells_of(b, b.cell.empty() ? a.cell : b.cell);
  if (left.size() == 1 && right.size() == 1 && !(a.cell.empty() && b.cell.empty())) {
    return {{left[0], right[0]}};
  }
  std::vector<std::pair<const CellHeader*, const CellHeader*>> pairs;
  for (const CellHeader* cell : left) {
    for (const CellHeader* other : right) {
      if (other->name == cell->name) pairs.emplace_back(cell, other);
    }
  }
  if (pairs.empty()) {
    throw Error("the two runs have no such cell of the same name; write FOLDER:CELL");
  }
  return pairs;
}

// Where the two are not measured alike.
void print_key_differences(const CellHeader& first, const CellHeader& second) {
  if (first.key == second.key) return;
  for (const auto& [field, value] : first.key_fields) {
    const auto other = second.key_fields.find(field);
    const std::string theirs = other == second.key_fields.end() ? "absent" : other->second;
    if (theirs != value) {
      std::printf("  not the same cell: %s %s in A, %s in B\n", field.c_str(), value.c_str(),
                  theirs.c_str());
    }
  }
}

std::string name_of(const CellHeader& first, const CellHeader& second) {
  return first.name == second.name ? first.name : first.name + " | " + second.name;
}

constexpr double kConfidence = 0.95;

// One of the two runs' cells, as the gate sees it.
struct Place {
  const EvidenceView& view;
  const CellView& cell;
};

bool has_metric(const CellHeader& cell, const std::string& metric) {
  const std::vector<std::string> names = metrics_of(cell);
  return std::find(names.begin(), names.end(), metric) != names.end();
}

std::vector<int64_t> partners_in(const Place& first, const Place& second) {
  return pair_samples(first.view.evidence->header.samples, second.view.evidence->header.samples);
}

// Why no sample can be compared.
const char* why_none(const Place& a, const Place& b) {
  const std::vector<int64_t> partners = partners_in(b, a);
  if (std::ranges::all_of(partners, [](int64_t partner) { return partner < 0; })) {
    return "no sample in common";
  }
  const auto judged = [](const Place& place) {
    return std::ranges::any_of(robust_facts(place.cell),
                               [](Fact fact) { return fact != Fact::kUnknown; });
  };
  if (!judged(a)) return "no verdict in A";
  return judged(b) ? "no sample has a verdict in both" : "no verdict in B";
}

// As the gate would with A as the baseline.
void compare_samples(const Place& a, const Place& b) {
  const PairedCounts pairs =
      count_pairs(robust_facts(b.cell), robust_facts(a.cell), partners_in(b, a));
  const std::string name = name_of(*a.cell.header, *b.cell.header);
  if (pairs.n == 0) {
    std::printf("%-20s %s\n", name.c_str(), why_none(a, b));
    return;
  }
  const auto lost = static_cast<int64_t>(pairs.regressed.size());
  const auto won = static_cast<int64_t>(pairs.repaired.size());
  const Interval bounds = tango(lost, won, pairs.n, kConfidence);
  const auto share = [&pairs](int64_t k) {
    return static_cast<double>(k) / static_cast<double>(pairs.n);
  };
  std::printf("%-20s %6ld %8.4f %8.4f %+8.4f [%+.4f, %+.4f] %5ld %5ld\n", name.c_str(),
              static_cast<long>(pairs.n), share(pairs.baseline), share(pairs.here),
              share(lost - won), bounds.lower, bounds.upper, static_cast<long>(lost),
              static_cast<long>(won));
}

// `0.1234` or `+0.1234`, or what stands for a bound that is absent or infinite.
std::string number(const std::optional<double>& value, bool difference) {
  if (!value) return "unknown";
  if (!std::isfinite(*value)) return *value > 0 ? "infinite" : "-infinite";
  char text[32];
  std::snprintf(text, sizeof text, difference ? "%+.4f" : "%.4f", *value + 0.0);  // never -0
  return text;
}

void print_bounds(const std::string& of, const Estimate& estimate) {
  if (!estimate.value) {
    std::printf("    %-4s %s\n", of.c_str(), estimate.reason.c_str());
    return;
  }
  const bool difference = of == "A-B" || of == "drop";
  std::printf("    %-4s %8ld %9s  [%s, %s]\n", of.c_str(), static_cast<long>(estimate.n),
              number(estimate.value, difference).c_str(),
              number(estimate.lower, difference).c_str(),
              number(estimate.upper, difference).c_str());
}

void print_metric(const std::string& metric, const Place& a, const Place& b) {
  std::printf("  %s\n", metric.c_str());
  print_bounds("A", reportable(*measure(metric, a.view, a.cell, kConfidence)));
  print_bounds("B", reportable(*measure(metric, b.view, b.cell, kConfidence)));
}

// The difference is max_drop's, the share of A's median that B has lost.
void compare_distances(const Place& a, const Place& b) {
  print_metric("median_distance", a, b);
  const std::vector<DistancePair> pairs =
      pair_distances(b.view, b.cell, a.view, a.cell, partners_in(b, a));
  Estimate drop;
  drop.n = static_cast<int64_t>(pairs.size());
  drop.reason = "no sample in both runs is rightly classified by A";
  if (!pairs.empty()) {
    const MedianDrop found = median_drop(pairs, kConfidence);
    drop.reason = "unknown, since a median is infinite";
    if (std::isfinite(found.here) && std::isfinite(found.baseline)) {
      drop.value = found.value;
      drop.lower = found.lower;
      drop.upper = found.upper;
    }
  }
  print_bounds("drop", drop);
}

void compare_thefts(const Place& a, const Place& b) {
  int64_t shared = 0;
  for (const std::string& name : metrics_of(*a.cell.header)) {
    if (!has_metric(*b.cell.header, name)) continue;
    ++shared;
    print_metric(name, a, b);
    print_bounds("A-B", estimate_of(extraction_difference(extraction_metric(name), a.view, a.cell,
                                                          b.view, b.cell, kConfidence)
                                        .figure));
  }
  if (shared == 0) std::printf("  no budget in common\n");
}

Estimate membership_difference(const std::string& metric, const EvidenceView& a,
                               const CellView& first, const EvidenceView& b,
                               const CellView& second) {
  PairedScores pairs = paired_scores(a, first, b, second);
  pairs.here = from_its_side(metric, *first.header, std::move(pairs.here));
  pairs.there = from_its_side(metric, *second.header, std::move(pairs.there));
  const auto members = static_cast<int64_t>(pairs.here.members.size());
  const auto non_members = static_cast<int64_t>(pairs.here.non_members.size());
  Estimate estimate;
  estimate.n = members + non_members;
  const double fpr = fpr_of(metric);
  if (members < 2 || non_members < 2 || (fpr > 0 && non_members < non_members_needed(fpr))) {
    estimate.reason = "too few records in both: " + std::to_string(members) + " members, " +
                      std::to_string(non_members) + " non-members";
    return estimate;
  }
  for (const ScoreSets* scores : {&pairs.here, &pairs.there}) {
    if (fpr == 0 || !estimate.reason.empty()) continue;
    estimate.reason =
        tpr_obstacle(make_roc(*scores), fpr, kConfidence, negatives_of(metric, *first.header));
  }
  if (!estimate.reason.empty()) return estimate;
  const uint64_t seed = hash64(first.header->key);
  const Bounded bounds = fpr > 0 ? tpr_difference(pairs.here, pairs.there, fpr, kConfidence, seed)
                         : metric == "auc"
                             ? auc_difference(pairs.here, pairs.there, kConfidence)
                             : advantage_difference(pairs.here, pairs.there, kConfidence, seed);
  estimate.value = bounds.value;
  estimate.lower = bounds.lower;
  estimate.upper = bounds.upper;
  return estimate;
}

void compare_scores(const Place& a, const Place& b) {
  for (const std::string& metric : metrics_of(*a.cell.header)) {
    const bool wanted = metric == "auc" || metric == "advantage" || metric == "tpr_at_fpr_0.01";
    const auto here = measure_membership(metric, a.view, a.cell, kConfidence);
    const auto there = measure_membership(metric, b.view, b.cell, kConfidence);
    if (!wanted && !here.value && !there.value) continue;
    print_metric(metric, a, b);
    if (metric == "epsilon_lower") continue;  // the difference of two bounds bounds nothing
    print_bounds("A-B", membership_difference(metric, a.view, a.cell, b.view, b.cell));
  }
}

// Both runs and what the gate makes of them; `titled`: the table of samples has its head.
struct Sides {
  Side a;
  Side b;
  EvidenceView view_a;
  EvidenceView view_b;
  bool titled = false;
};

void require_comparable(const CellHeader& first, const CellHeader& second) {
  if (first.family != second.family) {
    throw Error("cell `" + first.name + "` is of family " + std::string(to_string(first.family)) +
                ", and `" + second.name + "` of " + std::string(to_string(second.family)) +
                "; compare cells of one family");
  }
  if (first.family != Family::kEvasion) return;
  for (const char* metric : {"robust_accuracy", "median_distance"}) {
    if (has_metric(first, metric) && has_metric(second, metric)) return;
  }
  throw Error("cell `" + first.name + "` and cell `" + second.name +
              "`: one has no radius, and the other no distances; give the entry without one `eps`");
}

void compare_cells(Sides& sides, const CellHeader& first, const CellHeader& second) {
  const Place a{sides.view_a, *sides.view_a.find(first.name)};
  const Place b{sides.view_b, *sides.view_b.find(second.name)};
  const std::string robust = "robust_accuracy";
  if (has_metric(first, robust) && has_metric(second, robust)) {
    if (!sides.titled) {
      std::printf("%-20s %6s %8s %8s %8s %18s %5s %5s\n", "robust accuracy", "n", "A", "B", "A-B",
                  "95 % one-sided", "lost", "won");
    }
    sides.titled = true;
    compare_samples(a, b);
    const std::string median = "median_distance";
    if (has_metric(first, median) && has_metric(second, median)) {
      compare_distances(a, b);
      sides.titled = false;
    }
  } else {
    std::printf("%-28s %9s  95 %% one-sided\n", name_of(first, second).c_str(), "value");
    sides.titled = false;
    if (first.family == Family::kExtraction) {
      compare_thefts(a, b);
    } else if (first.family == Family::kMembership) {
      compare_scores(a, b);
    } else {
      compare_distances(a, b);
    }
  }
  print_key_differences(first, second);
}

ExitCode compare(const std::string& left, const std::string& right) {
  Sides sides{open_side(left), open_side(right), {}, {}};
  const auto pairs = pairs_of(sides.a, sides.b);
  // Before half a table is printed.
  for (const auto& [cell, other] : pairs) require_comparable(*cell, *other);
  sides.view_a = view_evidence(sides.a.evidence);
  sides.view_b = view_evidence(sides.b.evidence);
  std::printf("A %s\nB %s\n", sides.a.evidence.header.model.path.c_str(),
              sides.b.evidence.header.model.path.c_str());
  for (const auto& [cell, other] : pairs) compare_cells(sides, *cell, *other);
  return ExitCode::kPass;
}

}  // namespace

Command add_compare(CLI::App& app) {
  auto left = std::make_shared<std::string>();
  auto right = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(
      "compare", "compare two runs, cell by cell, on the samples that are in both");
  command->add_option("a", *left, "FOLDER or FOLDER:CELL")->required()->type_name("");
  command->add_option("b", *right, "FOLDER or FOLDER:CELL")->required()->type_name("");
  return {command, [left, right] { return compare(*left, *right); }};
}

}  // namespace assay
