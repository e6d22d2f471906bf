// The terminal's summary and summary.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/reports/golden.h"
#include "tests/reports/sample_report.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

void expect_within(const std::string& text, long width) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto columns =
        std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
    EXPECT_LE(columns, width) << line;
  }
}

TEST(SummaryText, EqualsItsGoldenFile) {
  testing::expect_golden("summary.txt", summary_text(testing::failing()->report, 80, false));
}

TEST(SummaryText, StaysWithinItsWidthInEveryOutcome) {
  for (const auto& make : {testing::passing, testing::failing, testing::inconclusive,
                           testing::incomplete, testing::refused}) {
    auto s = make();
    for (RuleResult& rule : s->decision.rules) {
      rule.cell += "-with-a-very-long-name-indeed-that-nobody-would-choose@0.031372549";
      rule.reason += " " + std::string(150, 'x');
    }
    s->suite.name = std::string(120, 'n');
    for (const int width : {48, 60, 80, 120}) {
      expect_within(summary_text(s->report, width, false), width);
    }
  }
}

TEST(SummaryText, StartsWithTheDecisionAndEndsWithTheExitCode) {
  EXPECT_THAT(summary_text(testing::failing()->report, 80, false), StartsWith("FAIL  "));
  EXPECT_THAT(summary_text(testing::refused()->report, 80, false), StartsWith("REFUSED  "));
  EXPECT_THAT(summary_text(testing::incomplete()->report, 80, false),
              ::testing::EndsWith("exit 3\n"));
}

TEST(SummaryText, OfAShardHasNoDecisionAndTellsItsExitCode) {
  const auto s = testing::incomplete();
  s->evidence.interrupted = "shard 1 of 4";
  EXPECT_THAT(summary_text(s->report, 80, false), StartsWith("INCOMPLETE  ")) << "a merge, say";
  s->report.shard = true;
  const std::string text = summary_text(s->report, 80, false);
  EXPECT_THAT(text, StartsWith("MEASURED  "));
  EXPECT_THAT(text, HasSubstr("shard 1 of 4 is measured; `assay merge` puts"));
  EXPECT_THAT(text, ::testing::EndsWith("exit 0\n"));
}

TEST(SummaryText, UsesAnsiOnlyWithColour) {
  auto s = testing::failing();
  s->decision.rules[0].reason = "\x1b[2J cleared";  // never passes on a foreign sequence
  EXPECT_THAT(summary_text(s->report, 80, false), Not(HasSubstr("\x1b")));
  const std::string coloured = summary_text(s->report, 80, true);
  EXPECT_THAT(coloured, HasSubstr("\x1b[1;31mfail"));
  EXPECT_THAT(coloured, Not(HasSubstr("\x1b[2J")));
}

TEST(SummaryText, ShowsAsManyDigitsAsItTakesToSeeWhyALimitIsMissed) {
  auto s = testing::failing();
  s->decision.rules.resize(1);
  s->decision.rules[0].value = 0.39;
  s->decision.rules[0].lower = 0.37;
  s->decision.rules[0].upper = 0.399996;
  EXPECT_THAT(summary_text(s->report, 80, false), HasSubstr("37.0..39.9996"));
}

TEST(SummaryMarkdown, EqualsItsGoldenFile) {
  testing::expect_golden("summary.md", summary_markdown(testing::failing()->report));
}

TEST(SummaryMarkdown, StaysUnder64kBAndKeepsTheWorstAndSaysWhatIsLeftOut) {
  auto s = testing::passing();
  const RuleResult pass = s->decision.rules[1];
  RuleResult fail = pass;
  fail.verdict = RuleResult::Verdict::kFail;
  fail.cell = "the-one-that-failed";
  fail.reason = std::string(5000, '<');
  s->decision.rules.assign(4000, pass);
  s->decision.rules.push_back(fail);
  s->decision.flags.assign(500, {"a_flag", "cell", std::string(900, '@'), std::string(900, '@')});
  s->decision.reason = std::string(100'000, '&');
  const std::string markdown = summary_markdown(s->report);
  EXPECT_LT(markdown.size(), 64'000u);
  EXPECT_THAT(markdown, HasSubstr("the-one-that-failed"));
  EXPECT_THAT(markdown, HasSubstr("of 4001 rules are left out here"));
  EXPECT_THAT(markdown, HasSubstr("more in report.html"));
}

TEST(SummaryMarkdown, TextStaysText) {
  auto s = testing::failing();
  s->decision.rules[0].reason = "| @team <b>bold</b> [link](x) `code`\nnext";
  const std::string markdown = summary_markdown(s->report);
  EXPECT_THAT(markdown,
              HasSubstr("\\| &#64;team \\<b\\>bold\\</b\\> \\[link\\]\\(x\\) \\`code\\` next"));
}

}  // namespace
}  // namespace assay
