// A folder of its own for each test, with data, suites and models to run the program on.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/cli/program.h"

namespace assay::testing {

/// What a suite is written from. The default one attacks 100 points of the plane whose class is
/// the side of x0 = 0.5 they are on: 50 are 0.3 away from there and 50 are 0.05 away. `right.pt`
/// knows that line, so at linf eps 0.1 exactly 50 break, and at 8/255 none.
struct SuiteParts {
  std::string name = "plane";
  std::string model = "right.pt";  ///< of the prepared models, or a path with a slash
  std::string model_more;          ///< further keys of model, e.g. "output: sigmoid"
  std::string shape = "[2]";
  std::string classes = "2";
  std::string data = "{ format: csv, path: samples.csv, label: label }";
  std::string attacks = "- { name: pgd, attack: pgd, eps: [0.1, 8/255], steps: 3, step_size: 0.1 }";
  std::string rules = "- { cell: \"pgd@0.1\", metric: robust_accuracy, at_least: 0.3 }";
  std::string more;  ///< further lines of the suite
};

/// Rules on the default suite that end in this decision.
inline constexpr const char* kPass =
    "- { cell: \"pgd@0.1\", metric: robust_accuracy, at_least: 0.3 }";
inline constexpr const char* kFail =
    "- { cell: \"pgd@0.1\", metric: robust_accuracy, at_least: 0.7 }";
inline constexpr const char* kInconclusive =
    "- { cell: \"pgd@0.1\", metric: robust_accuracy, at_least: 0.5 }";
inline constexpr const char* kPaired = "- { cell: \"*\", metric: robust_accuracy, max_drop: 0.05 }";

/// The parts of a suite on 256 images of 8 x 8 in 4 classes, in blocks of 16.
SuiteParts image_parts();

/// The parts of a suite on the default samples that audits 40 members and 50 non-members, and
/// attacks all by pgd.
SuiteParts audit_parts();

/// A prepared model or data file (written by models.cc before the tests).
std::filesystem::path prepared(const std::string& name);

class Workshop : public ::testing::Test {
 protected:
  Workshop();
  ~Workshop() override;

  std::filesystem::path path(const std::string& name) const { return folder_ / name; }
  std::string read(const std::string& name) const;
  void write(const std::string& name, const std::string& bytes) const;
  bool exists(const std::string& name) const { return std::filesystem::exists(folder_ / name); }
  nlohmann::json json(const std::string& name) const;

  /// Writes the suite as NAME (default suite.yaml).
  void write_suite(const SuiteParts& parts, const std::string& name = "suite.yaml") const;
  /// Runs assay with these arguments in the folder.
  Ended assay(std::vector<std::string> args) const;
  /// As above, for `run suite.yaml --out OUT` and more.
  Ended run(const std::string& out, const std::vector<std::string>& more = {}) const;
  Invocation invocation(std::vector<std::string> args) const;
  /// The decision of a run folder's report.json.
  std::string decision(const std::string& run) const;
  /// Ids of the flags in a run folder's report.json.
  std::vector<std::string> flags(const std::string& run) const;
  /// Of one cell of a run folder's report.json.
  nlohmann::json cell(const std::string& run, const std::string& name) const;

 private:
  std::filesystem::path folder_;
};

/// All five reports, and the evidence if the run got that far.
inline constexpr const char* kReports[] = {"report.json", "report.html", "junit.xml", "summary.md",
                                           "samples.csv"};

/// A program that ended by itself with this code and said all of this on stderr.
void expect_end(const Ended& ended, int code, const std::vector<std::string>& says);

/// Longest line, in characters rather than bytes.
size_t widest_line(const std::string& text);

}  // namespace assay::testing
