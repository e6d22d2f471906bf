// Monitors against what thieves send in truth: attacks on a small network that knows images.
#include <gtest/gtest.h>

#include "tests/monitor/traffic.h"
#include "tests/testing/extraction.h"

namespace assay::testing {
namespace {

class Notice : public ::testing::Test {
 protected:
  static constexpr int64_t kLearnt = 3000;

  void SetUp() override { enter_worker(); }

  static at::Tensor images(int64_t begin, int64_t end) {
    const std::span<const float> values = fashion().view().inputs;
    return at::tensor(at::ArrayRef<float>(values.data(), values.size()))
        .reshape({-1, 1, 28, 28})
        .narrow(0, begin, end - begin);
  }

  static Model victim() {
    const ModelSpec spec = to_spec({.shape = {1, 28, 28}, .classes = 10}, "");
    const Recipe recipe{.architecture = "cnn", .epochs = 4};
    Surrogate network(Architecture::of(spec, "", "cnn"), spec, recipe, 1);
    const at::Tensor labels = at::tensor(fashion().labels).narrow(0, 0, kLearnt);
    network.fit(images(0, kLearnt), at::one_hot(labels, 10).to(at::kDouble));
    Theft itself;
    itself.surrogate = network.save();
    return surrogate_of(itself, spec);
  }

  // Queries with an alarm of prada, of all that the thief sent.
  static std::pair<size_t, int64_t> alarms(const Model& model, const std::string& attack,
                                           const std::string& params) {
    const Heist heist = steal(attack, params, model, pool_of(images(5000, 6000)), 600,
                              {.kind = Surface::Kind::kLabel});
    const at::Tensor rows = heist.asked.contiguous();
    const float* value = rows.const_data_ptr<float>();
    const int64_t* label = heist.labels.const_data_ptr<int64_t>();
    QueryStream stream;
    stream.inputs.assign(value, value + rows.numel());
    stream.width = 784;
    stream.labels.assign(label, label + heist.labels.size(0));
    const Alarms seen = detector("{ monitor: prada }")(stream.view());
    return {seen.queries.size(), seen.checks};
  }
};

TEST_F(Notice, PradaNoticesJacobianAugmentationAndMissesNaturalImages) {
  const Model model = victim();
  const at::Tensor unseen = at::tensor(fashion().labels).narrow(0, 8000, 1000);
  EXPECT_GT(
      model.judge(images(8000, 9000)).argmax(1).eq(unseen).to(at::kDouble).mean().item<double>(),
      0.75);
  for (const char* more : {"", ", variant: targeted_random"}) {
    const std::string params =
        "{architecture: cnn, epochs: 1, least_steps: 100" + std::string(more);
    EXPECT_GT(alarms(model, "jbda", params + "}").first, 150U) << more;
  }
  const auto [queries, checks] =
      alarms(model, "knockoff", "{architecture: cnn, epochs: 1, least_steps: 0}");
  EXPECT_EQ(queries, 0U);
  EXPECT_GT(checks, 20);
}

}  // namespace
}  // namespace assay::testing
