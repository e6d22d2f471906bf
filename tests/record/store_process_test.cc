// The store under several processes, kills and a full disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <thread>

#include "harness/record/store.h"
#include "harness/suite/error.h"
#include "tests/record/sample_evidence.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

UnitResult numbered_unit(int64_t i) {
  std::vector<Verdict> rows;
  for (int64_t k = 0; k < 64; ++k) rows.push_back(broken_row(k, 0.5 + static_cast<double>(i)));
  return sample_unit("unit " + std::to_string(i), "cell", i, rows);
}

std::string numbered_blob(int64_t i) { return std::string(20'000, 'a') + std::to_string(i); }

/// Runs `work` in a child; its exit status is what `work` returns, 99 after an exception.
pid_t in_child(const std::function<int()>& work) {
  const pid_t child = fork();
  if (child != 0) return child;
  int status = 99;
  try {
    status = work();
  } catch (const std::exception& error) {
    fprintf(stderr, "%s\n", error.what());
  }
  _exit(status);
}

int exit_status(pid_t child) {
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Starts a child that puts unit and blob i = begin, begin + 1, … and then reports i; kills it
/// `after` so long. Returns how many it had reported.
int64_t kill_while_putting(const fs::path& folder, int64_t begin, std::chrono::milliseconds after) {
  int pipe_ends[2];
  EXPECT_EQ(pipe(pipe_ends), 0);
  const pid_t child = in_child([&] {
    close(pipe_ends[0]);
    Store store(folder);
    store.put_blob("blob");  // what the rows name
    for (int64_t i = begin;; ++i) {
      store.put_blob(numbered_blob(i));
      store.put(numbered_unit(i));
      if (write(pipe_ends[1], "x", 1) != 1) return 98;
    }
    return 0;
  });
  close(pipe_ends[1]);
  char byte = 0;
  int64_t reported = read(pipe_ends[0], &byte, 1) == 1 ? 1 : 0;  // it is at work
  std::this_thread::sleep_for(after);
  kill(child, SIGKILL);
  while (read(pipe_ends[0], &byte, 1) == 1) ++reported;
  close(pipe_ends[0]);
  EXPECT_EQ(exit_status(child), -1) << "it ended before it was killed";
  return reported;
}

TEST(StoreProcess, AKillLosesNothingThatWasPut) {
  const ScratchFolder scratch;
  int64_t total = 0;
  for (int round = 0; round < 8; ++round) {
    const int64_t begin = total;
    total += kill_while_putting(scratch.path(), begin, std::chrono::milliseconds(7 * round));
    Store store(scratch.path());
    store.put_blob("blob");  // what the rows name
    for (int64_t i = 0; i < total; ++i) {
      const auto found = store.get(numbered_unit(i).key);
      ASSERT_TRUE(found.has_value()) << "unit " << i << " of " << total;
      ASSERT_EQ(found->rows, numbered_unit(i).rows);
      ASSERT_EQ(store.get_blob(sha256(numbered_blob(i))), numbered_blob(i));
    }
    // The one in flight is there whole or not at all.
    const auto next = store.get(numbered_unit(total).key);
    if (next) {
      EXPECT_EQ(next->rows, numbered_unit(total).rows);
    }
  }
  EXPECT_GE(total, 8);
  for (const auto& entry : fs::recursive_directory_iterator(scratch.path() / "blobs")) {
    const std::string name = entry.path().filename();
    if (entry.is_regular_file() && name.size() == 64) {
      EXPECT_EQ(sha256_file(entry.path()), name);
    }
  }
}

TEST(StoreProcess, ProcessesOpenAndFillOneStoreAtOnce) {
  const ScratchFolder scratch;
  std::vector<pid_t> children;
  for (int p = 0; p < 6; ++p) {
    children.push_back(in_child([&] {
      Store store(scratch.path() / "store");  // all of them create it
      store.put_blob("blob");                 // what the rows name
      for (int64_t i = 0; i < 40; ++i) {
        store.put(numbered_unit(i));
        store.put_blob(numbered_blob(i % 3));
        if (!store.get(numbered_unit(i).key)) return 1;
      }
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(exit_status(child), 0);
  const Store store(scratch.path() / "store");
  for (int64_t i = 0; i < 40; ++i) EXPECT_EQ(store.get(numbered_unit(i).key)->index, i);
}

TEST(StoreProcess, AFullDiskIsIncompleteAndKeepsWhatWasPut) {
  const ScratchFolder scratch;
  {
    Store store(scratch.path());
    store.put_blob("blob");  // what the rows name
    store.put(numbered_unit(0));
  }
  const pid_t child = in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{300'000, 300'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    Store store(scratch.path());
    store.put_blob("blob");  // what the rows name
    try {
      for (int64_t i = 1; i < 10'000; ++i) store.put(numbered_unit(i));
      return 1;
    } catch (const Error& error) {
      const bool named = std::string(error.what()).find(scratch.path()) != std::string::npos;
      if (error.code() != ExitCode::kIncomplete || !named) return 2;
    }
    try {
      store.put_blob(std::string(400'000, 'x'));
      return 3;
    } catch (const Error& error) {
      if (error.code() != ExitCode::kIncomplete) return 4;
    }
    return store.get(numbered_unit(0).key) ? 0 : 5;
  });
  EXPECT_EQ(exit_status(child), 0);
  Store store(scratch.path());
  store.put_blob("blob");  // what the rows name
  EXPECT_EQ(store.get(numbered_unit(0).key)->rows, numbered_unit(0).rows);
  EXPECT_FALSE(store.has_blob(sha256(std::string(400'000, 'x'))));
  store.put(numbered_unit(20'000));
  EXPECT_TRUE(store.get(numbered_unit(20'000).key).has_value());
}

}  // namespace
}  // namespace assay
