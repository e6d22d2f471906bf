#include "harness/record/corpus.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

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
    return {.sample = sample, .model = model, .blob = "b", .row = row, .entries = 4};
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
  EXPECT_EQ(corpus.find(samples, "m3", 16), all);
  EXPECT_EQ(corpus.find(samples, "m1", 16), std::vector<Found>{all[0]});
  EXPECT_EQ(manifest_digest(all), manifest_digest(corpus.find(samples, "m3", 16)));
  EXPECT_NE(manifest_digest(all), manifest_digest({}));
}

TEST_F(CorpusTest, IsBoundedAndTheNewestStay) {
  Corpus corpus(folder_);
  std::vector<Found> many;
  for (int64_t i = 0; i < Corpus::kMost + 10; ++i) many.push_back(found("s", "m", i));
  corpus.add(many);
  const std::vector<Found> kept = corpus.find({{"a", "s", 0}}, "other", 16);
  ASSERT_EQ(static_cast<int64_t>(kept.size()), 16);
  EXPECT_EQ(kept.front().row, Corpus::kMost + 9);
  corpus.add({found("t", "m", 0)});
  EXPECT_EQ(corpus.find({{"a", "s", 0}}, "other", 16), kept);  // of its own sample alone
}

TEST(FoundIn, ListsTheStoredAdversarials) {
  const Evidence evidence = sample_evidence();
  const std::vector<Found> found = found_in(evidence);
  size_t broken = 0;
  for (const UnitResult& unit : evidence.units) {
    for (const Verdict& row : unit.rows) broken += row.tensor_row >= 0;
  }
  ASSERT_GT(broken, 0u);
  EXPECT_EQ(found.size(), broken);
  for (const Found& each : found) {
    EXPECT_EQ(each.model, evidence.header.model.sha256);
    EXPECT_FALSE(each.blob.empty());
  }
}

}  // namespace
}  // namespace assay
