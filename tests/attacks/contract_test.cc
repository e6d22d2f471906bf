// What every evasion attack owes, whatever its method: one test for each attack of the table and
// each norm it supports.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "harness/model/ball.h"
#include "tests/testing/attacks.h"
#include "tests/testing/linear.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

struct Case {
  std::string attack;
  Norm norm;
};

// The attacks that owe a promise, by what they are.
std::vector<Case> cases(bool (*owes)(const AttackInfo&)) {
  std::vector<Case> all;
  for (const Attack& attack : attack_table()) {
    if (attack.info.family != Family::kEvasion || !owes(attack.info)) continue;
    for (const Norm norm : attack.info.norms) all.push_back({attack.info.name, norm});
    if (attack.info.unbounded) all.push_back({attack.info.name, Norm::kLinf});  // not looked at
  }
  return all;
}

// A radius at which a random small model breaks on some samples and holds on others. Minimum-norm
// attacks get none.
double middling_eps(Norm norm) {
  switch (norm) {
    case Norm::kLinf:
      return 0.04;
    case Norm::kL2:
      return 0.25;
    case Norm::kL1:
      return 0.8;
    default:
      return 3;
  }
}

ThreatModel threat_of(const Attack& attack, Norm norm, double eps, const Model& model) {
  ThreatModel threat;
  threat.norm = norm;
  threat.unbounded = attack.info.unbounded;
  if (!attack.info.minimum_norm && !attack.info.unbounded) threat.eps = eps;
  threat.lo = model.spec().lo;
  threat.hi = model.spec().hi;
  threat.access = attack.info.access;
  return threat;
}

// Attacks without gradients have large budgets by default: too slow for so many runs, and a whole
// grid leaves nothing standing. With so few queries, estimates have to be small for an attack to
// come anywhere.
std::string cheap_params(const Attack& attack) {
  if (attack.info.access == Access::kGradient) return "{}";
  Params params;
  attack.info.declare(params, ThreatModel{});
  std::string text;
  for (const ParamSpec& spec : params.specs()) {
    for (const auto& [name, value] :
         {std::pair("queries", 500), std::pair("draws", 500), std::pair("pairs", 10),
          std::pair("angle", 10), std::pair("shifts", 1)}) {
      if (spec.name != name) continue;
      const int64_t* usual = std::get_if<int64_t>(&spec.fallback);
      const bool dearer = usual != nullptr && *usual > value;
      if (dearer) text += spec.name + ": " + std::to_string(value) + ", ";
    }
  }
  return "{" + text + "}";
}

class Contract : public ::testing::TestWithParam<Case> {
 protected:
  Attack attack_ = find_attack(GetParam().attack);
  Norm norm_ = GetParam().norm;
  std::string params_ = cheap_params(attack_);

  ThreatModel threat(const Model& model) const {
    return threat_of(attack_, norm_, middling_eps(norm_), model);
  }

  // The shape, for attacks on images as one: the most nearly square of one channel.
  Shape fit(Shape shape) const {
    if (!attack_.info.images || shape.shape.size() == 3) return shape;
    const int64_t d = shape.size();
    int64_t height = 1;
    for (int64_t side = 2; side * side <= d; ++side) height = d % side == 0 ? side : height;
    shape.shape = {1, height, d / height};
    return shape;
  }

  // The claims lie in box and ball, break the model as the judge sees it, and stay in budget.
  void expect_honest(const Model& model, const ThreatModel& threat, const Block& block,
                     const Outcome& outcome) const {
    const int64_t n = block.size();
    ASSERT_EQ(outcome.claims.x.sizes(), block.x.sizes());
    ASSERT_EQ(outcome.claims.success.sizes(), at::IntArrayRef({n}));
    const at::Tensor labels = model.judge(outcome.claims.x).argmax(1);
    const at::Tensor broken =
        threat.goal == Goal::kTargeted ? labels.eq(block.target) : labels.ne(block.y);
    const at::Tensor inside = in_box(outcome.claims.x, threat.lo, threat.hi);
    const double radius =
        ball_radius(threat, block.x[0].numel(), block.x.scalar_type() == at::kDouble);
    const at::Tensor away = distance(outcome.claims.x, block.x, threat);
    const Budget budget = bind_params(attack_, params_, threat).budget;
    for (int64_t i = 0; i < n; ++i) {
      if (budget.queries > 0) {
        EXPECT_LE(outcome.queries[i].item<int64_t>(), budget.queries);
      }
      EXPECT_LE(outcome.gradients[i].item<int64_t>(), budget.gradients);
      EXPECT_GT(outcome.queries[i].item<int64_t>(), 0) << "sample " << i << " was never tried";
      if (!outcome.claimed(i)) continue;
      EXPECT_TRUE(broken[i].item<bool>()) << "sample " << i << " is not broken for the judge";
      EXPECT_TRUE(inside[i].item<bool>()) << "sample " << i << " left the box";
      EXPECT_LE(away[i].item<double>(), radius) << "sample " << i << " left the ball";
    }
  }
};

