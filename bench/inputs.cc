#include "bench/inputs.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>

#include "tests/testing/models.h"

namespace assay::bench {
namespace {

// The layers of harness/model/train.cc.
Model random_network() {
  const auto weight = [](at::IntArrayRef sizes, uint64_t seed, int64_t fan_in) {
    return testing::random_normal(sizes, seed).mul(std::sqrt(2.0 / static_cast<double>(fan_in)));
  };
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("assay_bench_" + std::to_string(getpid()) + ".pt");
  testing::save_module(path, R"(
def forward(self, x):
    x = torch.max_pool2d(torch.relu(torch.conv2d(x, self.a, None, [1, 1], [1, 1])), [2, 2])
    x = torch.max_pool2d(torch.relu(torch.conv2d(x, self.b, None, [1, 1], [1, 1])), [2, 2])
    return torch.relu(torch.flatten(x, 1).matmul(self.c)).matmul(self.d)
)",
                       {{"a", weight({16, 1, 3, 3}, 1, 9)},
                        {"b", weight({32, 16, 3, 3}, 2, 144)},
                        {"c", weight({1568, 64}, 3, 1568)},
                        {"d", weight({64, 10}, 4, 64)}});
  Model model = Model::load(image_spec(path), path, kBlock, "cpu");
  std::filesystem::remove(path);
  return model;
}

}  // namespace

std::string model_file() {
  const char* file = std::getenv("ASSAY_BENCH_MODEL");
  return file == nullptr ? "" : file;
}

ModelSpec image_spec(const std::filesystem::path& path) {
  ModelSpec spec;
  spec.path = path;
  spec.shape = {1, 28, 28};
  spec.classes = 10;
  return spec;
}

const Model& model() {
  static const Model loaded =
      model_file().empty() ? random_network()
                           : Model::load(image_spec(model_file()), model_file(), kBlock, "cpu");
  return loaded;
}

Calls calls_of(const std::vector<int64_t>& queries, const std::vector<int64_t>& gradients) {
  Calls calls;
  const int64_t steps = queries.empty() ? 0 : *std::max_element(queries.begin(), queries.end());
  const int64_t vjps =
      gradients.empty() ? 0 : *std::max_element(gradients.begin(), gradients.end());
  for (int64_t step = 0; step < steps; ++step) {
    const auto rows = std::count_if(queries.begin(), queries.end(),
                                    [step](int64_t count) { return count > step; });
    (step < vjps ? calls.taped : calls.plain).push_back(rows);
  }
  return calls;
}

void replay(const Model& model, const Calls& calls, const at::Tensor& x) {
  const at::Tensor c = at::ones({x.size(0), model.classes()}, x.scalar_type());
  for (const int64_t rows : calls.taped) {
    model.record(x.narrow(0, 0, rows)).vjp(c.narrow(0, 0, rows));
  }
  for (const int64_t rows : calls.plain) model.logits(x.narrow(0, 0, rows));
  for (int64_t left = calls.judged; left > 0; left -= x.size(0)) {
    model.judge(x.narrow(0, 0, std::min(left, x.size(0))));
  }
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace assay::bench
