// assay: may this candidate replace the model in production?
#include <csignal>
#include <iostream>

#include "harness/cli/commands.h"
#include "harness/suite/error.h"
#include "harness/suite/version.h"

namespace {

constexpr const char* kAbout =
    "Attacks a candidate model as a suite says, compares it with the incumbent sample by sample,\n"
    "and exits 0 only if it is shown to be no worse than the suite allows.";

constexpr const char* kFooter =
    "exit codes: 0 the gate passes, 1 it fails, 2 usage, suite or data error, 3 incomplete\n"
    "(worth a retry), 4 inconclusive, 5 the candidate was refused before it ran";

int fail(const std::string& message, assay::ExitCode code) {
  std::cerr << "assay: " << message << std::endl;
  return static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of the write, not the end
  CLI::App app(kAbout, "assay");
  app.footer(kFooter);
  app.set_version_flag("--version", assay::kVersion);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  const std::vector<assay::Command> commands = {
      assay::add_run(app),     assay::add_validate(app), assay::add_plan(app),
      assay::add_merge(app),   assay::add_gate(app),     assay::add_report(app),
      assay::add_compare(app), assay::add_replay(app),   assay::add_attacks(app),
      assay::add_schema(app),  assay::add_train(app),
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::vector<std::string> names;
    for (const assay::Command& command : commands) names.push_back(command.app->get_name());
    std::string message = error.what();
    if (argc > 1 && app.get_subcommands().empty() && argv[1][0] != '-') {
      message = "no command `" + std::string(argv[1]) + "`" + assay::suggest(argv[1], names);
    }
    return fail(message + "; see assay --help", assay::ExitCode::kUsage);
  }
  try {
    for (const assay::Command& command : commands) {
      if (command.app->parsed()) return static_cast<int>(command.run());
    }
  } catch (const assay::Error& error) {
    return fail(error.what(), error.code());
  } catch (const std::bad_alloc&) {
    return fail("out of memory; lower --workers or run.block", assay::ExitCode::kIncomplete);
  } catch (const std::exception& error) {
    return fail("unexpected fault, the run is incomplete: " + std::string(error.what()),
                assay::ExitCode::kIncomplete);
  }
  return static_cast<int>(assay::ExitCode::kUsage);
}
