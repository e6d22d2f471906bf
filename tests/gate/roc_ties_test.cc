// Simulated coverage (seeded) of every bound of a ROC where scores take few values.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "harness/gate/roc.h"
#include "tests/gate/scores.h"

namespace assay {
namespace {

using testing::draw_uniform;

/// Probabilities of the scores 0, 1, …
using Masses = std::vector<double>;

Masses right(double accuracy) { return {1 - accuracy, accuracy}; }

/// Of a view out of `views` being right: what label_only counts.
Masses views(int views, double accuracy) {
  Masses masses(static_cast<size_t>(views) + 1);
  for (int k = 0; k <= views; ++k) {
    const double ways =
        std::lgamma(views + 1.0) - std::lgamma(k + 1.0) - std::lgamma(views - k + 1.0);
    masses[static_cast<size_t>(k)] =
        std::exp(ways + k * std::log(accuracy) + (views - k) * std::log(1 - accuracy));
  }
  return masses;
}

int draw_place(std::mt19937_64& engine, const Masses& masses) {
  double left = draw_uniform(engine);
  for (size_t i = 0; i < masses.size(); ++i) {
    left -= masses[i];
    if (left < 0) return static_cast<int>(i);
  }
  return static_cast<int>(masses.size()) - 1;
}

/// What is true of the scores of two populations.
struct TiedTruth {
  double auc = 0;
  double advantage = 0;
  double tpr = 0;
};

TiedTruth truth_of(const Masses& members, const Masses& non_members, double fpr) {
  TiedTruth truth;
  double tpr = 0;
  double realised = 0;
  for (size_t i = members.size(); i-- > 0;) {
    double below = 0;
    for (size_t j = 0; j < i; ++j) below += non_members[j];
    truth.auc += members[i] * (below + non_members[i] / 2);
    tpr += members[i];
    realised += non_members[i];
    truth.advantage = std::max(truth.advantage, tpr - realised);
    if (realised <= fpr + 1e-9) truth.tpr = tpr;
  }
  return truth;
}

struct TiedMisses {
  int below = 0;
  int above = 0;
  void count(const Bounded& bounds, double truth) {
    below += bounds.lower > truth + 1e-9 ? 1 : 0;
    above += bounds.upper < truth - 1e-9 ? 1 : 0;
  }
  /// No more than 5 % of the runs and three standard errors.
  void expect(int runs, const std::string& what) const {
    const double most = runs * 0.05 + 3 * std::sqrt(runs * 0.0475);
    EXPECT_LE(below, most) << what;
    EXPECT_LE(above, most) << what;
  }
};

struct Sizes {
  int members;
  int non_members;
};

std::string words(const Sizes& sizes, size_t population) {
  return std::to_string(sizes.members) + " and " + std::to_string(sizes.non_members) +
         " records of population " + std::to_string(population);
}

constexpr Sizes kSizes[] = {{5, 5},  {20, 20}, {50, 50},  {200, 200},
                            {5, 50}, {50, 5},  {20, 200}, {200, 20}};

TEST(TiedScores, GiveBoundsThatCoverAtEverySize) {
  constexpr int kRuns = 300;
  constexpr double kFpr = 0.05;
  const std::vector<std::pair<Masses, Masses>> populations = {
      {right(1), right(0.98)},
      {right(1), right(0.9)},
      {right(0.98), right(0.9)},
      {right(0.9), right(0.9)},
      {right(0.9), right(0.98)},
      {right(0.3), right(0.05)},  // the FPR of its threshold is the one asked for
      {right(0.8), right(0.045)},
      {{0.02, 0.96, 0.02}, {0.02, 0.96, 0.02}},
      {{0, 0.96, 0.04}, {0.04, 0.96, 0}},
      {{0.3, 0.4, 0.3}, {0.945, 0.035, 0.02}},
      {{0.3, 0.4, 0.3}, {0.95, 0.03, 0.02}},
      {views(2, 0.95), views(2, 0.8)},
      {views(18, 0.97), views(18, 0.9)},
      {views(18, 0.99), views(18, 0.99)},
  };
  std::mt19937_64 engine(21);
  for (const Sizes& sizes : kSizes) {
    for (size_t i = 0; i < populations.size(); ++i) {
      const auto& [in, out] = populations[i];
      const TiedTruth truth = truth_of(in, out, kFpr);
      TiedMisses auc, gain, tpr;
      for (int run = 0; run < kRuns; ++run) {
        ScoreSets scores;
        for (int k = 0; k < sizes.members; ++k) scores.members.push_back(draw_place(engine, in));
        for (int k = 0; k < sizes.non_members; ++k)
          scores.non_members.push_back(draw_place(engine, out));
        const Roc roc = make_roc(scores);
        auc.count(auc_with_bounds(scores, 0.95), truth.auc);
        gain.count(advantage(roc, 0.95), truth.advantage);
        // With fewer, no gate asks for it: ten false positives must be allowed.
        if (sizes.non_members * kFpr >= 10) {
          tpr.count(tpr_at_fpr(roc, kFpr, 0.95), truth.tpr);
        }
      }
      auc.expect(kRuns, "auc, " + words(sizes, i));
      gain.expect(kRuns, "advantage, " + words(sizes, i));
      tpr.expect(kRuns, "tpr, " + words(sizes, i));
    }
  }
}

TEST(TiedScores, ThatAreAllEqualBoundAucAsExactlyAsProportions) {
  // Five of five and five of five: TPR and FPR may each lie 0.05^(1/5) from 1, half of which an AUC
  // feels, and only one of them on each side.
  const std::vector<double> five(5, 1);
  const Bounded auc = auc_with_bounds({five, five, {}, {}}, 0.95);
  const double apart = std::hypot(1, 1) * 0.5 * (1 - std::pow(0.05, 0.2));
  EXPECT_NEAR(auc.lower, 0.5 - apart, 1e-9);
  EXPECT_NEAR(auc.upper, 0.5 + apart, 1e-9);
}

TEST(MisplacedScores, BoundTheAucWithinThreePointsOfTheStatedLevelHoweverFewTheyAre) {
  // Each member scores above all non-members, or with probability q below them all: AUC is 1 - q,
  // and of no two records the score is the same. All outcomes, by their probabilities.
  for (const int members : {20, 30, 50, 100}) {
    const auto bounds = [&](int misplaced) {
      ScoreSets scores;
      for (int i = 0; i < members; ++i) scores.members.push_back(i < misplaced ? -i - 1 : 1000 + i);
      for (int i = 0; i < 300; ++i) scores.non_members.push_back(i);
      return auc_with_bounds(scores, 0.95);
    };
    std::vector<Bounded> found;
    for (int k = 0; k <= members; ++k) found.push_back(bounds(k));
    for (double q = 0.002; q < 0.5; q *= 1.05) {
      double above = 0;
      double below = 0;
      for (int k = 0; k <= members; ++k) {
        const double ways =
            std::lgamma(members + 1.0) - std::lgamma(k + 1.0) - std::lgamma(members - k + 1.0);
        const double p = std::exp(ways + k * std::log(q) + (members - k) * std::log(1 - q));
        const Bounded& auc = found[static_cast<size_t>(k)];
        above += auc.lower > 1 - q ? p : 0;
        below += auc.upper < 1 - q ? p : 0;
      }
      EXPECT_LE(below, 0.08) << members << ' ' << q;
      EXPECT_LE(above, 0.08) << members << ' ' << q;
    }
  }
}

TEST(TiedScores, OfManyRecordsAreBoundedAsNearlyAsByDelong) {
  std::mt19937_64 engine(22);
  ScoreSets scores;
  for (int k = 0; k < 20'000; ++k) {
    scores.members.push_back(draw_place(engine, right(0.95)));
    scores.non_members.push_back(draw_place(engine, right(0.9)));
  }
  const Bounded auc = auc_with_bounds(scores, 0.95);
  const Auc found = delong(scores.members, scores.non_members);
  const double reach = normal_quantile(0.95) * std::sqrt(found.variance);
  EXPECT_LT(auc.upper - auc.value, 1.1 * reach);
  EXPECT_LT(auc.value - auc.lower, 1.1 * reach);
}

/// Masses of both models' scores of one record: 0 or 1 each.
struct Joint {
  double only_here;
  double only_there;
  double neither;
  Masses masses() const {
    return {neither, only_there, only_here, 1 - neither - only_there - only_here};
  }
  Masses here() const { return right(1 - neither - only_there); }
  Masses there() const { return right(1 - neither - only_here); }
};

struct JointPair {
  Joint members;
  Joint non_members;
};

std::pair<ScoreSets, ScoreSets> draw_pair(std::mt19937_64& engine, const Sizes& sizes,
                                          const JointPair& joint) {
  std::pair<ScoreSets, ScoreSets> scores;
  for (int k = 0; k < sizes.members; ++k) {
    const int both = draw_place(engine, joint.members.masses());
    scores.first.members.push_back(both / 2);
    scores.second.members.push_back(both % 2);
  }
  for (int k = 0; k < sizes.non_members; ++k) {
    const int both = draw_place(engine, joint.non_members.masses());
    scores.first.non_members.push_back(both / 2);
    scores.second.non_members.push_back(both % 2);
  }
  return scores;
}

constexpr double kPairedFpr = 0.05;
const JointPair kJoints[] = {
    {{0.01, 0.01, 0.01}, {0.01, 0.01, 0.01}}, {{0.08, 0, 0.01}, {0, 0, 0.1}},
    {{0.05, 0.05, 0.1}, {0.05, 0.05, 0.1}},   {{0.1, 0, 0}, {0.02, 0.02, 0.1}},
    {{0.03, 0, 0.65}, {0.01, 0, 0.945}},  // FPR 0.055 here and 0.045 there
    {{0.1, 0, 0.65}, {0, 0.03, 0.925}},
};

TEST(PairedAdvantage, IsBoundedWithinItsRange) {
  // Perfect against chance: the bias that widens the bounds does not carry them beyond 1.
  ScoreSets perfect, chance;
  for (int i = 0; i < 20; ++i) {
    perfect.members.push_back(100 + i);
    perfect.non_members.push_back(i);
    chance.members.push_back(7 * i % 20);
    chance.non_members.push_back(7 * i % 20 + 0.5);
  }
  EXPECT_LE(advantage_difference(perfect, chance, 0.95, 1).upper, 1);
  EXPECT_GE(advantage_difference(chance, perfect, 0.95, 1).lower, -1);
}

TEST(TiedPairs, GiveBoundsOfTheAucThatCoverAtEverySize) {
  constexpr int kRuns = 600;
  std::mt19937_64 engine(23);
  for (const Sizes& sizes : kSizes) {
    for (size_t i = 0; i < std::size(kJoints); ++i) {
      const JointPair& joint = kJoints[i];
      const double truth =
          truth_of(joint.members.here(), joint.non_members.here(), kPairedFpr).auc -
          truth_of(joint.members.there(), joint.non_members.there(), kPairedFpr).auc;
      TiedMisses auc;
      for (int run = 0; run < kRuns; ++run) {
        const auto [here, there] = draw_pair(engine, sizes, joint);
        auc.count(auc_difference(here, there, 0.95), truth);
      }
      auc.expect(kRuns, words(sizes, i));
    }
  }
}

TEST(TiedPairs, GiveBootstrapBoundsThatCover) {
  constexpr int kRuns = 60;
  std::mt19937_64 engine(24);
  for (const Sizes& sizes : {Sizes{5, 5}, Sizes{20, 20}, Sizes{50, 50}, Sizes{20, 100}}) {
    for (size_t i = 0; i < std::size(kJoints); ++i) {
      const JointPair& joint = kJoints[i];
      const TiedTruth here = truth_of(joint.members.here(), joint.non_members.here(), kPairedFpr);
      const TiedTruth there =
          truth_of(joint.members.there(), joint.non_members.there(), kPairedFpr);
      TiedMisses gain, tpr;
      for (int run = 0; run < kRuns; ++run) {
        const auto [one, two] = draw_pair(engine, sizes, joint);
        const uint64_t seed = static_cast<uint64_t>(run);
        gain.count(advantage_difference(one, two, 0.95, seed), here.advantage - there.advantage);
        tpr.count(tpr_difference(one, two, kPairedFpr, 0.95, seed), here.tpr - there.tpr);
      }
      gain.expect(kRuns, "advantage, " + words(sizes, i));
      tpr.expect(kRuns, "tpr, " + words(sizes, i));
    }
  }
}

}  // namespace
}  // namespace assay
