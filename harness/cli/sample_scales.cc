#include "harness/cli/sample_scales.h"

#include <filesystem>
#include <map>
#include <string>

#include "harness/model/sample_scale.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// Paths are relative to the suite.
fs::path scales_file(const Suite& suite, const AttackSpec& spec) {
  const fs::path file = suite.file.parent_path() / spec.sample_scale;
  if (fs::is_regular_file(file)) return file;
  throw Error(spec.entry.find("sample_scale")->where,
              "`sample_scale`: no such file: " + file.string());
}

// What loading a suite checks at each eps of an entry, at the radius of one sample.
void check_radius(const AttackSpec& spec, double radius, const std::vector<Attack>& attacks) {
  ThreatModel threat = spec.threat;
  threat.eps = radius;
  if (spec.stages.empty()) bind_entry(spec, threat, attacks);
  for (const AttackSpec& stage : spec.stages) check_radius(stage, radius, attacks);
}

void check_cell(const Cell& cell, const AttackSpec& spec, const SampleScale& scale,
                const fs::path& file, const std::vector<Attack>& attacks) {
  std::map<double, int> lines;  // by share, the first one
  for (size_t i = 0; i < scale.shares.size(); ++i) lines.emplace(scale.shares[i], scale.lines[i]);
  for (const auto& [share, line] : lines) {
    const double radius = share_of_eps(spec.threat.norm, *cell.eps, share);
    const Where where{file.string(), line, 0};
    if (spec.threat.norm == Norm::kL0 && radius < 1) {
      throw Error(where, "a share of " + number_text(share) +
                             " leaves less than one entry of the " + number_text(*cell.eps) +
                             " of cell `" + cell.name + "`; l0 counts changed entries");
    }
    try {
      check_radius(spec, radius, attacks);
    } catch (const Error& error) {
      throw Error(where, "a share of " + number_text(share) + " makes eps " + number_text(radius) +
                             " in cell `" + cell.name + "`: " + error.what());
    }
  }
}

}  // namespace

SampleScales read_sample_scales(const Suite& suite, const std::vector<SampleInfo>& samples,
                                const std::vector<Attack>& attacks) {
  std::map<std::string, SampleScale> read;
  SampleScales scales;
  for (const Cell& cell : suite.cells) {
    const AttackSpec& spec = suite.attacks[cell.spec];
    if (spec.sample_scale.empty()) continue;
    const fs::path file = scales_file(suite, spec);
    if (!read.contains(spec.sample_scale)) {
      read[spec.sample_scale] = read_sample_scale(file, samples);
      scales[spec.sample_scale] = read[spec.sample_scale].shares;
    }
    check_cell(cell, spec, read[spec.sample_scale], file, attacks);
  }
  return scales;
}

}  // namespace assay