// Not every attack owes all: each of these is run over those that do.
class Targeted : public Contract {};
class InABall : public Contract {};
class GradientsInABall : public Contract {};
class Nearest : public Contract {};

TEST_P(Contract, SameSeedGivesSameBytes) {
  const Model model = mlp_model(fit({{9}, 4}), 16, 1);
  const Block block = random_block(model, 24, 2);
  const Outcome first = run(model, attack_, params_, threat(model), block, 5);
  const Outcome second = run(model, attack_, params_, threat(model), block, 5);
  EXPECT_TRUE(first.claims.x.equal(second.claims.x));
  EXPECT_TRUE(first.claims.success.equal(second.claims.success));
  EXPECT_TRUE(first.queries.equal(second.queries));
}

TEST_P(Contract, BreaksSomeSamplesAndIsHonestAboutThem) {
  const std::vector<Shape> shapes = {{{7}, 3}, {{1, 4, 9}, 2}, {{9}, 4, at::kDouble}};
  int64_t broken = 0;
  for (const Shape& shape : shapes) {
    const Model model = mlp_model(fit(shape), 16, 3);
    const Block block = random_block(model, 40, 4);
    const Outcome outcome = run(model, attack_, params_, threat(model), block);
    expect_honest(model, threat(model), block, outcome);
    broken += outcome.count();
  }
  EXPECT_GT(broken, 0);
}

TEST_P(Contract, IsHonestOnConvolutionsOverOtherBoxes) {
  Shape shape{{2, 5, 8}, 10};
  shape.lo = -1;
  shape.hi = 1;
  const Model model = cnn_model(shape, 5);
  const Block block = random_block(model, 20, 6);
  expect_honest(model, threat(model), block, run(model, attack_, params_, threat(model), block));
}

TEST_P(Targeted, HonoursATarget) {
  const Model model = mlp_model(fit({{9}, 4}), 16, 3);
  Block block = random_block(model, 32, 8);
  block.target = std::get<1>(model.judge(block.x).topk(2, 1)).select(1, 1);  // the runner-up
  ThreatModel towards = threat(model);
  towards.goal = Goal::kTargeted;
  if (towards.eps) towards.eps = 4 * *towards.eps;
  const Outcome outcome = run(model, attack_, params_, towards, block);
  expect_honest(model, towards, block, outcome);
  EXPECT_GT(outcome.count(), 0);
}

TEST_P(Contract, TheRestOfTheBatchDoesNotMatter) {
  for (const Shape& shape : {Shape{{2, 5, 6}, 4}, Shape{{2, 5, 6}, 4, at::kDouble}}) {
    const Model model = cnn_model(shape, 9);
    ASSERT_GT(model.facts().quantum, 0);
    const Block all = random_block(model, 40, 10, 1000);
    std::vector<int64_t> order(40);
    for (int64_t i = 0; i < 40; ++i) order[static_cast<size_t>(i)] = i * 29 % 40;
    const Block whole = select(all, {order.begin(), order.begin() + 32});
    const Outcome reference = run(model, attack_, params_, threat(model), whole);
    EXPECT_GT(reference.count(), 0);
    if (!attack_.info.minimum_norm) {
      EXPECT_LT(reference.count(), 32);
    }
    // The last samples first; alone the first one; for the largest block other neighbours too.
    const std::pair<int64_t, int64_t> blocks[] = {{1, 0}, {3, 31}, {17, 31}, {32, 39}};
    for (const auto& [size, last] : blocks) {  // in `order`, so in `whole` where below 32
      std::vector<int64_t> some;
      for (int64_t k = 0; k < size; ++k) some.push_back(order[static_cast<size_t>(last - k)]);
      const Outcome part = run(model, attack_, params_, threat(model), select(all, some));
      for (int64_t k = 0; k < size; ++k) {
        const int64_t position = last - k;
        if (position >= 32) continue;
        EXPECT_EQ(part.claimed(k), reference.claimed(position)) << "block of " << size;
        EXPECT_EQ(row_bytes(part.claims.x, k), row_bytes(reference.claims.x, position))
            << "block of " << size;
        EXPECT_EQ(part.queries[k].item<int64_t>(), reference.queries[position].item<int64_t>());
      }
    }
  }
}

