#include "harness/record/corpus.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "harness/suite/digest.h"
#include "tests/record/sample_evidence.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

class CorpusTest : public ::testing::Test {
 protected:
  CorpusTest()
      : folder_(fs::path(::testing::TempDir()) / ("assay_corpus_" + std::to_string(getpid()))) {}
  ~CorpusTest() override { fs::remove_all(folder_); }

  static Found found(const std::string& sample, const std::string& model, int64_t row) {
    return {.sample = sample,
            .model = model,
            .point = "p" + std::to_string(row),
            .blob = "b",
            .row = row,
            .entries = 4};
  }

  fs::path folder_;
};

TEST_F(CorpusTest, KeepsWhatOthersWereBrokenBy) {
  {
    Corpus corpus(folder_);
    corpus.add({found("s1", "m1", 0), found("s1", "m2", 1), found("s2", "m1", 2)});
    corpus.add({found("s1", "m1", 0)});  // known
  }
  const Corpus corpus(folder_);
  const std::vector<SampleInfo> samples = {{"a", "s1", 0}, {"b", "s2", 0}, {"c", "s3", 0}};
  const std::vector<Found> all = {found("s1", "m2", 1), found("s1", "m1", 0), found("s2", "m1", 2)};
  EXPECT_EQ(corpus.find(samples, "m3", "", 16), all);
  EXPECT_EQ(corpus.find(samples, "m1", "", 16), std::vector<Found>{all[0]});
  EXPECT_EQ(manifest_digest(all), manifest_digest(corpus.find(samples, "m3", "", 16)));
  EXPECT_NE(manifest_digest(all), manifest_digest({}));
}

TEST_F(CorpusTest, IsBoundedAndTheNewestStay) {
  Corpus corpus(folder_);
  std::vector<Found> many;
  for (int64_t i = 0; i < Corpus::kMost + 10; ++i) many.push_back(found("s", "m", i));
  corpus.add(many);
  const std::vector<Found> kept = corpus.find({{"a", "s", 0}}, "other", "", 16);
  ASSERT_EQ(static_cast<int64_t>(kept.size()), 16);
  EXPECT_EQ(kept.front().row, Corpus::kMost + 9);
  corpus.add({found("t", "m", 0)});
  EXPECT_EQ(corpus.find({{"a", "s", 0}}, "other", "", 16), kept);  // of its own sample alone
}

TEST_F(CorpusTest, TellsCopiesByTheirContent) {
  Corpus corpus(folder_);
  corpus.add({found("s", "m", 0)});
  Found copy = found("s", "m2", 0);
  copy.blob = "another";
  corpus.add({copy});
  EXPECT_EQ(corpus.find({{"a", "s", 0}}, "other", "", 16), std::vector{found("s", "m", 0)});
}

// A model that was attacked a hundred times must not crowd out the others, nor they the incumbent.
TEST_F(CorpusTest, TheIncumbentComesFirstAndThenEveryModelInTurn) {
  Corpus corpus(folder_);
  std::vector<Found> all;
  for (int64_t i = 0; i < 10; ++i) all.push_back(found("s", "incumbent", i));
  for (int64_t i = 10; i < 12; ++i) all.push_back(found("s", "rare", i));
  for (int64_t i = 12; i < 100; ++i) all.push_back(found("s", "often", i));
  corpus.add(all);
  const auto rows = [&](const std::string& incumbent) {
    std::vector<int64_t> list;
    for (const Found& each : corpus.find({{"a", "s", 0}}, "other", incumbent, 8)) {
      list.push_back(each.row);
    }
    return list;
  };
  EXPECT_EQ(rows("incumbent"), (std::vector<int64_t>{9, 8, 7, 6, 99, 11, 98, 10}));
  EXPECT_EQ(rows(""), (std::vector<int64_t>{99, 11, 9, 98, 10, 8, 97, 7}));
}

TEST_F(CorpusTest, ListsTheStoredAdversarialsOfARunByTheirContent) {
  Store store(folder_);
  Evidence evidence = sample_evidence();
  // Rows 0 and 1 are copies; a blob that the store lacks tells nothing.
  const std::string blob = store.put_blob(std::string(32, 'a') + std::string(32, 'b'));
  std::vector<Verdict*> broken;
  for (UnitResult& unit : evidence.units) {
    for (Verdict& row : unit.rows) {
      if (row.tensor_row >= 0) broken.push_back(&row);
    }
  }
  ASSERT_FALSE(broken.empty());
  EXPECT_TRUE(found_in(evidence, store).empty());
  for (Verdict* row : broken) row->tensors = blob;
  const std::vector<Found> found = found_in(evidence, store);
  ASSERT_EQ(found.size(), broken.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].model, evidence.header.model.sha256);
    EXPECT_EQ(found[i].blob, blob);
    EXPECT_EQ(found[i].point, sha256(std::string(16, found[i].row < 2 ? 'a' : 'b')));
  }
}

}  // namespace
}  // namespace assay
