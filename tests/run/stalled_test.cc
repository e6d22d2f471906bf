// Attacks that went nowhere: flagged where a sound attack would have gone somewhere, and nowhere
// else.
#include <gmock/gmock.h>

#include "tests/run/diagnosis_fixture.h"

namespace assay {
namespace {

using ::testing::AllOf;
using testing::broken_model;
using ::testing::Contains;
using testing::DiagnosisTest;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kShape;
using ::testing::Not;
using ::testing::StartsWith;

class StalledTest : public DiagnosisTest {
 protected:
  std::string detail(const std::string& id, const std::string& attacks, const Model& model) {
    for (const Flag& flag : flags(attacks, model)) {
      if (flag.id == id) return flag.detail;
    }
    return "";
  }
};

// What neither comparisons nor a try in the whole box saw: goals with a target, features that may
// not move or not so far, samples with balls of their own.
constexpr const char* kConfined =
    "defaults: {norm: linf}\n"
    "attacks:\n"
    "  - {name: towards, attack: apgd, eps: 0.05, steps: 20, goal: targeted, target: next}\n"
    "  - {name: held, attack: apgd, eps: 0.05, steps: 20, fixed: [3]}\n"
    "  - {name: shares, attack: pgd, eps: 0.05, steps: 20, feature_scale: [1, 1, 1, 1, 1, 1, 1, 1, "
    "0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]}\n"
    "  - {name: far, attack: fmn, steps: 50, goal: targeted, target: random, eps: [0.1, 0.3]}\n"
    "  - {name: near, attack: fmn, steps: 50, fixed: [3]}\n"
    "  - {name: long, attack: ddn, norm: l2, steps: 50, goal: targeted, target: next}\n"
    "  - {name: df, attack: deepfool, norm: l2, fixed: [0, 1]}\n"
    "  - {name: l1, attack: apgd, norm: l1, eps: 0.3, steps: 40, fixed: [2]}\n"
    "  - {name: l0, attack: fmn, norm: l0, steps: 50, goal: targeted, target: next}\n"
    "  - {name: fab, attack: fab, eps: 0.05, steps: 20}\n"
    "  - {name: two, attack: ensemble, eps: 0.05, goal: targeted, target: next, stages: [{attack: "
    "pgd, steps: 20}, {attack: apgd, loss: margin, steps: 20}]}\n";
constexpr const char* kConfinedEntries[] = {"towards", "held", "shares", "far", "near",
                                            "long",    "df",   "l1",     "l0",  "two"};

TEST_F(StalledTest, SoundModelsHaveNoFlagWhateverIsHeldStillOrAimedAt) {
  // Twenty steps are few, which is another matter.
  const auto each = Each(StartsWith("incomplete_optimisation"));
  EXPECT_THAT(names(kConfined, broken_model("    return x.matmul(self.weight)\n")), each);
  EXPECT_THAT(names(kConfined, testing::odd_model(kShape, 32, 5)), each);
  EXPECT_THAT(names(kConfined, make_model(2)), each);
}

TEST_F(StalledTest, GradientsThatPointBackAreSeenInEveryKindOfCell) {
  const Model model = broken_model(
      "    z = x.matmul(self.weight)\n"
      "    return 2.0 * z.detach() - z\n");
  const std::vector<std::string> found = names(kConfined, model);
  for (const char* entry : kConfinedEntries) {
    EXPECT_THAT(found, Contains(std::string("stalled_optimisation ") + entry));
  }
  EXPECT_THAT(found, Contains("survives_whole_box shares"));
  EXPECT_THAT(found, Contains("survives_whole_box near"));
  EXPECT_THAT(found, Contains("survives_whole_box far"));
}

// Each gradient is the function's own, and turns within a step of the attack; in the whole box a
// step is long enough to break by luck.
TEST_F(StalledTest, GradientsThatTurnWithinAStepAreSeenByTheirMean) {
  const std::string attacks =
      "attacks:\n  - {name: pgd, attack: pgd, norm: linf, eps: 0.1, steps: 40, loss: margin}\n";
  const std::string straight = "    return z.matmul(self.weight)\n";
  const std::string jagged = "    z = x + 0.02 * torch.sin(500.0 * x)\n" + straight;
  const auto found = names(attacks, broken_model(jagged));
  EXPECT_THAT(found, Contains("stalled_optimisation pgd"));
  const Diagnosis shattered = total("pgd");
  EXPECT_GT(shattered.standing, 20);
  EXPECT_GT(shattered.averaged, shattered.standing / 8) << "one in four is looked at";
  EXPECT_LT(shattered.averaged, shattered.standing / 2);
  EXPECT_GT(shattered.turned, 2);
  EXPECT_LE(shattered.turned, shattered.averaged);
  EXPECT_THAT(detail("stalled_optimisation", attacks, broken_model(jagged)),
              HasSubstr(std::to_string(shattered.turned) + " of " +
                        std::to_string(shattered.averaged) + " samples"));
  int64_t marked = 0;
  for (const auto& row : evidence_.rows(evidence_.header.cells[0])) {
    marked += row->doubt == Doubt::kChance;
  }
  EXPECT_GT(marked, 2);
  EXPECT_THAT(names(attacks, broken_model("    z = x\n" + straight)),
              Not(Contains("stalled_optimisation pgd")));
  EXPECT_LT(total("pgd").standing, shattered.standing);
}

TEST_F(StalledTest, GradientsOfSomethingElseAreSeenWhereNothingBoundsTheDistance) {
  const Model model = broken_model(
      "    z = x.matmul(self.weight)\n"
      "    other = torch.flip(x, [1]).matmul(torch.flip(self.weight, [1])) * 5.0\n"
      "    return z.detach() + other - other.detach()\n");
  const std::vector<std::string> found = names(kConfined, model);
  for (const char* entry : {"long", "df"}) {
    EXPECT_THAT(found, Contains(std::string("stalled_optimisation ") + entry));
  }
  for (const char* entry : {"far", "near"}) {
    EXPECT_THAT(found, Contains(std::string("survives_whole_box ") + entry));
  }
}

// Features that may move and change nothing, or no more in the right direction.
TEST_F(StalledTest, ASampleThatCannotBeBrokenIsNoFailure) {
  const std::string still =
      "attacks:\n"
      "  - {name: one, attack: pgd, norm: linf, eps: 0.05, steps: 20, random_start: false, fixed: "
      "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]}\n"
      "  - {name: near, attack: fmn, norm: linf, steps: 50, fixed: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, "
      "11, 12, 13, 14, 15]}\n";
  EXPECT_THAT(names(still, broken_model("    x = torch.cat([x[:, 0:1] * 0.01, x[:, 1:]], 1)\n"
                                        "    return x.matmul(self.weight)\n")),
              IsEmpty());
  EXPECT_GT(total("near").standing, 50);
  EXPECT_THAT(names(still, broken_model("    x = torch.cat([x[:, 0:1] * 0.0, x[:, 1:]], 1)\n"
                                        "    return x.matmul(self.weight)\n")),
              Not(Contains(HasSubstr("stalled"))));
}

TEST_F(StalledTest, ScoresThatNeverMoveAreSeenWithGradientsAndWithout) {
  const Model model = broken_model(
      "    z = x.matmul(self.weight)\n"
      "    hard = 10.0 * (z >= z.max(1, True)[0]).to(z.dtype)\n"
      "    return (hard - z).detach() + z\n");
  const std::string attacks =
      "attacks:\n"
      "  - {name: apgd, attack: apgd, norm: linf, eps: 0.05, steps: 20}\n"
      "  - {name: square, attack: square, norm: linf, eps: 0.05, queries: 400}\n"
      "  - {name: rays, attack: rays, norm: linf, eps: 0.05, queries: 400}\n";
  const std::vector<std::string> found = names(attacks, model);
  EXPECT_THAT(found, Contains("stalled_optimisation apgd"));
  EXPECT_THAT(found, Contains("stalled_optimisation square"));
  EXPECT_THAT(found, Not(Contains("stalled_optimisation rays")));
  EXPECT_THAT(detail("stalled_optimisation", attacks, model),
              AllOf(HasSubstr("the same all over the ball"), HasSubstr("piecewise constant")));
}

// A tenth of the samples is too few for shares of all gradients.
TEST_F(StalledTest, AFewMaskedSamplesAreSeen) {
  const std::string attacks =
      "attacks:\n  - {name: apgd, attack: apgd, norm: linf, eps: 0.03, steps: 20}\n"
      "  - {name: pgd, attack: pgd, norm: linf, eps: 0.03, steps: 20}\n";
  const std::string mask =
      "    z = x.matmul(self.weight)\n"
      "    few = (x[:, 0:1] < 0.1).to(x.dtype)\n";
  const Model back =
      broken_model(mask + "    return (2.0 * z.detach() - z) * few + z * (1.0 - few)\n");
  const std::vector<std::string> found = names(attacks, back);
  EXPECT_THAT(found, Contains("stalled_optimisation apgd"));
  EXPECT_THAT(found, Contains("stalled_optimisation pgd"));
  const Model none = broken_model(mask + "    return z.detach() * few + z * (1.0 - few)\n");
  EXPECT_THAT(names(attacks, none),
              AllOf(Contains("stalled_optimisation apgd"), Contains("zero_gradient apgd")));
  EXPECT_THAT(detail("zero_gradient", attacks, none), HasSubstr("all that it saw of "));
}

TEST_F(StalledTest, CountsDoNotDependOnTheBlockSize) {
  const Model model = broken_model(
      "    z = x.matmul(self.weight)\n"
      "    few = (x[:, 0:1] < 0.4).to(x.dtype)\n"
      "    return (2.0 * z.detach() - z) * few + z * (1.0 - few)\n");
  write_data(150, model);
  const auto totals = [&](const std::string& block) {
    evidence_ = run(make_suite(kConfined, "run: {block: " + block + "}\n"), model, "s" + block);
    std::vector<int64_t> counts;
    for (const char* entry : kConfinedEntries) {
      const Diagnosis sum = total(entry);
      counts.insert(counts.end(),
                    {sum.stalled, sum.averaged, sum.turned, sum.flat, sum.boxed, sum.withstood});
    }
    return counts;
  };
  EXPECT_EQ(totals("9"), totals("64"));
}

}  // namespace
}  // namespace assay
