// The options of commands that work on a suite.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "harness/suite/suite.h"

namespace assay {

/// Declares the suite, and --model, --baseline and --set that replace parts of it. Both must
/// outlive the command.
void add_suite_options(CLI::App* command, std::string* suite, Overrides* overrides);

}  // namespace assay
