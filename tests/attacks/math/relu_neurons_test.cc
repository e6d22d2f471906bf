#include "attacks/math/relu_neurons.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/models.h"

namespace assay::attacks {
namespace {

using testing::random_normal;

// relu(u · first + offset) · second, on the cube.
struct CubeNet {
  at::Tensor first, offset, second;  // [d, h], [h], [h, K]

  at::Tensor operator()(const at::Tensor& points) const {
    return points.matmul(first).add(offset).relu().matmul(second);
  }
  Probe probe(int64_t* asked = nullptr) const {
    return [this, asked](const at::Tensor& points) {
      if (asked != nullptr) *asked += points.size(0);
      return std::pair(points, (*this)(points));
    };
  }
};

CubeNet make_cube_net(int64_t classes) {
  return {random_normal({5, 3}, 1, at::kDouble), random_normal({3}, 2, at::kDouble).mul(0.3),
          random_normal({3, classes}, 3, at::kDouble)};
}

std::vector<Crossing> crossings(const CubeNet& net) {
  Crossing line{at::full({5}, -0.8, at::kDouble), random_normal({5}, 4, at::kDouble).sign(), {}};
  line.origin.mul_(line.direction);
  line.direction.mul_(1.5);
  std::vector<Crossing> found;
  const Curve curve = [&](const at::Tensor& places) {
    return net(line.origin.add(places.unsqueeze(1).mul(line.direction)));
  };
  for (const Kink& kink : find_kinks(curve, {1e-14, 1000})) {
    line.kink = kink;
    found.push_back(line);
  }
  return found;
}

TEST(ReluNeurons, AreRecoveredFromOneCrossingEach) {
  for (const int64_t classes : {1, 4}) {
    const CubeNet net = make_cube_net(classes);
    const std::vector<Crossing> found = crossings(net);
    ASSERT_GE(found.size(), 2U);
    std::vector<Neuron> neurons;
    for (const Crossing& crossing : found) {
      int64_t asked = 0;
      Neuron neuron;
      ASSERT_TRUE(recover_neuron(net.probe(&asked), crossing, 1e-14, 3, &neuron));
      EXPECT_EQ(asked, 12);  // 2 (d + 1)
      // The true neuron of that plane.
      const at::Tensor lengths = net.first.norm(2, 0);  // [h]
      const at::Tensor cosines = neuron.weight.matmul(net.first).div(lengths);
      const auto i = cosines.abs().argmax().item<int64_t>();
      const double length = lengths[i].item<double>();
      EXPECT_NEAR(std::abs(cosines[i].item<double>()), 1, 1e-12);
      EXPECT_NEAR(neuron.offset * std::copysign(1.0, cosines[i].item<double>()),
                  net.offset[i].item<double>() / length, 1e-8);
      EXPECT_TRUE(neuron.output.allclose(net.second[i].mul(length), 1e-7));
      EXPECT_TRUE(explains(neuron, crossing, 1e-14));
      for (const Neuron& other : neurons) {
        EXPECT_FALSE(explains(other, crossing, 1e-14));
        EXPECT_FALSE(same_plane(other, neuron));
      }
      EXPECT_TRUE(same_plane(neuron, neuron));
      neurons.push_back(neuron);
    }
  }
}

TEST(ReluNeurons, TwoAtOnePlaceAreNone) {
  // A second plane within a step of the first.
  CubeNet net = make_cube_net(4);
  const Crossing crossing = crossings(net).front();
  const at::Tensor point = crossing.point();
  net.first = at::cat({net.first, random_normal({5, 1}, 9, at::kDouble)}, 1);
  const double on = point.matmul(net.first.select(1, 3)).item<double>();
  net.offset = at::cat({net.offset, at::full({1}, -on + 1e-9, at::kDouble)});
  net.second = at::cat({net.second, random_normal({1, 4}, 10, at::kDouble)});
  Neuron neuron;
  EXPECT_FALSE(recover_neuron(net.probe(), crossing, 1e-14, 3, &neuron));
}

TEST(ReluNeurons, ThoseThatAreTurnedLeaveALinearPart) {
  const at::Tensor weights = random_normal({6, 5}, 1, at::kDouble);       // [h, d]
  const at::Tensor coefficients = random_normal({3, 6}, 2, at::kDouble);  // [K, h]
  const at::Tensor expected = testing::values({1, 0, 1, 1, 0, 0}, at::kDouble);
  const at::Tensor linear = coefficients.mul(expected).matmul(weights).neg();
  EXPECT_TRUE(turned(weights, coefficients, linear).equal(expected.to(at::kBool)));
}

}  // namespace
}  // namespace assay::attacks
