// What recorded queries and answers are taken for, and faults of theirs with their places.
#include <cmath>
#include <functional>

#include "tests/cli/query_logs.h"

namespace assay::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(Monitor, AnswersMayBeClassColumnsOrStandInTheLog) {
  const Rows rows = scattered(300, 2);
  const std::string expected = watch(rows).out;
  std::string classes = "cat,dog,cow\n";
  std::vector<int64_t> labels;
  for (size_t i = 0; i < rows.size(); ++i) {
    labels.push_back(static_cast<int64_t>(i % 3));
    classes += i % 3 == 0 ? "3,-1,2\n" : i % 3 == 1 ? "0.1,0.8,0.1\n" : "-5,-4,-3e-1\n";
  }
  write("out.csv", classes);
  EXPECT_EQ(assay({"monitor", "log.npy", "--outputs", "out.csv"}).out, expected);
  write("log.safetensors", safetensors(rows, labels));
  const std::string whole = assay({"monitor", "log.safetensors"}).out;
  EXPECT_EQ(whole.substr(whole.find('\n')), expected.substr(expected.find('\n')));
}

TEST_F(Monitor, FaultyLogsAreRefusedWithTheRow) {
  const Rows rows = scattered(30, 2);
  write("out.csv", labels_csv(30));
  const auto refused = [&](const std::string& name, const std::string& bytes,
                           const std::vector<std::string>& says) {
    write(name, bytes);
    const Ended ended = assay({"monitor", name, "--outputs", "out.csv"});
    expect_end(ended, 2, says);
    EXPECT_EQ(ended.out, "");
  };
  const std::string whole = npy(rows);
  refused("a.npy", whole.substr(0, whole.size() - 5), {"a.npy: "});
  refused("b.npy", "nothing", {"b.npy: "});
  Rows bad = rows;
  bad[17][3] = NAN;
  refused("c.npy", npy(bad), {"c.npy: row 17: a nan"});
  bad[17][3] = 2;
  refused("d.npy", npy(bad), {"d.npy: row 17: the value 2", "[0, 1]", "--range"});
  EXPECT_EQ(assay({"monitor", "d.npy", "--outputs", "out.csv", "--range", "0", "2"}).code, 4);
  refused("e.txt", whole, {"e.txt: expected a .npy or .safetensors"});
  refused("f.safetensors", safetensors(rows, {1, 2}), {"f.safetensors[labels]", "[2]", "30"});
  expect_end(assay({"monitor", "absent.npy", "--outputs", "out.csv"}), 2, {"absent.npy"});
  write("log.npy", whole);
  write("reference.npy", npy(scattered(100, 1, 63)));
  expect_end(assay({"monitor", "log.npy", "--outputs", "out.csv", "--reference", "reference.npy"}),
             2, {"log.npy: a query has 64 entries, and one of the reference 63"});
  expect_end(assay({"monitor", "log.npy"}), 2, {"log.npy: ", "give --outputs FILE.csv"});
}

TEST_F(Monitor, FaultyOutputsAreRefusedWithTheLine) {
  write("log.npy", npy(scattered(3, 2)));
  for (const auto& [csv, says] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"label\n1\n2\n", {"out.csv:4: the table ends after 2 rows", "3 queries"}},
           {"label\n1\n2\n0\n1\n", {"out.csv:5:1: more rows than the 3 queries"}},
           {"label\n1\ncat\n0\n", {"out.csv:3:1: `cat` in column `label`"}},
           {"time,label\n1,0\n2,0.5\n3,0\n", {"out.csv:3:3: label 0.5", "whole number"}},
           {"a,b\n1,2\n3,nan\n1,1\n", {"out.csv:3:3: `nan` in column `b`"}},
           {"a,b\n1,2\n3\n1,1\n", {"out.csv:3:1: 1 fields; the header has 2"}},
           {"answer\n1\n2\n3\n", {"out.csv:1:1: has the one column `answer`", "`label`"}},
           {"1,2\n1,2\n", {"out.csv:1:1: ", "header"}},
           {"label,label\n1,1\n", {"out.csv:1:1: two columns are named `label`"}},
           {"label\n1\n\n2\n0\n", {"out.csv:3:1: a blank line inside"}},
           {",a,b\n0,1,2\n1,2,1\n2,1,1\n", {"out.csv:1:1: a column has no name", "index=False"}},
           {"", {"out.csv: is empty"}}}) {
    write("out.csv", csv);
    const Ended ended = assay({"monitor", "log.npy", "--outputs", "out.csv"});
    expect_end(ended, 2, says);
    EXPECT_EQ(ended.out, "") << csv;
  }
}

