// What a user can mend is an assay::Error; what is our own bug aborts through ASSAY_CHECK.
#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace assay {

/// Exit codes of the program (shared/contracts: commands and exit codes). Also scheduler policy:
/// only kIncomplete is worth a retry.
enum class ExitCode : int {
  kPass = 0,          ///< the gate passes
  kFail = 1,          ///< the gate fails
  kUsage = 2,         ///< usage, suite or data error
  kIncomplete = 3,    ///< a fault of the machine, a missing shard, a time limit, a signal
  kInconclusive = 4,  ///< never a pass
  kRefused = 5,       ///< the candidate was refused before it ran
};

/// A place in a file. Lines and columns count from 1; 0 means unknown.
struct Where {
  std::string file;
  int line = 0;
  int column = 0;
};

/// "file:line:column: " with the unknown parts left out; "" if nothing is known.
std::string to_prefix(const Where& where);

/// A fault that the user can mend. The message is lower case, has no full stop, and says the value
/// found, what is allowed, the nearest match and the cure.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, ExitCode code = ExitCode::kUsage)
      : std::runtime_error(message), code_(code) {}
  Error(const Where& where, const std::string& message, ExitCode code = ExitCode::kUsage)
      : Error(to_prefix(where) + message, code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// The candidate nearest to `name` by edit distance, or "" where none is near enough to be meant.
std::string nearest(std::string_view name, std::span<const std::string> candidates);

/// "; did you mean `x`?" for the nearest candidate, followed by "; one of a, b, c" (at most 12).
std::string suggest(std::string_view name, std::span<const std::string> candidates);

/// Prints and aborts; the target of ASSAY_CHECK.
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const std::string& message);

}  // namespace assay

/// Always on, in release too: a false condition is a bug of ours, never the user's.
#define ASSAY_CHECK(condition, message) \
  ((condition) ? (void)0 : ::assay::check_failed(__FILE__, __LINE__, #condition, (message)))
