// model, sample and run.
#include <algorithm>
#include <cmath>
#include <set>

#include "harness/suite/host_limits.h"
#include "harness/suite/keys.h"
#include "harness/suite/load.h"

namespace assay {
namespace {

constexpr double kMostEntries = 1e9;  // of one input: 4 GB in float32

void load_input(Value& section, ModelSpec& model) {
  check_section(section, input_keys(), "`input`");
  model.shape = integers_at(section, "shape");
  double entries = 1;
  for (const int64_t size : model.shape) entries *= static_cast<double>(size);
  if (entries > kMostEntries) {
    throw Error(section.find("shape")->where, "`shape` has " + number_text(entries) +
                                                  " entries, expected at most " +
                                                  number_text(kMostEntries));
  }
  if (const Value* range = section.find("range")) {
    const std::vector<double> ends = numbers_at(section, "range");
    if (ends[0] >= ends[1]) {
      throw Error(range->where, "`range` is [" + number_text(ends[0]) + ", " +
                                    number_text(ends[1]) + "], expected the lower end first");
    }
    model.lo = ends[0];
    model.hi = ends[1];
  }
}

// One number stands for every channel.
std::vector<double> per_channel(const Value& section, const char* key, int64_t channels) {
  std::vector<double> numbers = numbers_at(section, key);
  const auto wanted = static_cast<size_t>(channels);
  if (numbers.size() == 1) numbers.resize(wanted, numbers[0]);
  if (numbers.size() != wanted) {
    throw Error(section.find(key)->where, "`" + std::string(key) + "` has " +
                                              std::to_string(numbers.size()) +
                                              " numbers, expected 1, or " + std::to_string(wanted) +
                                              " as the first entry of `input.shape` says");
  }
  return numbers;
}

void load_classes(const Value& value, ModelSpec& model) {
  if (!value.is_list()) {
    model.classes = as_integer(value, "classes", Limits{});
    return;
  }
  std::set<std::string> seen;
  for (const Value& item : value.list) {
    if (!seen.insert(item.scalar).second) {
      throw Error(item.where, "the class `" + item.scalar + "` stands twice");
    }
    model.class_names.push_back(item.scalar);
  }
  model.classes = static_cast<int64_t>(model.class_names.size());
}

// A number followed by a unit that the key's pattern has allowed.
double amount(const Value& value, std::string* unit) {
  const std::string& text = value.scalar;
  const size_t end = text.find_first_not_of("0123456789.");
  *unit = text.substr(end);
  double number = 0;
  ASSAY_CHECK(parse_number(text.substr(0, end), &number), "the pattern allows numbers only");
  return number;
}

double seconds(const Value& value) {
  std::string unit;
  const double number = amount(value, &unit);
  const double time_s = number * (unit == "h" ? 3600 : unit == "m" ? 60 : 1);
  if (time_s <= 0) {
    throw Error(value.where, "`time_limit` is `" + value.scalar + "`, expected more than nothing");
  }
  return time_s;
}

int64_t bytes(const Value& value) {
  std::string unit;
  const double number = amount(value, &unit);
  const double base = unit.size() == 3 ? 1024 : 1000;
  const auto power = static_cast<int>(std::string("KMGT").find(unit[0])) + 1;
  const double size = number * std::pow(base, power);
  if (size < 1 || size > 9e15) {
    throw Error(value.where, "`memory_limit` is `" + value.scalar + "`, expected 1 byte to 9000TB");
  }
  if (size < static_cast<double>(kProgramMemory + kWorkerMemory)) {
    throw Error(value.where, "`memory_limit` is `" + value.scalar +
                                 "`, and one worker needs up to 1536MiB: 1 GiB for program and "
                                 "model, 512 MiB for a block");
  }
  return static_cast<int64_t>(size);
}

}  // namespace

std::filesystem::path resolve(const std::filesystem::path& folder, const std::string& text) {
  return (folder / text).lexically_normal();
}

ModelSpec load_model(Value& section, const std::filesystem::path& folder) {
  check_section(section, model_keys(), "`model`");
  ModelSpec model;
  model.where = section.where;
  model.path = resolve(folder, text_at(section, "path"));
  load_input(*section.find("input"), model);
  load_classes(*section.find("classes"), model);
  if (Value* normalize = section.find("normalize")) {
    check_section(*normalize, normalize_keys(), "`normalize`");
    model.mean = per_channel(*normalize, "mean", model.shape[0]);
    model.std = per_channel(*normalize, "std", model.shape[0]);
  }
  const std::string output = text_at(section, "output", "logits");
  model.output = output == "logits"          ? ModelSpec::Output::kLogits
                 : output == "probabilities" ? ModelSpec::Output::kProbabilities
                                             : ModelSpec::Output::kSigmoid;
  if (model.output == ModelSpec::Output::kSigmoid && model.classes != 2) {
    throw Error(section.find("classes")->where,
                "`output: sigmoid` is one logit for 2 classes, and `classes` says " +
                    std::to_string(model.classes));
  }
  model.output_index = text_at(section, "output_index");
  model.dtype = text_at(section, "dtype", "float32") == "float64" ? ModelSpec::Dtype::kFloat64
                                                                  : ModelSpec::Dtype::kFloat32;
  return model;
}

SampleSpec load_sample(Value& section, const std::filesystem::path& folder) {
  check_section(section, sample_keys(), "`sample`");
  SampleSpec sample;
  std::vector<std::string> ways;
  for (const char* way : {"count", "first", "ids"}) {
    if (section.find(way) != nullptr) ways.emplace_back(way);
  }
  if (ways.size() != 1) {
    throw Error(section.where, ways.empty() ? "`sample` lacks one of count, first and ids"
                                            : "`sample` has both `" + ways[0] + "` and `" +
                                                  ways[1] + "`, expected one of count, first, ids");
  }
  if (const Value* count = section.find("count")) {
    sample.count = as_integer(*count, "count", Limits{});
    sample.where = count->where;
  }
  if (const Value* first = section.find("first")) {
    sample.first = as_integer(*first, "first", Limits{});
    sample.where = first->where;
  }
  if (const Value* ids = section.find("ids")) sample.ids = resolve(folder, ids->scalar);
  for (const auto& [key, value] : section.map) {
    const bool of_draw = key.scalar == "seed" || key.scalar == "stratified";
    if (of_draw && !sample.count) {
      throw Error(key.where, "`" + key.scalar + "` goes with `count` only, and `sample` has `" +
                                 ways[0] + "`");
    }
  }
  if (const Value* seed = section.find("seed")) sample.seed = as_seed(*seed, "seed");
  sample.stratified = boolean_at(section, "stratified", false);
  return sample;
}

RunSpec load_run(Value& section) {
  check_section(section, run_keys(), "`run`");
  RunSpec run;
  if (const Value* block = section.find("block")) {
    run.block = as_integer(*block, "block", Limits{});
  }
  if (const Value* limit = section.find("time_limit")) run.time_limit_s = seconds(*limit);
  if (const Value* limit = section.find("memory_limit")) run.memory_limit = bytes(*limit);
  run.device = text_at(section, "device", "cpu");
  return run;
}

}  // namespace assay
