// Names of types.
#include <map>
#include <regex>
#include <sstream>

#include "tests/tidy/rules.h"

namespace assay::tidy {

Faults types_of_one_name(const Tree& tree) {
  static const std::regex kNamespace("namespace ([a-z_:]+) \\{");
  static const std::regex kType("(struct|class|enum class) ([A-Za-z]+)( final)?( :[^:].*| \\{.*)");
  std::map<std::string, std::string> headers;  // by qualified name
  Faults faults;
  for (const File& file : tree) {
    if (!file.path.ends_with(".h") || file.path.starts_with("tests/")) continue;
    std::istringstream text(file.text);
    std::string space;
    std::smatch match;
    for (std::string line; std::getline(text, line);) {
      if (std::regex_match(line, match, kNamespace)) space = match[1].str() + "::";
      if (!std::regex_match(line, match, kType)) continue;
      const auto [first, fresh] = headers.emplace(space + match[2].str(), file.path);
      if (fresh) continue;
      faults.push_back(file.path + ": " + first->first + " is defined in " + first->second +
                       ", too");
    }
  }
  return faults;
}

}  // namespace assay::tidy
