#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/suite/fakes.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

Suite set(std::vector<std::string> assignments) {
  Overrides overrides;
  overrides.set = std::move(assignments);
  return load(kExample, overrides);
}

std::string set_fault(const std::string& assignment) {
  Overrides overrides;
  overrides.set = {assignment};
  return fault(kExample, overrides);
}

TEST(Override, NamedItemsGoByNameAndOthersByIndex) {
  const Suite suite = set({"attacks.pgd.steps=10", "attacks.0.eps=4/255",
                           "attacks.aa.stages.2.queries=77", "gate.rules.0.at_least=0.5"});
  EXPECT_EQ(std::get<int64_t>(suite.attacks[1].params.at("steps")), 10);
  EXPECT_EQ(suite.attacks[0].threat.eps, 4.0 / 255);
  EXPECT_EQ(std::get<int64_t>(suite.attacks[2].stages[2].params.at("queries")), 77);
  EXPECT_EQ(suite.rules[0].limit, 0.5);
}

TEST(Override, ValuesAreYaml) {
  const Suite suite = set({"attacks.pgd.eps=[0.1, 0.2]", "sample={ first: 5 }"});
  EXPECT_EQ(suite.cells[2].name, "pgd@0.2");
  EXPECT_EQ(suite.sample.first, 5);
  EXPECT_EQ(suite.sample.count, std::nullopt);
}

TEST(Override, NewKeysAndSectionsMayBeAdded) {
  const Suite suite = set({"attacks.pgd.momentum=0.9", "model.normalize.mean=[0.5]",
                           "model.normalize.std=[0.5]", "defaults.goal=untargeted"});
  EXPECT_EQ(std::get<double>(suite.attacks[1].params.at("momentum")), 0.9);
  EXPECT_THAT(suite.model.mean, ElementsAre(0.5));
}

TEST(Override, NamesMayHaveDots) {
  std::string text = kExample;
  text.replace(text.find("name: fgsm"), 10, "name: f.g");
  Overrides overrides;
  overrides.set = {"attacks.f.g.eps=0.25"};
  EXPECT_EQ(load(text, overrides).attacks[0].threat.eps, 0.25);
}

TEST(Override, LaterOnesWin) {
  const Suite suite = set({"seed=1", "seed=2"});
  EXPECT_EQ(suite.seed, 2u);
}

TEST(Override, FaultsAreToldAtTheCommandLine) {
  EXPECT_THAT(set_fault("attacks.pgd.steps=ten"),
              StartsWith("--set attacks.pgd.steps=ten: `steps` is `ten`, expected"));
  EXPECT_THAT(set_fault("attacks.pgd.stpes=10"), HasSubstr("did you mean `steps`"));
  EXPECT_THAT(set_fault("attacks.pdg.steps=10"),
              StartsWith("--set attacks.pdg.steps=10: no item is named `pdg`; did you mean `pgd`"));
  EXPECT_THAT(set_fault("attacks.9.steps=10"), HasSubstr("there is no item 9; the list has 6"));
  EXPECT_THAT(set_fault("rnu.block=3"), HasSubstr("unknown key `rnu`"));
  EXPECT_THAT(set_fault("seed.x=3"), HasSubstr("nothing below the value `20260101`"));
  EXPECT_THAT(set_fault("seed"), HasSubstr("expected path=value"));
  EXPECT_THAT(set_fault("=3"), HasSubstr("expected path=value"));
  EXPECT_THAT(set_fault("seed="), HasSubstr("has no value"));
  EXPECT_THAT(set_fault("run..block=3"), HasSubstr("empty part"));
  EXPECT_THAT(set_fault("seed=[1"), HasSubstr("not valid YAML"));
}

TEST(Override, ModelAndBaselineAreRelativeToWhereTheyAreTyped) {
  Overrides overrides;
  overrides.model = "here.pt";
  overrides.baseline = "runs/latest";
  const Suite suite = load(kExample, overrides);
  EXPECT_EQ(suite.model.path, std::filesystem::current_path() / "here.pt");
  EXPECT_EQ(suite.baseline, (std::filesystem::current_path() / "runs/latest").string());
}

TEST(Override, ModelNeedsNoPathInTheSuite) {
  std::string text = kExample;
  text.erase(text.find("  path: candidate.pt\n"), 21);
  EXPECT_THAT(fault(text), HasSubstr("lacks `path`"));
  Overrides overrides;
  overrides.model = "/models/here.pt";
  EXPECT_EQ(load(text, overrides).model.path, "/models/here.pt");
}

TEST(Override, AnEmptyModelOrBaselineIsNotAnAbsentOne) {
  Overrides overrides;
  overrides.model = "";
  EXPECT_THAT(fault(kExample, overrides), HasSubstr("`--model` is empty; is a variable unset?"));
  overrides.model.reset();
  overrides.baseline = "";
  EXPECT_THAT(fault(kExample, overrides), HasSubstr("`--baseline` is empty"));
}

}  // namespace
}  // namespace assay
