// assay monitor: recorded queries through the monitors, and against the traffic that was expected.
#include <cmath>
#include <iostream>

#include "harness/cli/commands.h"
#include "harness/cli/monitor_report.h"
#include "harness/cli/query_log.h"
#include "harness/cli/session.h"
#include "harness/monitor/replay.h"

namespace assay {
namespace {

struct MonitorOptions {
  std::string log;
  std::string outputs;
  std::string suite;
  std::string reference;
  std::string reference_outputs;
  std::vector<double> range;
  std::string format = "text";
  double alpha = DriftOptions{}.alpha;
};

// What the log is held against.
struct Expected {
  std::vector<DetectorSpec> detectors;
  QueryLog benign;  // none: the stream is empty
  Range range;
  Classes classes;
  std::vector<int64_t> shape;  // of inputs; empty: unknown
  uint64_t seed = 0;
  bool by_suite = false;
};

// Labels that the log itself has must be the same.
void set_outputs(const std::string& path, const Classes& classes, QueryLog& log,
                 const std::string& file) {
  Answers answers = read_outputs(path, log.stream.view().size(), classes);
  for (size_t i = 0; log.labelled && i < answers.labels.size(); ++i) {
    if (answers.labels[i] == log.stream.labels[i]) continue;
    throw Error(file + ": query " + std::to_string(i) + " has the label " +
                std::to_string(log.stream.labels[i]) + ", and " + path + " says " +
                std::to_string(answers.labels[i]) + "; leave one of both out");
  }
  log.stream.labels = std::move(answers.labels);
  log.classes = std::move(answers.classes);
  log.labelled = true;
}

QueryLog read_labelled(const std::string& path, const std::string& outputs,
                       const Expected& expected) {
  QueryLog log = read_queries(path, expected.range, expected.classes, expected.shape);
  if (outputs.empty()) return log;
  set_outputs(outputs, expected.classes, log, path);
  return log;
}

// Log and reference say what was answered by a number: it must mean the same class.
void check_columns(const MonitorOptions& options, const QueryLog& log, const QueryLog& benign) {
  if (!benign.labelled || log.classes == benign.classes) return;
  const auto text = [](const std::vector<std::string>& names) {
    if (names.empty()) return std::string("labels");
    std::string list = "columns, one a class:";
    for (const std::string& name : names)
      list += (name == names.front() ? " `" : ", `") + name + "`";
    return list;
  };
  const std::string& here = options.outputs.empty() ? options.log : options.outputs;
  const std::string& there =
      options.reference_outputs.empty() ? options.reference : options.reference_outputs;
  throw Error(here + ": says what was answered by " + text(log.classes) + "; and " + there +
              " by " + text(benign.classes) +
              "; give the same columns in the same order in both, or a column `label`");
}

// The suite's benign traffic, with its own labels.
QueryStream benign_of(const Suite& suite) {
  const Dataset set = Dataset::open(suite.data.at(suite.monitors->benign), suite.model);
  QueryStream stream;
  stream.width = entries_of(suite.model.shape);
  constexpr int64_t kPiece = 256;
  for (int64_t begin = 0; begin < set.size(); begin += kPiece) {
    std::vector<int64_t> rows;
    for (int64_t i = begin; i < std::min(begin + kPiece, set.size()); ++i) rows.push_back(i);
    const at::Tensor x = set.read(rows).to(at::kFloat).contiguous();
    const float* first = x.data_ptr<float>();
    stream.inputs.insert(stream.inputs.end(), first, first + x.numel());
    for (const int64_t row : rows) stream.labels.push_back(set.label(row));
  }
  return stream;
}

Expected expected_by_suite(const MonitorOptions& options) {
  const Suite suite =
      load_suite(options.suite, {}, infos_of(with_ensemble(attack_table())), monitor_infos());
  if (!suite.monitors) {
    throw Error(Where{options.suite}, "has no section `monitors`, which says what to watch with");
  }
  check_detectors(suite);
  Expected expected;
  expected.detectors = suite.monitors->detectors;
  expected.benign.stream = benign_of(suite);
  check_magnitudes(expected.benign.stream.view(), "data." + suite.monitors->benign);
  expected.range = {suite.model.lo, suite.model.hi};
  expected.classes = {suite.model.classes, suite.model.class_names};
  expected.shape = suite.model.shape;
  expected.seed = suite.seed;
  expected.by_suite = true;
  if (!options.reference_outputs.empty()) {
    set_outputs(options.reference_outputs, expected.classes, expected.benign, "");
  }
  return expected;
}

// Without a suite: every monitor as it comes.
Expected expected_by_default(const MonitorOptions& options) {
  Expected expected;
  if (!options.range.empty()) expected.range = {options.range[0], options.range[1]};
  for (const MonitorInfo& info : monitor_infos()) {
    DetectorSpec spec;
    spec.name = spec.monitor = info.name;
    spec.entry.kind = Value::Kind::kMap;
    expected.detectors.push_back(std::move(spec));
  }
  if (!options.reference.empty()) {
    expected.benign = read_labelled(options.reference, options.reference_outputs, expected);
  }
  return expected;
}

void check(const MonitorOptions& options) {
  const auto exclude = [&](bool given, const char* option) {
    if (given && !options.suite.empty()) {
      throw Error(std::string(option) + " is what the suite says; give one of both");
    }
  };
  exclude(!options.reference.empty(), "--reference");
  exclude(!options.range.empty(), "--range");
  if (!options.range.empty() && !(options.range[0] < options.range[1])) {
    throw Error("--range " + number_text(options.range[0]) + " " + number_text(options.range[1]) +
                ": the second must be above the first");
  }
  if (!options.reference_outputs.empty() && options.reference.empty() && options.suite.empty()) {
    throw Error("--reference-outputs is about the queries of --reference, which is not given");
  }
}

QueryStream rows_of(const QueryView& queries, const std::vector<int64_t>& rows) {
  QueryStream stream;
  stream.width = queries.width;
  for (const int64_t row : rows) {
    const std::span<const float> values = queries.row(row);
    stream.inputs.insert(stream.inputs.end(), values.begin(), values.end());
    stream.labels.push_back(queries.labels[static_cast<size_t>(row)]);
  }
  return stream;
}

// Thresholds are calibrated with the half of the benign traffic that a run calibrates them with,
// and alarms counted on the other.
void watch(const QueryLog& log, const Expected& expected, double alpha, MonitorReport& report) {
  const QueryView all = expected.benign.stream.view();
  const BenignSplit split = split_benign(all.size(), expected.seed);
  const QueryStream reference = rows_of(all, split.reference);
  const QueryStream traffic = rows_of(all, split.traffic);
  const Watch given{reference.view(), expected.range.lo, expected.range.hi, expected.seed};
  for (const DetectorSpec& spec : expected.detectors) {
    WatchResult result;
    result.name = spec.name;
    try {
      // A run labels benign traffic with the model's answers, which a data set's own labels are
      // not.
      const bool comparable = expected.benign.labelled || !looks_at_labels(spec);
      const QueryView benign = comparable ? traffic.view() : QueryView{.width = all.width};
      result = watch_log(spec.name, make_detector(spec, given), log.stream.view(), benign,
                         alpha / static_cast<double>(expected.detectors.size()));
      if (!std::isfinite(result.alarms.threshold)) {
        throw Error("its threshold is no number: the reference's values are too large");
      }
      if (benign.size() == 0 && result.alarms.checks > 0 && !result.reason.empty()) {
        if (all.size() == 0) result.reason += "; give --reference";
        if (!comparable) result.reason += all.size() == 0 ? " and " : "; give ";
        if (!comparable) result.reason += "--reference-outputs";
      }
    } catch (const Error& error) {
      // What the suite asks for must be possible; of all that there is, some may not be.
      if (expected.by_suite) throw;
      result.reason = error.what();
      report.unasked.insert(spec.name);
    }
    report.monitors.push_back(std::move(result));
  }
}

ExitCode run(const MonitorOptions& options) {
  check(options);
  const Expected expected =
      options.suite.empty() ? expected_by_default(options) : expected_by_suite(options);
  const QueryLog log = read_labelled(options.log, options.outputs, expected);
  if (!log.labelled) {
    throw Error(options.log + ": does not say what the model answered; give --outputs FILE.csv");
  }
  check_columns(options, log, expected.benign);
  const QueryView benign = expected.benign.stream.view();
  if (benign.size() > 0 && benign.width != log.stream.width) {
    throw Error(options.log + ": a query has " + std::to_string(log.stream.width) +
                " entries, and one of the reference " + std::to_string(benign.width));
  }
  MonitorReport report{.log = options.log,
                       .queries = log.stream.view().size(),
                       .width = log.stream.width,
                       .monitors = {},
                       .drift = {},
                       .unasked = {}};
  // Monitors and drift tests share the chance of a false report.
  const double alpha = options.alpha / 2;
  watch(log, expected, alpha, report);
  if (benign.size() > 0) {
    report.drift = drift_tests(benign, log.stream.view(), expected.benign.labelled,
                               {.alpha = alpha, .seed = expected.seed});
    if (!expected.benign.labelled) report.unasked.insert("drift labels");
  }
  std::cout << (options.format == "text" ? to_text(report) : to_openmetrics(report));
  return verdict_of(report);
}

}  // namespace

Command add_monitor(CLI::App& app) {
  auto options = std::make_shared<MonitorOptions>();
  CLI::App* command =
      app.add_subcommand("monitor", "look for attacks and drift in recorded queries");
  command->add_option("log", options->log, "the queries: .npy, or .safetensors with x and labels")
      ->required()
      ->type_name("");
  command
      ->add_option("--outputs", options->outputs,
                   "what the model answered: a csv with a column label, or one for each class")
      ->type_name("FILE");
  command
      ->add_option("--suite", options->suite,
                   "watch with the suite's monitors, as calibrated when it is run")
      ->type_name("FILE");
  command
      ->add_option("--reference", options->reference,
                   "without a suite: benign queries, .npy or .safetensors")
      ->type_name("FILE");
  command
      ->add_option(
          "--reference-outputs", options->reference_outputs,
          "what the model answered to the reference, or to the suite's benign traffic, for "
          "prada and to compare labels")
      ->type_name("FILE");
  command->add_option("--range", options->range, "without a suite: the box of inputs; 0 1")
      ->expected(2)
      ->type_name("LOW HIGH")
      ->check(number_in(-1e300, 1e300));
  command->add_option("--format", options->format, "text or openmetrics")
      ->type_name("NAME")
      ->check(CLI::IsMember({"text", "openmetrics"}).description(""))
      ->capture_default_str();
  command
      ->add_option("--alpha", options->alpha,
                   "chance of an alarm or drift where there is none, over all tests")
      ->type_name("R")
      ->check(number_in(1e-9, 0.5))
      ->capture_default_str();
  return {command, [options] { return run(*options); }};
}

}  // namespace assay
