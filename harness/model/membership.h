// What a membership attack asks for, and what it is given: outputs of the candidate and of shadow
// models on records, and nothing that tells members from non-members.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <string>

#include "harness/model/rng.h"
#include "harness/model/shadow.h"

namespace assay {

/// Shadow models that an attack asks for: models like the candidate, of which it is known what they
/// were trained on.
struct Shadows {
  int64_t count = 0;
  /// Offline: trained on parts of the pool, and so on none of the audited records. Online: on
  /// halves of audited records and pool together; of each pair of shadows one has a record, the
  /// other one has not, and `count` is even.
  bool online = false;
  int64_t train_records = 0;  ///< offline: records each is trained on; 0: half of the pool
  Recipe recipe;
};

/// What is known of R records. The first `audited` of them are members and non-members, in an order
/// that does not tell which; those that follow are the population, which the candidate has not
/// seen. A views of each: as it is, mirrored, shifted (see views.h).
struct Outputs {
  at::Tensor logits;  ///< [A, R, K] float64: of the candidate; log-probabilities serve as well
  at::Tensor labels;  ///< [R] int64
  int64_t audited = 0;
  int64_t shadows = 0;  ///< S
  /// [A, R, K] float64: of one of the shadows, read when it is asked for.
  std::function<at::Tensor(int64_t shadow)> shadow_logits;
  at::Tensor in;  ///< [S, R] bool: the shadow was trained on the record
  /// [audited] float64: distance to the decision boundary, where the attack asked for it.
  at::Tensor distances;
  /// [R, F] float64: the inputs along F random directions, where the attack asked for them.
  at::Tensor features;
  /// Takes the value that the attack found for a parameter left to it; unset where no one asks.
  std::function<void(const std::string& param, double value)> tell;
};

/// Scores of the audited records, [audited] float64, finite: higher means more likely a member. A
/// record's score may depend on all that is known of the others, but not on their order.
using Infer = std::function<at::Tensor(const Outputs&, const Rng&)>;

/// A bound membership attack: what it needs, and its function.
struct Inference {
  Shadows shadows;
  int64_t views = 1;        ///< 1, 2 or 18 of each record
  bool population = false;  ///< outputs on the pool too
  /// Queries per record of a search for the nearest point that is classified otherwise; 0: none.
  int64_t boundary_queries = 0;
  int64_t features = 0;  ///< F: random directions along which inputs are seen; 0: none
  Infer infer;           ///< undefined in evasion
};

}  // namespace assay