// A table that was written with its index: its largest column would be the answer throughout.
TEST_F(Monitor, AColumnThatNumbersTheRowsIsNoClass) {
  const Rows rows = scattered(20, 2);
  write("log.npy", npy(rows));
  for (const int first : {0, 1}) {
    std::string csv = "no,cat,dog\n";
    std::string shuffled = csv;
    for (int i = 0; i < 20; ++i) {
      csv += std::to_string(i + first) + ",0.2,0.8\n";
      shuffled += std::to_string((i * 7 + first) % 20) + ",0.2,0.7\n";
    }
    write("out.csv", csv);
    expect_end(assay({"monitor", "log.npy", "--outputs", "out.csv"}), 2,
               {"out.csv:1:1: column `no` numbers the rows", "index=False"});
    write("out.csv", shuffled);
    expect_end(assay({"monitor", "log.npy", "--outputs", "out.csv"}), 2,
               {"out.csv:1:1: column `no` holds whole numbers alone"});
  }
  write(
      "out.csv", ",label\n0,1\n" + [] {
        std::string rest;
        for (int i = 1; i < 20; ++i) rest += std::to_string(i) + ",1\n";
        return rest;
      }());
  EXPECT_EQ(assay({"monitor", "log.npy", "--outputs", "out.csv"}).code, 4)
      << "beside a column `label` an index does no harm";
}

// Numbers of rows that start elsewhere, and times.
TEST_F(Monitor, AColumnThatOnlyGrowsAndIsAlwaysTheLargestIsNoClass) {
  write("log.npy", npy(scattered(20, 2)));
  const auto written = [&](const std::function<std::string(int)>& id, const std::string& rest) {
    std::string csv = "cat,id,dog\n";
    for (int i = 0; i < 20; ++i) csv += "0.2," + id(i) + rest + '\n';
    write("out.csv", csv);
    return assay({"monitor", "log.npy", "--outputs", "out.csv"});
  };
  const auto from = [](int64_t first, int64_t step) {
    return [=](int i) { return std::to_string(first + i * step); };
  };
  const std::string logit = ",-3.5";
  for (const auto& id : {from(5000, 1), from(1700000000000000000, 37), from(5000, -3)}) {
    expect_end(written(id, logit), 2,
               {"out.csv:1:1: column `id` is the largest in every row and ", "scends, as numbers",
                "index=False"});
  }
  const auto twice = [](int i) { return std::to_string(1700000000 + i / 2); };
  expect_end(written(twice, logit), 2, {"ascends"});
  const auto any = [](int i) { return std::to_string(i * 7 % 20); };
  expect_end(written(any, ",0.8"), 2, {"column `id` goes above 1, and the others sum to 1"});
  // Logits and votes as they are.
  EXPECT_EQ(written([](int i) { return std::to_string(9 + i * 7 % 20) + ".5"; }, logit).code, 4);
  EXPECT_EQ(written([](int) { return "9"; }, logit).code, 4);
  EXPECT_EQ(written([](int i) { return i < 7 ? "1" : "0.999"; }, ",0").code, 4);
  EXPECT_EQ(written([](int i) { return std::to_string(i - 4.5); }, logit).code, 4)
      << "not always the largest";
}

