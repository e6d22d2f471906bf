#include "tests/testing/scores.h"

#include <gtest/gtest.h>

#include "tests/testing/attacks.h"
#include "tests/testing/linear.h"

namespace assay::testing {

ThreatModel score_ball(const Model& model, Norm norm, double eps) {
  ThreatModel threat;
  threat.norm = norm;
  threat.eps = eps;
  threat.lo = model.spec().lo;
  threat.hi = model.spec().hi;
  threat.access = Access::kScore;
  return threat;
}

void expect_flips_at(const Attack& attack, const std::string& params, double factor) {
  for (const Norm norm : attack.info.norms) {
    for (Shape shape : {Shape{{12}, 2}, Shape{{2, 3, 5}, 2}, Shape{{100}, 2, at::kDouble}}) {
      shape.lo = -4;
      shape.hi = 4;
      const LinearCase flat = linear_case(shape, norm);
      const double closest = flat.closest.max().item<double>();
      const auto count = [&](double times) {
        const ThreatModel threat = score_ball(flat.model, norm, times * closest);
        return run(flat.model, attack, params, threat, flat.block).count();
      };
      EXPECT_EQ(count(factor), flat.block.size()) << to_string(norm) << " d " << shape.size();
      EXPECT_EQ(count(0.99), 0) << to_string(norm) << " d " << shape.size();
    }
  }
}

void expect_all_queries_used(const Attack& attack, int64_t queries) {
  const Model model = mlp_model({{20}, 4}, 32, 43);
  const Block block = random_block(model, 40, 44);
  const std::string params = "{queries: " + std::to_string(queries) + "}";
  const Outcome outcome = run(model, attack, params, score_ball(model, Norm::kLinf, 0.02), block);
  EXPECT_LT(outcome.count(), 40);
  for (int64_t i = 0; i < 40; ++i) {
    const int64_t spent = outcome.queries[i].item<int64_t>();
    if (outcome.claimed(i)) {
      EXPECT_LE(spent, queries);
    } else {
      EXPECT_EQ(spent, queries);
    }
  }
}

void expect_gain_from_queries(const Attack& attack) {
  const Model model = mlp_model({{40}, 4}, 32, 41);
  const Block block = random_block(model, 150, 42);
  for (const Norm norm : attack.info.norms) {
    const ThreatModel threat = score_ball(model, norm, norm == Norm::kLinf ? 0.03 : 0.2);
    const int64_t few = run(model, attack, "{queries: 3, pairs: 1}", threat, block).count();
    const int64_t more = run(model, attack, "{queries: 1000}", threat, block).count();
    EXPECT_GT(more, few) << to_string(norm);
    EXPECT_GT(more, 30) << to_string(norm);
    EXPECT_LT(more, 150) << to_string(norm);
  }
}

}  // namespace assay::testing
