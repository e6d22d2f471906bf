// What every extraction attack owes, whatever its method: one test for each attack of the table and
// each surface it works with, and for each value of a parameter that offers a choice.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/testing/attacks.h"
#include "tests/testing/extraction.h"

namespace assay::testing {
namespace {

using Kind = Surface::Kind;

struct ExtractionCase {
  std::string attack;
  Kind surface;
  std::string param, value;  // a choice that is not the default; empty for the defaults
};

std::vector<ExtractionCase> extraction_cases() {
  std::vector<ExtractionCase> all;
  for (const Attack& attack : attack_table()) {
    if (attack.info.family != Family::kExtraction) continue;
    for (const Kind surface : attack.info.surfaces) {
      all.push_back({attack.info.name, surface, {}, {}});
    }
    Params declared;
    attack.bind(declared, ThreatModel{});
    for (const ParamSpec& spec : declared.specs()) {
      for (const std::string& value : spec.choices) {
        if (spec.fallback == ParamValue(value)) continue;
        all.push_back({attack.info.name, attack.info.surfaces.front(), spec.name, value});
      }
    }
  }
  return all;
}

// Trains as little as it can; an attack that declares neither trains nothing.
std::string quick(const Attack& attack, const ExtractionCase& of) {
  Params declared;
  attack.bind(declared, ThreatModel{});
  std::string params;
  for (const ParamSpec& spec : declared.specs()) {
    std::string value;
    if (spec.name == of.param) value = of.value;
    if (spec.name == "architecture") value = "mlp";
    if (spec.name == "epochs") value = "1";
    if (spec.name == "least_steps") value = "0";
    if (!value.empty()) params += (params.empty() ? "" : ", ") + spec.name + ": " + value;
  }
  return "{" + params + "}";
}

// One hidden layer on inputs of the spec, in whatever convention.
Model victim_of(ModelSpec spec, uint64_t seed) {
  int64_t d = 1;
  for (const int64_t side : spec.shape) d *= side;
  const bool sigmoid = spec.output == ModelSpec::Output::kSigmoid;
  const at::ScalarType dtype = spec.dtype == ModelSpec::Dtype::kFloat64 ? at::kDouble : at::kFloat;
  const std::string end = spec.output == ModelSpec::Output::kProbabilities ? ".softmax(1)" : "";
  return load_module(std::move(spec),
                     "def forward(self, x):\n"
                     "    hidden = torch.relu(torch.flatten(x, 1).matmul(self.first))\n"
                     "    return hidden.matmul(self.second)" +
                         end + "\n",
                     {{"first", random_normal({d, 6}, seed, dtype)},
                      {"second", random_normal({6, sigmoid ? 1 : spec.classes}, seed + 1, dtype)}});
}

class ExtractionContract : public ::testing::TestWithParam<ExtractionCase> {
 protected:
  void SetUp() override { enter_worker(); }

  const Attack attack_ = find_attack(GetParam().attack);
  const std::string params_ = quick(attack_, GetParam());
  const Surface surface_{.kind = GetParam().surface, .top_k = 2};

  ModelSpec spec() const { return to_spec({.shape = {1, 4, 4}, .lo = -0.5, .hi = 1.5}, {}); }
  ModelSpec tabular() const { return to_spec({.shape = {7}}, {}); }

