// report.json, its schema and the golden file.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "tests/reports/extraction_report.h"
#include "tests/reports/golden.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;
using testing::Sample;

bool has_type(const Json& value, const std::string& name) {
  if (name == "object") return value.is_object();
  if (name == "array") return value.is_array();
  if (name == "string") return value.is_string();
  if (name == "integer") return value.is_number_integer();
  if (name == "number") return value.is_number();
  if (name == "null") return value.is_null();
  if (name == "boolean") return value.is_boolean();
  ADD_FAILURE() << "unknown type " << name;
  return false;
}

/// The part of draft-07 that the schema uses; another keyword fails the test.
void validate(const Json& value, const Json& schema, const std::string& at) {
  for (const auto& [keyword, want] : schema.items()) {
    if (keyword == "type") {
      const Json names = want.is_array() ? want : Json::array({want});
      bool any = false;
      for (const auto& name : names) any = any || has_type(value, name.get<std::string>());
      EXPECT_TRUE(any) << at << " is " << value << ", not " << want;
    } else if (keyword == "enum") {
      EXPECT_NE(std::find(want.begin(), want.end(), value), want.end()) << at << " is " << value;
    } else if (keyword == "const") {
      EXPECT_EQ(value, want) << at;
    } else if (keyword == "minimum") {
      EXPECT_GE(value.get<double>(), want.get<double>()) << at;
    } else if (keyword == "pattern") {
      if (!value.is_string()) continue;
      EXPECT_TRUE(std::regex_search(value.get<std::string>(), std::regex(want.get<std::string>())))
          << at << " is " << value;
    } else if (keyword == "required") {
      if (!value.is_object()) continue;
      for (const auto& name : want) EXPECT_TRUE(value.contains(name)) << at << " lacks " << name;
    } else if (keyword == "properties") {
      if (!value.is_object()) continue;
      for (const auto& [name, inner] : value.items()) {
        // The schema lets later versions add fields; this version's are all described.
        ASSERT_TRUE(want.contains(name)) << at << "." << name << " is not in the schema";
        validate(inner, want.at(name), at + "." + name);
      }
    } else if (keyword == "additionalProperties") {
      for (const auto& [name, inner] : value.items()) validate(inner, want, at + "." + name);
    } else if (keyword == "items") {
      for (const auto& inner : value) validate(inner, want, at + "[]");
    } else {
      EXPECT_TRUE(std::set<std::string>({"$schema", "title", "description"}).contains(keyword))
          << "unknown keyword " << keyword;
    }
  }
}

std::set<std::string> keys(const Json& object) {
  std::set<std::string> names;
  for (const auto& [name, value] : object.items()) names.insert(name);
  return names;
}

void expect_has(const Json& object, const std::set<std::string>& wanted) {
  const auto found = keys(object);
  for (const std::string& name : wanted) EXPECT_TRUE(found.contains(name)) << name;
}

using Maker = std::unique_ptr<Sample> (*)();
const std::vector<std::pair<std::string, Maker>> kOutcomes = {
    {"pass", testing::passing},
    {"fail", testing::failing},
    {"inconclusive", testing::inconclusive},
    {"incomplete", testing::incomplete},
    {"refused", testing::refused},
    {"fail", testing::audited_members},
    {"fail", testing::stolen_models}};

TEST(ReportJson, FollowsItsSchemaInEveryOutcome) {
  const Json schema = Json::parse(report_json_schema());
  EXPECT_EQ(schema["$schema"], "http://json-schema.org/draft-07/schema#");
  for (const auto& [outcome, make] : kOutcomes) {
    const Json json = Json::parse(report_json(make()->report));
    validate(json, schema, outcome);
    EXPECT_EQ(json["decision"], outcome);
  }
}

