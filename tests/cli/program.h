// Runs the assay program as its users do, and tells how it ended.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace assay::testing {

/// How a program ended, and what it said.
struct Ended {
  int code = -1;   ///< exit status; -1 if a signal ended it
  int signal = 0;  ///< the signal that ended it, or 0
  std::string out;
  std::string err;  ///< what a terminal received, if stderr was one
  double seconds = 0;
};

struct Invocation {
  std::vector<std::string> args;
  std::filesystem::path folder;            ///< working directory
  std::map<std::string, std::string> set;  ///< added to the environment
  std::vector<std::string> unset;          ///< removed from it
  enum class Stdout { kFile, kClosed, kFull, kBrokenPipe };
  Stdout out = Stdout::kFile;
  bool terminal = false;           ///< stderr is a terminal of 80 columns
  bool terminal_out = false;       ///< so is stdout; both end up in Ended::err
  std::optional<long> file_limit;  ///< most bytes of a file, as on a full disk
};

/// A program under way.
class Program {
 public:
  explicit Program(const Invocation& invocation);
  ~Program();  ///< kills what still runs
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void send(int signal) const;
  /// To the processes that it started, and not to itself.
  void send_to_children(int signal) const;
  bool running();
  /// Waits until stderr holds the text, or the program ends. False if it ended first.
  bool wait_for(const std::string& text);
  Ended wait();

 private:
  std::string read_stderr();

  std::filesystem::path scratch_;
  pid_t pid_ = -1;
  int terminal_ = -1;  // our end
  std::string seen_;   // what the terminal received so far
  double started_ = 0;
  std::optional<int> status_;
};

Ended run_program(const Invocation& invocation);

}  // namespace assay::testing
