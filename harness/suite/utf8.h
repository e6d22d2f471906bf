// Characters of texts that come from outside.
#pragma once

#include <cstddef>
#include <string_view>

namespace assay {

/// Bytes of the UTF-8 character (RFC 3629) that a text begins with, or 0 where it begins with none.
size_t utf8_character(std::string_view text);

}  // namespace assay
