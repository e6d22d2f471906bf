// What users get for damaged, mislabelled and unfitting data: the place, what was found, what was
// expected, and the cure.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "harness/model/dataset.h"
#include "tests/model/dataset_files.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using Format = DataSpec::Format;
using testing::all;
using testing::data_of;
using testing::error_of;
using testing::idx;
using testing::model_of;
using testing::npy;
using testing::raw;

const char kMagic[] = "expected 93 4e 55 4d 50 59 (npy) at byte 0";

class DatasetErrorsTest : public testing::WithFolder {
 protected:
  // The error of opening and reading all of it.
  std::string error(const DataSpec& data, const ModelSpec& spec) const {
    return error_of([&] {
      const Dataset dataset = Dataset::open(data, spec);
      describe(dataset, all(dataset));
    });
  }

  std::string idx_error(const std::string& images, const std::string& labels,
                        std::vector<int64_t> shape = {1, 2, 2}) {
    DataSpec data = data_of(Format::kIdx);
    data.images = write("images", images);
    data.labels = write("labels", labels);
    return error(data, model_of(std::move(shape), 3));
  }

  std::string npy_error(const std::string& x, const std::string& y,
                        std::vector<int64_t> shape = {2}, bool nhwc = false) {
    DataSpec data = data_of(Format::kNpy);
    data.images = write("x.npy", x);
    data.labels = write("y.npy", y);
    data.nhwc = nhwc;
    return error(data, model_of(std::move(shape), 3));
  }

  std::string path_error(Format format, const std::string& bytes) {
    DataSpec data = data_of(format);
    data.path = write("data", bytes);
    data.label = "y";
    return error(data, model_of({2}, 3));
  }

  const std::string images_ = idx(8, {2, 2, 2}, "abcdefgh");
  const std::string labels_ = idx(8, {2}, "\1\2");
  const std::string x_ = npy("<f4", "(2, 2)", raw<float>({0, 0, 1, 1}));
  const std::string y_ = npy("<i8", "(2,)", raw<int64_t>({1, 2}));
};

TEST_F(DatasetErrorsTest, Idx) {
  const std::string cut = images_.substr(0, images_.size() - 3);
  EXPECT_THAT(idx_error(cut, labels_),
              HasSubstr("images: truncated: data needs 8 bytes at byte 16, found 5"));
  EXPECT_THAT(idx_error(images_.substr(0, 10), labels_),
              HasSubstr("images: truncated: idx header needs 4 bytes at byte 8, found 2"));
  EXPECT_THAT(idx_error(images_ + "xy", labels_),
              HasSubstr("images: 2 bytes too many: data of 8 bytes expected at byte 16, found 10"));
  EXPECT_THAT(idx_error("", labels_), HasSubstr("images: is empty (0 bytes)"));
  EXPECT_THAT(idx_error("\x89PNG\r\n\x1a\n", labels_),
              HasSubstr("is not an idx file: expected the magic 00 00 TYPE DIMENSIONS (00 00 08 03 "
                        "for uint8 images) at byte 0, found 89 50 4e 47 0d 0a (png)"));
  EXPECT_THAT(idx_error(x_, labels_), HasSubstr("found 93 4e 55 4d 50 59 (npy)"));
  EXPECT_THAT(idx_error(testing::gzipped("hello"), labels_),
              HasSubstr("at byte 0 (inflated), found 68 65 6c 6c"));
  EXPECT_THAT(idx_error(idx(7, {2, 2, 2}, "abcdefgh"), labels_),
              HasSubstr("idx element type 7 at byte 2 is unknown; expected 8 (uint8), 9, 11"));
  EXPECT_THAT(idx_error(images_, idx(8, {3}, "\1\2\1")),
              ::testing::AllOf(HasSubstr("labels: holds 3 labels, but "),
                               HasSubstr("images holds 2 samples; expected as many")));
  EXPECT_THAT(idx_error(labels_, images_),
              HasSubstr("images holds samples of shape []; expected [1, 2, 2] by "
                        "model.input.shape, and not one number each; are images and labels "
                        "exchanged?"));
  EXPECT_THAT(idx_error(idx(8, {0, 2, 2}, ""), idx(8, {0}, "")),
              HasSubstr("images: holds no samples (shape [0, 2, 2])"));
  EXPECT_THAT(idx_error(images_, labels_, {1, 3, 3}), HasSubstr("suite.yaml:7:3: data.test: "));
  EXPECT_THAT(idx_error(images_, labels_, {1, 3, 3}),
              HasSubstr("images holds samples of shape [2, 2]; expected [1, 3, 3] by "
                        "model.input.shape; if the model takes [2, 2], set model.input.shape"));
  const uint32_t huge = 0xffffffff;
  EXPECT_THAT(idx_error(idx(14, {huge, huge, huge}, ""), labels_), HasSubstr("impossible shape"));
}

