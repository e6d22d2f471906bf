// What a stored result depends on is part of its key.
#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

#include "tests/tidy/rules.h"

namespace assay::tidy {

Faults unversioned(const Tree& tree) {
  const auto text_of = [&tree](const std::string& path) {
    const auto file = std::find_if(tree.begin(), tree.end(),
                                   [&path](const File& each) { return each.path == path; });
    return file == tree.end() ? std::string() : file->text;
  };
  const std::string cmake = text_of("cmake/AssayRooms.cmake");
  const size_t begin = cmake.find("foreach(part ");
  if (begin == std::string::npos) return {"cmake/AssayRooms.cmake: no list of parts"};
  std::istringstream list(cmake.substr(begin, cmake.find(')', begin) - begin));
  std::set<std::string> parts;
  for (std::string word; list >> word;) parts.insert(word);
  // What a theft's results do not follow from: the candidate has a digest of its own, and of the
  // others one refuses files, one marks crashes.
  static const std::set<std::string> exceptions = {"model", "model_file", "crash"};
  static const std::regex include(R"(#include "harness/model/(\w+)\.h")");
  std::set<std::string> seen;
  std::vector<std::string> open = {"extraction", "head"};
  Faults faults;
  while (!open.empty()) {
    const std::string part = open.back();
    open.pop_back();
    if (exceptions.contains(part) || !seen.insert(part).second) continue;
    const std::string path = "harness/model/" + part;
    if (!text_of(path + ".cc").empty() && !parts.contains(part)) {
      faults.push_back("cmake/AssayRooms.cmake: thefts rest on " + path +
                       ".cc, which is no part of the training version");
    }
    const std::string code = text_of(path + ".h") + text_of(path + ".cc");
    for (std::sregex_iterator match(code.begin(), code.end(), include), end; match != end;
         ++match) {
      open.push_back((*match)[1]);
    }
  }
  return faults;
}

}  // namespace assay::tidy
