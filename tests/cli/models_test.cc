// Models as people hand them in: unusable, faulty in places, or with quirks.
#include <sys/stat.h>

#include <fstream>

#include "tests/cli/workshop.h"

namespace assay::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;

class Models : public Workshop {
 protected:
  // Runs the default suite on a file with these bytes.
  Ended run_on(const std::string& name, const std::string& bytes) {
    write(name, bytes);
    return run("out-" + name, {"--model", name});
  }
  Ended run_prepared(const std::string& name, const std::vector<std::string>& more = {}) {
    std::vector<std::string> args = {"--model", prepared(name).string()};
    args.insert(args.end(), more.begin(), more.end());
    return run("out-" + name, args);
  }
};

TEST_F(Models, UnusableFilesAreRefusedWithTheirCure) {
  write_suite({});
  const std::string right = [] {
    std::ifstream file(prepared("right.pt"), std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  }();
  const std::string half = right.substr(0, right.size() / 2);
  struct Case {
    std::string name, bytes;
    std::vector<std::string> says;
  };
  const std::string header = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  for (const Case& each : std::vector<Case>{
           {"empty.pt", "", {"is empty", "torch.jit.script"}},
           {"truncated.pt", half, {"truncated", "copy or export it again"}},
           {"pointer.pt",
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
            {"git-lfs pointer", "git lfs pull"}},
           {"weights.safetensors",
            std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header +
                std::string(4, '\0'),
            {"safetensors", "torch.jit.script"}},
           {"model.onnx", std::string("\x08\x09\x12\x07pytorch", 11), {"ONNX", "torch.jit.script"}},
           {"keras.h5", "\x89HDF\r\n\x1a\n and more", {"HDF5", "only PyTorch"}},
           {"old.pt", std::string("\x80\x02\x8a\x0al\xfc\x9c", 7), {"pickle", "torch.jit.script"}},
           {"page.pt", "<!DOCTYPE html><html>not found</html>", {"not a TorchScript archive"}},
       }) {
    SCOPED_TRACE(each.name);
    std::vector<std::string> says = each.says;
    says.push_back(each.name);
    expect_end(run_on(each.name, each.bytes), 5, says);
    EXPECT_EQ(decision("out-" + each.name), "refused");
  }
}

TEST_F(Models, OtherArchivesAreToldApart) {
  write_suite({});
  struct Case {
    std::string name;
    std::vector<std::string> says;
  };
  for (const Case& each : std::vector<Case>{
           {"state_dict.pt", {"is a state_dict", "load_state_dict", "torch.jit.script"}},
           {"pickled.pt", {"pickled module", "torch.jit.script"}},
           {"exported.pt2", {"torch.export", "torch.jit.script"}},
           {"no_forward.pt", {"no method `forward`"}},
       }) {
    SCOPED_TRACE(each.name);
    expect_end(run_prepared(each.name), 5, each.says);
  }
}

TEST_F(Models, ThoseThatCannotBeJudgedAreRefused) {
  write_suite({});
  struct Case {
    std::string name;
    std::vector<std::string> says;
  };
  for (const Case& each : std::vector<Case>{
           {"three_classes.pt", {"3]", "model.classes 2", "2] is expected"}},
           {"nan.pt", {"NaN", "256 of 256", "model.normalize"}},
           {"detached.pt", {"no gradient", "`pgd`", "detach"}},
           {"nan_gradient.pt", {"no finite gradient", "`pgd`", "torch.where"}},
           {"hungry.pt", {"4000000000000 bytes at once, more than the machine has"}},
           {"tuple.pt", {"Tuple", "model.output_index"}},
           {"batch_baked_in.pt", {"batch", "trace with batch 4, or script it"}},
           {"dtype_baked_in.pt", {"dtype"}},
       }) {
    SCOPED_TRACE(each.name);
    expect_end(run_prepared(each.name), 5, each.says);
    EXPECT_EQ(decision("out-" + each.name), "refused");
  }
}

TEST_F(Models, AMissingOneIsTheUsersError) {
  write_suite({});
  expect_end(run("out", {"--model", "absent.pt"}), 2, {"no such model file", "absent.pt"});
}

TEST_F(Models, WhatIsNoFileIsTheUsersErrorAndIsNotRead) {
  write_suite({});
  fs::create_directories(path("folder.pt"));
  ASSERT_EQ(mkfifo(path("pipe.pt").c_str(), 0600), 0);
  const std::string good = prepared("right.pt").string();
  ASSERT_EQ(run("good", {"--save-adversarials", "all"}).code, 0);
  for (const auto& [model, is] : {std::pair{"folder.pt", "is a folder; name a file"},
                                  {"pipe.pt", "is a pipe; name a file"},
                                  {"/dev/zero", "is a device; name a file"}}) {
    for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
             {"run", "suite.yaml", "--out", "out", "--model", model},
             {"validate", "suite.yaml", "--load", "--model", model},
             {"plan", "suite.yaml", "--estimate", "--model", model},
             {"replay", "good", "--model", model}}) {
      expect_end(assay(args), 2, {model, is});
    }
  }
  for (const char* pipe : {"pipe.pt", "/dev/zero"}) {
    expect_end(run("out", {"--model", good, "--baseline", pipe}), 2, {pipe, "; name a file"});
  }
  EXPECT_FALSE(exists("out"));
}

