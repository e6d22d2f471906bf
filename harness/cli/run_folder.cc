#include "harness/cli/run_folder.h"

#include <algorithm>
#include <iostream>

#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {

namespace fs = std::filesystem;

void point_latest(const fs::path& folder) {
  const fs::path link = folder.parent_path() / "latest";
  const fs::path fresh = folder.parent_path() / (".latest." + folder.filename().string());
  std::error_code error;
  fs::create_directory_symlink(folder.filename(), fresh, error);
  if (!error) fs::rename(fresh, link, error);
  if (error)
    std::cerr << "assay: cannot point " << link.string() << " at the run: " << error.message()
              << std::endl;
}

void check_resume(const fs::path& folder, const Header& header) {
  if (!fs::exists(folder / "evidence.jsonl")) return;
  const Evidence before = read_evidence(folder);
  const auto same = [&folder](const std::string& field, const std::string& old,
                              const std::string& now) {
    if (old != now) {
      throw Error("--resume: " + folder.string() + " was run with another " + field + " (" +
                  old.substr(0, 16) + ", now " + now.substr(0, 16) + ")");
    }
  };
  same("suite", before.header.suite_sha256, header.suite_sha256);
  same("model", before.header.model.sha256, header.model.sha256);
  const auto digest = [](const Header& of) {
    std::string text;
    const auto add = [&text](const std::vector<SampleInfo>& samples) {
      for (const SampleInfo& sample : samples) text += sample.id + ' ' + sample.digest + '\n';
    };
    add(of.samples);
    for (const auto& [name, records] : of.sets) {
      text += name + '\n';
      add(records);
    }
    return sha256(text);
  };
  same("data", digest(before.header), digest(header));
  same("libtorch", before.header.libtorch, header.libtorch);
  same("cpu_capability", before.header.cpu_capability, header.cpu_capability);
  same("version of assay", before.header.assay, header.assay);
}

bool is_planned(const fs::path& folder, const Header& header) {
  if (!fs::exists(folder / "evidence.jsonl")) return false;
  const Header before = read_evidence(folder).header;
  return before.clean_units == header.clean_units &&
         std::equal(before.cells.begin(), before.cells.end(), header.cells.begin(),
                    header.cells.end(), [](const CellHeader& a, const CellHeader& b) {
                      return a.name == b.name && a.key == b.key && a.units == b.units;
                    });
}

}  // namespace assay
