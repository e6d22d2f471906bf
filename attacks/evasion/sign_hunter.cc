// SignHunter: finds the signs of the gradient by flipping blocks of them; needs scores.
//
// Paper: Al-Dujaili, O'Reilly, "Sign Bits Are All You Need for Black-Box Attacks", ICLR 2020,
// OpenReview SygW0TEFwH, Algorithms 1 and 2.
// Reference: ash-aldujaili/blackbox-adv-examples-signhunter.
// Deviations: a step that does not raise the margin is undone, and the best point stays the base of
// the next; after single entries the blocks start anew at a random place; the l2 point fills the
// ball inside the box exactly. All signs of a sample start at +1, as in the paper.
// Cost per sample, at most: queries forwards, no gradients.
#include <vector>

#include "attacks/math/look.h"
#include "attacks/math/projection.h"
#include "attacks/math/query.h"
#include "attacks/math/rows.h"
#include "attacks/math/sign_blocks.h"
#include "attacks/math/steepest.h"
#include "harness/model/attack.h"

namespace assay::attacks::sign_hunter {
namespace {

struct Hunt {
  at::Tensor rows;                 // [m]
  at::Tensor x0;                   // [m, ...]
  at::Tensor sign;                 // [m, ...] float64, ±1
  at::Tensor best;                 // [m] float64: the margin they reach
  std::vector<SignBlocks> blocks;  // [m]

  void keep(const at::Tensor& indices) {
    if (indices.size(0) == rows.size(0)) return;
    for (at::Tensor* each : {&rows, &x0, &sign, &best}) *each = each->index_select(0, indices);
    std::vector<SignBlocks> left;
    for (int64_t i = 0; i < indices.size(0); ++i) {
      left.push_back(blocks[static_cast<size_t>(indices[i].item<int64_t>())]);
    }
    blocks = std::move(left);
  }
};

Candidates run(Oracle& oracle, const Rng& rng, int64_t queries) {
  const Block& block = oracle.block();
  const Ball ball = ball_of(oracle.threat());
  const int64_t d = row_length(block.x);
  const auto send = [&](const Hunt& hunt) {
    const at::Tensor sign = hunt.sign.to(hunt.x0.scalar_type());
    return margins(oracle, maximise_linear(sign, hunt.x0, ball), hunt.rows);  // [m]
  };
  Hunt hunt{.rows = at::arange(block.size(), at::kLong), .x0 = block.x};
  hunt.sign = at::ones(block.x.sizes(), at::kDouble);
  hunt.blocks.resize(static_cast<size_t>(block.size()));
  hunt.best = send(hunt);
  for (int64_t query = 1; query < queries; ++query) {
    hunt.keep(oracle.undecided(hunt.rows));
    if (hunt.rows.size(0) == 0) break;
    const std::vector<uint64_t> keys = keys_of(block, hunt.rows);
    double* sign = hunt.sign.data_ptr<double>();
    for (size_t i = 0; i < keys.size(); ++i) {
      hunt.blocks[i].flip_next(sign + static_cast<int64_t>(i) * d, d, keys[i], rng);
    }
    const at::Tensor value = send(hunt);
    const at::Tensor better = value.gt(hunt.best);  // [m]
    hunt.best = at::where(better, value, hunt.best);
    for (size_t i = 0; i < keys.size(); ++i) {
      if (better.const_data_ptr<bool>()[i]) continue;
      hunt.blocks[i].flip_last(sign + static_cast<int64_t>(i) * d, d);
    }
  }
  return oracle.best();
}

Bound bind(Params& params, const ThreatModel&) {
  const int64_t queries =
      params.integer("queries", 5000, {1, 10000000}, "hard budget for each sample");
  return {
      [queries](Oracle& oracle, const Block&, const Rng& rng) { return run(oracle, rng, queries); },
      {.queries = queries}};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "sign_hunter",
      .family = Family::kEvasion,
      .access = Access::kScore,
      .norms = {Norm::kLinf, Norm::kL2},
      .targeted = true,
      .summary =
          "search for the signs of the gradient, block by block, by scores alone; in l2 every "
          "entry moves as far as any, so that breaks near the least radius are out of its reach",
      .paper =
          "Al-Dujaili, O'Reilly: Sign Bits Are All You Need for Black-Box Attacks, ICLR 2020, "
          "OpenReview SygW0TEFwH",
      .cost = "queries forwards",
      .taxonomy = {{"atlas", "AML.T0043.001"}, {"nist", "NISTAML.025"}, {"owasp", "ML01:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::sign_hunter
