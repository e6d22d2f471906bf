#include "harness/model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/model/probe.h"
#include "harness/suite/error.h"
#include "tests/testing/models.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Shape;
using testing::values;

std::vector<std::string> flag_ids(const Model& model) {
  std::vector<std::string> ids;
  for (const Flag& flag : model.facts().flags) ids.push_back(flag.id);
  return ids;
}

// Loads a module of this code for one input of two entries and two classes.
Model load_code(const std::string& forward,
                const std::vector<std::pair<std::string, at::Tensor>>& parameters = {}) {
  return testing::load_module(Shape{{2}, 2}, forward, parameters);
}

std::string refusal(const std::string& forward,
                    ModelSpec::Output output = ModelSpec::Output::kLogits,
                    const std::string& index = "") {
  const std::filesystem::path path =
      std::filesystem::path(::testing::TempDir()) / "assay_refusal.pt";
  testing::save_module(path, forward, {});
  ModelSpec spec = testing::to_spec(Shape{{2}, 2}, path);
  spec.output = output;
  spec.output_index = index;
  try {
    Model::load(spec, path, 16, "cpu");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kRefused);
    return error.what();
  }
  return "";
}

TEST(Tape, VjpIsTheGradientOfTheWeightedLogits) {
  const Model model = testing::mlp_model(Shape{{6}, 4, at::kDouble}, 16, 3);
  const at::Tensor x = testing::random_uniform({5, 6}, 1, 0, 1, at::kDouble);
  const at::Tensor c = testing::random_normal({5, 4}, 2, at::kDouble);
  const Tape tape = model.record(x);
  const at::Tensor gradient = tape.vjp(c);
  const double h = 1e-6;
  for (int64_t j = 0; j < 6; ++j) {
    at::Tensor up = x.clone(), down = x.clone();
    up.select(1, j).add_(h);
    down.select(1, j).sub_(h);
    const at::Tensor slope =
        model.logits(up).sub(model.logits(down)).mul(c).sum(1).div(2 * h);  // [5]
    EXPECT_TRUE(gradient.select(1, j).allclose(slope, 1e-5, 1e-7));
  }
}

TEST(Tape, MayBeAskedAgain) {
  const Model model = testing::cnn_model(Shape{{1, 8, 8}, 3}, 1);
  const at::Tensor x = testing::random_uniform({3, 1, 8, 8}, 1, 0, 1);
  const Tape tape = model.record(x);
  const at::Tensor a = tape.vjp(at::one_hot(at::tensor({0, 1, 2}, at::kLong), 3).to(at::kFloat));
  const at::Tensor b = tape.vjp(at::one_hot(at::tensor({1, 1, 0}, at::kLong), 3).to(at::kFloat));
  EXPECT_TRUE(a[1].equal(b[1]));
  EXPECT_FALSE(a[0].equal(b[0]));
}

void expect_row_bits(const Model& model) {
  EXPECT_NE(model.facts().quantum, 0);
  std::vector<int64_t> sizes = model.spec().shape;
  sizes.insert(sizes.begin(), 64);
  const at::Tensor x = testing::random_uniform(sizes, 5, 0, 1);
  const at::Tensor c = testing::random_normal({64, model.classes()}, 6);
  const Tape all = model.record(x);
  const at::Tensor gradient = all.vjp(c);
  for (const int64_t n : {1, 2, 3, 5, 7, 17, 33, 63}) {
    const int64_t first = 64 - n;
    const Tape part = model.record(x.narrow(0, first, n));
    EXPECT_TRUE(part.logits().equal(all.logits().narrow(0, first, n))) << n;
    EXPECT_TRUE(part.vjp(c.narrow(0, first, n)).equal(gradient.narrow(0, first, n))) << n;
  }
}

TEST(Model, ARowKeepsItsBitsInEveryBatch) {
  // Without MKL's reproducible mode these two networks have other bits at odd rows.
  for (const auto& [shape, classes] :
       {std::pair<std::vector<int64_t>, int64_t>{{1, 9, 7}, 5}, {{1, 28, 28}, 10}}) {
    expect_row_bits(testing::cnn_model(Shape{shape, classes}, 4));
  }
}

