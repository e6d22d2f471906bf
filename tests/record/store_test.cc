#include "harness/record/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "harness/record/encoding.h"
#include "harness/record/files.h"
#include "harness/suite/error.h"
#include "tests/record/sample_evidence.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// Changes the database behind the store's back.
void sql(const fs::path& folder, const std::string& text) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open((folder / "store.sqlite").c_str(), &handle), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(handle, text.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(handle);
  sqlite3_close(handle);
}

TEST(Store, RemovesWhatKilledWritersLeftButNothingThatIsBeingWritten) {
  const ScratchFolder scratch;
  { Store(scratch.path()).put_blob("blob"); }
  const fs::path folder = scratch.path() / "blobs" / "new";
  EXPECT_TRUE(fs::is_empty(folder));
  std::ofstream(folder / "abc.tmp.1.0") << "half a bl";
  std::ofstream(folder / "fresh.tmp.1.1") << "just made";
  DurableFile writing(scratch.path() / "blobs" / "def", folder);
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.path().filename().string().starts_with("fresh")) {
      fs::last_write_time(entry.path(), fs::file_time_type::clock::now() - std::chrono::hours(1));
    }
  }
  const Store again(scratch.path());
  EXPECT_FALSE(fs::exists(folder / "abc.tmp.1.0"));
  EXPECT_TRUE(fs::exists(folder / "fresh.tmp.1.1"));
  writing.commit();
  EXPECT_TRUE(fs::exists(scratch.path() / "blobs" / "def"));
}

TEST(Store, GivesBackWhatWasPutAlsoAfterReopening) {
  const ScratchFolder scratch;
  const Evidence evidence = sample_evidence();
  {
    Store store(scratch.path() / "new" / "store");
    for (const char* blob : {"blob", "shadow"}) store.put_blob(blob);  // what the rows name
    EXPECT_EQ(store.get(evidence.units[0].key), std::nullopt);
    for (const UnitResult& unit : evidence.units) store.put(unit);
  }
  const Store store(scratch.path() / "new" / "store");
  for (const UnitResult& unit : evidence.units) {
    const auto found = store.get(unit.key);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(unit_text(*found), unit_text(unit));
    EXPECT_EQ(cost_text(found->cost), cost_text(unit.cost));
  }
  EXPECT_EQ(store.folder(), scratch.path() / "new" / "store");
}

TEST(Store, AUnitWhoseAdversarialsAreLostIsComputedAgain) {
  const ScratchFolder scratch;
  Store store(scratch.path());
  store.put_blob("blob");
  const UnitResult unit = sample_unit("unit", "cell", 0, {broken_row(0, 0.5)});
  store.put(unit);
  EXPECT_TRUE(store.get(unit.key).has_value());
  std::filesystem::remove_all(scratch.path() / "blobs");
  EXPECT_FALSE(store.get(unit.key).has_value());
  store.put_blob("blob");
  store.put(unit);
  EXPECT_TRUE(store.get(unit.key).has_value());
}

TEST(Store, PuttingTheSameVerdictsAgainKeepsTheFirst) {
  const ScratchFolder scratch;
  Store store(scratch.path());
  store.put_blob("blob");  // what the rows name
  UnitResult unit = sample_evidence().units[2];
  store.put(unit);
  unit.cost.time_s = 100;
  unit.cell = "renamed";  // a cell's name is no part of the key
  store.put(unit);
  EXPECT_EQ(store.get(unit.key)->cost.time_s, 0.25);
}

TEST(Store, OtherVerdictsUnderOneKeyAreNondeterminism) {
  const ScratchFolder scratch;
  Store store(scratch.path());
  store.put_blob("blob");  // what the rows name
  UnitResult unit = sample_evidence().units[2];
  store.put(unit);
  unit.rows[1].distance = 0.5;
  const auto [message, code] = error_of([&] { store.put(unit); });
  EXPECT_THAT(message,
              AllOf(HasSubstr("nondeterminism"), HasSubstr("cell near"), HasSubstr("sample 1"),
                    HasSubstr("distance"), HasSubstr("0.75"), HasSubstr("0.5")));
  EXPECT_EQ(code, ExitCode::kIncomplete);
  EXPECT_EQ(store.get(unit.key)->rows[1].distance, 0.75);
}

