// Image folders: which files are samples, and pixels as Pillow and torchvision give them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "harness/model/dataset.h"
#include "harness/model/dataset_array.h"
#include "harness/model/image.h"
#include "tests/model/dataset_files.h"

namespace assay {
namespace {

using testing::all;
using ::testing::AllOf;
using testing::data_of;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::model_of;
using testing::png;
using testing::values;

const std::filesystem::path kGolden =
    std::filesystem::path(ASSAY_SOURCE_DIR) / "tests" / "golden" / "images";

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TEST(EncodeJpeg, WritesThePixelsThatPillowWrites) {
  const auto read = [](const char* name) { return testing::read_file(kGolden / name); };
  for (const auto& [png_name, jpeg_name, quality] :
       {std::tuple("rgb.png", "rgb420.jpg", 80), std::tuple("grey.png", "grey.jpg", 85)}) {
    const Image image = decode_png(bytes_of(read(png_name)), png_name);
    const Image written = decode_jpeg(encode_jpeg(image, quality), "written");
    const Image golden = decode_jpeg(bytes_of(read(jpeg_name)), jpeg_name);
    EXPECT_EQ(written.pixels, golden.pixels) << jpeg_name;
    EXPECT_EQ(written.width, golden.width);
  }
}

class ImageFolderTest : public testing::WithFolder {
 protected:
  DataSpec data() const {
    DataSpec spec = data_of(DataSpec::Format::kImages);
    spec.path = folder_ / "set";
    return spec;
  }
  std::string one(uint8_t level) const { return png(1, 1, {level}); }

