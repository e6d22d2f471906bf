// assay compare: the figures that the gate would decide on.
#include <cstdio>

#include "tests/cli/workshop.h"

namespace assay::testing {
namespace {

using ::testing::HasSubstr;

class Compare : public Workshop {};

TEST_F(Compare, CountsSamplesLostAndWon) {
  write_suite({});
  ASSERT_EQ(run("a").code, 0);
  ASSERT_EQ(run("b", {"--model", prepared("careless.pt").string()}).code, 0);
  const Ended all = assay({"compare", "a", "b"});
  expect_end(all, 0, {});
  EXPECT_THAT(all.out, HasSubstr("right.pt"));
  // At 8/255 the careless model loses the 25 samples of class 0 that are 0.05 from the line.
  const Ended one = assay({"compare", "a:pgd@8/255", "b:pgd@8/255"});
  expect_end(one, 0, {});
  EXPECT_THAT(one.out, ::testing::ContainsRegex("100 +1.0000 +0.7500 +\\+0.2500 .* 25 +0"));
  const Ended crossed = assay({"compare", "a:pgd@0.1", "a:pgd@8/255"});
  expect_end(crossed, 0, {});
  EXPECT_THAT(crossed.out, HasSubstr("eps"));
  EXPECT_LE(widest_line(all.out), 80U + path("a").string().size()) << all.out;
  expect_end(assay({"compare", "a", "c"}), 2, {"no such run", "FOLDER:CELL"});
  const Ended mistyped = assay({"compare", "a:pdg@0.1", "b"});
  expect_end(mistyped, 2, {"pdg@0.1", "pgd@0.1"});
  EXPECT_EQ(mistyped.out, "") << "half a table";
  EXPECT_EQ(assay({"compare", "a:pgd@16/510", "b"}).out, one.out);
  EXPECT_EQ(assay({"compare", "a:pgd@*", "b"}).out, all.out);
}

TEST_F(Compare, AgreesWithTheGateOnATargetedCell) {
  SuiteParts parts;
  parts.attacks = "- { name: pgd, attack: pgd, eps: [8/255], steps: 3, goal: targeted, target: 1 }";
  parts.rules = "- { cell: \"*\", metric: robust_accuracy, max_drop: 0.9 }";
  write_suite(parts);
  ASSERT_EQ(run("a", {"--baseline", "none"}).code, 4);
  run("b", {"--model", prepared("careless.pt").string(), "--baseline", "a"});
  const nlohmann::json rule = json("b/report.json")["rules"][0];
  ASSERT_EQ(rule["n"], 50) << "samples of the target's own class do not count";
  ASSERT_GT(rule["regressed"], 0);
  const Ended all = assay({"compare", "a", "b"});
  expect_end(all, 0, {});
  char row[80];
  std::snprintf(row, sizeof row, "50 %8.4f %8.4f %+8.4f [%+.4f, %+.4f] %5d %5d\n",
                rule["baseline"].get<double>(), rule["value"].get<double>(),
                rule["difference"].get<double>(), rule["lower"].get<double>(),
                rule["upper"].get<double>(), rule["regressed"].get<int>(),
                rule["repaired"].get<int>());
  EXPECT_THAT(all.out, HasSubstr(row));
}

TEST_F(Compare, TellsWhichRunHasNoVerdicts) {
  write_suite({.rules = "- { cell: \"pgd@0.1\", metric: clean_accuracy, at_least: 0.9 }"});
  ASSERT_EQ(run("ended", {"--model", prepared("swapped.pt").string()}).code, 1);
  ASSERT_EQ(run("whole").code, 0);
  EXPECT_THAT(assay({"compare", "ended:pgd@0.1", "whole"}).out, HasSubstr("no verdict in A"));
  EXPECT_THAT(assay({"compare", "whole:pgd@0.1", "ended"}).out, HasSubstr("no verdict in B"));
}

TEST_F(Compare, ShowsMedianDistancesBesideSharesAtARadius) {
  write_suite({.attacks = "- { name: near, attack: fmn, steps: 30, eps: [0.1] }",
               .rules = "- { cell: \"near@0.1\", metric: robust_accuracy, at_least: 0.1 }"});
  ASSERT_EQ(run("a").code, 0);
  ASSERT_EQ(run("b", {"--model", prepared("careless.pt").string(), "--store", "other"}).code, 0);
  const Ended both = assay({"compare", "a", "b"});
  expect_end(both, 0, {});
  EXPECT_THAT(both.out, ::testing::ContainsRegex("near@0.1 +100 +0[.]"));
  EXPECT_THAT(both.out, HasSubstr("  median_distance\n    A "));
}

TEST_F(Compare, ShowsMedianDistancesWhereThereIsNoRadius) {
  SuiteParts parts;
  parts.attacks =
      "- { name: near, attack: fmn, steps: 30 }\n  - { name: pgd, attack: pgd, eps: [0.1] }";
  parts.rules = "- { cell: near, metric: median_distance, max_drop: 20% }";
  write_suite(parts);
  ASSERT_EQ(run("a", {"--baseline", "none"}).code, 4);
  run("b", {"--model", prepared("careless.pt").string(), "--baseline", "a"});
  const nlohmann::json rule = json("b/report.json")["rules"][0];
  const Ended all = assay({"compare", "a", "b:near"});
  expect_end(all, 0, {});
  EXPECT_THAT(all.out, ::testing::Not(HasSubstr("robust accuracy")));
  char row[80];
  std::snprintf(row, sizeof row, "\n    drop %8d %+9.4f  [%+.4f, %+.4f]\n", rule["n"].get<int>(),
                rule["difference"].get<double>(), rule["lower"].get<double>(),
                rule["upper"].get<double>());
  EXPECT_THAT(all.out, HasSubstr("\n  median_distance\n    A "));
  EXPECT_THAT(all.out, HasSubstr(row));
  expect_end(assay({"compare", "a:near", "b:pgd@0.1"}), 2, {"`near`", "has no radius"});
}

TEST_F(Compare, ShowsWhatThievesGotAtEachBudget) {
  write_suite({.attacks = "- { name: steal, attack: equation_solving, surface: probabilities, "
                          "budgets: [20, 50] }\n"
                          "  - { name: pgd, attack: pgd, eps: [0.1], steps: 3 }",
               .rules = "- { cell: steal, metric: \"agreement@50\", at_least: 0.5 }"});
  ASSERT_EQ(run("a").code, 0);
  ASSERT_EQ(run("b", {"--model", prepared("careless.pt").string()}).code, 0);
  for (const auto& [left, right] : {std::pair{"a:steal", "b"}, {"a:steal", "b:steal"}}) {
    const Ended all = assay({"compare", left, right});
    expect_end(all, 0, {});
    EXPECT_THAT(all.out, HasSubstr("steal"));
    EXPECT_THAT(all.out, HasSubstr("\n  agreement@20\n    A "));
    EXPECT_THAT(all.out, HasSubstr("\n  agreement@50\n    A "));
    EXPECT_THAT(all.out, HasSubstr("\n  surrogate_accuracy@50\n    A "));
    EXPECT_THAT(all.out, ::testing::ContainsRegex("A-B +100 +[+-]0.0000  \\[-0.0"));
    EXPECT_EQ(all.out.find("robust accuracy") != std::string::npos, left == std::string("a"));
  }
}

TEST_F(Compare, ShowsHowMuchScoresTell) {
  write_suite(audit_parts());
  run("a");
  run("b", {"--model", prepared("careless.pt").string()});
  const Ended all = assay({"compare", "a:mia", "b:mia"});
  expect_end(all, 0, {});
  EXPECT_THAT(all.out, ::testing::ContainsRegex("\n  auc\n    A +90 +0\\..*\n    B +90 .*\n"
                                                "    A-B +90 +[+-]0\\."));
  EXPECT_THAT(all.out, ::testing::ContainsRegex("\n  epsilon_lower\n    A +90 .*, unknown\\]"));
  EXPECT_THAT(all.out, ::testing::Not(HasSubstr("tpr_at_fpr_0.001"))) << "neither side has it";
  EXPECT_THAT(all.out, HasSubstr("too few records in both: 40 members, 50 non-members"));
  expect_end(assay({"compare", "a:mia", "b:pgd@0.1"}), 2, {"`mia` is of family membership"});
}

}  // namespace
}  // namespace assay::testing