TEST_F(Models, OneThatThrowsOnAnInputFailsTheGateNamingIt) {
  write_suite({.rules = kPass});
  const Ended ended = run_prepared("throws_on_one.pt");
  EXPECT_EQ(ended.code, 1) << ended.err << ended.out;
  const std::string out = "out-throws_on_one.pt";
  EXPECT_EQ(decision(out), "fail");
  EXPECT_EQ(cell(out, "pgd@0.1")["samples"]["error"], 1);
  EXPECT_THAT(read(out + "/samples.csv"), HasSubstr("pgd@0.1,3,1,"));
  EXPECT_THAT(read(out + "/samples.csv"), ::testing::ContainsRegex("\npgd@0.1,3,1,[^\n]*error"));
  EXPECT_THAT(ended.out,
              ::testing::ContainsRegex("failed on 1 sample: sample 3 in the clean pass"));
}

TEST_F(Models, OneThatReturnsNanOnAnInputFailsTheGateNamingIt) {
  write_suite({.rules = kPass});
  const Ended ended = run_prepared("nan_on_one.pt");
  EXPECT_EQ(ended.code, 1) << ended.err << ended.out;
  EXPECT_EQ(cell("out-nan_on_one.pt", "pgd@0.1")["samples"]["error"], 1);
  EXPECT_THAT(ended.out,
              ::testing::ContainsRegex("failed on 1 sample: sample 3 in the clean pass"));
}

TEST_F(Models, OneThatThrowsOnlyUnderAttackNeverCountsAsRobust) {
  write_suite({.attacks = "- { name: fgsm, attack: fgsm, eps: 0.1 }",
               .rules = "- { cell: fgsm, metric: robust_accuracy, at_least: 0.1 }"});
  ASSERT_EQ(run("right").code, 0);
  EXPECT_DOUBLE_EQ(cell("right", "fgsm")["metrics"]["robust_accuracy"]["value"], 0.5);
  const Ended ended = run_prepared("throws_under_attack.pt");
  EXPECT_EQ(ended.code, 1) << ended.err << ended.out;
  const nlohmann::json fgsm = cell("out-throws_under_attack.pt", "fgsm");
  EXPECT_EQ(fgsm["samples"]["error"], 25);
  EXPECT_DOUBLE_EQ(fgsm["metrics"]["robust_accuracy"]["value"], 0.25);
  EXPECT_THAT(read("out-throws_under_attack.pt/report.json"), HasSubstr("unexpected sensor value"));
  EXPECT_THAT(read("out-throws_under_attack.pt/samples.csv"),
              ::testing::ContainsRegex("\nfgsm,[0-9]+,[01],[01],[^,]*,error,[^,]*,[1-9]"));
}

