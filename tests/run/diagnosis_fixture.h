// Runs whose flags are looked at.
#pragma once

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "harness/gate/decision.h"
#include "tests/run/fixture.h"

namespace assay::testing {

inline const Shape kShape{{1, 4, 4}, 3};

class DiagnosisTest : public RunTest {
 protected:
  std::vector<Flag> flags(const std::string& attacks, const Model& model) {
    write_data(150, model);
    const Suite suite = make_suite(attacks);
    static int runs = 0;
    evidence_ = run(suite, model, "store" + std::to_string(runs++));
    return decide(suite, evidence_, nullptr).flags;
  }

  // "id cell" of each flag.
  std::vector<std::string> names(const std::string& attacks, const Model& model) {
    std::vector<std::string> list;
    for (const Flag& flag : flags(attacks, model)) {
      list.push_back(flag.id + " " + flag.cell);
      EXPECT_NE(flag.detail, "") << flag.id;
      EXPECT_NE(flag.advice, "") << flag.id;
    }
    return list;
  }

  Diagnosis total(const std::string& cell) const {
    Diagnosis sum;
    for (const UnitResult& unit : evidence_.units) {
      if (unit.cell == cell) sum += unit.diagnosis;
    }
    return sum;
  }

  Evidence evidence_;
};

inline Model broken_model(const std::string& lines, uint64_t seed = 4) {
  return testing::load_module(kShape,
                              "def forward(self, x):\n    x = torch.flatten(x, 1)\n" + lines,
                              {{"weight", testing::random_normal({16, 3}, seed)}});
}

}  // namespace assay::testing
