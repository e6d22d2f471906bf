// Membership cells: what is audited, and what shadows are trained on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "harness/run/audit.h"
#include "tests/run/audit_fixture.h"

namespace assay {
namespace {

using testing::AuditTest;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST_F(AuditTest, TheOrderOfRecordsTellsNoSet) {
  const Audit found = audit(audit_suite());
  ASSERT_EQ(found.audited, 80);
  ASSERT_EQ(found.records.size(), 150U);
  int changes = 0;
  for (size_t i = 1; i < 80; ++i) {
    EXPECT_LE(found.records[i - 1].info().digest, found.records[i].info().digest);
    changes += found.records[i - 1].member != found.records[i].member;
  }
  EXPECT_GT(changes, 20);
}

TEST_F(AuditTest, ASmallerCountIsPartOfALargerOne) {
  const auto ids = [](const Audit& found) {
    std::set<std::pair<bool, std::string>> names;
    for (int64_t i = 0; i < found.audited; ++i) {
      const RecordRef& record = found.records[static_cast<size_t>(i)];
      names.emplace(record.member, record.info().id);
    }
    return names;
  };
  const auto small = ids(audit(audit_suite(", count: 10")));
  const auto large = ids(audit(audit_suite(", count: 25")));
  EXPECT_EQ(small.size(), 20U);
  EXPECT_EQ(large.size(), 50U);
  EXPECT_TRUE(std::includes(large.begin(), large.end(), small.begin(), small.end()));
}

TEST_F(AuditTest, OfflineShadowsAreTrainedOnPartsOfThePoolAlone) {
  const Audit found = audit(audit_suite(", shadows: 4"));
  ASSERT_EQ(found.training.size(), 70U);
  for (const RecordRef& record : found.training) {
    EXPECT_EQ(record.set, &sets_.back().pools.at("pool"));
  }
  std::set<std::vector<int64_t>> parts;
  for (int64_t shadow = 0; shadow < 4; ++shadow) {
    const std::vector<int64_t> rows = trained_on(found, shadow);
    EXPECT_EQ(rows.size(), 35U);
    EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end()));
    parts.insert(rows);
  }
  EXPECT_EQ(parts.size(), 4U);
  EXPECT_EQ(trained_on(audit(audit_suite(", shadows: 9")), 3), trained_on(found, 3));
  EXPECT_EQ(trained_on(audit(audit_suite(", train_records: 50")), 1).size(), 50U);
  EXPECT_THAT([&] { audit(audit_suite(", train_records: 71")); },
              ThrowsMessage<Error>(HasSubstr("the pool has 70 records")));
}

TEST_F(AuditTest, OfflineAPairOfShadowsSharesAsFewRecordsAsThePoolAllows) {
  const auto shared = [&](const std::string& more, int64_t first) {
    const Audit found = audit(audit_suite(", shadows: 4" + more));
    const std::vector<int64_t> a = trained_on(found, first);
    const std::vector<int64_t> b = trained_on(found, first + 1);
    std::vector<int64_t> both;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    return both.size();
  };
  EXPECT_EQ(shared("", 0), 0U);
  EXPECT_EQ(shared("", 2), 0U);
  EXPECT_EQ(shared(", train_records: 20", 0), 0U);
  EXPECT_EQ(shared(", train_records: 50", 0), 30U) << "of 70";
  EXPECT_GT(shared("", 1), 5U) << "which are no pair";
}

