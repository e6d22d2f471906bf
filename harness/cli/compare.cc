// assay compare: two runs, sample by sample. assay replay: a run's adversarials, tried again.
#include <cstdio>
#include <iostream>
#include <map>

#include "harness/cli/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/session.h"
#include "harness/gate/statistics.h"
#include "harness/model/ball.h"
#include "harness/model/oracle.h"
#include "harness/monitor/monitor.h"
#include "harness/suite/digest.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// `folder` or `folder:cell`; a folder whose own name holds a colon is tried first.
struct Side {
  Evidence evidence;
  std::string cell;
};

Side open_side(const std::string& text) {
  if (fs::exists(text)) return {read_evidence(text), ""};
  const size_t colon = text.rfind(':');
  if (colon != std::string::npos && fs::exists(text.substr(0, colon))) {
    return {read_evidence(text.substr(0, colon)), text.substr(colon + 1)};
  }
  throw Error("no such run: " + text + "; write FOLDER or FOLDER:CELL");
}

const CellHeader& cell_of(const Side& side, const std::string& name) {
  std::vector<std::string> names;
  for (const CellHeader& cell : side.evidence.header.cells) {
    if (cell.name == name) return cell;
    names.push_back(cell.name);
  }
  throw Error("no cell `" + name + "`" + suggest(name, names));
}

// Verdicts of a cell by sample id and content digest.
std::map<std::string, Status> statuses(const Side& side, const CellHeader& cell) {
  std::map<std::string, Status> found;
  for (const std::optional<Verdict>& row : side.evidence.rows(cell)) {
    if (!row) continue;
    const SampleInfo& sample = side.evidence.header.samples[static_cast<size_t>(row->sample)];
    found[sample.id + '\n' + sample.digest] = row->status;
  }
  return found;
}

void compare_cells(const Side& a, const CellHeader& first, const Side& b,
                   const CellHeader& second) {
  const std::map<std::string, Status> left = statuses(a, first);
  const std::map<std::string, Status> right = statuses(b, second);
  int64_t n = 0, lost = 0, won = 0, robust_a = 0, robust_b = 0;
  for (const auto& [sample, status] : left) {
    const auto other = right.find(sample);
    if (other == right.end()) continue;
    const bool in_a = status == Status::kRobust, in_b = other->second == Status::kRobust;
    ++n;
    robust_a += in_a;
    robust_b += in_b;
    lost += in_a && !in_b;
    won += in_b && !in_a;
  }
  const std::string name =
      first.name == second.name ? first.name : first.name + " | " + second.name;
  if (n == 0) {
    std::printf("%-20s no sample in common\n", name.c_str());
    return;
  }
  const Interval bounds = tango(lost, won, n, 0.95);
  const auto share = [n](int64_t k) { return static_cast<double>(k) / static_cast<double>(n); };
  std::printf("%-20s %6ld %8.4f %8.4f %+8.4f [%+.4f, %+.4f] %5ld %5ld\n", name.c_str(),
              static_cast<long>(n), share(robust_a), share(robust_b), share(lost - won),
              bounds.lower, bounds.upper, static_cast<long>(lost), static_cast<long>(won));
  if (first.key == second.key) return;
  for (const auto& [field, value] : first.key_fields) {
    const auto other = second.key_fields.find(field);
    const std::string theirs = other == second.key_fields.end() ? "absent" : other->second;
    if (theirs != value) {
      std::printf("  not the same cell: %s %s in A, %s in B\n", field.c_str(), value.c_str(),
                  theirs.c_str());
    }
  }
}

