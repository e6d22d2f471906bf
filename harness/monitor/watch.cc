#include "harness/monitor/watch.h"

#include <algorithm>
#include <boost/math/distributions/hypergeometric.hpp>
#include <cmath>

namespace assay {
namespace {

QueryView part_of(const QueryView& queries, int64_t begin, int64_t end) {
  const auto first = static_cast<size_t>(begin);
  const auto count = static_cast<size_t>(end - begin);
  const auto width = static_cast<size_t>(queries.width);
  return {queries.inputs.subspan(first * width, count * width), queries.width,
          queries.labels.subspan(first, count)};
}

void add(const Alarms& part, int64_t begin, Alarms& alarms) {
  for (const int64_t position : part.queries) alarms.queries.push_back(begin + position);
  alarms.threshold = part.threshold;
  alarms.checks += part.checks;
  alarms.raised += part.raised;
}

// One after the other, each from nothing. `rates`: of each.
Alarms in_parts(const Detector& detector, const QueryView& queries, int64_t parts,
                std::vector<AlarmRate>* rates = nullptr) {
  Alarms alarms;
  for (int64_t i = 0; i < parts; ++i) {
    const int64_t begin = queries.size() * i / parts;
    const int64_t end = queries.size() * (i + 1) / parts;
    const Alarms part = detector(part_of(queries, begin, end));
    add(part, begin, alarms);
    if (rates != nullptr) rates->push_back({part.checks, part.raised});
  }
  return alarms;
}

// The least p-value of the parts, by Bonferroni.
double of_parts(const std::vector<AlarmRate>& parts, const AlarmRate& benign) {
  double least = 1;
  for (const AlarmRate& part : parts) least = std::min(least, fisher_p_value(part, benign));
  return std::min(1.0, least * static_cast<double>(parts.size()));
}

}  // namespace

double fisher_p_value(const AlarmRate& log, const AlarmRate& benign) {
  if (log.raised == 0) return 1;
  const auto raised = static_cast<uint64_t>(log.raised + benign.raised);
  const boost::math::hypergeometric_distribution<double> chance(
      raised, static_cast<uint64_t>(log.checks), static_cast<uint64_t>(log.checks + benign.checks));
  // P(X > raised − 1); the least value that X can take has all of them at or above it.
  const int64_t below = log.raised - 1;
  const int64_t least = std::max<int64_t>(0, static_cast<int64_t>(raised) - benign.checks);
  if (below < least) return 1;
  return cdf(complement(chance, static_cast<uint64_t>(below)));
}

WatchResult watch_log(const std::string& name, const Detector& detector, const QueryView& log,
                      const QueryView& benign, double alpha) {
  WatchResult result;
  result.name = name;
  if (benign.size() == 0) {
    result.alarms = detector(log);
    if (result.alarms.checks == 0) {
      result.reason = "too few queries";
    } else if (result.alarms.raised > 0) {
      result.reason = "nothing tells how often benign traffic is an alarm";
    }
    return result;
  }
  const int64_t parts = std::max<int64_t>(1, (log.size() + benign.size() - 1) / benign.size());
  std::vector<AlarmRate> rates;
  result.alarms = in_parts(detector, log, parts, &rates);
  if (result.alarms.checks == 0) {
    result.reason = parts == 1 ? "too few queries"
                               : "too few benign queries: the log is judged in parts as long as "
                                 "their stream";
    return result;
  }
  const int64_t length = std::max<int64_t>(1, log.size() / parts);
  const int64_t streams = std::max<int64_t>(1, benign.size() / length);
  const Alarms expected =
      in_parts(detector, part_of(benign, 0, std::min(benign.size(), streams * length)), streams);
  result.benign = {expected.checks, expected.raised};
  if (expected.checks == 0) {
    result.reason = "too few benign queries to tell how often they are an alarm";
    return result;
  }
  double p_value = fisher_p_value({result.alarms.checks, result.alarms.raised}, result.benign);
  // Two tests share the level. Of one part there is one test.
  const double tests = parts == 1 ? 1 : 2;
  if (parts > 1) p_value = std::min(1.0, tests * std::min(p_value, of_parts(rates, result.benign)));
  result.alarm = p_value <= alpha;
  // Were every check of one part an alarm, would that be seen?
  AlarmRate most;
  for (const AlarmRate& rate : rates) most.checks = std::max(most.checks, rate.checks);
  most.raised = most.checks;
  const double least = tests * static_cast<double>(parts) * fisher_p_value(most, result.benign);
  if (!result.alarm && least > alpha) {
    result.reason = "too few queries, or benign ones, to tell " + std::to_string(most.checks) +
                    " alarms in " + std::to_string(most.checks) + " checks from " +
                    std::to_string(result.benign.raised) + " in " +
                    std::to_string(result.benign.checks) + " that benign traffic raises";
    return result;
  }
  result.p_value = p_value;
  return result;
}

}  // namespace assay
