// Saved adversarials may be more than memory or the disk holds: neither costs a report.
#include <cstring>

#include "tests/cli/workshop.h"

namespace assay::testing {
namespace {

namespace fs = std::filesystem;

class SavedAdversarials : public Workshop {
 protected:
  const std::string file_ = "out/adversarials.safetensors";

  // Adds an array of so many bytes, none of which takes place on the disk.
  void add_sparse(uint64_t bytes) {
    const std::string old = read(file_);
    uint64_t size = 0;
    std::memcpy(&size, old.data(), sizeof size);
    nlohmann::ordered_json header = nlohmann::ordered_json::parse(old.substr(8, size));
    const uint64_t data = old.size() - 8 - size;
    header["huge"] = {{"dtype", "U8"}, {"shape", {bytes}}, {"data_offsets", {data, data + bytes}}};
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    const uint64_t length = text.size();
    write(file_,
          std::string(reinterpret_cast<const char*>(&length), 8) + text + old.substr(8 + size));
    fs::resize_file(path(file_), 8 + length + data + bytes);
  }
};

TEST_F(SavedAdversarials, AReportReadsNoMoreOfThemThanItShows) {
  write_suite(image_parts());
  ASSERT_EQ(run("out", {"--save-adversarials", "all"}).code, 0);
  ASSERT_EQ(assay({"report", "out"}).code, 0);
  const std::string html = read("out/report.html");
  ASSERT_NE(html.find("<img"), std::string::npos);
  add_sparse(uint64_t{1} << 40);
  const Ended ended = assay({"report", "out"});
  expect_end(ended, 0, {});
  EXPECT_EQ(ended.err, "");
  EXPECT_TRUE(read("out/report.html") == html);
}

TEST_F(SavedAdversarials, WhereTheyCannotBeSavedTheReportsAreThereAllTheSame) {
  write_suite({});
  ASSERT_EQ(run("out", {"--save-adversarials", "all"}).code, 0);
  for (const char* report : kReports) fs::remove(path(std::string("out/") + report));
  fs::remove(path(file_));
  fs::create_directories(path(file_ + "/in the way"));
  const Ended ended = run("out", {"--resume", "--save-adversarials", "all"});
  expect_end(ended, 3, {"adversarials.safetensors"});
  for (const char* report : kReports) EXPECT_TRUE(exists(std::string("out/") + report)) << report;
  EXPECT_EQ(decision("out"), "pass");
}

}  // namespace
}  // namespace assay::testing
