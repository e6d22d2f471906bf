// Bad suites and data files: exit code 2, the place, and the cure.
#include <algorithm>
#include <fstream>

#include "tests/cli/workshop.h"

namespace assay::testing {
namespace {

class BadInput : public Workshop {
 protected:
  void expect_refused(const std::string& what, const std::vector<std::string>& says) {
    SCOPED_TRACE(what);
    const Ended ended = run("out");
    expect_end(ended, 2, says);
    EXPECT_EQ(ended.out, "");
    EXPECT_FALSE(exists("out")) << "a folder was taken into use";
    // One line, for a log: not a trace.
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  }
};

// A piece of the default suite, and what stands there instead.
struct Slip {
  std::string piece, instead;
  std::vector<std::string> says;
};

TEST_F(BadInput, SuitesAreRefusedWithThePlaceAndTheCure) {
  const std::vector<Slip> slips = {
      {"assay: 1", "assay: 2", {"suite.yaml:1:", "2", "1"}},
      {"assay: 1\n", "", {"suite.yaml", "assay"}},
      {"name: plane", "name: my plane", {"suite.yaml:2:", "my plane"}},
      {"seed: 1", "seed: soon", {"suite.yaml:3:", "soon"}},
      {"seed: 1", "seeds: 1", {"suite.yaml:3:1", "`seeds`", "did you mean `seed`"}},
      {"seed: 1", "seed: 1\nseed: 2", {"suite.yaml:4:", "seed"}},
      {"shape: [2]", "shape: [0]", {"suite.yaml:6:", "0"}},
      {"shape: [2]", "shape: two", {"suite.yaml:6:", "two"}},
      {"range: [0, 1]", "range: [1, 0]", {"suite.yaml:6:"}},
      {"classes: 2", "classes: 1", {"suite.yaml:7:", "1"}},
      {"format: csv", "format: cvs", {"suite.yaml:9:", "`cvs`", "csv"}},
      {"label: label", "lable: label", {"suite.yaml:9:", "`lable`", "did you mean `label`"}},
      {"norm: linf", "norm: l3", {"suite.yaml:10:", "`l3`", "linf"}},
      {"attack: pgd", "attack: pdg", {"suite.yaml:12:", "`pdg`", "did you mean `pgd`"}},
      {"steps: 3", "step: 3", {"suite.yaml:12:", "`step`", "steps"}},
      {"steps: 3", "steps: -3", {"suite.yaml:12:", "-3"}},
      {"steps: 3", "steps: many", {"suite.yaml:12:", "many"}},
      {"steps: 3", "steps: 2.5", {"suite.yaml:12:", "2.5"}},
      {"8/255", "8/0", {"suite.yaml:12:", "8/0"}},
      {"8/255", "1/10", {"suite.yaml:12:", "0.1", "twice"}},
      {"eps: [0.1, 8/255]", "eps: -0.1", {"suite.yaml:12:", "-0.1"}},
      {"eps: [0.1, 8/255], ", "", {"suite.yaml:12:", "eps"}},
      {"cell: \"pgd@0.1\"", "cell: \"pgd@0.2\"", {"suite.yaml:15:", "pgd@0.2", "pgd@0.1"}},
      {"cell: \"pgd@0.1\"", "cell: pgd", {"suite.yaml:15:", "pgd@0.1"}},
      {"metric: robust_accuracy", "metric: robustness", {"suite.yaml:15:", "`robustness`"}},
      {"at_least: 0.3", "at_least: 30", {"suite.yaml:15:", "30"}},
      {"at_least: 0.3", "atleast: 0.3", {"suite.yaml:15:", "`atleast`", "at_least"}},
      {", at_least: 0.3", "", {"suite.yaml:15:", "at_least"}},
      {"samples.csv", "\"${NOT_SET_ANYWHERE}/samples.csv\"", {"suite.yaml:9:", "NOT_SET_ANYWHERE"}},
      {"attacks:", "attacks: [", {"suite.yaml:"}},
      {"seed: 1", "\tseed: 1", {"suite.yaml:3:"}},
  };
  for (const Slip& slip : slips) {
    write_suite({});
    std::string text = read("suite.yaml");
    const size_t at = text.find(slip.piece);
    ASSERT_NE(at, std::string::npos) << slip.piece;
    write("suite.yaml", text.replace(at, slip.piece.size(), slip.instead));
    expect_refused(slip.piece + " -> " + slip.instead, slip.says);
  }
}

TEST_F(BadInput, FilesThatAreNoSuiteAreRefused) {
  struct Case {
    std::string bytes;
    std::vector<std::string> says;
  };
  for (const Case& each : std::vector<Case>{{"", {"suite.yaml", "empty"}},
                                            {"just text", {"suite.yaml"}},
                                            {"- a\n- list\n", {"suite.yaml"}},
                                            {std::string("\0\1\2\3PK", 6), {"suite.yaml"}}}) {
    write("suite.yaml", each.bytes);
    expect_refused(each.bytes, each.says);
  }
  std::filesystem::remove(path("suite.yaml"));
  std::filesystem::create_directories(path("suite.yaml"));
  expect_refused("a folder", {"suite.yaml", "folder"});
}

TEST_F(BadInput, CsvFilesAreRefusedWithTheirRow) {
  write_suite({});
  struct Case {
    std::string bytes;
    std::vector<std::string> says;
  };
  for (const Case& each : std::vector<Case>{
           {"", {"samples.csv"}},
           {"x0,x1,label\n", {"samples.csv", "no rows"}},
           {"x0,x1,class\n0.2,0.1,0\n", {"samples.csv", "`label`", "class"}},
           {"x0,x1,label\n0.2,0.1,0\n0.3,0.1\n", {"samples.csv:3", "2", "3"}},
           {"x0,x1,label\n0.2,0.1,0\n0.3,word,1\n", {"samples.csv:3", "word"}},
           {"x0,x1,label\n0.2,nan,0\n", {"samples.csv", "nan"}},
           {"x0,x1,label\n0.2,1.5,0\n", {"1.5", "[0, 1]"}},
           {"x0,x1,label\n0.2,0.1,2\n", {"samples.csv", "label 2", "2"}},
           {"x0,x1,label\n0.2,0.1,-1\n", {"samples.csv", "-1"}},
           {"x0,x1,x2,label\n0.2,0.1,0.1,0\n", {"samples.csv", "3", "2"}},
       }) {
    write("samples.csv", each.bytes);
    expect_refused(each.bytes, each.says);
  }
}

TEST_F(BadInput, ImagesAreRefusedWithWhatWasExpected) {
  const auto idx = [](const std::string& name) {
    std::ifstream file(prepared(name), std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  };
  const std::string images = idx("images.idx"), labels = idx("labels.idx");
  SuiteParts parts = image_parts();
  parts.data = "{ format: idx, images: images.idx, labels: labels.idx }";
  write_suite(parts);
  const auto edited = [](std::string bytes, size_t at, char value) {
    bytes[at] = value;
    return bytes;
  };
  struct Case {
    std::string what, images, labels;
    std::vector<std::string> says;
  };
  for (const Case& each : std::vector<Case>{
           {"truncated", images.substr(0, 9000), labels, {"images.idx", "truncated", "8984"}},
           {"too long", images + "more", labels, {"images.idx"}},
           {"half a header", images.substr(0, 7), labels, {"images.idx"}},
           {"swapped", labels, images, {"images.idx"}},
           {"no idx", "<html>404</html>", labels, {"images.idx", "idx"}},
           {"fewer labels",
            images,
            edited(edited(labels, 6, 0), 7, 10).substr(0, 8 + 10),
            {"labels.idx", "10", "256"}},
           {"other size", edited(edited(images, 11, 4), 15, 16), labels, {"4", "16", "8"}},
           {"label 9", images, edited(labels, 8 + 20, 9), {"labels.idx", "9", "20"}},
           {"damaged gz",
            std::string("\x1f\x8b\x08\0\0\0\0\0\0\3", 10) + "rubbish",
            labels,
            {"images.idx"}},
           {"empty", "", labels, {"images.idx", "empty"}},
       }) {
    write("images.idx", each.images);
    write("labels.idx", each.labels);
    expect_refused(each.what, each.says);
  }
  std::filesystem::remove(path("labels.idx"));
  write("images.idx", images);
  expect_refused("no labels", {"labels.idx"});
}

TEST_F(BadInput, RunFoldersWithDamageAreRefusedByName) {
  write_suite({});
  ASSERT_EQ(run("good").code, 0);
  const std::string evidence = read("good/evidence.jsonl");
  std::filesystem::create_directories(path("empty"));
  write("cut/evidence.jsonl", evidence.substr(0, evidence.size() / 2));
  write("text/evidence.jsonl", "not evidence\n");
  for (const char* folder : {"empty", "cut", "text"}) {
    SCOPED_TRACE(folder);
    for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
             {"gate", folder},
             {"report", folder},
             {"compare", folder, "good"},
             {"replay", folder},
             {"merge", folder, "good", "--out", "m"},
             {"run", "suite.yaml", "--out", "r", "--baseline", folder}}) {
      const Ended ended = assay(args);
      EXPECT_EQ(ended.code, 2) << args[0] << ": " << ended.err << ended.out;
      EXPECT_THAT(ended.err, ::testing::HasSubstr(folder)) << args[0];
    }
  }
}

}  // namespace
}  // namespace assay::testing