TEST_F(Models, OneThatCrashesTheProcessOnAnInputFailsTheGateNamingIt) {
  write_suite({.rules = kPass});
  const Ended ended = run_prepared("crashes_on_one.pt", {"--workers", "2"});
  EXPECT_EQ(ended.code, 1) << ended.err << ended.out;
  const std::string out = "out-crashes_on_one.pt";
  EXPECT_EQ(decision(out), "fail");
  EXPECT_EQ(cell(out, "pgd@0.1")["samples"]["error"], 1);
  EXPECT_EQ(cell(out, "pgd@0.1")["samples"]["ok"], 99);
  EXPECT_THAT(read(out + "/samples.csv"), ::testing::ContainsRegex("\npgd@0.1,3,1,[^\n]*error"));
  EXPECT_THAT(read(out + "/report.json"), HasSubstr("crashed the process (SIGSEGV)"));
  EXPECT_THAT(ended.err, HasSubstr("a model crashed the process (SIGSEGV)"));
  // What a crash cost is not paid again.
  const Ended again = run("again", {"--model", prepared("crashes_on_one.pt").string()});
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.err, ::testing::Not(HasSubstr("crashed the process (SIGSEGV); going on")));
  EXPECT_TRUE(read(out + "/samples.csv") == read("again/samples.csv"));
}

TEST_F(Models, OneThatCrashesTheProcessDoesNoMoreHarmInAFolderOfSeveralLines) {
  write_suite({.rules = kPass});
  const std::string model = prepared("crashes_on_one.pt").string();
  ASSERT_EQ(run("plain", {"--model", model, "--store", "first"}).code, 1);
  const Ended ended = run("out\ndone\nreporting", {"--model", model});
  expect_end(ended, 1, {"a model crashed the process (SIGSEGV)"});
  EXPECT_TRUE(read("out\ndone\nreporting/samples.csv") == read("plain/samples.csv"));
  EXPECT_FALSE(exists("out"));
}

TEST_F(Models, OneThatCrashesTheProcessUnderAttackLeavesTheOtherSamplesAsTheyAre) {
  write_suite({.attacks = "- { name: fgsm, attack: fgsm, eps: 0.1 }",
               .rules = "- { cell: fgsm, metric: robust_accuracy, at_least: 0.1 }"});
  ASSERT_EQ(run("right").code, 0);
  const Ended ended = run_prepared("crashes_under_attack.pt");
  EXPECT_EQ(ended.code, 1) << ended.err << ended.out;
  const nlohmann::json fgsm = cell("out-crashes_under_attack.pt", "fgsm");
  EXPECT_EQ(fgsm["samples"]["error"], 25);
  EXPECT_DOUBLE_EQ(fgsm["metrics"]["robust_accuracy"]["value"], 0.25);
}

TEST_F(Models, OneThatCrashesTheProcessWhenItIsProbedIsRefused) {
  write_suite({});
  const Ended ended = run_prepared("crashes_always.pt");
  expect_end(ended, 5, {"crashes_always.pt", "crashed the process (SIGSEGV)", "loaded and probed"});
  EXPECT_EQ(decision("out-crashes_always.pt"), "refused");
}

