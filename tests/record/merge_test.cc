#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "harness/record/evidence.h"
#include "harness/suite/error.h"
#include "tests/record/sample_evidence.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// The units of the sample run whose number is in `units`, as a shard leaves them.
Evidence shard(const std::vector<size_t>& units, const std::string& interrupted) {
  const Evidence whole = sample_evidence();
  Evidence part;
  part.header = whole.header;
  for (const size_t i : units) part.units.push_back(whole.units[i]);
  part.interrupted = interrupted;
  return part;
}

/// Everything of evidence, costs and host facts too.
std::string all_of(const Evidence& evidence) {
  std::string text = to_text(evidence);
  text += evidence.header.suite_folder + "|" + evidence.header.model.path;
  for (const UnitResult& unit : evidence.units) {
    text += "|" + std::to_string(unit.cost.time_s) + "|" + std::to_string(unit.cost.forwards);
  }
  return text;
}

std::pair<std::string, ExitCode> merge_error(const std::vector<Evidence>& shards) {
  try {
    merge(shards);
    return {"", ExitCode::kPass};
  } catch (const Error& error) {
    return {error.what(), error.code()};
  }
}

TEST(Merge, AllShardsGiveTheBytesOfTheWholeRun) {
  const Evidence merged =
      merge({shard({3, 1, 6, 8, 9}, "shard 2/2"), shard({0, 4, 2, 7, 5}, "shard 1/2")});
  EXPECT_EQ(all_of(merged), all_of(sample_evidence()));
  EXPECT_EQ(merged.interrupted, "");
  EXPECT_TRUE(merged.complete());
}

TEST(Merge, OrderRepetitionAndStepsDoNotMatter) {
  std::vector<Evidence> shards = {shard({0, 1}, "shard 1/4"), shard({1, 2}, "SIGTERM"),
                                  shard({3}, "shard 3/4")};
  shards[1].header.suite_folder = "/another/host";
  shards[1].units[0].cost.time_s = 99;
  const std::string expected = all_of(merge(shards));
  std::vector<size_t> order = {0, 1, 2};
  do {
    const Evidence &a = shards[order[0]], &b = shards[order[1]], &c = shards[order[2]];
    EXPECT_EQ(all_of(merge({a, b, c})), expected);
    EXPECT_EQ(all_of(merge({merge({a, b}), c})), expected);
    EXPECT_EQ(all_of(merge({a, merge({c, b})})), expected);
    EXPECT_EQ(all_of(merge({a, b, a, c, b})), expected);
  } while (std::next_permutation(order.begin(), order.end()));
  const Evidence merged = merge(shards);
  EXPECT_EQ(all_of(merge({merged, merged})), expected);
}

TEST(Merge, MissingUnitsKeepTheRunIncompleteWithEveryReason) {
  const Evidence merged = merge({shard({0}, "time limit"), shard({1}, "SIGINT")});
  EXPECT_FALSE(merged.complete());
  EXPECT_EQ(merged.interrupted, "SIGINT; time limit");
  EXPECT_EQ(merge({shard({0}, ""), shard({1}, "")}).interrupted, "units are missing");
  // The stand-in gives way once a real reason is known, in whatever order shards come.
  EXPECT_EQ(merge({merge({shard({0}, ""), shard({1}, "")}), shard({2}, "SIGINT")}).interrupted,
            "SIGINT");
}

TEST(Merge, ARunThatEndedByItselfStaysFinal) {
  Evidence ended = shard({0, 1}, "");
  ended.ended_early = "clean accuracy 0.1";
  const Evidence merged = merge({ended, shard({2}, "SIGINT")});
  EXPECT_EQ(merged.ended_early, "clean accuracy 0.1");
  EXPECT_EQ(merged.interrupted, "");
  // Without the whole clean pass it is not final.
  Evidence early = shard({0}, "");
  early.ended_early = "clean accuracy 0.1";
  EXPECT_EQ(merge({early, shard({2}, "SIGINT")}).interrupted, "SIGINT");
  // With every unit there, nothing ended early.
  EXPECT_EQ(merge({ended, sample_evidence()}).ended_early, "");
}

