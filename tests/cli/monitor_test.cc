// assay monitor: verdicts, metrics, and faults of logs with their places.
#include <cmath>
#include <sstream>

#include "tests/cli/query_logs.h"

namespace assay::testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(Monitor, ExpectedTrafficIsQuiet) {
  write("reference.npy", npy(scattered(1000, 1)));
  write("reference.csv", labels_csv(1000));
  const Ended quiet = watch(
      scattered(300, 2), {"--reference", "reference.npy", "--reference-outputs", "reference.csv"});
  expect_end(quiet, 0, {});
  EXPECT_THAT(quiet.out, StartsWith("log.npy: 300 queries of 64 entries\n"));
  for (const char* name : {"\nprada ", "\nstateful ", "\nblacklight ", "\nks ", "\nmmd ",
                           "\nlabels ", "0 of 64 features differ"}) {
    EXPECT_THAT(quiet.out, HasSubstr(name));
  }
  EXPECT_THAT(quiet.out, EndsWith("\nQUIET\n"));
  EXPECT_LE(widest_line(quiet.out), 80U) << quiet.out;
}

TEST_F(Monitor, RepeatedQueriesAreAnAlarm) {
  write("reference.npy", npy(scattered(2000, 1)));
  Rows rows = scattered(150, 2);
  for (int i = 0; i < 1000; ++i) rows.push_back(rows[7]);
  const Ended alarm = watch(rows, {"--reference", "reference.npy"});
  expect_end(alarm, 1, {});
  EXPECT_THAT(alarm.out, HasSubstr("ALARM  blacklight, stateful"));
  EXPECT_THAT(alarm.out, HasSubstr("labels says nothing: needs the model's answers on both sides"));
}

TEST_F(Monitor, OtherTrafficIsDrift) {
  write("reference.npy", npy(scattered(1000, 1)));
  Rows rows = scattered(300, 2);
  for (std::vector<float>& row : rows) row[3] = std::pow(row[3], 0.55F);
  const Ended drift = watch(rows, {"--reference", "reference.npy"});
  expect_end(drift, 1, {});
  EXPECT_THAT(drift.out, HasSubstr("1 of 64 features differ; feature 3 most"));
  EXPECT_THAT(drift.out, HasSubstr("\nDRIFT  ks"));
  const Ended strict = watch(rows, {"--reference", "reference.npy", "--alpha", "1e-9"});
  expect_end(strict, 4, {});
  EXPECT_THAT(strict.out, HasSubstr("mmd says nothing: its p-value is"));
  EXPECT_THAT(strict.out, HasSubstr("NOT CLEAR  no verdict of prada, mmd, labels")) << strict.out;
}

// One in a thousand benign queries or so is an alarm of each of them, and near duplicates are.
TEST_F(Monitor, AnAlarmNowAndThenIsNotAnAlarm) {
  write("reference.npy", npy(scattered(2000, 1)));
  write("reference.csv", labels_csv(2000));
  Rows rows = scattered(300, 2);
  rows.push_back(rows[7]);
  const Ended quiet =
      watch(rows, {"--reference", "reference.npy", "--reference-outputs", "reference.csv"});
  expect_end(quiet, 0, {});
  EXPECT_THAT(quiet.out, ::testing::ContainsRegex("blacklight +1 +300 +1 of 300 +0 of 9"));
  EXPECT_THAT(quiet.out, EndsWith("QUIET\n"));
  const Ended unknown = watch(rows);
  expect_end(unknown, 4, {});
  EXPECT_THAT(unknown.out, HasSubstr("nothing tells how often benign traffic is an alarm"));
  EXPECT_THAT(unknown.out, HasSubstr("NOTHING CAN BE SAID"));
}

