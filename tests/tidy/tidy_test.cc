// The style guide is a test. Each rule is shown to hold on the tree, and to find a planted fault.
#include <gmock/gmock.h>

#include "tests/tidy/rules.h"

namespace assay::tidy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Tree& project() {
  static const Tree tree = read_tree(ASSAY_SOURCE_DIR);
  return tree;
}

std::string repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(Tidy, TheWholeTreeIsRead) {
  int code = 0;
  for (const File& file : project()) code += file.path.ends_with(".cc") ? 1 : 0;
  EXPECT_GT(code, 400);
  EXPECT_THAT(project(), ::testing::Contains(::testing::Field(&File::path, "tests/tidy/rules.h")));
}

TEST(Tidy, RoomsIncludeOnlyAlongTheArrows) { EXPECT_THAT(include_arrows(project()), IsEmpty()); }

TEST(Tidy, AnIncludeAgainstTheArrowsIsFound) {
  EXPECT_THAT(include_arrows({{"harness/suite/a.cc", "#include \"harness/record/store.h\"\n"},
                              {"attacks/evasion/b.cc", "\n#include \"reports/report.h\"\n"},
                              {"harness/gate/c.cc", "#include \"harness/record/evidence.h\"\n"}}),
              ElementsAre(HasSubstr("harness/suite/a.cc:1: the room harness/suite may not"),
                          HasSubstr("attacks/evasion/b.cc:2: the room attacks may not")));
}

TEST(Tidy, EachLibraryComesThroughItsDoor) { EXPECT_THAT(library_doors(project()), IsEmpty()); }

TEST(Tidy, ALibraryAtAnotherDoorIsFound) {
  EXPECT_THAT(library_doors({{"harness/gate/a.cc", "#include <yaml-cpp/yaml.h>\n"},
                             {"attacks/evasion/b.cc", "#include <torch/script.h>\n"},
                             {"harness/run/c.cc", "#include <tbb/task_arena.h>\n"},
                             {"harness/cli/d.cc", "#include \"harness/run/e.h\"\n"},
                             {"harness/run/e.h", "#include <tbb/task_arena.h>\n"}}),
              ElementsAre(HasSubstr("harness/gate/a.cc:1: <yaml-cpp/yaml.h> has no door here"),
                          HasSubstr("attacks/evasion/b.cc:1: <torch/script.h>"),
                          HasSubstr("harness/run/e.h:1: <tbb/task_arena.h> in a header that "
                                    "harness/cli includes")));
}

TEST(Tidy, FilesAndFunctionsAreSmall) { EXPECT_THAT(sizes(project()), IsEmpty()); }

TEST(Tidy, ALargeFileAndALongFunctionAreFound) {
  EXPECT_THAT(
      sizes(
          {{"attacks/evasion/a.cc", repeat("\n", 251)},
           {"harness/run/b.cc", repeat("\n", 251)},
           {"harness/run/c.cc", repeat("\n", 401)},
           {"harness/run/d.cc", "int f() {\n" + repeat("  g();\n", 69) + "}\n"},
           {"harness/run/e.cc", "int f() {\n" + repeat("  g();\n", 68) + "}\n"},
           {"harness/run/f.cc", "int f(int a,\n      int b) {\n" + repeat("  g();\n", 68) + "}\n"},
           {"harness/run/g.cc", "struct A {\n  A(int b)\n      : b_(b),\n        c_(b) {\n" +
                                    repeat("    g();\n", 67) + "  }\n};\n"},
           {"harness/run/h.cc",
            "int f(int a,\n      int b) {\n" + repeat("  g();\n", 67) + "}\n"}}),
      ElementsAre("attacks/evasion/a.cc: 251 lines, at most 250",
                  "harness/run/c.cc: 401 lines, at most 400",
                  "harness/run/d.cc:1: a function of 71 lines, at most 70",
                  "harness/run/f.cc:1: a function of 71 lines, at most 70",
                  "harness/run/g.cc:2: a function of 71 lines, at most 70"));
}

TEST(Tidy, NothingIsOrphaned) { EXPECT_THAT(orphans(project()), IsEmpty()); }

