#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>

#include "tests/reports/golden.h"
#include "tests/reports/sample_report.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Tags close in order, quotes pair, and no raw & or < is left in text.
void expect_well_formed(const std::string& xml) {
  std::vector<std::string> open;
  size_t at = xml.find("?>") + 2;
  while (at < xml.size()) {
    const size_t start = xml.find('<', at);
    if (start == std::string::npos) break;
    const size_t end = xml.find('>', start);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = xml.substr(start + 1, end - start - 1);
    ASSERT_EQ(tag.find('<'), std::string::npos) << tag;
    ASSERT_EQ(testing::occurrences(tag, "\"") % 2, 0u) << tag;
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    if (tag[0] == '/') {
      ASSERT_FALSE(open.empty());
      ASSERT_EQ("/" + open.back(), tag);
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    at = end + 1;
  }
  EXPECT_TRUE(open.empty());
  for (size_t i = xml.find('&'); i != std::string::npos; i = xml.find('&', i + 1)) {
    const std::string entity = xml.substr(i, xml.find(';', i) - i + 1);
    EXPECT_THAT(entity, ::testing::AnyOf("&amp;", "&lt;", "&gt;", "&quot;", "&#39;"));
  }
  for (const char c : xml) {
    EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 || c == '\n') << static_cast<int>(c);
  }
}

TEST(JunitXml, EqualsItsGoldenFile) {
  testing::expect_golden("junit.xml", junit_xml(testing::failing()->report));
}

TEST(JunitXml, HasOneTestcasePerCellAndOneForTheGate) {
  for (const auto& make : {testing::passing, testing::failing, testing::inconclusive,
                           testing::incomplete, testing::refused}) {
    const auto s = make();
    const std::string xml = junit_xml(s->report);
    expect_well_formed(xml);
    EXPECT_EQ(testing::occurrences(xml, "<testcase "), s->decision.cells.size() + 1);
    EXPECT_EQ(testing::occurrences(xml, "name=\"gate\""), 1u);
  }
}

TEST(JunitXml, APassHasNoFailure) {
  const std::string xml = junit_xml(testing::passing()->report);
  EXPECT_THAT(xml, Not(HasSubstr("<failure")));
  EXPECT_THAT(xml, HasSubstr("failures=\"0\" errors=\"0\" skipped=\"0\""));
}

// Tools that go by names would keep one of the two.
TEST(JunitXml, ACellNamedGateHasANameOfItsOwn) {
  const auto sample = testing::passing();
  Decision decision = *sample->report.decision;
  decision.cells[0].name = "gate";
  sample->report.decision = &decision;
  const std::string xml = junit_xml(sample->report);
  EXPECT_EQ(testing::occurrences(xml, "name=\"gate\""), 1u);
  EXPECT_EQ(testing::occurrences(xml, "name=\"cell.gate\""), 1u);
}

TEST(JunitXml, InconclusiveIsAFailureOfThatType) {
  const std::string xml = junit_xml(testing::inconclusive()->report);
  EXPECT_EQ(testing::occurrences(xml, "type=\"inconclusive\""), 3u);  // two cells and the gate
  EXPECT_EQ(testing::occurrences(xml, "<failure "), 3u);
  EXPECT_THAT(xml, HasSubstr("failures=\"3\""));
  EXPECT_THAT(xml, Not(HasSubstr("<skipped")));
}

TEST(JunitXml, IncompleteIsAnError) {
  const std::string xml = junit_xml(testing::incomplete()->report);
  EXPECT_EQ(testing::occurrences(xml, "<error "), 3u);  // two cells and the gate
  EXPECT_THAT(xml, HasSubstr("errors=\"3\""));
  EXPECT_THAT(xml, HasSubstr("time limit of 60 s reached"));
  EXPECT_THAT(xml, Not(HasSubstr("<skipped")));
}

TEST(JunitXml, ARefusalFailsTheGate) {
  const std::string xml = junit_xml(testing::refused()->report);
  EXPECT_THAT(xml, HasSubstr("type=\"refused\""));
  EXPECT_THAT(xml, HasSubstr("tests=\"1\" failures=\"1\""));
}

