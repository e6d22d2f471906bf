// What every report shows of extraction cells.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "reports/view.h"
#include "tests/reports/extraction_report.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::stolen_models;
using Json = nlohmann::ordered_json;

TEST(ExtractionJson, TellsSurfaceBudgetsSeedsAndMonitors) {
  const Json json = Json::parse(report_json(stolen_models()->report));
  const Json& cell = json["cells"][0];
  EXPECT_EQ(cell["family"], "extraction");
  EXPECT_EQ(cell["samples"]["total"], 2000);
  EXPECT_EQ(cell["metrics"].size(), 15u);
  EXPECT_NEAR(cell["metrics"]["agreement@10000"]["value"].get<double>(), 0.918, 1e-9);
  EXPECT_LT(cell["metrics"]["agreement@10000"]["lower"], 0.918);
  const Json& surface = cell["threat_model"]["surface"];
  EXPECT_EQ(surface["kind"], "probabilities");
  EXPECT_TRUE(surface["top_k"].is_null());
  EXPECT_TRUE(surface["decimals"].is_null());
  EXPECT_EQ(surface["temperature"], 1.0);
  EXPECT_EQ(json["cells"][1]["threat_model"]["surface"]["kind"], "label");
  const Json& extraction = cell["extraction"];
  EXPECT_EQ(extraction["records"], 2000);
  ASSERT_EQ(extraction["budgets"].size(), 3u);
  const Json& last = extraction["budgets"][2];
  EXPECT_EQ(last["budget"], 10'000);
  ASSERT_EQ(last["seeds"].size(), 3u);
  EXPECT_EQ(last["seeds"][2]["findings"]["hidden_width"], 64);
  EXPECT_NEAR(last["seeds"][1]["agreement"].get<double>(), 0.921, 1e-9);
  EXPECT_TRUE(last["seeds"][1]["failure"].is_null());
  EXPECT_EQ(extraction["monitors"][0]["mixed"], 0);
  EXPECT_EQ(extraction["monitors"][0]["decided"], 0);
  EXPECT_EQ(extraction["monitors"][1]["mixed"], 500);
  const Json& prada = extraction["monitors"][2];
  EXPECT_EQ(prada["monitor"], "prada");
  EXPECT_EQ(prada["decided"], 3);
  EXPECT_EQ(prada["alarmed"], 2);
  EXPECT_EQ(prada["queries_to_alarm"], 2410);
  EXPECT_NEAR(prada["false_alarms"]["value"].get<double>(), 6e-4, 1e-12);
  EXPECT_TRUE(extraction["monitors"][0]["queries_to_alarm"].is_null());
  const Json& labels = json["cells"][1];
  EXPECT_TRUE(labels["metrics"]["transfer_success@100"]["value"].is_null());
  EXPECT_THAT(labels["metrics"]["transfer_success@100"]["reason"].get<std::string>(),
              HasSubstr("no adversarial"));
  EXPECT_TRUE(labels["extraction"]["budgets"][0]["seeds"][0]["transfer_success"].is_null());
}

TEST(ExtractionJson, ElsewhereThereIsNone) {
  const Json cell = Json::parse(report_json(testing::failing()->report))["cells"][0];
  EXPECT_TRUE(cell["extraction"].is_null());
  EXPECT_FALSE(cell["threat_model"].contains("surface"));
}

TEST(StolenCsv, HasARowPerTheft) {
  const std::string csv = stolen_csv(stolen_models()->report);
  EXPECT_EQ(csv.substr(0, csv.find('\n')),
            "cell,budget,seed,queries,agreement,surrogate_accuracy,transfer_success,accuracy_ratio,"
            "mean_kl");
  EXPECT_EQ(testing::occurrences(csv, "\n"), 19U);
  EXPECT_THAT(csv, HasSubstr("\nsteal,10000,1,10000,0.921,0.829,0.461,"));
  EXPECT_THAT(csv, HasSubstr("\nsteal-labels,100,0,100,0.42,0.378,,"));
  EXPECT_EQ(stolen_csv(testing::failing()->report), "");
  EXPECT_EQ(stolen_csv(testing::refused()->report), "");
}

TEST(ExtractionHtml, DrawsTheSurfacesOfOneAttackTogetherAndTheBaselineDashed) {
  const std::string html = report_html(stolen_models()->report);
  const std::string part = html.substr(html.find("id=\"extraction\""));
  EXPECT_EQ(testing::occurrences(part, "aria-label=\"agreement over queries for knockoff\""), 1U);
  EXPECT_EQ(testing::occurrences(part, "<polyline class=\"line hue s0\""), 2U)
      << "in chart and legend";
  EXPECT_EQ(testing::occurrences(part, "<polyline class=\"line hue s1\""), 2U);
  EXPECT_EQ(testing::occurrences(part, "<polyline class=\"line hue s0 before\""), 2U);
  EXPECT_THAT(part, HasSubstr("labels, baseline</span>"));
  EXPECT_THAT(report_html(testing::failing()->report), Not(HasSubstr("id=\"extraction\"")));
}

TEST(ExtractionHtml, ACellOfAnotherPoolHasAChartOfItsOwn) {
  auto s = stolen_models();
  s->evidence.header.cells[1].sets["pool"] = "other";
  const std::string html = report_html(s->report);
  EXPECT_EQ(testing::occurrences(html, "aria-label=\"agreement over queries for knockoff\""), 2U);
  EXPECT_THAT(html, HasSubstr("queries from other"));
}

TEST(ExtractionHtml, NamesLinesByTheirCellWhereSurfacesAreAlike) {
  auto s = stolen_models();
  s->evidence.header.cells[1].threat.surface.kind = Surface::Kind::kProbabilities;
  EXPECT_THAT(report_html(s->report), HasSubstr("steal-labels</span>"));
}

TEST(ExtractionHtml, ShowsMonitorsFindingsAndWhyFiguresAreMissing) {
  const std::string html = report_html(stolen_models()->report);
  const std::string part = html.substr(html.find("id=\"extraction\""));
  EXPECT_THAT(part, HasSubstr(">2 of 3<"));
  EXPECT_THAT(part, HasSubstr(">2,410<"));
  EXPECT_THAT(part, HasSubstr(">never<"));
  EXPECT_THAT(part, HasSubstr(">alone<"));
  EXPECT_THAT(part, HasSubstr(">among 500 benign<"));
  EXPECT_THAT(part, HasSubstr(">too few queries for a verdict<"));
  EXPECT_THAT(part, HasSubstr("hidden width"));
  EXPECT_EQ(testing::occurrences(part, "No transfer success: no adversarial made on the surrogate"),
            1U);
  EXPECT_THAT(part, HasSubstr("agreement after 10,000 queries 91.8 %"));
}

TEST(ExtractionHtml, ShowsACandidateThatFailed) {
  auto s = stolen_models();
  s->decision.cells[0].extraction->budgets[0].seeds[1].failure = "<b>exploded</b>";
  s->decision.cells[0].samples.error = 1;
  const std::string html = report_html(s->report);
  EXPECT_THAT(html, HasSubstr("failed at a budget of 100, seed 1: &lt;b&gt;exploded"));
  EXPECT_THAT(html, Not(HasSubstr("<b>exploded")));
  const reports::CellSummary summary = reports::summarise(s->report, s->decision.cells[0]);
  EXPECT_EQ(summary.verdict, reports::CellVerdict::kFail);
  EXPECT_THAT(summary.lines, ::testing::Contains(HasSubstr("queries of 1 extraction")));
}

TEST(ExtractionHtml, SurvivesFiguresThatAreNotFiniteAndNamesThatAreMarkup) {
  auto s = stolen_models();
  CellResult& cell = s->decision.cells[0];
  const double nan = std::nan("");
  cell.metrics["agreement@100"] = {nan, nan, nan, 2000, ""};
  cell.extraction->budgets[1].seeds[0].metrics["agreement"] = nan;
  cell.extraction->monitors[0].monitor = "<img src=x>";
  cell.extraction->budgets[0].seeds[0].findings["<img src=x>"] = nan;
  s->evidence.header.cells[0].attack = "<img src=x>";
  s->evidence.header.cells[0].sets["pool"] = "<img src=x>";
  const std::string html = report_html(s->report);
  EXPECT_THAT(html, Not(HasSubstr("<img src=x")));
  EXPECT_THAT(html, Not(::testing::ContainsRegex("[\",> ]-?nan[\",< ]")));
}

TEST(ExtractionText, TellsRulesOfBudgetsWithinEightyColumns) {
  const auto s = stolen_models();
  const std::string text = summary_text(s->report, 80, false);
  EXPECT_THAT(text, HasSubstr("agreement@10000 <= 90 %"));
  EXPECT_THAT(text, HasSubstr("@10000 rise <= 2 points")) << "the budget is not cut away";
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto columns =
        std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
    EXPECT_LE(columns, 80) << line;
  }
  EXPECT_THAT(summary_markdown(s->report), HasSubstr("agreement after 10,000 queries"));
}

TEST(SurfaceWords, NameWhatTheApiAnswersAndItsDefences) {
  Surface surface;
  EXPECT_EQ(reports::surface_words(surface), "probabilities");
  surface.kind = Surface::Kind::kTopK;
  EXPECT_EQ(reports::surface_words(surface), "top 3 classes");
  surface = {Surface::Kind::kRounded, 3, 1, 2, 0.1};
  EXPECT_EQ(reports::surface_words(surface),
            "probabilities to 1 decimal, temperature 2, noise 0.1");
}

}  // namespace
}  // namespace assay
