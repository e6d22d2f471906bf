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

// Flags are raised as `flags.push_back({"id",`, `Flag{"id",`, `flag = {"id",` or `flag("id",`.
TEST(Flags, ThoseThatTheSourceRaisesAreThoseListed) {
  const std::set<std::string> listed(kFlagIds.begin(), kFlagIds.end());
  EXPECT_EQ(listed.size(), kFlagIds.size());
  const std::regex raised(
      R"re(((flags(\(\))?|diagnosis)(\.|->)push_back\(\s*\{|\bFlag\{|\bflag\(|\bflag = \{))re"
      R"re(\s*"([a-z_]+)")re");
  std::set<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(ASSAY_SOURCE_DIR "/harness")) {
    if (entry.path().extension() != ".cc") continue;
    const std::string text = text_of(entry.path());
    for (std::sregex_iterator at(text.begin(), text.end(), raised), end; at != end; ++at) {
      found.insert((*at)[5]);
      EXPECT_TRUE(listed.contains((*at)[5])) << (*at)[5] << " of " << entry.path();
    }
  }
  for (const std::string& id : listed) {
    EXPECT_TRUE(found.contains(id)) << id << " is raised nowhere, or in a way of its own";
  }
}

TEST(Flags, AllThatAreListedAreExplainedInTheReadme) {
  const std::string readme = text_of(ASSAY_SOURCE_DIR "/README.md");
  for (const std::string id : kFlagIds) {
    EXPECT_TRUE(std::regex_search(readme, std::regex("\n\\|[^|]*`" + id + "`[^|]*\\|"))) << id;
  }
}

}  // namespace
}  // namespace assay
