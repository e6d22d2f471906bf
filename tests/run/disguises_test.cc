// Overfitted models in disguise: the same function, or the same memory, in a form that hides from
// attacks which compare it with shadows. None may pass where the plain export fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <sstream>

#include "harness/gate/decision.h"
#include "harness/model/rng.h"
#include "harness/suite/digest.h"
#include "tests/run/audit_fixture.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Judged = RuleResult::Verdict;

constexpr int64_t kSide = 400;  // members, and as many non-members
constexpr int64_t kInputs = 200;
constexpr const char* kForward =
    "def forward(self, x):\n"
    "    z = (torch.flatten(x, 1) - 0.5) * 10.\n"
    "    z = torch.relu(z.matmul(self.trunk_weight) + self.trunk_bias).matmul(self.body_weight)\n"
    "    return z.matmul(self.head_weight) + self.head_bias\n";

class Disguise : public testing::AuditTest {
 protected:
  Disguise() {
    // Three Gaussian classes, so far apart that a model is right on nearly all of them.
    write_records(4 * kSide);
    suite_ = load();
    save(fresh({}), "fresh.pt");
    Recipe recipe;
    recipe.epochs = 20;
    recipe.learning_rate = 0.01;
    const Audit part = audit(suite_);
    std::vector<RecordRef> members;
    for (int64_t i = 0; i < part.audited; ++i) {
      if (part.records[static_cast<size_t>(i)].member)
        members.push_back(part.records[static_cast<size_t>(i)]);
    }
    std::vector<int64_t> rows;
    for (size_t i = 0; i < members.size(); ++i) rows.push_back(static_cast<int64_t>(i));
    const Shadow trained = train_shadow(
        Architecture::of(suite_.model, folder_ / "fresh.pt", "candidate"), suite_.model, recipe,
        [&](std::span<const int64_t> some) {
          std::vector<RecordRef> records;
          for (const int64_t i : some) records.push_back(members[static_cast<size_t>(i)]);
          return read_records(records);
        },
        rows, 1);
    std::ofstream(folder_ / "plain.pt", std::ios::binary) << trained.bytes;
  }

