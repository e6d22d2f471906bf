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

constexpr const char* kEvidence = "evidence.jsonl";
constexpr const char* kUnmeasured = "unmeasured.jsonl";

// One that is under way, or a copy of what it left.
bool has_run(const fs::path& folder) {
  return fs::exists(folder / kEvidence) || fs::exists(folder / "run.json") ||
         fs::exists(folder / kUnmeasured);
}

// What an earlier attempt left. A later one that measured nothing is not told of here: it makes the
// folder free for another run only if there is nothing measured.
std::optional<Evidence> evidence_before(const fs::path& folder) {
  if (!fs::exists(folder / kEvidence)) return std::nullopt;
  Evidence before = read_evidence(folder / kEvidence);
  if (before.units.empty() && fs::exists(folder / kUnmeasured)) return std::nullopt;
  return before;
}

// True of the field that tells what points of the corpus a cell, or a stage of it, tries.
bool is_of_corpus(const CellHeader& cell, const std::string& field) {
  constexpr std::string_view kSource = "source";
  if (!field.ends_with(kSource)) return false;
  const std::string prefix = field.substr(0, field.size() - kSource.size());
  const auto is_corpus = [&cell](const std::string& of) {
    const auto found = cell.key_fields.find(of);
    return found != cell.key_fields.end() && found->second == "corpus";
  };
  return is_corpus(prefix == "params." ? "attack" : prefix + "attack") ||
         is_corpus(prefix + "init");
}

}  // namespace

// Where a later attempt measured nothing, that is what the folder tells.
bool has_evidence(const fs::path& folder) {
  return fs::exists(folder / kEvidence) && !fs::exists(folder / kUnmeasured);
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

void check_resume(const fs::path& folder, const Header& header, const RunFacts& facts) {
  const std::optional<Evidence> evidence = evidence_before(folder);
  if (!evidence) return;
  const Header& before = evidence->header;
  const auto other = [&folder](const std::string& field, const std::string& difference) {
    return Error("--resume: " + folder.string() + " was run with another " + field + " (" +
                 difference + ")");
  };
  const auto same = [&other](const std::string& field, const std::string& old,
                             const std::string& now) {
    if (old != now) throw other(field, old.substr(0, 16) + ", now " + now.substr(0, 16));
  };
  if (const std::string found = suite_difference(before, header); !found.empty()) {
    throw other("suite", found + " now");
  }
  same("model", before.model.sha256, header.model.sha256);
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
  same("data", digest(before), digest(header));
  same("libtorch", before.libtorch, header.libtorch);
  same("cpu_capability", before.cpu_capability, header.cpu_capability);
  same("version of assay", before.assay, header.assay);
  // A part in place of the whole would throw away what the others did.
  const RunFacts old_facts = read_run_facts(folder);
  if (old_facts.started.empty()) return;
  const std::string& part = old_facts.shard;
  if (part != facts.shard) {
    const auto named = [](const std::string& of) { return of.empty() ? "none" : of; };
    throw Error("--resume: " + folder.string() + " was run with --shard " + named(part) +
                ", now it is " + named(facts.shard) + "; name another folder for another part");
  }
  const std::string told = told_of_baseline(old_facts);
  if (told != told_of_baseline(facts)) {
    throw Error("--resume: " + folder.string() + " was run " + told + ", now it is " +
                told_of_baseline(facts) + "; name another folder for another baseline");
  }
}

bool holds_plan(const fs::path& folder, const Header& planned, const RunFacts& facts) {
  const std::optional<Evidence> evidence = evidence_before(folder);
  if (!evidence) return false;
  const auto other = [&folder](const std::string& what, const std::string& old,
                               const std::string& now) {
    return Error("--resume: " + folder.string() + " was run with another " + what + " (" +
                 old.substr(0, 16) + ", now " + now.substr(0, 16) + "); name another folder");
  };
  const std::string sha = read_run_facts(folder).baseline_sha256;
  if (!sha.empty() && sha != facts.baseline_sha256) {
    throw other("baseline", sha, facts.baseline_sha256);
  }
  const Header& before = evidence->header;
  const bool same = before.clean_units == planned.clean_units &&
                    std::equal(before.cells.begin(), before.cells.end(), planned.cells.begin(),
                               planned.cells.end(), [](const CellHeader& a, const CellHeader& b) {
                                 return a.name == b.name && a.key == b.key && a.units == b.units;
                               });
  if (same || evidence->units.empty()) return same;
  const bool whole = evidence->complete();
  bool grown = false;
  for (size_t i = 0; i < std::min(before.cells.size(), planned.cells.size()); ++i) {
    const CellHeader& cell = planned.cells[i];
    for (const auto& [field, now] : cell.key_fields) {
      const auto old = before.cells[i].key_fields.find(field);
      if (old == before.cells[i].key_fields.end() || old->second == now) continue;
      if (!whole && field != "sample_scale") continue;
      if (is_of_corpus(cell, field)) {
        grown = true;
        continue;
      }
      throw other(field + " in cell `" + cell.name + "`", old->second, now);
    }
  }
  if (!whole) return false;
  if (grown && before.clean_units == planned.clean_units) return true;
  throw Error("--resume: " + folder.string() +
              " was run by other code of assay, which would throw its results away; name another "
              "folder");
}

}  // namespace assay
