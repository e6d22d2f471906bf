#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/testing/extraction.h"

namespace assay::testing {
namespace {

constexpr const char* kSelections[] = {"entropy", "k_center", "dfal", "dfal_k_center"};

std::string params(const std::string& selection, const std::string& others) {
  return "{architecture: mlp, selection: " + selection + ", " + others + "}";
}

TEST(ActiveThief, AgreesMoreTheMoreItMayAsk) {
  enter_worker();
  const Model model = mlp_model(kSmallImages, 8, 1);
  const Pool pool = pool_of(random_uniform({2000, 1, 6, 6}, 2, 0, 1));
  const at::Tensor test = random_uniform({500, 1, 6, 6}, 3, 0, 1);
  for (const char* selection : kSelections) {
    const auto agreement = [&](int64_t budget) {
      const Heist heist =
          steal("active_thief", params(selection, "rounds: 3, candidates: 500, least_steps: 200"),
                model, pool, budget);
      EXPECT_EQ(heist.spent, budget);
      return agreement_of(model, surrogate_of(heist.theft, model.spec()), test);
    };
    const double few = agreement(20);
    const double many = agreement(800);
    EXPECT_GT(many, few + 0.05) << selection;
    EXPECT_GT(many, 0.9) << selection;
  }
}

TEST(ActiveThief, SendsNoRecordTwiceAndAllOfASmallPool) {
  enter_worker();
  const Model model = mlp_model(kSmallImages, 8, 1);
  const at::Tensor records = random_uniform({50, 1, 6, 6}, 2, 0, 1);
  for (const char* selection : kSelections) {
    const Heist heist = steal("active_thief", params(selection, "candidates: 1, least_steps: 0"),
                              model, pool_of(records), 80);
    ASSERT_EQ(heist.spent, 50);
    const at::Tensor same =
        heist.asked.flatten(1).unsqueeze(1).eq(records.flatten(1).unsqueeze(0)).all(2);
    EXPECT_TRUE(same.sum(0).eq(1).all().item<bool>()) << selection;
  }
}

// Two classes on either side of the plane through the box's centre: how near to it records lie that
// were asked after the seeds, against those before.
double nearness(const std::string& selection) {
  const Shape shape{.shape = {8}, .classes = 2};
  const at::Tensor w = random_normal({8}, 5);
  const Model model = linear_model(shape, at::stack({w, w.neg()}).mul(4),
                                   at::stack({w.sum().neg(), w.sum()}).mul(2));
  const Heist heist =
      steal("active_thief", params(selection, "rounds: 4, least_steps: 200, validation_share: 0"),
            model, pool_of(random_uniform({1500, 8}, 2, 0, 1)), 200);
  const at::Tensor away = heist.asked.sub(0.5).matmul(w).abs();
  return away.narrow(0, 20, 180).mean().div(away.narrow(0, 0, 20).mean()).item<double>();
}

TEST(ActiveThief, AsksWhereTheSurrogateIsLeastSure) {
  enter_worker();
  const double entropy = nearness("entropy");
  EXPECT_LT(entropy, 0.3);
  EXPECT_LT(nearness("dfal"), 0.3);
  EXPECT_LT(nearness("dfal_k_center"), 0.3);
  // Outputs unlike those learnt lie farther from the plane too.
  EXPECT_GT(nearness("k_center"), 1.5 * entropy);
}

// A pool that gives other records in place of some.
Pool replaced(const Pool& pool, std::vector<int64_t> positions) {
  Pool other = pool;
  other.read = [pool, positions](std::span<const int64_t> wanted) {
    at::Tensor x = pool.read(wanted).clone();
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (std::find(positions.begin(), positions.end(), wanted[i]) == positions.end()) continue;
      x[static_cast<int64_t>(i)].fill_(0.25);
    }
    return x;
  };
  return other;
}

TEST(ActiveThief, DoesNotTrainOnWhatItValidatesWith) {
  enter_worker();
  const Model model = mlp_model(kSmallImages, 8, 1);
  const Pool pool = pool_of(random_uniform({100, 1, 6, 6}, 2, 0, 1));
  // One round, which is the best whatever validation says.
  const std::string params =
      "{architecture: mlp, seed_share: 0.8, validation_share: 0.2, least_steps: 20}";
  const auto sent = std::make_shared<std::vector<int64_t>>();
  Pool watched = pool;
  watched.read = [pool, sent](std::span<const int64_t> positions) {
    sent->insert(sent->end(), positions.begin(), positions.end());
    return pool.read(positions);
  };
  const Heist heist = steal("active_thief", params, model, watched, 50);
  ASSERT_EQ(sent->size(), 50U);
  const std::vector<int64_t> validation(sent->begin(), sent->begin() + 10);
  const Heist other = steal("active_thief", params, model, replaced(pool, validation), 50);
  EXPECT_FALSE(other.asked.equal(heist.asked));
  EXPECT_EQ(other.theft.surrogate, heist.theft.surrogate);
  const Heist another = steal("active_thief", params, model, replaced(pool, {sent->back()}), 50);
  EXPECT_NE(another.theft.surrogate, heist.theft.surrogate);
}

TEST(ActiveThief, KeepsTheRoundThatValidatesBest) {
  enter_worker();
  const Model model = mlp_model(kSmallImages, 8, 1);
  const ModelSpec& spec = model.spec();
  const at::Tensor records = random_uniform({300, 1, 6, 6}, 2, 0, 1);
  const auto agreement = [&](const std::string& share) {
    const Extraction extraction =
        extraction_of("active_thief", params("entropy", "rounds: 4, validation_share: " + share));
    const Architecture architecture =
        Architecture::of(spec, spec.path, extraction.recipe.architecture);
    Victim victim(model, {}, 300, 1);
    // Only in its third round does the surrogate learn anything.
    const auto fresh = [&](int64_t round) {
      Recipe recipe = extraction.recipe;
      if (round != 2) recipe.learning_rate = 1e-9;
      return Surrogate(architecture, spec, recipe, static_cast<uint64_t>(round));
    };
    const Theft theft = extraction.extract(victim, pool_of(records), fresh, Rng(1, "", 0));
    return agreement_of(model, surrogate_of(theft, spec), records);
  };
  EXPECT_GT(agreement("0.2"), 0.8);
  EXPECT_LT(agreement("0"), 0.7);
}

// Rounded to nothing, answers leave the label open; drawn by the API's seed, and else the same,
// they validate now this round and now that.
TEST(ActiveThief, ValidatesWithTheLabelsThatOpenAnswersCameTo) {
  enter_worker();
  const Model model =
      linear_model(kSmallImages, random_normal({3, 36}, 1).mul(0.05), at::zeros({3}));
  const at::Tensor records = random_uniform({300, 1, 6, 6}, 2, 0, 1);
  const Surface surface{.kind = Surface::Kind::kRounded, .decimals = 0};
  const Extraction extraction = extraction_of(
      "active_thief", params("entropy", "rounds: 6, least_steps: 20, validation_share: 0.2"),
      surface);
  const Architecture architecture =
      Architecture::of(model.spec(), model.spec().path, extraction.recipe.architecture);
  const auto fresh = [&](int64_t round) {
    return Surrogate(architecture, model.spec(), extraction.recipe, static_cast<uint64_t>(round));
  };
  std::set<std::string> kept;
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    Victim victim(model, surface, 100, seed);
    kept.insert(extraction.extract(victim, pool_of(records), fresh, Rng(1, "", 0)).surrogate);
  }
  EXPECT_GT(kept.size(), 1U);
}

}  // namespace
}  // namespace assay::testing