// prada looks at all queries together, so that it may raise no alarm where a part of the log would
// be one: nothing is known without benign traffic that has the model's answers.
TEST_F(Monitor, PradaIsNotQuietWithoutAnswersToBenignTraffic) {
  write("reference.npy", npy(scattered(2000, 1)));
  const Ended unanswered = watch(scattered(300, 2), {"--reference", "reference.npy"});
  expect_end(unanswered, 4, {});
  EXPECT_THAT(unanswered.out, HasSubstr("prada says nothing: judged as a whole only"));
  EXPECT_THAT(unanswered.out, HasSubstr("attack; give --reference-outputs\n"));
  EXPECT_THAT(unanswered.out, HasSubstr("NOT CLEAR  no verdict of prada, labels; quiet: black"));
  const Ended alone = watch(scattered(300, 2));
  expect_end(alone, 4, {});
  EXPECT_THAT(alone.out, HasSubstr("attack; give --reference and --reference-outputs\n"));
  EXPECT_THAT(alone.out, HasSubstr("quiet: blacklight\n"));
}

TEST_F(Monitor, TooFewQueriesForAnyTestAreInconclusive) {
  const Ended one = watch(scattered(1, 1));
  expect_end(one, 4, {});
  EXPECT_THAT(one.out, HasSubstr("blacklight says nothing: too few queries"));
  EXPECT_THAT(one.out, HasSubstr("prada says nothing: too few queries"));
  EXPECT_THAT(one.out, HasSubstr("and has 0; give it a"));
  EXPECT_THAT(one.out, HasSubstr("NOTHING CAN BE SAID"));
}

// A full disk may be mended and the log judged again; who closed a pipe has what he wants.
TEST_F(Monitor, AVerdictThatCannotBePrintedIsIncompleteUnlessItsReaderLeft) {
  write("log.npy", npy(scattered(1, 1)));
  write("out.csv", labels_csv(1));
  Invocation cut = invocation({"monitor", "log.npy", "--outputs", "out.csv"});
  cut.out = Invocation::Stdout::kFull;
  expect_end(run_program(cut), 3, {"standard output: No space left"});
  cut.out = Invocation::Stdout::kBrokenPipe;
  const Ended left = run_program(cut);
  EXPECT_EQ(left.code, 4);
  EXPECT_EQ(left.err, "");
}

TEST_F(Monitor, MetricsAreOpenMetrics) {
  Rows rows = scattered(2, 1);
  rows.push_back(rows[0]);
  write("a \"log\" \\.npy", npy(rows));
  write("out.csv", labels_csv(3));
  const Ended metrics =
      assay({"monitor", "a \"log\" \\.npy", "--outputs", "out.csv", "--format", "openmetrics"});
  expect_end(metrics, 4, {});
  EXPECT_EQ(metrics.out, R"(# TYPE assay_monitor_log info
# HELP assay_monitor_log The recorded queries.
assay_monitor_log_info{path="a \"log\" \\.npy"} 1
# TYPE assay_monitor_queries counter
# HELP assay_monitor_queries Queries in the log.
assay_monitor_queries_total 3
# TYPE assay_monitor_verdict gauge
# HELP assay_monitor_verdict 0: quiet; 1: an alarm or drift; 4: a test came to no verdict.
assay_monitor_verdict 4
# TYPE assay_monitor_alarms counter
# HELP assay_monitor_alarms Queries answered while the alarm stood.
assay_monitor_alarms_total{monitor="blacklight"} 1
# TYPE assay_monitor_checks counter
# HELP assay_monitor_checks How often the statistic was held against the threshold.
assay_monitor_checks_total{monitor="blacklight"} 2
# TYPE assay_monitor_raised counter
# HELP assay_monitor_raised Checks that raised the alarm.
assay_monitor_raised_total{monitor="blacklight"} 1
# TYPE assay_monitor_first_alarm gauge
# HELP assay_monitor_first_alarm Position of the first alarm, from 0.
assay_monitor_first_alarm{monitor="blacklight"} 2
# TYPE assay_monitor_threshold gauge
# HELP assay_monitor_threshold Threshold of the monitor's statistic.
assay_monitor_threshold{monitor="blacklight"} 25
# EOF
)");
}

// A path may be any bytes.
TEST_F(Monitor, MetricsAreUtf8) {
  write("caf\xE9 \xC3\xA9.npy", npy(scattered(3, 1)));
  write("out.csv", labels_csv(3));
  const Ended metrics =
      assay({"monitor", "caf\xE9 \xC3\xA9.npy", "--outputs", "out.csv", "--format", "openmetrics"});
  expect_end(metrics, 4, {});
  EXPECT_THAT(metrics.out,
              HasSubstr("\nassay_monitor_log_info{path=\"caf\xEF\xBF\xBD \xC3\xA9.npy\"} 1\n"));
}

