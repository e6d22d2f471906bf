// assay: may this candidate replace the model in production?
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <set>

#include "harness/cli/commands.h"
#include "harness/cli/output.h"
#include "harness/suite/error.h"
#include "harness/suite/version.h"

namespace {

constexpr const char* kAbout =
    "Attacks a candidate model as a suite says, compares it with the incumbent\n"
    "sample by sample, and exits 0 only if it is shown to be no worse than the\n"
    "suite allows.";

constexpr const char* kFooter =
    "exit codes: 0 the gate passes, 1 it fails, 2 usage, suite or data error,\n"
    "3 incomplete (worth a retry), 4 inconclusive, 5 the candidate was refused\n"
    "before it ran";

// What other commands than those that judge a run exit with.
const char* footer_of(const std::string& command) {
  static const std::set<std::string> judging = {"run", "merge", "gate", "report"};
  if (judging.contains(command)) return kFooter;
  if (command == "monitor") {
    return "exit codes: 0 quiet, 1 an alarm or drift, 2 a fault of the files or of\n"
           "usage, 3 a fault of the machine (worth a retry), 4 a test came to no verdict";
  }
  if (command == "replay") {
    return "exit codes: 0 all reproduce, 1 some do not, 2 usage, suite or data error";
  }
  if (command == "train") {
    return "exit codes: 0 done, 2 usage or data error, 3 a fault of the machine, such\n"
           "as a full disk (worth a retry)";
  }
  return "exit codes: 0 done, 2 usage, suite or data error";
}

int fail(const std::string& message, assay::ExitCode code) {
  std::cerr << "assay: " << message << std::endl;
  return static_cast<int>(code);
}

// A closed stdin, stdout or stderr would lend its number to the next file that is opened, and what
// is printed would end up in there.
void keep_standard_files() {
  int file = 0;
  do {
    file = open("/dev/null", O_RDWR);
  } while (file >= 0 && file <= STDERR_FILENO);
  if (file > STDERR_FILENO) close(file);
}

// What CLI11 says of a command line, with the nearest option for one that does not exist.
std::string explain(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  std::vector<std::string> names;
  if (app.get_subcommands().empty()) {
    if (argc < 2) return "no command given";
    if (argv[1][0] == '-') return "no option `" + std::string(argv[1]) + "`";
    for (const CLI::App* each : app.get_subcommands(nullptr)) names.push_back(each->get_name());
    return "no command `" + std::string(argv[1]) + "`" + assay::suggest(argv[1], names);
  }
  const CLI::App& command = *app.get_subcommands()[0];
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (int i = 2; i < argc; ++i) {
    const std::string name = std::string(argv[i]).substr(0, std::string(argv[i]).find('='));
    if (name.starts_with("--") && name != "--" &&
        std::find(names.begin(), names.end(), name) == names.end()) {
      return "no option `" + name + "` of assay " + command.get_name() +
             assay::suggest(name, names);
    }
  }
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_type_size() > 0 && option->get_items_expected_max() == 1 &&
        option->results().size() > 1) {
      return option->get_name() + " is given " + std::to_string(option->results().size()) +
             " times; it takes one value";
    }
  }
  std::string message = error.what();
  message[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(message[0])));
  return message;
}

// CLI11 wraps no lines; help is read in terminals of 80 columns.
constexpr size_t kHelpColumn = 28;
void wrap_help(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands(nullptr)) {
    command->footer(footer_of(command->get_name()));
    for (CLI::Option* option : command->get_options()) {
      option->description(assay::wrapped(option->get_description(), 79 - kHelpColumn, 0));
    }
    command->description(assay::wrapped(command->get_description(), 79 - kHelpColumn, 0));
  }
}

