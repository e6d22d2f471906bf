#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "harness/record/encoding.h"
#include "harness/record/store.h"
#include "harness/suite/error.h"
#include "tests/record/sample_evidence.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

UnitResult stolen_unit() { return sample_evidence().units[7]; }

/// What reading the unit's text says once `from` in it is `to`; "" if it is read.
std::string fault_of(const UnitResult& unit, const std::string& from, const std::string& to) {
  std::string text = unit_text(unit);
  const size_t at = text.find(from);
  if (at == std::string::npos) return "the text lacks " + from;
  try {
    parse_unit(text.replace(at, from.size(), to));
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

/// What reading the sample run says once its units are changed so.
std::string run_failure(const std::function<void(Evidence&)>& change) {
  Evidence evidence = sample_evidence();
  change(evidence);
  try {
    parse_evidence(to_text(evidence), "x");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(ExtractionText, AUnitWithoutItHasNoBytesOfIt) {
  EXPECT_THAT(unit_text(sample_evidence().units[6]), Not(HasSubstr("extraction")));
  EXPECT_THAT(unit_text(stolen_unit()), Not(HasSubstr("monitored")));
  EXPECT_THAT(unit_text(sample_evidence().units[8]), Not(HasSubstr("stolen")));
}

TEST(ExtractionText, TheSurfaceOfACellSurvives) {
  const Evidence read = parse_evidence(to_text(sample_evidence()), "x");
  const Surface& surface = read.header.cells[4].threat.surface;
  EXPECT_EQ(surface.kind, Surface::Kind::kRounded);
  EXPECT_EQ(surface.top_k, 3);
  EXPECT_EQ(surface.decimals, 1);
  EXPECT_EQ(surface.temperature, 1.5);
  EXPECT_EQ(surface.noise, 0.25);
  EXPECT_THAT(header_text(read.header), HasSubstr("\"surface\":{\"kind\":\"rounded\""));
}

TEST(ExtractionText, CharactersAndLengthsAreReadToTheLetter) {
  const UnitResult unit = stolen_unit();
  EXPECT_EQ(fault_of(unit, "\"110\"", "\"111\""), "");
  EXPECT_THAT(fault_of(unit, "\"101\"", "\"1-1\""), HasSubstr("`candidate` has a character"));
  EXPECT_THAT(fault_of(unit, "\"110\"", "\"1-0\""), HasSubstr("`agreement` has a character"));
  EXPECT_THAT(fault_of(unit, "\"010\"", "\"012\""), HasSubstr("`accuracy` has a character"));
  EXPECT_THAT(fault_of(unit, "\"1-0\"", "\"1x0\""), HasSubstr("none of `01-`"));
  EXPECT_THAT(fault_of(unit, "\"110\"", "\"11\""), HasSubstr("is of 2 records, and there are 3"));
  EXPECT_THAT(fault_of(unit, "[0.5,1e-300,2]", "[0.5,2]"), HasSubstr("not of one length"));
  EXPECT_THAT(fault_of(unit, "[0.5,1e-300,2]", "[0.5,null,2]"), HasSubstr("not a finite number"));
  EXPECT_THAT(fault_of(unit, "\"hidden_width\":64", "\"hidden_width\":null"),
              HasSubstr("`hidden_width` is not a finite number"));
}

TEST(ExtractionText, KeysAndTypesAreReadToTheLetter) {
  const UnitResult unit = stolen_unit();
  const UnitResult replay = sample_evidence().units[8];
  EXPECT_THAT(fault_of(unit, "\"queries\":90", "\"queries\":9.5"), HasSubstr("queries"));
  EXPECT_THAT(fault_of(unit, "\"queries\":90,", ""), HasSubstr("`queries`"));
  EXPECT_THAT(fault_of(unit, "\"queries\":90", "\"more\":1,\"queries\":90"), HasSubstr("stolen"));
  EXPECT_THAT(fault_of(unit, "\"candidate\":\"101\",", ""), HasSubstr("extraction"));
  EXPECT_EQ(fault_of(replay, "\"flagged\":3", "\"flagged\":4"), "");
  EXPECT_THAT(fault_of(replay, "\"flagged\":3,", ""), HasSubstr("`flagged`"));
  EXPECT_THAT(fault_of(replay, "\"threshold\":0.9", "\"threshold\":null"),
              HasSubstr("`threshold` is not a finite number"));
}

TEST(ExtractionText, TellsOfEveryRecordOfItsTestSetAndOfNoOther) {
  EXPECT_THAT(run_failure([](Evidence& run) { run.header.sets["test"].pop_back(); }),
              HasSubstr("cell steal tells of 3 test records, but `test` lists 2"));
  EXPECT_THAT(run_failure([](Evidence& run) { run.header.cells[4].sets.erase("test"); }),
              HasSubstr("cell steal was measured on a test set that the header lacks"));
  EXPECT_THAT(run_failure([](Evidence& run) { run.header.sets.erase("test"); }),
              HasSubstr("that the header lacks"));
  EXPECT_THAT(run_failure([](Evidence& run) { run.units[7].extracted->stolen[1].seed = 0; }),
              HasSubstr("budget 100 with seed 0 occurs twice in cell steal"));
}

TEST(ExtractionText, AnotherTheftOrAlarmIsNondeterminismInAMergeAndInTheStore) {
  const std::vector<std::function<void(Evidence&)>> changes = {
      [](Evidence& run) { run.units[7].extracted->stolen[0].agreement[2] = '1'; },
      [](Evidence& run) { run.units[7].extracted->candidate[0] = '0'; },
      [](Evidence& run) { ++run.units[8].monitored[0].false_alarms; }};
  for (const auto& change : changes) {
    Evidence other = sample_evidence();
    change(other);
    EXPECT_THAT(
        [&] {
          merge({sample_evidence(), other});
        },
        ThrowsMessage<Error>(HasSubstr("nondeterminism")));
    const ScratchFolder folder;
    Store store(folder.path());
    for (const size_t unit : {7, 8, 7, 8}) store.put(sample_evidence().units[unit]);
    EXPECT_THAT(
        [&] {
          for (const size_t unit : {7, 8}) store.put(other.units[unit]);
        },
        ThrowsMessage<Error>(HasSubstr("nondeterminism")));
    EXPECT_EQ(unit_text(*store.get(other.units[8].key)), unit_text(sample_evidence().units[8]));
  }
}

}  // namespace
}  // namespace assay