TEST_P(GradientsInABall, FindsTheFlipOfALinearModelAtFivePercentMoreThanItsDistance) {
  for (Shape shape : {Shape{{12}, 2}, Shape{{2, 3, 5}, 2}, Shape{{30}, 2, at::kDouble}}) {
    shape.lo = -4;
    shape.hi = 4;
    const LinearCase flat = linear_case(shape, norm_);
    const double eps = 1.05 * flat.closest[0].item<double>();
    const ThreatModel threat = threat_of(attack_, norm_, eps, flat.model);
    const Outcome outcome = run(flat.model, attack_, params_, threat, flat.block);
    EXPECT_EQ(outcome.count(), flat.block.size()) << "d " << shape.size();
    expect_honest(flat.model, threat, flat.block, outcome);
  }
}

TEST_P(InABall, FindsNothingBelowTheDistanceOfALinearModel) {
  for (Shape shape : {Shape{{12}, 2}, Shape{{30}, 2, at::kDouble}}) {
    shape.lo = -4;
    shape.hi = 4;
    const LinearCase flat = linear_case(shape, norm_);
    const double eps = 0.95 * flat.closest[0].item<double>();
    const ThreatModel threat = threat_of(attack_, norm_, eps, flat.model);
    EXPECT_EQ(run(flat.model, attack_, params_, threat, flat.block).count(), 0);
  }
}

TEST_P(Nearest, FindsTheDistanceOfALinearModelWithinAQuarter) {
  for (Shape shape : {Shape{{2}, 2}, Shape{{12}, 2}, Shape{{2, 3, 5}, 2}, Shape{{100}, 2},
                      Shape{{1, 28, 28}, 2}, Shape{{30}, 2, at::kDouble}}) {
    shape.lo = -4;
    shape.hi = 4;
    const LinearCase flat = linear_case(shape, norm_);
    ThreatModel threat = threat_of(attack_, norm_, 0, flat.model);
    for (const Goal goal : {Goal::kUntargeted, Goal::kTargeted}) {
      if (goal == Goal::kTargeted && !attack_.info.targeted) continue;
      threat.goal = goal;
      const Outcome outcome = run(flat.model, attack_, params_, threat, flat.block);
      expect_honest(flat.model, threat, flat.block, outcome);
      const at::Tensor found = distance(outcome.claims.x, flat.block.x, norm_);
      for (int64_t i = 0; i < flat.block.size(); ++i) {
        ASSERT_TRUE(outcome.claimed(i)) << "d " << shape.size() << " sample " << i;
        const double closest = flat.closest[i].item<double>();
        const double allowed = std::max(1.25 * closest, norm_ == Norm::kL0 ? closest + 1 : 0.0);
        EXPECT_LE(found[i].item<double>(), allowed) << "d " << shape.size() << " sample " << i;
        // What is nearer than the plane is not across it; float32 logits err by about 1e-5.
        EXPECT_GE(found[i].item<double>(), (1 - 1e-4) * closest) << "d " << shape.size();
      }
    }
  }
}

// The nearest boundary need not be that of the runner-up label, and neither the box nor the logits
// need be of any size.
TEST_P(Nearest, FindsTheDistanceAmongManyClassesAtAnyScale) {
  const std::vector<double> scales = {0.01, 1, 1000};
  const std::vector<int64_t> sizes = {2, 20, 100, 784};
  const std::vector<int64_t> classes = {2, 3, 10};
  for (size_t i = 0; i < sizes.size(); ++i) {
    for (size_t k = 0; k < classes.size(); ++k) {
      Shape shape{{sizes[i]}, classes[k]};
      shape.hi = (i + k / 2) % 2 == 0 ? 255 : 1;
      const double scale = scales[(i + k) % 3];
      const LinearCase flat = crowded_case(shape, scale, norm_);
      const ThreatModel threat = threat_of(attack_, norm_, 0, flat.model);
      const Outcome outcome = run(flat.model, attack_, params_, threat, flat.block);
      expect_honest(flat.model, threat, flat.block, outcome);
      const at::Tensor found = distance(outcome.claims.x, flat.block.x, norm_);
      for (int64_t row = 0; row < flat.block.size(); ++row) {
        const double closest = flat.closest[row].item<double>();
        const double allowed = std::max(1.25 * closest, norm_ == Norm::kL0 ? closest + 1 : 0.0);
        EXPECT_TRUE(outcome.claimed(row) && found[row].item<double>() <= allowed)
            << "d " << shape.size() << " classes " << shape.classes << " box " << shape.hi
            << " scale " << scale << " sample " << row << ": " << found[row].item<double>() << ", "
            << closest << " is possible";
      }
    }
  }
}

