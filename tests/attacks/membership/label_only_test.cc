#include <gtest/gtest.h>

#include "harness/suite/error.h"
#include "tests/testing/membership.h"

namespace assay::testing {
namespace {

TEST(LabelOnly, CountsViewsThatAreRight) {
  // Three views of two records of class 0.
  const at::Tensor logits = numbers({1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1}).view({3, 2, 2});
  const at::Tensor scores = scores_of("label_only", "{}", outputs_of(logits, {0, 0}, 2));
  EXPECT_TRUE(scores.allclose(numbers({1, 1.0 / 3})));
}

TEST(LabelOnly, SeesLabelsAlone) {
  const Scene scene = imagine({.population = 100, .shadows = 2, .views = 18});
  Outputs sharper = scene.outputs;
  sharper.logits = scene.outputs.logits.mul(3);
  for (const char* params : {"{}", "{shadows: 2}"}) {
    Outputs outputs = scene.outputs;
    if (std::string(params) == "{}") outputs.shadows = sharper.shadows = 0;
    EXPECT_TRUE(
        scores_of("label_only", params, outputs).equal(scores_of("label_only", params, sharper)));
    outputs.shadows = sharper.shadows = 2;
  }
}

TEST(LabelOnly, ShadowsTeachWhichViewsCount) {
  // The first view tells members, and 17 are noise.
  World world{
      .members = 500, .population = 1000, .shadows = 2, .views = 18, .shift = 0, .difficulty = 0.5};
  Scene scene = imagine(world);
  const auto mark = [&](const at::Tensor& logits, const at::Tensor& in) {
    const at::Tensor odds = at::where(in, 3, -3).to(at::kDouble);
    logits[0].copy_(logits_with(odds, scene.outputs.labels, world.classes));
  };
  const at::Tensor all = at::arange(scene.outputs.labels.size(0)).lt(500);
  mark(scene.outputs.logits, all);
  for (int64_t s = 0; s < 2; ++s) mark(scene.shadow_logits[s], scene.outputs.in[s]);
  const double learnt =
      auc_of(scores_of("label_only", "{shadows: 2}", scene.outputs), scene.member);
  scene.outputs.shadows = 0;
  const double counted = auc_of(scores_of("label_only", "{}", scene.outputs), scene.member);
  EXPECT_GT(learnt, 0.95);
  EXPECT_LT(counted, learnt);
}

TEST(LabelOnly, BoundaryIsTheDistance) {
  Outputs outputs = outputs_of(at::zeros({3, 2}), {0, 0, 1}, 3);
  outputs.distances = numbers({0.5, 0, 2});
  EXPECT_TRUE(scores_of("label_only", "{mode: boundary}", outputs).equal(numbers({0.5, 0, 2})));
  EXPECT_EQ(inference_of("label_only", "{mode: boundary}").boundary_queries, 2500);
  EXPECT_EQ(inference_of("label_only", "{mode: boundary}").views, 1);
  EXPECT_EQ(inference_of("label_only", "{mode: boundary, queries: 100}").boundary_queries, 100);
}

TEST(LabelOnly, RefusesSettingsOfTheOtherMode) {
  EXPECT_THROW(inference_of("label_only", "{mode: boundary, views: 2}"), Error);
  EXPECT_THROW(inference_of("label_only", "{mode: boundary, shadows: 2}"), Error);
  EXPECT_THROW(inference_of("label_only", "{mode: boundary, train_records: 20}"), Error);
  EXPECT_THROW(inference_of("label_only", "{queries: 100}"), Error);
  EXPECT_THROW(inference_of("label_only", "{mode: online}"), Error);
  // The recipe may come from the suite's defaults.
  const Inference boundary = inference_of("label_only", "{mode: boundary, epochs: 3}");
  EXPECT_EQ(boundary.views, 1);
  EXPECT_EQ(boundary.shadows.count, 0);
  EXPECT_FALSE(boundary.population);
}

}  // namespace
}  // namespace assay::testing