TEST_F(DatasetErrorsTest, GzippedIdx) {
  const std::string packed = testing::gzipped(images_);
  EXPECT_THAT(idx_error(packed.substr(0, packed.size() - 9), labels_),
              HasSubstr("images: truncated: the compressed stream is cut after "));
  std::string wrong = packed;
  wrong[wrong.size() - 6] = static_cast<char>(wrong[wrong.size() - 6] ^ 1);  // its checksum
  EXPECT_THAT(idx_error(wrong, labels_), HasSubstr("incorrect data check"));
  EXPECT_THAT(idx_error(packed + "junk", labels_),
              HasSubstr("bytes after the end of the gzip stream"));
  EXPECT_THAT(idx_error(testing::gzipped(images_ + "more"), labels_),
              HasSubstr("more than the 8 bytes of data expected at byte 16 (inflated)"));
  EXPECT_THAT(idx_error(testing::gzipped(images_.substr(0, 20)), labels_),
              HasSubstr("data needs 8 bytes at byte 16 (inflated), found 4"));
  // A claim of 4 GiB is refused before anything is allocated for it.
  EXPECT_THAT(idx_error(testing::gzipped(idx(8, {1u << 30, 2, 2}, "abcd")), labels_),
              HasSubstr("data needs 4294967296 bytes, more than its "));
}

TEST_F(DatasetErrorsTest, Npy) {
  EXPECT_THAT(
      npy_error("PK\x03\x04....", y_),
      ::testing::AllOf(HasSubstr(kMagic), HasSubstr("found 50 4b 03 04 2e 2e (zip or npz)")));
  EXPECT_THAT(npy_error(x_.substr(0, x_.size() - 4), y_),
              HasSubstr("x.npy: truncated: data needs 16 bytes at byte 128, found 12"));
  EXPECT_THAT(npy_error(npy("|O", "(2,)", "....."), y_),
              HasSubstr("pickled Python objects, which are never loaded"));
  EXPECT_THAT(npy_error(npy("<c8", "(2,)", "....."), y_), HasSubstr("dtype `<c8` is not read"));
  EXPECT_THAT(npy_error(npy("<f4", "(2, 2)", raw<float>({0, 0, 1, 1}), true), y_),
              HasSubstr("is in Fortran (column) order; expected row order: save "
                        "np.ascontiguousarray(x)"));
  EXPECT_THAT(npy_error(npy("<f4", "(2, -2)", ""), y_), HasSubstr("a bad number in shape"));
  EXPECT_THAT(npy_error(npy("<f4", "()", raw<float>({1})), y_),
              HasSubstr("holds a single number; expected an array of samples [n, 2]"));
  std::string version = x_;
  version[6] = 9;
  EXPECT_THAT(npy_error(version, y_), HasSubstr("npy version 9 at byte 6; expected 1 to 3"));
}

TEST_F(DatasetErrorsTest, Values) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(npy_error(npy("<f4", "(2, 2)", raw<float>({0, 0, nan, 1})), y_),
              HasSubstr("x.npy: row 1: nan at [0]; expected a number in the box [0, 1]"));
  EXPECT_THAT(
      npy_error(npy("<f4", "(2, 1, 1, 2)", raw<float>({0, 128, 0, 1})), y_, {1, 1, 2}),
      HasSubstr("x.npy: row 0: 128 at [0, 0, 1]; expected a number in the box [0, 1]; only uint8 "
                "is scaled to the box: divide by 255, save uint8 where the "
                "format has it, or set "
                "model.input.range: [0, 255]"));
  EXPECT_THAT(npy_error(npy("<i8", "(2, 2)", raw<int64_t>({0, 1, 0, -1})), y_),
              HasSubstr("x.npy: row 1: -1 at [1]"));
}

