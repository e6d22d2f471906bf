// The keys of every section of a suite: the one declaration that parser and schema share. Private
// to this room.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "harness/suite/read.h"
#include "harness/suite/suite.h"

namespace assay {

std::vector<Key> suite_keys();
std::vector<Key> model_keys();
std::vector<Key> input_keys();
std::vector<Key> normalize_keys();
std::vector<Key> sample_keys();
std::vector<Key> gate_keys();
std::vector<Key> rule_keys();
std::vector<Key> run_keys();
std::vector<Key> monitors_keys();
/// The keys of a detector that are not its monitor's parameters.
std::vector<Key> detector_keys();

/// `idx`, `npy`, … in the order of DataSpec::Format.
std::vector<std::string> format_names();
/// The keys of a data set in this format.
std::vector<Key> data_keys(DataSpec::Format format);

/// `name` and `attack`: the attack says which other keys an entry has.
std::vector<Key> entry_head_keys();
/// The keys of an attack entry that are the harness's own; all others are the attack's parameters.
/// An entry without bounds (ThreatModel::unbounded) has neither norm nor eps.
std::vector<Key> entry_keys(Family family, bool ensemble, bool unbounded);
/// The same for a stage of an ensemble.
std::vector<Key> stage_keys();

/// Names of entries, suites and data sets.
extern const char* const kNamePattern;
extern const char* const kNameExpected;

}  // namespace assay
