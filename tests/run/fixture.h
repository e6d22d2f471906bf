// Runs of suites on small models and images, for the tests of this room.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "harness/run/run.h"
#include "tests/testing/models.h"

namespace assay::testing {

inline RunOptions with_workers(int workers) {
  RunOptions options;
  options.workers = workers;
  return options;
}

// A folder with a model, data and a suite; removed at the end.
class RunTest : public ::testing::Test {
 protected:
  RunTest() {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ("assay_run_" + std::to_string(getpid()) + "_" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
    write_data(150, make_model(1));
    attacks_ = with_ensemble(attack_table());
    for (const Attack& attack : attacks_) infos_.push_back(attack.info);
  }
  ~RunTest() override { std::filesystem::remove_all(folder_); }

  // Random images [1, 4, 4] of bytes, labelled by the model but for a few.
  void write_data(int64_t n, const Model& model, const std::string& name = "y") {
    const auto big = [](uint32_t number) {
      return std::string{static_cast<char>(number >> 24), static_cast<char>(number >> 16),
                         static_cast<char>(number >> 8), static_cast<char>(number)};
    };
    const auto count = static_cast<uint32_t>(n);
    std::string images = big(0x803) + big(count) + big(4) + big(4);
    std::string labels = big(0x801) + big(count);
    const at::Tensor pixels = random_uniform({n, 16}, 3, 0, 255).round().to(at::kByte).contiguous();
    images.append(reinterpret_cast<const char*>(pixels.const_data_ptr<uint8_t>()),
                  static_cast<size_t>(n * 16));
    const at::Tensor truth =
        model.logits(pixels.to(at::kFloat).div(255).view({n, 1, 4, 4})).argmax(1);
    for (int64_t i = 0; i < n; ++i) {
      labels += static_cast<char>(i % 10 == 0 ? 0 : truth[i].item<int64_t>());
    }
    std::ofstream(folder_ / "x", std::ios::binary) << images;
    std::ofstream(folder_ / name, std::ios::binary) << labels;
  }

  static Model make_model(uint64_t seed) { return cnn_model(Shape{{1, 4, 4}, 3}, seed); }

  Suite make_suite(const std::string& attacks, const std::string& more = "") {
    const std::filesystem::path file = folder_ / "suite.yaml";
    std::ofstream(file)
        << "assay: 1\nname: t\nseed: 5\n"
           "model: {path: m.pt, input: {shape: [1, 4, 4], range: [0, 1]}, classes: 3}\n"
           "data: {test: {format: idx, images: x, labels: y}}\n"
        << attacks << more;
    return load_suite(file, {}, infos_);
  }

  // Runs a suite on a model with a store of its own name.
  Evidence run(const Suite& suite, const Model& model, const std::string& store,
               RunOptions options = {}) {
    const Dataset dataset = Dataset::open(suite.data.at("test"), suite.model);
    const Samples samples{&dataset, draw(dataset, suite.sample)};
    const Plan plan =
        make_plan(suite, {"m.pt", std::string(64, 'a')}, describe(dataset, samples.indices),
                  platform("cpu"), attacks_, digests_, {}, scales_);
    Store kept(folder_ / store);
    loads_ = 0;
    return run_plan(
        suite, plan, samples, attacks_,
        [&]() -> const Model& {
          ++loads_;
          return model;
        },
        &kept, options);
  }

  std::filesystem::path folder_;
  std::vector<Attack> attacks_;
  std::vector<AttackInfo> infos_;
  Digests digests_;      // of what suites take from elsewhere
  SampleScales scales_;  // by `sample_scale:` as spelt
  int loads_ = 0;
};

}  // namespace assay::testing
