// assay compare: two runs, sample by sample.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>

#include "harness/cli/commands.h"
#include "harness/gate/extraction.h"
#include "harness/gate/membership.h"
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

// Verdicts of a cell by sample id and content digest.
std::map<std::string, Status> statuses(const Side& side, const CellHeader& cell) {
  std::map<std::string, Status> found;
  for (const std::optional<Verdict>& row : side.evidence.rows(cell)) {
    if (!row) continue;
    const SampleInfo& sample = side.evidence.header.samples[static_cast<size_t>(row->sample)];
    found[sample.id + '\n' + sample.digest] = row->status;
  }
  return found;
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

void compare_samples(const Side& a, const CellHeader& first, const Side& b,
                     const CellHeader& second) {
  const std::map<std::string, Status> left = statuses(a, first);
  const std::map<std::string, Status> right = statuses(b, second);
  int64_t n = 0, lost = 0, won = 0, robust_a = 0, robust_b = 0;
  for (const auto& [sample, status] : left) {
    const auto other = right.find(sample);
    if (other == right.end()) continue;
    const bool in_a = status == Status::kRobust, in_b = other->second == Status::kRobust;
    ++n;
    robust_a += in_a;
    robust_b += in_b;
    lost += in_a && !in_b;
    won += in_b && !in_a;
  }
  const std::string name = name_of(first, second);
  if (n == 0) {
    std::printf("%-20s no sample in common\n", name.c_str());
    return;
  }
  const Interval bounds = tango(lost, won, n, 0.95);
  const auto share = [n](int64_t k) { return static_cast<double>(k) / static_cast<double>(n); };
  std::printf("%-20s %6ld %8.4f %8.4f %+8.4f [%+.4f, %+.4f] %5ld %5ld\n", name.c_str(),
              static_cast<long>(n), share(robust_a), share(robust_b), share(lost - won),
              bounds.lower, bounds.upper, static_cast<long>(lost), static_cast<long>(won));
}

void print_estimate(const char* of, const Estimate& estimate) {
  if (!estimate.value) {
    std::printf("    %-4s %s\n", of, estimate.reason.c_str());
    return;
  }
  const bool difference = std::string_view(of) == "A-B";
  std::printf(
      difference ? "    %-4s %8ld %+9.4f  [%+.4f, %+.4f]\n" : "    %-4s %8ld %9.4f  [%.4f, %.4f]\n",
      of, static_cast<long>(estimate.n), *estimate.value, *estimate.lower, *estimate.upper);
}

void print_metric(const std::string& metric, const Estimate& a, const Estimate& b,
                  const Estimate& difference) {
  std::printf("  %s\n", metric.c_str());
  print_estimate("A", a);
  print_estimate("B", b);
  print_estimate("A-B", difference);
}

constexpr double kConfidence = 0.95;

void compare_thefts(const EvidenceView& a, const CellView& first, const EvidenceView& b,
                    const CellView& second) {
  const std::vector<int64_t> theirs = budgets_of(second.header->params);
  int64_t shared = 0;
  for (const int64_t budget : budgets_of(first.header->params)) {
    if (std::find(theirs.begin(), theirs.end(), budget) == theirs.end()) continue;
    ++shared;
    const ExtractionMetric metric{"agreement", budget};
    print_metric(
        "agreement@" + std::to_string(budget),
        estimate_of(extraction_figure(metric, first, kConfidence)),
        estimate_of(extraction_figure(metric, second, kConfidence)),
        estimate_of(extraction_difference(metric, a, first, b, second, kConfidence).figure));
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

void compare_scores(const EvidenceView& a, const CellView& first, const EvidenceView& b,
                    const CellView& second) {
  for (const char* metric : {"auc", "advantage", "tpr_at_fpr_0.01"}) {
    print_metric(metric, measure_membership(metric, a, first, kConfidence),
                 measure_membership(metric, b, second, kConfidence),
                 membership_difference(metric, a, first, b, second));
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

void require_one_family(const CellHeader& first, const CellHeader& second) {
  if (first.family == second.family) return;
  throw Error("cell `" + first.name + "` is of family " + std::string(to_string(first.family)) +
              ", and `" + second.name + "` of " + std::string(to_string(second.family)) +
              "; compare cells of one family");
}

void compare_cells(Sides& sides, const CellHeader& first, const CellHeader& second) {
  if (first.family == Family::kEvasion) {
    if (!sides.titled) {
      std::printf("%-20s %6s %8s %8s %8s %18s %5s %5s\n", "robust accuracy", "n", "A", "B", "A-B",
                  "95 % one-sided", "lost", "won");
    }
    sides.titled = true;
    compare_samples(sides.a, first, sides.b, second);
  } else {
    std::printf("%-28s %9s  95 %% one-sided\n", name_of(first, second).c_str(), "value");
    const CellView& here = *sides.view_a.find(first.name);
    const CellView& there = *sides.view_b.find(second.name);
    if (first.family == Family::kExtraction) {
      compare_thefts(sides.view_a, here, sides.view_b, there);
    } else {
      compare_scores(sides.view_a, here, sides.view_b, there);
    }
  }
  print_key_differences(first, second);
}

ExitCode compare(const std::string& left, const std::string& right) {
  Sides sides{open_side(left), open_side(right), {}, {}};
  const auto pairs = pairs_of(sides.a, sides.b);
  // Before half a table is printed.
  for (const auto& [cell, other] : pairs) require_one_family(*cell, *other);
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
