#include "harness/run/replays.h"

#include <functional>
#include <map>
#include <memory>

#include "harness/monitor/replay.h"

namespace assay {
namespace {

// Chance that a monitor is said to have noticed a thief whose queries look like benign ones.
constexpr double kNoticed = 0.01;

Monitored row_of(const Efficacy& seen, int64_t seed) {
  return {.monitor = seen.monitor,
          .seed = seed,
          .attack_queries = seen.attack_queries,
          .mixed = seen.mixed,
          .checks = seen.checks,
          .flagged = seen.flagged,
          .queries_to_alarm = seen.queries_to_alarm.value_or(-1),
          .benign_queries = seen.benign_queries,
          .false_alarms = seen.false_alarms,
          .threshold = seen.threshold,
          .noticed = seen.noticed,
          .failure = ""};
}

// The same detector, which keeps what it says of benign traffic: every replay asks anew. `benign`
// must outlive it.
Detector remembering(Detector detector, const QueryView& benign) {
  using Part = std::pair<const float*, size_t>;
  const auto kept = std::make_shared<std::map<Part, Alarms>>();
  return [detector = std::move(detector), benign, kept](const QueryView& queries) {
    const float* first = queries.inputs.data();
    const std::less<const float*> before;
    const float* begin = benign.inputs.data();
    if (before(first, begin) || !before(first, begin + benign.inputs.size())) {
      return detector(queries);
    }
    const auto [found, added] = kept->try_emplace(Part(first, queries.inputs.size()));
    if (added) found->second = detector(queries);
    return found->second;
  };
}

}  // namespace

std::vector<Monitored> replay_all(const Suite& suite, const Audit& audit, const Model& model,
                                  const Victim& victim, int64_t seed) {
  const std::vector<int64_t>& all = audit.benign->indices;
  const BenignSplit split = split_benign(static_cast<int64_t>(all.size()), suite.seed);
  const int64_t width = entries_of(suite.model.shape);
  const auto stream_of = [width](const at::Tensor& x, const at::Tensor& labels) {
    const at::Tensor rows = x.to(at::kFloat).contiguous();
    const float* value = rows.const_data_ptr<float>();
    const int64_t* label = labels.const_data_ptr<int64_t>();
    QueryStream stream;
    stream.inputs.assign(value, value + rows.numel());
    stream.width = width;
    stream.labels.assign(label, label + labels.size(0));
    return stream;
  };
  // Benign users meet the same API.
  const auto read = [&](const std::vector<int64_t>& positions) {
    std::vector<int64_t> indices;
    for (const int64_t position : positions) {
      indices.push_back(all[static_cast<size_t>(position)]);
    }
    Victim api(model, victim.surface(), static_cast<int64_t>(positions.size()), suite.seed);
    api.query(audit.benign->dataset->read(indices));
    return stream_of(api.asked(), api.labels());
  };
  const QueryStream reference = read(split.reference);
  const QueryStream traffic = read(split.traffic);
  const QueryStream attack = stream_of(victim.asked(), victim.labels());
  check_magnitudes(reference.view(), "data." + suite.monitors->benign);
  check_magnitudes(traffic.view(), "data." + suite.monitors->benign);
  check_magnitudes(attack.view(), "the thief's queries");
  const Watch watch{reference.view(), suite.model.lo, suite.model.hi, suite.seed};
  std::vector<Monitored> rows;
  for (const DetectorSpec& spec : suite.monitors->detectors) {
    const Detector detector = remembering(make_detector(spec, watch), traffic.view());
    const Efficacy mixed = replay(spec.name, detector, attack.view(), traffic.view(),
                                  suite.monitors->benign_share, suite.seed, kNoticed);
    // A monitor that watches each client by himself meets the thief's queries without others.
    rows.push_back(row_of(
        replay(spec.name, detector, attack.view(), traffic.view(), 0, suite.seed, kNoticed), seed));
    if (mixed.mixed > 0) rows.push_back(row_of(mixed, seed));
  }
  return rows;
}

}  // namespace assay
