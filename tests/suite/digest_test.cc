#include "harness/suite/digest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "harness/suite/error.h"

namespace assay {
namespace {

constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Sha256, MatchesPublishedVectors) {
  EXPECT_EQ(sha256("abc"), kAbc);
  EXPECT_EQ(sha256(""), kEmpty);
}

TEST(Sha256, FileAndBytesAgreeAcrossPieces) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "digest_test.bin";
  const std::string bytes((size_t{3} << 20) + 17, 'z');
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_EQ(sha256_file(path), sha256(bytes));
  std::ofstream(path, std::ios::binary) << "";
  EXPECT_EQ(sha256_file(path), kEmpty);
  std::filesystem::remove(path);
}

TEST(Sha256, UnreadableFilesAreNamed) {
  for (const char* path : {"/nowhere/file", "/"}) {
    try {
      sha256_file(path);
      FAIL() << path;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::StartsWith(std::string(path) + ": "));
    }
  }
}

TEST(Hash64, IsTheFirstEightBytesBigEndian) { EXPECT_EQ(hash64("abc"), 0xba7816bf8f01cfeaull); }

}  // namespace
}  // namespace assay