TEST_F(DatasetErrorsTest, Labels) {
  const auto labels = [&](const std::string& descr, const std::string& data) {
    return npy_error(x_, npy(descr, "(2,)", data));
  };
  EXPECT_THAT(labels("<i8", raw<int64_t>({0, 3})),
              HasSubstr("y.npy: row 1: label 3 is outside [0, 3); labels count from 0"));
  EXPECT_THAT(labels("<i8", raw<int64_t>({-1, 0})),
              HasSubstr("y.npy: row 0: label -1 is outside [0, 3)"));
  EXPECT_THAT(labels("<u8", raw<uint64_t>({0, ~uint64_t{0}})),
              HasSubstr("row 1: label 1844674407370955"));
  EXPECT_THAT(labels("<f4", raw<float>({0, 1.5})),
              HasSubstr("y.npy: row 1: label 1.5; expected a whole number in [0, 3)"));
  EXPECT_THAT(labels("<f8", raw<double>({std::numeric_limits<double>::quiet_NaN(), 0})),
              HasSubstr("y.npy: row 0: label nan; expected a whole number"));
  EXPECT_THAT(npy_error(x_, npy("<f4", "(2, 3)", raw<float>({1, 0, 0, 0, 1, 0}))),
              HasSubstr("holds one-hot labels of shape [2, 3]; expected class numbers [n]: save "
                        "np.argmax(y, axis=1)"));
  EXPECT_THAT(npy_error(x_, npy("<f4", "(2, 2)", raw<float>({1, 0, 0, 0}))),
              HasSubstr("are images and labels exchanged?"));
}

TEST_F(DatasetErrorsTest, Shapes) {
  const std::string last = npy("|u1", "(2, 2, 2, 3)", std::string(24, 'a'));
  EXPECT_THAT(npy_error(last, y_, {3, 2, 2}),
              HasSubstr("holds samples of shape [2, 2, 3]; expected [3, 2, 2] by "
                        "model.input.shape; its channels come last: set `layout: nhwc`"));
  const std::string first = npy("|u1", "(2, 3, 2, 2)", std::string(24, 'a'));
  EXPECT_THAT(npy_error(first, y_, {3, 2, 2}, true),
              HasSubstr("expected [2, 2, 3] (layout: nhwc) by model.input.shape; its channels come "
                        "first: leave out `layout: nhwc`"));
  const std::string flat = npy("|u1", "(2, 12)", std::string(24, 'a'));
  EXPECT_THAT(npy_error(flat, y_, {3, 2, 2}),
              HasSubstr("holds samples of shape [12]; expected [3, 2, 2] by model.input.shape; "
                        "reshape the array to [n, 3, 2, 2]"));
  EXPECT_THAT(npy_error(flat, y_, {12}, true),
              HasSubstr("`layout: nhwc` is for images, but model.input.shape is [12]"));
  DataSpec data = data_of(Format::kNpy);
  data.images = write("x.npy", x_);
  data.labels = write("y.npy", y_);
  data.rows = {1, 5};
  EXPECT_THAT(error(data, model_of({2}, 3)), HasSubstr("data.test.rows: [1, 5] of "));
  EXPECT_THAT(error(data, model_of({2}, 3)), HasSubstr("which holds 2 samples; expected"));
}

TEST_F(DatasetErrorsTest, Files) {
  DataSpec data = data_of(Format::kIdx);
  data.labels = write("t10k-labels.gz", "");
  data.images = folder_ / "t10k-labels";
  EXPECT_THAT(error(data, model_of({2}, 3)),
              HasSubstr("t10k-labels: no such file; did you mean `t10k-labels.gz`?"));
  data.images = folder_ / "t10k-lables.gz";
  EXPECT_THAT(error(data, model_of({2}, 3)), HasSubstr("did you mean `t10k-labels.gz`?"));
  data.images = folder_;
  EXPECT_THAT(error(data, model_of({2}, 3)), HasSubstr("is a folder; expected a file"));
}

