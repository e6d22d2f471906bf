// A small trainable candidate, and records that it can learn.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "harness/model/shadow.h"
#include "tests/testing/models.h"

namespace assay::testing {

/// What a Candidate takes.
inline const Shape kToyImage{{1, 8, 8}, 3};

/// Images whose class lightens some of the rows, in noise.
ReadRecords toy_records(const ModelSpec& spec);
/// 0 … n − 1.
std::vector<int64_t> first_rows(int64_t n);
/// Learns them in less than a second.
Recipe quick_recipe();
Shadow train_toy(const Architecture& architecture, const ModelSpec& spec, const Recipe& recipe,
                 int64_t n = 120, uint64_t seed = 1);

/// The parts of a candidate that tests vary.
struct Candidate {
  uint64_t weights = 0;
  int64_t width = 8;
  double offset = 0.5;       // of its own normalisation, a buffer
  std::string result = "z";  // what forward returns
  std::string dropout = "self.training";
  bool trunk_frozen = false;
  at::ScalarType dtype = at::kFloat;
};

/// Convolution, batch norm, dropout, dense; with a buffer of its own, and weights and statistics as
/// after training.
torch::jit::Module make_candidate(const Candidate& candidate);
/// Writes the module in eval mode, as candidates are exported.
std::filesystem::path save_candidate(torch::jit::Module module, const std::string& name);
/// Of the candidate, from a file.
Architecture architecture_of(const Candidate& candidate, const ModelSpec& spec);
torch::jit::Module load_shadow(const Shadow& shadow);

/// What the user is told when a call fails by their fault; "" if it does not.
std::string message_of(const std::function<void()>& call);

}  // namespace assay::testing
