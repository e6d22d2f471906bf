#include "tests/testing/membership.h"

#include <cmath>

#include "harness/model/rng.h"
#include "tests/testing/attacks.h"

namespace assay::testing {

at::Tensor numbers(const std::vector<double>& list) { return at::tensor(list, at::kDouble); }

at::Tensor logits_with(const at::Tensor& odds, const at::Tensor& labels, int64_t classes) {
  const at::Tensor right = at::one_hot(labels, classes).to(at::kDouble);  // [R, K]
  return odds.unsqueeze(-1).add(std::log(static_cast<double>(classes - 1))).mul(right);
}

Outputs outputs_of(const at::Tensor& logits, const std::vector<int64_t>& labels, int64_t audited) {
  Outputs outputs;
  outputs.logits = (logits.dim() == 2 ? logits.unsqueeze(0) : logits).to(at::kDouble);
  outputs.labels = at::tensor(labels, at::kLong);
  outputs.audited = audited;
  outputs.in = at::zeros({0, outputs.labels.size(0)}, at::kBool);
  return outputs;
}

void give_shadows(Outputs* outputs, const at::Tensor& logits, const at::Tensor& in) {
  outputs->shadows = logits.size(0);
  outputs->in = in.to(at::kBool);
  outputs->shadow_logits = [logits](int64_t shadow) { return logits[shadow].to(at::kDouble); };
}

Scene imagine(const World& world) {
  const int64_t audited = 2 * world.members;
  const int64_t records = audited + world.population;
  const Rng rng(world.seed, "world", 0);
  const auto normal = [&rng](at::IntArrayRef shape, int64_t purpose) {
    return rng.normal(std::vector<uint64_t>{0}, shape, 0, purpose)[0];
  };
  const at::Tensor index = at::arange(records, at::kLong);
  Scene scene;
  scene.member = index.lt(world.members);
  const at::Tensor canary = index.lt(world.canaries);
  const at::Tensor ease =
      at::where(canary, -kCanaryShift / 2, normal({records}, 0).mul(world.difficulty).add(1));
  const at::Tensor shift = at::where(canary, kCanaryShift, world.shift).to(at::kDouble);
  const at::Tensor labels = index.mul(7).remainder(world.classes);

  // Pairs of shadows share an order and take a half each.
  at::Tensor in = at::zeros({world.shadows, records}, at::kBool);
  for (int64_t s = 0; s < world.shadows; ++s) {
    const at::Tensor order = normal({records}, 100 + s / 2).argsort();
    const int64_t half = records / 2;
    in[s].index_fill_(
        0, s % 2 == 0 ? order.narrow(0, 0, half) : order.narrow(0, half, records - half), true);
    if (!world.online) in[s].narrow(0, 0, audited).fill_(false);
  }
  const auto model = [&](const at::Tensor& seen, int64_t purpose) {  // [R] → [A, R, K]
    const at::Tensor odds = normal({world.views, records}, purpose)
                                .mul(world.noise)
                                .add(ease)
                                .add(at::where(seen, shift, 0));
    return logits_with(odds, labels, world.classes);
  };
  std::vector<at::Tensor> shadows;
  for (int64_t s = 0; s < world.shadows; ++s) shadows.push_back(model(in[s], 1000 + s));
  scene.outputs.logits = model(scene.member, 1);
  scene.outputs.labels = labels;
  scene.outputs.audited = audited;
  scene.outputs.in = in;
  if (world.shadows > 0) {
    scene.shadow_logits = at::stack(shadows);
    give_shadows(&scene.outputs, scene.shadow_logits, in);
  }
  // The inputs show what is hard.
  scene.outputs.features = at::stack({ease, normal({records}, 2)}, 1);
  scene.member = scene.member.narrow(0, 0, audited);
  return scene;
}

World wanted_by(const Inference& inference) {
  World world;
  world.views = inference.views;
  world.shadows = inference.shadows.count;
  world.online = inference.shadows.online;
  world.population = inference.population ? 300 : 0;
  return world;
}

Inference inference_of(const std::string& attack, const std::string& params) {
  return bind_params(find_attack(attack), params, ThreatModel{}).inference;
}

at::Tensor scores_of(const std::string& attack, const std::string& params, const Outputs& outputs,
                     uint64_t seed) {
  return inference_of(attack, params).infer(outputs, Rng(seed, attack, 0));
}

double auc_of(const at::Tensor& scores, const at::Tensor& member) {
  const at::Tensor in = scores.masked_select(member).unsqueeze(1);
  const at::Tensor out = scores.masked_select(member.logical_not()).unsqueeze(0);
  return in.gt(out).to(at::kDouble).add(in.ge(out)).div(2).mean().item<double>();
}

bool on_top(const at::Tensor& scores, int64_t count) {
  const int64_t rest = scores.size(0) - count;
  return scores.narrow(0, 0, count).min().item<double>() >
         scores.narrow(0, count, rest).max().item<double>();
}

}  // namespace assay::testing
