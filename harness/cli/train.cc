// assay train: a small network for the quickstart and for trying suites out.
#include "harness/model/train.h"

#include <cstdio>
#include <iostream>

#include "harness/cli/commands.h"
#include "harness/cli/session.h"
#include "harness/record/files.h"

namespace assay {
namespace {

struct TrainArguments {
  std::string images;
  std::string labels;
  std::string out;
  std::vector<int64_t> rows;
  int64_t classes = 10;
  std::vector<int64_t> shape = {1, 28, 28};
  TrainOptions train;
};

// Errors name what is to be mended, which is an option here and not a key of a suite.
Dataset open_data(const DataSpec& data, const ModelSpec& spec) {
  try {
    return Dataset::open(data, spec);
  } catch (const Error& error) {
    std::string message = error.what();
    for (const auto& [key, option] :
         {std::pair<std::string, std::string>("model.input.shape", "--shape"),
          {"model.classes", "--classes"}}) {
      for (size_t at = message.find(key); at != std::string::npos; at = message.find(key)) {
        message.replace(at, key.size(), option);
      }
    }
    throw Error(message, error.code());
  }
}

ExitCode train_network(const TrainArguments& options) {
  DataSpec data;
  data.name = "train";
  data.format = DataSpec::Format::kIdx;
  data.images = options.images;
  data.labels = options.labels;
  if (!options.rows.empty()) data.rows = {options.rows[0], options.rows[1]};
  ModelSpec spec;
  spec.shape = options.shape;
  spec.classes = options.classes;
  if (options.train.batch % 4 != 0) throw Error("--batch must be a multiple of 4");
  TrainOptions train_options = options.train;
  if (train_options.workers == 0) train_options.workers = default_workers(0);
  // Not after minutes of training.
  const std::filesystem::path out = options.out;
  if (std::filesystem::is_directory(out)) throw Error("--out " + options.out + " is a folder");
  if (out.has_parent_path()) make_folder(out.parent_path());
  const Dataset dataset = open_data(data, spec);
  train(dataset, spec, train_options, options.out, [](const EpochReport& epoch) {
    char line[120];
    std::snprintf(line, sizeof line, "epoch %ld/%ld  loss %.3f  accuracy %.3f  %.1f s",
                  static_cast<long>(epoch.epoch), static_cast<long>(epoch.epochs), epoch.loss,
                  epoch.accuracy, epoch.time_s);
    std::cerr << line << std::endl;
  });
  std::cout << options.out << std::endl;
  return ExitCode::kPass;
}

}  // namespace

Command add_train(CLI::App& app) {
  auto options = std::make_shared<TrainArguments>();
  CLI::App* command = app.add_subcommand("train", "train a small CNN on idx images (TorchScript)");
  command->add_option("--images", options->images, "idx images (.gz too)")
      ->required()
      ->type_name("FILE");
  command->add_option("--labels", options->labels, "idx labels (.gz too)")
      ->required()
      ->type_name("FILE");
  command->add_option("--out", options->out, "the TorchScript file to write")
      ->required()
      ->type_name("FILE");
  command->add_option("--rows", options->rows, "half-open part, e.g. --rows 0 30000")
      ->expected(2)
      ->type_name("FIRST END");
  command->add_option("--shape", options->shape, "channels, height, width of an image")
      ->expected(3)
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--classes", options->classes, "number of classes")
      ->type_name("N")
      ->check(CLI::Range(2, 100000).description(""))
      ->capture_default_str();
  command
      ->add_option(
          "--eps", options->train.eps,
          "adversarial training in this linf radius of the\nbox [0, 1]; 0: standard training")
      ->type_name("R")
      ->check(number_in(0, 1))
      ->capture_default_str();
  command->add_option("--epochs", options->train.epochs, "passes over the data")
      ->type_name("N")
      ->check(CLI::Range(1, 10000).description(""))
      ->capture_default_str();
  command->add_option("--batch", options->train.batch, "samples per step, a multiple of 4")
      ->type_name("N")
      ->check(CLI::Range(4, 65536).description(""))
      ->capture_default_str();
  command->add_option("--learning-rate", options->train.learning_rate, "peak of the schedule")
      ->type_name("R")
      ->check(number_in(1e-6, 1))
      ->capture_default_str();
  command->add_option("--seed", options->train.seed, "of weights, order and perturbations")
      ->type_name("N")
      ->capture_default_str();
  options->train.workers = 0;
  command
      ->add_option("--workers", options->train.workers,
                   "threads, at most 4; the result is the same")
      ->type_name("N")
      ->check(CLI::Range(1, 4).description(""));
  return {command, [options] { return train_network(*options); }};
}

}  // namespace assay
