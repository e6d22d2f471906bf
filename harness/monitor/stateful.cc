// Stateful detection: Chen, Carlini & Wagner, Stateful Detection of Black-Box Adversarial Attacks,
// 2019, arXiv:1907.05587, section 4. Reference: schoyc/blackbox-detection, detection.py, its
// L2Detector: distances are those of the raw inputs, not of a learned encoder's outputs.
// A query is an alarm where the mean distance to its 50 nearest earlier queries is under the
// threshold; an alarm clears the memory, that query included, and until 50 queries are remembered
// again nothing is judged. Without a threshold, 0.1 % of a benign reference lie under it.
// Deviation: the reference code counts each calibration record as its own first neighbour, at
// distance 0; here a record's neighbours are 50 others, which is the statistic that queries meet.
// A memory longer than the calibration set has nearer neighbours, so that false alarms rise then.
// Cost: each query is compared with all that are remembered.
#include <algorithm>
#include <cmath>

#include "harness/monitor/distance.h"
#include "harness/monitor/monitor.h"

namespace assay {
namespace {

constexpr int64_t kBlock = 128;  // queries whose distances are held at a time

struct Candidate {
  float square = 0;
  int64_t position = 0;
};

// Mean distance of a query to its `neighbours` nearest among the candidates, at least as many.
double mean_nearest(std::span<const float> query, const QueryView& others, int64_t neighbours,
                    std::vector<Candidate>& candidates) {
  const auto last = candidates.begin() + neighbours;
  std::nth_element(candidates.begin(), last - 1, candidates.end(),
                   [](const Candidate& a, const Candidate& b) {
                     return a.square != b.square ? a.square < b.square : a.position < b.position;
                   });
  double sum = 0;
  for (auto it = candidates.begin(); it != last; ++it) {
    sum += distance(query, others.row(it->position));
  }
  return sum / static_cast<double>(neighbours);
}

// The percentile of values, interpolated between the two around it.
double percentile(std::vector<double> values, double percent) {
  std::sort(values.begin(), values.end());
  const double place = percent / 100 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - std::floor(place)) * (values[above] - values[below]);
}

// `percent` of the reference lies under it: each record against all others, which must be as many
// as the neighbours.
double calibrate(const QueryView& reference, int64_t neighbours, double percent,
                 std::span<const float> origin) {
  const int64_t n = reference.size();
  std::vector<double> means;
  std::vector<Candidate> candidates;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = std::min(n, begin + kBlock);
    const std::vector<float> squares =
        rough_squares(reference, begin, end, reference, 0, n, origin);
    for (int64_t i = begin; i < end; ++i) {
      candidates.clear();
      const float* row = squares.data() + (i - begin) * n;
      for (int64_t j = 0; j < n; ++j) {
        if (j != i) candidates.push_back({row[j], j});
      }
      means.push_back(mean_nearest(reference.row(i), reference, neighbours, candidates));
    }
  }
  return percentile(std::move(means), percent);
}

// `origin` [width]: see rough_squares; empty for the first query.
Alarms watch(const QueryView& queries, int64_t neighbours, double threshold,
             std::span<const float> origin) {
  Alarms alarms;
  alarms.threshold = threshold;
  alarms.beyond.assign(static_cast<size_t>(queries.size()), -1);
  if (origin.empty() && queries.size() > 0) origin = queries.row(0);
  int64_t remembered = 0;  // position of the first query in memory
  std::vector<Candidate> candidates;
  for (int64_t begin = 0; begin < queries.size(); begin += kBlock) {
    const int64_t end = std::min(queries.size(), begin + kBlock);
    const std::vector<float> squares = rough_squares(queries, begin, end, queries, 0, end, origin);
    for (int64_t i = begin; i < end; ++i) {
      const float* row = squares.data() + (i - begin) * end;
      const auto near = [&](int64_t first) {
        candidates.clear();
        for (int64_t j = first; j < i; ++j) candidates.push_back({row[j], j});
        return mean_nearest(queries.row(i), queries, neighbours, candidates) < threshold;
      };
      if (i < neighbours) continue;
      const bool beyond = near(0);
      alarms.beyond[static_cast<size_t>(i)] = beyond ? 1 : 0;
      if (i - remembered < neighbours) continue;
      ++alarms.checks;
      // Who remembers less has no nearer neighbours.
      if (!beyond || (remembered > 0 && !near(remembered))) continue;
      alarms.queries.push_back(i);
      ++alarms.raised;
      remembered = i + 1;
    }
  }
  return alarms;
}

}  // namespace

Monitor stateful() {
  Monitor monitor;
  monitor.info.name = "stateful";
  monitor.info.summary = "is a query nearer to earlier ones than benign queries are to each other?";
  monitor.info.paper =
      "Chen, Carlini, Wagner: Stateful Detection of Black-Box Adversarial Attacks, 2019, "
      "arXiv:1907.05587";
  monitor.bind = [](Params& params, int64_t) {
    const int64_t neighbours =
        params.integer("neighbours", 50, {1, 1e6}, "earlier queries that are averaged over");
    const std::optional<double> threshold = params.optional_number(
        "threshold", {0},
        "alarm where the mean l2 distance is under this; calibrated with benign queries");
    const double percent = params.number(
        "percentile", 0.1, {0, 100}, "of benign queries that the calibrated threshold alarms on");
    const int64_t least = threshold ? 0 : neighbours + 1;
    return Prepared{.least_reference = least, .make = [=](const Watch& given) -> Detector {
                      std::vector<float> origin;
                      if (given.reference.size() > 0) origin = mean_of(given.reference);
                      const double limit =
                          threshold ? *threshold
                                    : calibrate(given.reference, neighbours, percent, origin);
                      return [=](const QueryView& queries) {
                        return watch(queries, neighbours, limit, origin);
                      };
                    }};
  };
  return monitor;
}

}  // namespace assay