TEST(Model, LogitsTapeAndJudgeAgreeToTheBit) {
  const Model model = testing::cnn_model(Shape{{2, 6, 6}, 3}, 8);
  const at::Tensor x = testing::random_uniform({100, 2, 6, 6}, 5, 0, 1);
  EXPECT_TRUE(model.logits(x).equal(model.record(x).logits()));
  EXPECT_TRUE(model.logits(x).equal(model.judge(x)));
}

// All rows take other bits in batches of a size that `when` names.
std::string batch_code(const std::string& when) {
  return "def forward(self, x):\n    n = x.size(0)\n    if " + when +
         ":\n        return x * 1.000001\n    return x * 1.0";
}

TEST(Model, TheQuantumHoldsAtEverySizeThatIsTried) {
  EXPECT_EQ(load_code(batch_code("n < 0")).facts().quantum, 1);
  EXPECT_EQ(load_code(batch_code("n < 4")).facts().quantum, 4);
  EXPECT_EQ(load_code(batch_code("n % 8 != 0")).facts().quantum, 8);
  // Fewer rows than show it are probed as more are.
  for (const int64_t block : {1, 2, 3, 5}) {
    const std::filesystem::path path =
        std::filesystem::path(::testing::TempDir()) / "assay_small_block.pt";
    testing::save_module(path, batch_code("n % 8 != 0"), {});
    const Model model = Model::load(testing::to_spec(Shape{{2}, 2}, path), path, block, "cpu");
    EXPECT_EQ(model.facts().quantum, 8) << block;
    EXPECT_EQ(model.block(), block);
  }
  // Other bits in the whole block of 64 only, in half of it, or in one row less than the whole.
  EXPECT_EQ(load_code(batch_code("n == 64")).facts().quantum, 0);
  EXPECT_EQ(load_code(batch_code("n == 32")).facts().quantum, 0);
  EXPECT_EQ(load_code(batch_code("n == 63")).facts().quantum, 2);
}

TEST(Model, TheQuantumHoldsAtEveryPlace) {
  // Other bits at the tail, or next to a bright row.
  EXPECT_EQ(load_code("def forward(self, x):\n"
                      "    last = x[-1:] * 1.000001\n"
                      "    return torch.cat([x[:-1], last], 0)")
                .facts()
                .quantum,
            0);
  EXPECT_EQ(load_code("def forward(self, x):\n"
                      "    bright = (torch.roll(x, [1], [0]) > 0.9).any(1, True)\n"
                      "    return torch.where(bright, x * 1.000001, x)")
                .facts()
                .quantum,
            0);
}

TEST(Model, LoadsWithKnownFactsAsWithoutThem) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "assay_known.pt";
  testing::save_module(path,
                       "def forward(self, x):\n"
                       "    return x + (torch.round(x * 4) / 4 - x).detach()",
                       {});
  const ModelSpec spec = testing::to_spec(Shape{{2}, 2}, path);
  const Model probed = Model::load(spec, path, 16, "cpu");
  const Model known = Model::load(spec, path, 16, "cpu", &probed.facts());
  const at::Tensor x = testing::random_uniform({16, 2}, 3, 0, 1);
  EXPECT_TRUE(known.record(x).logits().equal(probed.record(x).logits()));
  EXPECT_TRUE(known.record(x).vjp(at::ones({16, 2})).equal(at::ones({16, 2})));
  EXPECT_EQ(to_text(known.facts()), to_text(probed.facts()));
}

TEST(Model, NormalisesBeforeTheNetworkAndInTheGradient) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "assay_norm.pt";
  testing::save_module(path, "def forward(self, x):\n    return torch.flatten(x, 1) * 2", {});
  ModelSpec spec = testing::to_spec(Shape{{2, 1, 1}, 2}, path);
  spec.mean = {0.5, 0.25};
  spec.std = {0.5, 0.1};
  const Model model = Model::load(spec, path, 16, "cpu");
  const Tape tape = model.record(values({1, 0.5}).view({1, 2, 1, 1}));
  EXPECT_TRUE(tape.logits().allclose(values({2, 5}).view({1, 2})));
  EXPECT_TRUE(tape.vjp(at::ones({1, 2})).flatten().allclose(values({4, 20})));
}

