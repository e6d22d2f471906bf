// Files with exact outputs. ASSAY_UPDATE_GOLDEN=1 writes them anew, for review with git diff.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace assay::testing {

inline std::string read_file(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

inline void expect_file(const std::filesystem::path& file, const std::string& text) {
  if (const char* update = std::getenv("ASSAY_UPDATE_GOLDEN"); update && *update == '1') {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    FAIL() << "wrote " << file << "; run again without ASSAY_UPDATE_GOLDEN";
  }
  ASSERT_TRUE(std::filesystem::exists(file)) << file << "; write it with ASSAY_UPDATE_GOLDEN=1";
  EXPECT_EQ(read_file(file), text) << file << "; if meant so, write it with ASSAY_UPDATE_GOLDEN=1";
}

inline void expect_golden(const std::string& name, const std::string& text) {
  expect_file(std::filesystem::path(ASSAY_SOURCE_DIR "/tests/golden/reports") / name, text);
}

}  // namespace assay::testing
