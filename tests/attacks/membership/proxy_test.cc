#include <gtest/gtest.h>

#include "tests/testing/membership.h"

namespace assay::testing {
namespace {

TEST(Proxy, ScoresARecordByItsLoss) {
  const Scene scene = imagine({.members = 50});
  EXPECT_TRUE(
      scores_of("proxy", "{}", scene.outputs).equal(scores_of("loss", "{}", scene.outputs)));
}

}  // namespace
}  // namespace assay::testing
