// Shadow models: copies of a candidate's architecture, trained from fresh weights on records that
// the auditor chooses, for membership inference.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/suite/suite.h"

namespace assay {

/// How a shadow or a surrogate is trained. Part of its key.
struct Recipe {
  /// candidate; cnn or mlp, networks of ours; auto, the one that suits the inputs; or a TorchScript
  /// file, whose values are the start.
  std::string architecture = "candidate";
  int64_t epochs = 10;             ///< as many as the candidate saw, so that it memorises as much
  int64_t least_steps = 0;         ///< surrogates: further epochs until so many steps were taken
  int64_t batch = 128;             ///< a last batch of one row joins the one before it
  std::string optimizer = "adam";  ///< adam, or sgd with Nesterov momentum 0.9
  double learning_rate = 0.002;    ///< peak: shadows warm up, then a cosine; surrogates fall late
  double weight_decay = 0;         ///< times the weights, added to the gradient
};

/// Changes with the source of what trains shadows, surrogates and generators, and of what answers
/// thieves: what was made by another is not this program's.
std::string training_version();

/// True for what is none of candidate, auto, cnn and mlp.
bool names_file(const std::string& architecture);

/// What Architecture::of takes for the `architecture` of a suite in `folder`: the file's path, or
/// one of the four names, which no file replaces. Throws Error where there is no such file.
std::string architecture_file(const std::filesystem::path& folder, const std::string& wanted);

/// What shadows are copies of. Const, and usable in a forked child.
class Architecture {
 public:
  /// Reads the network that `wanted` names as Recipe::architecture does. A candidate that cannot be
  /// trained (traced with its layers fixed in eval mode, frozen, compiled, without gradients) is
  /// replaced by a network of ours that suits the shape of the inputs: cnn for images of at least
  /// 4 x 4, else mlp; `auto` names that network. Throws Error for a file that cannot be loaded or
  /// has the candidate's own values, for an unknown name, and for anything but the candidate that
  /// cannot be trained.
  static Architecture of(const ModelSpec& spec, const std::filesystem::path& candidate,
                         const std::string& wanted);

  /// The same for a thief, who knows a candidate's network but none of its values: parameters that
  /// its author froze are trained too, and start afresh. Where that cannot be done a network of
  /// ours stands in, with a reason(). What is left of kept() he has without stealing it. Any other
  /// architecture as it is.
  Architecture anew(const ModelSpec& spec) const;

  /// Over code, constants, names, shapes and types, the values of buffers that training does not
  /// set (normalisation) and of parameters that it leaves alone, and the spec; over the values of
  /// trained parameters only where they are the start, that is for a file. So a nightly candidate
  /// of unchanged architecture has the digest of yesterday's.
  const std::string& digest() const;
  const std::string& name() const;    ///< candidate, cnn, mlp, or the file's name
  const std::string& reason() const;  ///< why it is not the candidate, though wanted; else ""
  /// Names of the candidate's values that its copies keep, and with them whatever its records
  /// taught them (see kept_values.h). Empty for any other architecture.
  const std::vector<std::string>& kept() const;
  /// Of a file, the network as it starts: TorchScript in eval mode. "" of any other.
  std::string start() const;

  struct Impl;  // TorchScript, in architecture.h
  const Impl& impl() const { return *impl_; }

 private:
  explicit Architecture(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

/// Reads records by their position in the population: x [n, ...shape] in the box, labels [n] int64.
using ReadRecords = std::function<std::pair<at::Tensor, at::Tensor>(std::span<const int64_t>)>;

struct Shadow {
  std::string bytes;    ///< TorchScript in eval mode; Model::load takes it with the same ModelSpec
  double accuracy = 0;  ///< in eval mode on the records that it was trained on
  double loss = 0;      ///< mean cross-entropy of the same
};

/// Trains one shadow on `rows`; the same bytes for the same arguments. A process trains one at a
/// time: dropout draws from the process's generator, which this seeds. Calls enter_worker().
/// Throws Error (kUsage) where the loss stops
/// being a number, ModelFailure where the architecture's code throws.
Shadow train_shadow(const Architecture& architecture, const ModelSpec& spec, const Recipe& recipe,
                    const ReadRecords& read, std::span<const int64_t> rows, uint64_t seed);

}  // namespace assay
