// Every flag on a model or an attack that is broken on purpose, and none on sound ones.
#include <gmock/gmock.h>

#include "harness/model/train.h"
#include "harness/record/encoding.h"
#include "tests/run/diagnosis_fixture.h"

namespace assay {
namespace {

using testing::broken_model;
using ::testing::Contains;
using testing::DiagnosisTest;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kShape;
using testing::Shape;
using ::testing::StartsWith;

// Every kind of attack, at radii that break some samples and leave others.
constexpr const char* kAttacks =
    "defaults: {norm: linf}\n"
    "attacks:\n"
    "  - {name: fgsm, attack: fgsm, eps: 0.05}\n"
    "  - {name: pgd, attack: pgd, eps: [0.02, 0.05], steps: 20}\n"
    "  - {name: twice, attack: pgd, eps: 0.05, steps: 40}\n"
    "  - {name: apgd, attack: apgd, eps: 0.05, steps: 30}\n"
    "  - {name: apgd2, attack: apgd, norm: l2, eps: 0.1, steps: 30}\n"
    "  - {name: apgd1, attack: apgd, norm: l1, eps: 0.3, steps: 30}\n"
    "  - {name: margin, attack: pgd, eps: 0.05, steps: 20, loss: margin}\n"
    "  - {name: towards, attack: pgd, eps: 0.05, steps: 20, goal: targeted, target: next}\n"
    "  - {name: noise, attack: noise, eps: 0.05, draws: 100}\n"
    "  - {name: square, attack: square, eps: 0.05, queries: 200}\n"
    "  - {name: near, attack: fmn, norm: l2, steps: 100, eps: [0.05, 0.1]}\n"
    "  - {name: aa, attack: ensemble, eps: 0.05, stages: [{attack: apgd, steps: 30}, "
    "{attack: square, queries: 100}]}\n";

// Sound models.

TEST_F(DiagnosisTest, ALinearModelHasNoFlags) {
  const Model model = broken_model("    return x.matmul(self.weight)\n");
  EXPECT_THAT(names(kAttacks, model), IsEmpty());
  const Diagnosis pgd = total("pgd@0.05");
  EXPECT_GT(pgd.gradients, 0);
  EXPECT_GT(pgd.standing, 10);
  EXPECT_EQ(pgd.traced, pgd.standing);
  EXPECT_GT(pgd.broken, 10);
  EXPECT_EQ(pgd.boxed, 4) << "1 of 32, and at least 4";
  EXPECT_EQ(total("").surrounded, 4);
  EXPECT_EQ(total("fgsm").boxed, 0) << "a single step need not succeed in the whole box";
  EXPECT_EQ(total("square").boxed, 0);
}

TEST_F(DiagnosisTest, ATrainedCnnHasNoFlags) {
  write_data(150, make_model(1));
  const Suite suite = make_suite(kAttacks);
  const Dataset dataset = Dataset::open(suite.data.at("test"), suite.model);
  const std::filesystem::path file = folder_ / "trained.pt";
  train(dataset, suite.model, {.epochs = 20, .seed = 1}, file, [](const EpochReport&) {});
  const Model model = Model::load(suite.model, file, 64, "cpu");
  EXPECT_THAT(names(kAttacks, model), IsEmpty());
  EXPECT_GT(total("pgd@0.05").standing, 10);
}

TEST_F(DiagnosisTest, ACnnWithRandomWeightsHasNoFlags) {
  EXPECT_THAT(names(kAttacks, make_model(1)), IsEmpty());
}

// Models that mask their gradients.

TEST_F(DiagnosisTest, AQuantisedModelIsSeenFromEverySide) {
  const Model model =
      broken_model("    x = torch.floor(x * 16.0) / 16.0\n    return x.matmul(self.weight)\n");
  const std::vector<std::string> found = names(kAttacks, model);
  EXPECT_THAT(found, Contains("zero_gradient pgd@0.05"));
  EXPECT_THAT(found, Contains("zero_gradient aa"));
  EXPECT_THAT(found, Contains("survives_whole_box pgd@0.05"));
  EXPECT_THAT(found, Contains("survives_whole_box apgd2"));
  EXPECT_THAT(found, Contains("survives_whole_box near")) << "all of a minimum-norm run's rows";
  EXPECT_THAT(found, Contains("black_box_beats_white_box aa")) << "by its own second stage";
}

TEST_F(DiagnosisTest, ASaturatedLayerHasZeroGradients) {
  const Model model = broken_model("    return torch.sigmoid(60.0 * x.matmul(self.weight))\n");
  const std::vector<std::string> found = names(kAttacks, model);
  EXPECT_THAT(found, Contains("zero_gradient pgd@0.05"));
  EXPECT_THAT(found, Contains("zero_gradient margin"));
}

// The cross-entropy of such logits underflows elsewhere; here its direction does not.
TEST_F(DiagnosisTest, LogitsOfAnyScaleHaveNoFlags) {
  const Model model = broken_model("    return 1e4 * x.matmul(self.weight)\n");
  EXPECT_THAT(names(kAttacks, model), IsEmpty());
}

TEST_F(DiagnosisTest, AGradientThatIsNanUnderAttackIsCountedAndNamesWhoStoodForIt) {
  // torch.where hides the infinity of log(0) from the output, never from the gradient.
  const Model model = broken_model(
      "    hidden = torch.where(x < 1.0, x, torch.log(1.0 - x) * 0.0 + 1.0)\n"
      "    hidden = torch.where(x < 1.0, hidden, torch.ones_like(x))\n"
      "    return hidden.matmul(self.weight)\n");
  const std::vector<Flag> found = flags(kAttacks, model);
  const auto flag = std::find_if(found.begin(), found.end(), [](const Flag& each) {
    return each.id == "nonfinite_gradient" && each.cell == "pgd@0.05";
  });
  ASSERT_NE(flag, found.end());
  const Diagnosis pgd = total("pgd@0.05");
  EXPECT_GT(pgd.nonfinite_gradients, 0);
  EXPECT_LT(pgd.nonfinite_gradients, pgd.gradients);
  EXPECT_GT(pgd.blinded, 0);
  EXPECT_THAT(flag->detail, HasSubstr(std::to_string(pgd.nonfinite_gradients) + " of " +
                                      std::to_string(pgd.gradients) + " gradients"));
  EXPECT_THAT(flag->detail, HasSubstr(std::to_string(pgd.blinded) + " of "));
}

TEST_F(DiagnosisTest, NoWayToAnotherLabelIsTakenWithoutAGradientOrThroughNoise) {
  names("attacks:\n  - {name: noise, attack: noise, norm: linf, eps: 0.05}\n",
        broken_model("    return x.matmul(self.weight).detach()\n"));
  EXPECT_EQ(total("").approached, 0);
  EXPECT_GT(total("").surrounded, 0);
}

TEST_F(DiagnosisTest, AJaggedModelHasUnstablePredictions) {
  const Model model = broken_model(
      "    jags = torch.sin(x * 3000.0).matmul(self.weight)\n"
      "    return x.matmul(self.weight) + jags\n");
  EXPECT_THAT(names(kAttacks, model), Contains("unstable_predictions "));
}

TEST_F(DiagnosisTest, AModelWithTheGradientOfAFewEntriesHasUnstablePredictions) {
  const Model model = broken_model(
      "    x = torch.cat([x[:, :5], x[:, 5:].detach()], 1)\n    return x.matmul(self.weight)\n");
  EXPECT_THAT(names(kAttacks, model), Contains("unstable_predictions "));
}

// Seven tenths decide, and have saturated: gradients and scores are those of the rest.
TEST_F(DiagnosisTest, AnEnsembleWhoseStrongestMemberHasSaturatedHasUnstablePredictions) {
  const Model model = broken_model(
      "    z = (x - 0.5).matmul(self.weight)\n"
      "    other = (x - 0.5).matmul(torch.flip(self.weight, [0]))\n"
      "    sure = torch.softmax(1e4 * z, 1)\n"
      "    return torch.log(0.7 * sure + 0.3 * torch.softmax(other, 1))\n");
  const std::vector<Flag> found = flags(kAttacks, model);
  EXPECT_TRUE(std::any_of(found.begin(), found.end(), [](const Flag& flag) {
    return flag.id == "unstable_predictions" &&
           flag.detail.find("way to the boundary") != std::string::npos;
  }));
}

// A model whose gradient leads astray near the clean input only.
TEST_F(DiagnosisTest, AGradientThatLeadsAstrayMakesLargerBallsAndMoreStepsNoBetter) {
  const Model model = broken_model(
      "    z = x.matmul(self.weight)\n"
      "    return z.detach() + (z.detach() - z) * 0.1\n");
  const std::vector<std::string> found = names(kAttacks, model);
  EXPECT_THAT(found, Contains("survives_whole_box pgd@0.05"));
  EXPECT_THAT(found, Contains(StartsWith("black_box_beats_white_box")));
}

// Gives its true labels on the pixels that images have, and one label wherever noise may land.
TEST_F(DiagnosisTest, ASampleThatGaveALabelOnlyAttackNoStartIsNamed) {
  const std::string attacks =
      "defaults: {norm: linf, queries: 200}\n"
      "attacks:\n  - {name: hsj, attack: hop_skip_jump}\n  - {name: rays, attack: rays, eps: 0.1}\n"
      "  - {name: geoda, attack: geoda}\n  - {name: walk, attack: boundary, norm: l2}\n"
      "  - {name: square, attack: square, eps: 0.1}\n"
      "  - {name: blind, attack: ensemble, eps: 0.1, stages: [{attack: rays}, {attack: geoda}]}\n"
      "  - {name: seeing, attack: ensemble, eps: 0.1, stages: [{attack: rays}, {attack: "
      "square}]}\n";
  const Model sound = broken_model("    return x.matmul(self.weight)\n");
  EXPECT_THAT(names(attacks, sound), Each(StartsWith("incomplete_optimisation")));
  for (const char* cell : {"hsj", "rays", "geoda", "walk", "square", "blind", "seeing"}) {
    EXPECT_EQ(total(cell).unstarted, 0) << cell;
  }
  const Model model = broken_model(
      "    off = torch.abs(x * 255.0 - torch.round(x * 255.0))\n"
      "    inner = torch.logical_and(x > 0.0, x < 1.0)\n"
      "    clean = torch.logical_and(off < 0.001, inner).all(1, True)\n"
      "    none = torch.zeros([x.size(0), 3])\n"
      "    none[:, 0] = 1.0\n"
      "    return torch.where(clean, x.matmul(self.weight), none)\n");
  const std::vector<std::string> found = names(attacks, model);
  for (const char* cell : {"hsj", "rays", "geoda", "walk", "blind"}) {
    EXPECT_THAT(found, Contains(std::string("no_starting_point ") + cell));
    EXPECT_GT(total(cell).unstarted, 10) << "all samples of label 0";
  }
  EXPECT_EQ(total("square").unstarted, 0) << "it starts from the clean input";
  EXPECT_GT(total("seeing").standing, 10);
  EXPECT_EQ(total("seeing").unstarted, 0) << "its other stage tried them";
}

// Attacks that fail by themselves.

TEST_F(DiagnosisTest, ABudgetThatIsNotExhaustedShowsInALargerOne) {
  const Model model = broken_model("    return x.matmul(self.weight)\n");
  const std::vector<std::string> found = names(
      "defaults: {norm: linf, eps: 0.05, step_size: 0.002, random_start: false}\n"
      "attacks:\n  - {name: few, attack: pgd, steps: 12}\n  - {name: many, attack: pgd, steps: "
      "24}\n",
      model);
  EXPECT_THAT(found, Contains("budget_not_exhausted few"));
}

TEST_F(DiagnosisTest, StepsTooShortForTheBallLoseAgainstASmallerOneAndASingleStep) {
  const Model model = broken_model("    return x.matmul(self.weight)\n");
  const std::vector<std::string> found = names(
      "defaults: {norm: linf}\n"
      "attacks:\n  - {name: short, attack: pgd, eps: [0.05, 0.4], steps: 12, step_size: 0.004}\n"
      "  - {name: fgsm, attack: fgsm, eps: 0.05}\n",
      model);
  EXPECT_THAT(found, Contains("not_monotone_in_eps short@0.4"));
  EXPECT_THAT(found, Contains(StartsWith("single_step_beats_iterative short")));
}

// Sees the nearest other class and returns the clean input all the same.
Attack forgetful() {
  Attack attack;
  attack.info = {.name = "forgetful", .norms = {Norm::kLinf}, .version = "1"};
  attack.bind = [](Params&, const ThreatModel&) {
    return Bound{[](Oracle& oracle, const Block& block, const Rng&) {
                   const at::Tensor rows = at::arange(block.size());
                   const Tape tape = oracle.tape(block.x, rows);
                   at::Tensor c = at::zeros_like(tape.logits());
                   c.scatter_(1, block.y.unsqueeze(1), -1.0);
                   const at::Tensor step = oracle.vjp(tape, c, rows).sign();
                   oracle.logits(block.x.add(step, 0.2).clamp(0, 1), rows);
                   return Candidates{block.x, at::zeros({block.size()}, at::kBool)};
                 },
                 {}};
  };
  attack.info.declare = [](Params&, const ThreatModel&) {};
  return attack;
}

TEST_F(DiagnosisTest, ASuccessThatTheAttackDoesNotClaimIsSilent) {
  attacks_.push_back(forgetful());
  infos_.push_back(attacks_.back().info);
  const Model model = broken_model("    return x.matmul(self.weight)\n");
  const std::vector<std::string> found =
      names("attacks:\n  - {name: silent, attack: forgetful, norm: linf, eps: 0.25}\n", model);
  EXPECT_THAT(found, Contains("silent_success silent"));
  EXPECT_EQ(total("silent").silent, total("silent").broken);
  EXPECT_GT(total("silent").broken, 10) << "the verdicts count them";
}

// What must not matter.

TEST_F(DiagnosisTest, CountsDoNotDependOnTheBlockSize) {
  const Model model = broken_model(
      "    return x.matmul(self.weight) + torch.sin(x * 3000.0).matmul(self.weight)\n");
  write_data(150, model);
  const auto totals = [&](const std::string& block) {
    evidence_ = run(make_suite(kAttacks, "run: {block: " + block + "}\n"), model, "store" + block);
    std::vector<Diagnosis> sums = {total("")};
    for (const char* cell : {"pgd@0.05", "apgd", "margin", "towards", "square", "aa", "near"}) {
      sums.push_back(total(cell));
    }
    return sums;
  };
  const std::vector<Diagnosis> small = totals("9");
  const std::vector<Diagnosis> large = totals("64");
  for (size_t i = 0; i < small.size(); ++i) {
    for (const DiagnosisField& field : kDiagnosisFields) {
      EXPECT_EQ(small[i].*field.field, large[i].*field.field) << i << " " << field.name;
    }
  }
}

}  // namespace
}  // namespace assay
