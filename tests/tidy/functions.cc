// Lengths of functions.
#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

#include "tests/tidy/rules.h"

namespace assay::tidy {
namespace {

/// The first line of the signature, perhaps wrapped and with initialisers, whose body opens at the
/// end of line `open`.
size_t signature_of(const std::vector<std::string>& lines, size_t open) {
  size_t first = open;
  std::ptrdiff_t closed = 0;  // brackets whose opening ones stand above
  for (;; --first) {
    closed += std::ranges::count(lines[first], ')') - std::ranges::count(lines[first], '(');
    const std::string_view line = lines[first];
    const size_t indent = line.find_first_not_of(' ');
    const bool initialises = indent != std::string_view::npos && line.substr(indent)[0] == ':';
    const bool lambda = line.find('[') != std::string_view::npos;
    const bool goes_on = first > 0 && !lambda && lines[first - 1].ends_with(',');
    if (first == 0 || (closed <= 0 && !initialises && !goes_on)) return first;
  }
}

}  // namespace

Faults long_functions(const File& file, int limit) {
  Faults faults;
  std::vector<std::string> lines;
  std::istringstream stream(file.text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  static constexpr std::array kNoFunction = {"namespace", "struct", "class", "enum",
                                             "union",     "extern", "}",     "//"};
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].ends_with("{") || lines[i].ends_with("= {")) continue;
    const size_t first = signature_of(lines, i);
    const size_t indent = lines[first].find_first_not_of(' ');
    if (indent == std::string::npos || indent > 2) continue;
    const std::string_view code = std::string_view(lines[first]).substr(indent);
    if (std::ranges::any_of(kNoFunction, [&](const char* word) { return code.starts_with(word); }))
      continue;
    const std::string closing = std::string(indent, ' ') + "}";
    for (size_t j = i + 1; j < lines.size(); ++j) {
      if (!lines[j].starts_with(closing)) continue;
      const int length = static_cast<int>(j - first) + 1;
      if (length > limit) {
        faults.push_back(file.path + ":" + std::to_string(first + 1) + ": " + "a function of " +
                         std::to_string(length) + " lines, at most " + std::to_string(limit));
      }
      break;
    }
  }
  return faults;
}

}  // namespace assay::tidy
