// Columns of rows that not all evidence has.
#include <gtest/gtest.h>

#include "harness/record/encoding.h"

namespace assay {
namespace {

TEST(Rows, ADoubtHasAColumnOnlyWhereThereIsOne) {
  Verdict row;
  EXPECT_EQ(rows_text({row}), "{\"sample\":[0]}");
  row.doubt = Doubt::kChance;
  row.doubt_distance = 0.5;
  EXPECT_EQ(rows_text({Verdict{}, row}),
            "{\"sample\":[0,0],\"doubt\":[\"\",\"chance\"],\"doubt_distance\":[null,0.5]}");
}

TEST(Rows, AnAttackThatOlderEvidenceCallsBlindInWordsIsBlind) {
  const std::string why = "every gradient held NaN or infinity";
  const UnitResult old = parse_unit(
      "{\"unit\":\"k\",\"cell\":\"pgd\",\"index\":0,\"rows\":{\"sample\":[0,1,2,3],"
      "\"status\":[\"robust\",\"broken\",\"robust\",\"invalid\"],\"queries\":[5,5,0,5],"
      "\"detail\":[\"" +
      why + "\",\"" + why +
      "\",\"its own label is the target\",\"outside\"]},"
      "\"diagnosis\":{},\"flags\":[]}");
  for (const size_t i : {0, 1}) {
    EXPECT_EQ(old.rows[i].doubt, Doubt::kBlind);
    EXPECT_EQ(old.rows[i].doubt_distance, 0);
  }
  for (const size_t i : {2, 3}) EXPECT_EQ(old.rows[i].doubt, Doubt::kNone);
  EXPECT_EQ(old.rows[3].detail, "outside");
}

}  // namespace
}  // namespace assay