TEST(Tidy, AnOrphanIsFound) {
  EXPECT_THAT(orphans({{"harness/run/lonely.h", "#pragma once\n"},
                       {"harness/elsewhere/a.cc", "int a;\n"},
                       {"configs/attacks/nothing.yaml", "attack: nothing\n"},
                       {"configs/suites/unused.yaml", "assay: 1\n"},
                       {"tests/golden/old.json", "{}\n"},
                       {"tests/run/helper.cc", "int b;\n"},
                       {"tests/run/named.cc", "int c;\n"},
                       {"tests/CMakeLists.txt", "add_library(named run/named.cc)\n"},
                       {"harness/run/used.h", "#pragma once\n"},
                       {"harness/run/user.cc", "#include \"harness/run/used.h\"\n"}}),
              ElementsAre("harness/run/lonely.h: nobody includes it",
                          "harness/elsewhere/a.cc: no target compiles it",
                          "configs/attacks/nothing.yaml: there is no attack of that name",
                          "configs/suites/unused.yaml: nothing loads it",
                          "tests/golden/old.json: no test reads it",
                          "tests/run/helper.cc: no target compiles it"));
}

TEST(Tidy, HeadersKeepTheHabits) { EXPECT_THAT(header_habits(project()), IsEmpty()); }

TEST(Tidy, AHeaderWithoutTheHabitsIsFound) {
  EXPECT_THAT(
      header_habits({{"reports/a.h", "\nusing namespace std;\n"},
                     {"reports/b.h", "#pragma once\n#define B 1\n"},
                     {"reports/b.cc", "#include <map>\n#include \"reports/b.h\"\n"}}),
      ElementsAre("reports/a.h:2: using namespace in a header", "reports/a.h: no #pragma once",
                  "reports/b.h:2: a macro", HasSubstr("reports/b.cc: its own header comes first")));
}

TEST(Tidy, TypesHaveNamesOfTheirOwn) { EXPECT_THAT(types_of_one_name(project()), IsEmpty()); }

TEST(Tidy, TwoTypesOfOneNameAreFound) {
  const std::string space = "#pragma once\nnamespace assay {\n";
  EXPECT_THAT(
      types_of_one_name({{"harness/cli/a.h", space + "struct Judged {\n};\n"},
                         {"harness/run/b.h", space + "class Judged final : public Base {\n"},
                         {"harness/run/c.h", space + "struct Judged;\nstruct Other {\n"},
                         {"attacks/math/d.h", "namespace assay::attacks {\nstruct Other {\n"}}),
      ElementsAre("harness/run/b.h: assay::Judged is defined in harness/cli/a.h, too"));
}

TEST(Tidy, UnnamedNamespacesOfARoomDoNotClash) {
  EXPECT_THAT(unnamed_clashes(project()), IsEmpty());
}

TEST(Tidy, AClashOfUnnamedNamespacesIsFound) {
  const auto unnamed = [](const std::string& code) {
    return "namespace assay {\nnamespace {\n\n" + code + "\n}  // namespace\n" +
           "int shared(int n) {\n}\n}  // namespace assay\n";
  };
  EXPECT_THAT(
      unnamed_clashes(
          {{"attacks/evasion/a.cc", unnamed("struct Settings {\n")},
           {"attacks/evasion/b.cc", "namespace assay::b {\nnamespace {\nstruct Settings {\n"},
           {"attacks/math/c.cc", unnamed("double finite(double g) {\n")},
           {"attacks/math/d.cc", unnamed("double finite(double value) { return 0; }")},
           {"harness/gate/a.cc", unnamed("constexpr double kMost = 1;\nusing A = std::set<int>;\n"
                                         "int slack(int d);\nvoid slack(int a, int b) {\n}")},
           {"harness/gate/b.cc", unnamed("template <typename T>\nbool kMost(T n) {\n  kLess = 1;")},
           {"harness/gate/c.cc", unnamed("struct A {};\nint size;\nbool operator==(B, B);")},
           {"harness/gate/d.cc", unnamed("using A = std::set<int>;\n"
                                         "[[noreturn]] std::map<int, bool> slack(\n    int n) {")},
           {"harness/gate/e.cc", unnamed("bool operator==(C, C);\nint Class::size() {\n"
                                         "struct A;\nusing testing::slack;\nint n;")},
           {"harness/run/f.cc", unnamed("constexpr int kMost = 2;\nauto t = R\"(\nint n;\n)\";")},
           {"harness/run/g.cc", unnamed("int n;\n")},
           {"reports/a.cc", unnamed("int n;\n")},
           {"reports/b.cc", unnamed("int n;\n")}}),
      ElementsAre(HasSubstr("attacks/math/d.cc: finite is defined in attacks/math/c.cc, too"),
                  HasSubstr("harness/gate/b.cc: kMost is defined in harness/gate/a.cc"),
                  HasSubstr("harness/gate/c.cc: A is defined in harness/gate/a.cc"),
                  HasSubstr("harness/gate/d.cc: slack is defined in harness/gate/a.cc"),
                  HasSubstr("reports/b.cc: n is defined in reports/a.cc")));
}

