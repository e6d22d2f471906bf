#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/extraction.h"

namespace assay::testing {
namespace {

using Kind = Surface::Kind;

// One hidden layer whose planes cut the box through its middle or near it.
struct Net {
  at::Tensor first, offset, second, bias;  // [h, d], [h], [K, h], [K]
  Model model;
};

// The first `always` neurons are on in all of the box, and the last `rare` ones in 0.2 % of it.
Net make_net(const Shape& shape, int64_t width, uint64_t seed, int64_t always = 0,
             int64_t rare = 0) {
  const int64_t d = shape.size();
  const at::Tensor first =
      random_normal({width, d}, seed, at::kDouble).div(std::sqrt(static_cast<double>(d)));
  const double middle = (shape.lo + shape.hi) / 2;
  const at::Tensor offset =
      random_normal({width}, seed + 1, at::kDouble).mul(0.2).sub(first.sum(1).mul(middle));
  offset.narrow(0, 0, always).add_(10);
  const at::Tensor inside = random_uniform({20000, d}, seed + 4, shape.lo, shape.hi, at::kDouble);
  for (int64_t i = width - rare; i < width; ++i) {
    offset[i] = -inside.matmul(first[i]).quantile(0.998);
  }
  const at::Tensor second = random_normal({shape.classes, width}, seed + 2, at::kDouble);
  const at::Tensor bias = random_normal({shape.classes}, seed + 3, at::kDouble);
  const auto typed = [&](const at::Tensor& x) { return x.to(shape.dtype).contiguous(); };
  return {first, offset, second, bias,
          load_module(shape, R"(
def forward(self, x):
    hidden = torch.relu(torch.flatten(x, 1).matmul(self.first) + self.offset)
    return hidden.matmul(self.second) + self.bias
)",
                      {{"first", typed(first.t())},
                       {"offset", typed(offset)},
                       {"second", typed(second.t())},
                       {"bias", typed(bias)}})};
}

// Largest difference of log-probabilities in the box.
double largest_error(const Model& model, const Model& surrogate) {
  const ModelSpec& spec = model.spec();
  std::vector<int64_t> sizes = {1000};
  sizes.insert(sizes.end(), spec.shape.begin(), spec.shape.end());
  const at::Tensor x = random_uniform(sizes, 77, spec.lo, spec.hi, model.dtype());
  const auto log = [&](const Model& m) { return m.judge(x).to(at::kDouble).log_softmax(1); };
  return log(model).sub(log(surrogate)).abs().max().item<double>();
}

TEST(ReluRecovery, GivesAFloat64NetworkBack) {
  enter_worker();
  for (const Kind kind : {Kind::kLogits, Kind::kProbabilities}) {
    for (const int64_t classes : {2, 3}) {
      for (const auto& [d, width] : {std::pair<int64_t, int64_t>{10, 8}, {20, 16}}) {
        const Net net = make_net({{d}, classes, at::kDouble}, width, static_cast<uint64_t>(d));
        const Heist heist = steal("relu_recovery", "{}", net.model, Pool{}, 10000, {.kind = kind});
        const Model surrogate = surrogate_of(heist.theft, net.model.spec());
        EXPECT_LT(largest_error(net.model, surrogate), 1e-6) << d << " " << classes;
        EXPECT_EQ(heist.theft.findings.at("hidden_width"), width);
        EXPECT_EQ(heist.theft.findings.at("linear_rank"), 0);
        EXPECT_LT(heist.theft.findings.at("residual"), 1e-7);
        EXPECT_EQ(heist.theft.findings.at("one_hidden_layer"), 1);
      }
    }
  }
}

TEST(ReluRecovery, GivesAFloat32NetworkBackTo1e4) {
  enter_worker();
  for (const Kind kind : {Kind::kLogits, Kind::kProbabilities}) {
    for (const auto& [d, width] : {std::pair<int64_t, int64_t>{10, 8}, {20, 16}}) {
      const Net net = make_net({{d}, 3}, width, 10);
      const Heist heist = steal("relu_recovery", "{}", net.model, Pool{}, 10000, {.kind = kind});
      const Model surrogate = surrogate_of(heist.theft, net.model.spec());
      EXPECT_EQ(heist.theft.findings.at("hidden_width"), width);
      EXPECT_EQ(heist.theft.findings.at("one_hidden_layer"), 1);
      EXPECT_LT(largest_error(net.model, surrogate), 1e-4) << d << " " << to_string(kind);
      const at::Tensor x = random_uniform({2000, d}, 5, 0, 1);
      EXPECT_GT(agreement_of(net.model, surrogate, x), 0.9995);
    }
  }
}

TEST(ReluRecovery, NeuronsThatNeverSwitchAreALinearTerm) {
  enter_worker();
  const Net net = make_net({{6}, 4, at::kDouble, -1, 1}, 10, 4, 4);
  const Heist heist = steal("relu_recovery", "{}", net.model, Pool{}, 20000);
  EXPECT_EQ(heist.theft.findings.at("hidden_width"), 6);
  EXPECT_EQ(heist.theft.findings.at("linear_rank"), 3);  // of 4 classes, less their mean
  EXPECT_LT(largest_error(net.model, surrogate_of(heist.theft, net.model.spec())), 1e-6);
}

// Few lines meet their planes, and so patience ends before they are found.
TEST(ReluRecovery, FindsNeuronsThatAreSeldomOn) {
  enter_worker();
  for (const at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const Net net = make_net({{10}, 3, dtype}, 12, 3, 0, 3);
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      const Heist heist =
          steal("relu_recovery", "{}", net.model, Pool{}, 30000, {.kind = Kind::kLogits}, seed);
      EXPECT_EQ(heist.theft.findings.at("hidden_width"), 12) << dtype << ' ' << seed;
      EXPECT_EQ(heist.theft.findings.at("one_hidden_layer"), 1);
      const double error = largest_error(net.model, surrogate_of(heist.theft, net.model.spec()));
      // Few answers of float32 tell of them.
      EXPECT_LT(error, dtype == at::kDouble ? 1e-6 : 1e-3) << seed;
      EXPECT_LT(heist.spent, 30000) << "nothing is left to look for";
    }
  }
}

