// What a stored result depends on is part of its key.
#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/tidy/rules.h"

namespace assay::tidy {
namespace {

// A list of sources in cmake/AssayRooms.cmake, whose digest is a version of what follows from them.
struct Version {
  std::string what;                  ///< follows from it
  std::string begin, end;            ///< around the list
  std::vector<std::string> roots;    ///< what it must follow from, without .cc
  std::set<std::string> exceptions;  ///< not what they lead to either; files, or rooms with /
};

const std::vector<Version>& versions() {
  static const std::vector<Version> kVersions = {
      // The candidate has a digest of its own, and of the others one refuses files, one marks
      // crashes.
      {"trainings",
       "set(training)",
       "assay_version(ASSAY_TRAINING_VERSION",
       {"harness/model/extraction", "harness/model/head"},
       {"harness/suite/", "harness/record/", "harness/model/model", "harness/model/model_file",
        "harness/model/crash"}},
      // Surrogates have the version of trainings, monitors their own, and answers, transfers and
      // scores those of judging and scoring. The rest says what a unit is, which is in its key.
      {"thefts",
       "assay_version(ASSAY_THEFT_VERSION",
       ")",
       {"harness/run/steals", "harness/run/replays", "harness/run/score_heist"},
       {"harness/suite/", "harness/record/", "harness/model/", "harness/monitor/",
        "harness/run/audit", "harness/run/forks", "harness/run/outputs", "harness/run/plan",
        "harness/run/run", "harness/run/score"}},
      // What a unit is, is in its key; data are known by what they hold.
      {"verdicts",
       "file(GLOB judging",
       "assay_version(ASSAY_JUDGING_VERSION",
       {"harness/run/unit", "harness/run/chances", "harness/run/judge", "harness/run/outputs",
        "harness/run/probes", "harness/run/stages", "harness/run/supply"},
       {"harness/suite/", "harness/record/", "harness/model/", "harness/run/plan",
        "harness/run/run", "harness/run/unit_crashes"}},
      // Outputs have the version of judging. Of the gate, views and decisions are made of scores.
      {"scores",
       "set(scoring",
       "assay_version(ASSAY_SCORING_VERSION",
       {"harness/run/score", "harness/run/audit", "harness/gate/roc_internal"},
       {"harness/suite/", "harness/record/", "harness/model/", "harness/run/plan",
        "harness/gate/decision", "harness/gate/epsilon", "harness/gate/pairing",
        "harness/gate/view"}},
  };
  return kVersions;
}

// `harness/run/score` is named by score, run/score and harness/run/score, with .cc or without.
bool names(const std::set<std::string>& words, const std::string& path) {
  for (size_t from = 0; from != std::string::npos;) {
    const std::string name = path.substr(from);
    if (words.contains(name) || words.contains(name + ".cc") || words.contains(name + ".h")) {
      return true;
    }
    from = path.find('/', from);
    if (from != std::string::npos) ++from;
  }
  return false;
}

bool is_exception(const Version& version, const std::string& path) {
  return version.exceptions.contains(path) ||
         version.exceptions.contains(path.substr(0, path.rfind('/') + 1));
}

}  // namespace

Faults unversioned(const Tree& tree) {
  std::map<std::string, std::string> texts;
  for (const File& file : tree) texts[file.path] = file.text;
  static const std::regex include(R"re(#include "(harness/[\w/]+)\.h")re");
  const std::string& cmake = texts["cmake/AssayRooms.cmake"];
  Faults faults;
  for (const Version& version : versions()) {
    const size_t begin = cmake.find(version.begin);
    const size_t end = begin == std::string::npos ? begin : cmake.find(version.end, begin);
    if (end == std::string::npos) {
      faults.push_back("cmake/AssayRooms.cmake: no list of what " + version.what + " follow from");
      continue;
    }
    std::string list = cmake.substr(begin, end - begin);
    std::replace(list.begin(), list.end(), ')', ' ');
    std::istringstream stream(list);
    std::set<std::string> words;
    for (std::string word; stream >> word;) words.insert(word);
    std::set<std::string> seen;
    std::vector<std::string> open = version.roots;
    while (!open.empty()) {
      const std::string path = open.back();
      open.pop_back();
      if (is_exception(version, path) || !seen.insert(path).second) continue;
      const std::string code = texts[path + ".h"] + texts[path + ".cc"];
      if (!code.empty() && !names(words, path)) {
        faults.push_back("cmake/AssayRooms.cmake: " + version.what + " follow from " + path +
                         ", which is no part of their version");
      }
      for (std::sregex_iterator match(code.begin(), code.end(), include), last; match != last;
           ++match) {
        open.push_back((*match)[1]);
      }
    }
  }
  for (const File& file : tree) {
    const bool of_attacks = file.path.starts_with("attacks/") && file.path.ends_with(".h");
    if (of_attacks && !file.path.starts_with("attacks/math/")) {
      faults.push_back(file.path + ": no part of an attack's version; attacks/math is");
    }
  }
  return faults;
}

}  // namespace assay::tidy