TEST(Tidy, LinesAreLaidOutForReading) { EXPECT_THAT(layout(project()), IsEmpty()); }

TEST(Tidy, ABadLineIsFound) {
  EXPECT_THAT(
      layout({{"reports/a.cc", std::string(101, 'x') + "\n" + repeat("→", 100) + "\n"},
              {"reports/b.cc", "\ta \n"},
              {"reports/c.cc", "int c;"}}),
      ElementsAre("reports/a.cc:1: 101 columns, at most 100", "reports/b.cc:1: a tab",
                  "reports/b.cc:1: trailing blanks", "reports/c.cc: no line end at its end"));
}

TEST(Tidy, NoFileNamesSomebodysMachine) { EXPECT_THAT(machine_paths(project()), IsEmpty()); }

TEST(Tidy, AMachinesPathIsFound) {
  const std::string home = "/home";
  EXPECT_THAT(machine_paths({{"reports/a.cc", "open(\"" + home + "/me/x\");\n"},
                             {"reports/b.cc", "open(root + \"run" + home + "/x\");\n"}}),
              ElementsAre("reports/a.cc:1: a path of somebody's machine"));
}

TEST(Tidy, EveryInstalledPackageIsListed) { EXPECT_THAT(unlisted_packages(project()), IsEmpty()); }

TEST(Tidy, AnUnlistedPackageIsFound) {
  EXPECT_THAT(unlisted_packages({{"third_party/README.md", "| a | `a-dev b` |\n"},
                                 {"third_party/setup.sh", "packages=(\n  a-dev b\n  c\n)\n"}}),
              ElementsAre("third_party/README.md: does not list c"));
}

TEST(Tidy, WhatIsStoredIsVersioned) { EXPECT_THAT(unversioned(project()), IsEmpty()); }

TEST(Tidy, AnUnversionedSourceIsFound) {
  EXPECT_THAT(
      unversioned(
          {{"cmake/AssayRooms.cmake",
            "set(training)\nforeach(part rng\n  surrogate)\n"
            "assay_version(ASSAY_TRAINING_VERSION a)\n"
            "assay_version(ASSAY_THEFT_VERSION harness/run/steals.cc harness/run/steals.h)\n"
            "set(scoring harness/gate/roc_internal.h)\nforeach(part gate/roc run/score)\n"
            "assay_version(ASSAY_SCORING_VERSION b)\n"},
           {"attacks/evasion/shared.h", "int n;\n"},
           {"attacks/math/shared.h", "int n;\n"},
           {"harness/gate/roc.h", "#include \"harness/gate/view.h\"\n"},
           {"harness/gate/view.h", "int n;\n"},
           {"harness/model/extraction.h", "#include \"harness/model/rng.h\"\n"},
           {"harness/model/extraction.cc",
            "#include \"harness/model/probe.h\"\n#include \"harness/model/crash.h\"\n"},
           {"harness/model/rng.cc", "int n;\n"},
           {"harness/model/crash.cc", "int n;\n"},
           {"harness/model/probe.cc", "int n;\n"},
           {"harness/run/score.cc",
            "#include \"harness/gate/roc.h\"\n#include \"harness/run/offset.h\"\n"},
           {"harness/run/offset.h", "int n;\n"},
           {"harness/run/steals.h", "#include \"harness/run/plan.h\"\n"},
           {"harness/run/steals.cc", "#include \"harness/run/money.h\"\n"},
           {"harness/run/plan.h", "int n;\n"},
           {"harness/run/money.cc", "int n;\n"}}),
      ElementsAre(HasSubstr("trainings follow from harness/model/extraction, which is no part of"),
                  HasSubstr("trainings follow from harness/model/probe,"),
                  HasSubstr("thefts follow from harness/run/money,"),
                  HasSubstr("no list of what verdicts follow from"),
                  HasSubstr("scores follow from harness/run/offset,"),
                  "attacks/evasion/shared.h: no part of an attack's version; attacks/math is"));
}

}  // namespace
}  // namespace assay::tidy