ExitCode compare(const std::string& left, const std::string& right) {
  const Side a = open_side(left), b = open_side(right);
  std::printf("A %s\nB %s\n", a.evidence.header.model.path.c_str(),
              b.evidence.header.model.path.c_str());
  std::printf("%-20s %6s %8s %8s %8s %18s %5s %5s\n", "robust accuracy", "n", "A", "B", "A-B",
              "95 % one-sided", "lost", "won");
  if (!a.cell.empty() || !b.cell.empty()) {
    compare_cells(a, cell_of(a, a.cell.empty() ? b.cell : a.cell), b,
                  cell_of(b, b.cell.empty() ? a.cell : b.cell));
    return ExitCode::kPass;
  }
  size_t shared = 0;
  for (const CellHeader& cell : a.evidence.header.cells) {
    for (const CellHeader& other : b.evidence.header.cells) {
      if (other.name != cell.name) continue;
      compare_cells(a, cell, b, other);
      ++shared;
    }
  }
  if (shared == 0) throw Error("the two runs have no cell of the same name; write FOLDER:CELL");
  return ExitCode::kPass;
}

// One stored adversarial against what the evidence says of it.
struct Replayed {
  size_t tried = 0;
  size_t failed = 0;
};

void replay_cell(const Evidence& evidence, const CellHeader& cell, const Adversarials& adversarials,
                 const Model& model, Replayed* replayed) {
  const Header& header = evidence.header;
  for (const std::optional<Verdict>& row : evidence.rows(cell)) {
    if (!row || row->status != Status::kBroken) continue;
    const std::string& id = header.samples[static_cast<size_t>(row->sample)].id;
    const auto found = adversarials.find(cell.name + "/" + id);
    if (found == adversarials.end()) continue;
    std::vector<int64_t> shape = header.shape;
    shape.insert(shape.begin(), 1);
    const at::Tensor x = at::tensor(found->second, at::kDouble).to(model.dtype()).view(shape);
    const int64_t label = vote_often(model, x).labels().item<int64_t>();
    ++replayed->tried;
    if (label == row->adversarial) continue;
    ++replayed->failed;
    std::printf("%s/%s: label %ld now, %ld in the evidence\n", cell.name.c_str(), id.c_str(),
                static_cast<long>(label), static_cast<long>(row->adversarial));
  }
}

ExitCode replay(const std::string& folder, const std::string& path) {
  const Evidence evidence = read_evidence(folder);
  const Header& header = evidence.header;
  const Suite suite = restore_suite(header.suite, header.suite_folder,
                                    infos_of(with_ensemble(attack_table())), monitor_infos());
  const fs::path file = path.empty() ? fs::path(header.model.path) : fs::path(path);
  if (!fs::exists(file)) {
    throw Error("the run's model is not at " + file.string() + "; name it with --model");
  }
  if (sha256_file(file) != header.model.sha256) {
    std::printf("%s is another file than the run's model (%s)\n", file.c_str(),
                header.model.sha256.substr(0, 16).c_str());
  }
  const Adversarials adversarials = read_adversarials(fs::path(folder) / kAdversarialsFile);
  if (adversarials.empty()) {
    throw Error(folder + " holds no adversarials; run with --save-adversarials all");
  }
  const Model model = Model::load(suite.model, file, block_size(suite), suite.run.device);
  Replayed replayed;
  for (const CellHeader& cell : header.cells) {
    replay_cell(evidence, cell, adversarials, model, &replayed);
  }
  std::printf("%zu of %zu adversarials reproduce\n", replayed.tried - replayed.failed,
              replayed.tried);
  return replayed.failed == 0 ? ExitCode::kPass : ExitCode::kFail;
}

}  // namespace

Command add_compare(CLI::App& app) {
  auto left = std::make_shared<std::string>();
  auto right = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("compare", "compare the robust accuracy of two runs, sample by sample");
  command->add_option("a", *left, "FOLDER or FOLDER:CELL")->required()->type_name("");
  command->add_option("b", *right, "FOLDER or FOLDER:CELL")->required()->type_name("");
  return {command, [left, right] { return compare(*left, *right); }};
}

Command add_replay(CLI::App& app) {
  auto folder = std::make_shared<std::string>();
  auto model = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(
      "replay", "try a run's saved adversarials again; 0 if all reproduce, else 1");
  command->add_option("dir", *folder, "a run folder")->required()->type_name("");
  command->add_option("--model", *model, "the model, where it has moved")->type_name("FILE");
  return {command, [folder, model] { return replay(*folder, *model); }};
}

}  // namespace assay
