#include "harness/suite/flags.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

namespace assay {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Flags are raised as `push_back({"id",` or returned as `Flag{"id",`.
TEST(Flags, AllThatTheSourceRaisesAreListed) {
  const std::set<std::string> listed(kFlagIds.begin(), kFlagIds.end());
  const std::regex raised(R"((flags(\(\))?\.push_back\(|Flag)\{\s*\"([a-z_]+)\")");
  std::set<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(ASSAY_SOURCE_DIR "/harness")) {
    if (entry.path().extension() != ".cc") continue;
    const std::string text = text_of(entry.path());
    for (std::sregex_iterator at(text.begin(), text.end(), raised), end; at != end; ++at) {
      found.insert((*at)[3]);
      EXPECT_TRUE(listed.contains((*at)[3])) << (*at)[3] << " of " << entry.path();
    }
  }
  EXPECT_GE(found.size(), 15U) << "the pattern does not fit any more";
}

TEST(Flags, AllThatAreListedAreExplainedInTheReadme) {
  const std::string readme = text_of(ASSAY_SOURCE_DIR "/README.md");
  for (const std::string id : kFlagIds) {
    EXPECT_TRUE(std::regex_search(readme, std::regex("\n\\|[^|]*`" + id + "`[^|]*\\|"))) << id;
  }
}

}  // namespace
}  // namespace assay
