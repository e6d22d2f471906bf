#include <gtest/gtest.h>

#include "harness/model/head.h"
#include "tests/testing/extraction.h"

namespace assay::testing {
namespace {

using Kind = Surface::Kind;

// Tanh features of this width under a linear head.
Model head_model(const Shape& shape, int64_t width, bool bias, uint64_t seed,
                 ModelSpec::Output output = ModelSpec::Output::kLogits) {
  ModelSpec spec = to_spec(shape, {});
  spec.output = output;
  const double on = bias ? 1 : 0;
  const std::string end = output == ModelSpec::Output::kProbabilities ? ".softmax(1)" : "";
  return load_module(spec,
                     "def forward(self, x):\n"
                     "    hidden = torch.tanh(torch.flatten(x, 1).matmul(self.first))\n"
                     "    return (hidden.matmul(self.second) + self.bias)" +
                         end + "\n",
                     {{"first", random_normal({shape.size(), width}, seed, shape.dtype)},
                      {"second", random_normal({width, shape.classes}, seed + 1, shape.dtype)},
                      {"bias", random_normal({shape.classes}, seed + 2, shape.dtype).mul(on)}});
}

Theft look(const Model& model, Kind kind, int64_t budget = 300) {
  return steal("last_layer", "{}", model, Pool{}, budget, {.kind = kind}).theft;
}

TEST(LastLayer, FindsTheWidthOfAHeadThatHasMoreClasses) {
  enter_worker();
  uint64_t seed = 1;
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    for (const auto& [width, classes] :
         {std::pair<int64_t, int64_t>{1, 4}, {3, 10}, {8, 10}, {16, 40}}) {
      for (const bool bias : {false, true}) {
        const Shape shape{{20}, classes, dtype, -1, 1};
        const Model model = head_model(shape, width, bias, ++seed);
        for (const Kind kind : {Kind::kLogits, Kind::kProbabilities}) {
          const Theft theft = look(model, kind);
          ASSERT_EQ(theft.findings.count("hidden_width"), 1U)
              << width << " of " << classes << " " << to_string(kind);
          EXPECT_EQ(theft.findings.at("hidden_width"), width) << classes << to_string(kind);
          EXPECT_EQ(theft.findings.at("full_rank"), 0);
          EXPECT_LT(theft.findings.at("rms"), dtype == at::kFloat ? 1e-5 : 1e-13);
          EXPECT_TRUE(theft.surrogate.empty());
        }
      }
    }
  }
}

TEST(LastLayer, GivesTheLayerUpToAMapOfItsWidth) {
  enter_worker();
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    const Model model = head_model({{20}, 40, dtype, -1, 1}, 16, true, 9);
    for (const Kind kind : {Kind::kLogits, Kind::kProbabilities}) {
      const at::Tensor head = look(model, kind).head;
      ASSERT_EQ(head.sizes(), at::IntArrayRef({40, 16}));
      EXPECT_LT(head_misfit(model, head).value(), dtype == at::kFloat ? 1e-5 : 1e-12)
          << to_string(kind);
    }
  }
  EXPECT_FALSE(
      look(head_model({{20}, 10, at::kFloat, -1, 1}, 32, true, 5), Kind::kLogits).head.defined());
}

TEST(LastLayer, ProbabilitiesOfTheModelItselfTellItToo) {
  enter_worker();
  const Shape shape{{20}, 12, at::kFloat, -1, 1};
  const Model model = head_model(shape, 5, true, 3, ModelSpec::Output::kProbabilities);
  EXPECT_EQ(look(model, Kind::kProbabilities).findings.at("hidden_width"), 5);
  EXPECT_EQ(look(model, Kind::kLogits).findings.at("hidden_width"), 5);
}

TEST(LastLayer, OneClassMoreIsEnoughWithLogitsAndNotWithProbabilities) {
  // Rows of log-probabilities less their mean have a dimension less.
  enter_worker();
  const Model model = head_model({{20}, 9, at::kFloat, -1, 1}, 8, true, 4);
  EXPECT_EQ(look(model, Kind::kLogits).findings.at("hidden_width"), 8);
  EXPECT_EQ(look(model, Kind::kProbabilities).findings.at("full_rank"), 1);
}

TEST(LastLayer, NamesNoWidthWhereNoneShows) {
  enter_worker();
  const Model wide = head_model({{20}, 10, at::kFloat, -1, 1}, 32, true, 5);
  const Model narrow = head_model({{20}, 10, at::kFloat, -1, 1}, 4, true, 6);
  const std::vector<Theft> thefts = {
      look(wide, Kind::kLogits), look(wide, Kind::kProbabilities),
      look(narrow, Kind::kLogits, 4),  // rows that span 3 dimensions
      look(linear_model({{3}, 3}, at::zeros({3, 3}), at::ones({3})), Kind::kLogits)};
  for (const Theft& theft : thefts) {
    EXPECT_EQ(theft.findings.at("full_rank"), 1);
    EXPECT_EQ(theft.findings.count("hidden_width"), 0U);
  }
}

TEST(LastLayer, SendsRecordsOfThePoolWhereThereAreSome) {
  enter_worker();
  const Model model = head_model({{20}, 10, at::kFloat, -1, 1}, 4, true, 7);
  const at::Tensor records = random_uniform({50, 20}, 8, -1, 1);
  const Heist heist = steal("last_layer", "{}", model, pool_of(records), 80);
  EXPECT_EQ(heist.spent, 50);
  EXPECT_EQ(heist.theft.findings.at("hidden_width"), 4);
}

}  // namespace
}  // namespace assay::testing
