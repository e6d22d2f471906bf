// Runs headless Chromium, and reads its screenshots. A missing Chromium fails the test.
#pragma once

#include <gtest/gtest.h>
#include <png.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "tests/reports/golden.h"

namespace assay::testing {

/// A new empty folder, gone at the end.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "assay-html-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Loads `html` and returns the DOM as text; writes a screenshot where one is asked for.
inline std::string browse(const std::string& html, const std::string& more,
                          const std::filesystem::path& screenshot = {}) {
  const TempFolder folder;
  const auto page = folder.path() / "page.html", dom = folder.path() / "dom.html";
  std::ofstream(page, std::ios::binary) << html;
  std::string command =
      "timeout 120 chromium --headless --no-sandbox --disable-gpu --no-first-run "
      "--disable-background-networking --disable-component-update --disable-sync "
      "--disable-dev-shm-usage --hide-scrollbars --user-data-dir='" +
      (folder.path() / "profile").string() + "' " + more;
  command += screenshot.empty() ? " --dump-dom" : " --screenshot='" + screenshot.string() + "'";
  command += " 'file://" + page.string() + "' > '" + dom.string() + "' 2> '" +
             (folder.path() / "log").string() + "'";
  const int status = std::system(command.c_str());
  EXPECT_EQ(status, 0) << "headless chromium is needed (apt install chromium): "
                       << read_file(folder.path() / "log");
  return read_file(dom);
}

struct Screenshot {
  unsigned width = 0;
  unsigned height = 0;
  std::vector<uint8_t> rgb;
  /// Colour at a point as 0xRRGGBB.
  unsigned at(unsigned x, unsigned y) const {
    const size_t i = 3 * (size_t{y} * width + x);
    return unsigned{rgb[i]} << 16 | unsigned{rgb[i + 1]} << 8 | rgb[i + 2];
  }
  std::set<unsigned> colours() const {
    std::set<unsigned> all;
    for (unsigned y = 0; y < height; ++y) {
      for (unsigned x = 0; x < width; ++x) all.insert(at(x, y));
    }
    return all;
  }
};

inline Screenshot read_png(const std::filesystem::path& file) {
  Screenshot shot;
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_file(&image, file.c_str())) {
    ADD_FAILURE() << file << ": " << image.message;
    return shot;
  }
  image.format = PNG_FORMAT_RGB;
  shot.width = image.width;
  shot.height = image.height;
  shot.rgb.resize(PNG_IMAGE_SIZE(image));
  EXPECT_TRUE(png_image_finish_read(&image, nullptr, shot.rgb.data(), 0, nullptr));
  return shot;
}

}  // namespace assay::testing
