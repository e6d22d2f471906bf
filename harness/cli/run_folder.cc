#include "harness/cli/run_folder.h"

#include <algorithm>
#include <iostream>
#include <map>

#include "harness/record/differences.h"
#include "harness/record/files.h"
#include "harness/record/run_facts.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {

namespace fs = std::filesystem;

namespace {

// One that is under way, or a copy of what it left.
bool has_run(const fs::path& folder) {
  return has_evidence(folder) || fs::exists(folder / "run.json") ||
         fs::exists(folder / "unmeasured.jsonl");
}

}  // namespace

// Where a later attempt measured nothing, that is what the folder tells.
bool has_evidence(const fs::path& folder) {
  return fs::exists(folder / "evidence.jsonl") && !fs::exists(folder / "unmeasured.jsonl");
}

fs::path prepare_folder(const std::string& out, bool resume, const std::string& suite,
                        const std::string& started) {
  if (out.empty()) {
    if (resume) throw Error("--resume needs --out, the folder of the run to go on with");
    std::string stamp;
    for (const char c : started) {
      if (c != '-' && c != ':') stamp += c;
    }
    make_folder("runs");
    // Whoever creates it has it: two runs may start in the same second.
    for (int i = 1;; ++i) {
      const fs::path folder =
          fs::path("runs") / (stamp + "-" + suite + (i > 1 ? "-" + std::to_string(i) : ""));
      std::error_code error;
      if (fs::create_directory(folder, error)) return folder;
      if (error && error != std::errc::file_exists) make_folder(folder);  // throws what it is
    }
  }
  const fs::path folder = out;
  std::error_code error;
  if (fs::exists(folder) && !fs::is_directory(folder)) {
    throw Error("--out " + folder.string() + " is a file, not a folder");
  }
  if (!resume && fs::exists(folder) && !fs::is_empty(folder, error)) {
    throw Error("--out " + folder.string() +
                " is not empty; name another folder, or go on with it by --resume");
  }
  if (resume && fs::exists(folder) && !fs::is_empty(folder, error) && !has_run(folder)) {
    throw Error("--resume: " + folder.string() +
                " is not empty and holds no run; name the folder of the run to go on with");
  }
  make_folder(folder);
  return folder;
}

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

void check_resume(const fs::path& folder, const Header& header, const std::string& shard) {
  if (!has_evidence(folder)) return;
  const Evidence before = read_evidence(folder);
  const auto other = [&folder](const std::string& field, const std::string& difference) {
    return Error("--resume: " + folder.string() + " was run with another " + field + " (" +
                 difference + ")");
  };
  const auto same = [&other](const std::string& field, const std::string& old,
                             const std::string& now) {
    if (old != now) throw other(field, old.substr(0, 16) + ", now " + now.substr(0, 16));
  };
  if (const std::string found = suite_difference(before.header, header); !found.empty()) {
    throw other("suite", found + " now");
  }
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
  // A part in place of the whole would throw away what the others did.
  const RunFacts facts = read_run_facts(folder);
  const std::string& part = facts.shard;
  if (!facts.started.empty() && part != shard) {
    const auto named = [](const std::string& of) { return of.empty() ? "none" : of; };
    throw Error("--resume: " + folder.string() + " was run with --shard " + named(part) +
                ", now it is " + named(shard) + "; name another folder for another part");
  }
}

void check_resume_plan(const fs::path& folder, const Header& planned, const RunFacts& facts) {
  if (!has_evidence(folder)) return;
  const RunFacts old_facts = read_run_facts(folder);
  if (!old_facts.started.empty()) {
    const std::string told = told_of_baseline(old_facts);
    if (told != told_of_baseline(facts)) {
      throw Error("--resume: " + folder.string() + " was run " + told + ", now it is " +
                  told_of_baseline(facts) + "; name another folder for another baseline");
    }
    const std::string& sha = old_facts.baseline_sha256;
    if (!sha.empty() && sha != facts.baseline_sha256) {
      throw Error("--resume: " + folder.string() + " was run with another baseline (" +
                  sha.substr(0, 16) + ", now " + facts.baseline_sha256.substr(0, 16) + ")");
    }
  }
  std::map<std::string, std::string> before;
  for (const CellHeader& cell : read_evidence(folder).header.cells) {
    const auto scale = cell.key_fields.find("sample_scale");
    if (scale != cell.key_fields.end()) before[cell.name] = scale->second;
  }
  for (const CellHeader& cell : planned.cells) {
    const auto old = before.find(cell.name);
    if (old == before.end()) continue;
    const std::string& now = cell.key_fields.at("sample_scale");
    if (old->second == now) continue;
    throw Error("--resume: " + folder.string() + " was run with another sample_scale in cell `" +
                cell.name + "` (" + old->second.substr(0, 16) + ", now " + now.substr(0, 16) + ")");
  }
}

bool is_planned(const fs::path& folder, const Header& header) {
  if (!has_evidence(folder)) return false;
  const Header before = read_evidence(folder).header;
  return before.clean_units == header.clean_units &&
         std::equal(before.cells.begin(), before.cells.end(), header.cells.begin(),
                    header.cells.end(), [](const CellHeader& a, const CellHeader& b) {
                      return a.name == b.name && a.key == b.key && a.units == b.units;
                    });
}

}  // namespace assay
