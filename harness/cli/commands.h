// One file per subcommand. Each registers itself and returns what to run when it is chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "harness/suite/error.h"
#include "harness/suite/value.h"

namespace assay {

/// A subcommand: its parser, and what to do. `run` throws Error for what a user can mend.
struct Command {
  CLI::App* app = nullptr;
  std::function<ExitCode()> run;
};

/// A number from `low` to `high`; CLI::Range lets NaN through, which is beyond neither.
inline CLI::Validator number_in(double low, double high) {
  return CLI::Validator(
      [low, high](std::string& text) -> std::string {
        double value = 0;
        if (CLI::detail::lexical_cast(text, value) && value >= low && value <= high) return "";
        return "`" + text + "` is no number from " + number_text(low) + " to " + number_text(high);
      },
      "");
}

Command add_run(CLI::App& app);
Command add_validate(CLI::App& app);
Command add_plan(CLI::App& app);
Command add_merge(CLI::App& app);
Command add_gate(CLI::App& app);
Command add_report(CLI::App& app);
Command add_compare(CLI::App& app);
Command add_replay(CLI::App& app);
Command add_attacks(CLI::App& app);
Command add_schema(CLI::App& app);
Command add_train(CLI::App& app);
Command add_monitor(CLI::App& app);

}  // namespace assay
