// What every format must give: the right numbers, labels and ids, whatever the container.
#include "harness/model/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "tests/model/dataset_files.h"

namespace assay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Format = DataSpec::Format;
using testing::all;
using testing::big;
using testing::data_of;
using testing::error_of;
using testing::idx;
using testing::model_of;
using testing::npy;
using testing::raw;
using testing::values;

class DatasetTest : public testing::WithFolder {
 protected:
  // Three 2 x 2 images with levels 0, 1, 2, … and labels 2, 0, 1.
  DataSpec small_idx(bool gz = false) {
    std::string pixels;
    for (int i = 0; i < 12; ++i) pixels += static_cast<char>(i);
    std::string images = idx(8, {3, 2, 2}, pixels);
    std::string labels = idx(8, {3}, std::string("\2\0\1", 3));
    if (gz) {
      images = testing::gzipped(images);
      labels = testing::gzipped(labels);
    }
    DataSpec data = data_of(Format::kIdx);
    data.images = write("images", images);
    data.labels = write("labels", labels);
    return data;
  }

  DataSpec npy_pair(const std::string& x, const std::string& y) {
    DataSpec data = data_of(Format::kNpy);
    data.images = write("x.npy", x);
    data.labels = write("y.npy", y);
    return data;
  }

  std::string y2() const { return npy("<i8", "(2,)", raw<int64_t>({0, 1})); }
};

TEST_F(DatasetTest, IdxMapsLevelsLinearlyOntoTheBox) {
  const Dataset dataset = Dataset::open(small_idx(), model_of({1, 2, 2}, 3));
  ASSERT_EQ(dataset.size(), 3);
  EXPECT_EQ(dataset.name(), "test");
  EXPECT_EQ(dataset.id(2), "2");
  EXPECT_EQ(dataset.label(0), 2);
  EXPECT_EQ(dataset.label(1), 0);
  const std::vector<int64_t> picked{2, 0};
  const at::Tensor x = dataset.read(picked);
  EXPECT_EQ(x.sizes(), (std::vector<int64_t>{2, 1, 2, 2}));
  EXPECT_EQ(x.scalar_type(), at::kFloat);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(x.flatten()[i].item<float>(), static_cast<float>(8 + i) / 255.0f);
    EXPECT_EQ(x.flatten()[4 + i].item<float>(), static_cast<float>(i) / 255.0f);
  }
}

TEST_F(DatasetTest, GzippedIdxReadsTheSame) {
  const Dataset plain = Dataset::open(small_idx(), model_of({1, 2, 2}, 3));
  const at::Tensor x = plain.read(all(plain));
  const Dataset packed = Dataset::open(small_idx(true), model_of({1, 2, 2}, 3));
  EXPECT_TRUE(at::equal(x, packed.read(all(packed))));
  EXPECT_EQ(packed.label(2), 1);
}

TEST_F(DatasetTest, ConcatenatedGzipMembersAreOneFile) {
  DataSpec data = small_idx();
  const std::string plain = testing::read_file(data.images);
  data.images = write("two.gz", testing::gzipped(plain.substr(0, 9)) +
                                    testing::gzipped(plain.substr(9)) + std::string(5, '\0'));
  const Dataset dataset = Dataset::open(data, model_of({1, 2, 2}, 3));
  EXPECT_EQ(values(dataset.read(all(dataset))).back(), static_cast<double>(11.0f / 255.0f));
}

TEST_F(DatasetTest, EndsOfTheBoxAreHitExactlyInBothTypes) {
  DataSpec data = small_idx();
  data.images = write("ends", idx(8, {3, 1}, std::string("\0\xff\x80", 3)));
  for (const auto& [lo, hi] :
       {std::pair{-1.0, 1.0}, {0.1, 0.3}, {-2.1179, 2.64}, {0.0, 255.0}, {-0.1, 0.7}}) {
    ModelSpec spec = model_of({1}, 3, lo, hi);
    const at::Tensor narrow = Dataset::open(data, spec).read(std::vector<int64_t>{0, 1});
    EXPECT_EQ(narrow[0].item<float>(), static_cast<float>(lo));
    EXPECT_EQ(narrow[1].item<float>(), static_cast<float>(hi));
    spec.dtype = ModelSpec::Dtype::kFloat64;
    const at::Tensor wide = Dataset::open(data, spec).read(std::vector<int64_t>{0, 1, 2});
    EXPECT_EQ(wide.scalar_type(), at::kDouble);
    EXPECT_EQ(wide[0].item<double>(), lo);
    EXPECT_EQ(wide[1].item<double>(), hi);
    EXPECT_NEAR(wide[2].item<double>(), lo + 128.0 / 255 * (hi - lo), 1e-12);
  }
}