TEST_P(Contract, KeepsToTheSmallestBudgets) {
  Params params;
  attack_.info.declare(params, ThreatModel{});
  const std::vector<ParamSpec>& specs = params.specs();
  const bool has = std::any_of(specs.begin(), specs.end(),
                               [](const ParamSpec& spec) { return spec.name == "queries"; });
  if (!has) return;  // its steps are its budget
  const Model model = mlp_model(fit({{9}, 4}), 16, 3);
  Block block = random_block(model, 12, 4);
  give_points(model, &block);
  for (const int64_t queries : {1, 2, 7}) {
    const std::string text = "{queries: " + std::to_string(queries) + "}";
    const Outcome outcome = run(model, attack_, text, threat(model), block);
    EXPECT_LE(outcome.queries.max().item<int64_t>(), queries);
    EXPECT_GT(outcome.queries.min().item<int64_t>(), 0);
  }
}

TEST_P(Contract, AConstantModelIsNeitherBrokenNorFatal) {
  const Shape shape = fit({{6}, 3});
  const Model model = linear_model(shape, at::zeros({3, 6}), values({0.0, 1.0, 0.0}));
  const Block block = random_block(model, 5, 11);
  EXPECT_EQ(run(model, attack_, params_, threat(model), block).count(), 0);
}

TEST_P(Contract, RefusesParametersItDoesNotHave) {
  const Model model = mlp_model(fit({{9}, 4}), 16, 1);
  EXPECT_THROW(bind_params(attack_, "{no_such_parameter: 1}", threat(model)), Error);
}

TEST_P(Contract, SaysWhatItIs) {
  const AttackInfo& info = attack_.info;
  EXPECT_FALSE(info.summary.empty());
  EXPECT_FALSE(info.paper.empty());
  EXPECT_FALSE(info.cost.empty());
  EXPECT_EQ(info.version.size(), 16u);
  for (const char* key : {"atlas", "nist", "owasp"}) EXPECT_EQ(info.taxonomy.count(key), 1u) << key;
  Params params;
  info.declare(params, ThreatModel{});
  for (const ParamSpec& spec : params.specs()) EXPECT_FALSE(spec.help.empty()) << spec.name;
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  if (find_attack(info.param.attack).info.unbounded) return info.param.attack;
  return info.param.attack + "_" + std::string(to_string(info.param.norm));
}

bool any(const AttackInfo&) { return true; }
bool targeted(const AttackInfo& info) { return info.targeted; }
bool in_a_ball(const AttackInfo& info) { return !info.minimum_norm && !info.unbounded; }
bool by_gradients_in_a_ball(const AttackInfo& info) {
  return in_a_ball(info) && info.access == Access::kGradient;
}
bool measures_distance(const AttackInfo& info) { return info.minimum_norm; }

// A table may hold no attack that owes them.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Targeted);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(InABall);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GradientsInABall);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Nearest);
INSTANTIATE_TEST_SUITE_P(Attacks, Contract, ::testing::ValuesIn(cases(any)), case_name);
INSTANTIATE_TEST_SUITE_P(Attacks, Targeted, ::testing::ValuesIn(cases(targeted)), case_name);
INSTANTIATE_TEST_SUITE_P(Attacks, InABall, ::testing::ValuesIn(cases(in_a_ball)), case_name);
INSTANTIATE_TEST_SUITE_P(Attacks, GradientsInABall,
                         ::testing::ValuesIn(cases(by_gradients_in_a_ball)), case_name);
INSTANTIATE_TEST_SUITE_P(Attacks, Nearest, ::testing::ValuesIn(cases(measures_distance)),
                         case_name);

}  // namespace
}  // namespace assay::testing