TEST(ReluRecovery, ALinearModelHasNoNeurons) {
  enter_worker();
  const Model model = linear_model({{9}, 3, at::kDouble}, random_normal({3, 9}, 1, at::kDouble),
                                   random_normal({3}, 2, at::kDouble));
  for (const int64_t budget : {10, 500}) {
    const Heist heist = steal("relu_recovery", "{}", model, Pool{}, budget);
    EXPECT_EQ(heist.theft.findings.at("hidden_width"), 0);
    EXPECT_LT(largest_error(model, surrogate_of(heist.theft, model.spec())), 1e-9);
  }
}

TEST(ReluRecovery, ALargerBudgetFindsMore) {
  enter_worker();
  const Net net = make_net({{16}, 3, at::kDouble}, 12, 5);
  const auto found = [&](int64_t budget) {
    const Heist heist = steal("relu_recovery", "{}", net.model, Pool{}, budget);
    EXPECT_LE(heist.spent, budget);
    const Model surrogate = surrogate_of(heist.theft, net.model.spec());
    return std::pair(heist.theft.findings.at("hidden_width"), largest_error(net.model, surrogate));
  };
  const auto [few, rough] = found(300);
  const auto [all, exact] = found(3000);
  EXPECT_LT(few, 12);
  EXPECT_EQ(all, 12);
  EXPECT_LT(exact, 1e-6);
  EXPECT_GT(rough, exact);
}

TEST(ReluRecovery, SaysWhereAModelIsNoNetworkOfOneHiddenLayer) {
  enter_worker();
  const Shape shape{{8}, 3, at::kDouble};
  const Model smooth = load_module(shape, R"(
def forward(self, x):
    return torch.tanh(x.matmul(self.first) * 4 - 2).matmul(self.second)
)",
                                   {{"first", random_normal({8, 6}, 1, at::kDouble)},
                                    {"second", random_normal({6, 3}, 2, at::kDouble)}});
  for (const int64_t budget : {30, 300, 3000}) {
    const Heist heist = steal("relu_recovery", "{}", smooth, Pool{}, budget);
    EXPECT_EQ(heist.theft.findings.at("one_hidden_layer"), 0) << budget;
  }
  // The budget ends before the neurons do, or before there is an equation to check them by.
  const Net net = make_net({{16}, 3, at::kDouble}, 12, 5);
  const Heist part = steal("relu_recovery", "{}", net.model, Pool{}, 300);
  EXPECT_EQ(part.theft.findings.at("one_hidden_layer"), 0);
  EXPECT_FALSE(steal("relu_recovery", "{}", net.model, Pool{}, 10)
                   .theft.findings.contains("one_hidden_layer"));
}

TEST(ReluRecovery, StopsWhereLinesBringNothingNew) {
  enter_worker();
  const Net net = make_net({{10}, 3, at::kDouble}, 8, 6);
  EXPECT_LT(steal("relu_recovery", "{}", net.model, Pool{}, 100000).spent, 5000);
  EXPECT_THROW(extraction_of("relu_recovery", "{patience: 0}"), Error);
}

}  // namespace
}  // namespace assay::testing
