// Which cells a selector covers, and which metrics a cell has.
#include <algorithm>

#include "harness/suite/suite.h"

namespace assay {
namespace {

bool matches(std::string_view glob, std::string_view text) {
  size_t g = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;  // the last `*` seen, and where its match began
  size_t resume = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      resume = t;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

}  // namespace

bool is_glob(std::string_view selector) {
  return selector.find_first_of("*?") != std::string_view::npos;
}

bool selects(std::string_view selector, std::string_view cell) {
  if (matches(selector, cell)) return true;
  // The same radius in another spelling: pgd@0.10, pgd@1/10. A name has no `@`.
  const size_t at = selector.rfind('@');
  const size_t cell_at = cell.rfind('@');
  if (at == std::string_view::npos || cell_at == std::string_view::npos) return false;
  double wanted = 0;
  double eps = 0;
  return parse_number(selector.substr(at + 1), &wanted) &&
         parse_number(cell.substr(cell_at + 1), &eps) && wanted == eps &&
         matches(selector.substr(0, at), cell.substr(0, cell_at));
}

std::vector<int64_t> budgets_of(const ParamMap& params) {
  const auto budgets = params.find("budgets");
  if (budgets == params.end()) return {};
  const auto* list = std::get_if<std::vector<int64_t>>(&budgets->second);
  return list == nullptr ? std::vector<int64_t>() : *list;
}

std::vector<std::string> extraction_metrics(const ParamMap& params) {
  std::vector<std::string> names;
  const std::vector<int64_t> budgets = budgets_of(params);
  for (const char* metric : kExtractionMetrics) {
    for (const int64_t budget : budgets) {
      names.push_back(std::string(metric) + "@" + std::to_string(budget));
    }
  }
  return names;
}

std::vector<std::string> metric_names(const AttackSpec& spec, bool minimum_norm) {
  switch (spec.family) {
    case Family::kEvasion: {
      std::vector<std::string> names = {"clean_accuracy", "attack_success"};
      if (!spec.eps.empty() || spec.threat.unbounded)
        names.insert(names.begin() + 1, "robust_accuracy");
      if (minimum_norm) names.push_back("median_distance");
      return names;
    }
    case Family::kMembership:
      return {"auc", "advantage", "tpr_at_fpr_0.01", "tpr_at_fpr_0.001", "epsilon_lower"};
    case Family::kExtraction:
      return extraction_metrics(spec.params);
  }
  return {};
}

}  // namespace assay
