// Samples whose verdicts no pass may rest on: which rows say so, and which do not.
#include <gmock/gmock.h>

#include <cmath>

#include "tests/run/diagnosis_fixture.h"

namespace assay {
namespace {

using testing::broken_model;
using testing::DiagnosisTest;

class DoubtsTest : public DiagnosisTest {
 protected:
  // How many of a cell's standing samples have this doubt.
  int64_t doubted(const std::string& cell, Doubt doubt) const {
    int64_t count = 0;
    for (const UnitResult& unit : evidence_.units) {
      for (const Verdict& row : unit.rows) {
        if (unit.cell == cell && row.status == Status::kRobust) count += row.doubt == doubt;
      }
    }
    return count;
  }

  int64_t any_doubt() const {
    int64_t count = 0;
    for (const UnitResult& unit : evidence_.units) {
      for (const Verdict& row : unit.rows) {
        count += row.doubt != Doubt::kNone || std::isfinite(row.doubt_distance);
      }
    }
    return count;
  }
};

constexpr const char* kSound =
    "defaults: {norm: linf}\n"
    "attacks:\n"
    "  - {name: fgsm, attack: fgsm, eps: 0.05}\n"
    "  - {name: pgd, attack: pgd, eps: [0.02, 0.05], steps: 20}\n"
    "  - {name: towards, attack: apgd, eps: 0.05, steps: 20, goal: targeted, target: next}\n"
    "  - {name: held, attack: apgd, norm: l1, eps: 0.3, steps: 40, fixed: [2]}\n"
    "  - {name: near, attack: fmn, norm: l2, steps: 100, eps: [0.05, 0.1]}\n"
    "  - {name: df, attack: deepfool, norm: l2, fixed: [0, 1]}\n"
    "  - {name: square, attack: square, eps: 0.05, queries: 400}\n"
    "  - {name: fab, attack: fab, eps: 0.05, steps: 30}\n"
    "  - {name: fabs, attack: ensemble, eps: 0.05, stages: [{attack: fmn, steps: 30}, "
    "{attack: fab, steps: 30}]}\n"
    "  - {name: rays, attack: rays, queries: 400}\n"
    "  - {name: aa, attack: ensemble, eps: 0.05, stages: [{attack: apgd, steps: 30}, "
    "{attack: square, queries: 100}]}\n";

TEST_F(DoubtsTest, SoundModelsUnderSoundAttacksHaveNone) {
  flags(kSound, broken_model("    return x.matmul(self.weight)\n"));
  EXPECT_EQ(any_doubt(), 0);
  EXPECT_GT(total("pgd@0.05").standing, 10);
  flags(kSound, make_model(2));
  EXPECT_EQ(any_doubt(), 0);
}

// Of the same function, with a gradient that points back and with its own.
TEST_F(DoubtsTest, AStandingSampleThatARandomPointBreaksIsMarkedAndIsBreakable) {
  const std::string attacks =
      "attacks:\n"
      "  - {name: pgd, attack: pgd, norm: linf, eps: 0.1, steps: 20}\n"
      "  - {name: ens, attack: ensemble, norm: linf, eps: 0.1, stages: [{attack: pgd, steps: 20}, "
      "{attack: pgd, steps: 12}]}\n";
  flags(attacks, broken_model("    return x.matmul(self.weight)\n"));
  const auto sound = evidence_.rows(evidence_.header.cells[0]);
  flags(attacks, broken_model("    z = x.matmul(self.weight)\n    return 2.0 * z.detach() - z\n"));
  const auto rows = evidence_.rows(evidence_.header.cells[0]);
  int64_t marked = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i]->doubt == Doubt::kNone) continue;
    ++marked;
    EXPECT_EQ(rows[i]->doubt, Doubt::kChance);
    EXPECT_EQ(rows[i]->status, Status::kRobust);
    EXPECT_EQ(sound[i]->status, Status::kBroken);
    EXPECT_GT(rows[i]->doubt_distance, 0);
    EXPECT_LE(rows[i]->doubt_distance, 0.1 + 1e-6);
    EXPECT_EQ(rows[i]->detail, "");
  }
  EXPECT_GT(marked, 5);
  const auto stages = evidence_.rows(evidence_.header.cells[1]);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i]->doubt == Doubt::kNone || stages[i]->status != Status::kRobust) continue;
    EXPECT_EQ(stages[i]->doubt, Doubt::kChance) << "no stage that errs lifts the mark";
  }
}

TEST_F(DoubtsTest, OfAMinimumNormAttackTheMarkConcernsTheRadiiThatThePointLiesIn) {
  flags(
      "attacks:\n"
      "  - {name: near, attack: fmn, norm: linf, steps: 50, eps: [0.05, 0.3, 1]}\n"
      "  - {name: ddn, attack: ddn, norm: l2, steps: 50, goal: targeted, target: next}\n",
      broken_model("    z = x.matmul(self.weight)\n    return 2.0 * z.detach() - z\n"));
  const auto marked = [&](size_t cell) {
    int64_t count = 0;
    for (const auto& row : evidence_.rows(evidence_.header.cells[cell])) {
      const double eps = evidence_.header.cells[cell].threat.eps.value_or(1e9);
      EXPECT_EQ(row->doubt == Doubt::kChance, row->doubt_distance <= eps + 1e-6);
      count += row->doubt == Doubt::kChance;
    }
    return count;
  };
  EXPECT_LT(marked(0), marked(1));
  EXPECT_GT(marked(1), 10);
  EXPECT_LE(marked(1), marked(2));
  EXPECT_GT(marked(3), 10);
}