TEST(Store, DetailsThatAreNotUtf8AreTheSameVerdictsAgain) {
  const ScratchFolder scratch;
  Store store(scratch.path());
  store.put_blob("blob");  // what the rows name
  store.put(sample_evidence().units[4]);
  store.put(sample_evidence().units[4]);
}

TEST(Store, ADamagedRowCountsAsAbsentAndIsPutAnew) {
  for (const char* damage :
       {"UPDATE units SET body = replace(body, '0.25', '0.26')", "UPDATE units SET body = ''",
        "UPDATE units SET sum = 'x'", "UPDATE units SET cost = replace(cost, '40', '41')",
        "UPDATE units SET body = x'ff00ff'", "UPDATE units SET body = 5"}) {
    const ScratchFolder scratch;
    const UnitResult unit = sample_evidence().units[2];
    {
      Store store(scratch.path());
      store.put_blob("blob");  // what the rows name
      store.put(unit);
    }
    sql(scratch.path(), damage);
    Store store(scratch.path());
    store.put_blob("blob");  // what the rows name
    EXPECT_EQ(store.get(unit.key), std::nullopt) << damage;
    store.put(unit);
    EXPECT_EQ(store.get(unit.key)->rows, unit.rows) << damage;
  }
}

TEST(Store, ARowMovedToAnotherKeyCountsAsAbsent) {
  const ScratchFolder scratch;
  const UnitResult unit = sample_evidence().units[2];
  {
    Store store(scratch.path());
    store.put_blob("blob");  // what the rows name
    store.put(unit);
  }
  sql(scratch.path(), "UPDATE units SET key = 'other'");
  EXPECT_EQ(Store(scratch.path()).get("other"), std::nullopt);
}

TEST(Store, ADamagedDatabaseSaysWhatToDelete) {
  const ScratchFolder scratch;
  {
    Store store(scratch.path());
    store.put_blob("blob");  // what the rows name
    store.put(sample_evidence().units[0]);
  }
  const fs::path file = scratch.path() / "store.sqlite";
  const std::string bytes = read_bytes(file);
  std::string altered = bytes;
  for (size_t i = 0; i < 16; ++i) altered[i] = 'x';
  write_durably(file, altered);
  auto [message, code] = error_of([&] { Store store(scratch.path()); });
  EXPECT_THAT(message, AllOf(HasSubstr(file.string()), HasSubstr("delete")));
  EXPECT_EQ(code, ExitCode::kUsage);

  // Damage inside is found when it is read.
  altered = bytes;
  for (size_t i = 4096; i < altered.size(); ++i) altered[i] = '\x5a';
  write_durably(file, altered);
  std::tie(message, code) = error_of([&] {
    Store store(scratch.path());
    store.put_blob("blob");  // what the rows name
    store.get(sample_evidence().units[0].key);
  });
  EXPECT_THAT(message, AllOf(HasSubstr(file.string()), HasSubstr("delete")));
}

TEST(Store, AnotherVersionOrAForeignDatabaseIsRefused) {
  const ScratchFolder scratch;
  { Store store(scratch.path()); }
  sql(scratch.path(), "PRAGMA user_version = 2");
  auto [message, code] = error_of([&] { Store store(scratch.path()); });
  EXPECT_THAT(message, AllOf(HasSubstr("version 2"), HasSubstr("reads version 1")));
  EXPECT_EQ(code, ExitCode::kUsage);
  const ScratchFolder foreign;
  sql(foreign.path(), "CREATE TABLE mail (id)");
  std::tie(message, code) = error_of([&] { Store store(foreign.path()); });
  EXPECT_THAT(message, HasSubstr("not a store"));
  sql(foreign.path(), "PRAGMA user_version = 1");
  std::tie(message, code) = error_of([&] { Store store(foreign.path()); });
  EXPECT_THAT(message, HasSubstr("not a store"));
}