  std::string error(const DataSpec& spec, const ModelSpec& model) const {
    return error_of([&] {
      const Dataset dataset = Dataset::open(spec, model);
      describe(dataset, all(dataset));
    });
  }
  // The error of a single image in place of a good one.
  std::string image_error(const std::string& bytes) {
    write("set/a/x.png", bytes);
    write("set/b/y.png", one(1));
    return error(data(), model_of({1, 1, 1}, 2));
  }
};

TEST_F(ImageFolderTest, ClassesAreFoldersInByteOrderAndIdsAreRelativePaths) {
  write("set/b/2.png", one(3));
  write("set/b/10.PNG", one(2));
  write("set/a b/deep/er/z.jpg", one(1));  // a PNG by content
  write("set/B/x.jpeg", one(0));
  write("set/README.txt", "beside the class folders anything may lie");
  write("set/a b/.hidden", "not a sample");
  const Dataset dataset = Dataset::open(data(), model_of({1, 1, 1}, 3, 0, 255));
  std::vector<std::string> ids;
  std::vector<int64_t> labels;
  for (const int64_t i : all(dataset)) {
    ids.push_back(dataset.id(i));
    labels.push_back(dataset.label(i));
  }
  EXPECT_THAT(ids, ElementsAre("B/x.jpeg", "a b/deep/er/z.jpg", "b/10.PNG", "b/2.png"));
  EXPECT_THAT(labels, ElementsAre(0, 1, 2, 2));
  EXPECT_THAT(values(dataset.read(all(dataset))), ElementsAre(0, 1, 2, 3));
}

TEST_F(ImageFolderTest, ClassOrderNumbersTheFolders) {
  write("set/cat/1.png", one(7));
  write("set/dog/1.png", one(8));
  DataSpec spec = data();
  spec.class_order = write("order", "dog\r\nowl\ncat\n");  // of owls there are no images
  const Dataset dataset = Dataset::open(spec, model_of({1, 1, 1}, 3));
  EXPECT_EQ(dataset.id(0), "dog/1.png");
  EXPECT_EQ(dataset.label(0), 0);
  EXPECT_EQ(dataset.label(1), 2);
  write("order", "dgo\nowl\ncat\n");
  EXPECT_THAT(error(spec, model_of({1, 1, 1}, 3)),
              AllOf(HasSubstr("set/dog: is not listed in "), HasSubstr("did you mean `dgo`?")));
  write("order", "dog\ncat\ndog\n");
  EXPECT_THAT(error(spec, model_of({1, 1, 1}, 3)),
              HasSubstr("order:3:1: class `dog` is listed twice"));
  write("order", "dog\ncat\n");
  EXPECT_THAT(error(spec, model_of({1, 1, 1}, 3)),
              HasSubstr("order lists 2 classes; expected 3 by model.classes"));
}

TEST_F(ImageFolderTest, ClassesThatTheModelNamesHaveItsNumbers) {
  write("set/cat/1.png", one(7));
  write("set/dog/1.png", one(8));
  ModelSpec model = model_of({1, 1, 1}, 2);
  model.class_names = {"cat", "dog"};
  EXPECT_NO_THROW(Dataset::open(data(), model));
  model.class_names = {"tom", "rex"};  // the folders may be called otherwise
  EXPECT_NO_THROW(Dataset::open(data(), model));
  model.class_names = {"dog", "cat"};
  EXPECT_THAT(error(data(), model),
              AllOf(HasSubstr("data.test: class `cat` is number 0 in the order of the folders' "
                              "bytes, and 1 in model.classes"),
                    HasSubstr("`class_order` file")));
  DataSpec spec = data();
  spec.class_order = write("order", "dog\ncat\n");
  EXPECT_NO_THROW(Dataset::open(spec, model));
  write("order", "cat\ndog\n");
  EXPECT_THAT(error(spec, model), HasSubstr("write both in the model's order"));
}

TEST_F(ImageFolderTest, NothingBesideTheClassFoldersIsAClassPassedOver) {
  write("set/cat/1.png", one(7));
  write("set/dog/1.png", one(8));
  write("set/README.txt", "no sample");
  DataSpec spec = data();
  spec.class_order = write("order", "cat\ndog\nowl\n");
  const ModelSpec model = model_of({1, 1, 1}, 3);
  ASSERT_NO_THROW(Dataset::open(spec, model));
  const std::filesystem::path owl = folder_ / "set/owl";
  std::filesystem::create_symlink("nowhere", owl);
  EXPECT_THAT(error(spec, model), HasSubstr("set/owl: is a link that leads nowhere; mend it"));
  std::filesystem::remove(owl);
  std::filesystem::create_symlink("owl", owl);
  EXPECT_THAT(error(spec, model), HasSubstr("set/owl: cannot be looked into"));
  std::filesystem::remove(owl);
  write("set/2.png", one(9));
  EXPECT_THAT(error(spec, model), HasSubstr("set/2.png: is an image beside the class folders"));
}

TEST_F(ImageFolderTest, ColourIsChannelsFirstAndRowsTakesAPart) {
  write("set/a/1.png", png(2, 1, {1, 2, 3, 4, 5, 6}));
  write("set/a/2.png", png(2, 1, {7, 8}));
  DataSpec spec = data();
  const Dataset whole = Dataset::open(spec, model_of({3, 1, 2}, 1, 0, 255));
  EXPECT_THAT(values(whole.read(all(whole))), ElementsAre(1, 4, 2, 5, 3, 6, 7, 8, 7, 8, 7, 8));
  spec.rows = {1, 2};
  const Dataset part = Dataset::open(spec, model_of({3, 1, 2}, 1, 0, 255));
  ASSERT_EQ(part.size(), 1);
  EXPECT_EQ(part.id(0), "a/2.png");
}

TEST_F(ImageFolderTest, BadFoldersAreErrors) {
  EXPECT_THAT(error(data(), model_of({1, 1, 1}, 2)), HasSubstr("set: no such folder"));
  write("set/a/1.png", one(1));
  EXPECT_THAT(error(data(), model_of({1, 1, 1}, 2)),
              AllOf(HasSubstr("suite.yaml:7:3: data.test: "),
                    HasSubstr("set has 1 class folders; expected 2 by model.classes")));
  std::filesystem::create_directory(folder_ / "set/b");
  EXPECT_THAT(error(data(), model_of({1, 1, 1}, 2)), HasSubstr("set/b: holds no images"));
  write("set/b/\xff.png", one(1));
  EXPECT_THAT(error(data(), model_of({1, 1, 1}, 2)),
              HasSubstr("set/b: the name `\\xff.png` is not UTF-8; rename it"));
  std::filesystem::remove(folder_ / "set/b/\xff.png");
  write("set/b/x.webp", "RIFF");
  EXPECT_THAT(error(data(), model_of({1, 1, 1}, 2)),
              HasSubstr("set/b/x.webp: is not named .png, .jpg or .jpeg; convert it, or move"));
  EXPECT_THAT(error(data(), model_of({2, 1, 1}, 2)),
              HasSubstr("images are [1 or 3, height, width], but model.input.shape is [2, 1, 1]"));
  DataSpec spec = data();
  spec.crop = {2, 1};
  EXPECT_THAT(error(spec, model_of({1, 1, 1}, 2)),
              HasSubstr("crop [2, 1] gives another size than model.input.shape [1, 1, 1]"));
  spec = data();
  spec.path = write("file", "x");
  EXPECT_THAT(error(spec, model_of({1, 1, 1}, 2)), HasSubstr("file: is a file; expected a folder"));
  std::filesystem::remove_all(folder_ / "set");
  std::filesystem::create_directory(folder_ / "set");
  EXPECT_THAT(error(data(), model_of({1, 1, 1}, 2)), HasSubstr("set has 0 class folders"));
}

TEST_F(ImageFolderTest, BadImagesAreErrors) {
  EXPECT_THAT(image_error(""), HasSubstr("set/a/x.png: is empty (0 bytes)"));
  EXPECT_THAT(image_error("hello world"),
              HasSubstr("set/a/x.png: is not an image that Assay reads: expected PNG (89 50 4e 47) "
                        "or JPEG (ff d8 ff) at byte 0, found 68 65 6c 6c 6f 20"));
  EXPECT_THAT(image_error("GIF89a.."), HasSubstr("(gif)"));
  const std::string good = one(1);
  EXPECT_THAT(image_error(good.substr(0, good.size() - 14)),
              HasSubstr("set/a/x.png: is not a readable PNG image: truncated at byte "));
  EXPECT_THAT(image_error(png(2, 1, {1, 2})),
              HasSubstr("set/a/x.png: image of [1, 2] (height, width); expected [1, 1] by "
                        "model.input.shape; set `resize` and `crop` under data.test"));
  std::string damaged = good;
  damaged[good.find("IDAT") + 5] ^= 1;
  EXPECT_THAT(image_error(damaged), HasSubstr("is not a readable PNG image: "));
  // 65,535 x 65,535 claimed by a file of a few bytes.
  std::string bomb = good;
  bomb.replace(16, 8, testing::big(65535, 4) + testing::big(65535, 4));
  const auto* head = reinterpret_cast<const Bytef*>(bomb.data() + 12);
  bomb.replace(29, 4, testing::big(crc32(0, head, 17), 4));
  EXPECT_THAT(image_error(bomb), HasSubstr("image of 65535 x 65535 pixels (height x width); "
                                           "expected 1 to 89478485 pixels"));
  const std::string jpeg = testing::read_file(kGolden / "rgb420.jpg");
  EXPECT_THAT(image_error(jpeg.substr(0, jpeg.size() / 2)),
              HasSubstr("is not a readable JPEG image: Premature end of JPEG file"));
  EXPECT_THAT(image_error(jpeg.substr(0, 30)), HasSubstr("is not a readable JPEG image: "));
}

// tests/golden/images/make.py writes the images, and what Pillow makes of them.
TEST(ImageGolden, DecodingConvertingAndResizingGivePillowsBytes) {
  std::ifstream list(kGolden / "expected.txt");
  std::string key, file, how;
  int64_t channels = 0, height = 0, width = 0;
  int compared = 0;
  while (list >> key >> file >> channels >> how >> height >> width) {
    SCOPED_TRACE(key + " " + file + " " + how);
    const std::string bytes = testing::read_file(kGolden / file);
    Image image = decode_image(bytes_of(bytes), channels, file);
    if (how != "none") {
      const Interpolation interpolation = how == "nearest"    ? Interpolation::kNearest
                                          : how == "bilinear" ? Interpolation::kBilinear
                                                              : Interpolation::kBicubic;
      const std::vector<int64_t> size =
          width > 0 ? std::vector<int64_t>{height, width} : std::vector<int64_t>{height};
      image = resize(image, size, interpolation, true, file);
    }
    const Array expected = open_npz(kGolden / "expected.npz", key);
    ASSERT_EQ(shape_text(expected.shape),
              shape_text(std::vector<int64_t>{image.height, image.width, image.channels}));
    std::vector<double> levels(image.pixels.size());
    read_elements(expected, 0, levels);
    ASSERT_EQ(std::vector<double>(image.pixels.begin(), image.pixels.end()), levels);
    ++compared;
  }
  EXPECT_GE(compared, 60);
}

TEST(ImageResize, ShorterSideFollowsTorchvision) {
  const auto size = [](int64_t height, int64_t width, int64_t side) {
    const Image image{height, width, 1, std::vector<uint8_t>(static_cast<size_t>(height * width))};
    const Image result =
        resize(image, std::vector<int64_t>{side}, Interpolation::kNearest, true, "");
    return std::pair{result.height, result.width};
  };
  EXPECT_EQ(size(500, 333, 256), std::pair(int64_t{384}, int64_t{256}));  // int(256 * 500 / 333)
  EXPECT_EQ(size(333, 500, 256), std::pair(int64_t{256}, int64_t{384}));
  EXPECT_EQ(size(7, 7, 3), std::pair(int64_t{3}, int64_t{3}));
}

TEST(ImageResize, AnEnlargementBeyondTheLimitIsRefused) {
  const Image thin{1, 60'000, 1, std::vector<uint8_t>(60'000)};
  EXPECT_THAT(error_of([&] {
                resize(thin, std::vector<int64_t>{256}, Interpolation::kBilinear, true, "thin.png");
              }),
              HasSubstr("thin.png (resized): image of 256 x 15360000 pixels"));
}

TEST(ImageResize, TensorSemanticsDoNotAntialias) {
  // Every second pixel white: antialiasing averages, torch's bilinear without it takes two pixels.
  Image stripes{1, 16, 1, {}};
  for (int i = 0; i < 16; ++i) stripes.pixels.push_back(i % 4 == 0 ? 200 : 0);
  const auto run = [&](Interpolation how, bool antialias) {
    return resize(stripes, std::vector<int64_t>{1, 4}, how, antialias, "").pixels;
  };
  // Centres of four output pixels: 1.5, 5.5, …: the mean of two black ones.
  EXPECT_THAT(run(Interpolation::kBilinear, false), ElementsAre(0, 0, 0, 0));
  for (const uint8_t level : run(Interpolation::kBilinear, true)) EXPECT_GT(level, 20);
  // torch's nearest takes floor(i * scale): 0, 4, …; Pillow's takes the centre.
  EXPECT_THAT(run(Interpolation::kNearest, false), ElementsAre(200, 200, 200, 200));
  EXPECT_THAT(run(Interpolation::kNearest, true), ElementsAre(0, 0, 0, 0));
  // Keys' cubic with a = -3/4 between the middle two of 0 (200) 1 (0) 2 (0) 3 (0).
  EXPECT_THAT(run(Interpolation::kBicubic, false), ElementsAre(0, 0, 0, 0));
}

TEST(ImageCrop, CentresAsPythonRounds) {
  Image ramp{1, 8, 1, {0, 1, 2, 3, 4, 5, 6, 7}};
  const auto first = [&](int64_t width) { return center_crop(ramp, 1, width, "").pixels[0]; };
  EXPECT_EQ(first(8), 0);
  EXPECT_EQ(first(7), 0);  // round(0.5) = 0
  EXPECT_EQ(first(6), 1);
  EXPECT_EQ(first(5), 2);  // round(1.5) = 2
  EXPECT_EQ(first(3), 2);  // round(2.5) = 2
  EXPECT_EQ(first(1), 4);  // round(3.5) = 4
  EXPECT_THAT(error_of([&] { center_crop(ramp, 2, 8, "a.png"); }),
              HasSubstr("a.png: crop [2, 8] is larger than the image of [1, 8]"));
}

}  // namespace
}  // namespace assay
