// Attacks that did not converge are flagged, whatever else they sent.
#include <gmock/gmock.h>

#include "tests/run/diagnosis_fixture.h"

namespace assay {
namespace {

using testing::broken_model;
using ::testing::Contains;
using testing::DiagnosisTest;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(DiagnosisTest, TooFewStepsAreAnIncompleteOptimisation) {
  const Model model = broken_model("    return x.matmul(self.weight)\n");
  const std::vector<std::string> found = names(
      "attacks:\n  - {name: slow, attack: pgd, norm: linf, eps: 0.05, steps: 12, step_size: 0.001, "
      "random_start: false}\n",
      model);
  EXPECT_THAT(found, Contains("incomplete_optimisation slow"));
}

TEST_F(DiagnosisTest, OfAnEnsembleTheLastStageThatTellsHasTheLastWord) {
  const Model model = broken_model("    return x.matmul(self.weight)\n");
  const std::string slow = "{attack: pgd, steps: 12, step_size: 0.001, random_start: false}";
  const std::string sound = "{attack: apgd, steps: 30}";
  const auto entry = [](const std::string& name, const std::string& stages) {
    return "  - {name: " + name + ", attack: ensemble, stages: [" + stages + "]}\n";
  };
  const std::vector<std::string> found =
      names("defaults: {norm: linf, eps: 0.05}\nattacks:\n" + entry("better", slow + ", " + sound) +
                entry("worse", sound + ", " + slow) +
                entry("scores", sound + ", {attack: square, queries: 30}") +
                entry("labels", slow + ", {attack: rays, queries: 20}"),
            model);
  EXPECT_GT(total("better").standing, 10);
  EXPECT_EQ(total("better").unfinished, 0);
  EXPECT_THAT(found, Contains("incomplete_optimisation worse"));
  EXPECT_EQ(total("scores").unfinished, 0) << "scores take back nothing that gradients told";
  EXPECT_THAT(found, Contains("incomplete_optimisation labels")) << "labels take none back";
}

// Neither scores nor labels show that gradients had steps enough, and a stage that sees more and
// has too few says so however those before it ended.
TEST_F(DiagnosisTest, OfAnEnsembleAStageThatSeesLessTakesNothingBack) {
  const Model model = broken_model("    return x.matmul(self.weight)\n");
  const std::string slow = "{attack: pgd, steps: 12, step_size: 0.001, random_start: false}";
  const std::string hasty = "{attack: pgd, steps: 3, step_size: 0.002, random_start: false}";
  const std::string hunt = "{attack: sign_hunter, queries: 400}";
  const auto entry = [](const std::string& name, const std::string& stages) {
    return "  - {name: " + name + ", attack: ensemble, stages: [" + stages + "]}\n";
  };
  const std::vector<std::string> found =
      names("defaults: {norm: linf, eps: 0.02}\nattacks:\n" + entry("slow", slow + ", " + hunt) +
                entry("hasty", hasty + ", " + hunt) +
                entry("rays", hasty + ", {attack: rays, queries: 2000}") +
                entry("before", hunt + ", " + hasty) +
                entry("sound", hasty + ", " + hunt + ", {attack: apgd, steps: 30}") +
                "  - {name: hunt, attack: sign_hunter, queries: 400}\n",
            model);
  for (const char* cell : {"slow", "hasty", "rays", "before"}) {
    EXPECT_GT(total(cell).standing, 10) << cell;
    EXPECT_THAT(found, Contains(std::string("incomplete_optimisation ") + cell));
  }
  for (const char* cell : {"sound", "hunt"}) {
    EXPECT_EQ(total(cell).traced, total(cell).standing) << cell;
    EXPECT_THAT(found, Not(Contains(std::string("incomplete_optimisation ") + cell)));
  }
}

// One lucky draw, or a point that rounding takes back, is no search that came to no end.
TEST_F(DiagnosisTest, AttacksByLabelsThatTakeNoStepsAreNeverIncomplete) {
  const std::string cells =
      "defaults: {norm: linf, eps: 0.05}\nattacks:\n"
      "  - {name: pgd, attack: pgd, steps: 20}\n"
      "  - {name: noise, attack: noise, draws: 50, levels: 40}\n"
      "  - {name: again, attack: transfer, source: pgd, levels: 40}\n"
      "  - {name: voted, attack: noise, draws: 50}\n";
  const Model sound = broken_model("    return x.matmul(self.weight)\n");
  for (const std::string& flag : names(cells, sound)) {
    EXPECT_THAT(flag, Not(HasSubstr("incomplete_optimisation"))) << "rounded";
  }
  EXPECT_GT(total("again").standing, 10);
  const Model random = broken_model(
      "    z = x.matmul(self.weight)\n"
      "    return z + torch.randn([x.size(0), 3])\n");
  flags(cells, random);
  EXPECT_GT(total("voted").standing, 0);
  EXPECT_EQ(total("voted").hasty + total("voted").unfinished, 0) << "voted down";
}

TEST_F(DiagnosisTest, TooFewStepsToTellAreAnIncompleteOptimisationWhereTheAttackIterates) {
  const Model model = broken_model("    return x.matmul(self.weight)\n");
  const std::vector<std::string> found = names(
      "defaults: {norm: linf, eps: 0.05}\n"
      "attacks:\n  - {name: pgd3, attack: pgd, steps: 3}\n"
      "  - {name: pgd1, attack: pgd, steps: 1}\n"
      "  - {name: apgd8, attack: apgd, steps: 8}\n  - {name: fab3, attack: fab, steps: 3}\n"
      "  - {name: nes9, attack: nes, queries: 800}\n"
      "  - {name: l1, attack: apgd, norm: l1, eps: 0.3, steps: 12}\n"
      "  - {name: square5, attack: square, queries: 5}\n"
      "  - {name: stages, attack: ensemble, stages: [{attack: fgsm}, {attack: pgd, steps: 3}]}\n"
      "  - {name: later, attack: ensemble, stages: [{attack: pgd, steps: 3}, {attack: apgd, steps: "
      "30}]}\n"
      "  - {name: fgsm, attack: fgsm}\n  - {name: rays, attack: rays, queries: 8}\n",
      model);
  for (const char* cell : {"pgd3", "pgd1", "apgd8", "fab3", "l1", "square5", "nes9", "stages"}) {
    EXPECT_THAT(found, Contains(std::string("incomplete_optimisation ") + cell));
    EXPECT_GT(total(cell).hasty, 0) << cell;
  }
  for (const char* cell : {"later", "fgsm", "rays"}) {
    EXPECT_GT(total(cell).standing, 10);
    EXPECT_EQ(total(cell).hasty, 0) << cell;
  }
}

// What an attack sends beside its iterates makes none of them better.
TEST_F(DiagnosisTest, RestartsTargetsDrawsProbesAndCopiesHideNoUnfinishedAttack) {
  const Model model = broken_model("    return x.matmul(self.weight)\n");
  const std::string slow = "attack: pgd, steps: 12, step_size: 0.001, random_start: false";
  const std::vector<std::string> found = names(
      "defaults: {norm: linf, eps: 0.05}\nattacks:\n"
      "  - {name: restarts, attack: pgd, steps: 3, step_size: 0.004, restarts: 10}\n"
      "  - {name: longer, attack: pgd, steps: 12, step_size: 0.001, restarts: 10}\n"
      "  - {name: targets, attack: apgd, loss: dlr, targets: 2, steps: 6, restarts: 2}\n"
      "  - {name: draws, attack: pgd, steps: 4, eot: 10}\n"
      "  - {name: slow_draws, " +
          slow +
          ", eot: 3}\n"
          "  - {name: scaled, " +
          slow +
          ", scale_copies: 5}\n"
          "  - {name: diverse, " +
          slow +
          ", diverse_prob: 1}\n"
          "  - {name: probes, attack: nes, queries: 600, step_size: 0.001}\n",
      model);
  for (const char* cell :
       {"restarts", "longer", "targets", "draws", "slow_draws", "scaled", "diverse", "probes"}) {
    EXPECT_GT(total(cell).standing, 10) << cell;
    EXPECT_THAT(found, Contains(std::string("incomplete_optimisation ") + cell));
  }
}

TEST_F(DiagnosisTest, ANearestPointThatIsStillComingNearerIsAnIncompleteOptimisation) {
  const Model model = broken_model("    return x.matmul(self.weight)\n");
  const std::vector<std::string> found = names(
      "attacks:\n"
      "  - {name: l0, attack: sigma_zero, steps: 5}\n"
      "  - {name: fmn, attack: fmn, norm: l2, steps: 6, eps: [0.05, 0.5]}\n"
      "  - {name: ddn, attack: ddn, steps: 12, gamma: 0.02, radius: 100, loss: margin}\n"
      "  - {name: towards, attack: pdpgd, norm: l2, steps: 4, goal: targeted}\n"
      "  - {name: ddn_stage, attack: ensemble, norm: l2, eps: 0.001, stages: [{attack: ddn, steps: "
      "5}]}\n"
      "  - {name: deepfool, attack: deepfool, norm: l2, eps: 0.05}\n"
      "  - {name: deepfool2, attack: super_deepfool, norm: l2, eps: 0.05}\n",
      model);
  for (const char* cell : {"l0", "fmn", "towards", "ddn_stage"}) {
    EXPECT_THAT(found, Contains(std::string("incomplete_optimisation ") + cell));
  }
  for (const char* cell : {"deepfool", "deepfool2"}) {
    EXPECT_THAT(found, Not(Contains(std::string("incomplete_optimisation ") + cell)))
        << "it ends by itself";
  }
}

TEST_F(DiagnosisTest, ByLabelsAloneTooSmallABudgetIsAnIncompleteOptimisation) {
  const Model model = broken_model("    return x.matmul(self.weight)\n");
  const std::string cells =
      "  - {name: rays, attack: rays, norm: linf, eps: 0.03, queries: 20}\n"
      "  - {name: hsj, attack: hop_skip_jump, norm: l2, eps: 0.05, queries: 60}\n"
      "  - {name: geoda, attack: geoda, norm: l2, eps: 0.05, queries: 200}\n"
      "  - {name: walk, attack: boundary, norm: l2, eps: 0.05, queries: 1000}\n"
      "  - {name: nearest, attack: hop_skip_jump, norm: linf, queries: 60}\n";
  const std::vector<std::string> found = names("attacks:\n" + cells, model);
  for (const char* cell : {"rays", "hsj", "geoda", "walk", "nearest"}) {
    EXPECT_GT(total(cell).unfinished, 10) << cell;
    EXPECT_THAT(found, Contains(std::string("incomplete_optimisation ") + cell));
  }
}

// In balls of three and two eps its margin falls farther than it ever may.
TEST_F(DiagnosisTest, WhatL1ApgdSeesInItsLargerBallsHidesNothing) {
  const Model model = broken_model("    return x.matmul(self.weight)\n");
  flags("attacks:\n  - {name: l1, attack: apgd, norm: l1, eps: 0.3, steps: 30}\n", model);
  const Diagnosis l1 = total("l1");
  EXPECT_GT(l1.standing, 10);
  EXPECT_EQ(l1.traced, l1.standing) << "13 queries in the ball";
}

}  // namespace
}  // namespace assay
