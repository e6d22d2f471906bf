#include "harness/model/crash.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "harness/suite/error.h"

namespace assay {
namespace {

constexpr size_t kMostWork = 255;
constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
constexpr std::array kSignalNames = {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"};

// What a signal handler may read: plain bytes of its own thread.
struct Mark {
  char work[kMostWork + 1] = {};
  int64_t row = -1;
  int calls = 0;
  int sources = 0;
};
thread_local Mark mark;
thread_local std::array<char, 64 << 10> stack;

// Set once, before the handlers are.
int record_file = -1;
std::array<struct sigaction, kSignals.size()> previous;

void set_mark(std::string_view work, int64_t row) {
  const size_t size = std::min(work.size(), kMostWork);
  std::memcpy(mark.work, work.data(), size);
  mark.work[size] = '\0';
  mark.row = row;
}

// Appends to a buffer of fixed size; a signal handler may not allocate.
void append(char* line, size_t* size, const char* text) {
  const size_t length = std::strlen(text);
  std::memcpy(line + *size, text, length);
  *size += length;
}

void tell_crash(const char* signal) {
  char line[kMostWork + 64];
  size_t size = 0;
  append(line, &size, mark.sources > 0 ? "source " : "crash ");
  append(line, &size, mark.work);
  append(line, &size, mark.row < 0 ? " -" : " ");
  char digits[24];
  size_t count = 0;
  for (int64_t left = std::abs(mark.row); left > 0 || count == 0; left /= 10) {
    digits[count++] = static_cast<char>('0' + left % 10);
  }
  while (count > 0) line[size++] = digits[--count];
  append(line, &size, " ");
  append(line, &size, signal);
  line[size++] = '\0';
  [[maybe_unused]] const ssize_t written = write(record_file, line, size);
}

void on_crash(int number) {
  const auto at =
      static_cast<size_t>(std::find(kSignals.begin(), kSignals.end(), number) - kSignals.begin());
  if (mark.calls > 0 && at < kSignals.size()) tell_crash(kSignalNames[at]);
  // Dies of it as it would have, or hands it to a sanitizer.
  if (at < kSignals.size()) sigaction(number, &previous[at], nullptr);
  raise(number);
}

// An exit code is ours to give: a model's code that ends the process has crashed it.
void on_model_exit() {
  if (mark.calls == 0) return;
  tell_crash("exit");
  std::signal(SIGABRT, SIG_DFL);
  raise(SIGABRT);
}

}  // namespace

Working::Working(std::string_view work, int64_t row) : before_(mark.work), row_before_(mark.row) {
  set_mark(work, row);
}

Working::~Working() { set_mark(before_, row_before_); }

ModelCall::ModelCall() { ++mark.calls; }
ModelCall::~ModelCall() { --mark.calls; }

SourceUse::SourceUse() { ++mark.sources; }
SourceUse::~SourceUse() { --mark.sources; }

void prepare_crash_stack() {
  stack_t alternative{};
  alternative.ss_sp = stack.data();
  alternative.ss_size = stack.size();
  sigaltstack(&alternative, nullptr);
}

void record_crashes(int file) {
  record_file = file;
  prepare_crash_stack();
  struct sigaction action {};
  action.sa_handler = on_crash;
  action.sa_flags = SA_ONSTACK | SA_NODEFER;
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &action, &previous[i]);
  }
  static const int registered = std::atexit(on_model_exit);  // forks inherit it
  ASSAY_CHECK(registered == 0, "cannot watch for the exit of the process");
}

bool parse_crash(const std::string& line, Crash* crash) {
  std::istringstream words(line.c_str());  // without the zero
  std::string kind;
  if (!(words >> kind >> crash->work >> crash->row >> crash->signal)) return false;
  crash->of_source = kind == "source";
  return kind == "crash" || crash->of_source;
}

const Crash* find_crash(const std::vector<Crash>& crashes, std::string_view work) {
  const auto found = std::find_if(crashes.begin(), crashes.end(),
                                  [work](const Crash& crash) { return crash.work == work; });
  return found == crashes.end() ? nullptr : &*found;
}

}  // namespace assay