TEST(Merge, DifferentHeadersAreRefusedNamingFieldAndBothValues) {
  const Evidence one = sample_evidence();
  const auto with = [&](auto change) {
    Evidence other = one;
    change(&other.header);
    return merge_error({one, other});
  };
  auto [message, code] = with([](Header* header) { header->seed = 5; });
  EXPECT_THAT(message,
              AllOf(HasSubstr("seed"), HasSubstr("18446744073709551615"), HasSubstr("`5`")));
  EXPECT_EQ(code, ExitCode::kUsage);
  std::tie(message, code) = with([](Header* header) { header->cpu_capability = "AVX512"; });
  EXPECT_THAT(message, HasSubstr("cpu_capability: `AVX2` against `AVX512`"));
  std::tie(message, code) = with([](Header* header) { header->model.sha256 = "0123"; });
  EXPECT_THAT(message, AllOf(HasSubstr("model_sha256"), HasSubstr("`0123`")));
  std::tie(message, code) = with([](Header* header) { header->samples[2].digest = "77"; });
  EXPECT_THAT(message, HasSubstr("samples[cat/2.png].digest"));
  std::tie(message, code) = with([](Header* header) { header->samples.pop_back(); });
  EXPECT_THAT(message, HasSubstr("samples: 4 entries against 3"));
  std::tie(message, code) = with([](Header* header) { header->cells[1].threat.eps = 0.25; });
  EXPECT_THAT(message, HasSubstr("cells[near].threat.eps: `null` against `0.25`"));
  std::tie(message, code) =
      with([](Header* header) { header->cells[0].params["steps"] = int64_t{100}; });
  EXPECT_THAT(message, HasSubstr("cells[near@0.5].params.steps.integer: `200` against `100`"));
  std::tie(message, code) = with([](Header* header) { header->cells[0].params.erase("steps"); });
  EXPECT_THAT(message, HasSubstr("params.steps"));
}

TEST(Merge, AnotherHostsPathsAreNoDifference) {
  Evidence other = sample_evidence();
  other.header.suite_folder = "/build/7";
  other.header.model.path = "/build/7/m.pt";
  EXPECT_EQ(merge_error({sample_evidence(), other}).first, "");
}

TEST(Merge, LimitsOfTheMachineAreNoDifferenceAndTheFieldOfAnotherSuiteIsNamed) {
  const auto with_suite = [](const std::string& suite, const std::string& sha256) {
    Evidence run = sample_evidence();
    run.header.suite = suite;
    run.header.suite_sha256 = sha256;
    return run;
  };
  const std::string attack = R"({"attacks":[{"name":"pgd","steps":3}],"run":{"block":4)";
  const Evidence one = with_suite(attack + R"(,"time_limit":"1h"}})", "1");
  const Evidence two = with_suite(attack + R"(,"memory_limit":"4GB"}})", "1");
  EXPECT_EQ(merge_error({one, two}).first, "");
  EXPECT_EQ(all_of(merge({one, two})), all_of(merge({two, one})));
  const Evidence other = with_suite(
      R"({"attacks":[{"name":"pgd","steps":4}],"run":{"block":4,"time_limit":"2h"}})", "2");
  const std::string told = merge_error({one, other}).first;
  EXPECT_THAT(told, HasSubstr("suite.attacks[pgd].steps: `3` against `4`"));
}

TEST(Merge, OneKeyWithTwoResultsIsNondeterminism) {
  Evidence other = sample_evidence();
  other.units[2].rows[1].status = Status::kRobust;
  for (const auto& shards : {std::vector{sample_evidence(), other}, {other, sample_evidence()}}) {
    const auto [message, code] = merge_error(shards);
    EXPECT_THAT(message, AllOf(HasSubstr("nondeterminism"), HasSubstr("near"),
                               HasSubstr("sample 1"), HasSubstr("status"), HasSubstr("broken")));
    EXPECT_EQ(code, ExitCode::kIncomplete);
  }
  other = sample_evidence();
  other.units[2].flags.clear();
  EXPECT_EQ(merge_error({sample_evidence(), other}).second, ExitCode::kIncomplete);
  other = sample_evidence();
  ++other.units[4].diagnosis.silent;
  EXPECT_THAT(merge_error({sample_evidence(), other}).first, HasSubstr("diagnosis"));
}

TEST(Merge, NothingIsNoRun) { EXPECT_THAT(merge_error({}).first, HasSubstr("nothing to merge")); }

}  // namespace
}  // namespace assay
