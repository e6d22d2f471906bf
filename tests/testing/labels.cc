#include "tests/testing/labels.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "harness/model/ball.h"
#include "tests/testing/attacks.h"

namespace assay::testing {

ThreatModel label_only(Norm norm, const Model& model, std::optional<double> eps) {
  ThreatModel threat;
  threat.norm = norm;
  threat.eps = eps;
  threat.lo = model.spec().lo;
  threat.hi = model.spec().hi;
  threat.access = Access::kLabel;
  return threat;
}

at::Tensor best_of(const Attack& attack, const std::string& params, Norm norm, const Model& model,
                   const Block& block) {
  const Outcome outcome = run(model, attack, params, label_only(norm, model), block);
  const at::Tensor away = distance(outcome.claims.x, block.x, norm);
  return at::where(outcome.claims.success, away,
                   at::full_like(away, std::numeric_limits<double>::infinity()));
}

double median_of_best(const Attack& attack, const std::string& params, Norm norm,
                      const Model& model, const Block& block) {
  return best_of(attack, params, norm, model, block).median().item<double>();
}

void expect_close_to_the_plane(const Attack& attack, Norm norm, const Shape& given,
                               const std::string& params, double factor) {
  Shape shape = given;
  shape.lo = -5;
  shape.hi = 5;
  const at::Tensor w = random_normal({shape.size()}, 71, at::kDouble);
  const Model model =
      linear_model(shape, at::stack({at::zeros_like(w), w}), values({0.0, 0.0}, at::kDouble));
  Block block = random_block(model, 4, 72);
  const double margin = 0.3;
  const at::Tensor x = block.x.to(at::kDouble).flatten(1).mul(0.2);  // [n, d]
  const at::Tensor off = x.matmul(w).add(margin).div(w.dot(w));      // [n]
  block.x = x.sub(off.unsqueeze(1).mul(w)).reshape(block.x.sizes()).to(shape.dtype);
  block.y = at::zeros({4}, at::kLong);  // w·x = −margin
  ASSERT_TRUE(model.judge(block.x).argmax(1).equal(block.y));
  const double dual = norm == Norm::kLinf ? w.abs().sum().item<double>()
                      : norm == Norm::kL2 ? w.norm().item<double>()
                                          : w.abs().max().item<double>();
  const at::Tensor ratio = best_of(attack, params, norm, model, block).div(margin / dual);
  for (int64_t i = 0; i < 4; ++i) {
    const double times = ratio[i].item<double>();
    EXPECT_LE(times, factor) << to_string(norm) << " d " << shape.size() << " sample " << i;
    EXPECT_GE(times, 0.999) << to_string(norm) << " d " << shape.size() << " sample " << i;
  }
}

Model rare_model() {
  return load_module(Shape{{1, 6, 6}, 2},
                     "def forward(self, x):\n"
                     "    off = torch.abs(torch.flatten(x, 1).mean(1) - 0.125)\n"
                     "    return torch.stack([off - 0.075, 0.075 - off], 1)\n",
                     {});
}

void expect_more_starts(const Attack& attack) {
  const Model model = rare_model();
  const Block block = random_block(model, 6, 3);
  ASSERT_TRUE(block.y.eq(0).all().item<bool>());
  for (const Norm norm : attack.info.norms) {
    const Outcome outcome =
        run(model, attack, "{starts: 1, queries: 600}", label_only(norm, model), block);
    EXPECT_EQ(outcome.count(), 6) << to_string(norm);
  }
}

void expect_nothing_without_start(const Attack& attack) {
  const Shape shape{{6}, 3};
  const Model model = linear_model(shape, at::zeros({3, 6}), values({0.0, 1.0, 0.0}));
  const Block block = random_block(model, 3, 73);
  const Outcome outcome =
      run(model, attack, "{queries: 40}", label_only(attack.info.norms[0], model), block);
  EXPECT_EQ(outcome.count(), 0);
  EXPECT_TRUE(outcome.claims.x.equal(block.x));
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_GT(outcome.queries[i].item<int64_t>(), 0);
    EXPECT_LE(outcome.queries[i].item<int64_t>(), 40);
  }
}

void expect_all_labels_used(const Attack& attack, int64_t queries) {
  const Model model = mlp_model({{12}, 4}, 16, 76);
  const Block block = random_block(model, 10, 77);
  for (const Norm norm : attack.info.norms) {
    const Outcome outcome = run(model, attack, "{queries: " + std::to_string(queries) + "}",
                                label_only(norm, model), block);
    EXPECT_EQ(outcome.count(), 10);
    EXPECT_TRUE(outcome.queries.eq(queries).all().item<bool>())
        << to_string(norm) << outcome.queries;
  }
}

void expect_rows_alone_alike(const Attack& attack, const std::string& params) {
  const Model model = cnn_model({{1, 4, 5}, 4}, 74);
  const Block block = random_block(model, 9, 75);
  for (const Norm norm : attack.info.norms) {
    const ThreatModel threat = label_only(norm, model);
    const Outcome whole = run(model, attack, params, threat, block);
    EXPECT_GT(whole.count(), 0);
    for (const std::vector<int64_t>& some : {std::vector<int64_t>{4}, {8, 0, 3}}) {
      const Outcome part = run(model, attack, params, threat, select(block, some));
      for (size_t k = 0; k < some.size(); ++k) {
        const auto i = static_cast<int64_t>(k);
        EXPECT_EQ(row_bytes(part.claims.x, i), row_bytes(whole.claims.x, some[k]))
            << to_string(norm);
        EXPECT_EQ(part.queries[i].item<int64_t>(), whole.queries[some[k]].item<int64_t>());
      }
    }
  }
}

}  // namespace assay::testing
