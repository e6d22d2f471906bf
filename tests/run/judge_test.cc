#include "harness/run/judge.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/models.h"

namespace assay {
namespace {

using testing::Shape;
using testing::values;

// Label 1 if the first entry is above 0.5.
Model threshold_model() {
  return testing::linear_model(Shape{{2}, 2}, values({-1, 0, 1, 0}).view({2, 2}),
                               values({0.5, -0.5}));
}

Block samples(int64_t n) {
  Block block;
  block.x = at::full({n, 2}, 0.4F);
  block.y = at::zeros({n}, at::kLong);
  for (int64_t i = 0; i < n; ++i) block.ids.push_back(static_cast<uint64_t>(i));
  return block;
}

ThreatModel linf(double eps) {
  ThreatModel threat;
  threat.eps = eps;
  return threat;
}

Candidates claims(const Block& block, std::vector<double> first, std::vector<int64_t> success) {
  Candidates candidates{block.x.clone(), at::tensor(success, at::kLong).to(at::kBool)};
  candidates.x.select(1, 0).copy_(values(first));
  return candidates;
}

TEST(Judge, ConfirmsInvalidatesAndDeniesClaims) {
  const Model model = threshold_model();
  const Block block = samples(5);
  const Oracle oracle(model, linf(0.2), block, 0, 0);
  // in the ball and broken; outside the ball; inside, but not broken; no claim; outside the box
  const Candidates candidates = claims(block, {0.55, 0.7, 0.45, 0.55, 0.55}, {1, 1, 1, 0, 1});
  candidates.x[4][1] = -0.1;
  const JudgedBlock judged = judge_block(model, oracle, candidates, "fake");
  EXPECT_EQ(judged.rows[0].status, Status::kBroken);
  EXPECT_EQ(judged.rows[0].adversarial, 1);
  EXPECT_EQ(judged.rows[0].breaking_attack, "fake");
  EXPECT_NEAR(judged.rows[0].distance, 0.15, 1e-6);
  EXPECT_EQ(judged.rows[1].status, Status::kInvalid);
  EXPECT_EQ(judged.rows[2].status, Status::kUnconfirmed);
  EXPECT_EQ(judged.rows[3].status, Status::kRobust) << "what is not claimed is not judged";
  EXPECT_EQ(judged.rows[4].status, Status::kInvalid);
  EXPECT_EQ(judged.adversarials.size(0), 1);
  EXPECT_TRUE(judged.adversarials[0].equal(candidates.x[0]));
}

TEST(Judge, OnlyTheBoxBoundsPerturbationsOfTheirOwn) {
  const Model model = threshold_model();
  const Block block = samples(3);
  ThreatModel threat = linf(0);
  threat.eps.reset();
  threat.unbounded = true;
  const Oracle oracle(model, threat, block, 0, 0);
  const JudgedBlock judged =
      judge_block(model, oracle, claims(block, {1.0, 1.5, 0.3}, {1, 1, 1}), "fake");
  EXPECT_EQ(judged.rows[0].status, Status::kBroken);
  EXPECT_EQ(judged.rows[1].status, Status::kInvalid);
  EXPECT_EQ(judged.rows[2].status, Status::kUnconfirmed);
  for (const Verdict& row : judged.rows) EXPECT_TRUE(std::isinf(row.distance)) << "has no norm";
}

TEST(Judge, TheBallEndsWhereItsRadiusSays) {
  const Model model = threshold_model();
  const Block block = samples(2);
  const double eps = 0.15;
  const Oracle oracle(model, linf(eps), block, 0, 0);
  const float inside = static_cast<float>(0.4F + eps);
  const float outside = static_cast<float>(0.4F + eps + 3 * 0x1p-23);
  const JudgedBlock judged =
      judge_block(model, oracle, claims(block, {inside, outside}, {1, 1}), "fake");
  EXPECT_EQ(judged.rows[0].status, Status::kBroken);
  EXPECT_EQ(judged.rows[1].status, Status::kInvalid);
}

TEST(Judge, WhatTheOracleSawCountsWithoutAClaim) {
  const Model model = threshold_model();
  const Block block = samples(2);
  Oracle oracle(model, linf(0.2), block, 0, 0);
  oracle.logits(values({0.58, 0.4}).view({1, 2}), at::tensor({0}, at::kLong));
  const JudgedBlock judged = judge_block(model, oracle, claims(block, {0.4, 0.4}, {0, 0}), "fake");
  EXPECT_EQ(judged.rows[0].status, Status::kBroken);
  EXPECT_EQ(judged.rows[0].queries, 1);
  EXPECT_EQ(judged.rows[1].status, Status::kRobust);
  EXPECT_EQ(judged.rows[1].queries, 0);
}

TEST(Judge, AFailureOfTheModelIsItsError) {
  const Model model = testing::load_module(
      Shape{{2}, 2}, "def forward(self, x):\n    return torch.where(x == 0.25, x / 0.0, x)", {});
  const Block block = samples(2);
  Oracle oracle(model, linf(1.0), block, 0, 0);
  oracle.logits(values({0.4, 0.25}).view({1, 2}), at::tensor({1}, at::kLong));
  const JudgedBlock judged = judge_block(model, oracle, oracle.best(), "fake");
  EXPECT_EQ(judged.rows[1].status, Status::kError);
  EXPECT_EQ(judged.rows[1].cause, Cause::kCandidate);
}

}  // namespace
}  // namespace assay