TEST_F(DatasetTest, NpyReadsEveryElementType) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"<f8", raw<double>({0, 1, 2, 3})},
      {"<f4", raw<float>({0, 1, 2, 3})},
      {"<f2", std::string("\x00\x00\x00\x3c\x00\x40\x00\x42", 8)},
      {">f4", big(0, 4) + big(0x3f800000, 4) + big(0x40000000, 4) + big(0x40400000, 4)},
      {"|i1", std::string("\0\1\2\3", 4)},
      {"<i2", raw<int16_t>({0, 1, 2, 3})},
      {">i2", big(0, 2) + big(1, 2) + big(2, 2) + big(3, 2)},
      {"<u2", raw<uint16_t>({0, 1, 2, 3})},
      {"<i4", raw<int32_t>({0, 1, 2, 3})},
      {"<u4", raw<uint32_t>({0, 1, 2, 3})},
      {"<i8", raw<int64_t>({0, 1, 2, 3})},
      {"<u8", raw<uint64_t>({0, 1, 2, 3})},
  };
  for (const auto& [descr, data] : cases) {
    SCOPED_TRACE(descr);
    const Dataset dataset =
        Dataset::open(npy_pair(npy(descr, "(2, 2)", data), y2()), model_of({2}, 2, 0, 3));
    EXPECT_THAT(values(dataset.read(all(dataset))), ElementsAre(0, 1, 2, 3));
  }
}

TEST_F(DatasetTest, LabelsMayBeOfAnyWholeType) {
  const std::string x = npy("<f4", "(2, 1)", raw<float>({0, 1}));
  for (const std::string& y :
       {npy("<f4", "(2,)", raw<float>({1, 2})), npy("<f8", "(2, 1)", raw<double>({1, 2})),
        npy("|u1", "(2,)", "\1\2"), npy(">i4", "(2,)", big(1, 4) + big(2, 4)),
        npy("<u8", "(2,)", raw<uint64_t>({1, 2}))}) {
    const Dataset dataset = Dataset::open(npy_pair(x, y), model_of({1}, 3));
    EXPECT_EQ(dataset.label(0), 1);
    EXPECT_EQ(dataset.label(1), 2);
  }
}

TEST_F(DatasetTest, ChannelsLastIsTurned) {
  std::vector<float> pixels;  // one 2 x 3 image with 2 channels: value = 100 c + 10 y + x
  for (int y = 0; y < 2; ++y) {
    for (int x = 0; x < 3; ++x) {
      for (int c = 0; c < 2; ++c) pixels.push_back(static_cast<float>(100 * c + 10 * y + x));
    }
  }
  DataSpec data =
      npy_pair(npy("<f4", "(1, 2, 3, 2)", raw(pixels)), npy("<i8", "(1,)", raw<int64_t>({0})));
  data.nhwc = true;
  const Dataset dataset = Dataset::open(data, model_of({2, 2, 3}, 2, 0, 255));
  EXPECT_THAT(values(dataset.read(all(dataset))),
              ElementsAre(0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112));
}

TEST_F(DatasetTest, OnePlaneFitsFlatAndChannelledModels) {
  const DataSpec data = small_idx();
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{4}, {2, 2}, {1, 2, 2}, {2, 2, 1}, {1, 4}}) {
    const Dataset dataset = Dataset::open(data, model_of(shape, 3));
    std::vector<int64_t> sizes = shape;
    sizes.insert(sizes.begin(), 3);
    EXPECT_EQ(dataset.read(all(dataset)).sizes(), sizes);
  }
}

TEST_F(DatasetTest, NpzReadsStoredAndDeflatedEntriesByKey) {
  const std::string x = npy("<f4", "(2, 2)", raw<float>({0, 0.25, 0.5, 1}));
  for (const bool compress : {false, true}) {
    DataSpec data = data_of(Format::kNpz);
    data.path = write("d.npz", testing::zip({{"pictures.npy", x}, {"y.npy", y2()}}, compress));
    data.x = "pictures";
    const Dataset dataset = Dataset::open(data, model_of({2}, 2));
    EXPECT_THAT(values(dataset.read(all(dataset))), ElementsAre(0, 0.25, 0.5, 1));
    EXPECT_EQ(dataset.label(1), 1);
  }
}

