#include "harness/model/crash.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <string>

namespace assay {
namespace {

using std::string_literals::operator""s;

// What a child that runs `work` with crashes on record has written when it is gone.
std::string told_by(const std::function<void()>& work) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    record_crashes(ends[1]);
    work();
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  for (char c = 0; read(ends[0], &c, 1) == 1;) text += c;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return text;
}

TEST(Crash, InsideAModelCallTellsWhatWasWorkedOn) {
  const std::string told = told_by([] {
    const Working on_unit("abc", -1);
    const Working on_row("abc", 120);
    const ModelCall call;
    raise(SIGSEGV);
  });
  EXPECT_EQ(told, "crash abc 120 SIGSEGV\0"s);
}

TEST(Crash, OfAWholeUnitHasNoRow) {
  const std::string told = told_by([] {
    const Working on_unit("abc", -1);
    {
      const Working on_row("abc", 3);
      const ModelCall done;
    }
    const ModelCall call;
    raise(SIGABRT);
  });
  EXPECT_EQ(told, "crash abc -1 SIGABRT\0"s);
}

TEST(Crash, IsWhatExitIsInsideAModelCall) {
  EXPECT_EQ(told_by([] {
              const Working on_row("abc", 7);
              const ModelCall call;
              std::exit(0);
            }),
            "crash abc 7 exit\0"s);
}

TEST(Crash, OutsideOfAModelCallIsNotBlamedOnAModel) {
  EXPECT_EQ(told_by([] {
              const Working on_unit("abc", 0);
              { const ModelCall done; }
              raise(SIGSEGV);
            }),
            "");
}

TEST(Crash, OfASourceIsToldApart) {
  const std::string told = told_by([] {
    const Working on_unit("abc", -1);
    { const SourceUse done; }
    const SourceUse source;
    const ModelCall call;
    raise(SIGSEGV);
  });
  EXPECT_EQ(told, "source abc -1 SIGSEGV\0"s);
}

TEST(Crash, LinesAreReadBack) {
  Crash crash;
  ASSERT_TRUE(parse_crash("crash abc -1 SIGBUS", &crash));
  EXPECT_EQ(crash.work, "abc");
  EXPECT_EQ(crash.row, -1);
  EXPECT_EQ(crash.signal, "SIGBUS");
  ASSERT_TRUE(parse_crash("crash abc 7 SIGBUS", &crash));
  EXPECT_EQ(crash.row, 7);
  EXPECT_FALSE(crash.of_source);
  ASSERT_TRUE(parse_crash("source abc 7 SIGBUS\0"s, &crash));
  EXPECT_EQ(crash.signal, "SIGBUS");
  EXPECT_TRUE(crash.of_source);
  EXPECT_FALSE(parse_crash("folder runs/a", &crash));
  EXPECT_FALSE(parse_crash("crash abc", &crash));
}

TEST(Crash, IsFoundByItsWork) {
  const std::vector<Crash> crashes = {{"abc", 1, "SIGBUS", false}, {"def", -1, "SIGFPE", false}};
  ASSERT_NE(find_crash(crashes, "def"), nullptr);
  EXPECT_EQ(find_crash(crashes, "def")->signal, "SIGFPE");
  EXPECT_EQ(find_crash(crashes, "ab"), nullptr);
}

}  // namespace
}  // namespace assay
