// Writes what the example project attacks: models whose verdicts are known in closed form.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/testing/models.h"

// Class 1 is right of x0 = 0.5. Half of the samples are 0.3 away from there, half 0.05, so that at
// linf eps 0.1 exactly half of them can be flipped, and none at 8/255.
int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: package_inputs FOLDER\n");
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  const std::string forward = "def forward(self, x):\n  return x @ self.weight + self.bias\n";
  assay::testing::save_module(folder / "right.pt", forward,
                              {{"weight", at::tensor({-4.0F, 4.0F, 0.0F, 0.0F}).reshape({2, 2})},
                               {"bias", at::tensor({2.0F, -2.0F})}});
  assay::testing::save_module(
      folder / "three_classes.pt", forward,
      {{"weight", at::tensor({-4.0F, 4.0F, 0.0F, 0.0F, 0.0F, 0.0F}).reshape({2, 3})},
       {"bias", at::tensor({2.0F, -2.0F, 0.0F})}});
  std::ofstream csv(folder / "samples.csv");
  csv << "x0,x1,label\n";
  constexpr int kSamples = 100;
  for (int i = 0; i < kSamples; ++i) {
    const int label = i % 2;
    const double away = i < kSamples / 2 ? 0.3 : 0.05;
    csv << (label == 1 ? 0.5 + away : 0.5 - away) << ',' << i / 100.0 << ',' << label << '\n';
  }
  csv.flush();
  return csv.good() ? 0 : 1;
}
