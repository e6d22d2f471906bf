#include "harness/monitor/replay.h"

#include <algorithm>
#include <cmath>

#include "harness/monitor/random.h"
#include "harness/monitor/watch.h"

namespace assay {
namespace {

// Counters of independent draws from one seed.
constexpr uint64_t kPlaces = 0x706c61636573;
constexpr uint64_t kChoice = 0x63686f696365;
constexpr uint64_t kSplit = 0x73706c6974;

struct Mix {
  QueryStream stream;
  std::vector<bool> attacks;  // by position
};

void append(const QueryView& from, int64_t position, QueryStream& to) {
  const std::span<const float> row = from.row(position);
  to.inputs.insert(to.inputs.end(), row.begin(), row.end());
  to.labels.push_back(from.labels[static_cast<size_t>(position)]);
}

Mix mix(const QueryView& attack, const QueryView& benign, double benign_share, uint64_t seed) {
  const double asked = static_cast<double>(attack.size()) * benign_share / (1 - benign_share);
  const int64_t count = std::min(benign.size(), static_cast<int64_t>(std::llround(asked)));
  const int64_t total = attack.size() + count;
  Mix result;
  result.stream.width = attack.width;
  result.stream.inputs.reserve(static_cast<size_t>(total * attack.width));
  const std::vector<int64_t> places = shuffled(total, random_bits(seed, kPlaces));
  const std::vector<int64_t> chosen = shuffled(benign.size(), random_bits(seed, kChoice));
  int64_t sent = 0;
  size_t next = 0;
  for (const int64_t place : places) {
    const bool is_attack = place < attack.size();
    result.attacks.push_back(is_attack);
    if (is_attack) {
      append(attack, sent++, result.stream);
    } else {
      append(benign, chosen[next++], result.stream);
    }
  }
  return result;
}

}  // namespace

Efficacy replay(const std::string& name, const Detector& detector, const QueryView& attack,
                const QueryView& benign, double benign_share, uint64_t seed, double alpha) {
  ASSAY_CHECK(benign_share >= 0 && benign_share < 1, "benign_share must lie in [0, 1)");
  ASSAY_CHECK(benign.size() == 0 || attack.size() == 0 || attack.width == benign.width,
              "attack and benign queries differ in width");
  Efficacy efficacy;
  efficacy.monitor = name;
  efficacy.attack_queries = attack.size();
  const Mix sent = mix(attack, benign, benign_share, seed);
  efficacy.mixed = static_cast<int64_t>(sent.attacks.size()) - attack.size();
  const Alarms alarms = detector(sent.stream.view());
  efficacy.checks = alarms.checks;
  efficacy.threshold = alarms.threshold;
  const auto sent_before = [&sent](int64_t position) {
    return std::count(sent.attacks.begin(), sent.attacks.begin() + position, true);
  };
  for (const int64_t position : alarms.queries) {
    if (!sent.attacks[static_cast<size_t>(position)]) continue;
    if (++efficacy.flagged == 1) efficacy.queries_to_alarm = sent_before(position + 1);
  }
  efficacy.benign_queries = benign.size();
  if (benign.size() == 0) return efficacy;
  const WatchResult watched = watch_log(name, detector, sent.stream.view(), benign, alpha);
  if (watched.p_value) efficacy.noticed = watched.alarm;
  if (watched.alarm && efficacy.flagged == 0) {
    const auto all = static_cast<int64_t>(sent.attacks.size());
    efficacy.queries_to_alarm = sent_before(watched.window ? watched.window->end : all);
  }
  efficacy.false_alarms = static_cast<int64_t>(detector(benign).queries.size());
  return efficacy;
}

BenignSplit split_benign(int64_t n, uint64_t seed) {
  const std::vector<int64_t> order = shuffled(n, random_bits(seed, kSplit));
  BenignSplit split;
  split.reference.assign(order.begin(), order.begin() + n / 2);
  split.traffic.assign(order.begin() + n / 2, order.end());
  std::sort(split.reference.begin(), split.reference.end());
  std::sort(split.traffic.begin(), split.traffic.end());
  return split;
}

}  // namespace assay