// Whatever the code that the process ends with.
TEST_F(Models, OneWhoseCodeEndsTheProcessHasCrashedIt) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "its runtime must be loaded first";
#endif
  write_suite({.rules = kPass});
  const auto run_exiting = [this](const std::string& name) {
    Invocation exiting = invocation({"run", "suite.yaml", "--out", "out-" + name, "--model",
                                     prepared(name).string(), "--workers", "1"});
    exiting.set["LD_PRELOAD"] = ASSAY_CLI_EXITS;
    return run_program(exiting);
  };
  expect_end(run_exiting("exits_on_one.pt"), 1, {"a model crashed the process (exit)"});
  EXPECT_THAT(read("out-exits_on_one.pt/samples.csv"),
              ::testing::ContainsRegex("\npgd@0.1,3,1,[^\n]*error"));
  EXPECT_EQ(cell("out-exits_on_one.pt", "pgd@0.1")["samples"]["ok"], 99);
  expect_end(run_exiting("exits_always.pt"), 5, {"crashed the process (exit)"});
  EXPECT_EQ(decision("out-exits_always.pt"), "refused");
}

TEST_F(Models, OneThatAsksForMoreMemoryThanThereIsOrSpeaksOfItFailsTheGateNamingTheSample) {
  write_suite({.rules = kPass});
  for (const auto& [name, says] :
       {std::pair{"hungry_on_one.pt", "more than the machine has"},
        std::pair{"forgetful_on_one.pt", "sensor table: cannot allocate memory"}}) {
    const std::string out = std::string("out-") + name;
    EXPECT_EQ(run_prepared(name).code, 1) << name;
    EXPECT_THAT(read(out + "/samples.csv"), ::testing::ContainsRegex("\npgd@0.1,3,1,[^\n]*error"));
    EXPECT_THAT(read(out + "/report.json"), HasSubstr(says));
  }
}

TEST_F(Models, ASourceThatCrashesTheProcessIsTheUsersErrorAndNotTheCandidatesFault) {
  const std::string source = prepared("crashes_on_one.pt").string();
  write_suite({.attacks = "- { name: craft, attack: transfer, eps: 0.1, source: " + source + " }",
               .rules = "- { cell: craft, metric: robust_accuracy, at_least: 0.1 }"});
  expect_end(run("out"), 2, {"source: ", "crashes_on_one.pt", "crashed the process (SIGSEGV)"});
}

// What labels would have taught a thief is measured on the test set.
TEST_F(Models, OneThatCrashesOnATestRecordIsNotSaidToHaveDoneSoOnAThiefsQuery) {
  const std::string set = "{ format: csv, path: samples.csv, label: label, rows: ";
  write_suite({.data = set + "[0, 50] }\n  pool: " + set + "[50, 100] }",
               .attacks = "- { name: fgsm, attack: fgsm, eps: 0.1 }\n  - { name: steal, attack: "
                          "knockoff, pool: pool, budgets: [20], noise: "
                          "0.3, architecture: mlp, epochs: 1, least_steps: 0, transfer_count: 0 }",
               .rules = "- { cell: steal, metric: \"agreement@20\", at_most: 0.9 }"});
  EXPECT_EQ(run_prepared("crashes_on_one.pt").code, 1);
  const std::string report = read("out-crashes_on_one.pt/report.json");
  EXPECT_THAT(report, HasSubstr("process down (SIGSEGV) while it labelled the test set"));
  EXPECT_THAT(report, ::testing::Not(HasSubstr("(SIGSEGV) while it was queried")));
}

class Quirks : public Models {
 protected:
  // What the right model gives, by whatever way it is written.
  void expect_right(const Ended& ended, const std::string& out) {
    ASSERT_EQ(ended.code, 0) << ended.err << ended.out;
    EXPECT_DOUBLE_EQ(cell(out, "pgd@0.1")["metrics"]["robust_accuracy"]["value"], 0.5);
    EXPECT_DOUBLE_EQ(cell(out, "pgd@0.1")["metrics"]["clean_accuracy"]["value"], 1.0);
    EXPECT_DOUBLE_EQ(cell(out, "pgd@8/255")["metrics"]["robust_accuracy"]["value"], 1.0);
    EXPECT_THAT(flags(out), ::testing::IsEmpty());
  }
  // Steps enough to tell that the attack has converged.
  static constexpr const char* kLong =
      "- { name: pgd, attack: pgd, eps: [0.1, 8/255], steps: 20, step_size: 0.02 }";
};

