#include "harness/suite/digest.h"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "harness/suite/error.h"

namespace assay {
namespace {

using Bytes = std::array<unsigned char, 32>;

class Hasher {
 public:
  Hasher() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    ASSAY_CHECK(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1,
                "sha256 is not available");
  }

  void add(const void* data, size_t size) {
    ASSAY_CHECK(EVP_DigestUpdate(context_.get(), data, size) == 1, "sha256 failed");
  }

  Bytes finish() {
    Bytes bytes{};
    unsigned int size = 0;
    ASSAY_CHECK(
        EVP_DigestFinal_ex(context_.get(), bytes.data(), &size) == 1 && size == bytes.size(),
        "sha256 failed");
    return bytes;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

Bytes digest(std::string_view bytes) {
  Hasher hasher;
  hasher.add(bytes.data(), bytes.size());
  return hasher.finish();
}

std::string hexadecimal(const Bytes& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace

std::string sha256(std::string_view bytes) { return hexadecimal(digest(bytes)); }

std::string sha256_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw Error(path.string() + ": is a folder, expected a file");
  }
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (!file) throw Error(path.string() + ": cannot be read: " + std::strerror(errno));
  Hasher hasher;
  std::vector<char> buffer(size_t{1} << 20);
  while (true) {
    const size_t got = std::fread(buffer.data(), 1, buffer.size(), file.get());
    if (got == 0) break;
    hasher.add(buffer.data(), got);
  }
  if (std::ferror(file.get()) != 0) throw Error(path.string() + ": reading failed");
  return hexadecimal(hasher.finish());
}

uint64_t hash64(std::string_view bytes) {
  const Bytes hash = digest(bytes);
  uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = number << 8 | hash[static_cast<size_t>(i)];
  return number;
}

}  // namespace assay