// What stands beside logits would be the answer throughout, in any order of the rows.
TEST_F(Monitor, AColumnOfAnotherNameOrSizeIsNoClass) {
  write("log.npy", npy(scattered(20, 2)));
  const auto written = [&](const std::string& header, const std::string& row0,
                           const std::function<std::string(int)>& beside) {
    std::string csv = header + '\n';
    for (int i = 0; i < 20; ++i) {
      csv += beside(i) + row0 + (i % 3 == 0 ? ",7,-1\n" : i % 3 == 1 ? ",-4,2\n" : ",1,3\n");
    }
    write("out.csv", csv);
    return assay({"monitor", "log.npy", "--outputs", "out.csv"});
  };
  const auto shuffled = [](int64_t first, int64_t step) {
    return [=](int i) { return std::to_string(first + step * (i * 7 % 20)); };
  };
  // By name, whatever the values.
  for (const char* name : {"latency", "prediction", "class"}) {
    expect_end(written(std::string(name) + ",c0,c1", "", shuffled(0, 1)), 2,
               {std::string("out.csv:1:1: column `") + name, "no class as `c0` … `c1` are",
                "give a column `label`"});
  }
  expect_end(written("user,ms,c1,c2", ",1", shuffled(0, 1)), 2, {"column `user` is no class as"});
  // By what they say.
  for (const auto& far : {shuffled(1700000000, 37), shuffled(50, 2)}) {
    expect_end(written("id,cat,dog", "", far), 2,
               {"column `id` is the largest in every row by more than 20"});
  }
  const auto place = [](int first) {
    return [=](int i) { return std::to_string(first + (i % 3 == 0 ? 0 : 1)); };
  };
  for (const int first : {0, 1}) {
    expect_end(written("prediction,cat,dog", "", place(first)), 2,
               {"column `prediction` says in every row which of the others is the largest"});
  }
  EXPECT_EQ(written("cow,cat,dog", "", place(2)).code, 4);
  EXPECT_EQ(written("cow,cat,dog", "", shuffled(-3, 1)).code, 4);
  EXPECT_EQ(written("c0,c1,c2", "", shuffled(50, 2)).code, 4) << "each is named as a class";
}

// A label beside its score: the larger of the two would be the answer.
TEST_F(Monitor, LabelsUnderAnotherNameAreNoClass) {
  write("log.npy", npy(scattered(30, 2)));
  const auto written = [&](const std::string& header, const std::function<std::string(int)>& row) {
    std::string csv = header + '\n';
    for (int i = 0; i < 30; ++i) csv += row(i) + '\n';
    write("out.csv", csv);
    return assay({"monitor", "log.npy", "--outputs", "out.csv"});
  };
  const auto scored = [](int classes, const std::string& whole) {
    return [=](int i) {
      return std::to_string(i * 7 % classes) + ',' + whole + std::to_string(10 + i);
    };
  };
  const auto hard = [](int i) { return std::to_string(i * 7 % 3) + ',' + std::to_string(i % 2); };
  for (const char* name : {"Label", "LABEL"}) {
    expect_end(written(std::string(name) + ",confidence", scored(3, "0.")), 2,
               {std::string("out.csv:1:1: column `") + name + "` is no class", "name it `label`"});
  }
  for (const std::function<std::string(int)>& row : std::vector<std::function<std::string(int)>>{
           scored(3, "0."), scored(2, "0."), scored(100, "9."), hard}) {
    expect_end(written("prediction,confidence", row), 2,
               {"out.csv:1:1: column `prediction` holds whole numbers alone, as labels do",
                "leave it out", "give a column `label`"});
  }
  expect_end(
      written("a,prediction,b", [](int i) { return "0.5," + std::to_string(i % 7) + ",-2"; }), 2,
      {"column `prediction` holds whole numbers alone"});
  // Classes whatever they hold.
  const auto share = [](int i) {
    return i % 3 == 0 ? "1,0,0" : i % 3 == 1 ? "0,0.33,0.66" : "0,0.5,0.5";
  };
  EXPECT_EQ(written("cat,dog,cow", share).code, 4) << "shares of one sum, rounded";
  EXPECT_EQ(written("no,yes", [](int i) { return "0," + std::to_string(i - 12.5); }).code, 4);
  EXPECT_EQ(written("no,yes", [](int i) { return std::to_string(i % 5) + ",3"; }).code, 4)
      << "votes";
  EXPECT_EQ(written("c0,c1", scored(3, "0.")).code, 4) << "each is named as a class";
}

