// The model and the samples that benchmarks run on.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/model/model.h"

namespace assay::bench {

/// Rows of a block, as block_size() gives them for small images.
inline constexpr int64_t kBlock = 256;

/// The file that ASSAY_BENCH_MODEL names, or "".
std::string model_file();
/// What that file takes: 1x28x28 in [0, 1], 10 classes.
ModelSpec image_spec(const std::filesystem::path& path);
/// That file, else a network of the same layers with random weights; loaded once.
const Model& model();

/// CPU seconds of this process, all threads: what shares are taken of, since it hardly changes with
/// what else the machine does. Waiting for the disk is not in it.
double cpu_seconds();

/// The model calls that a block's rows paid for, given the queries and gradients of each row.
struct Calls {
  std::vector<int64_t> taped;  ///< rows of each record() that a vjp followed
  std::vector<int64_t> plain;  ///< rows of each forward without one
  int64_t judged = 0;          ///< rows of forwards of the unmodified model
};
/// Rows drop out once they are decided: step t has those with more than t queries.
Calls calls_of(const std::vector<int64_t>& queries, const std::vector<int64_t>& gradients);
/// Makes these calls and nothing else, on x [n, ...], judging n rows at a time.
void replay(const Model& model, const Calls& calls, const at::Tensor& x);

}  // namespace assay::bench