TEST(Model, TurnsProbabilitiesAndASigmoidIntoLogits) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "assay_out.pt";
  testing::save_module(
      path, "def forward(self, x):\n    return {'p': torch.softmax(x, 1), 'z': x[:, 0]}", {});
  ModelSpec spec = testing::to_spec(Shape{{2}, 2}, path);
  const at::Tensor x = values({0.2, 0.9}).view({1, 2});
  spec.output = ModelSpec::Output::kProbabilities;
  spec.output_index = "p";
  EXPECT_TRUE(Model::load(spec, path, 16, "cpu").logits(x).allclose(at::log_softmax(x, 1)));
  spec.output = ModelSpec::Output::kSigmoid;
  spec.output_index = "z";
  EXPECT_TRUE(Model::load(spec, path, 16, "cpu").logits(x).allclose(values({0, 0.2}).view({1, 2})));
}

TEST(Model, FlagsWhatMakesAttacksWeak) {
  EXPECT_THAT(flag_ids(load_code("def forward(self, x):\n    return torch.softmax(x * 9, 1)")),
              ::testing::ElementsAre("softmax_output"));
  EXPECT_THAT(
      flag_ids(load_code("def forward(self, x):\n    return torch.softmax(x * 9, 1).half()")),
      ::testing::ElementsAre("softmax_output"));
  EXPECT_THAT(flag_ids(load_code("def forward(self, x):\n    return torch.sigmoid(x * 9 - 4)")),
              ::testing::ElementsAre("softmax_output"));
  EXPECT_THAT(flag_ids(load_code("def forward(self, x):\n    return torch.relu(x - 2)")),
              ::testing::ElementsAre("zero_gradient"));
  EXPECT_THAT(flag_ids(load_code(
                  "def forward(self, x):\n    return torch.one_hot(torch.argmax(x, 1), 2) * 3.0")),
              ::testing::ElementsAre("no_gradient"));
  EXPECT_THAT(flag_ids(load_code("def forward(self, x):\n    return x - x.mean(0, keepdim=True)")),
              ::testing::ElementsAre("batch_dependent"));
  const Model dropout =
      load_code("def forward(self, x):\n    return torch.dropout(x * 3 - 1, 0.2, True) * 0.5 + x");
  EXPECT_THAT(flag_ids(dropout), ::testing::ElementsAre("train_mode", "randomised"));
  EXPECT_TRUE(dropout.facts().random);
  EXPECT_THAT(flag_ids(testing::mlp_model(Shape{{4}, 3}, 8, 1)), ::testing::IsEmpty());
}

TEST(Model, HasNoGradientWhereThatIsNoNumberAnywhere) {
  const auto load = [](const std::string& hidden) {
    return load_code("def forward(self, x):\n    return torch.where(" + hidden +
                     ", x * float('nan'), x)");
  };
  const Model none = load("x > 2.0");
  EXPECT_FALSE(none.facts().gradient);
  EXPECT_THAT(flag_ids(none), ::testing::ElementsAre("nonfinite_gradient"));
  const Model part = load_code(
      "def forward(self, x):\n"
      "    return torch.cat([x[:, :1] + torch.sqrt(x[:, :1] * 0.0), x[:, 1:]], 1)");
  EXPECT_TRUE(part.facts().gradient) << "of the other entries";
  EXPECT_THAT(flag_ids(part), ::testing::Contains("nonfinite_gradient"));
  const Model some = load_code(
      "def forward(self, x):\n    return torch.where(x > 0.0, torch.sqrt(x), torch.zeros_like(x))");
  EXPECT_TRUE(some.facts().gradient);
}

TEST(Model, FlagsOneThatWasSavedInTrainingModeIfItsGraphAsks) {
  const auto flags_of = [](const std::string& body, bool training) {
    const std::filesystem::path path =
        std::filesystem::path(::testing::TempDir()) / "assay_mode.pt";
    torch::jit::Module module("Mode");
    module.register_attribute("training", c10::BoolType::get(), training);
    module.define("def forward(self, x):\n    return " + body + "\n");
    module.save(path.string());
    return flag_ids(Model::load(testing::to_spec(Shape{{2}, 2}, path), path, 16, "cpu"));
  };
  const std::string dropout = "torch.dropout(x, 0.2, self.training)";
  EXPECT_THAT(flags_of(dropout, true), ::testing::ElementsAre("train_mode"));
  EXPECT_THAT(flags_of(dropout, false), ::testing::IsEmpty());
  EXPECT_THAT(flags_of("x * 2", true), ::testing::IsEmpty());
}

