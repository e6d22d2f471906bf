#include "harness/suite/params.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

void declare_all(Params& params) {
  params.boolean("random_start", true, "a");
  params.integer("steps", 40, {1, 1000}, "b");
  params.number("momentum", 0.5, {0, 1}, "c");
  params.optional_number("step_size", {}, "d");
  params.choice("loss", "ce", {"ce", "dlr"}, "e");
  params.text("source", "", "f");
  params.integers("budgets", {10, 20}, {1, 1e6}, "g");
}

ParamMap bind(const std::string& yaml) {
  Params params(parse_yaml(yaml, "f"), {"name"});
  declare_all(params);
  params.finish();
  return params.values();
}

std::string bind_fault(const std::string& yaml) {
  try {
    bind(yaml);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Params, DeclaringOnlyGivesDefaultsAndSpecs) {
  Params params;
  declare_all(params);
  params.finish();
  EXPECT_EQ(canonical_json(params.values()),
            R"({"budgets":[10,20],"loss":"ce","momentum":0.5,"random_start":true,"source":"",)"
            R"("step_size":null,"steps":40})");
  ASSERT_EQ(params.specs().size(), 7u);
  EXPECT_EQ(params.specs()[1].name, "steps");
  EXPECT_EQ(params.specs()[1].limits.most, 1000);
  EXPECT_EQ(params.specs()[1].help, "b");
  EXPECT_EQ(params.specs()[4].type, ParamSpec::Type::kChoice);
  EXPECT_THAT(params.specs()[4].choices, ElementsAre("ce", "dlr"));
}

TEST(Params, BoundValuesReplaceDefaults) {
  EXPECT_EQ(canonical_json(bind("{ name: x, steps: 1e2, momentum: 1/4, step_size: 2/255, loss: dlr,"
                                " source: 12, budgets: [5], random_start: false }")),
            R"({"budgets":[5],"loss":"dlr","momentum":0.25,"random_start":false,"source":"12",)"
            R"("step_size":0.00784313725490196,"steps":100})");
}

TEST(Params, EqualValuesHaveEqualBytes) {
  EXPECT_EQ(canonical_json(bind("{ steps: 10, step_size: 0.10 }")),
            canonical_json(bind("{ step_size: 1e-1, steps: 10.0 }")));
}

TEST(Params, FaultsNamePlaceValueAndRange) {
  EXPECT_EQ(bind_fault("{ steps: 0 }"),
            "f:1:10: `steps` is `0`, expected a whole number from 1 to 1000");
  EXPECT_THAT(bind_fault("{ steps: 1.5 }"), HasSubstr("`1.5`, expected a whole number"));
  EXPECT_THAT(bind_fault("{ steps: '5' }"), HasSubstr("remove the quotes"));
  EXPECT_THAT(bind_fault("{ steps: [5] }"), HasSubstr("a list"));
  EXPECT_THAT(bind_fault("{ steps: }"), HasSubstr("f:1:10: `steps` is empty"));
  EXPECT_THAT(bind_fault("{ steps: 99999999999999999999 }"), HasSubstr("whole number"));
  EXPECT_THAT(bind_fault("{ momentum: 2 }"), HasSubstr("a number from 0 to 1"));
  EXPECT_THAT(bind_fault("{ loss: cw }"), HasSubstr("`loss` is `cw`; one of ce, dlr"));
  EXPECT_THAT(bind_fault("{ random_start: 1 }"), HasSubstr("true or false"));
  EXPECT_THAT(bind_fault("{ budgets: [5, x] }"), HasSubstr("f:1:16: `budgets` is `x`"));
  EXPECT_THAT(bind_fault("{ source: {} }"), HasSubstr("a map, expected a text"));
}

TEST(Params, KeysThatNobodyReadAreRefused) {
  EXPECT_THAT(bind_fault("{ name: x, attack: pgd, step: 3 }"),
              HasSubstr("f:1:12: unknown parameter `attack`"));
  EXPECT_THAT(bind_fault("{ name: x, setps: 3 }"), HasSubstr("did you mean `steps`"));
}

TEST(Params, AttackFaultsArePlacedAtTheirParameter) {
  const Params params(parse_yaml("{ a: 1, b: 2 }", "f"), {});
  try {
    params.fail("b", "a and b exclude each other");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "f:1:12: a and b exclude each other");
  }
}

TEST(ParamsDeathTest, ReadingTwiceIsABug) {
  Params params;
  params.integer("steps", 1, {}, "");
  EXPECT_DEATH(params.integer("steps", 1, {}, ""), "read twice");
}

TEST(Params, ANumberOrAutoIsEither) {
  const auto bound = [](const std::string& yaml) {
    Params params(parse_yaml(yaml, "f"), {});
    const std::optional<double> found = params.number_or_auto("a", {0, 1}, "h");
    return std::pair(found, canonical_json(params.values()));
  };
  EXPECT_EQ(bound("{}"), std::pair(std::optional<double>(), std::string(R"({"a":"auto"})")));
  EXPECT_EQ(bound("{ a: auto }"), bound("{}"));
  EXPECT_EQ(bound("{ a: 1/4 }"), std::pair(std::optional(0.25), std::string(R"({"a":0.25})")));
  EXPECT_THAT([&] { bound("{ a: most }"); },
              ThrowsMessage<Error>(
                  HasSubstr("f:1:6: `a` is `most`, expected a number from 0 to 1, or auto")));
}

TEST(Params, ARefusedKeyIsOneOfTheEntryItself) {
  Value entry = parse_yaml("{ a: 1, b: 2 }", "f");
  entry.map[1].first.inherited = true;
  const Params params(entry, {});
  EXPECT_THAT([&] { params.refuse("a", "no"); }, ThrowsMessage<Error>(HasSubstr("f:1:3: no")));
  EXPECT_NO_THROW(params.refuse("b", "no"));
  EXPECT_NO_THROW(params.refuse("c", "no"));
}

}  // namespace
}  // namespace assay
