// Training of a small network of our own, from C++, with the same bytes each time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "harness/model/dataset.h"
#include "harness/suite/suite.h"

namespace assay {

struct TrainOptions {
  int64_t epochs = 4;
  int64_t batch = 128;  ///< a multiple of 4: gradients are summed over 4 fixed parts of each batch
  double learning_rate = 0.002;  ///< peak of a one-cycle schedule of Adam
  /// Radius of adversarial training in linf, in the units of the box; 0 trains on clean samples.
  /// FGSM with a random start (Wong, Rice & Kolter, ICLR 2020).
  double eps = 0;
  uint64_t seed = 0;
  int workers = 1;  ///< threads, at most 4; the result does not depend on it
};

struct EpochReport {
  int64_t epoch = 0;  ///< from 1
  int64_t epochs = 0;
  double loss = 0;      ///< mean training loss
  double accuracy = 0;  ///< on the training inputs as trained on (adversarial if eps > 0)
  double time_s = 0;
};

/// Trains two convolutions and two dense layers on all samples, and saves TorchScript in eval mode
/// that Assay and Python can load. spec.shape must be [C, H, W] with H and W of at least 4.
void train(const Dataset& dataset, const ModelSpec& spec, const TrainOptions& options,
           const std::filesystem::path& out, const std::function<void(const EpochReport&)>& report);

}  // namespace assay