TEST_F(Quirks, OutputsAreReadAsTheSuiteSays) {
  struct Case {
    std::string model, key;
  };
  for (const Case& each : std::vector<Case>{{"softmax.pt", "output: probabilities"},
                                            {"sigmoid.pt", "output: sigmoid"},
                                            {"tuple.pt", "output_index: 1"},
                                            {"dict.pt", "output_index: logits"},
                                            {"right.pt", "output_index: 0"},
                                            {"right.pt", "dtype: float64"}}) {
    SCOPED_TRACE(each.model + " " + each.key);
    write_suite({.model = each.model, .model_more = each.key, .attacks = kLong});
    const std::string out = "out-" + each.key.substr(each.key.rfind(' ') + 1);
    expect_right(run(out), out);
  }
}

TEST_F(Quirks, NormalizeIsAppliedBeforeTheModel) {
  const std::string normalize = "normalize: { mean: [0.5, 0.5], std: [0.25, 0.25] }";
  write_suite({.model = "normalized.pt", .model_more = normalize, .attacks = kLong});
  const Ended ended = run("out");
  expect_right(ended, "out");
  // Forgotten, the accuracy of a good model is that of a coin: the hint says why.
  write_suite({.model = "normalized.pt",
               .rules = "- { cell: \"pgd@0.1\", metric: clean_accuracy, at_least: 0.9 }"});
  const Ended forgotten = run("forgotten");
  EXPECT_EQ(forgotten.code, 1);
  EXPECT_THAT(forgotten.out, HasSubstr("normali"));
}

TEST_F(Quirks, AWrongOutputIndexIsRefusedWithWhatThereIs) {
  write_suite({.model = "tuple.pt", .model_more = "output_index: 2"});
  expect_end(run("tuple"), 5, {"output_index is `2`", "2 values"});
  write_suite({.model = "dict.pt", .model_more = "output_index: logit"});
  expect_end(run("dict"), 5, {"`logit`", "features, logits"});
  write_suite({.model = "tuple.pt", .model_more = "output_index: logits"});
  expect_end(run("name_of_tuple"), 5, {"logits", "2 values"});
}

TEST_F(Quirks, AreFlaggedAndNeverPassUnnoticed) {
  struct Case {
    std::string model;
    std::vector<std::string> flags;
  };
  for (const Case& each : std::vector<Case>{{"softmax.pt", {"softmax_output"}},
                                            {"dropout.pt", {"randomised", "train_mode"}},
                                            {"batch_norm.pt", {"batch_dependent", "train_mode"}},
                                            {"constant.pt", {"zero_gradient"}}}) {
    SCOPED_TRACE(each.model);
    write_suite(
        {.model = each.model, .attacks = kLong, .rules = "- { cell: \"*\", flags: clear }"});
    const std::string out = "out-" + each.model;
    const Ended ended = run(out);
    // A randomised model's samples may stay unconfirmed, which is inconclusive.
    EXPECT_THAT(ended.code, ::testing::AnyOf(1, 4)) << ended.err << ended.out;
    for (const std::string& flag : each.flags) EXPECT_THAT(flags(out), Contains(flag));
  }
}

TEST_F(Quirks, AStraightThroughEstimatorKeepsItsGradient) {
  write_suite({.model = "straight_through.pt", .attacks = kLong});
  expect_right(run("out"), "out");
}

TEST_F(Quirks, ARandomisedModelGivesTheSameBytesForAnyNumberOfWorkers) {
  write_suite({.model = "dropout.pt", .more = "run: { block: 8 }"});
  ASSERT_NE(run("one", {"--workers", "1", "--store", "a"}).code, 3);
  ASSERT_NE(run("two", {"--workers", "2", "--store", "b"}).code, 3);
  EXPECT_EQ(read("one/samples.csv"), read("two/samples.csv"));
}

}  // namespace
}  // namespace assay::testing
