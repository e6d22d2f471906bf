// Threat models that hold features still, let each move by its share of eps, or know whole levels
// only: what every evasion attack owes that searches by itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "harness/model/ball.h"
#include "tests/testing/attacks.h"
#include "tests/testing/models.h"

namespace assay::testing {
namespace {

struct Constraint {
  std::string attack;
  Norm norm;
};

// Chance and other models' points promise nothing.
bool searches(const AttackInfo& info) {
  return info.family == Family::kEvasion && !info.unbounded && info.name != "noise" &&
         info.name != "transfer" && info.name != "corpus";
}

std::vector<Constraint> constraint_cases(bool (*owes)(const AttackInfo&, Norm)) {
  std::vector<Constraint> all;
  for (const Attack& attack : attack_table()) {
    if (!searches(attack.info)) continue;
    for (const Norm norm : attack.info.norms) {
      if (owes(attack.info, norm)) all.push_back({attack.info.name, norm});
    }
  }
  return all;
}

// Two classes over [−4, 4]^d, and samples on both sides whose margin is that of a step by `away` in
// all the features with a share, each as far as its share.
struct Plane {
  Model model;
  at::Tensor w;  // [d] float64
  Block block;
  double away;
};

Plane make_plane(int64_t d, const at::Tensor& share, double away, uint64_t seed) {
  Shape shape{{d}, 2};
  shape.lo = -4;
  shape.hi = 4;
  const at::Tensor weight = random_normal({2, d}, seed);
  const at::Tensor w = weight[1].sub(weight[0]).to(at::kDouble);
  Model model = linear_model(shape, weight, at::zeros({2}));
  Block block = random_block(model, 12, seed + 1);
  const double wanted = away * w.abs().mul(share).sum().item<double>();
  at::Tensor x = block.x.to(at::kDouble).mul(0.1);
  const at::Tensor sides = at::arange(12).remainder(2).mul(2).sub(1).to(at::kDouble).mul(wanted);
  x = x.add(sides.sub(x.matmul(w)).div(w.dot(w)).unsqueeze(1).mul(w));
  block.x = x.to(at::kFloat);
  block.y = model.judge(block.x).argmax(1);
  block.target = at::Tensor();
  return {std::move(model), w, block, away};
}

// How far the plane is in the norm by the features with a share: [n] float64.
at::Tensor distances(const Plane& plane, const at::Tensor& share, Norm norm) {
  const at::Tensor x = plane.block.x.to(at::kDouble);
  const at::Tensor margin = x.matmul(plane.w).abs();  // [n]
  const at::Tensor free = plane.w.mul(share.gt(0));
  switch (norm) {
    case Norm::kLinf:
      return margin.div(free.abs().mul(share).sum());
    case Norm::kL2:
      return margin.div(free.norm());
    case Norm::kL1:
      return margin.div(free.abs().max());
    default: {  // the features that can do most, up to the wall that they move to
      const at::Tensor side = x.matmul(plane.w).sign().unsqueeze(1).mul(free).neg();  // [n, d]
      const at::Tensor most = side.abs().mul(at::where(side.gt(0), x.neg().add(4), x.add(4)));
      return std::get<0>(most.sort(1, /*descending=*/true))
          .cumsum(1)
          .le(margin.unsqueeze(1))
          .sum(1)
          .add(1)
          .to(at::kDouble);
    }
  }
}

// The parameter with this value, where the attack has one of that name.
std::string with(const Attack& attack, const std::string& name, int64_t value) {
  Params params;
  attack.info.declare(params, ThreatModel{});
  for (const ParamSpec& spec : params.specs()) {
    if (spec.name == name) return "{" + name + ": " + std::to_string(value) + "}";
  }
  return "{}";
}

std::string params_of(const Attack& attack) {
  return attack.info.access == Access::kGradient ? "{}" : with(attack, "queries", 4000);
}

class Constrained : public ::testing::TestWithParam<Constraint> {
 protected:
  Attack attack_ = find_attack(GetParam().attack);
  Norm norm_ = GetParam().norm;

