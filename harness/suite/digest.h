// SHA-256 of bytes and files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace assay {

/// Lower-case hexadecimal SHA-256 (64 characters) of `bytes`.
std::string sha256(std::string_view bytes);

/// SHA-256 of a file's content, read in pieces. Throws Error naming the file if it is unreadable.
std::string sha256_file(const std::filesystem::path& path);

/// The first 8 bytes of SHA-256 as a number: a stable 64-bit key for counter-based random numbers.
uint64_t hash64(std::string_view bytes);

}  // namespace assay
