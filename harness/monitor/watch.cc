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

// A stream cut into equal parts, one after the other, each from nothing.
struct Parts {
  Alarms all;  // their sum, at their places in the stream; without `beyond`
  // Each, and then, if asked for, those that lie half in one of them and half in the next.
  std::vector<Window> windows;
  std::vector<std::vector<int8_t>> beyond;  // of each window
  AlarmRate rate() const { return {all.checks, all.raised}; }
};

Alarms add_window(const Detector& detector, const QueryView& queries, int64_t begin, int64_t end,
                  Parts* parts) {
  Alarms alarms = detector(part_of(queries, begin, end));
  parts->windows.push_back({begin, end, {alarms.checks, alarms.raised}});
  parts->beyond.push_back(alarms.beyond);
  return alarms;
}

Parts in_parts(const Detector& detector, const QueryView& queries, int64_t parts, bool halfway) {
  Parts result;
  const auto place = [&](int64_t halves) { return queries.size() * halves / (2 * parts); };
  for (int64_t i = 0; i < parts; ++i) {
    const int64_t begin = place(2 * i);
    const Alarms part = add_window(detector, queries, begin, place(2 * i + 2), &result);
    for (const int64_t position : part.queries) result.all.queries.push_back(begin + position);
    result.all.threshold = part.threshold;
    result.all.checks += part.checks;
    result.all.raised += part.raised;
  }
  for (int64_t i = 1; halfway && i < parts; ++i) {
    add_window(detector, queries, place(2 * i - 1), place(2 * i + 1), &result);
  }
  return result;
}

// The same for as many whole streams of that length as there is benign traffic for, one at least.
Parts in_streams(const Detector& detector, const QueryView& benign, int64_t length, bool halfway) {
  const int64_t streams = std::max<int64_t>(1, benign.size() / std::max<int64_t>(1, length));
  return in_parts(detector, part_of(benign, 0, std::min(benign.size(), streams * length)), streams,
                  halfway);
}

// The least p-value of some windows, and how many there were to choose from.
struct Least {
  double p_value = 1;
  std::optional<Window> window;
  int64_t tests = 0;

  void take(const Window& next, double p) {
    ++tests;
    if (p >= p_value) return;
    p_value = p;
    window = next;
  }
  double corrected() const { return std::min(1.0, p_value * static_cast<double>(tests)); }
};

Least of_parts(const std::vector<Window>& parts, const AlarmRate& benign) {
  Least least;
  for (const Window& part : parts) least.take(part, fisher_p_value(part.rate, benign));
  return least;
}

int64_t most_raised(const std::vector<Window>& windows) {
  int64_t most = 0;
  for (const Window& window : windows) most = std::max(most, window.rate.raised);
  return most;
}

// Windows of `length` queries of a stream, each half over the next; the last one ends with it.
std::vector<Window> windows_of(const std::vector<int8_t>& beyond, int64_t length, int64_t offset) {
  const auto n = static_cast<int64_t>(beyond.size());
  std::vector<AlarmRate> before(1);  // of the first i queries
  for (const int8_t each : beyond) {
    before.push_back({before.back().checks + (each >= 0), before.back().raised + (each > 0)});
  }
  std::vector<Window> windows;
  for (int64_t begin = 0; begin < n; begin += length / 2) {
    const int64_t first = std::min(begin, std::max<int64_t>(0, n - length));
    const int64_t last = std::min(n, first + length);
    const AlarmRate& from = before[static_cast<size_t>(first)];
    const AlarmRate& to = before[static_cast<size_t>(last)];
    windows.push_back(
        {offset + first, offset + last, {to.checks - from.checks, to.raised - from.raised}});
    if (last == n) break;
  }
  return windows;
}