TEST(ReportJson, HasTheFieldsOfTheContractToTheLetter) {
  const Json json = Json::parse(report_json(testing::failing()->report));
  expect_has(json, {"assay_report", "decision", "suite", "model", "baseline", "versions",
                    "rules_decided", "rules_not_applicable", "flags", "cells", "rules"});
  EXPECT_EQ(json["assay_report"], 1);
  EXPECT_EQ(keys(json["suite"]), (std::set<std::string>{"name", "sha256", "seed"}));
  EXPECT_EQ(keys(json["model"]), (std::set<std::string>{"path", "sha256"}));
  EXPECT_EQ(keys(json["baseline"]), (std::set<std::string>{"path", "sha256"}));
  EXPECT_EQ(keys(json["versions"]),
            (std::set<std::string>{"assay", "libtorch", "cpu_capability", "device"}));
  EXPECT_EQ(keys(json["flags"][0]), (std::set<std::string>{"id", "cell", "detail", "advice"}));
  const Json& cell = json["cells"][3];
  expect_has(cell, {"name", "key", "status", "family", "attack", "attack_version", "params",
                    "threat_model", "taxonomy", "samples", "metrics", "curve", "stages", "cost"});
  EXPECT_EQ(keys(cell["threat_model"]), (std::set<std::string>{"norm", "eps", "goal", "access"}));
  EXPECT_EQ(keys(cell["taxonomy"]), (std::set<std::string>{"atlas", "nist", "owasp"}));
  EXPECT_EQ(keys(cell["samples"]),
            (std::set<std::string>{"total", "ok", "invalid", "unconfirmed", "error"}));
  EXPECT_EQ(keys(cell["metrics"]["robust_accuracy"]),
            (std::set<std::string>{"value", "lower", "upper", "n", "reason"}));
  EXPECT_EQ(keys(cell["stages"][0]), (std::set<std::string>{"name", "entered", "broken"}));
  EXPECT_EQ(keys(cell["cost"]), (std::set<std::string>{"time_s", "forwards", "gradients"}));
  expect_has(json["rules"][0],
             {"cell", "metric", "kind", "limit", "value", "baseline", "difference", "lower",
              "upper", "n", "regressed", "repaired", "verdict", "reason", "hint", "line"});
  EXPECT_EQ(cell["params"]["steps"], 40);
  EXPECT_TRUE(cell["params"]["momentum"].is_null());
}

TEST(ReportJson, AbsentValuesAreNull) {
  auto s = testing::failing();
  Json json = Json::parse(report_json(s->report));
  EXPECT_TRUE(json["flags"][0]["cell"].is_null());
  EXPECT_TRUE(json["flags"][1]["advice"].is_null());
  EXPECT_TRUE(json["rules"][0]["baseline"].is_null());
  EXPECT_TRUE(json["rules"][0]["regressed"].is_null());
  EXPECT_TRUE(json["rules"][5]["limit"].is_null());
  EXPECT_TRUE(json["rules"][5]["reason"].is_null());
  s->report.baseline = nullptr;
  s->report.baseline_path = "none";
  EXPECT_TRUE(Json::parse(report_json(s->report))["baseline"].is_null());
  const Json refused = Json::parse(report_json(testing::refused()->report));
  EXPECT_TRUE(refused["model"]["sha256"].is_null());
  EXPECT_TRUE(refused["versions"]["libtorch"].is_null());
}

TEST(ReportJson, APerturbationSetOfItsOwnHasNeitherNormNorEps) {
  auto s = testing::failing();
  s->evidence.header.cells[0].threat.eps.reset();
  s->evidence.header.cells[0].threat.unbounded = true;
  const Json json = Json::parse(report_json(s->report));
  EXPECT_TRUE(json["cells"][0]["threat_model"]["norm"].is_null());
  EXPECT_TRUE(json["cells"][0]["threat_model"]["eps"].is_null());
  EXPECT_EQ(json["cells"][0]["threat_model"]["goal"], "untargeted");
  EXPECT_EQ(json["cells"][1]["threat_model"]["norm"], "linf");
}

TEST(ReportJson, NeverHoldsANumberThatIsNotFinite) {
  auto s = testing::failing();
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  CellResult& cell = s->decision.cells[0];
  cell.metrics["median_distance"] = {
      .value = infinity, .lower = 0.1, .upper = infinity, .n = 7, .reason = ""};
  cell.cost.time_s = nan;
  s->evidence.header.cells[0].params["step_size"] = nan;
  s->evidence.header.cells[0].params["radii"] = std::vector<double>{0.5, infinity};
  s->decision.rules[0].upper = infinity;
  const std::string text = report_json(s->report);
  for (const char* number : {": nan", ": NaN", ": inf", ": Inf", ": -inf", ": -Inf"}) {
    EXPECT_EQ(text.find(number), std::string::npos) << number;  // what a naive writer prints
  }
  const Json json = Json::parse(text);
  const Json& median = json["cells"][0]["metrics"]["median_distance"];
  EXPECT_TRUE(median["value"].is_null());
  EXPECT_TRUE(median["upper"].is_null());
  EXPECT_EQ(median["lower"], 0.1);
  EXPECT_TRUE(median["reason"].is_string());
  EXPECT_TRUE(json["cells"][0]["params"]["step_size"].is_null());
  EXPECT_TRUE(json["cells"][0]["params"]["radii"][1].is_null());
  EXPECT_TRUE(json["rules"][0]["upper"].is_null());
}

TEST(ReportJson, AReasonIsGivenExactlyWhenAValueIsMissing) {
  auto s = testing::incomplete();
  s->decision.cells[0].metrics["robust_accuracy"].reason = "a leftover";
  s->decision.cells[1].metrics["robust_accuracy"] = {};
  const Json json = Json::parse(report_json(s->report));
  for (const Json& cell : json["cells"]) {
    for (const auto& [name, metric] : cell["metrics"].items()) {
      EXPECT_EQ(metric["value"].is_null(), metric["reason"].is_string()) << name;
    }
  }
}

