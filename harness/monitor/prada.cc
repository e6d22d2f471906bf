// PRADA: Juuti, Szyller, Marchal & Asokan, PRADA: Protecting Against DNN Model Stealing Attacks,
// EuroS&P 2019, arXiv:1805.02628, section 5.2. Reference: the authors' GrowingDistanceAgent
// (SSGAalto/prada-protecting-against-dnn-model-stealing-attacks, src/growing_set.py), whose
// behaviour this is:
// - The first query of a class opens the class's growing set and has no distance. Every other one
//   records its least distance to the set, and joins the set where that exceeds the class's
//   threshold, which then becomes the larger of itself and mean − standard deviation (of the
//   population) of the distances with which the members joined, 0 for the first.
// - At queries 0, 10, 20, … (`every`) the distances of all classes that have 10 or more are pooled,
//   those 3 standard deviations or more from their mean dropped, and, where over 100 stay, their
//   Shapiro–Wilk W is taken. The alarm stands while W < delta, until the next check.
// - Where all distances are equal the outlier rule drops every one, and there is no check: a stream
//   of one repeated query passes.
// Queries taken from natural data are not artificial in this sense and pass, whatever their
// purpose. Cost: a query is compared with its class's growing set.
#include <cmath>
#include <map>

#include "harness/monitor/distance.h"
#include "harness/monitor/monitor.h"
#include "harness/monitor/shapiro_wilk.h"

namespace assay {
namespace {

constexpr size_t kLeastOfClass = 10;
constexpr size_t kMoreThan = 100;
constexpr double kOutlier = 3;  // standard deviations

struct Moments {
  double mean = 0;
  double deviation = 0;  // of the population
};

Moments moments_of(const std::vector<double>& values) {
  Moments moments;
  for (const double value : values) moments.mean += value;
  moments.mean /= static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - moments.mean) * (value - moments.mean);
  moments.deviation = std::sqrt(squares / static_cast<double>(values.size()));
  return moments;
}

// What is known of one predicted class.
struct ClassHistory {
  std::vector<int64_t> set;     // positions of the growing set
  std::vector<double> joined;   // their distances when they joined
  double threshold = 0;         // of joining
  std::vector<double> nearest;  // least distances of all queries but the first
};

void record(const QueryView& queries, int64_t position, ClassHistory& history) {
  double least = 0;
  if (!history.set.empty()) {
    least = INFINITY;
    for (const int64_t member : history.set) {
      least = std::min(least, distance(queries.row(position), queries.row(member)));
    }
    history.nearest.push_back(least);
    if (!(least > history.threshold)) return;
  }
  history.set.push_back(position);
  history.joined.push_back(least);
  const Moments moments = moments_of(history.joined);
  history.threshold = std::max(history.threshold, moments.mean - moments.deviation);
}

// The distances that are tested for normality.
std::vector<double> pooled(const std::map<int64_t, ClassHistory>& classes) {
  std::vector<double> all;
  for (const auto& [label, history] : classes) {
    if (history.nearest.size() < kLeastOfClass) continue;
    all.insert(all.end(), history.nearest.begin(), history.nearest.end());
  }
  if (all.size() <= kMoreThan) return {};
  const Moments moments = moments_of(all);
  std::erase_if(all, [&](double value) {
    return !(std::abs(value - moments.mean) < kOutlier * moments.deviation);
  });
  return all;
}

Alarms watch_distances(const QueryView& queries, double delta, int64_t every) {
  std::map<int64_t, ClassHistory> classes;
  Alarms alarms;
  alarms.threshold = delta;
  bool stands = false;
  for (int64_t i = 0; i < queries.size(); ++i) {
    record(queries, i, classes[queries.labels[static_cast<size_t>(i)]]);
    if (i % every == 0) {
      std::vector<double> distances = pooled(classes);
      if (distances.size() > kMoreThan) {
        stands = shapiro_wilk(std::move(distances)) < delta;
        ++alarms.checks;
        alarms.raised += stands ? 1 : 0;
      }
    }
    if (stands) alarms.queries.push_back(i);
  }
  return alarms;
}

}  // namespace

Monitor prada() {
  Monitor monitor;
  monitor.info.name = "prada";
  monitor.info.summary =
      "are the distances between a class's queries normally distributed, as those of natural data "
      "tend to be?";
  monitor.info.paper =
      "Juuti, Szyller, Marchal, Asokan: PRADA: Protecting Against DNN Model Stealing Attacks, "
      "EuroS&P 2019, arXiv:1805.02628";
  monitor.bind = [](Params& params, int64_t) {
    const double delta =
        params.number("delta", 0.9, {0, 1}, "the alarm stands while Shapiro-Wilk W is under this");
    const int64_t every =
        params.integer("every", 10, {1, 1e6}, "queries from one check to the next");
    return Prepared{.by_label = true, .make = [delta, every](const Watch&) -> Detector {
                      return [delta, every](const QueryView& queries) {
                        return watch_distances(queries, delta, every);
                      };
                    }};
  };
  return monitor;
}

}  // namespace assay