TEST(Store, AFolderBlockedByAFileIsTheUsersToMendAndNamed) {
  const ScratchFolder scratch;
  std::ofstream(scratch.path() / "file") << "here";
  const auto [message, code] = error_of([&] { Store store(scratch.path() / "file" / "store"); });
  EXPECT_THAT(message, HasSubstr((scratch.path() / "file" / "store").string()));
  EXPECT_EQ(code, ExitCode::kUsage);
}

TEST(Store, FactsAreKeptAndReplaced) {
  const ScratchFolder scratch;
  {
    Store store(scratch.path());
    store.put_blob("blob");  // what the rows name
    EXPECT_EQ(store.get_fact("model"), std::nullopt);
    store.put_fact("model", "quantum 4");
    store.put_fact("model", "quantum 8");
    store.put_fact("empty", "");
  }
  {
    const Store store(scratch.path());
    EXPECT_EQ(store.get_fact("model"), "quantum 8");
    EXPECT_EQ(store.get_fact("empty"), "");
  }
  sql(scratch.path(), "UPDATE facts SET body = 'quantum 1'");
  EXPECT_EQ(Store(scratch.path()).get_fact("model"), std::nullopt);
}

TEST(Store, BlobsAreNamedByTheirContent) {
  const ScratchFolder scratch;
  Store store(scratch.path());
  store.put_blob("blob");  // what the rows name
  const std::string bytes("pixels\0\xff", 8);
  EXPECT_FALSE(store.has_blob(sha256(bytes)));
  const std::string sha = store.put_blob(bytes);
  EXPECT_EQ(sha, sha256(bytes));
  EXPECT_TRUE(store.has_blob(sha));
  EXPECT_EQ(store.get_blob(sha), bytes);
  EXPECT_EQ(store.put_blob(bytes), sha);
  EXPECT_TRUE(fs::is_regular_file(scratch.path() / "blobs" / sha.substr(0, 2) / sha));
  EXPECT_EQ(store.get_blob(store.put_blob("")), "");
}

TEST(Store, ADamagedBlobIsRefusedAndMendedByPuttingItAgain) {
  const ScratchFolder scratch;
  Store store(scratch.path());
  store.put_blob("blob");  // what the rows name
  const std::string sha = store.put_blob("pixels");
  const fs::path file = scratch.path() / "blobs" / sha.substr(0, 2) / sha;
  for (const char* damage : {"", "pixel", "pixelz", "pixelsx"}) {
    std::ofstream(file, std::ios::trunc) << damage;
    EXPECT_THAT(error_of([&] { store.get_blob(sha); }).first,
                AllOf(HasSubstr(file.string()), HasSubstr("damaged")));
    store.put_blob("pixels");
    EXPECT_EQ(store.get_blob(sha), "pixels");
  }
}

TEST(Store, ABlobNameIsNeverAPath) {
  const ScratchFolder scratch;
  Store store(scratch.path() / "store");
  store.put_blob("blob");  // what the rows name
  std::ofstream(scratch.path() / "secret") << "secret";
  for (const std::string& name : {std::string("../../../secret"), std::string(), sha256("absent"),
                                  std::string(64, '.'), std::string(64, 'A')}) {
    EXPECT_FALSE(store.has_blob(name));
    EXPECT_THAT(error_of([&] { store.get_blob(name); }).first, HasSubstr("no blob"));
  }
}

TEST(Store, ThreadsShareOneStore) {
  const ScratchFolder scratch;
  Store store(scratch.path());
  store.put_blob("blob");  // what the rows name
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {  // all threads put the same units and blobs
        const std::string name = std::to_string(i);
        store.put(sample_unit(name, "cell", i, {broken_row(i, 0.5)}));
        const auto found = store.get(sha256(name));
        if (!found || found->rows[0].sample != i) ++wrong;
        if (store.get_blob(store.put_blob(name)) != name) ++wrong;
        store.put_fact(name, name);
        if (store.get_fact(name) != name) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace assay