TEST_F(DatasetTest, SafetensorsReadsByKey) {
  DataSpec data = data_of(Format::kSafetensors);
  data.path =
      write("d.safetensors",
            testing::safetensors(R"({"x":{"dtype":"BF16","shape":[2,1],"data_offsets":[16,20]},)"
                                 R"("y":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}})",
                                 raw<int64_t>({1, 0}) + std::string("\x80\x3f\x00\x3f", 4)));
  const Dataset dataset = Dataset::open(data, model_of({1}, 2));
  EXPECT_THAT(values(dataset.read(all(dataset))), ElementsAre(1, 0.5));
  EXPECT_EQ(dataset.label(0), 1);
}

TEST_F(DatasetTest, CsvTakesTheOtherColumnsInOrder) {
  DataSpec data = data_of(Format::kCsv);
  data.label = "class";
  for (const std::string end : {"\n", "\r\n"}) {
    data.path = write("d.csv", "\xef\xbb\xbf\"a, first\",class,b" + end + "0.5, 1 ,1e-1" + end +
                                   "\"0\",+0.0,1" + end + end);
    const Dataset dataset = Dataset::open(data, model_of({2}, 2));
    ASSERT_EQ(dataset.size(), 2);
    EXPECT_THAT(values(dataset.read(all(dataset))), ElementsAre(0.5, 0.1f, 0, 1));
    EXPECT_EQ(dataset.label(0), 1);
    EXPECT_EQ(dataset.label(1), 0);
  }
}