TEST(JunitXml, OnlyNotApplicableIsSkipped) {
  auto s = testing::passing();
  for (RuleResult& rule : s->decision.rules) {
    if (rule.cell != "fgsm") continue;
    rule.verdict = RuleResult::Verdict::kNotApplicable;
    rule.reason = "first run";
  }
  s->decision.rules[2].verdict = RuleResult::Verdict::kWaived;
  const std::string xml = junit_xml(s->report);
  EXPECT_EQ(testing::occurrences(xml, "<skipped "), 1u);
  EXPECT_THAT(xml, HasSubstr("skipped=\"1\""));
}

TEST(JunitXml, AFailedRuleOutweighsANotApplicableAndAnInconclusiveOne) {
  auto s = testing::passing();
  for (RuleResult& rule : s->decision.rules) rule.cell = "fgsm";
  s->decision.rules[0].verdict = RuleResult::Verdict::kNotApplicable;
  s->decision.rules[1].verdict = RuleResult::Verdict::kInconclusive;
  s->decision.rules[2].verdict = RuleResult::Verdict::kFail;
  EXPECT_EQ(testing::occurrences(junit_xml(s->report), "<failure "), 1u);
  EXPECT_THAT(junit_xml(s->report), HasSubstr("type=\"fail\""));
}

TEST(JunitXml, ACellThatNoRuleCoversPassesAndSaysSo) {
  auto s = testing::passing();
  std::erase_if(s->decision.rules, [](const RuleResult& rule) { return rule.cell == "fgsm"; });
  const std::string xml = junit_xml(s->report);
  EXPECT_THAT(xml, HasSubstr("<system-out>no rule covers this cell</system-out>"));
  EXPECT_THAT(xml, HasSubstr("failures=\"0\" errors=\"0\" skipped=\"0\""));
}

TEST(JunitXml, AFaultOfTheCandidateFailsItsCellWithoutAnyRule) {
  auto s = testing::passing();
  s->decision.rules.clear();
  Verdict& row = s->evidence.units[0].rows[1];
  row.status = Status::kError;
  row.cause = Cause::kCandidate;
  EXPECT_THAT(junit_xml(s->report), HasSubstr("the candidate itself failed on 1 sample"));
  EXPECT_EQ(testing::occurrences(junit_xml(s->report), "<failure "), 1u);
  row.cause = Cause::kHost;
  EXPECT_EQ(testing::occurrences(junit_xml(s->report), "<failure "), 0u);
}

TEST(JunitXml, WhatAnEarlyEndLeftOutIsInconclusiveNotAnErrorThatARetryMends) {
  auto s = testing::failing();
  for (CellResult& cell : s->decision.cells) cell.complete = false;
  s->decision.rules.resize(1);  // of pgd@0.1
  s->evidence.ended_early = "clean accuracy fails";
  const std::string xml = junit_xml(s->report);
  EXPECT_EQ(testing::occurrences(xml, "<failure "), 5u);
  EXPECT_EQ(testing::occurrences(xml, "type=\"fail\""), 2u);  // of pgd@0.1 and the gate
  EXPECT_EQ(testing::occurrences(xml, "type=\"inconclusive\""), 3u);
  EXPECT_EQ(testing::occurrences(xml, "<error "), 0u);
  EXPECT_THAT(xml, HasSubstr("not run: clean accuracy fails"));
}

TEST(JunitXml, EscapesMarkupAndDropsControlCharacters) {
  auto s = testing::failing();
  s->decision.cells[0].name = "a<b>&\"c\"";
  for (RuleResult& rule : s->decision.rules) rule.cell = s->decision.cells[0].name;
  s->decision.rules[0].reason = std::string("bad \x01\x1b[31m byte \xff and \x00 end", 23);
  const std::string xml = junit_xml(s->report);
  expect_well_formed(xml);
  EXPECT_THAT(xml, HasSubstr("name=\"a&lt;b&gt;&amp;&quot;c&quot;\""));
  EXPECT_THAT(xml, HasSubstr("bad [31m byte \xEF\xBF\xBD and"));
}

}  // namespace
}  // namespace assay
