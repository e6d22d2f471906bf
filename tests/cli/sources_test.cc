// What `source:` names: files of adversarials that are of no use, and the incumbent by other names.
#include <cstring>
#include <limits>

#include "tests/cli/workshop.h"

namespace assay::testing {
namespace {

class SourceFiles : public Workshop {
 protected:
  // Writes adversarials of the plane's first two samples, which are rows of a table.
  void write_points(const std::vector<float>& numbers, const std::string& shape,
                    const std::string& dtype = "F32") const {
    const size_t half = numbers.size() * sizeof(float) / 2;
    const auto entry = [&](size_t i) {
      return "\"pgd/" + std::to_string(i) + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape +
             R"(,"data_offsets":[)" + std::to_string(i * half) + "," +
             std::to_string((i + 1) * half) + "]}";
    };
    std::string header = "{" + entry(0) + "," + entry(1) + "}";
    header.append((8 - header.size() % 8) % 8, ' ');
    std::string bytes(8, '\0');
    bytes[0] = static_cast<char>(header.size() & 0xff);
    bytes[1] = static_cast<char>(header.size() >> 8);
    bytes += header;
    bytes.append(reinterpret_cast<const char*>(numbers.data()), 2 * half);
    write("points.safetensors", bytes);
  }
  void write_transfer(const std::string& source, const std::string& rule,
                      const std::string& more = "") const {
    write_suite({.attacks = "- { name: craft, attack: transfer, eps: 0.1, source: " + source + " }",
                 .rules = "- { cell: craft, metric: robust_accuracy, " + rule + " }",
                 .more = more});
  }
};

TEST_F(SourceFiles, PointsOfAnotherShapeOrTypeOrWithoutANumberAreRefusedBeforeTheFirstAttack) {
  write_transfer("points.safetensors", "at_least: 0.1");
  int runs = 0;
  const auto refused = [&](const std::vector<std::string>& says) {
    expect_end(run("out" + std::to_string(runs++)), 2, says);
  };
  write_points({0.1F, 0.2F, 0.3F, 0.4F, 0.5F, 0.6F}, "[3]");
  refused({"points.safetensors", "`pgd/0`", "[3]", "[2]"});
  write_points({0.1F, 0.2F, 0.3F, 0.4F}, "[1,2]");
  refused({"points.safetensors", "`pgd/0`", "[1, 2]", "[2]"});
  write_points({0.1F, 0.2F, 0.3F, 0.4F}, "[2]", "I32");
  refused({"points.safetensors", "`pgd/0`", "I32", "F32 or F64"});
  write_points({0.1F, 0.2F, 0.3F, std::numeric_limits<float>::quiet_NaN()}, "[2]");
  refused({"points.safetensors", "`pgd/1`", "NaN at entry 1"});
  write_points({std::numeric_limits<float>::infinity(), 0.2F, 0.3F, 0.4F}, "[2]");
  refused({"points.safetensors", "`pgd/0`", "infinity at entry 0"});
  write_points({0.1F, 0.2F, 0.3F, 0.4F}, "[2]");
  expect_end(run("good"), 4, {});  // the file has points of two samples alone
}

// Thrown from within the attack on a block, whose verdicts are half made.
TEST_F(SourceFiles, AModelThatFailsOnASampleEndsTheRunAsTheUsersError) {
  for (const char* source : {"throws_on_one.pt", "nan_on_one.pt"}) {
    write_transfer(prepared(source).string(), "at_least: 0.1");
    expect_end(run(source), 2, {"the source model "});
  }
}

TEST_F(SourceFiles, TheIncumbentUnderAnotherNameGivesNoPointsToPairedRules) {
  std::filesystem::copy_file(prepared("right.pt"), path("copy.pt"));
  std::filesystem::copy_file(prepared("careless.pt"), path("third.pt"));
  const std::string baseline = "baseline: " + prepared("right.pt").string();
  write_transfer("copy.pt", "max_drop: 0.1", baseline);
  expect_end(
      run("out"), 2,
      {"suite.yaml:12:", "`source: copy.pt`", "the baseline under another name", "at_least"});
  write_transfer("copy.pt", "at_least: 0.1", baseline);
  EXPECT_EQ(run("again").code, 0);
  write_transfer("third.pt", "max_drop: 0.1", baseline);
  EXPECT_NE(run("third").code, 2);
}

}  // namespace
}  // namespace assay::testing