// What is beyond the threshold in windows of many lengths, against benign queries that had as many
// before them as the window's first or more: the more there were, the more often one is near.
Least scan(const Parts& log, const Parts& benign) {
  constexpr int64_t kShortest = 32;
  std::vector<AlarmRate> after;  // of all streams, from their i-th query on
  for (const std::vector<int8_t>& stream : benign.beyond) {
    AlarmRate sum;
    after.resize(std::max(after.size(), stream.size()));
    for (size_t i = stream.size(); i-- > 0;) {
      sum.checks += stream[i] >= 0;
      sum.raised += stream[i] > 0;
      after[i].checks += sum.checks;
      after[i].raised += sum.raised;
    }
  }
  size_t longest = 0;
  for (const std::vector<int8_t>& part : log.beyond) longest = std::max(longest, part.size());
  Least least;
  for (int64_t length = kShortest; length <= static_cast<int64_t>(longest); length *= 2) {
    int64_t most = 0;
    for (const std::vector<int8_t>& stream : benign.beyond) {
      most = std::max(most, most_raised(windows_of(stream, length, 0)));
    }
    for (size_t i = 0; i < log.beyond.size(); ++i) {
      const int64_t offset = log.windows[i].begin;
      for (const Window& window : windows_of(log.beyond[i], length, offset)) {
        const auto first = static_cast<size_t>(window.begin - offset);
        const AlarmRate expected = first < after.size() ? after[first] : AlarmRate();
        const bool tells = window.rate.raised > most && expected.checks > 0;
        least.take(window, tells ? fisher_p_value(window.rate, expected) : 1);
      }
    }
  }
  return least;
}

// Parts of 500 queries, and ever longer ones, each from nothing.
Least shorter_parts(const Detector& detector, const QueryView& log, const QueryView& benign,
                    int64_t parts) {
  constexpr int64_t kShortest = 500;
  Least least;
  for (int64_t pieces = log.size() / kShortest; pieces > parts; pieces /= 2) {
    const Parts found = in_parts(detector, log, pieces, true);
    const Parts expected = in_streams(detector, benign, log.size() / pieces, true);
    const int64_t most = most_raised(expected.windows);
    for (const Window& part : found.windows) {
      const bool tells = part.rate.raised > most && expected.all.checks > 0;
      least.take(part, tells ? fisher_p_value(part.rate, expected.rate()) : 1);
    }
  }
  return least;
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
    } else if (result.alarms.beyond.empty()) {
      result.reason = "judged as a whole only, in which others' queries hide an attack";
    }
    return result;
  }
  const int64_t parts = std::max<int64_t>(1, (log.size() + benign.size() - 1) / benign.size());
  const Parts found = in_parts(detector, log, parts, true);
  result.alarms = found.all;
  if (result.alarms.checks == 0) {
    result.reason = parts == 1 ? "too few queries"
                               : "too few benign queries: the log is judged in parts as long as "
                                 "their stream";
    return result;
  }
  const Parts expected = in_streams(detector, benign, log.size() / parts, false);
  result.benign = expected.rate();
  if (result.benign.checks == 0) {
    result.reason = "too few benign queries to tell how often they are an alarm";
    return result;
  }
  Least least;  // of the tests that share the level
  least.take({}, fisher_p_value(found.rate(), result.benign));
  least.window.reset();
  const auto take = [&least](const Least& test) {
    if (test.tests > 0) least.take(test.window.value_or(Window()), test.corrected());
  };
  if (parts > 1) take(of_parts(found.windows, result.benign));
  const bool one_by_one = !found.beyond.front().empty();
  take(one_by_one ? scan(found, expected) : shorter_parts(detector, log, benign, parts));
  result.alarm = least.corrected() <= alpha;
  // Were every check of one part an alarm, would that be seen?
  AlarmRate most;
  for (const Window& part : found.windows) most.checks = std::max(most.checks, part.rate.checks);
  most.raised = most.checks;
  const auto tests = static_cast<double>(least.tests) * static_cast<double>(found.windows.size());
  const double best = tests * fisher_p_value(most, result.benign);
  if (!result.alarm && best > alpha) {
    result.reason = "too few queries, or benign ones, to tell " + std::to_string(most.checks) +
                    " alarms in " + std::to_string(most.checks) + " checks from " +
                    std::to_string(result.benign.raised) + " in " +
                    std::to_string(result.benign.checks) + " that benign traffic raises";
    return result;
  }
  result.p_value = least.corrected();
  result.window = least.window;
  return result;
}

}  // namespace assay
