// assay replay: a run's adversarials, tried again.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>

#include "harness/cli/adversarials.h"
#include "harness/cli/commands.h"
#include "harness/cli/judged.h"
#include "harness/cli/output.h"
#include "harness/cli/session.h"
#include "harness/cli/supervise.h"
#include "harness/model/ball.h"
#include "harness/model/oracle.h"
#include "harness/monitor/monitor.h"
#include "harness/suite/digest.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// What the evidence says of one adversarial.
struct Claim {
  const CellHeader* cell = nullptr;
  Verdict row;
};

class Replay {
 public:
  Replay(const std::string& folder, const Attempt& attempt) : attempt_(attempt) {
    require_folder(folder);
    evidence_ = read_evidence(folder);
    const Header& header = evidence_.header;
    suite_ = restore_suite(header.suite, header.suite_folder,
                           infos_of(with_ensemble(attack_table())), monitor_infos());
    for (const CellHeader& cell : header.cells) {
      for (const std::optional<Verdict>& row : evidence_.rows(cell)) {
        if (!row || row->status != Status::kBroken) continue;
        const SampleInfo& sample = header.samples[static_cast<size_t>(row->sample)];
        claims_[cell.name + "/" + sample.id] = {&cell, *row};
      }
    }
    const fs::path file = fs::path(folder) / kAdversarialsFile;
    if (!fs::exists(file)) throw Error(folder + " has no " + kAdversarialsFile);
    adversarials_ = read_adversarials(file);
  }

  ExitCode run(const std::string& model_path) {
    const std::vector<ArrayInfo>& arrays = adversarials_.arrays;
    if (arrays.empty()) {
      std::printf(
          "nothing to reproduce: the run saved no adversarials; it does with "
          "--save-adversarials all\n");
      return ExitCode::kPass;
    }
    const fs::path file = model_path.empty() ? evidence_.header.model.path : model_path;
    if (!fs::exists(file)) {
      throw Error("the run's model is not at " + file.string() + "; name it with --model");
    }
    require_file(file);
    open_data();
    std::string text;
    if (sha256_file(file) != evidence_.header.model.sha256) {
      text = file.string() + " is another file than the run's model (" +
             evidence_.header.model.sha256.substr(0, 16) + ")\n";
    }
    size_t failed = 0;
    const std::optional<Model> model = load(file, &text);
    for (size_t i = 0; model && i < arrays.size(); ++i) {
      const std::string fault = try_again(i, *model);
      if (fault.empty()) continue;
      ++failed;
      text += arrays[i].name + ": " + fault + '\n';
    }
    if (!model) failed = arrays.size();
    // At once: an attempt that a model crashes prints nothing.
    std::printf("%s%zu of %zu adversarials reproduce\n", text.c_str(), arrays.size() - failed,
                arrays.size());
    return failed == 0 ? ExitCode::kPass : ExitCode::kFail;
  }

 private:
  // Distances are from the clean samples.
  void open_data() {
    const auto test = suite_.data.find("test");
    if (test == suite_.data.end()) throw Error("the run's suite has no set `test` to measure from");
    dataset_.emplace(Dataset::open(test->second, suite_.model));
    std::set<std::string> ids;
    for (const SampleInfo& sample : evidence_.header.samples) ids.insert(sample.id);
    index_of_ = places_of(*dataset_, ids);
  }

  // Nullopt for a model that cannot be judged: then nothing reproduces.
  std::optional<Model> load(const fs::path& file, std::string* text) {
    if (const Crash* crash = find_crash(attempt_.crashes, "load")) {
      *text += file.string() + " crashed the process (" + crash->signal + ") while it was loaded\n";
      return std::nullopt;
    }
    try {
      const Working loading("load", -1);
      return Model::load(suite_.model, file, block_size(suite_), suite_.run.device);
    } catch (const Error& error) {
      if (error.code() != ExitCode::kRefused) throw;
      *text += std::string(error.what()) + '\n';
      return std::nullopt;
    }
  }

  // Why the adversarial does not reproduce, or "".
  std::string try_again(size_t i, const Model& model) {
    const ArrayInfo& array = adversarials_.arrays[i];
    const auto claim = claims_.find(array.name);
    if (claim == claims_.end()) return "the evidence tells of no such adversarial";
    const Header& header = evidence_.header;
    const std::string dtype = header.float64 ? "F64" : "F32";
    if (array.dtype != dtype) return "its dtype is " + array.dtype + ", the run's is " + dtype;
    if (array.shape != header.shape) return "its shape is another than that of the run's inputs";
    const std::string work = std::to_string(i);
    if (const Crash* crash = find_crash(attempt_.crashes, work)) {
      return "the model crashed the process (" + crash->signal + ")";
    }
    std::vector<int64_t> shape = header.shape;
    shape.insert(shape.begin(), 1);
    at::Tensor x = at::empty(shape, at::TensorOptions(model.dtype()));  // [1, ...shape]
    const std::string bytes = adversarials_.bytes_of(i);
    std::memcpy(x.data_ptr(), bytes.data(), bytes.size());
    if (std::string fault = misplaced(claim->second, x); !fault.empty()) return fault;
    if (std::string fault = inadmissible(claim->second, x, model); !fault.empty()) return fault;
    const Working working(work, -1);
    try {
      const Votes votes = vote_often(model, x);
      if (!votes.finite.item<bool>()) return "the model returns NaN or infinity";
      const int64_t label = votes.labels().item<int64_t>();
      if (label == claim->second.row.adversarial) return "";
      return "label " + std::to_string(label) + " now, " +
             std::to_string(claim->second.row.adversarial) + " in the evidence";
    } catch (const ModelFailure& failure) {
      return failure.what();
    }
  }

