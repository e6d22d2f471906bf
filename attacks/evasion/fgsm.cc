// FGSM: one step to the point of the ball that maximises the linearised loss.
//
// Paper: Goodfellow, Shlens, Szegedy, "Explaining and Harnessing Adversarial Examples", ICLR 2015,
// arXiv:1412.6572, §4; targeted: Kurakin, Goodfellow, Bengio, ICLR 2017 workshop, arXiv:1607.02533.
// Reference: bethgelab/foolbox foolbox/attacks/fast_gradient_method.py.
// Deviations: for l2 and l1 the step is the exact maximiser over ball ∩ box (the paper has linf
// only, where clipping is exact); where the box does not bind it is the usual dual-norm step. The
// cotangent is scaled to 1, so that a saturated softmax does not zero the gradient.
// Cost per sample: 2 forwards, 1 gradient.
#include "attacks/math/look.h"
#include "attacks/math/projection.h"
#include "harness/model/attack.h"

namespace assay::attacks::fgsm {
namespace {

Candidates run(Oracle& oracle, LossKind kind) {
  const Block& block = oracle.block();
  const Untraced once(oracle);  // it goes as far as it ever will
  const Ball ball = ball_of(oracle.threat());
  at::Tensor rows = at::arange(block.size(), at::kLong);
  const Tape tape = oracle.tape(block.x, rows);
  const Loss loss = loss_towards(oracle, kind, tape.logits(), block.y, block.target);
  const at::Tensor gradient = oracle.vjp(tape, loss.direction, rows);  // [n, ...]
  at::Tensor x = maximise_linear(gradient, block.x, ball);             // [n, ...]
  const at::Tensor keep = oracle.undecided(rows);
  if (keep.size(0) == 0) return oracle.best();
  if (keep.size(0) < rows.size(0)) {
    x = x.index_select(0, keep);
    rows = keep;
  }
  oracle.labels(x, rows);
  return oracle.best();
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "fgsm",
      .family = Family::kEvasion,
      .access = Access::kGradient,
      .norms = {Norm::kLinf, Norm::kL2, Norm::kL1},
      .targeted = true,
      .summary = "one step along the gradient to the edge of the ball",
      .paper =
          "Goodfellow, Shlens, Szegedy: Explaining and Harnessing Adversarial "
          "Examples, ICLR 2015, arXiv:1412.6572",
      .cost = "2 forwards, 1 gradient",
      .taxonomy = {{"atlas", "AML.T0043.000"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}}};
  attack.bind = [](Params& params, const ThreatModel&) {
    const LossKind kind = loss_kind(
        params.choice("loss", "ce", loss_names(), "loss whose gradient the step follows"));
    return Bound{[kind](Oracle& oracle, const Block&, const Rng&) { return run(oracle, kind); },
                 {.queries = 2, .gradients = 1}};
  };
  return attack;
}

}  // namespace assay::attacks::fgsm
