// Extraction entries: what the API answers, and what is measured.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/suite/fakes.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

TEST(Surface, ExtractionMetricsNameTheirBudgets) {
  const Suite suite = load(kExample);
  std::vector<std::string> expected;
  for (const char* metric :
       {"agreement", "surrogate_accuracy", "transfer_success", "accuracy_ratio", "mean_kl"}) {
    for (const char* budget : {"@100", "@1000", "@10000"}) {
      expected.push_back(std::string(metric) + budget);
    }
  }
  EXPECT_EQ(metric_names(suite.attacks[5], false), expected);
}

// A suite with one extraction entry of these keys.
std::string extraction_suite(const std::string& keys) {
  return "assay: 1\nname: small\n"
         "model: { path: m.pt, input: { shape: [3, 8, 8] }, classes: 10 }\n"
         "data: { test: { format: npz, path: t.npz }, p: { format: npz, path: p.npz } }\n"
         "attacks: [ { name: s, attack: knockoff, " +
         keys + " } ]\n";
}

TEST(Surface, TheSurfaceIsPartOfAnExtractionThreatModel) {
  const auto threat = [](const std::string& keys) {
    return load(extraction_suite("pool: p" + keys)).attacks[0].threat;
  };
  EXPECT_EQ(threat("").surface.kind, Surface::Kind::kProbabilities);
  EXPECT_EQ(threat("").access, Access::kScore);
  EXPECT_EQ(threat(", surface: label").access, Access::kLabel);
  EXPECT_EQ(threat(", surface: top_k, top_k: 5").surface.top_k, 5);
  EXPECT_EQ(threat(", surface: rounded, decimals: 1").surface.decimals, 1);
  EXPECT_EQ(threat(", temperature: 2, noise: 0.1").surface.temperature, 2);
  EXPECT_EQ(threat(", temperature: 2, noise: 0.1").surface.noise, 0.1);
}

TEST(Surface, ASurfaceIsCheckedWhereItStands) {
  EXPECT_THAT(fault(extraction_suite("pool: p, surface: logits")),
              HasSubstr("suite.yaml:5:59: attack `knockoff` cannot work with `surface: logits`"));
  EXPECT_THAT(fault(extraction_suite("pool: p, surface: label, temperature: 2")),
              HasSubstr("`temperature` says nothing with `surface: label`"));
  EXPECT_THAT(fault(extraction_suite("pool: p, top_k: 2")), HasSubstr("say `surface: top_k`"));
  EXPECT_THAT(fault(extraction_suite("pool: p, surface: top_k, top_k: 11")),
              HasSubstr("the model has 10 classes"));
  EXPECT_THAT(fault(extraction_suite("surface: label")), HasSubstr("needs `pool`"));
  EXPECT_THAT(fault(extraction_suite("pool: test")), HasSubstr("name another"));
}

TEST(Surface, APoolMayBeNoise) {
  EXPECT_EQ(load(extraction_suite("pool: noise")).attacks[0].sets.at("pool"), "noise");
  EXPECT_THAT(fault(extraction_suite("pool: noises")), HasSubstr("names no data set"));
  // Noise has no classes to choose among.
  EXPECT_THAT(fault(extraction_suite("pool: noise, strategy: adaptive")),
              HasSubstr("suite.yaml:5:64: `strategy: adaptive` learns which classes"));
  load(extraction_suite("pool: noise, strategy: random"));
  load(extraction_suite("pool: p, strategy: adaptive"));
}

}  // namespace
}  // namespace assay
