// A model's native code can take the process down. What it was working on is then on record.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// A crash inside a model call: of an earlier attempt at the same work.
struct Crash {
  std::string work;        ///< what the thread had marked, e.g. a unit's key
  int64_t row = -1;        ///< the row of the unit it was working on alone; -1: several
  std::string signal;      ///< SIGSEGV, SIGABRT, …
  bool of_source = false;  ///< in a model that an attack crafts on, not the one that is attacked
};

/// Marks what the calling thread works on, until it is destroyed. `work` without blanks, at most
/// 255 characters count.
class Working {
 public:
  Working(std::string_view work, int64_t row);
  ~Working();
  Working(const Working&) = delete;
  Working& operator=(const Working&) = delete;

 private:
  std::string before_;
  int64_t row_before_;
};

/// Stands while the calling thread is inside a model's own code.
class ModelCall {
 public:
  ModelCall();
  ~ModelCall();
  ModelCall(const ModelCall&) = delete;
  ModelCall& operator=(const ModelCall&) = delete;
};

/// Stands while the calling thread uses a model that an attack crafts on.
class SourceUse {
 public:
  SourceUse();
  ~SourceUse();
  SourceUse(const SourceUse&) = delete;
  SourceUse& operator=(const SourceUse&) = delete;
};

/// From here on, a thread that dies of a signal inside a model call first writes to `file`
/// `crash WORK ROW SIGNAL`, or `source WORK ROW SIGNAL` where it used a source, and a zero byte.
void record_crashes(int file);

/// The crash that such a line tells of, with its zero or without; false for another line.
bool parse_crash(const std::string& line, Crash* crash);

/// The crash of this work as a whole, or null.
const Crash* find_crash(const std::vector<Crash>& crashes, std::string_view work);

/// Gives the calling thread a stack to handle an overflow of its own.
void prepare_crash_stack();

}  // namespace assay