TEST(ReportJson, SurvivesBytesThatAreNoText) {
  auto s = testing::failing();
  s->decision.reason = "odd \xff byte";
  Json read;
  EXPECT_NO_THROW(read = Json::parse(report_json(s->report)));
}

TEST(ReportJson, HoldsNothingThatChangesFromRunToRunButCosts) {
  auto a = testing::failing(), b = testing::failing();
  b->report.started = "2027-01-01T00:00:00Z";
  b->report.wall_s = 1;
  b->report.workers = 64;
  EXPECT_EQ(report_json(a->report), report_json(b->report));
}

TEST(ReportJson, EqualsItsGoldenFile) {
  testing::expect_golden("report.json", report_json(testing::failing()->report));
}

// older_report.json is what the first versions that knew each family wrote, and stays as it is.
TEST(ReportSchema, TakesReportsOfOlderVersions) {
  const Json older =
      Json::parse(testing::read_file(ASSAY_SOURCE_DIR "/tests/golden/reports/older_report.json"));
  validate(older, Json::parse(report_json_schema()), "older");
  std::set<std::string> families;
  for (const Json& cell : older["cells"]) families.insert(cell["family"]);
  EXPECT_EQ(families, (std::set<std::string>{"evasion", "membership", "extraction"}));
}

TEST(ReportSchema, CheckedInCopyIsFresh) {
  testing::expect_file(ASSAY_SOURCE_DIR "/configs/schema/report.schema.json", report_json_schema());
}

TEST(ReportJson, ShowsWhatAMembershipAuditFound) {
  const Json cell = Json::parse(report_json(testing::audited_members()->report))["cells"][0];
  EXPECT_EQ(cell["family"], "membership");
  EXPECT_EQ(keys(cell["metrics"]), (std::set<std::string>{"auc", "advantage", "tpr_at_fpr_0.01",
                                                          "tpr_at_fpr_0.001", "epsilon_lower"}));
  EXPECT_EQ(cell["samples"]["total"], 2200);
  EXPECT_EQ(cell["samples"]["error"], 1);
  EXPECT_TRUE(cell["metrics"]["tpr_at_fpr_0.001"]["value"].is_null());
  EXPECT_FALSE(cell["metrics"]["tpr_at_fpr_0.001"]["reason"].is_null());
  EXPECT_GT(cell["roc"].size(), 20u);
  EXPECT_EQ(cell["exposed"].size(), 12u);
  EXPECT_EQ(cell["exposed"][0]["sample"], "1199");
  EXPECT_EQ(cell["exposed"][0]["rank"], 1);
  EXPECT_EQ(cell["exposed"][0]["tied"], 1);
  EXPECT_EQ(cell["copies"], 0);
  EXPECT_EQ(cell["slices"].size(), 3u);
  EXPECT_EQ(cell["fidelity"]["comparable"], false) << "another network stands in for it";
  EXPECT_EQ(cell["fidelity"]["shadow_unseen_members"], 0.9);
  EXPECT_GT(cell["power"]["auc"], 0.5);
  EXPECT_TRUE(cell["power"]["tpr_at_fpr_0.001"].is_null());
  EXPECT_FALSE(cell["power"]["reasons"]["tpr_at_fpr_0.001"].get<std::string>().empty());
  EXPECT_FALSE(cell["power"]["reasons"].contains("auc"));
  EXPECT_EQ(cell["tuned"], Json({{"a", 0.25}}));
  const Json& fpr = cell["metrics"]["tpr_at_fpr_0.01"]["realised_fpr"];
  EXPECT_LE(fpr["value"], 0.01);
  EXPECT_LT(fpr["lower"], fpr["value"]);
  EXPECT_GT(fpr["upper"], fpr["value"]);
  EXPECT_FALSE(cell["metrics"]["auc"].contains("realised_fpr"));
  EXPECT_EQ(cell["worst_slice"]["records"], 22);
  EXPECT_EQ(cell["worst_slice"]["members"], 22);
  EXPECT_EQ(cell["worst_slice"]["share"]["value"], 1);
  EXPECT_LT(cell["worst_slice"]["share"]["lower"], 1);
  EXPECT_NEAR(cell["worst_slice"]["base_rate"], 1199.0 / 2199, 1e-9);
}

TEST(ReportJson, LeavesWhatOnlyMembershipHasEmptyElsewhere) {
  const Json cell = Json::parse(report_json(testing::failing()->report))["cells"][0];
  for (const char* name : {"histogram", "fidelity", "power", "worst_slice"}) {
    EXPECT_TRUE(cell[name].is_null()) << name;
  }
  for (const char* name : {"roc", "slices", "exposed", "tuned"})
    EXPECT_TRUE(cell[name].empty()) << name;
}

}  // namespace
}  // namespace assay