TEST_F(Monitor, ASuiteKnowsTheShapeOfQueries) {
  const std::string monitors =
      "monitors: { benign: test, detectors: [ { monitor: stateful, neighbours: 5 } ] }";
  write_suite({.classes = "2", .more = monitors});
  const auto watched = [&](const Rows& rows, const std::string& shape) {
    write("log.npy", npy(rows, shape));
    write("out.csv", labels_csv(rows.size()));
    return assay({"monitor", "log.npy", "--outputs", "out.csv", "--suite", "suite.yaml"});
  };
  const Rows rows = scattered(60, 3, 2);
  EXPECT_THAT(watched(rows, "1, 2").err, Not(HasSubstr("shape"))) << "a side of one tells nothing";
  SuiteParts images{.more = monitors};
  images.shape = "[2, 4, 4]";
  images.data = "{ format: csv, path: images.csv, label: label }";
  write_suite(images);
  std::string csv;
  for (int k = 0; k < 32; ++k) csv += "p" + std::to_string(k) + ',';
  csv += "label\n";
  const Rows large = scattered(60, 3, 32);
  for (const std::vector<float>& row : large) {
    for (const float value : row) csv += std::to_string(value) + ',';
    csv += "1\n";
  }
  write("images.csv", csv);
  expect_end(watched(large, "4, 4, 2"), 2,
             {"log.npy: holds an array of shape [60, 4, 4, 2]; expected queries [n, ...] of shape "
              "[2, 4, 4], as the suite's model takes them, or flat in that order"});
  for (const char* shape : {"2, 4, 4", "32", "2, 1, 4, 4"}) {
    EXPECT_THAT(watched(large, shape).err, Not(HasSubstr("expected queries"))) << shape;
  }
}

TEST_F(Monitor, LabelsInTheLogAndOutputsMustBeTheSame) {
  const Rows rows = scattered(30, 2);
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 30; ++i) labels.push_back(i % 3);
  write("out.csv", labels_csv(30));
  write("log.safetensors", safetensors(rows, labels));
  const std::vector<std::string> args = {"monitor", "log.safetensors", "--outputs", "out.csv"};
  EXPECT_EQ(assay(args).code, 4);
  labels[17] = 5;
  write("log.safetensors", safetensors(rows, labels));
  expect_end(assay(args), 2,
             {"log.safetensors: query 17 has the label 5, and out.csv says 2; leave one"});
}

TEST_F(Monitor, LogAndReferenceHaveTheSameClasses) {
  write("log.npy", npy(scattered(3, 2)));
  write("reference.npy", npy(scattered(3, 1)));
  write("out.csv", "cat,dog\n1,2\n2,1\n1,2\n");
  write("reference.csv", "dog,cat\n1,2\n2,1\n1,2\n");
  const std::vector<std::string> args = {
      "monitor",     "log.npy",       "--outputs",           "out.csv",
      "--reference", "reference.npy", "--reference-outputs", "reference.csv"};
  expect_end(
      assay(args), 2,
      {"out.csv: says what was answered by columns, one a class: `cat`, `dog`; and reference.csv "
       "by columns, one a class: `dog`, `cat`; give"});
  write("reference.csv", "cat,dog\n1,2\n2,1\n1,2\n");
  EXPECT_EQ(assay(args).code, 4);
  write("reference.csv", "label\n1\n0\n1\n");
  expect_end(assay(args), 2, {"columns, one a class: `cat`, `dog`; and reference.csv by labels"});
  write("log.safetensors", safetensors(scattered(3, 2), {1, 0, 1}));
  write("reference.csv", "cat,dog\n1,2\n2,1\n1,2\n");
  expect_end(assay({"monitor", "log.safetensors", "--reference", "reference.npy",
                    "--reference-outputs", "reference.csv"}),
             2,
             {"log.safetensors: says what was answered by labels; and reference.csv by columns"});
}

