// Membership cells on the runs' small data, with an attack that asks for all there is.
#pragma once

#include <set>

#include "harness/run/audit.h"
#include "tests/run/fixture.h"

namespace assay::testing {

// The mean log-probability over views less that of the shadows, with all that can be asked for.
inline Attack difficulty() {
  Attack attack;
  attack.info = {.name = "difficulty",
                 .family = Family::kMembership,
                 .access = Access::kScore,
                 .norms = {},
                 .pool = true,
                 .version = "1"};
  attack.bind = [](Params& params, const ThreatModel&) {
    Inference inference;
    inference.shadows.count = params.integer("shadows", 2, {0, 64}, "how many");
    inference.shadows.online =
        params.choice("mode", "offline", {"offline", "online"}, "trained on what") == "online";
    inference.shadows.train_records = params.integer("train_records", 0, {0, 1000}, "of the pool");
    inference.shadows.recipe.architecture = "mlp";
    inference.shadows.recipe.epochs = 1;
    inference.shadows.recipe.learning_rate =
        params.number("learning_rate", 0.01, {0, 1e300}, "peak");
    inference.views = 2;
    inference.population = true;
    inference.boundary_queries = 30;
    inference.features = 2;
    inference.infer = [](const Outputs& outputs, const Rng&) {
      const auto score = [&](const at::Tensor& logits) {
        const at::Tensor index =
            outputs.labels.view({1, -1, 1}).expand({logits.size(0), logits.size(1), 1});
        return logits.log_softmax(2).gather(2, index).squeeze(2).mean(0);  // [R]
      };
      at::Tensor scores = score(outputs.logits).clone();
      for (int64_t i = 0; i < outputs.shadows; ++i) {
        const at::Tensor out = outputs.in[i].logical_not().to(at::kDouble);
        scores.sub_(score(outputs.shadow_logits(i)).mul(out));
      }
      scores.add_(outputs.features.sum(1), 1e-3);
      return scores.narrow(0, 0, outputs.audited).add(outputs.distances);
    };
    return Bound{.inference = inference};
  };
  attack.info.declare = [bind = attack.bind](Params& params, const ThreatModel& threat) {
    bind(params, threat);
  };
  return attack;
}

class AuditTest : public RunTest {
 protected:
  AuditTest() {
    attacks_.push_back(difficulty());
    infos_.push_back(attacks_.back().info);
    model_ = folder_ / "m.pt";
    save_module(model_, "def forward(self, x):\n    return torch.flatten(x, 1)[:, :3]\n", {});
  }

  static std::string sets(const std::string& out = "[40, 80]",
                          const std::string& pool = "[80, 150]") {
    return "  members: {format: idx, images: x, labels: y, rows: [0, 40]}\n"
           "  out: {format: idx, images: x, labels: y, rows: " +
           out + "}\n  pool: {format: idx, images: x, labels: y, rows: " + pool + "}\n";
  }

  Suite audit_suite(const std::string& more = "", const std::string& data = sets()) {
    const std::filesystem::path file = folder_ / "audit.yaml";
    std::ofstream(file) << "assay: 1\nname: t\nseed: 5\n"
                           "model: {path: m.pt, input: {shape: [1, 4, 4]}, classes: 3}\ndata:\n"
                        << data
                        << "attacks:\n  - {name: mia, attack: difficulty, members: members, "
                           "non_members: out, pool: pool"
                        << more << "}\n";
    return load_suite(file, {}, infos_);
  }

  // Data sets stay open as long as the plans that point into them.
  const RecordSets& open(const Suite& suite) {
    sets_.clear();
    datasets_.clear();
    RecordSets& sets = sets_.emplace_back();
    for (const auto& [name, spec] : suite.data) {
      const Dataset& set =
          *datasets_.emplace_back(std::make_unique<Dataset>(Dataset::open(spec, suite.model)));
      SampleSpec taken;
      if (name != "pool" && name != "test") taken.count = std::min(counts_, set.size());
      taken.seed = suite.seed;
      Records records{&set, draw(set, taken), {}};
      records.infos = describe(set, records.indices);
      Records rest{&set, {}, {}};
      for (int64_t i = 0; i < set.size(); ++i) {
        if (!std::binary_search(records.indices.begin(), records.indices.end(), i)) {
          rest.indices.push_back(i);
        }
      }
      rest.infos = describe(set, rest.indices);
      sets.left_out[name] = std::move(rest);
      (name == "pool" ? sets.pools : sets.audited)[name] = std::move(records);
    }
    return sets;
  }

  Audit audit(const Suite& suite) {
    const AttackSpec& spec = suite.attacks[0];
    return make_audit(suite, spec, bind_entry(spec, spec.threat, attacks_).inference, open(suite));
  }

  Plan plan_of(const Suite& suite, const std::string& sha = std::string(64, 'a')) {
    AuditInputs inputs;
    inputs.sets = &open(suite);
    for (const auto& [wanted, where] : architectures_of(suite, attacks_)) {
      inputs.architectures[wanted] = std::make_shared<Architecture>(
          Architecture::of(suite.model, model_, architecture_file(folder_, wanted)));
    }
    return make_plan(suite, {"m.pt", sha}, {}, platform("cpu"), attacks_, digests_, inputs);
  }

  Evidence run_audit(const Suite& suite, const Model& model, const std::string& store,
                     RunOptions options = {}, const std::string& sha = std::string(64, 'a')) {
    const Plan plan = plan_of(suite, sha);
    Store kept(folder_ / store);
    return run_plan(
        suite, plan, {}, attacks_, [&]() -> const Model& { return model; }, &kept, options);
  }

  static const UnitResult& scored(const Evidence& evidence) {
    for (const UnitResult& unit : evidence.units) {
      if (!unit.scores.empty()) return unit;
    }
    throw std::runtime_error("no unit has scores");
  }

  int64_t counts_ = 1000;  // the most that a cell takes of a set
  std::filesystem::path model_;
  std::vector<std::unique_ptr<Dataset>> datasets_;
  std::vector<RecordSets> sets_;
};

}  // namespace assay::testing
