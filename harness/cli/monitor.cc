// assay monitor: recorded queries through the monitors, and against the traffic that was expected.
#include <iostream>

#include "harness/cli/commands.h"
#include "harness/cli/monitor_report.h"
#include "harness/cli/query_log.h"
#include "harness/cli/session.h"
#include "harness/monitor/replay.h"

namespace assay {
namespace {

struct Options {
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
  QueryLog reference;  // benign queries; none: the stream is empty
  Range range;
  uint64_t seed = 0;
  bool by_suite = false;
};

QueryLog read_labelled(const std::string& path, const std::string& outputs, const Range& range) {
  QueryLog log = read_queries(path, range);
  if (outputs.empty()) return log;
  log.stream.labels = read_outputs(outputs, log.stream.view().size());
  log.labelled = true;
  return log;
}

// The half of the suite's benign traffic that thresholds are calibrated with when it is run.
QueryStream benign_of(const Suite& suite) {
  const Dataset set = Dataset::open(suite.data.at(suite.monitors->benign), suite.model);
  const std::vector<int64_t> rows = split_benign(set.size(), suite.seed).reference;
  QueryStream stream;
  stream.width = entries_of(suite.model.shape);
  stream.labels.assign(rows.size(), 0);
  constexpr size_t kPiece = 256;
  for (size_t begin = 0; begin < rows.size(); begin += kPiece) {
    const auto piece = std::span(rows).subspan(begin, std::min(kPiece, rows.size() - begin));
    const at::Tensor x = set.read(piece).to(at::kFloat).contiguous();
    const float* first = x.data_ptr<float>();
    stream.inputs.insert(stream.inputs.end(), first, first + x.numel());
  }
  return stream;
}

Expected expected_by_suite(const Options& options) {
  const Suite suite =
      load_suite(options.suite, {}, infos_of(with_ensemble(attack_table())), monitor_infos());
  if (!suite.monitors) {
    throw Error(Where{options.suite}, "has no section `monitors`, which says what to watch with");
  }
  check_detectors(suite);
  Expected expected;
  expected.detectors = suite.monitors->detectors;
  expected.reference.stream = benign_of(suite);
  expected.range = {suite.model.lo, suite.model.hi};
  expected.seed = suite.seed;
  expected.by_suite = true;
  return expected;
}

// Without a suite: every monitor as it comes.
Expected expected_by_default(const Options& options) {
  Expected expected;
  if (!options.range.empty()) expected.range = {options.range[0], options.range[1]};
  for (const MonitorInfo& info : monitor_infos()) {
    DetectorSpec spec;
    spec.name = spec.monitor = info.name;
    spec.entry.kind = Value::Kind::kMap;
    expected.detectors.push_back(std::move(spec));
  }
  if (!options.reference.empty()) {
    expected.reference =
        read_labelled(options.reference, options.reference_outputs, expected.range);
  }
  return expected;
}

void check(const Options& options) {
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
  if (!options.reference_outputs.empty() && options.reference.empty()) {
    throw Error("--reference-outputs is about the queries of --reference, which is not given");
  }
}

WatchResult watch(const DetectorSpec& spec, const QueryLog& log, const Expected& expected) {
  WatchResult result;
  result.name = spec.name;
  const Watch given{expected.reference.stream.view(), expected.range.lo, expected.range.hi,
                    expected.seed};
  try {
    result.alarms = make_detector(spec, given)(log.stream.view());
    if (result.alarms.checks == 0) result.reason = "too few queries";
  } catch (const Error& error) {
    // What the suite asks for must be possible; of all that there is, some may not be.
    if (expected.by_suite) throw;
    result.reason = error.what();
  }
  return result;
}

ExitCode run(const Options& options) {
  check(options);
  const Expected expected =
      options.suite.empty() ? expected_by_default(options) : expected_by_suite(options);
  const QueryLog log = read_labelled(options.log, options.outputs, expected.range);
  if (!log.labelled) {
    throw Error(options.log + ": does not say what the model answered; give --outputs FILE.csv");
  }
  const QueryView reference = expected.reference.stream.view();
  if (reference.size() > 0 && reference.width != log.stream.width) {
    throw Error(options.log + ": a query has " + std::to_string(log.stream.width) +
                " entries, and one of the reference " + std::to_string(reference.width));
  }
  MonitorReport report{.log = options.log,
                       .queries = log.stream.view().size(),
                       .width = log.stream.width,
                       .alpha = options.alpha};
  for (const DetectorSpec& spec : expected.detectors) {
    report.monitors.push_back(watch(spec, log, expected));
  }
  if (reference.size() > 0) {
    report.drift = drift_tests(reference, log.stream.view(), expected.reference.labelled,
                               {.alpha = options.alpha, .seed = expected.seed});
  }
  std::cout << (options.format == "text" ? to_text(report) : to_openmetrics(report));
  return verdict_of(report);
}

}  // namespace

Command add_monitor(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "monitor",
      "look for attacks and drift in recorded queries; 0 if quiet, 1 if not, 4 if "
      "nothing can be said");
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
      ->add_option("--reference-outputs", options->reference_outputs,
                   "what the model answered to those, to compare labels")
      ->type_name("FILE");
  command->add_option("--range", options->range, "without a suite: the box of inputs; 0 1")
      ->expected(2)
      ->type_name("LOW HIGH");
  command->add_option("--format", options->format, "text or openmetrics")
      ->type_name("NAME")
      ->check(CLI::IsMember({"text", "openmetrics"}).description(""))
      ->capture_default_str();
  command
      ->add_option("--alpha", options->alpha,
                   "chance that drift is reported where there is none, over all tests")
      ->type_name("R")
      ->check(CLI::Range(1e-9, 0.5).description(""))
      ->capture_default_str();
  return {command, [options] { return run(*options); }};
}

}  // namespace assay
