// The style guide as functions: each takes the tree and returns its faults, one line each.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace assay::tidy {

struct File {
  std::string path;  ///< from the root, with '/'
  std::string text;
};

using Tree = std::vector<File>;
using Faults = std::vector<std::string>;

/// Every text file of the project, sorted by path; not what is built, downloaded or run.
Tree read_tree(const std::filesystem::path& root);

/// A room includes only itself and the rooms that the plan's arrows allow.
Faults include_arrows(const Tree& tree);

/// One library, one door; and no library in a header that another room includes.
Faults library_doors(const Tree& tree);

/// Functions of more than `limit` lines, from the first line of the signature to the last brace.
Faults long_functions(const File& file, int limit);

/// 250 lines for an attack, 400 for other files, 70 for a function.
Faults sizes(const Tree& tree);

/// Every header is included, every source is in a globbed room, every config has a loader.
Faults orphans(const Tree& tree);

/// #pragma once, no `using namespace` in headers, no macros, x.cc includes x.h first.
Faults header_habits(const Tree& tree);

/// No two headers define a type of one name in one namespace: a program with both would take the
/// destructor of either for the other.
Faults types_of_one_name(const Tree& tree);

/// No two files that may be compiled at once define one name in their unnamed namespaces, unless it
/// is the same alias. Overloads are legal until one of them is passed by its name.
Faults unnamed_clashes(const Tree& tree);

/// At most 100 columns, no tabs, no trailing blanks, a final line end.
Faults layout(const Tree& tree);

/// No path of the machine that somebody wrote it on.
Faults machine_paths(const Tree& tree);

/// third_party/README.md lists every package that setup.sh installs.
Faults unlisted_packages(const Tree& tree);

/// The versions of trainings, thefts, verdicts and scores hold the sources that these follow from,
/// as includes tell; and headers of attacks are where every attack's version has them.
Faults unversioned(const Tree& tree);

}  // namespace assay::tidy