TEST(Model, FlagsASigmoidInTheLogitsPlace) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "assay_sig.pt";
  ModelSpec spec = testing::to_spec(Shape{{2}, 2}, path);
  spec.output = ModelSpec::Output::kSigmoid;
  testing::save_module(path, "def forward(self, x):\n    return torch.sigmoid(x[:, 0] * 4 - 2)",
                       {});
  EXPECT_THAT(flag_ids(Model::load(spec, path, 16, "cpu")),
              ::testing::ElementsAre("softmax_output"));
  testing::save_module(path, "def forward(self, x):\n    return x[:, 0] * 4 - 2", {});
  EXPECT_THAT(flag_ids(Model::load(spec, path, 16, "cpu")), ::testing::IsEmpty());
}

TEST(Model, RefusesWhatIsNoDistribution) {
  const auto refused = [](const std::string& output) {
    return refusal("def forward(self, x):\n    return " + output,
                   ModelSpec::Output::kProbabilities);
  };
  EXPECT_THAT(refused("x * 9 - 4"), HasSubstr("say `output: logits`"));
  EXPECT_THAT(refused("torch.softmax(x, 1) / 2"), HasSubstr("sum to 1 only within 0.5"));
  EXPECT_EQ(refused("torch.softmax(x, 1).half()"), "");
}

TEST(Model, SeesTrainingModeInsideSubmodules) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "assay_nest.pt";
  testing::save_nested(
      path, "def forward(self, x):\n    return torch.dropout(x * 3 - 1, 0.2, True) * 0.5 + x");
  const Model model = Model::load(testing::to_spec(Shape{{2}, 2}, path), path, 16, "cpu");
  EXPECT_THAT(flag_ids(model), ::testing::ElementsAre("train_mode", "randomised"));
}

TEST(Model, RefusesWhatCannotBeJudged) {
  EXPECT_THAT(refusal("def forward(self, x):\n    return torch.log(x - 3)"), HasSubstr("NaN"));
  EXPECT_THAT(refusal("def forward(self, x):\n    return x[:, :1]"),
              ::testing::AllOf(HasSubstr("returns shape [16, 1]"),
                               HasSubstr("say `output: sigmoid` if it is one logit")));
  EXPECT_THAT(refusal("def forward(self, x):\n    return (x, x)"), HasSubstr("model.output_index"));
  EXPECT_THAT(refusal("def forward(self, x):\n    return (x, x)", ModelSpec::Output::kLogits, "2"),
              HasSubstr("returns 2 values"));
  EXPECT_THAT(
      refusal("def forward(self, x):\n    return {'a': x}", ModelSpec::Output::kLogits, "b"),
      HasSubstr("the keys a"));
  EXPECT_THAT(refusal("def forward(self, x):\n    return x.view(4, 2)"), HasSubstr("batch of 16"));
}

TEST(Model, AFaultOfItsCodeIsAModelFailure) {
  const Model model = load_code(
      "def forward(self, x):\n    assert float(x.max()) < 1.5, 'too bright'\n    return x");
  EXPECT_THROW(model.logits(values({2, 2}).view({1, 2})), ModelFailure);
  EXPECT_THROW(model.record(values({2, 2}).view({1, 2})), ModelFailure);
}

TEST(Model, KeepsTheFactsItIsGiven) {
  ModelFacts facts;
  facts.quantum = 8;
  facts.flags = {{"a", "b", "c \"quoted\"", "d"}};
  ModelFacts again;
  ASSERT_TRUE(parse_facts(to_text(facts), &again));
  EXPECT_FALSE(parse_facts("{\"quantum\": 4}", &again));
  EXPECT_FALSE(parse_facts("", &again));
  EXPECT_EQ(again.quantum, 8);
  EXPECT_EQ(again.flags, facts.flags);
}