  // With the sample's own radius.
  static ThreatModel threat_of(const Claim& claim) {
    ThreatModel threat = claim.cell->threat;
    const std::vector<double>& scale = claim.cell->sample_scale;
    if (!scale.empty() && threat.eps) {
      const double share = scale[static_cast<size_t>(claim.row.sample)];
      threat.eps = share_of_eps(threat.norm, *threat.eps, share);
    }
    return threat;
  }

  // Outside of box or ball, or elsewhere than the evidence says; "" if it is not.
  std::string misplaced(const Claim& claim, const at::Tensor& x) {
    const ThreatModel threat = threat_of(claim);
    if (!in_box(x, threat.lo, threat.hi).item<bool>()) return "it is outside the box";
    if (threat.unbounded) return "";
    const SampleInfo& sample = evidence_.header.samples[static_cast<size_t>(claim.row.sample)];
    const auto index = index_of_.find(sample.id);
    if (index == index_of_.end()) return "its clean sample is not in the data any more";
    const std::span<const int64_t> one(&index->second, 1);
    if (describe(*dataset_, one)[0].digest != sample.digest)
      return "its clean sample is another now";
    const double found = distance(x, dataset_->read(one), threat).item<double>();
    if (found > ball_radius(threat, x.numel(), evidence_.header.float64)) {
      return "it is outside the ball, " + number_text(found) + " from its sample";
    }
    if (found == claim.row.distance) return "";
    return number_text(found) + " from its sample now, " + number_text(claim.row.distance) +
           " in the evidence";
  }

  // Where the suite lets features move by shares of eps, not at all, or by whole levels only, what
  // the run's judge would have moved back is not its adversarial; "" if it is.
  std::string inadmissible(const Claim& claim, const at::Tensor& x, const Model& model) {
    const auto cell = std::find_if(suite_.cells.begin(), suite_.cells.end(),
                                   [&](const Cell& c) { return c.name == claim.cell->name; });
    const SampleInfo& sample = evidence_.header.samples[static_cast<size_t>(claim.row.sample)];
    const auto index = index_of_.find(sample.id);
    if (cell == suite_.cells.end() || index == index_of_.end()) return "";
    ThreatModel threat = suite_.attacks[cell->spec].threat;
    threat.eps = threat_of(claim).eps;
    threat.goal = Goal::kUntargeted;  // the oracle is asked about the point alone
    if (threat.fixed.empty() && threat.feature_scale.empty() && threat.levels == 0) return "";
    const at::Tensor row = at::zeros({1}, at::kLong);
    Block block;
    block.x = dataset_->read(std::span<const int64_t>(&index->second, 1));
    block.y = row;
    const at::Tensor seen = Oracle(model, threat, block, 0, 0).admissible(x, row);
    const double unit = std::ldexp(std::max(std::abs(threat.lo), std::abs(threat.hi)),
                                   evidence_.header.float64 ? -52 : -23);
    if (distance(seen, x, Norm::kLinf).item<double>() <= unit) return "";
    return "it moves features farther, or to other values, than `fixed`, `feature_scale` and "
           "`levels` allow";
  }

  const Attempt& attempt_;
  Evidence evidence_;
  Suite suite_;
  std::map<std::string, Claim> claims_;  // by `cell/sample`
  Adversarials adversarials_;
  std::optional<Dataset> dataset_;
  std::map<std::string, int64_t> index_of_;
};

ExitCode replay(const std::string& folder, const std::string& model, const Attempt& attempt) {
  if (!attempt.failed.empty()) throw Error(attempt.failed, ExitCode::kFail);
  try {
    return Replay(folder, attempt).run(model);
  } catch (const Error& error) {
    if (error.code() == ExitCode::kUsage) throw;
    throw Error(error.what(), ExitCode::kFail);
  } catch (const std::exception& error) {
    throw Error("nothing could be tried: " + std::string(error.what()), ExitCode::kFail);
  }
}

}  // namespace

Command add_replay(CLI::App& app) {
  auto folder = std::make_shared<std::string>();
  auto model = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(
      "replay", "try a run's saved adversarials again; 0 if all reproduce, else 1");
  command->add_option("dir", *folder, "a run folder")->required()->type_name("");
  command->add_option("--model", *model, "the model, where it has moved")->type_name("FILE");
  return {command, [folder, model] {
            const ExitCode code =
                supervise([&](const Attempt& attempt) { return replay(*folder, *model, attempt); });
            return code == ExitCode::kIncomplete ? ExitCode::kFail : code;
          }};
}

}  // namespace assay
