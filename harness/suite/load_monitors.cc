// monitors: benign traffic, and detectors with parameters bound.
#include <set>

#include "harness/suite/keys.h"
#include "harness/suite/load.h"

namespace assay {
namespace {

const MonitorInfo& find_monitor(const Value& name, std::span<const MonitorInfo> monitors) {
  std::vector<std::string> names;
  for (const MonitorInfo& info : monitors) {
    if (info.name == name.scalar) return info;
    names.push_back(info.name);
  }
  throw Error(name.where, "no monitor `" + name.scalar + "`" + suggest(name.scalar, names));
}

DetectorSpec load_detector(Value& entry, std::span<const MonitorInfo> monitors) {
  check_known(entry, detector_keys(), "a detector");
  const MonitorInfo& info = find_monitor(*entry.find("monitor"), monitors);
  DetectorSpec spec;
  spec.monitor = info.name;
  spec.name = text_at(entry, "name", info.name);
  spec.where = entry.where;
  Params params(entry, names_of(detector_keys()));
  info.declare(params);
  params.finish();
  spec.params = params.values();
  spec.entry = entry;
  return spec;
}

}  // namespace

Params params_of(const DetectorSpec& spec) { return Params(spec.entry, names_of(detector_keys())); }

MonitorsSpec load_monitors(Value& section, const Suite& suite,
                           std::span<const MonitorInfo> monitors) {
  check_section(section, monitors_keys(), "monitors");
  MonitorsSpec spec;
  spec.where = section.where;
  const Value& benign = *section.find("benign");
  spec.benign = benign.scalar;
  if (suite.data.count(spec.benign) == 0) {
    std::vector<std::string> known;
    for (const auto& [name, data] : suite.data) known.push_back(name);
    throw Error(benign.where,
                "`benign` names no data set: `" + spec.benign + "`" + suggest(spec.benign, known));
  }
  if (const Value* share = section.find("benign_share")) {
    spec.benign_share = as_number(*share, "benign_share", Limits{});
  }
  std::set<std::string> names;
  for (Value& entry : section.find("detectors")->list) {
    spec.detectors.push_back(load_detector(entry, monitors));
    const std::string& name = spec.detectors.back().name;
    if (!names.insert(name).second) {
      throw Error(entry.where, "two detectors are named `" + name + "`; give one a `name`");
    }
  }
  return spec;
}

}  // namespace assay