// One of four forwards of any point gives another label: the judge, who asks often, denies it.
TEST_F(DoubtsTest, APointThatBreaksASampleByALuckyForwardIsNoDoubt) {
  flags("attacks:\n  - {name: pgd, attack: pgd, norm: linf, eps: 0.05, steps: 20}\n",
        broken_model(
            "    lucky = (torch.rand([x.size(0), 1]) < 0.25).to(x.dtype)\n"
            "    none = torch.zeros([x.size(0), 2])\n"
            "    z = torch.cat([torch.ones_like(lucky), lucky * 2.0, torch.zeros_like(lucky)], 1)\n"
            "    return z + x.matmul(self.weight) * 0.0\n"));
  EXPECT_GT(total("pgd").standing, 50);
  EXPECT_EQ(any_doubt(), 0);
}

// Every entry of its gradient is NaN where `hidden` [n, 1] is 1.
std::string nan_where(const std::string& hidden) {
  return "    hidden = " + hidden +
         "\n"
         "    z = x.matmul(self.weight)\n"
         "    return z + torch.sqrt(x.sum(1, True) * 0.0 + (1.0 - hidden)) * 0.0\n";
}

TEST_F(DoubtsTest, WhereGradientsHeldNanOnlyAnotherStageWithStepsEnoughLiftsTheMark) {
  flags(
      "defaults: {norm: linf, eps: 0.001}\n"
      "attacks:\n"
      "  - {name: pgd, attack: pgd, steps: 5}\n"
      "  - {name: noise, attack: ensemble, stages: [{attack: pgd, steps: 5}, "
      "{attack: noise, draws: 1}]}\n"
      "  - {name: few, attack: ensemble, stages: [{attack: pgd, steps: 5}, "
      "{attack: square, queries: 100}]}\n"
      "  - {name: fgsm, attack: ensemble, stages: [{attack: fgsm}, {attack: pgd, steps: 20}]}\n"
      "  - {name: both, attack: ensemble, stages: [{attack: pgd, steps: 5}, "
      "{attack: square, queries: 200}]}\n",
      broken_model(nan_where("(x[:, :1] >= 0.0).to(x.dtype)")));
  for (const char* cell : {"pgd", "noise", "few", "fgsm", "both"}) {
    const int64_t standing = total(cell).standing;
    EXPECT_GT(standing, 100) << cell;
    EXPECT_EQ(doubted(cell, Doubt::kBlind), std::string(cell) == "both" ? 0 : standing) << cell;
  }
}

// Clean pixels are multiples of 1/255, and its gradient is right at them alone.
TEST_F(DoubtsTest, OneFiniteGradientDoesNotLiftTheMark) {
  flags(
      "attacks:\n  - {name: pgd, attack: pgd, norm: linf, eps: 0.002, steps: 20, step_size: "
      "0.0003, random_start: false}\n",
      broken_model(nan_where(
          "(torch.abs(x * 255.0 - torch.round(x * 255.0)) > 0.01).any(1, True).to(x.dtype)")));
  const Diagnosis pgd = total("pgd");
  EXPECT_LT(pgd.nonfinite_gradients, pgd.gradients);
  EXPECT_GT(pgd.standing, 100);
  EXPECT_EQ(doubted("pgd", Doubt::kBlind), pgd.standing);
}

// The gradient of one pixel is NaN where another comes near a multiple of 1/255.
TEST_F(DoubtsTest, AFewGradientsWithNanAreNoDoubt) {
  flags("attacks:\n  - {name: pgd, attack: pgd, norm: linf, eps: 0.02, steps: 20, restarts: 3}\n",
        broken_model("    at = torch.abs(x[:, :1] * 255.0 - torch.round(x[:, :1] * 255.0))\n"
                     "    inner = torch.logical_and(x[:, :1] > 0.0, x[:, :1] < 1.0)\n"
                     "    hidden = torch.logical_and(at < 0.03, inner).to(x.dtype)\n"
                     "    z = x.matmul(self.weight)\n"
                     "    return z + torch.sqrt(x[:, 1:2] * 0.0 + (1.0 - hidden)) * 0.0\n"));
  EXPECT_GT(total("pgd").blinded, 5);
  EXPECT_EQ(any_doubt(), 0);
}

TEST_F(DoubtsTest, DoNotDependOnTheBlockSize) {
  const Model model = broken_model(
      "    z = x.matmul(self.weight)\n"
      "    few = (x[:, 0:1] < 0.4).to(x.dtype)\n"
      "    return (2.0 * z.detach() - z) * few + z * (1.0 - few)\n");
  write_data(150, model);
  const auto rows = [&](const std::string& block) {
    evidence_ = run(make_suite("defaults: {norm: linf}\nattacks:\n"
                               "  - {name: pgd, attack: pgd, eps: 0.1, steps: 20}\n"
                               "  - {name: near, attack: fmn, steps: 50}\n",
                               "run: {block: " + block + "}\n"),
                    model, "s" + block);
    std::vector<std::optional<Verdict>> all = evidence_.rows(evidence_.header.cells[0]);
    for (const auto& row : evidence_.rows(evidence_.header.cells[1])) all.push_back(row);
    std::vector<std::pair<Doubt, double>> doubts;
    for (const auto& row : all) doubts.emplace_back(row->doubt, row->doubt_distance);
    return doubts;
  };
  const auto small = rows("9");
  EXPECT_GT(any_doubt(), 5);
  EXPECT_EQ(small, rows("64"));
}

}  // namespace
}  // namespace assay
