#include "harness/monitor/monitor.h"

namespace assay {

Monitor blacklight();
Monitor prada();
Monitor stateful();

std::vector<Monitor> monitor_table() {
  std::vector<Monitor> table = {blacklight(), prada(), stateful()};
  for (Monitor& monitor : table) {
    monitor.info.declare = [bind = monitor.bind](Params& params, int64_t width) {
      bind(params, width);
    };
  }
  return table;
}

std::string monitor_version() { return ASSAY_MONITOR_VERSION; }

std::vector<MonitorInfo> monitor_infos() {
  std::vector<MonitorInfo> infos;
  for (const Monitor& monitor : monitor_table()) infos.push_back(monitor.info);
  return infos;
}

Detector make_detector(const DetectorSpec& spec, const Watch& watch) {
  for (const Monitor& monitor : monitor_table()) {
    if (monitor.info.name != spec.monitor) continue;
    Params params = params_of(spec);
    const auto prepare = monitor.bind(params, watch.reference.width);
    try {
      return prepare(watch);
    } catch (const Error& error) {
      throw Error(spec.where, error.what());
    }
  }
  check_failed(__FILE__, __LINE__, "spec.monitor", "no monitor `" + spec.monitor + "`");
}

}  // namespace assay