TEST_F(AuditTest, ShadowsLeaveRecordsOfThePoolUnseenWhereTheAttackComparesWithThem) {
  const auto message = [&](const std::string& more, const std::string& data = sets()) {
    try {
      audit(audit_suite(more, data));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string told = message(", shadows: 3, train_records: 70");
  EXPECT_THAT(told, HasSubstr("say 69 at most, or 0 for half of them"));
  // Where the entry says it: line 10 of the file, and not the entry's place.
  EXPECT_THAT(told, HasSubstr("audit.yaml:10:"));
  EXPECT_THAT(told, ::testing::Not(HasSubstr("audit.yaml:10:5")));
  EXPECT_EQ(message(", shadows: 1, train_records: 69"), "");
  EXPECT_EQ(message(", shadows: 1, train_records: 4"), "");
  // Only whoever compares with the pool needs that.
  attacks_.back().bind = [bind = attacks_.back().bind](Params& params, const ThreatModel& threat) {
    Bound bound = bind(params, threat);
    bound.inference.population = false;
    return bound;
  };
  EXPECT_EQ(message(", shadows: 3, train_records: 70"), "");
}

TEST_F(AuditTest, AShadowsKeyHoldsTheRecordsItIsTrainedOn) {
  const Suite suite = audit_suite(", shadows: 3");
  Audit found = audit(suite);
  found.architecture = std::make_shared<Architecture>(Architecture::of(suite.model, model_, "mlp"));
  const std::vector<std::string> keys = train_keys(suite, found, platform("cpu"));
  EXPECT_EQ(keys, train_keys(suite, found, platform("cpu")));
  // As another rule that draws them would.
  for (uint64_t& key : found.training_keys) key += 1;
  const std::vector<std::string> others = train_keys(suite, found, platform("cpu"));
  for (size_t i = 0; i < 3; ++i) EXPECT_NE(keys[i], others[i]) << i;
}

TEST_F(AuditTest, OnlineEachPairOfShadowsShareTheRecordsBetweenThem) {
  const Audit found = audit(audit_suite(", mode: online, shadows: 4"));
  ASSERT_EQ(found.training.size(), 150U);
  for (const int64_t pair : {0, 2}) {
    const std::vector<int64_t> a = trained_on(found, pair);
    const std::vector<int64_t> b = trained_on(found, pair + 1);
    EXPECT_EQ(a.size(), 75U);
    std::vector<int64_t> both;
    std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    EXPECT_EQ(both.size(), 150U);
  }
  EXPECT_NE(trained_on(found, 0), trained_on(found, 2));
}

TEST_F(AuditTest, SetsThatShareContentAreRefusedButForAnOnlinePool) {
  const auto load = [&](const std::string& more, const std::string& data) {
    return audit(audit_suite(more, data));
  };
  EXPECT_THAT([&] { load("", sets("[39, 60]")); },
              ThrowsMessage<Error>(HasSubstr("`members` and `non_members` share 1 record")));
  EXPECT_THAT([&] { load("", sets("[40, 80]", "[78, 150]")); },
              ThrowsMessage<Error>(HasSubstr("`non_members` and `pool` share 2 records")));
  // Other labels make no other records of them.
  write_data(150, make_model(2), "z");
  std::string relabelled = sets("[20, 60]");
  relabelled.replace(relabelled.find("labels: y, rows: [20, 60]"), 9, "labels: z");
  EXPECT_THAT([&] { load("", relabelled); },
              ThrowsMessage<Error>(HasSubstr("`members` and `non_members` share 20 records")));
  // Whatever the cell takes of the sets: the target was trained on all of its members.
  for (counts_ = 1; counts_ < 4; ++counts_) {
    const std::string few = ", count: " + std::to_string(counts_);
    EXPECT_THAT([&] { load(few, sets("[38, 60]")); },
                ThrowsMessage<Error>(HasSubstr("`members` and `non_members` share 2 records by "
                                               "content, the first being 38 of `members` and 38 of "
                                               "`out`")));
    EXPECT_THAT([&] { load(few, sets("[40, 80]", "[79, 150]")); },
                ThrowsMessage<Error>(HasSubstr("`non_members` and `pool` share 1 record")));
  }
  counts_ = 1000;
  const Audit online = load(", mode: online", sets("[40, 80]", "[0, 150]"));
  EXPECT_EQ(online.training.size(), 150U) << "each record once";
}

TEST_F(AuditTest, ARecordThatASetHoldsTwiceIsAuditedAndTrainedOnOnce) {
  // In the file x a head of 16 bytes, and then 16 for each image; in y 8, and one for each label.
  constexpr auto kBoth = std::ios::in | std::ios::out | std::ios::binary;
  std::fstream images(folder_ / "x", kBoth), labels(folder_ / "y", kBoth);
  const auto copy = [&](int64_t from, int64_t to, int shift = 0) {
    std::string image(16, ' ');
    images.seekg(16 + 16 * from).read(image.data(), 16);
    images.seekp(16 + 16 * to).write(image.data(), 16);
    const int label = labels.seekg(8 + from).get();
    labels.seekp(8 + to).put(static_cast<char>((label + shift) % 3));
  };
  for (const int64_t to : {5, 6, 7}) copy(0, to);
  copy(0, 38, 1);  // with another label it is another record, as a canary is
  for (const int64_t to : {45, 46}) copy(44, to);
  copy(80, 81);
  images.close();
  labels.close();
  for (const char* mode : {"offline", "online"}) {
    const Audit found = audit(audit_suite(", shadows: 4, mode: " + std::string(mode)));
    EXPECT_EQ(found.audited, 37 + 38) << mode;
    EXPECT_EQ(found.records.size(), 37U + 38 + 69) << mode;
    for (const std::vector<RecordRef>* list : {&found.records, &found.training}) {
      std::set<std::string_view> digests;
      for (const RecordRef& record : *list) digests.insert(record.info().digest);
      EXPECT_EQ(digests.size(), list->size()) << mode;
    }
  }
  // A cell's own count is drawn before that: another cell's does not change it.
  const auto counted = [&] { return audit(audit_suite(", count: 30")).audited; };
  const int64_t alone = counted();
  EXPECT_LT(alone, 60);
  counts_ = 30;
  EXPECT_EQ(counted(), alone);
}

TEST_F(AuditTest, ThePopulationHasNoMembersThatACellLeavesOut) {
  counts_ = 10;
  const Audit found = audit(audit_suite(", mode: online, count: 10", sets("[40, 80]", "[0, 150]")));
  ASSERT_EQ(found.audited, 20);
  // Without the 10 audited members, the 30 others, and the 10 audited non-members.
  EXPECT_EQ(found.records.size(), 20U + 100U);
  EXPECT_EQ(found.training.size(), 150U);
  for (size_t i = 20; i < found.records.size(); ++i) {
    EXPECT_GE(std::stoi(found.records[i].info().id), 40);
  }
  for (size_t i = 0; i < found.training.size(); ++i) {
    const int64_t record = found.training_record[i];
    if (record < 0) continue;
    EXPECT_EQ(found.records[static_cast<size_t>(record)].info().content,
              found.training[i].info().content);
  }
}

TEST_F(AuditTest, PairingByKeyGoesByTheCellsOwnRecords) {
  const auto key = [&](const std::string& more, const std::string& data = sets()) {
    const Suite suite = audit_suite(more, data);
    AuditInputs inputs{&open(suite), {}};
    inputs.architectures["mlp"] =
        std::make_shared<Architecture>(Architecture::of(suite.model, model_, "mlp"));
    return make_plan(suite, {"m.pt", std::string(64, 'a')}, {}, platform("cpu"), attacks_, {},
                     inputs)
        .header.cells[0]
        .key;
  };
  EXPECT_EQ(key(""), key(""));
  EXPECT_NE(key(""), key(", count: 20"));
  EXPECT_NE(key(""), key("", sets("[40, 79]")));
  EXPECT_NE(key(""), key("", sets("[40, 80]", "[80, 149]")));
  EXPECT_NE(key(""), key(", shadows: 4"));
  // The attack asks for the boundary, which another one finds.
  const std::string before = key("");
  for (Attack& attack : attacks_) {
    if (attack.info.name == "hop_skip_jump") attack.info.version = "another";
  }
  EXPECT_NE(key(""), before);
}

}  // namespace
}  // namespace assay