// Where standard output takes no more. Who closed its other end, as `head` does, has what he wants.
// Else it matters to commands whose whole result is what they print: a caller must not take half of
// it for all. The others leave their result in a folder and in the exit code.
int end_output(const std::string& command, int code) {
  std::cout.flush();
  if (std::fflush(stdout) == 0 && std::cout.good() && std::ferror(stdout) == 0) return code;
  // Asked again: errno may be of a later call than the one that failed.
  const int reason = write(STDOUT_FILENO, "\n", 1) < 0 ? errno : 0;
  if (reason == EPIPE) return code;
  std::cerr << "assay: cannot write to standard output"
            << (reason == 0 ? "" : ": " + std::string(std::strerror(reason))) << std::endl;
  if (command == "monitor") return static_cast<int>(assay::ExitCode::kIncomplete);
  const std::set<std::string> printing = {"", "attacks", "compare", "plan", "schema", "validate"};
  return printing.contains(command) ? static_cast<int>(assay::ExitCode::kUsage) : code;
}

// Which argument is empty, as a shell leaves one whose variable is not set; "" if none is. CLI11
// takes the word after `--out=` for its value, and for commands "" is an option not given.
std::string empty_argument(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::string before = argv[i - 1];
    if (argument.starts_with("--") && argument.find('=') == argument.size() - 1) {
      return "`" + argument.substr(0, argument.size() - 1) + "`";
    }
    if (!argument.empty()) continue;
    const bool value = before.starts_with("--") && before.find('=') == std::string::npos;
    return value    ? "`" + before + "`"
           : i == 1 ? "the command"
                    : "the argument after `" + before + "`";
  }
  return "";
}

int run_command(int argc, char** argv) {
  keep_standard_files();
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of the write, not the end
  std::signal(SIGXFSZ, SIG_IGN);  // and so is a file that may not grow
  CLI::App app(kAbout, "assay");
  app.footer(kFooter);
  app.set_version_flag("--version", assay::kVersion);
  app.require_subcommand(1);
  app.get_formatter()->column_width(kHelpColumn);
  const std::vector<assay::Command> commands = {
      assay::add_run(app),     assay::add_validate(app), assay::add_plan(app),
      assay::add_merge(app),   assay::add_gate(app),     assay::add_report(app),
      assay::add_compare(app), assay::add_replay(app),   assay::add_attacks(app),
      assay::add_schema(app),  assay::add_train(app),    assay::add_monitor(app),
  };
  wrap_help(app);
  if (const std::string empty = empty_argument(argc, argv); !empty.empty()) {
    return fail(empty + " is empty; is a variable unset?", assay::ExitCode::kUsage);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return end_output("", app.exit(success));
  } catch (const CLI::ParseError& error) {
    const std::string command =
        app.get_subcommands().empty() ? "" : app.get_subcommands()[0]->get_name() + " ";
    return fail(explain(app, error, argc, argv) + "; see assay " + command + "--help",
                assay::ExitCode::kUsage);
  }
  try {
    for (const assay::Command& command : commands) {
      if (!command.app->parsed()) continue;
      return end_output(command.app->get_name(), static_cast<int>(command.run()));
    }
  } catch (const assay::Error& error) {
    return fail(error.what(), error.code());
  } catch (const std::filesystem::filesystem_error& error) {
    // Whether a path exists could not be told. No retry mends its rights, a loop or its length.
    const std::error_code code = error.code();
    const bool of_path = code == std::errc::permission_denied ||
                         code == std::errc::too_many_symbolic_link_levels ||
                         code == std::errc::filename_too_long || code == std::errc::not_a_directory;
    return fail(error.path1().string() + " cannot be looked at: " + code.message(),
                of_path ? assay::ExitCode::kUsage : assay::ExitCode::kIncomplete);
  } catch (const std::bad_alloc&) {
    return fail("out of memory; lower --workers or run.block", assay::ExitCode::kIncomplete);
  } catch (const std::exception& error) {
    return fail("unexpected fault, the run is incomplete: " + std::string(error.what()),
                assay::ExitCode::kIncomplete);
  }
  return static_cast<int>(assay::ExitCode::kUsage);
}

// Ends the process at once: LibTorch takes its tables apart for a tenth of a second on the way out,
// which the system needs not. All files of ours are closed by now.
[[noreturn]] void leave(int code) {
  std::cout.flush();
  std::cerr.flush();
  std::fflush(nullptr);
#ifdef __SANITIZE_ADDRESS__
  std::exit(code);  // looks for leaks
#endif
  _exit(code);
}

}  // namespace

int main(int argc, char** argv) { leave(run_command(argc, argv)); }
