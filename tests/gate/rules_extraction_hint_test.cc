// What would decide rules on extraction cells that are open.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "harness/gate/extraction.h"
#include "tests/gate/extraction_fixture.h"

namespace assay {
namespace {

using testing::add_rule;
using ::testing::HasSubstr;
using testing::last_extracted;
using testing::make_suite;
using testing::run_with_thieves;
using Judged = RuleResult::Verdict;
using Kind = RuleSpec::Kind;

RuleResult limited(const Evidence& run, const std::string& metric, Kind kind, double limit,
                   const Evidence* baseline = nullptr) {
  Suite suite = make_suite(run);
  add_rule(suite, metric, kind, limit);
  return decide(suite, run, baseline).rules.at(0);
}

TEST(ExtractionHint, AnOpenOneSaysHowManySeedsWouldDecideAndWhatTheseShow) {
  const Evidence run = run_with_thieves({0.78, 0.8, 0.82});
  const RuleResult result = limited(run, "agreement@100", Kind::kAtMost, 0.83);
  ASSERT_EQ(result.verdict, Judged::kInconclusive);
  EXPECT_THAT(result.hint, HasSubstr("seeds would decide if the value holds; these 3 seeds and "
                                     "2000 records can show at_most 0.8"));
  EXPECT_THAT(limited(run, "agreement@100", Kind::kAtMost, 0.801).hint,
              HasSubstr("test records and more seeds would decide"));
  EXPECT_THAT(limited(run_with_thieves({0.8}), "agreement@100", Kind::kAtMost, 0.9).hint,
              HasSubstr("bounds need two seeds or more"));
}

TEST(ExtractionHint, ThePromisedNumberOfSeedsDecides) {
  const Evidence few = run_with_thieves({0.78, 0.8, 0.82});
  const std::string hint = limited(few, "agreement@100", Kind::kAtMost, 0.83).hint;
  const int64_t seeds = std::stoll(hint.substr(std::string("about ").size()));
  ASSERT_GT(seeds, 3);
  ASSERT_LT(seeds, 30);
  // Half of them above and half below, so far that their standard deviation is still 0.02.
  const double n = static_cast<double>(seeds);
  const double away = 0.02 * (seeds % 2 == 1 ? 1 : std::sqrt((n - 1) / n));
  std::vector<double> more(static_cast<size_t>(seeds % 2), 0.8);
  while (more.size() < static_cast<size_t>(seeds)) {
    more.push_back(0.8 - away);
    more.push_back(0.8 + away);
  }
  EXPECT_EQ(limited(run_with_thieves(more), "agreement@100", Kind::kAtMost, 0.83).verdict,
            Judged::kPass);
}

// Seeds that agree on all records leave nothing to more seeds.
TEST(ExtractionHint, ThePromisedNumberOfRecordsDecidesWhereSeedsAgree) {
  const auto of_all = [](int64_t n) { return run_with_thieves({1, 1, 1}, n); };
  const auto promised = [](const RuleResult& open, const std::string& before) {
    EXPECT_EQ(open.verdict, Judged::kInconclusive);
    EXPECT_THAT(open.hint, ::testing::StartsWith(before));
    return std::stoll(open.hint.substr(before.size()));
  };
  const int64_t told =
      promised(limited(of_all(300), "agreement@100", Kind::kAtMost, 0.995), "about ");
  EXPECT_NEAR(static_cast<double>(told), 630, 30);
  EXPECT_EQ(limited(of_all(told), "agreement@100", Kind::kAtMost, 0.995).verdict, Judged::kFail);
  const Evidence few = run_with_thieves({0.6, 0.6, 0.6}, 50);
  const int64_t paired =
      promised(limited(few, "agreement@100", Kind::kMaxRise, 0.02, &few), "about ");
  const Evidence more = run_with_thieves({0.6, 0.6, 0.6}, paired);
  EXPECT_EQ(limited(more, "agreement@100", Kind::kMaxRise, 0.02, &more).verdict, Judged::kPass);
}

TEST(ExtractionHint, AnOpenOneOnTransferAsksForRecordsToMakeAdversarialsOf) {
  Evidence run = run_with_thieves({0.8, 0.8, 0.8}, 200);
  run.header.cells.back().params["transfer_count"] = int64_t{100};
  for (Stolen& stolen : last_extracted(run).stolen) {
    stolen.transfer = std::string(50, '1') + std::string(150, '-');
  }
  const auto hint = [&](double limit) {
    return limited(run, "transfer_success@100", Kind::kAtMost, limit).hint;
  };
  EXPECT_THAT(hint(0.96), ::testing::MatchesRegex(
                              "a `transfer_count` of about 1[4-7][0-9] would decide if the value "
                              "holds; these 3 seeds and 50 records can show at_most 1"));
  EXPECT_THAT(hint(0.98), ::testing::ContainsRegex("of about [23][0-9][0-9] with as many test "
                                                   "records would decide"));
}

}  // namespace
}  // namespace assay
