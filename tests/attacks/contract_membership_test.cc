// What every membership attack owes, whatever its method: one test for each attack of the table and
// each mode it has.
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "tests/testing/attacks.h"
#include "tests/testing/membership.h"

namespace assay::testing {
namespace {

struct MembershipCase {
  std::string attack;
  std::string params;
};

// Without parameters, in every other mode, and with shadows where they are an option.
std::vector<MembershipCase> membership_cases() {
  std::vector<MembershipCase> all;
  for (const Attack& attack : attack_table()) {
    if (attack.info.family != Family::kMembership) continue;
    Params declared;
    attack.bind(declared, ThreatModel{});
    all.push_back({attack.info.name, "{}"});
    for (const ParamSpec& spec : declared.specs()) {
      const bool optional = spec.name == "shadows" && spec.fallback == ParamValue(int64_t{0});
      if (optional) all.push_back({attack.info.name, "{shadows: 4}"});
      if (spec.name != "mode" && spec.name != "likelihood" && spec.name != "variance") continue;
      for (const std::string& choice : spec.choices) {
        if (spec.fallback == ParamValue(choice)) continue;
        const std::string params = spec.name + ": " + choice;
        const bool shadows =
            choice == "online" && declared.values().at("shadows") == ParamValue(int64_t{0});
        all.push_back({attack.info.name, "{" + params + (shadows ? ", shadows: 4}" : "}")});
      }
    }
  }
  return all;
}

class MembershipContract : public ::testing::TestWithParam<MembershipCase> {
 protected:
  Inference inference_ = inference_of(GetParam().attack, GetParam().params);

  // What it asked for and no more.
  Scene scene(int64_t members) const {
    World world = wanted_by(inference_);
    world.members = members;
    Scene scene = imagine(world);
    if (inference_.features == 0)
      scene.outputs.features = at::zeros({scene.outputs.labels.size(0), 0});
    if (inference_.boundary_queries > 0) {
      scene.outputs.distances = scene.outputs.logits.narrow(1, 0, 2 * members).amax({0, 2});
    }
    return scene;
  }
  at::Tensor scores(const Outputs& outputs, uint64_t seed = 1) const {
    return inference_.infer(outputs, Rng(seed, GetParam().attack, 0));
  }
};

at::Tensor shuffled(int64_t n) {
  return at::arange(n).mul(37).add(11).remainder(n);
}  // n odd to 37

// Records and shadows in another order; the population stays behind the audited.
Outputs reorder(const Scene& scene, const at::Tensor& records, const at::Tensor& shadows) {
  Outputs outputs = scene.outputs;
  outputs.logits = outputs.logits.index_select(1, records);
  outputs.labels = outputs.labels.index_select(0, records);
  if (outputs.distances.defined()) {
    outputs.distances = outputs.distances.index_select(0, records.narrow(0, 0, outputs.audited));
  }
  if (scene.shadow_logits.defined()) {
    give_shadows(&outputs, scene.shadow_logits.index_select(0, shadows).index_select(2, records),
                 outputs.in.index_select(0, shadows).index_select(1, records));
  }
  outputs.features = outputs.features.index_select(0, records);
  return outputs;
}

TEST_P(MembershipContract, SameSeedGivesSameBytes) {
  const Scene scene = this->scene(40);
  const at::Tensor first = scores(scene.outputs);
  ASSERT_EQ(first.sizes(), at::IntArrayRef({80}));
  ASSERT_EQ(first.scalar_type(), at::kDouble);
  EXPECT_TRUE(first.equal(scores(scene.outputs)));
}

TEST_P(MembershipContract, TheOrderOfRecordsAndShadowsDoesNotMatter) {
  const Scene scene = this->scene(40);
  const int64_t population = scene.outputs.labels.size(0) - 80;
  const at::Tensor audited = shuffled(80);
  at::Tensor records = audited;
  if (population > 0) records = at::cat({audited, shuffled(population).add(80)});
  const at::Tensor shadows = at::arange(scene.outputs.shadows).flip(0);
  const at::Tensor moved = scores(reorder(scene, records, shadows));
  EXPECT_TRUE(moved.allclose(scores(scene.outputs).index_select(0, audited), 1e-6, 1e-9));
}

TEST_P(MembershipContract, ScoresAreFiniteForLogitsOfAnySize) {
  for (const double size : {0.0, 1e4, -1e4}) {
    Scene scene = this->scene(20);
    const at::Tensor sign = scene.outputs.logits.sign();
    scene.outputs.logits = sign.mul(size);
    EXPECT_TRUE(scores(scene.outputs).isfinite().all().item<bool>()) << size;
    if (!scene.shadow_logits.defined()) continue;
    // Shadows that agree with each other, and are as sure.
    give_shadows(&scene.outputs, scene.shadow_logits.sign().mul(size), scene.outputs.in);
    EXPECT_TRUE(scores(scene.outputs).isfinite().all().item<bool>()) << size;
    give_shadows(&scene.outputs, at::zeros_like(scene.shadow_logits), scene.outputs.in);
    EXPECT_TRUE(scores(scene.outputs).isfinite().all().item<bool>()) << size;
  }
}

TEST_P(MembershipContract, AShiftOfALogitRowDoesNotMatter) {
  // Log-probabilities serve as well.
  const Scene scene = this->scene(30);
  Outputs shifted = scene.outputs;
  shifted.logits = scene.outputs.logits.log_softmax(-1);
  EXPECT_TRUE(scores(shifted).allclose(scores(scene.outputs), 1e-6, 1e-9));
}

TEST_P(MembershipContract, HigherMeansMember) {
  World world = wanted_by(inference_);
  world.members = 200;
  world.shift = 4;
  world.noise = 3;
  world.difficulty = 0.5;
  Scene scene = imagine(world);
  if (inference_.boundary_queries > 0) {
    scene.outputs.distances = scene.outputs.logits.narrow(1, 0, 400).amax({0, 2});
  }
  EXPECT_GT(auc_of(scores(scene.outputs), scene.member), 0.55);
}

TEST_P(MembershipContract, SaysHonestlyWhatItNeeds) {
  const Attack attack = find_attack(GetParam().attack);
  const bool online = inference_.shadows.online;
  const bool needs = (inference_.population || inference_.shadows.count > 0) && !online;
  if (GetParam().params == "{}") {
    EXPECT_EQ(attack.info.pool, needs);
  }
  EXPECT_TRUE(attack.info.access == Access::kScore || attack.info.access == Access::kLabel);
  EXPECT_TRUE(inference_.views == 1 || inference_.views == 2 || inference_.views == 18);
  if (online) {
    EXPECT_EQ(inference_.shadows.count % 2, 0);
  }
}

TEST_P(MembershipContract, LabelsAreEnoughForLabelAccess) {
  if (find_attack(GetParam().attack).info.access != Access::kLabel) return;
  const Scene scene = this->scene(30);
  Outputs sharper = scene.outputs;
  sharper.logits = scene.outputs.logits.mul(2);
  EXPECT_TRUE(scores(sharper).equal(scores(scene.outputs)));
}

INSTANTIATE_TEST_SUITE_P(AllAttacks, MembershipContract, ::testing::ValuesIn(membership_cases()),
                         [](const ::testing::TestParamInfo<MembershipCase>& test) {
                           std::string name = test.param.attack;
                           for (const char c : test.param.params) {
                             if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
                             if (c == ':' || c == '_') name += '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace assay::testing
