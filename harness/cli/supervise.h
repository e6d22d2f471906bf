// A command in a child process: a model that crashes takes down that one only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "harness/model/crash.h"
#include "harness/suite/error.h"

namespace assay {

/// What earlier attempts at a command have left.
struct Attempt {
  std::vector<Crash> crashes;  ///< of models, in earlier attempts
  std::string folder;          ///< what the first attempt passed to keep_folder()
  std::string failed;          ///< why the last one ended, if no model's code was to blame
  int record = -1;             ///< file for lines to the supervisor
};

/// Tells later attempts which folder this one has taken into use.
void keep_folder(const Attempt& attempt, const std::string& folder);
/// Tells the supervisor after how many seconds the run is to stop by itself.
void keep_time_limit(const Attempt& attempt, double seconds);
/// Tells it that all is measured: what is left are reports, which take as long as they take.
void keep_reporting(const Attempt& attempt);
/// Tells it what the attempt works on, from any thread: as it begins, and as it ends.
void keep_under_way(const Attempt& attempt, const std::string& what, bool begins);

/// Says on stderr that the run is incomplete, why, and how it goes on.
void tell_incomplete(const std::string& reason);

/// Seconds that what is under way has to end by itself once a run is to stop.
inline constexpr double kGrace_s = 30;

/// Runs `work` in a child process, again after each crash inside a model call, with all crashes so
/// far. A child that dies of anything else (no memory left) has a last one after it, which knows it
/// by Attempt::failed and only reports. Forwards stop_signals(). A child that does not end although
/// it should is killed, and the last one reports what was under way: kGrace_s after its time limit
/// or the first signal (once it has a folder, until it reports), and at a second signal, a second
/// or more after the first. Returns, in the child, what `work` returned; in the supervisor the
/// child's exit code if `work` came to it: a child that other code ended has failed. Must be called
/// while the process has one thread.
ExitCode supervise(const std::function<ExitCode(const Attempt&)>& work);

}  // namespace assay