TEST_F(Monitor, DriftIsAMetric) {
  write("reference.npy", npy(scattered(400, 1)));
  const Ended metrics =
      watch(scattered(300, 2), {"--reference", "reference.npy", "--format", "openmetrics"});
  expect_end(metrics, 4, {});
  EXPECT_THAT(metrics.out, HasSubstr("# TYPE assay_drift_p_value gauge\n# HELP "));
  EXPECT_THAT(metrics.out, HasSubstr("\nassay_drift_p_value{test=\"mmd\"} 0."));
  EXPECT_THAT(metrics.out, HasSubstr("\nassay_drift_detected{test=\"ks\"} 0\n"));
  EXPECT_THAT(metrics.out, HasSubstr("\nassay_monitor_benign_raised_total{monitor=\"stateful\"} "));
  EXPECT_THAT(metrics.out, HasSubstr("\nassay_monitor_p_value{monitor=\"stateful\"} "));
  EXPECT_THAT(metrics.out, HasSubstr("\nassay_monitor_detected{monitor=\"blacklight\"} 0\n"));
  EXPECT_THAT(metrics.out, Not(HasSubstr("labels")));
  EXPECT_THAT(metrics.out, EndsWith("\n# EOF\n"));
}

// A part of the log that is an alarm has a place in it, and the log a verdict.
TEST_F(Monitor, AnAlarmInAPartOfTheLogIsAMetric) {
  write("reference.npy", npy(scattered(1000, 1)));
  Rows rows = scattered(300, 2);
  for (int i = 0; i < 200; ++i) rows.push_back(rows[7]);
  const Ended metrics = watch(rows, {"--reference", "reference.npy", "--format", "openmetrics"});
  expect_end(metrics, 1, {});
  EXPECT_THAT(metrics.out, HasSubstr("\nassay_monitor_verdict 1\n"));
  EXPECT_THAT(metrics.out, HasSubstr("\nassay_monitor_detected{monitor=\"blacklight\"} 1\n"));
  const auto place = [&](const std::string& end) {
    const std::string name = "\nassay_monitor_window_" + end + "{monitor=\"blacklight\"} ";
    const size_t at = metrics.out.find(name);
    return at == std::string::npos ? -1 : std::stoi(metrics.out.substr(at + name.size()));
  };
  EXPECT_GE(place("begin"), 128);
  EXPECT_GT(place("end"), 300);
  EXPECT_LE(place("end"), 500);
  write("reference.csv", labels_csv(1000));
  const Ended quiet =
      watch(scattered(300, 2), {"--reference", "reference.npy", "--reference-outputs",
                                "reference.csv", "--format", "openmetrics"});
  expect_end(quiet, 0, {});
  EXPECT_THAT(quiet.out, HasSubstr("\nassay_monitor_verdict 0\n"));
  EXPECT_THAT(quiet.out, Not(HasSubstr("window")));
}

TEST_F(Monitor, OptionsThatContradictAreRefused) {
  const auto refused = [&](std::vector<std::string> more, const std::vector<std::string>& says) {
    expect_end(watch(scattered(3, 2), std::move(more)), 2, says);
  };
  refused({"--suite", "s.yaml", "--reference", "r.npy"}, {"--reference is what the suite says"});
  refused({"--suite", "s.yaml", "--range", "0", "1"}, {"--range is what the suite says"});
  refused({"--range", "1", "0"}, {"the second must be above the first"});
  refused({"--reference-outputs", "r.csv"}, {"--reference", "not given"});
  refused({"--format", "json"}, {"--format", "json", "openmetrics"});
  for (const char* alpha : {"1", "0", "nan", "inf", "x"}) {
    refused({"--alpha", alpha}, {"--alpha", alpha, "is no number from 1e-09 to 0.5"});
  }
  refused({"--range", "0", "nan"}, {"--range", "`nan` is no number"});
}

