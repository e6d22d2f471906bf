// The steps of loading a suite, each for one section. Private to this room. Sections are passed
// mutable, because checking marks texts and radii so that `effective` keeps them as spelt.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "harness/suite/suite.h"

namespace assay {

/// `text` relative to the suite's folder.
std::filesystem::path resolve(const std::filesystem::path& folder, const std::string& text);

ModelSpec load_model(Value& section, const std::filesystem::path& folder);
std::map<std::string, DataSpec> load_data(Value& section, const std::filesystem::path& folder);
SampleSpec load_sample(Value& section, const std::filesystem::path& folder);
RunSpec load_run(Value& section);
/// Needs the suite's data.
MonitorsSpec load_monitors(Value& section, const Suite& suite,
                           std::span<const MonitorInfo> monitors);

/// Reads norm, eps, goal and target of an evasion entry into `spec`, which knows if it is bounded.
void load_threat(const Value& entry, const AttackInfo& info, const ModelSpec& model,
                 AttackSpec& spec);

/// Reads what the API of an extraction entry answers into `spec`, and the access that this is.
void load_surface(const Value& entry, const AttackInfo& info, const ModelSpec& model,
                  AttackSpec& spec);

/// Names the data sets of an extraction entry. Throws Error where what its attack sends is missing.
void check_extraction(const Value& entry, const AttackInfo& info, const Suite& suite,
                      AttackSpec& spec);

/// Reads `attacks`, with `defaults` merged into the entries of `root`. Needs the suite's model and
/// data.
std::vector<AttackSpec> load_attacks(Value& root, const Suite& suite,
                                     std::span<const AttackInfo> attacks);
std::vector<Cell> make_cells(const std::vector<AttackSpec>& attacks);
/// Checks what `source` and `references` name, and fills those fields in.
void link_sources(std::vector<AttackSpec>& specs);
/// Makes every `source` that is the file of the suite's baseline `baseline`: what it is called must
/// not matter.
void name_baseline(Suite& suite, const std::filesystem::path& folder);

/// Reads confidence and rules into `suite`, whose cells must be there.
void load_gate(Value& section, Suite& suite, std::span<const AttackInfo> attacks);

/// Applies one `--set path=value`.
void apply_set(Value& root, const std::string& assignment);

/// The attack with this name; throws Error at `where`, with the nearest.
const AttackInfo& find_attack(const std::string& name, const Where& where,
                              std::span<const AttackInfo> attacks);

}  // namespace assay