TEST_F(DatasetTest, CsvTakesClassNamesAsLabels) {
  DataSpec data = data_of(Format::kCsv);
  data.label = "y";
  ModelSpec spec = model_of({1}, 3);
  spec.class_names = {"cat", "dog, small", "a \"wolf\"\nof old"};
  data.path = write("d.csv", "x,y\n0,cat\n1,\"a \"\"wolf\"\"\nof old\"\n0,\"dog, small\"\n1,1\n");
  const Dataset dataset = Dataset::open(data, spec);
  ASSERT_EQ(dataset.size(), 4);
  for (const auto& [row, label] : {std::pair(0, 0), {1, 2}, {2, 1}, {3, 1}}) {
    EXPECT_EQ(dataset.label(row), label) << row;
  }
  EXPECT_THAT(values(dataset.read(all(dataset))), ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(dataset.id(3), "3");
  data.path = write("d.csv", "x,y\n0,dgo\n");
  EXPECT_THAT(testing::error_of([&] { Dataset::open(data, spec); }),
              HasSubstr("label `dgo`; expected a whole number in [0, 3), or a name of "
                        "model.classes; one of cat"));
  // What could be a number and a name decides nothing.
  spec.class_names = {"1", "2", "3"};
  data.path = write("d.csv", "x,y\n0,2\n");
  EXPECT_THAT(testing::error_of([&] { Dataset::open(data, spec); }),
              HasSubstr("d.csv:2:3: row 0: label `2` is the name of class 1"));
}

TEST_F(DatasetTest, CsvReadsAcrossItsBuffer) {
  std::string text = "a,b,y\n";
  for (int i = 0; i < 60'000; ++i) {
    text += std::to_string(i) + "," + std::to_string(60'000 - i) + "," + std::to_string(i % 7) +
            (i + 1 < 60'000 ? "\n" : "");
  }
  DataSpec data = data_of(Format::kCsv);
  data.label = "y";
  data.path = write("long.csv", text);
  const Dataset dataset = Dataset::open(data, model_of({2}, 7, 0, 60'000));
  ASSERT_EQ(dataset.size(), 60'000);
  const at::Tensor x = dataset.read(all(dataset));
  const at::Tensor expected = at::arange(60'000, at::kFloat);
  EXPECT_TRUE(at::equal(x.select(1, 0), expected));
  EXPECT_TRUE(at::equal(x.select(1, 1), 60'000 - expected));
  EXPECT_EQ(dataset.label(59'999), 59'999 % 7);
}

TEST_F(DatasetTest, RowsTakesAPartWithoutRenumbering) {
  DataSpec arrays = small_idx();
  arrays.rows = {1, 3};
  DataSpec table = data_of(Format::kCsv);
  table.label = "y";
  table.path = write("d.csv", "a,b,c,d,y\n0,1,2,3,9\n4,5,6,7,0\n8,9,10,11,1\n12,13,14,15,9\n");
  table.rows = {1, 3};  // the labels 9 outside are never looked at
  const ModelSpec spec = model_of({4}, 3, 0, 255);
  for (const DataSpec& data : {arrays, table}) {
    const Dataset dataset = Dataset::open(data, spec);
    ASSERT_EQ(dataset.size(), 2);
    EXPECT_EQ(dataset.id(0), "1");
    EXPECT_EQ(dataset.label(0), 0);
    EXPECT_EQ(dataset.label(1), 1);
    EXPECT_THAT(values(dataset.read(all(dataset))), ElementsAre(4, 5, 6, 7, 8, 9, 10, 11));
  }
}

TEST_F(DatasetTest, LargeGzipGoesToATemporaryFileAndIsReadAtRandom) {
  constexpr uint32_t kSide = 2048;
  constexpr uint32_t kCount = 66;  // 264 MiB, just above what is kept in memory
  DataSpec data = small_idx();
  data.images = folder_ / "large.gz";
  const gzFile file = gzopen(data.images.c_str(), "wb1");
  ASSERT_NE(file, nullptr);
  const std::string header = idx(8, {kCount, kSide, kSide}, "");
  ASSERT_EQ(gzwrite(file, header.data(), static_cast<unsigned>(header.size())),
            static_cast<int>(header.size()));
  std::string image(kSide * kSide, '\0');
  std::string labels;
  for (uint32_t i = 0; i < kCount; ++i) {
    image[i] = static_cast<char>(i + 1);
    ASSERT_EQ(gzwrite(file, image.data(), static_cast<unsigned>(image.size())),
              static_cast<int>(image.size()));
    labels += static_cast<char>(i % 3);
  }
  ASSERT_EQ(gzclose(file), Z_OK);
  data.labels = write("labels", idx(8, {kCount}, labels));
  const Dataset dataset = Dataset::open(data, model_of({1, kSide, kSide}, 3, 0, 255));
  for (const int64_t i : {65, 0, 31}) {
    const at::Tensor x = dataset.read(std::vector<int64_t>{i});
    EXPECT_EQ(x.sum().item<float>(), static_cast<float>((i + 1) * (i + 2) / 2));
    EXPECT_EQ(x.flatten()[i].item<float>(), static_cast<float>(i + 1));
  }
}

TEST_F(DatasetTest, ThreadsReadTheSameBytes) {
  const Dataset dataset = Dataset::open(small_idx(), model_of({1, 2, 2}, 3));
  const at::Tensor expected = dataset.read(all(dataset));
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        wrong[t] += at::equal(dataset.read(all(dataset)), expected) ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(wrong, ElementsAre(0, 0, 0, 0));
}

TEST_F(DatasetTest, ValuesOutsideTheBoxAreFoundInTheModelsType) {
  const auto open = [&](double value) {
    return Dataset::open(npy_pair(npy("<f8", "(2, 2)", raw<double>({0, 0.5, 1, value})), y2()),
                         model_of({2}, 2));
  };
  // A last bit of float64 rounds away in a float32 model, which gets the box's end.
  EXPECT_EQ(values(open(1 + 1e-12).read(std::vector<int64_t>{1}))[1], 1);
  const std::vector<std::pair<double, std::string>> cases{
      {1.5, "1.5"}, {-0.1, "-0.1"}, {1e300, "1e+300"}};
  for (const auto& each : cases) {
    EXPECT_THAT(
        error_of([&] {
          open(each.first).read(std::vector<int64_t>{0, 1});
        }),
        HasSubstr("x.npy: row 1: " + each.second + " at [1]; expected a number in the box [0, 1]"));
  }
}

TEST_F(DatasetTest, FashionMnistIsReadAsDebianShipsIt) {
  const std::filesystem::path folder = "/usr/share/datasets/fashion-mnist";
  ASSERT_TRUE(std::filesystem::exists(folder)) << "install dataset-fashion-mnist";
  DataSpec data = data_of(Format::kIdx);
  data.images = folder / "t10k-images-idx3-ubyte.gz";
  data.labels = folder / "t10k-labels-idx1-ubyte.gz";
  const Dataset dataset = Dataset::open(data, model_of({1, 28, 28}, 10));
  ASSERT_EQ(dataset.size(), 10'000);
  std::vector<int> counts(10, 0);
  for (int64_t i = 0; i < dataset.size(); ++i) ++counts[static_cast<size_t>(dataset.label(i))];
  EXPECT_THAT(counts, ::testing::Each(1000));
  EXPECT_THAT((std::vector<int64_t>{dataset.label(0), dataset.label(1), dataset.label(2)}),
              ElementsAre(9, 2, 1));
  const at::Tensor x = dataset.read(all(dataset));
  EXPECT_NEAR(x.mean().item<double>(), 0.2868, 1e-3);  // the figures everybody normalises with
  EXPECT_NEAR(x.std().item<double>(), 0.3524, 1e-3);
}

}  // namespace
}  // namespace assay
