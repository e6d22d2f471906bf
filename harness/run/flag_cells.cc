// What a plan itself tells of its cells, before any of them has run.
#include <algorithm>
#include <array>

#include "harness/run/keys.h"

namespace assay {
namespace {

// The share of eps that the feature may move by that may move most.
double largest_share(const ThreatModel& threat) {
  double largest = 0;
  for (size_t i = 0; i < threat.feature_scale.size(); ++i) {
    const auto feature = static_cast<int64_t>(i);
    if (std::binary_search(threat.fixed.begin(), threat.fixed.end(), feature)) continue;
    largest = std::max(largest, threat.feature_scale[i]);
  }
  return threat.feature_scale.empty() ? 1 : largest;
}

// The least or the largest radius of the cell's samples, in the feature that moves most, where that
// is nothing like the box: under 0.1 % of it, or over 50 %.
std::optional<double> odd_radius(const CellHeader& cell, double width) {
  if (!cell.threat.eps || cell.threat.norm != Norm::kLinf) return {};
  const double eps = *cell.threat.eps * largest_share(cell.threat);
  std::array<double, 2> radii = {eps, eps};
  if (!cell.sample_scale.empty()) {
    const auto [least, most] =
        std::minmax_element(cell.sample_scale.begin(), cell.sample_scale.end());
    radii = {*least * eps, *most * eps};
  }
  for (const double radius : radii) {
    if (radius < 0.001 * width || radius > 0.5 * width) return radius;
  }
  return {};
}

}  // namespace

void flag_cells(const Suite& suite, Header* header) {
  const double width = suite.model.hi - suite.model.lo;
  for (const CellHeader& cell : header->cells) {
    if (const std::optional<double> eps = odd_radius(cell, width)) {
      header->flags.push_back(
          {"eps_scale", cell.name,
           "eps " + number_text(*eps) +
               (cell.threat.feature_scale.empty() ? "" : " of the feature that moves most") +
               (cell.sample_scale.empty() ? " is " : " of a sample is ") +
               number_text(100 * *eps / width) + " % of the box [" + number_text(suite.model.lo) +
               ", " + number_text(suite.model.hi) + "]",
           "eps is in the units of model.input.range, before normalisation"});
    }
    for (const auto& [name, value] : cell.params) {
      // A stage's parameters are named stage.parameter.
      const std::string leaf = name.substr(name.rfind('.') + 1);
      if (suite.model.classes < 4 && leaf == "loss" && value == ParamValue(std::string("dlr"))) {
        header->flags.push_back({"few_classes", cell.name,
                                 "the DLR loss needs 4 classes, the model has " +
                                     std::to_string(suite.model.classes) +
                                     "; the margin loss stood in for it",
                                 "say loss: margin, which is what was run"});
        break;
      }
    }
  }
}

}  // namespace assay
