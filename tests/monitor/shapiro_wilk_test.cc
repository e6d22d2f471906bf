#include "harness/monitor/shapiro_wilk.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace assay {
namespace {

// Multiples of the golden ratio's fraction, which are the same numbers everywhere, and functions of
// them.
std::vector<double> sequence(const std::string& kind, int n) {
  std::vector<double> values;
  for (int i = 1; i <= n; ++i) {
    const double u = std::fmod(i * 0.6180339887498949, 1.0);
    if (kind == "uniform") values.push_back(u);
    if (kind == "squares") values.push_back(u * u);
    if (kind == "exponential") values.push_back(-std::log(1 - u));
    if (kind == "logistic") values.push_back(std::log(u / (1 - u)));
    if (kind == "rounded") values.push_back(std::floor(8 * u));
  }
  return values;
}

TEST(ShapiroWilk, AgreesWithScipy) {
  struct Case {
    std::string kind;
    int n;
    double w;  // scipy.stats.shapiro, SciPy 1.17
  };
  for (const auto& [kind, n, w] : std::vector<Case>{
           {"uniform", 3, 0.981762745781210},         {"uniform", 4, 0.999968227323324},
           {"uniform", 5, 0.980207146561593},         {"uniform", 6, 0.962622679463226},
           {"uniform", 7, 0.977830647214136},         {"uniform", 12, 0.968023918407407},
           {"uniform", 50, 0.952642809351207},        {"uniform", 101, 0.955433288753345},
           {"uniform", 1000, 0.954768785510589},      {"uniform", 4999, 0.954918200998546},
           {"uniform", 20000, 0.954925658532595},     {"squares", 11, 0.925265356255192},
           {"squares", 200, 0.896354753347288},       {"squares", 3001, 0.895317700536407},
           {"exponential", 3, 0.991258879377753},     {"exponential", 4, 0.939984093764254},
           {"exponential", 5, 0.914240249891655},     {"exponential", 6, 0.960811894114157},
           {"exponential", 7, 0.934740921772304},     {"exponential", 12, 0.890179305364100},
           {"exponential", 50, 0.870255962624546},    {"exponential", 101, 0.847217233005589},
           {"exponential", 1000, 0.815737513708784},  {"exponential", 4999, 0.818680705083222},
           {"exponential", 20000, 0.816173379062025}, {"logistic", 11, 0.992023705195447},
           {"logistic", 200, 0.995908357845464},      {"logistic", 3001, 0.992715718604078},
           {"rounded", 11, 0.949180753713817},        {"rounded", 200, 0.925359365348253},
           {"rounded", 3001, 0.925774415913775}}) {
    EXPECT_NEAR(shapiro_wilk(sequence(kind, n)), w, 1e-8) << kind << ' ' << n;
  }
}

TEST(ShapiroWilk, NeitherOrderOffsetNorScaleMatter) {
  std::vector<double> values = sequence("squares", 200);
  const double w = shapiro_wilk(values);
  for (double& value : values) value = 1e6 - 1e-3 * value;
  EXPECT_NEAR(shapiro_wilk(values), w, 1e-6);
}

TEST(ShapiroWilkDeathTest, EqualValuesAreOurBug) {
  EXPECT_DEATH(shapiro_wilk({1, 1, 1}), "values that differ");
  EXPECT_DEATH(shapiro_wilk({1, 2}), "needs 3 values");
}

}  // namespace
}  // namespace assay