// The points of the suite's plane, again.
TEST_F(Monitor, ASuiteSaysWhatToWatchWith) {
  const std::string detectors =
      "monitors: { benign: test, detectors: [ { monitor: stateful, neighbours: 5 }, "
      "{ name: strict, monitor: prada, delta: 1 } ] }";
  write_suite({.more = detectors});
  Rows rows;
  for (int i = 0; i < 100; ++i) {
    const double away = i < 50 ? 0.3 : 0.05;  // rounded once, as the table's are
    rows.push_back(
        {static_cast<float>(i % 2 == 1 ? 0.5 + away : 0.5 - away), static_cast<float>(i / 100.0)});
  }
  Ended ended = watch(rows, {"--suite", "suite.yaml"});
  expect_end(ended, 2, {"out.csv:4:6: label 2", "0 to 1, as the suite has 2 classes"});
  const auto watch_plane = [&](std::vector<std::string> more = {}) {
    write("log.npy", npy(rows));
    std::string csv = "label\n";
    for (const std::vector<float>& row : rows) csv += row[0] > 0.5F ? "1\n" : "0\n";
    write("out.csv", csv);
    std::vector<std::string> args = {"monitor", "log.npy", "--outputs",
                                     "out.csv", "--suite", "suite.yaml"};
    args.insert(args.end(), more.begin(), more.end());
    return assay(args);
  };
  ended = watch_plane();
  expect_end(ended, 4, {});
  EXPECT_THAT(ended.out, HasSubstr("NOT CLEAR  no verdict of strict, labels"));
  EXPECT_THAT(ended.out, HasSubstr("\nstateful "));
  EXPECT_THAT(ended.out, HasSubstr("\nks "));
  EXPECT_THAT(ended.out, HasSubstr("strict says nothing: too few"));
  EXPECT_THAT(ended.out, Not(HasSubstr("blacklight")));
  std::string answers = "label\n";
  for (int i = 0; i < 100; ++i) answers += i % 2 == 1 ? "1\n" : "0\n";
  write("benign.csv", answers);
  ended = watch_plane({"--reference-outputs", "benign.csv"});
  EXPECT_THAT(ended.out, HasSubstr("\nlabels "));
  // A data set's own labels are not what the model answers: prada has nothing to be held against.
  for (int i = 0; i < 120; ++i) rows.push_back({0.3F + 1e-3F * static_cast<float>(i), 0.3F});
  ended = watch_plane();
  EXPECT_THAT(ended.out, HasSubstr("strict says nothing: nothing tells how often benign"));
  EXPECT_THAT(ended.out, HasSubstr("give\n  --reference-outputs"));
  EXPECT_THAT(ended.out, HasSubstr("\nstateful: most in queries 1"));
  rows.resize(100);
  for (int i = 0; i < 120; ++i) rows.push_back({0.3F, 0.3F});
  ended = watch_plane();
  expect_end(ended, 1, {});
  EXPECT_THAT(ended.out, HasSubstr("ALARM  stateful"));

  write("out.csv", "id,no,yes\n" + std::string("7,0.1,0.9\n"));
  expect_end(assay({"monitor", "log.npy", "--outputs", "out.csv", "--suite", "suite.yaml"}), 2,
             {"out.csv:1:1: has no column `label`, and 3 columns", "2 classes"});

  write("log.npy", npy(scattered(1, 1)));
  write("out.csv", "label\n1\n");
  expect_end(assay({"monitor", "log.npy", "--outputs", "out.csv", "--suite", "suite.yaml"}), 2,
             {"log.npy: a query has 64 entries, and one of the reference 2"});
  write_suite({});
  expect_end(watch(rows, {"--suite", "suite.yaml"}), 2, {"suite.yaml: has no section `monitors`"});
}

TEST_F(Monitor, ASuitesDetectorsMustSuitItsInputs) {
  write_suite({.more = "monitors: { benign: test, detectors: [ { monitor: blacklight } ] }"});
  const std::vector<std::string> says = {"suite.yaml:", "windows of 20 entries", "has 2",
                                         "`window`"};
  expect_end(assay({"validate", "suite.yaml"}), 2, says);
  expect_end(run("out"), 2, says);
  expect_end(watch(scattered(30, 1, 2), {"--suite", "suite.yaml"}), 2, says);
}

}  // namespace
}  // namespace assay::testing
