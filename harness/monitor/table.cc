#include "harness/monitor/monitor.h"
#include "harness/monitor/replay.h"

namespace assay {

Monitor blacklight();
Monitor prada();
Monitor stateful();

namespace {

Monitor find_monitor(const DetectorSpec& spec) {
  for (const Monitor& monitor : monitor_table()) {
    if (monitor.info.name == spec.monitor) return monitor;
  }
  check_failed(__FILE__, __LINE__, "spec.monitor", "no monitor `" + spec.monitor + "`");
}

Prepared prepare(const DetectorSpec& spec, int64_t width) {
  Params params = params_of(spec);
  return find_monitor(spec).bind(params, width);
}

void check_reference(const DetectorSpec& spec, const Prepared& prepared, int64_t reference) {
  if (reference >= prepared.least_reference) return;
  throw Error(spec.where, "monitor `" + spec.monitor + "` calibrates its threshold with " +
                              std::to_string(prepared.least_reference) +
                              " benign queries or more (a half of those that are given), and has " +
                              std::to_string(reference) +
                              "; give it a larger reference, or a threshold");
}

}  // namespace

std::vector<Monitor> monitor_table() {
  std::vector<Monitor> table = {blacklight(), prada(), stateful()};
  for (Monitor& monitor : table) {
    monitor.info.declare = [bind = monitor.bind](Params& params) { bind(params, 0); };
  }
  return table;
}

std::string monitor_version() { return ASSAY_MONITOR_VERSION; }

std::vector<MonitorInfo> monitor_infos() {
  std::vector<MonitorInfo> infos;
  for (const Monitor& monitor : monitor_table()) infos.push_back(monitor.info);
  return infos;
}

void check_detectors(const Suite& suite) {
  if (!suite.monitors) return;
  for (const DetectorSpec& spec : suite.monitors->detectors) {
    prepare(spec, entries_of(suite.model.shape));
  }
}

void check_calibration(const Suite& suite, int64_t benign) {
  if (!suite.monitors) return;
  for (const DetectorSpec& spec : suite.monitors->detectors) {
    const auto reference = static_cast<int64_t>(split_benign(benign, suite.seed).reference.size());
    check_reference(spec, prepare(spec, entries_of(suite.model.shape)), reference);
  }
}

bool looks_at_labels(const DetectorSpec& spec) { return prepare(spec, 0).by_label; }

Detector make_detector(const DetectorSpec& spec, const Watch& watch) {
  const Prepared prepared = prepare(spec, watch.reference.width);
  check_reference(spec, prepared, watch.reference.size());
  return prepared.make(watch);
}

}  // namespace assay
