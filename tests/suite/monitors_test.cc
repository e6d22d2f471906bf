// The section `monitors`: what it says, and its faults with their places.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/suite/fakes.h"

namespace assay {
namespace {

using testing::HasSubstr;

std::vector<MonitorInfo> fake_monitors() {
  MonitorInfo prada{.name = "prada", .summary = "the fake prada"};
  prada.declare = [](Params& params) {
    params.number("delta", 0.9, {0, 1}, "alarm where W is under this");
    params.integer("every", 10, {1, 1000}, "queries from check to check");
  };
  MonitorInfo stateful{.name = "stateful", .summary = "the fake stateful"};
  stateful.declare = [](Params& params) {
    params.optional_number("threshold", {0}, "alarm under this; calibrated");
  };
  return {prada, stateful};
}

// The small suite with a section in line 6.
std::string with_monitors(const std::string& monitors) {
  return std::string(kSmall) +
         "attacks: [ { name: a, attack: fgsm, norm: linf, eps: 0.1 } ]\nmonitors: " + monitors +
         "\n";
}

Suite load_watched(const std::string& monitors) {
  const std::vector<AttackInfo> attacks = fake_attacks();
  const std::vector<MonitorInfo> table = fake_monitors();
  const std::string file =
      testing::TempDir() + "/monitors_" + std::to_string(::getpid()) + "_suite.yaml";
  std::ofstream(file) << with_monitors(monitors);
  Suite suite = load_suite(file, {}, attacks, table);
  std::filesystem::remove(file);
  return suite;
}

std::string fault_with(const std::string& monitors) {
  try {
    load_watched(monitors);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    return error.what();
  }
  return "";
}

constexpr const char* kWhole =
    "{ benign: test, detectors: [ { monitor: prada, delta: 0.8 }, { monitor: stateful }, "
    "{ name: loose, monitor: prada } ] }";

TEST(SuiteMonitors, DetectorsHaveTheirParameters) {
  const MonitorsSpec monitors = *load_watched(kWhole).monitors;
  EXPECT_EQ(monitors.benign, "test");
  EXPECT_EQ(monitors.benign_share, 0.5);
  EXPECT_EQ(monitors.where.line, 6);
  ASSERT_EQ(monitors.detectors.size(), 3u);
  EXPECT_EQ(monitors.detectors[0].name, "prada");
  EXPECT_EQ(monitors.detectors[0].params.at("delta"), ParamValue(0.8));
  EXPECT_EQ(monitors.detectors[0].params.at("every"), ParamValue(int64_t{10}));
  EXPECT_EQ(monitors.detectors[1].params.at("threshold"), ParamValue(std::monostate{}));
  EXPECT_EQ(monitors.detectors[2].name, "loose");
  EXPECT_EQ(monitors.detectors[2].monitor, "prada");
  Params params = params_of(monitors.detectors[0]);
  EXPECT_EQ(params.number("delta", 0.9, {0, 1}, ""), 0.8);
}

TEST(SuiteMonitors, ASuiteWithoutThemHasNone) { EXPECT_FALSE(load(kExample).monitors.has_value()); }

TEST(SuiteMonitors, TheyAreOfTheSuitesDigestAndAreRestored) {
  const Suite suite = load_watched(kWhole);
  const std::vector<MonitorInfo> table = fake_monitors();
  const std::vector<AttackInfo> attacks = fake_attacks();
  const Suite restored = restore_suite(suite.effective, "", attacks, table);
  EXPECT_EQ(restored.sha256, suite.sha256);
  EXPECT_EQ(restored.monitors->detectors[0].params, suite.monitors->detectors[0].params);
  const Suite other = load_watched("{ benign: test, detectors: [ { monitor: prada } ] }");
  EXPECT_NE(other.sha256, suite.sha256);
}

TEST(SuiteMonitors, FaultsAreToldWithTheirPlaces) {
  struct Case {
    const char* text;
    const char* place;
    std::vector<const char*> parts;
  };
  for (const auto& [text, place, parts] : std::vector<Case>{
           {"{ detectors: [ { monitor: prada } ] }", "6:11", {"lacks `benign`"}},
           {"{ benign: test }", "6:11", {"lacks `detectors`"}},
           {"{ benign: tset, detectors: [ { monitor: prada } ] }",
            "6:21",
            {"`benign` names no data set: `tset`", "did you mean `test`"}},
           {"{ benign: test, detectors: [ { monitor: prad } ] }",
            "6:51",
            {"no monitor `prad`", "did you mean `prada`"}},
           {"{ benign: test, detectors: [ { monitor: prada, detla: 1 } ] }",
            "6:58",
            {"unknown parameter `detla` of monitor `prada`", "did you mean `delta`"}},
           {"{ benign: test, detectors: [ { monitor: prada, delta: 2 } ] }", "6:65", {"`2`", "1"}},
           {"{ benign: test, detectors: [ { monitor: prada, every: soon } ] }", "6:65", {"`soon`"}},
           {"{ benign: test, detectors: [ { monitor: prada }, { monitor: prada } ] }",
            "6:60",
            {"two detectors are named `prada`", "`name`"}},
           {"{ benign: test, benign_share: 1, detectors: [ { monitor: prada } ] }",
            "6:41",
            {"`1`"}},
           {"{ benign: test, share: 1, detectors: [ { monitor: prada } ] }", "6:27", {"`share`"}},
       }) {
    const std::string message = fault_with(text);
    EXPECT_THAT(message, HasSubstr("suite.yaml:" + std::string(place) + ": ")) << text;
    for (const char* part : parts) EXPECT_THAT(message, HasSubstr(part));
  }
}

TEST(SuiteMonitors, TheSchemaHasEachMonitorsParameters) {
  const std::vector<AttackInfo> attacks = fake_attacks();
  const std::vector<MonitorInfo> table = fake_monitors();
  const auto schema = nlohmann::json::parse(suite_schema(attacks, table));
  const auto& section = schema["properties"]["monitors"];
  EXPECT_EQ(section["required"], nlohmann::json({"benign", "detectors"}));
  EXPECT_EQ(section["additionalProperties"], false);
  const auto& detector = section["properties"]["detectors"]["items"];
  EXPECT_EQ(detector["properties"]["monitor"]["oneOf"][1]["const"], "stateful");
  const auto& prada = detector["allOf"][0]["then"];
  EXPECT_EQ(prada["properties"]["delta"]["default"], 0.9);
  EXPECT_EQ(prada["properties"]["every"]["default"], 10);
  EXPECT_EQ(prada["additionalProperties"], false);
}

}  // namespace
}  // namespace assay