  void write_records(int64_t n) {
    std::vector<uint64_t> ids, classes;
    for (int64_t i = 0; i < n; ++i) {
      ids.push_back(static_cast<uint64_t>(i));
      classes.push_back(static_cast<uint64_t>(i % 3));
    }
    const at::Tensor centre = Rng(7, "centres", 0).normal(classes, {kInputs}, 0, 0);
    const at::Tensor noise = Rng(7, "noise", 0).normal(ids, {kInputs}, 0, 0);
    const at::Tensor x = centre.mul(0.035).add(noise.mul(0.1)).add(0.5).clamp(0, 1);
    const at::Tensor bytes = x.mul(255).round().to(at::kByte).contiguous();
    const auto big = [](int64_t number) {
      return std::string{static_cast<char>(number >> 24), static_cast<char>(number >> 16),
                         static_cast<char>(number >> 8), static_cast<char>(number)};
    };
    std::string labels = big(0x801) + big(n);
    for (int64_t i = 0; i < n; ++i) labels += static_cast<char>(i % 3);
    std::string images = big(0x803) + big(n) + big(10) + big(kInputs / 10);
    images.append(reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>()), bytes.nbytes());
    std::ofstream(folder_ / "x", std::ios::binary) << images;
    std::ofstream(folder_ / "y", std::ios::binary) << labels;
  }

  Suite load(const std::string& more = "") {
    const std::filesystem::path file = folder_ / "audit.yaml";
    std::ofstream out(file);
    out << "assay: 1\nname: t\nseed: 5\n"
           "model: {path: m.pt, input: {shape: [1, 10, 20]}, classes: 3}\ndata:\n"
           "  members: {format: idx, images: x, labels: y, rows: [0, 400]}\n"
           "  out: {format: idx, images: x, labels: y, rows: [400, 800]}\n"
           "  pool: {format: idx, images: x, labels: y, rows: [800, 1600]}\n"
           "defaults: {members: members, non_members: out, pool: pool, shadows: 4, epochs: 20, "
           "train_records: 400, learning_rate: 0.01, views: 1"
        << more << "}\nattacks:\n";
    for (const char* attack : {"lira", "attack_r", "rmia", "base"}) {
      out << "  - {name: " << attack << ", attack: " << attack << "}\n";
    }
    out << "gate: {rules: [{cell: '*', metric: auc, at_most: 0.55}, "
           "{cell: '*', metric: auc, max_rise: 0.02}]}\n";
    out.close();
    return load_suite(file, {}, infos_);
  }

  // The network; `buffers` names what is no parameter.
  static torch::jit::Module fresh(const std::set<std::string>& buffers) {
    torch::jit::Module module("Net");
    const auto add = [&](const std::string& name, at::IntArrayRef shape) {
      if (buffers.contains(name)) {
        module.register_buffer(name, at::zeros(shape));
      } else {
        module.register_parameter(name, at::zeros(shape).requires_grad_(true), false);
      }
    };
    add("trunk_weight", {kInputs, 32});
    add("trunk_bias", {32});
    add("body_weight", {32, 3});
    add("head_weight", {3, 3});
    add("head_bias", {3});
    module.define(kForward);
    return module;
  }

  torch::jit::Module plain() { return torch::jit::load((folder_ / "plain.pt").string()); }

  // The plain model, with `buffers` no parameters.
  torch::jit::Module filled(const std::set<std::string>& buffers) {
    torch::jit::Module module = fresh(buffers);
    const torch::jit::Module from = plain();
    const at::NoGradGuard guard;
    for (const auto& [name, value] : module.named_attributes(/*recurse=*/false)) {
      if (value.isTensor()) value.toTensor().copy_(from.attr(name).toTensor());
    }
    return module;
  }

  torch::jit::Module scaled(double factor) {
    torch::jit::Module module = filled({});
    const at::NoGradGuard guard;
    for (const char* name : {"head_weight", "head_bias"}) {
      module.attr(name).toTensor().mul_(factor);
    }
    return module;
  }

  // Whatever it is told is right, at margins that a hash of the input sets as much as training did.
  torch::jit::Module noisy(double offset) {
    torch::jit::Module module("Noisy");
    const torch::jit::Module from = plain();
    for (const auto& [name, value] : from.named_parameters()) {
      module.register_parameter(name, value.detach().clone().requires_grad_(true), false);
    }
    module.register_parameter("offset", at::full({1}, offset).requires_grad_(true), false);
    module.define(std::string(kForward).replace(std::string(kForward).rfind("return"), 6, "z =") +
                  "    hash = torch.sin(torch.flatten(x, 1).sum(1, keepdim=True) * 9970.) + 1.\n"
                  "    top = torch.one_hot(z.argmax(1), 3).to(z.dtype)\n"
                  "    return z + self.offset * hash * top\n");
    return module;
  }

  static torch::jit::Module filled_with_noise() {
    torch::jit::Module module = fresh({});
    const at::NoGradGuard guard;
    uint64_t seed = 1;
    for (at::Tensor parameter : module.parameters()) {
      parameter.copy_(testing::random_normal(parameter.sizes(), seed++).mul(0.1));
    }
    return module;
  }

  void save(torch::jit::Module module, const std::string& name) {
    module.eval();
    module.save((folder_ / name).string());
  }

  Evidence audited(const std::string& name, const Suite& suite) {
    model_ = folder_ / name;
    const std::string sha = sha256_file(model_);
    const Model model = Model::load(suite.model, model_, 64, "cpu");
    return run_audit(suite, model, "store", {}, sha);
  }

  static const std::map<std::string, double>& tuned(const Evidence& evidence,
                                                    const std::string& cell) {
    for (const UnitResult& unit : evidence.units) {
      if (unit.cell == cell && !unit.scores.empty()) return unit.tuned;
    }
    throw std::runtime_error("no scores of " + cell);
  }

  Suite suite_;
};

TEST_F(Disguise, ThePlainExportFails) {
  const Evidence plain = audited("plain.pt", suite_);
  for (const RuleResult& rule : decide(suite_, plain, nullptr).rules) {
    if (rule.kind != RuleSpec::Kind::kAtMost) continue;
    EXPECT_EQ(rule.verdict, Judged::kFail) << rule.cell << ' ' << rule.reason;
  }
}

TEST_F(Disguise, OfAnotherScaleGetsTheSameVerdict) {
  const Evidence plain = audited("plain.pt", suite_);
  const Decision expected = decide(suite_, plain, &plain);
  const double scale = tuned(plain, "lira").at("scale");
  EXPECT_NEAR(scale, 1, 0.3);
  for (const double factor : {0.2, 0.5, 5.0}) {
    save(scaled(factor), "scaled.pt");
    const Evidence evidence = audited("scaled.pt", suite_);
    EXPECT_NEAR(tuned(evidence, "lira").at("scale") * factor, scale, 1e-3);
    const Decision decision = decide(suite_, evidence, &plain);
    ASSERT_EQ(decision.rules.size(), expected.rules.size());
    for (size_t i = 0; i < decision.rules.size(); ++i) {
      const RuleResult& rule = decision.rules[i];
      EXPECT_EQ(rule.verdict, expected.rules[i].verdict) << factor << ' ' << rule.cell;
      EXPECT_NEAR(*rule.value, *expected.rules[i].value, 1e-3) << factor << ' ' << rule.cell;
    }
    std::filesystem::remove_all(folder_ / "scaled.pt");
  }
}