  ThreatModel threat() const {
    ThreatModel threat;
    threat.norm = norm_;
    threat.lo = -4;
    threat.hi = 4;
    threat.access = attack_.info.access;
    return threat;
  }

  // Runs within 1.5 times the distance, or looks for distances, and expects all to be broken no
  // farther than that, and by points that the judge would see as they are.
  void expect_all_broken(const Plane& plane, const at::Tensor& share, ThreatModel threat) const {
    const at::Tensor closest = distances(plane, share, norm_);
    const double widest = 1.5 * closest.max().item<double>();
    const double most = norm_ == Norm::kL0 ? std::max(widest, widest / 1.5 + 1) : widest;
    if (!attack_.info.minimum_norm) threat.eps = most;
    expect_broken_within(plane, threat, most);
  }

  void expect_broken_within(const Plane& plane, const ThreatModel& threat, double most) const {
    const Outcome outcome = run(plane.model, attack_, params_of(attack_), threat, plane.block);
    EXPECT_EQ(outcome.count(), plane.block.size());
    const at::Tensor away = distance(outcome.claims.x, plane.block.x, norm_);
    const Oracle oracle(plane.model, threat, plane.block, 0, 0);
    EXPECT_TRUE(oracle.admissible(outcome.claims.x, at::arange(plane.block.size()))
                    .equal(outcome.claims.x));
    const at::Tensor broken = plane.model.judge(outcome.claims.x).argmax(1).ne(plane.block.y);
    for (int64_t i = 0; i < plane.block.size(); ++i) {
      if (!outcome.claimed(i)) continue;
      EXPECT_TRUE(broken[i].item<bool>()) << "sample " << i;
      EXPECT_LE(away[i].item<double>(), most * (1 + 1e-5)) << "sample " << i;
    }
  }
};

class ByLevels : public Constrained {};
class ByShares : public Constrained {};
class InTheBall : public Constrained {};
class BallsByLevels : public Constrained {};

TEST_P(Constrained, BreaksALinearModelWhereMostFeaturesAreHeldStill) {
  at::Tensor share = at::zeros({100}, at::kDouble);
  ThreatModel held = threat();
  for (int64_t i = 0; i < 100; ++i) {
    if (i % 5 == 2) share[i] = 1.0;
    if (i % 5 != 2) held.fixed.push_back(i);
  }
  expect_all_broken(make_plane(100, share, 0.2, 31), share, held);
}

TEST_P(ByShares, BreaksALinearModelWhereFeaturesHaveSharesOfEps) {
  at::Tensor share = at::zeros({40}, at::kDouble);
  ThreatModel scaled = threat();
  for (int64_t i = 0; i < 40; ++i) {
    scaled.feature_scale.push_back(i % 4 == 0 ? 0 : i % 4 == 1 ? 0.1 : i % 4 == 2 ? 0.5 : 1);
    share[i] = scaled.feature_scale.back();
  }
  expect_all_broken(make_plane(40, share, 0.2, 33), share, scaled);
}

int64_t differing(const at::Tensor& a, const at::Tensor& b) {
  return a.ne(b).sum().item<int64_t>();
}

// A share of an eps in every feature is a smaller eps, to attacks that iterate in the ball.
TEST_P(InTheBall, TheSameReachSpeltOtherwiseBreaksTheSameSamples) {
  Shape shape{{40}, 6};
  const Model model = mlp_model(shape, 64, 41);
  const Block block = random_block(model, 100, 42);
  ThreatModel plain = threat();
  plain.lo = 0;
  plain.hi = 1;
  plain.eps = 0.03;
  const std::string& name = attack_.info.name;
  const bool probes = name == "nes" || name == "spsa";  // which shares confine
  const std::string params = attack_.info.access == Access::kScore ? with(attack_, "queries", 600)
                                                                   : with(attack_, "steps", 20);
  const Outcome wanted = run(model, attack_, params, plain, block);
  EXPECT_GT(wanted.count(), 20);
  EXPECT_LT(wanted.count(), 90);
  for (const double share : {0.25, 0.03}) {
    ThreatModel scaled = plain;
    scaled.eps = 0.03 / share;
    scaled.feature_scale.assign(40, share);
    const Outcome found = run(model, attack_, params, scaled, block);
    EXPECT_LE(differing(found.claims.success, wanted.claims.success), probes ? 5 : 1) << share;
    if (!probes) {
      EXPECT_LE(differing(found.queries, wanted.queries), 2) << share;
    }
  }
}

// What the rounding leaves of eps, feature by feature and either way, is the most that any_norm
// attack can use: on a linear model the sum of |w| times it. By every access that must be found.
TEST_P(ByShares, BreaksALinearModelOffItsLevelsAsFarAsRoundingLeavesRoom) {
  constexpr int64_t kEntries = 64;
  struct Coarse {
    int64_t levels;
    double least;  // shares are between this and 1
  };
  for (const Coarse& coarse : {Coarse{40, 1}, Coarse{256, 0.3}}) {
    const at::Tensor share = random_uniform({kEntries}, 51, coarse.least, 1).to(at::kDouble);
    Plane plane = make_plane(kEntries, share, 0.1, 53);
    const double level = 8.0 / static_cast<double>(coarse.levels - 1);
    ThreatModel rounded = threat();
    rounded.levels = coarse.levels;
    rounded.eps = 0.24;
    for (int64_t i = 0; i < kEntries; ++i) {
      rounded.feature_scale.push_back(share[i].item<double>());
    }
    // Of many inputs between levels those whose margin is from .4 to .7 of what can be gained.
    const at::Tensor x = random_normal({2000, kEntries}, 55).to(at::kDouble).mul(0.3);
    const at::Tensor margin = x.matmul(plane.w);  // [n]
    const at::Tensor up = margin.sign().neg().unsqueeze(1).mul(plane.w).gt(0);
    const at::Tensor reach = share.mul(*rounded.eps);
    const at::Tensor place = x.add(4).div(level);
    const at::Tensor last = at::where(up, place.add(reach.div(level)).floor().sub(place),
                                      place.sub(place.sub(reach.div(level)).ceil()));
    const at::Tensor gain = last.clamp_min(0).mul(level).mul(plane.w.abs()).sum(1);  // [n]
    const at::Tensor needed = margin.abs().div(gain);
    const at::Tensor chosen =
        needed.gt(0.4).logical_and(needed.lt(0.7)).nonzero().squeeze(1).slice(0, 0, 24);
    ASSERT_EQ(chosen.size(0), 24);
    plane.block.x = x.index_select(0, chosen).to(at::kFloat);
    plane.block.y = plane.model.judge(plane.block.x).argmax(1);
    plane.block.ids.resize(24);
    std::iota(plane.block.ids.begin(), plane.block.ids.end(), 100);
    expect_broken_within(plane, rounded, *rounded.eps);
  }
}

// On a linear model a ball of l2 gains eps · ‖w‖, one of l1 eps · max |w|. Levels take 1 % of the
// former where the best point moves entries by 2.3 of them on average, an eighth at 0.6. Rounding
// each entry towards the clean input would take 17 % and two thirds.
TEST_P(BallsByLevels, BreaksALinearModelOnNearlyAllThatTheBallGains) {
  constexpr int64_t kEntries = 300;
  struct Size {
    double levels;                                      // l2: of an entry on average; l1: of all
    std::pair<double, double> by_gradients, by_scores;  // shares of the gain that are needed
  };
  const bool l1 = norm_ == Norm::kL1;
  Plane plane = make_plane(kEntries, at::ones({kEntries}, at::kDouble), 0.1, 57);
  const double level = 8.0 / 255;
  const double strength = l1 ? plane.w.abs().max().item<double>() : plane.w.norm().item<double>();
  const std::vector<Size> sizes =
      l1 ? std::vector<Size>{{40.4, {0.75, 0.85}, {0.3, 0.4}}}
         : std::vector<Size>{{2.3, {0.9, 0.95}, {0.5, 0.6}}, {0.6, {0.6, 0.7}, {0.3, 0.36}}};
  for (const Size& size : sizes) {
    ThreatModel coarse = threat();
    coarse.levels = 256;
    coarse.eps = level * size.levels * (l1 ? 1 : std::sqrt(static_cast<double>(kEntries)));
    const auto [least, most] =
        attack_.info.access == Access::kScore ? size.by_scores : size.by_gradients;
    // Inputs on levels, moved along w so that their margins lie around what is wanted.
    at::Tensor x = random_normal({2000, kEntries}, 59).to(at::kDouble).mul(0.3);
    const at::Tensor wanted = at::arange(2000).remainder(2).mul(2).sub(1).mul(
        *coarse.eps * strength * (least + most) / 2);
    x = x.add(wanted.sub(x.matmul(plane.w)).div(plane.w.dot(plane.w)).unsqueeze(1).mul(plane.w));
    x = x.add(4).div(level).round().mul(level).sub(4);
    const at::Tensor needed = x.matmul(plane.w).abs().div(*coarse.eps * strength);  // [n]
    const at::Tensor chosen =
        needed.gt(least).logical_and(needed.lt(most)).nonzero().squeeze(1).slice(0, 0, 12);
    ASSERT_EQ(chosen.size(0), 12);
    plane.block.x = x.index_select(0, chosen).to(at::kFloat);
    plane.block.y = plane.model.judge(plane.block.x).argmax(1);
    expect_broken_within(plane, coarse, *coarse.eps);
  }
}

// A search by labels alone ends at the boundary, and what rounding takes there is too much to lose.
TEST_P(ByShares, BreaksAsManyAsWithoutWithinALevelOfTheBoundary) {
  const double level = 8.0 / 255;
  const at::Tensor share = at::full({100}, 0.5, at::kDouble);
  Plane plane = make_plane(100, share, 4.4 * level, 43);
  plane.block.x =
      plane.block.x.to(at::kDouble).add(4).div(level).round().mul(level).sub(4).to(at::kFloat);
  plane.block.y = plane.model.judge(plane.block.x).argmax(1);
  ThreatModel whole = threat();
  whole.levels = 256;
  whole.eps = 3 * level;
  ThreatModel scaled = whole;
  scaled.eps = 6 * level;
  scaled.feature_scale.assign(100, 0.5);
  const int64_t wanted = run(plane.model, attack_, params_of(attack_), whole, plane.block).count();
  EXPECT_GT(wanted, 8);
  EXPECT_GE(run(plane.model, attack_, params_of(attack_), scaled, plane.block).count(), wanted);
}

// Clean inputs on levels and shares of whole levels: many a level is at the very end of a feature's
// reach, and by the rounding of its type just beyond.
TEST_P(ByShares, BreaksALinearModelWhereSharesAreWholeLevels) {
  constexpr int64_t kEntries = 200;
  const double level = 8.0 / 255;
  at::Tensor share = at::zeros({kEntries}, at::kDouble);
  ThreatModel scaled = threat();
  scaled.levels = 256;
  for (int64_t i = 0; i < kEntries; ++i) {
    scaled.feature_scale.push_back(i % 2 == 0 ? 0.5 : 1);
    share[i] = scaled.feature_scale.back();
  }
  Plane plane = make_plane(kEntries, share, 0.3, 39);
  plane.block.x =
      plane.block.x.to(at::kDouble).add(4).div(level).round().mul(level).sub(4).to(at::kFloat);
  plane.block.y = plane.model.judge(plane.block.x).argmax(1);
  const double widest = 1.5 * distances(plane, share, norm_).max().item<double>();
  scaled.eps = 2 * level * std::ceil(widest / (2 * level));
  expect_broken_within(plane, scaled, *scaled.eps);
}

TEST_P(Constrained, BreaksALinearModelOnLevels) {
  const at::Tensor share = at::ones({20}, at::kDouble);
  ThreatModel coarse = threat();
  coarse.levels = 256;  // a level is a sixth of the distance in linf
  expect_all_broken(make_plane(20, share, 0.2, 35), share, coarse);
}

// The distance in linf is a third of a level: rounding towards the clean input leaves nothing of a
// point that is just across the plane.
TEST_P(ByLevels, FindsWholeLevelsWhereTheBoundaryIsNearerThanOne) {
  const at::Tensor share = at::ones({784}, at::kDouble);
  const Plane plane = make_plane(784, share, 8.0 / 255 / 3, 37);
  ThreatModel coarse = threat();
  coarse.levels = 256;
  const Outcome outcome = run(plane.model, attack_, "{}", coarse, plane.block);
  EXPECT_EQ(outcome.count(), plane.block.size());
  const at::Tensor away = distance(outcome.claims.x, plane.block.x, norm_);
  // Whole levels, of the features that weigh most: a greedy choice of them.
  at::Tensor weight = std::get<0>(plane.w.abs().sort(0, /*descending=*/true));
  const double level = 8.0 / 255;
  for (int64_t i = 0; i < plane.block.size(); ++i) {
    const double margin = plane.block.x[i].to(at::kDouble).dot(plane.w).abs().item<double>();
    const auto count =
        static_cast<double>(weight.cumsum(0).mul(level).lt(margin).sum().item<int64_t>() + 1);
    const double greedy = norm_ == Norm::kLinf ? level
                          : norm_ == Norm::kL2 ? level * std::sqrt(count)
                          : norm_ == Norm::kL1 ? level * count
                                               : distances(plane, share, norm_)[i].item<double>();
    EXPECT_LE(away[i].item<double>(), 1.5 * greedy + level) << "sample " << i;
  }
}

std::string constraint_name(const ::testing::TestParamInfo<Constraint>& info) {
  return info.param.attack + "_" + std::string(to_string(info.param.norm));
}

bool any_norm(const AttackInfo&, Norm) { return true; }
// Suites give minimum-norm attacks no shares.
bool at_a_radius_in_linf(const AttackInfo& info, Norm norm) {
  return norm == Norm::kLinf && !info.minimum_norm;
}
// The others see shares in coordinates of their own, and FAB as walls.
bool in_the_ball(const AttackInfo& info, Norm norm) {
  return at_a_radius_in_linf(info, norm) && info.access != Access::kLabel && info.name != "fab";
}
// By labels alone the others need more queries, or find one level in linf anyhow.
bool nearest_on_levels(const AttackInfo& info, Norm norm) {
  return info.minimum_norm || info.name == "fab" ||
         (norm == Norm::kL2 && (info.name == "hop_skip_jump" || info.name == "geoda"));
}

bool at_a_radius_by_more_than_labels(const AttackInfo& info, Norm norm) {
  return (norm == Norm::kL2 || norm == Norm::kL1) && !info.minimum_norm &&
         info.access != Access::kLabel;
}

INSTANTIATE_TEST_SUITE_P(Attacks, Constrained, ::testing::ValuesIn(constraint_cases(any_norm)),
                         constraint_name);
INSTANTIATE_TEST_SUITE_P(Attacks, ByShares,
                         ::testing::ValuesIn(constraint_cases(at_a_radius_in_linf)),
                         constraint_name);
INSTANTIATE_TEST_SUITE_P(Attacks, BallsByLevels,
                         ::testing::ValuesIn(constraint_cases(at_a_radius_by_more_than_labels)),
                         constraint_name);
INSTANTIATE_TEST_SUITE_P(Attacks, InTheBall, ::testing::ValuesIn(constraint_cases(in_the_ball)),
                         constraint_name);
INSTANTIATE_TEST_SUITE_P(Attacks, ByLevels,
                         ::testing::ValuesIn(constraint_cases(nearest_on_levels)), constraint_name);

// A table may hold few attacks, as that of attacks/README.md does.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Constrained);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ByShares);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(BallsByLevels);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(InTheBall);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ByLevels);

}  // namespace
}  // namespace assay::testing
