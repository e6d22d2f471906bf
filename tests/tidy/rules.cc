#include "tests/tidy/rules.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string_view>

namespace assay::tidy {
namespace {

struct Include {
  int line = 0;
  bool quoted = false;
  std::string target;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<Include> includes_of(const File& file) {
  std::vector<Include> found;
  int number = 0;
  for (const std::string& line : lines_of(file.text)) {
    ++number;
    if (!line.starts_with("#include ")) continue;
    const size_t open = line.find_first_of("<\"");
    const size_t close = line.find_first_of(">\"", open + 1);
    if (open == std::string::npos || close == std::string::npos) continue;
    found.push_back({number, line[open] == '"', line.substr(open + 1, close - open - 1)});
  }
  return found;
}

bool is_source(const File& file) { return file.path.ends_with(".cc"); }
bool is_header(const File& file) { return file.path.ends_with(".h"); }
bool is_code(const File& file) { return is_source(file) || is_header(file); }
bool is_script(const File& file) {
  return file.path.ends_with(".sh") || file.path.ends_with(".cmake") ||
         file.path.ends_with("CMakeLists.txt") || file.path == ".ci/run";
}

/// harness/suite/x.h → harness/suite; attacks/math/x.h → attacks.
std::string room_of(const std::string& path) {
  const size_t first = path.find('/');
  if (first == std::string::npos) return "";
  if (!path.starts_with("harness/")) return path.substr(0, first);
  return path.substr(0, path.find('/', first + 1));
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string at(const File& file, int line, const std::string& what) {
  return file.path + ":" + std::to_string(line) + ": " + what;
}

bool starts_with_any(std::string_view text, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [text](const std::string& prefix) { return text.starts_with(prefix); });
}

/// Does any file but the one at `path` hold one of the words?
bool named_elsewhere(const Tree& tree, const std::string& path,
                     const std::vector<std::string>& words) {
  return std::any_of(tree.begin(), tree.end(), [&](const File& file) {
    return file.path != path && std::any_of(words.begin(), words.end(), [&](const auto& word) {
             return file.text.find(word) != std::string::npos;
           });
  });
}

bool exists(const Tree& tree, const std::string& path) {
  return std::any_of(tree.begin(), tree.end(),
                     [&path](const File& file) { return file.path == path; });
}

/// Does a target compile the source? Rooms are globbed whole; tests by *_test.cc, what else they
/// and the benchmarks hold stands in a CMakeLists.txt, by its name or as FOLDER/*.cc.
bool is_compiled(const Tree& tree, const std::string& path) {
  static const std::set<std::string> kRooms = {
      "harness/suite", "harness/monitor", "harness/record",     "harness/gate",
      "harness/model", "harness/run",     "harness/cli",        "reports",
      "attacks/math",  "attacks/evasion", "attacks/membership", "attacks/extraction"};
  const std::string folder = folder_of(path);
  if (kRooms.contains(folder)) return true;
  if (path.starts_with("tests/") && path.ends_with("_test.cc")) return true;
  return std::any_of(tree.begin(), tree.end(), [&](const File& file) {
    return name_of(file.path) == "CMakeLists.txt" &&
           (file.text.find(name_of(path)) != std::string::npos ||
            file.text.find(name_of(folder) + "/*.cc") != std::string::npos);
  });
}

}  // namespace

Tree read_tree(const std::filesystem::path& root) {
  namespace fs = std::filesystem;
  static const std::set<std::string> kFolders = {"runs", "quickstart", "venv", "libtorch"};
  static const std::set<std::string> kText = {".cc",  ".h",    ".cmake", ".txt", ".md",  ".yaml",
                                              ".yml", ".json", ".sh",    ".in",  ".csv", ".py"};
  Tree tree;
  for (auto entry = fs::recursive_directory_iterator(root); entry != fs::end(entry); ++entry) {
    const std::string name = entry->path().filename().string();
    if (entry->is_directory()) {
      // Hidden folders are git's, caches, and what runs leave behind.
      const bool hidden = name.starts_with(".") && name != ".ci";
      if (hidden || kFolders.contains(name) || name.starts_with("build")) {
        entry.disable_recursion_pending();
      }
      continue;
    }
    const std::string path = fs::relative(entry->path(), root).generic_string();
    if (!kText.contains(entry->path().extension().string()) && path != ".ci/run") continue;
    std::ifstream stream(entry->path(), std::ios::binary);
    tree.push_back({path, std::string(std::istreambuf_iterator<char>(stream), {})});
  }
  std::sort(tree.begin(), tree.end(), [](const File& a, const File& b) { return a.path < b.path; });
  return tree;
}

Faults include_arrows(const Tree& tree) {
  static const std::map<std::string, std::set<std::string>> kArrows = {
      {"harness/suite", {}},
      {"harness/monitor", {"harness/suite"}},
      {"harness/record", {"harness/suite"}},
      {"harness/gate", {"harness/suite", "harness/record"}},
      {"reports", {"harness/suite", "harness/record", "harness/gate"}},
      {"harness/model", {"harness/suite", "harness/record"}},
      {"attacks", {"harness/suite", "harness/record", "harness/model"}},
      {"harness/run",
       {"harness/suite", "harness/monitor", "harness/record", "harness/gate", "harness/model"}},
      {"harness/cli",
       {"harness/suite", "harness/monitor", "harness/record", "harness/gate", "harness/model",
        "harness/run", "attacks", "reports"}}};
  Faults faults;
  for (const File& file : tree) {
    const auto arrows = kArrows.find(room_of(file.path));
    if (!is_code(file) || arrows == kArrows.end()) continue;
    for (const Include& include : includes_of(file)) {
      if (!include.quoted) continue;
      const std::string room = room_of(include.target);
      if (room == arrows->first || arrows->second.contains(room)) continue;
      faults.push_back(at(file, include.line,
                          "the room " + arrows->first + " may not include " + include.target));
    }
  }
  return faults;
}

Faults library_doors(const Tree& tree) {
  struct Door {
    std::vector<std::string> library;  ///< how its includes begin
    std::vector<std::string> paths;    ///< where they may stand
    bool headers;                      ///< also in headers that other rooms include
  };
  // Tests and benchmarks may look behind every door.
  static const std::vector<Door> kDoors = {
      {{"yaml-cpp/"}, {"harness/suite/"}, false},
      {{"tbb/", "oneapi/"}, {"harness/run/"}, false},
      {{"sqlite3.h"}, {"harness/record/"}, false},
      {{"nlohmann/"},
       {"harness/suite/", "harness/record/", "reports/",
        "harness/model/facts.cc"},  // facts are kept as text in the store
       false},
      {{"Eigen/"},
       {"harness/monitor/", "harness/run/offset.cc", "attacks/math/head_span.cc"},
       false},
      {{"CLI/"}, {"harness/cli/"}, false},
      {{"boost/"}, {"harness/gate/", "harness/monitor/"}, false},
      {{"ATen/ATen.h"}, {"harness/model/", "harness/run/", "attacks/"}, true},
      {{"ATen/"}, {"harness/model/", "harness/run/", "attacks/"}, false},
      {{"torch/", "c10/"}, {"harness/model/"}, false}};
  std::map<std::string, std::set<std::string>> included_from;  // header → rooms
  for (const File& file : tree) {
    if (!is_code(file)) continue;
    for (const Include& include : includes_of(file)) {
      if (include.quoted) included_from[include.target].insert(room_of(file.path));
    }
  }
  Faults faults;
  for (const File& file : tree) {
    const std::string room = room_of(file.path);
    if (!is_code(file) || room == "tests" || room == "bench") continue;
    std::set<std::string> others = included_from[file.path];
    others.erase(room);
    for (const Include& include : includes_of(file)) {
      const auto door = std::find_if(kDoors.begin(), kDoors.end(), [&](const Door& candidate) {
        return !include.quoted && starts_with_any(include.target, candidate.library);
      });
      if (door == kDoors.end()) continue;
      if (!starts_with_any(file.path, door->paths)) {
        faults.push_back(at(file, include.line, "<" + include.target + "> has no door here"));
      } else if (is_header(file) && !door->headers && !others.empty()) {
        faults.push_back(
            at(file, include.line,
               "<" + include.target + "> in a header that " + *others.begin() + " includes"));
      }
    }
  }
  return faults;
}

Faults sizes(const Tree& tree) {
  Faults faults;
  for (const File& file : tree) {
    if (!is_code(file) && !is_script(file)) continue;
    const bool attack = is_source(file) && file.path.starts_with("attacks/") &&
                        !file.path.starts_with("attacks/math/");
    const auto limit = attack ? 250 : 400;
    const auto lines = std::count(file.text.begin(), file.text.end(), '\n');
    if (lines > limit) {
      faults.push_back(file.path + ": " + std::to_string(lines) + " lines, at most " +
                       std::to_string(limit));
    }
    // A test's function may hold a table of cases.
    if (is_code(file) && room_of(file.path) != "tests") {
      for (std::string& fault : long_functions(file, 70)) faults.push_back(std::move(fault));
    }
  }
  return faults;
}

Faults orphans(const Tree& tree) {
  Faults faults;
  for (const File& file : tree) {
    const std::string name = name_of(file.path);
    const std::string stem = name.substr(0, name.rfind('.'));
    if (is_header(file) && !named_elsewhere(tree, file.path, {"#include \"" + file.path + "\""})) {
      faults.push_back(file.path + ": nobody includes it");
    } else if (is_source(file) && !is_compiled(tree, file.path)) {
      faults.push_back(file.path + ": no target compiles it");
    } else if (file.path.starts_with("configs/attacks/")) {
      static const std::array<std::string, 3> kFamilies = {"evasion", "membership", "extraction"};
      // The plan builds ensembles.
      if (stem != "ensemble" &&
          std::none_of(kFamilies.begin(), kFamilies.end(), [&](const std::string& family) {
            return exists(tree, "attacks/" + family + "/" + stem + ".cc");
          })) {
        faults.push_back(file.path + ": there is no attack of that name");
      }
    } else if (file.path.starts_with("configs/") &&
               !named_elsewhere(tree, file.path, {name, folder_of(file.path)})) {
      faults.push_back(file.path + ": nothing loads it");
    } else if (file.path.starts_with("tests/golden/") &&
               !named_elsewhere(tree, file.path,
                                {name, folder_of(file.path).substr(sizeof("tests/") - 1) + "/"})) {
      faults.push_back(file.path + ": no test reads it");
    }
  }
  return faults;
}

Faults header_habits(const Tree& tree) {
  Faults faults;
  for (const File& file : tree) {
    if (!is_code(file)) continue;
    int number = 0;
    for (const std::string& line : lines_of(file.text)) {
      ++number;
      const size_t first = line.find_first_not_of(' ');
      if (is_header(file) && first != std::string::npos &&
          std::string_view(line).substr(first).starts_with("using namespace ")) {
        faults.push_back(at(file, number, "using namespace in a header"));
      }
      // The check that is always on is the one macro.
      if (line.starts_with("#define") && !line.starts_with("#define ASSAY_CHECK(")) {
        faults.push_back(at(file, number, "a macro"));
      }
    }
    if (is_header(file) && file.text.find("#pragma once") == std::string::npos) {
      faults.push_back(file.path + ": no #pragma once");
    }
    if (!is_source(file)) continue;
    const std::string own = file.path.substr(0, file.path.size() - 3) + ".h";
    const std::vector<Include> includes = includes_of(file);
    if (exists(tree, own) && (includes.empty() || includes.front().target != own)) {
      faults.push_back(file.path + ": its own header comes first, to show that it stands alone");
    }
  }
  return faults;
}

Faults layout(const Tree& tree) {
  Faults faults;
  for (const File& file : tree) {
    if (!is_code(file) && !is_script(file)) continue;
    int number = 0;
    for (const std::string& line : lines_of(file.text)) {
      ++number;
      // UTF-8: a byte 10xxxxxx goes on with a character.
      const auto columns = std::count_if(line.begin(), line.end(), [](char byte) {
        return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
      });
      if (columns > 100) {
        faults.push_back(at(file, number, std::to_string(columns) + " columns, at most 100"));
      }
      if (line.find('\t') != std::string::npos) faults.push_back(at(file, number, "a tab"));
      if (line.ends_with(' ')) faults.push_back(at(file, number, "trailing blanks"));
    }
    if (!file.text.empty() && !file.text.ends_with('\n')) {
      faults.push_back(file.path + ": no line end at its end");
    }
  }
  return faults;
}

Faults machine_paths(const Tree& tree) {
  static const std::vector<std::string> kRoots = {"work", "home", "root", "Users"};
  Faults faults;
  for (const File& file : tree) {
    int number = 0;
    for (const std::string& line : lines_of(file.text)) {
      ++number;
      for (const std::string& root : kRoots) {
        const size_t found = line.find("/" + root + "/");
        if (found == std::string::npos) continue;
        // Part of a longer path is another folder of that name.
        const bool begins = found == 0 || std::string_view(" \t\"'`=(:").find(line[found - 1]) !=
                                              std::string_view::npos;
        if (begins && line.find("/home/somebody/") == std::string::npos)
          faults.push_back(at(file, number, "a path of somebody's machine"));
      }
    }
  }
  return faults;
}

Faults unlisted_packages(const Tree& tree) {
  std::string script;
  std::string readme;
  for (const File& file : tree) {
    if (file.path == "third_party/setup.sh") script = file.text;
    if (file.path == "third_party/README.md") readme = file.text;
  }
  Faults faults;
  const size_t begin = script.find("packages=(");
  const size_t end = script.find(')', begin);
  if (begin == std::string::npos || end == std::string::npos) {
    return {"third_party/setup.sh: no list of packages"};
  }
  const size_t open = script.find('(', begin) + 1;
  std::istringstream packages(script.substr(open, end - open));
  for (std::string package; packages >> package;) {
    const bool listed = readme.find("`" + package) != std::string::npos ||
                        readme.find(" " + package) != std::string::npos;
    if (!listed) faults.push_back("third_party/README.md: does not list " + package);
  }
  return faults;
}

}  // namespace assay::tidy