TEST_F(DatasetErrorsTest, Npz) {
  const std::string good = testing::zip({{"x.npy", x_}, {"labels.npy", y_}}, true);
  EXPECT_THAT(path_error(Format::kNpz, good),
              HasSubstr("data: has no array `y`; one of x, labels"));
  EXPECT_THAT(path_error(Format::kNpz, good.substr(0, good.size() - 30)),
              HasSubstr("data: truncated: the zip directory at the end of its "));
  EXPECT_THAT(path_error(Format::kNpz, x_),
              HasSubstr("is not an npz (zip) archive: expected 50 4b 03 04 at byte 0, found 93 4e "
                        "55 4d 50 59 (npy)"));
  std::string zip64 = testing::zip({{"x.npy", x_}, {"y.npy", y_}}, false);
  const size_t directory = zip64.find("PK\x01\x02");
  zip64.replace(directory + 20, 8, std::string(8, '\xff'));
  EXPECT_THAT(path_error(Format::kNpz, zip64), HasSubstr("is a zip64 archive"));
  std::string locked = testing::zip({{"x.npy", x_}, {"y.npy", y_}}, false);
  locked[locked.find("PK\x01\x02") + 8] = 1;
  EXPECT_THAT(path_error(Format::kNpz, locked), HasSubstr("data[x]: is encrypted"));
  std::string method = testing::zip({{"x.npy", x_}, {"y.npy", y_}}, false);
  method[method.find("PK\x01\x02") + 10] = 12;
  EXPECT_THAT(path_error(Format::kNpz, method), HasSubstr("is compressed by zip method 12; only"));
  std::string damaged = testing::zip({{"x.npy", x_}, {"y.npy", y_}}, true);
  damaged[damaged.find("PK\x01\x02") + 16] ^= 1;  // the directory's CRC of x
  EXPECT_THAT(path_error(Format::kNpz, damaged),
              HasSubstr("its checksum differs from the archive's"));
  std::string flipped = testing::zip({{"x.npy", x_}, {"y.npy", y_}}, false);
  flipped[flipped.find(x_) + x_.size() - 1] ^= 1;  // a bit of x, stored
  EXPECT_THAT(path_error(Format::kNpz, flipped),
              HasSubstr("data[x]: damaged: its checksum differs from the archive's"));
  EXPECT_THAT(path_error(Format::kNpz, testing::zip({}, false)), HasSubstr("holds no arrays"));
}

TEST_F(DatasetErrorsTest, Safetensors) {
  const std::string header = R"({"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})";
  const std::string file = testing::safetensors(header, std::string(16, '\0'));
  EXPECT_THAT(path_error(Format::kSafetensors, file), HasSubstr("data: has no tensor `y`"));
  for (const std::string& bad :
       {file.substr(0, file.size() - 1), file.substr(0, 30), std::string("\x93NUMPY\x01"),
        testing::safetensors("{not json", "")}) {
    EXPECT_THAT(path_error(Format::kSafetensors, bad), HasSubstr("/data: "));
  }
  // An array of a type that is not read stands in nobody's way but its own.
  const auto typed = [](const std::string& y, const std::string& other) {
    return testing::safetensors(
        R"({"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"w":{"dtype":")" + other +
            R"(","shape":[3],"data_offsets":[16,19]},"y":{"dtype":")" + y +
            R"(","shape":[2],"data_offsets":[19,21]}})",
        std::string(21, '\0'));
  };
  DataSpec data = data_of(Format::kSafetensors);
  data.path = write("odd", typed("U8", "F8_E4M3"));
  EXPECT_EQ(Dataset::open(data, model_of({2}, 3)).size(), 2);
  EXPECT_THAT(path_error(Format::kSafetensors, typed("F8_E4M3", "U8")),
              HasSubstr("data[y]: dtype `F8_E4M3` is not read; expected"));
}