// Whatever the order of the columns, and a column `label` has the same numbers.
TEST_F(Monitor, ColumnsGoByTheNamesOfASuitesClasses) {
  write_suite({.classes = "[dog, cat]",
               .more = "monitors: { benign: test, detectors: [ { monitor: stateful, neighbours: 5 "
                       "} ] }"});
  const Rows rows = scattered(60, 3, 2);
  write("log.npy", npy(rows));
  std::string labels = "label\n", named = "cat,dog\n", benign = "label\n";
  for (int i = 0; i < 60; ++i) {
    labels += i % 3 == 0 ? "1\n" : "0\n";
    named += i % 3 == 0 ? "0.9,0.1\n" : "0.1,0.9\n";
  }
  for (int i = 0; i < 100; ++i) benign += i % 3 == 0 ? "1\n" : "0\n";
  write("benign.csv", benign);
  const auto watched = [&](const std::string& answers) {
    write("out.csv", answers);
    return assay({"monitor", "log.npy", "--outputs", "out.csv", "--suite", "suite.yaml",
                  "--reference-outputs", "benign.csv"});
  };
  const Ended by_label = watched(labels);
  EXPECT_THAT(by_label.out, HasSubstr("\nlabels  "));
  EXPECT_EQ(watched(named).out, by_label.out);
  expect_end(watched("cta" + named.substr(3)), 2,
             {"out.csv:1:1: column `cta` is none of the suite's classes", "`cat`"});
  write_suite({.more = "monitors: { benign: test, detectors: [ { monitor: stateful, neighbours: 5 "
                       "} ] }"});
  expect_end(watched(named), 2,
             {"out.csv: ", "columns, one a class: `cat`, `dog`; and benign.csv"});
}

// Squares of values near 1e20 are no number in float.
TEST_F(Monitor, ValuesThatDistancesOverflowForAreRefused) {
  Rows rows = scattered(120, 2);
  write("reference.npy", npy(rows));
  write("out.csv", labels_csv(120));
  rows[17][3] = 3e19F;
  write("log.npy", npy(rows));
  std::vector<std::string> args = {"monitor",     "log.npy",       "--outputs",  "out.csv",
                                   "--reference", "reference.npy", "--range",    "-1e300",
                                   "1e300",       "--format",      "openmetrics"};
  expect_end(assay(args), 2, {"log.npy: row 17: the value 3", "64 entries", "within 576460"});
  std::swap(args[1], args[5]);
  expect_end(assay(args), 2, {"log.npy: row 17: the value 3"});
  rows[17][3] = 5e17F;
  write("log.npy", npy(rows));
  const Ended ended = assay(args);
  EXPECT_EQ(ended.err, "");
  EXPECT_THAT(ended.out, HasSubstr("assay_monitor_threshold{monitor=\"stateful\"}"));
  EXPECT_THAT(ended.out, Not(HasSubstr("nan")));
  EXPECT_THAT(ended.out, HasSubstr("# EOF"));
}

TEST_F(Monitor, BlankLinesMayEndTheOutputs) {
  write("log.npy", npy(scattered(3, 2)));
  write("out.csv", "label\n1\n2\n0\n\n\n");
  EXPECT_EQ(assay({"monitor", "log.npy", "--outputs", "out.csv"}).code, 4);
}

}  // namespace
}  // namespace assay::testing
