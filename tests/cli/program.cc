#include "tests/cli/program.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace assay::testing {
namespace {

namespace fs = std::filesystem;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

fs::path fresh_folder() {
  std::string name = (fs::temp_directory_path() / "assay_program_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot create " + name);
  return name;
}

int open_for(const fs::path& path) {
  return open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

std::vector<std::string> environment(const Invocation& invocation) {
  std::map<std::string, std::string> all;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string entry = *each;
    const size_t equals = entry.find('=');
    all[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  for (const std::string& name : invocation.unset) all.erase(name);
  for (const auto& [name, value] : invocation.set) all[name] = value;
  std::vector<std::string> entries;
  for (const auto& [name, value] : all) entries.push_back(name + "=" + value);
  return entries;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> list;
  for (std::string& string : strings) list.push_back(string.data());
  list.push_back(nullptr);
  return list;
}

// A pipe that nobody reads: its write end.
int broken_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  close(ends[0]);
  return ends[1];
}

// What the child does between fork and exec: only calls that are safe there.
[[noreturn]] void become(const Invocation& invocation, char** args, char** env, int out, int err) {
  if (chdir(invocation.folder.c_str()) != 0) _exit(126);
  dup2(err, STDERR_FILENO);
  if (invocation.out == Invocation::Stdout::kClosed) {
    close(STDOUT_FILENO);
  } else {
    dup2(out, STDOUT_FILENO);
  }
  if (invocation.file_limit) {
    const auto bytes = static_cast<rlim_t>(*invocation.file_limit);
    const rlimit limit{bytes, bytes};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  // A test runner may have blocked or ignored what a shell would not.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_DFL);
  execve(ASSAY_PROGRAM, args, env);
  _exit(127);
}

}  // namespace

Program::Program(const Invocation& invocation) : scratch_(fresh_folder()), started_(now()) {
  int out = -1, err = -1;
  if (invocation.terminal || invocation.terminal_out) {
    winsize size{};
    size.ws_row = 24;
    size.ws_col = 80;
    if (openpty(&terminal_, &err, nullptr, nullptr, &size) != 0) {
      throw std::runtime_error("no pseudo-terminal");
    }
    fcntl(terminal_, F_SETFD, FD_CLOEXEC);
  } else {
    err = open_for(scratch_ / "err");
  }
  switch (invocation.out) {
    case Invocation::Stdout::kFull:
      out = open("/dev/full", O_WRONLY | O_CLOEXEC);
      break;
    case Invocation::Stdout::kBrokenPipe:
      out = broken_pipe();
      break;
    default:
      out = invocation.terminal_out ? dup(err) : open_for(scratch_ / "out");
  }
  std::vector<std::string> args = invocation.args;
  args.insert(args.begin(), ASSAY_PROGRAM);
  std::vector<std::string> env = environment(invocation);
  const std::vector<char*> arg_list = pointers(args), env_list = pointers(env);
  pid_ = fork();
  if (pid_ == 0) {
    become(invocation, const_cast<char**>(arg_list.data()), const_cast<char**>(env_list.data()),
           out, err);
  }
  if (pid_ < 0) throw std::runtime_error("cannot start a process");
  close(out);
  close(err);
}

Program::~Program() {
  if (running()) {
    send(SIGKILL);
    wait();
  }
  if (terminal_ >= 0) close(terminal_);
  std::error_code error;
  fs::remove_all(scratch_, error);
}

void Program::send(int signal) const { kill(pid_, signal); }

void Program::send_to_children(int signal) const {
  const std::string pid = std::to_string(pid_);
  std::istringstream children(read_file("/proc/" + pid + "/task/" + pid + "/children"));
  for (pid_t child = 0; children >> child;) kill(child, signal);
}

bool Program::running() {
  int status = 0;
  if (!status_ && waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  return !status_;
}

std::string Program::read_stderr() {
  if (terminal_ < 0) return read_file(scratch_ / "err");
  pollfd ready{terminal_, POLLIN, 0};
  while (poll(&ready, 1, 0) > 0 && (ready.revents & POLLIN) != 0) {
    char buffer[4096];
    const ssize_t size = read(terminal_, buffer, sizeof buffer);
    if (size <= 0) break;
    seen_.append(buffer, static_cast<size_t>(size));
  }
  return seen_;
}

bool Program::wait_for(const std::string& text) {
  while (read_stderr().find(text) == std::string::npos) {
    if (!running()) return read_stderr().find(text) != std::string::npos;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

Ended Program::wait() {
  while (running()) {
    if (terminal_ >= 0) read_stderr();  // a full terminal would hold the program up
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  Ended ended;
  ended.seconds = now() - started_;
  ended.err = read_stderr();
  ended.out = read_file(scratch_ / "out");
  if (WIFEXITED(*status_)) ended.code = WEXITSTATUS(*status_);
  if (WIFSIGNALED(*status_)) ended.signal = WTERMSIG(*status_);
  return ended;
}

Ended run_program(const Invocation& invocation) { return Program(invocation).wait(); }

}  // namespace assay::testing
