// Adversarials tried again: what reproduces, and what does not.
#include <cstring>

#include "tests/cli/workshop.h"

namespace assay::testing {
namespace {

using ::testing::HasSubstr;

class Replay : public Workshop {
 protected:
  // A run with its 50 adversarials, all at 0.1 from their samples.
  void run_whole() {
    write_suite({});
    ASSERT_EQ(run("out", {"--save-adversarials", "all"}).code, 0);
  }

  // Rewrites the saved adversarials: the text of the header, and the values after it.
  template <typename Change>
  void alter(const Change& change) {
    const std::string bytes = read("out/adversarials.safetensors");
    uint64_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof size);
    nlohmann::ordered_json header = nlohmann::ordered_json::parse(bytes.substr(8, size));
    std::string data = bytes.substr(8 + size);
    change(&header, &data);
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    const uint64_t length = text.size();
    write("out/adversarials.safetensors",
          std::string(reinterpret_cast<const char*>(&length), sizeof length) + text + data);
  }

  // Moves the first value of the first adversarial in the file.
  void move_first(float by) {
    alter([by](auto*, std::string* data) {
      float value = 0;
      std::memcpy(&value, data->data(), sizeof value);
      value += by;
      std::memcpy(data->data(), &value, sizeof value);
    });
  }
};

TEST_F(Replay, ReplayReproducesOnTheSameModelOnly) {
  write_suite({});
  ASSERT_EQ(run("out", {"--save-adversarials", "all"}).code, 0);
  const Ended same = assay({"replay", "out"});
  expect_end(same, 0, {});
  EXPECT_THAT(same.out, HasSubstr("50 of 50 adversarials reproduce"));
  const Ended other = assay({"replay", "out", "--model", prepared("swapped.pt").string()});
  expect_end(other, 1, {});
  EXPECT_THAT(other.out, HasSubstr("another file"));
  EXPECT_THAT(other.out, HasSubstr("0 of 50 adversarials reproduce"));
  ASSERT_EQ(run("none", {"--save-adversarials", "none"}).code, 0);
  const Ended none = assay({"replay", "none"});
  expect_end(none, 0, {});
  EXPECT_THAT(none.out, HasSubstr("nothing to reproduce"));
  std::filesystem::remove(path("none/adversarials.safetensors"));
  expect_end(assay({"replay", "none"}), 2, {"none", "adversarials.safetensors"});
  expect_end(assay({"replay", "out", "--model", "gone.pt"}), 2, {"gone.pt", "--model"});
}

TEST_F(Replay, AnAdversarialOutsideOfBallOrBoxDoesNotReproduceThoughItsLabelDoes) {
  run_whole();
  const std::string saved = read("out/adversarials.safetensors");
  // Farther over the line: the label stays. Samples of class 0 go up, those of class 1 down.
  float first = 0;
  std::memcpy(&first, saved.substr(saved.size() - 50 * 8).data(), sizeof first);
  const float sign = first > 0.5F ? 1 : -1;
  move_first(0.2F * sign);
  const Ended far = assay({"replay", "out"});
  expect_end(far, 1, {});
  EXPECT_THAT(far.out, HasSubstr("49 of 50 adversarials reproduce"));
  EXPECT_THAT(far.out, HasSubstr("outside the ball"));
  write("out/adversarials.safetensors", saved);
  move_first(2 * sign);
  EXPECT_THAT(assay({"replay", "out"}).out, HasSubstr("outside the box"));
  write("out/adversarials.safetensors", saved);
  move_first(-0.001F * sign);
  EXPECT_THAT(assay({"replay", "out"}).out, HasSubstr("in the evidence"));
}

TEST_F(Replay, AnAdversarialOutsideOfItsSamplesOwnBallDoesNotReproduce) {
  const auto give = [this](double share) {
    std::string shares = "sample,share\n";
    for (int i = 0; i < 100; ++i) shares += std::to_string(i) + ',' + std::to_string(share) + '\n';
    write("shares.csv", shares);
  };
  give(0.6);
  SuiteParts parts;
  parts.attacks = "- { name: pgd, attack: pgd, eps: [0.1], steps: 3, sample_scale: shares.csv }";
  write_suite(parts);
  ASSERT_EQ(run("out", {"--save-adversarials", "all"}).code, 0);
  give(1);  // what the run was given counts, not what the file says now
  EXPECT_THAT(assay({"replay", "out"}).out, HasSubstr("50 of 50 adversarials reproduce"));
  float first = 0;
  const std::string saved = read("out/adversarials.safetensors");
  std::memcpy(&first, saved.substr(saved.size() - 50 * 8).data(), sizeof first);
  move_first(first > 0.5F ? 0.02F : -0.02F);  // within eps of 0.1
  const Ended far = assay({"replay", "out"});
  expect_end(far, 1, {});
  EXPECT_THAT(far.out, HasSubstr("49 of 50 adversarials reproduce"));
  EXPECT_THAT(far.out, HasSubstr("outside the ball"));
}

TEST_F(Replay, SharesOfFeaturesAreOfItsSamplesOwnEps) {
  std::string shares = "sample,share\n";
  for (int i = 0; i < 100; ++i) shares += std::to_string(i) + ",0.6\n";
  write("shares.csv", shares);
  write_suite({.attacks = "- { name: pgd, attack: pgd, eps: [0.1], steps: 3, random_start: false, "
                          "feature_scale: [1, 0.05], sample_scale: shares.csv }"});
  ASSERT_EQ(run("out", {"--save-adversarials", "all"}).code, 0);
  EXPECT_THAT(assay({"replay", "out"}).out, HasSubstr("50 of 50 adversarials reproduce"));
  // The second value, which stayed, may go by 0.003; by 0.005 in a sample that has all of eps.
  alter([](auto*, std::string* data) {
    float value = 0;
    std::memcpy(&value, data->data() + sizeof value, sizeof value);
    value += value > 0.5F ? -0.004F : 0.004F;
    std::memcpy(data->data() + sizeof value, &value, sizeof value);
  });
  const Ended ended = assay({"replay", "out"});
  expect_end(ended, 1, {});
  EXPECT_THAT(ended.out, HasSubstr("49 of 50 adversarials reproduce"));
}

TEST_F(Replay, AnAdversarialThatMovesWhatIsHeldStillDoesNotReproduceThoughItsLabelDoes) {
  for (const char* held : {"fixed: [1]", "feature_scale: [1, 0.001]", "levels: 201"}) {
    SCOPED_TRACE(held);
    std::filesystem::remove_all(path("out"));
    write_suite({.attacks = "- { name: pgd, attack: pgd, eps: [0.1], steps: 3, step_size: 0.1, "
                            "random_start: false, " +
                            std::string(held) + " }"});
    ASSERT_EQ(run("out", {"--save-adversarials", "all"}).code, 0);
    EXPECT_THAT(assay({"replay", "out"}).out, HasSubstr("50 of 50 adversarials reproduce"));
    // The second value decides nothing, and by this much is no farther away.
    alter([](auto*, std::string* data) {
      float value = 0;
      std::memcpy(&value, data->data() + sizeof value, sizeof value);
      value += value > 0.5F ? -0.0117F : 0.0117F;
      std::memcpy(data->data() + sizeof value, &value, sizeof value);
    });
    const Ended ended = assay({"replay", "out"});
    expect_end(ended, 1, {});
    EXPECT_THAT(ended.out, HasSubstr("49 of 50 adversarials reproduce"));
    EXPECT_THAT(ended.out, HasSubstr("`fixed`, `feature_scale` and `levels`"));
  }
}

TEST_F(Replay, WhatTheEvidenceDoesNotTellOfDoesNotReproduce) {
  run_whole();
  alter([](nlohmann::ordered_json* header, std::string*) {
    nlohmann::ordered_json renamed;
    for (const auto& [name, value] : header->items()) renamed["foreign/" + name] = value;
    *header = renamed;
  });
  const Ended ended = assay({"replay", "out"});
  expect_end(ended, 1, {});
  EXPECT_THAT(ended.out, HasSubstr("0 of 50 adversarials reproduce"));
}

TEST_F(Replay, AnAdversarialOfAnotherShapeOrTypeDoesNotReproduce) {
  run_whole();
  alter([](nlohmann::ordered_json* header, std::string*) {
    auto item = header->begin();
    item.value()["shape"] = {1, 2};
    (++item).value()["dtype"] = "I32";
  });
  const Ended ended = assay({"replay", "out"});
  expect_end(ended, 1, {});
  EXPECT_THAT(ended.out, HasSubstr("48 of 50 adversarials reproduce"));
  EXPECT_THAT(ended.out, HasSubstr("shape"));
  EXPECT_THAT(ended.out, HasSubstr("its dtype is I32, the run's is F32"));
}

TEST_F(Replay, AModelThatIsRefusedOrCrashesReproducesNothing) {
  run_whole();
  for (const char* model : {"nan.pt", "three_classes.pt", "crashes_always.pt"}) {
    SCOPED_TRACE(model);
    const Ended ended = assay({"replay", "out", "--model", prepared(model).string()});
    expect_end(ended, 1, {});
    EXPECT_THAT(ended.out, HasSubstr("0 of 50 adversarials reproduce"));
  }
  write("out/adversarials.safetensors", "damaged");
  expect_end(assay({"replay", "out"}), 2, {"adversarials.safetensors"});
}

TEST_F(Replay, AnotherCleanSampleIsNotWhatWasAttacked) {
  run_whole();
  std::string csv = read("samples.csv");
  csv.replace(csv.find("\n0.45,"), 6, "\n0.46,");  // near the line, and broken
  write("samples.csv", csv);
  const Ended ended = assay({"replay", "out"});
  expect_end(ended, 1, {});
  EXPECT_THAT(ended.out, HasSubstr("its clean sample is another now"));
}

}  // namespace
}  // namespace assay::testing
