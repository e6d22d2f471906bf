// Files that give each sample a share of eps.
#include "harness/model/sample_scale.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/model/dataset_files.h"

namespace assay {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;

class SampleScaleFile : public testing::WithFolder {
 protected:
  SampleScale read(const std::string& bytes, const std::vector<std::string>& ids) {
    std::vector<SampleInfo> samples;
    for (const std::string& id : ids) samples.push_back({id, "", 0});
    return read_sample_scale(write("s.csv", bytes), samples);
  }
  void expect_refused(const std::string& bytes, const std::string& place,
                      const std::vector<std::string>& says) {
    const std::string message = error_of([&] { read(bytes, {"0", "1"}); });
    EXPECT_THAT(message, HasSubstr("s.csv" + place + ": ")) << bytes;
    for (const std::string& part : says) EXPECT_THAT(message, HasSubstr(part)) << bytes;
  }
};

TEST_F(SampleScaleFile, SharesStandInTheOrderOfTheSamplesWhateverThatOfTheFile) {
  const SampleScale scale = read("sample,share\n7,0.25\n1,1\n0,1e-3\n\n", {"0", "1", "7"});
  EXPECT_THAT(scale.shares, ElementsAre(1e-3, 1, 0.25));
  EXPECT_THAT(scale.lines, ElementsAre(4, 3, 2));
}

TEST_F(SampleScaleFile, SamplesThatAreNotDrawnMayStandThere) {
  EXPECT_THAT(read("sample,share\n0,0.5\nanother,0.1\n", {"0"}).shares, ElementsAre(0.5));
}

TEST_F(SampleScaleFile, IdsAreSpeltAsInSamplesCsv) {
  const std::string bytes =
      "\xef\xbb\xbf\"sample\",\"share\"\r\n\"cats/1, \"\"big\"\".png\",0.5\r\ncats/2 .png, 0.25\r\n"
      "\"0\",\"1\"\r\n";
  EXPECT_THAT(read(bytes, {"cats/1, \"big\".png", "cats/2 .png", "0"}).shares,
              ElementsAre(0.5, 0.25, 1));
}

TEST_F(SampleScaleFile, WhatIsNotInOrderIsRefusedWithItsPlace) {
  expect_refused("sample,share\n0,0.5\n", "", {"no share for sample `1`", "each of the 2"});
  expect_refused("sample,share\n", "", {"no share for sample `0`"});
  expect_refused("sample,share\n0,0.5\n1,0.5\n0,0.5\n", ":4:1", {"`0` is listed twice", "line 2"});
  expect_refused("sample,share\n0,0.5\n1,0\n", ":3:3",
                 {"`share` is `0` for sample `1`", "above 0"});
  expect_refused("sample,share\n0,-0.5\n1,1\n", ":2:3", {"`-0.5`"});
  expect_refused("sample,share\n0,0.5\n1,1.01\n", ":3:3", {"`1.01`", "at most 1"});
  expect_refused("sample,share\n0,nan\n1,1\n", ":2:3", {"`nan`"});
  expect_refused("sample,share\n0,inf\n1,1\n", ":2:3", {"`inf`"});
  expect_refused("sample,share\n0,half\n1,1\n", ":2:3", {"`half`"});
  expect_refused("sample,share\n0,\n1,1\n", ":2:3", {"``"});
  expect_refused("sample,share\n0,1\n1\n", ":3:2", {"no comma"});
  expect_refused("sample,share\na,b,1\n", ":2:5", {"more than 2 fields", "quotes"});
  expect_refused("sample,share\n\"0,1\n", ":2:1", {"a quote that is not closed"});
  expect_refused("sample,share\n\"0\"1,1\n", ":2:4", {"no comma"});
  expect_refused("id,share\n0,1\n", ":1:1", {"`id,share`", "`sample,share`"});
  expect_refused("0,0.5\n1,0.5\n", ":1:1", {"numbers only"});
  expect_refused("", "", {"empty"});
}

}  // namespace
}  // namespace assay
