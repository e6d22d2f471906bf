// Work that draws from the process's generator, or may take the process down: each unit in a
// process of its own. What makes a process serves commands too.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "harness/run/plan.h"
#include "harness/run/run.h"

namespace assay {

/// A fork of this process and its pipe: the child writes to `file`, the parent reads from it.
struct ChildProcess {
  pid_t process = 0;  ///< 0 in the child itself
  int file = -1;
};
/// Forks. The child dies with its parent, and stop_signals() end it. Throws Error (kIncomplete).
ChildProcess start_child();
/// Closes the pipe, and returns the status of a child once it has ended.
int wait_for(const ChildProcess& child);

/// What a child process tells its parent, by name.
using Told = std::map<std::string, std::string>;

/// How a child ended: with what it told, or by a signal of its own doing.
struct Ended {
  Told told;
  int signal = 0;         ///< SIGSEGV, SIGABRT, …; 0: none
  bool in_model = false;  ///< it came inside a Model's own code
  std::string work;       ///< then: what was marked there (Working)
};

/// Runs `work` on each unit in a fork of this process, up to options.workers at once, and calls
/// `done` here as each ends. No other thread of the process may be at work meanwhile. The child has
/// called enter_worker() and has one intra-op thread. Returns why it stopped before the end, or "".
/// Throws Error: what `work` threw there (ModelFailure is kUsage, another exception kIncomplete),
/// placed at the unit's entry and named by `name_of`; kIncomplete where a signal from outside ended
/// a child (SIGKILL, SIGINT, …).
std::string run_forked(const Suite& suite, const std::vector<const Unit*>& units,
                       const RunOptions& options,
                       const std::function<std::string(const Unit&)>& name_of,
                       const std::function<Told(const Unit&)>& work,
                       const std::function<void(const Unit&, Ended)>& done);

}  // namespace assay
