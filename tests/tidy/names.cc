// Names in unnamed namespaces.
#include <algorithm>
#include <map>
#include <optional>
#include <regex>
#include <string_view>
#include <vector>

#include "tests/tidy/rules.h"

namespace assay::tidy {
namespace {

struct Definition {
  std::string name;
  std::string alias;  ///< all of the line, where it is one: the same may stand twice
};

/// Sources that are compiled several at a time, by the folder of their target; "" for others.
std::string batch_of(const std::string& path) {
  static const std::regex kBatched("((harness|tests)/[a-z]+|attacks|reports)/.*\\.cc");
  std::smatch match;
  const bool batched = std::regex_match(path, match, kBatched) && match[1] != "tests/testing";
  return batched ? match[1].str() : "";
}

/// What a line at the margin defines, if anything.
std::optional<Definition> definition_in(const std::string& line) {
  static const std::regex kType(
      "(struct|class|enum class|enum|union) (\\w+)(| \\{.*| final.*| :.*)");
  static const std::regex kAlias("using (\\w+) = .*");
  static const std::regex kNone("(using|template|namespace|static_assert|struct|class)\\b.*");
  // A type, perhaps with brackets, and a name with what begins parameters or a value, or ends it.
  static const std::regex kOther("[A-Za-z\\[][^=({;]*?[^(={;:\\w](\\w+)( =|[({;\\[]).*");
  std::smatch match;
  if (std::regex_match(line, match, kAlias)) return Definition{match[1], line};
  if (std::regex_match(line, match, kType)) return Definition{match[2], ""};
  if (std::regex_match(line, kNone) || !std::regex_match(line, match, kOther)) return std::nullopt;
  return Definition{match[1], ""};
}

/// Without raw strings, whose lines begin where those of code do.
std::string without_raw_strings(const std::string& text) {
  std::string code;
  size_t begin = 0;
  for (;;) {
    const size_t raw = text.find("R\"", begin);
    const size_t open = text.find('(', raw);
    if (raw == std::string::npos || open == std::string::npos) return code + text.substr(begin);
    const std::string close = ")" + text.substr(raw + 2, open - raw - 2) + "\"";
    code += text.substr(begin, raw - begin) + "\"\"";
    const size_t end = text.find(close, open);
    if (end == std::string::npos) return code;
    begin = end + close.size();
  }
}

/// Definitions in unnamed namespaces by the namespace around them.
std::multimap<std::string, Definition> unnamed_in(const std::string& text) {
  static const std::regex kNamespace("namespace ([a-z_:]+) \\{");
  std::multimap<std::string, Definition> all;
  std::string space;
  bool unnamed = false;
  for (size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    std::smatch match;
    if (std::regex_match(line, match, kNamespace)) space = match[1];
    if (line == "namespace {" || line == "}  // namespace") unnamed = line.ends_with('{');
    if (!unnamed) continue;
    if (std::optional<Definition> found = definition_in(line)) all.emplace(space, *found);
  }
  return all;
}

}  // namespace

Faults unnamed_clashes(const Tree& tree) {
  struct Known {
    std::string path;
    std::string alias;
  };
  std::map<std::string, Known> known;  // the first by batch, namespace and name
  Faults faults;
  for (const File& file : tree) {
    const std::string batch = batch_of(file.path);
    if (batch.empty()) continue;
    for (const auto& [space, found] : unnamed_in(without_raw_strings(file.text))) {
      const Known here{file.path, found.alias};
      const Known& first =
          known.emplace(batch + ' ' + space + "::" + found.name, here).first->second;
      const bool same = !found.alias.empty() && found.alias == first.alias;
      if (first.path == file.path || same) continue;
      faults.push_back(file.path + ": " + found.name + " is defined in " + first.path +
                       ", too, and both may be compiled at once");
    }
  }
  return faults;
}

}  // namespace assay::tidy