TEST_F(DatasetErrorsTest, Csv) {
  const auto csv = [&](const std::string& text) { return path_error(Format::kCsv, text); };
  EXPECT_THAT(csv("a,b,y\n0,1,2\n0,1\n"),
              HasSubstr("data:3: row 1 has 2 fields; the header has 3"));
  EXPECT_THAT(csv("a,b,y\n0,1,2\n0,,1\n"),
              HasSubstr("data:3:3: row 1: `` in column `b`; expected a number"));
  EXPECT_THAT(csv("a,b,y\n0,cat,2\n"),
              HasSubstr("data:2:3: row 0: `cat` in column `b`; expected a number"));
  EXPECT_THAT(csv("a,b,y\n0,1,cat\n"),
              HasSubstr("data:2:5: row 0: label `cat`; expected a whole number in [0, 3), or names "
                        "listed in model.classes"));
  EXPECT_THAT(csv("a,b,y\n0,1,3\n"), HasSubstr("data:2:5: row 0: label 3 is outside [0, 3)"));
  EXPECT_THAT(csv("a,b,y\n0,nan,1\n"), HasSubstr("data:2: row 0: nan at [1]; expected a number"));
  EXPECT_THAT(csv("a,b,y\n0,1e999,1\n"), HasSubstr("`1e999` in column `b`; expected a number"));
  EXPECT_THAT(csv("0,1,2\n0,1,2\n"), HasSubstr("data:1:1: the first line holds numbers only"));
  EXPECT_THAT(csv("a,b,Y\n0,1,2\n"),
              HasSubstr("data:1:1: no column `y` (data.test.label); did you mean `Y`?"));
  EXPECT_THAT(csv("a;b;y\n0;1;2\n"),
              HasSubstr("columns are separated by commas, and the header `a;b;y` has none"));
  EXPECT_LT(csv("y\t" + std::string(5000, 'a') + "\n0\t1\n").size(), 400U);
  EXPECT_THAT(csv("a,b,y\r0,1,2\r"), HasSubstr("end with a carriage return alone"));
  EXPECT_THAT(csv("y,b,y\n0,1,2\n"), HasSubstr("two columns are called `y`"));
  EXPECT_THAT(csv(",a,b,y\n0,0,1,2\n"),
              HasSubstr("data has 3 feature columns beside `y`; expected 2 by model.input.shape [2]"
                        "; the first column has no name: save without the index"));
  EXPECT_THAT(csv("id,a,b,y\n0,0,1,2\n"),
              HasSubstr("data has 3 feature columns beside `y`; expected 2 by model.input.shape [2]"
                        "; every column but the label is a feature: `id`, `a`, `b`"));
  EXPECT_THAT(csv("a,b,y\n0,63.7,1\n"),
              ::testing::AllOf(HasSubstr("row 0: 63.7 at [1]"), HasSubstr("scale the data as"),
                               ::testing::Not(HasSubstr("255"))));
  EXPECT_THAT(csv("a,b,y\n"), HasSubstr("data:2:1: no rows after the header"));
  EXPECT_THAT(csv("a,b,y\n0,1,2\n\n0,1,2\n"), HasSubstr("data:3:1: a blank line inside the table"));
  EXPECT_THAT(csv("a,b,y\n0,\"1,2\n"), HasSubstr("data:2:3: a quote that is not closed"));
  EXPECT_THAT(csv("a,b,y\n0,\"1\"2,2\n"), HasSubstr("text after a closing quote"));
  EXPECT_THAT(csv("a,b,y\n0,\"1\"\"\",2\n"), HasSubstr("`1\"` in column `b`"));
  EXPECT_THAT(csv("\"a\n1\",b,y\n0,1,2\n0,1,7\n"), HasSubstr("data:4:5: row 1: label 7"));
  EXPECT_THAT(csv(std::string(100'000, 'a')), HasSubstr("data:1:1: a line of more than "));
  EXPECT_THAT(csv(std::string("PK\x03\x04\0\0", 6)),
              HasSubstr("is not a text file: found 50 4b 03 04 00 00 (zip or npz)"));
}

}  // namespace
}  // namespace assay