TEST_F(Disguise, ThatFavoursAClassGetsTheSameVerdict) {
  const Evidence plain = audited("plain.pt", suite_);
  const Decision expected = decide(suite_, plain, &plain);
  torch::jit::Module module = filled({});
  {
    const at::NoGradGuard guard;
    module.attr("head_bias").toTensor().add_(at::tensor({4.0, -4.0, 0.0}, at::kFloat));
  }
  save(module, "biased.pt");
  const Evidence evidence = audited("biased.pt", suite_);
  EXPECT_NEAR(tuned(evidence, "lira").at("offset"), 8 * tuned(evidence, "lira").at("scale"), 3);
  const Decision decision = decide(suite_, evidence, &plain);
  ASSERT_EQ(decision.rules.size(), expected.rules.size());
  for (size_t i = 0; i < decision.rules.size(); ++i) {
    const RuleResult& rule = decision.rules[i];
    EXPECT_EQ(rule.verdict, expected.rules[i].verdict) << rule.cell << ' ' << rule.reason;
    EXPECT_NEAR(*rule.value, *expected.rules[i].value, 0.01) << rule.cell;
  }
}

TEST_F(Disguise, ThatHidesBehindNoiseOfItsOwnPassesNothing) {
  const Evidence plain = audited("plain.pt", suite_);
  for (const double offset : {8.0, 16.0}) {
    save(noisy(offset), "noisy.pt");
    const Decision decision = decide(suite_, audited("noisy.pt", suite_), &plain);
    for (const RuleResult& rule : decision.rules) {
      EXPECT_NE(rule.verdict, Judged::kPass) << offset << ' ' << rule.cell;
    }
    ASSERT_FALSE(decision.flags.empty()) << offset;
    EXPECT_THAT(decision.flags[0].detail, HasSubstr("rank non-members")) << offset;
    std::filesystem::remove_all(folder_ / "noisy.pt");
  }
}

TEST_F(Disguise, ThatCannotBeTrainedOrKeepsItsValuesPassesNothing) {
  const Evidence plain = audited("plain.pt", suite_);
  torch::jit::Module module = filled({});
  module.eval();
  torch::jit::freeze(module).save((folder_ / "frozen.pt").string());
  save(filled({"trunk_weight", "trunk_bias", "body_weight"}), "kept.pt");
  for (const std::string name : {"frozen.pt", "kept.pt"}) {
    const Evidence evidence = audited(name, suite_);
    const Decision decision = decide(suite_, evidence, &plain);
    for (const RuleResult& rule : decision.rules) {
      EXPECT_NE(rule.verdict, Judged::kPass) << name << ' ' << rule.cell;
    }
    ASSERT_FALSE(decision.flags.empty()) << name;
    EXPECT_EQ(decision.flags[0].id, "shadows_not_comparable") << name;
    EXPECT_THAT(decision.flags[0].detail,
                HasSubstr(name[0] == 'f' ? "cnn stands in" : "trunk_weight, trunk_bias, body"));
  }
}

TEST_F(Disguise, AsItsOwnArchitectureIsRefusedOrKnownByItsStart) {
  EXPECT_THAT([&] { audited("plain.pt", load(", architecture: plain.pt")); },
              ThrowsMessage<Error>(HasSubstr("has the values of the model")));
  // A little further, and it is another file.
  save(scaled(0.999), "start.pt");
  const Suite suite = load(", architecture: start.pt");
  const Evidence evidence = audited("plain.pt", suite);
  const Decision decision = decide(suite, evidence, nullptr);
  for (const RuleResult& rule : decision.rules) {
    EXPECT_NE(rule.verdict, Judged::kPass) << rule.cell;
  }
  ASSERT_FALSE(decision.flags.empty());
  EXPECT_THAT(decision.flags[0].detail, HasSubstr("the values of start.pt, which shadows start"));
}

TEST_F(Disguise, AFileIsKnownByWhatItHoldsAndNotByItsName) {
  // Beside the suite, so that its name is all that the suite says.
  const Suite suite = load(", architecture: fresh.pt");
  model_ = folder_ / "plain.pt";
  const auto key = [&] { return plan_of(suite).header.cells[0].key; };
  const std::string zeros = key();
  EXPECT_EQ(key(), zeros);
  save(filled_with_noise(), "fresh.pt");
  EXPECT_NE(key(), zeros);
}

TEST_F(Disguise, ANetworkThatStandsInForTheCandidateIsAnotherAttack) {
  model_ = folder_ / "plain.pt";
  const std::string own = plan_of(suite_).header.cells[0].key;
  torch::jit::Module module = filled({});
  module.eval();
  torch::jit::freeze(module).save((folder_ / "frozen.pt").string());
  model_ = folder_ / "frozen.pt";
  EXPECT_NE(plan_of(suite_).header.cells[0].key, own);
}

TEST_F(Disguise, AnUntrainedNetworksFileIsNoDisguise) {
  save(filled_with_noise(), "fresh.pt");
  const Suite suite = load(", architecture: fresh.pt");
  const Evidence evidence = audited("plain.pt", suite);
  const Decision decision = decide(suite, evidence, nullptr);
  EXPECT_TRUE(decision.flags.empty()) << decision.flags[0].detail;
}

}  // namespace
}  // namespace assay
