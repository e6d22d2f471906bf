#include "harness/suite/value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace assay {
namespace {

using testing::HasSubstr;

std::string canonical(const std::string& yaml) { return canonical_json(parse_yaml(yaml, "f")); }

std::string fault_of(const std::string& yaml) {
  try {
    parse_yaml(yaml, "f");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(CanonicalJson, EqualContentHasEqualBytes) {
  const std::string expected = R"({"a":[0.1,1,"x"],"b":{"c":true,"d":null}})";
  EXPECT_EQ(canonical("b: { d: ~, c: true }\na: [0.10, 1.0, x]"), expected);
  EXPECT_EQ(canonical("a:\n  - 1e-1\n  - +1\n  - 'x'\nb:\n  c: True\n  d:\n"), expected);
  EXPECT_EQ(canonical(expected), expected);
}

TEST(CanonicalJson, ScalarsHaveTheTypesOfTheCoreSchema) {
  EXPECT_EQ(canonical("[1, '1', 010, 0x1F, 0o17, 1e3, .5, -0.0, 1.]"),
            R"([1,"1",10,31,15,1000,0.5,0,1])");
  EXPECT_EQ(canonical("[yes, no, 8/255, 5%, .inf, 1_000, 12e, '', ~]"),
            R"(["yes","no","8/255","5%",".inf","1_000","12e","",null])");
  EXPECT_EQ(canonical("[18446744073709551615, -9007199254740993]"),
            "[18446744073709551615,-9007199254740993]");
}

TEST(CanonicalJson, TextIsEscapedAndReadBack) {
  const std::string text = R"(["a\"b\\c\n\u0001é","$x"])";
  EXPECT_EQ(canonical(text), text);
  const Value value = parse_yaml(text, "f");
  EXPECT_EQ(value.list[0].scalar, "a\"b\\c\n\x01é");
}

TEST(NumberText, IsShortestAndReadsBack) {
  EXPECT_EQ(number_text(0.1), "0.1");
  EXPECT_EQ(number_text(1e-7), "1e-07");
  EXPECT_EQ(number_text(100000), "100000");
  EXPECT_EQ(number_text(-0.0), "0");
  EXPECT_EQ(number_text(8.0 / 255), "0.03137254901960784");
  for (const double number : {1.0 / 3, 1e300, 5e-324, -123456789.125, 1e15, 9007199254740993.0}) {
    double back = 0;
    ASSERT_TRUE(parse_number(number_text(number), &back));
    EXPECT_EQ(back, number);
  }
}

TEST(ParseNumber, TakesDecimalsAndFractionsOnly) {
  double number = 0;
  EXPECT_TRUE(parse_number("8/255", &number));
  EXPECT_EQ(number, 8.0 / 255);
  EXPECT_TRUE(parse_number("-1.5e2", &number));
  EXPECT_EQ(number, -150);
  for (const char* text : {"", "1/0", "1/2/3", "/2", "1/", "1 /2", "0x10", "nan", "inf", "1e999",
                           "1,5", "e5", ".", "+", "- 1", "1_000"}) {
    EXPECT_FALSE(parse_number(text, &number)) << text;
  }
}

TEST(ParseYaml, EveryNodeKnowsItsPlace) {
  const Value root = parse_yaml("a: 1\nb:\n  - x\n  - { c: 'y' }\n", "f");
  EXPECT_EQ(root.map[1].first.where.line, 2);
  EXPECT_EQ(root.map[1].first.where.column, 1);
  const Value& list = *root.find("b");
  EXPECT_EQ(list.list[0].where.line, 3);
  EXPECT_EQ(list.list[0].where.column, 5);
  const Value& y = *list.list[1].find("c");
  EXPECT_EQ(y.where.line, 4);
  EXPECT_EQ(y.where.column, 10);
  EXPECT_TRUE(y.quoted);
  EXPECT_FALSE(list.list[0].quoted);
}

TEST(ParseYaml, AnchorsAreCopied) {
  EXPECT_EQ(canonical("a: &x { b: 1 }\nc: *x\nd: [*x, *x]"),
            R"({"a":{"b":1},"c":{"b":1},"d":[{"b":1},{"b":1}]})");
}

TEST(ParseYaml, VariablesComeFromTheEnvironment) {
  ::setenv("ASSAY_TEST_ONE", "1", 1);
  ::setenv("ASSAY_TEST_EMPTY", "", 1);
  EXPECT_EQ(canonical("- ${ASSAY_TEST_ONE}\n- 'a${ASSAY_TEST_ONE}b$c'\n- '1'"),
            R"([1,"a1b$c","1"])");
  // In [ ] and { } a variable must be quoted; one that is the whole value is typed by its content.
  EXPECT_EQ(canonical("['${ASSAY_TEST_ONE}', '${ASSAY_TEST_UNSET:-true}', '${ASSAY_TEST_ONE}1']"),
            R"([1,true,"11"])");
  EXPECT_THAT(fault_of("[${ASSAY_TEST_ONE}]"), HasSubstr("quote \"${…}\""));
  EXPECT_EQ(canonical("[\"${ASSAY_TEST_UNSET:-x/y}\", \"${ASSAY_TEST_EMPTY:-z}\", "
                      "\"${ASSAY_TEST_EMPTY}\", \"${ASSAY_TEST_UNSET:-}\"]"),
            R"(["x/y","z","",""])");
  EXPECT_EQ(canonical_json(parse_yaml("\"${ASSAY_TEST_ONE}\"", "f", Environment::kKeep)),
            "\"${ASSAY_TEST_ONE}\"");
  ::unsetenv("ASSAY_TEST_ONE");
  ::unsetenv("ASSAY_TEST_EMPTY");
}

TEST(ParseYaml, LimitsHold) {
  EXPECT_EQ(fault_of(std::string(31, '[') + std::string(31, ']')), "");
  EXPECT_THAT(fault_of(std::string(40, '[') + std::string(40, ']')), HasSubstr("f:1:33: nested"));
  EXPECT_THAT(fault_of(std::string((4 << 20) + 1, 'a')), HasSubstr("4 MiB"));
  std::string many = "[";
  for (int i = 0; i < 100'000; ++i) many += "1,";
  EXPECT_THAT(fault_of(many + "]"), HasSubstr("more than 100000 values"));
}

TEST(ParseYaml, AliasesCannotMultiply) {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (char name = '1'; name <= '9'; ++name) {
    const std::string one = {'*', 'a', static_cast<char>(name - 1)};
    laughs += std::string("aN: &aN [").replace(1, 1, 1, name).replace(6, 1, 1, name) + one;
    for (int j = 0; j < 9; ++j) laughs.append(", ").append(one);
    laughs += "]\n";
  }
  EXPECT_THAT(fault_of(laughs), HasSubstr("more than 100000 values"));

  std::string wide = "a: &a " + std::string(1 << 20, 'x') + "\nb: [*a";
  for (int i = 0; i < 30; ++i) wide += ", *a";
  EXPECT_THAT(fault_of(wide + "]\n"), HasSubstr("16 MiB of text"));
}

}  // namespace
}  // namespace assay
