// Which samples are drawn, and what identifies them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "harness/model/dataset.h"
#include "tests/model/dataset_files.h"

namespace assay {
namespace {

using testing::all;
using testing::data_of;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::model_of;
using testing::npy;
using testing::raw;

class DrawTest : public testing::WithFolder {
 protected:
  // One number a sample; the label of each as given.
  Dataset dataset(const std::vector<int64_t>& labels) {
    std::vector<float> x(labels.size());
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
    const std::string n = std::to_string(labels.size());
    DataSpec data = data_of(DataSpec::Format::kNpy);
    data.images = write("x.npy", npy("<f4", "(" + n + ", 1)", raw(x)));
    data.labels = write("y.npy", npy("<i8", "(" + n + ",)", raw(labels)));
    return Dataset::open(data, model_of({1}, 10, 0, 1e6));
  }

  // Class sizes for which quotas with largest remainders are not monotone (Alabama's paradox).
  Dataset uneven() {
    std::vector<int64_t> labels;
    const std::vector<int> sizes{300, 120, 61, 13, 5, 1};
    for (size_t c = 0; c < sizes.size(); ++c) {
      labels.insert(labels.end(), static_cast<size_t>(sizes[c]), static_cast<int64_t>(c));
    }
    return dataset(labels);
  }
};

SampleSpec count_of(int64_t count, uint64_t seed, bool stratified) {
  SampleSpec sample;
  sample.count = count;
  sample.seed = seed;
  sample.stratified = stratified;
  return sample;
}

TEST_F(DrawTest, WithoutASpecAllAreDrawn) {
  const Dataset set = dataset({0, 1, 2, 3});
  EXPECT_THAT(draw(set, {}), ElementsAre(0, 1, 2, 3));
}

TEST_F(DrawTest, SmallerSamplesAreNestedInLargerOnes) {
  const Dataset set = uneven();
  for (const bool stratified : {false, true}) {
    std::vector<int64_t> smaller;
    for (int64_t count = 1; count <= set.size(); ++count) {
      const std::vector<int64_t> drawn = draw(set, count_of(count, 7, stratified));
      ASSERT_EQ(static_cast<int64_t>(drawn.size()), count);
      ASSERT_TRUE(std::is_sorted(drawn.begin(), drawn.end()));
      ASSERT_TRUE(std::includes(drawn.begin(), drawn.end(), smaller.begin(), smaller.end()))
          << count << (stratified ? " stratified" : "");
      ASSERT_EQ(std::set<int64_t>(drawn.begin(), drawn.end()).size(), drawn.size());
      smaller = drawn;
    }
  }
}

TEST_F(DrawTest, StratifiedSamplesKeepProportions) {
  const Dataset set = uneven();
  std::map<int64_t, double> sizes;
  for (const int64_t i : all(set)) ++sizes[set.label(i)];
  for (const int64_t count : {10, 50, 100, 250, 499}) {
    std::map<int64_t, double> drawn;
    for (const int64_t i : draw(set, count_of(count, 3, true))) ++drawn[set.label(i)];
    for (const auto& [label, size] : sizes) {
      const double quota = static_cast<double>(count) * size / static_cast<double>(set.size());
      EXPECT_LT(std::abs(drawn[label] - quota), 1.01) << "class " << label << " of " << count;
    }
  }
  std::vector<int64_t> labels(1000);
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int64_t>(i % 10);
  const Dataset even = dataset(labels);
  std::map<int64_t, int> drawn;
  for (const int64_t i : draw(even, count_of(200, 1, true))) ++drawn[even.label(i)];
  for (const auto& [label, number] : drawn) EXPECT_EQ(number, 20) << label;
}

TEST_F(DrawTest, ADrawDependsOnSeedAndIdAlone) {
  const Dataset set = uneven();
  const std::vector<int64_t> drawn = draw(set, count_of(40, 7, false));
  EXPECT_EQ(drawn, draw(set, count_of(40, 7, false)));
  EXPECT_NE(drawn, draw(set, count_of(40, 8, false)));
  // Spread over the file: not its beginning, and about half of it in its first half.
  const auto low = std::count_if(drawn.begin(), drawn.end(), [](int64_t i) { return i < 250; });
  EXPECT_GT(low, 8);
  EXPECT_LT(low, 32);
  // The lowest SHA-256 of "7:0", "7:1", …; another value here means that stored evidence no longer
  // pairs.
  const std::vector<int64_t> few = draw(set, count_of(4, 7, false));
  EXPECT_THAT(few, ElementsAre(161, 203, 232, 430));
}

TEST_F(DrawTest, FirstTakesTheBeginning) {
  SampleSpec sample;
  sample.first = 3;
  EXPECT_THAT(draw(uneven(), sample), ElementsAre(0, 1, 2));
}

TEST_F(DrawTest, IdsAreReadFromAFileInAnyOrder) {
  SampleSpec sample;
  sample.ids = write("ids", "17\r\n3\n\n499\n");
  EXPECT_THAT(draw(uneven(), sample), ElementsAre(3, 17, 499));
  sample.ids = write("ids",
                     "\xef\xbb\xbf"
                     "17\n3\n");  // as some editors begin a file
  EXPECT_THAT(draw(uneven(), sample), ElementsAre(3, 17));
}

TEST_F(DrawTest, BadSamplesAreErrors) {
  const Dataset set = uneven();
  SampleSpec first;
  first.first = 501;
  EXPECT_EQ(error_of([&] { draw(set, first); }),
            "sample.first: 501 samples of data.test, which holds 500; expected 1 to 500");
  EXPECT_EQ(error_of([&] { draw(set, count_of(5000, 1, true)); }),
            "sample.count: 5000 samples of data.test, which holds 500; expected 1 to 500");
  const auto ids = [&](const std::string& text) {
    SampleSpec sample;
    sample.ids = write("ids", text);
    return error_of([&] { draw(set, sample); });
  };
  EXPECT_THAT(ids("1\n500\n"), HasSubstr("ids:2:1: no sample `500` in data.test (500 samples, `0` "
                                         "to `499`)"));
  EXPECT_THAT(ids("1\n2\n1\n"), HasSubstr("ids:3:1: sample `1` is listed twice, first in line 1"));
  EXPECT_THAT(ids("\n"), HasSubstr("lists no sample ids"));
  SampleSpec missing;
  missing.ids = folder_ / "none";
  EXPECT_THAT(error_of([&] { draw(set, missing); }), HasSubstr("none: cannot be opened"));
}

TEST_F(DrawTest, DigestsTellContentAndLabelButNotPlace) {
  const auto digests = [&](const std::vector<float>& x, const std::vector<int64_t>& y,
                           const std::string& descr = "<f4") {
    const std::string n = std::to_string(y.size());
    DataSpec data = data_of(DataSpec::Format::kNpy);
    const std::string bytes =
        descr == "<f4" ? raw(x) : raw(std::vector<double>(x.begin(), x.end()));
    data.images = write("x.npy", npy(descr, "(" + n + ", 2)", bytes));
    data.labels = write("y.npy", npy("<i8", "(" + n + ",)", raw(y)));
    ModelSpec spec = model_of({2}, 10);
    if (descr == "<f8") spec.dtype = ModelSpec::Dtype::kFloat64;
    const Dataset set = Dataset::open(data, spec);
    std::vector<std::string> found;
    for (const SampleInfo& info : describe(set, all(set))) found.push_back(info.digest);
    return found;
  };
  const std::vector<std::string> a =
      digests({0.5, 0.25, 0.5, 0.25, 0.5, 0.25, 0.25, 0.5}, {1, 1, 2, 1});
  EXPECT_EQ(a[0].size(), 64u);
  EXPECT_EQ(a[0], a[1]);  // the same sample twice
  EXPECT_NE(a[0], a[2]);  // another label
  EXPECT_NE(a[0], a[3]);  // other values
  EXPECT_EQ(a[0], digests({0.5, 0.25}, {1})[0]);
  EXPECT_EQ(a[0], digests({0.5, 0.25}, {1}, "<f8")[0]);  // the same numbers in a wider type
  EXPECT_EQ(digests({0.0f, 1}, {1}), digests({-0.0f, 1}, {1}));
}

TEST_F(DrawTest, DescribeReadsEveryDrawnSample) {
  DataSpec data = data_of(DataSpec::Format::kNpy);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  data.images = write("x.npy", npy("<f4", "(3, 1)", raw<float>({0, 1, nan})));
  data.labels = write("y.npy", npy("<i8", "(3,)", raw<int64_t>({4, 5, 6})));
  const Dataset set = Dataset::open(data, model_of({1}, 10));
  const std::vector<SampleInfo> infos = describe(set, std::vector<int64_t>{1});
  ASSERT_EQ(infos.size(), 1u);
  EXPECT_EQ(infos[0].id, "1");
  EXPECT_EQ(infos[0].label, 5);
  EXPECT_THAT(error_of([&] { describe(set, all(set)); }),
              HasSubstr("x.npy: row 2: nan at [0]; expected a number in the box [0, 1]"));
}

}  // namespace
}  // namespace assay
