#include "harness/monitor/monitor.h"

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
    Params params = params_of(spec);
    find_monitor(spec).bind(params, entries_of(suite.model.shape));
  }
}

Detector make_detector(const DetectorSpec& spec, const Watch& watch) {
  Params params = params_of(spec);
  const auto prepare = find_monitor(spec).bind(params, watch.reference.width);
  try {
    return prepare(watch);
  } catch (const Error& error) {
    throw Error(spec.where, error.what());
  }
}

}  // namespace assay
