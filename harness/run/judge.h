// What an attack's work comes to: the harness judges, never the attack (contracts §2).
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "harness/model/attack.h"
#include "harness/model/model.h"
#include "harness/model/oracle.h"
#include "harness/record/evidence.h"

namespace assay {

/// What the oracle saw of how an attack fared on one sample, beside the verdict.
struct Signs {
  int64_t zero_gradients = 0;
  int64_t nonfinite_gradients = 0;
  bool traced = false;  ///< this and the next two: see Trace
  bool unfinished = false;
  bool hasty = false;
  /// Random points of the ball, or a step down the mean of gradients, have a smaller margin.
  bool stalled = false;
  bool averaged = false;              ///< such a step was looked at
  bool turned = false;                ///< it is why the sample counts as stalled
  bool flat = false;                  ///< nor have these: it is the same all over the ball
  Access traced_by = Access::kLabel;  ///< of stages: what the one could see that these are of
  bool unstarted = false;             ///< a label-only attack found nothing to start from
  bool silent = false;                ///< broken, but the attack did not claim it
  /// More than half of the gradients held a NaN or an infinity, which count as 0: what is left of
  /// them may lead along a few features only, or nowhere.
  bool blind = false;
  bool led = false;  ///< it was not, or needs none, and took steps enough to tell
  /// Of a point that the harness tried and that breaks the sample that was left standing, as
  /// judged; infinite without.
  double missed_at = std::numeric_limits<double>::infinity();
};

/// Verdicts for the rows of one attacked block, in its order, and their adversarials.
struct JudgedBlock {
  std::vector<Verdict> rows;  ///< sample, clean and tensors are left to the caller
  std::vector<Signs> signs;   ///< by row
  at::Tensor adversarials;    ///< [k, ...shape]: of the rows whose `tensor_row` says so
  int64_t forwards = 0;       ///< rows judged
};

/// Judges by a fresh forward of the module as it was loaded: the oracle's best point or, where it
/// has none (or a farther one), the attack's claim. A claim outside ball or box is `invalid`, one
/// that the fresh forward denies is `unconfirmed`.
JudgedBlock judge_block(const Model& model, const Oracle& oracle, const Candidates& candidates,
                        const std::string& attack);

}  // namespace assay