  static at::Tensor records(const ModelSpec& spec, int64_t n, uint64_t seed) {
    std::vector<int64_t> sizes = {n};
    sizes.insert(sizes.end(), spec.shape.begin(), spec.shape.end());
    return random_uniform(sizes, seed, spec.lo, spec.hi,
                          spec.dtype == ModelSpec::Dtype::kFloat64 ? at::kDouble : at::kFloat);
  }
  Heist run(const Model& model, int64_t budget, uint64_t seed = 1) const {
    const at::Tensor x = records(model.spec(), 120, 9);
    const Pool pool = pool_of(x, at::arange(120).remainder(model.classes()));
    return steal(GetParam().attack, params_, model, pool, budget, surface_, seed);
  }
  void expect_sound(const Heist& heist, const Model& model) const {
    const ModelSpec& spec = model.spec();
    EXPECT_TRUE(heist.asked.isfinite().all().item<bool>());
    EXPECT_TRUE(heist.asked.ge(spec.lo).all().item<bool>());
    EXPECT_TRUE(heist.asked.le(spec.hi).all().item<bool>());
    for (const auto& [name, value] : heist.theft.findings)
      EXPECT_TRUE(std::isfinite(value)) << name;
    ASSERT_EQ(heist.theft.surrogate.empty(), !extraction_of(GetParam().attack, params_).surrogate);
    if (heist.theft.surrogate.empty()) return;
    const at::Tensor x = records(spec, 10, 11);
    const at::Tensor logits = surrogate_of(heist.theft, spec).judge(x);
    ASSERT_EQ(logits.sizes(), at::IntArrayRef({10, spec.classes}));
    EXPECT_TRUE(logits.isfinite().all().item<bool>());
  }
};

TEST_P(ExtractionContract, AnyBudgetIsKeptAndEveryQueryIsInTheBox) {
  const Model model = victim_of(spec(), 1);
  for (const int64_t budget : {1, 2, 3, 7, 50, 301}) {
    SCOPED_TRACE("budget " + std::to_string(budget));
    const Heist heist = run(model, budget);
    EXPECT_GE(heist.spent, 1);
    EXPECT_LE(heist.spent, budget);
    expect_sound(heist, model);
  }
}

TEST_P(ExtractionContract, SameSeedGivesSameBytesAndAnotherOtherQueries) {
  const Model model = victim_of(spec(), 1);
  const Heist first = run(model, 100), again = run(model, 100), other = run(model, 100, 2);
  EXPECT_EQ(first.theft.surrogate, again.theft.surrogate);
  EXPECT_EQ(first.theft.findings, again.theft.findings);
  EXPECT_TRUE(first.asked.equal(again.asked));
  EXPECT_FALSE(first.asked.equal(other.asked));
}

TEST_P(ExtractionContract, EveryConventionTypeAndShapeWillDo) {
  std::vector<ModelSpec> specs(5, spec());
  specs[0].output = ModelSpec::Output::kProbabilities;
  specs[1].output = ModelSpec::Output::kSigmoid;
  specs[1].classes = 2;
  specs[2].mean = {0.4};
  specs[2].std = {0.2};
  specs[3].dtype = ModelSpec::Dtype::kFloat64;
  specs[4] = tabular();
  for (const ModelSpec& spec : specs) {
    SCOPED_TRACE("spec " + std::to_string(&spec - specs.data()));
    if (attack_.info.images && spec.shape.size() != 3) continue;
    const Model model = victim_of(spec, 3);
    expect_sound(run(model, 60), model);
  }
}

TEST_P(ExtractionContract, AVictimThatAnswersAlwaysTheSameIsNoTrouble) {
  const Model model = linear_model({.shape = {1, 4, 4}}, at::zeros({3, 16}), values({0, 1, 2}));
  expect_sound(run(model, 60), model);
}

TEST_P(ExtractionContract, SaysHonestlyWhatItNeeds) {
  // An API gives no gradients.
  EXPECT_NE(attack_.info.access, Access::kGradient);
  const std::vector<Kind>& surfaces = attack_.info.surfaces;
  EXPECT_EQ(std::set<Kind>(surfaces.begin(), surfaces.end()).size(), surfaces.size());
  const Extraction extraction = extraction_of(GetParam().attack, "{}", surface_);
  EXPECT_FALSE(extraction.budgets.empty());
  EXPECT_GE(extraction.seeds, 3);
  if (attack_.info.pool) return;
  // Works without a pool.
  const Model model = victim_of(spec(), 1);
  expect_sound(steal(GetParam().attack, params_, model, Pool{}, 60, surface_), model);
}

INSTANTIATE_TEST_SUITE_P(AllAttacks, ExtractionContract, ::testing::ValuesIn(extraction_cases()),
                         [](const ::testing::TestParamInfo<ExtractionCase>& test) {
                           const ExtractionCase& of = test.param;
                           const std::string choice =
                               of.param.empty() ? "" : "_" + of.param + "_" + of.value;
                           return of.attack + "_" + std::string(to_string(of.surface)) + choice;
                         });

}  // namespace
}  // namespace assay::testing