TEST(Model, RefusesOneThatAnswersOtherwiseWhereAGradientIsAskedFor) {
  const auto branch = [](const std::string& otherwise) {
    return refusal("def forward(self, x):\n    if x.requires_grad:\n        return " + otherwise +
                   "\n    return x * 2.0\n");
  };
  EXPECT_THAT(branch("x.roll(1, 1)"), HasSubstr("other logits where a gradient is asked for"));
  EXPECT_EQ(branch("x * 2.0001"), "") << "as other kernels round";
}

TEST(Model, NamesTheCureForOneWhoseExportLeftGradientsOut) {
  EXPECT_THAT(refusal("def forward(self, x):\n    return torch.igamma(x + 1.0, x + 1.0)\n"),
              HasSubstr("set_fastpath_enabled(False)"));
}

TEST(Model, RefusesToRoundAFloat64Model) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "assay_wide.pt";
  const at::Tensor weight = values({1, 2, 3, 4}, at::kDouble).view({2, 2});
  const std::string code = "def forward(self, x):\n    return x @ self.weight";
  testing::save_module(path, code, {{"weight", weight}});
  ModelSpec spec = testing::to_spec(Shape{{2}, 2}, path);
  const auto load = [&] { return Model::load(spec, path, 16, "cpu"); };
  try {
    load();
    ADD_FAILURE() << "rounded without a word";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kRefused);
    EXPECT_THAT(error.what(), HasSubstr("would be rounded to float32; set model.dtype: float64"));
  }
  spec.dtype = ModelSpec::Dtype::kFloat64;
  EXPECT_THAT(flag_ids(load()), ::testing::IsEmpty());
  EXPECT_EQ(load().judge(at::zeros({1, 2}, at::kDouble)).scalar_type(), at::kDouble);
}

TEST(Model, NamesOnlyTypesThatThereAre) {
  EXPECT_THAT(
      explain_failure("expected m1 and m2 to have the same dtype, but got: double != float"),
      HasSubstr("set model.dtype: float64"));
  EXPECT_THAT(explain_failure("Input type (double) and bias type (float) should be the same"),
              HasSubstr("set model.dtype: float64"));
  EXPECT_THAT(
      explain_failure("expected m1 and m2 to have the same dtype, but got: c10::Half != float"),
      ::testing::AllOf(HasSubstr("half precision is baked in"), Not(HasSubstr("model.dtype"))));
}

TEST(ModelFile, ADamagedWeightIsFound) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "assay_bit.pt";
  const at::Tensor weight = testing::random_normal({2, 2}, 1);
  testing::save_module(path, "def forward(self, x):\n    return x @ self.weight",
                       {{"weight", weight}});
  std::ostringstream whole;
  whole << std::ifstream(path, std::ios::binary).rdbuf();
  std::string bytes = whole.str();
  const std::string_view record(static_cast<const char*>(weight.const_data_ptr()), weight.nbytes());
  const size_t at = bytes.find(record);
  ASSERT_NE(at, std::string::npos);
  bytes[at + 5] = static_cast<char>(bytes[at + 5] ^ 1);
  std::ofstream(path, std::ios::binary) << bytes;
  try {
    Model::load(testing::to_spec(Shape{{2}, 2}, path), path, 16, "cpu");
    ADD_FAILURE() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kRefused);
    EXPECT_THAT(error.what(), HasSubstr("damaged: its checksum differs from the archive's"));
  }
}

TEST(ModelFile, OtherFilesAreNamedWithTheCure) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "assay_other.pt";
  const auto message = [&path](const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    try {
      Model::load(testing::to_spec(Shape{{2}, 2}, path), path, 16, "cpu");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kRefused);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(message(""), HasSubstr("is empty"));
  EXPECT_THAT(message("PK\x03\x04 and nothing more"), HasSubstr("damaged or truncated"));
  EXPECT_THAT(message("\x80\x02}q."), HasSubstr("plain pickle"));
  EXPECT_THAT(message("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("git lfs pull"));
  EXPECT_THAT(message(std::string("\x10\0\0\0\0\0\0\0{}", 10)), HasSubstr("safetensors"));
  EXPECT_THAT(message("hello, this is text"), HasSubstr("torch.jit.script"));
}

}  // namespace
}  // namespace assay
