// Which surroundings of a sample count as unstable.
#include "harness/run/probes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <numeric>

#include "tests/run/diagnosis_fixture.h"

namespace assay {
namespace {

using testing::kShape;

// How many of x [20, ...] are unstable, by steps in proportion to these widths.
int64_t unstable(const Model& model, const at::Tensor& x, const at::Tensor& widths) {
  const at::Tensor labels = model.logits(x).argmax(1);
  std::vector<int64_t> y(labels.const_data_ptr<int64_t>(), labels.const_data_ptr<int64_t>() + 20);
  std::vector<uint64_t> ids(20);
  std::iota(ids.begin(), ids.end(), 1);
  return count_unstable(model, x, y, ids, widths, Rng(5, "neighbourhood", 0));
}

// By steps in proportion to the box.
int64_t unstable(const Model& model, const at::Tensor& x) {
  return unstable(model, x, at::full(x.sizes().slice(1), 1.0, at::kDouble));
}

// Of points within `reach` of the middle of the box.
int64_t unstable(const Model& model, double reach) {
  return unstable(model, testing::random_uniform({20, 1, 4, 4}, 7, 0.5 - reach, 0.5 + reach));
}

Model centred(const std::string& lines) {
  return testing::broken_model("    z = (x - 0.5).matmul(self.weight)\n" + lines);
}

// All logits are nearly the same in the middle, so that any step changes much of their spread.
TEST(Unstable, NoLinearModelIsHoweverMuchItsMarginsChange) {
  EXPECT_EQ(unstable(centred("    return z\n"), 0.02), 0);
  EXPECT_EQ(unstable(centred("    return 1e4 * z\n"), 0.02), 0);
  EXPECT_EQ(unstable(testing::cnn_model(kShape, 1), 0.4), 0);
}

TEST(Unstable, AModelThatDoesNotGoWhereItsGradientPointsIs) {
  EXPECT_GT(unstable(centred("    return z + torch.sin(x * 3000.0).matmul(self.weight)\n"), 0.4),
            15);
  EXPECT_GT(unstable(centred("    return z.detach() * 2.0 - z\n"), 0.02), 15) << "the other way";
  EXPECT_GT(unstable(centred("    return z.detach()\n"), 0.02), 15) << "without a gradient";
}

// Its first `own` entries have their gradient, and the others that of `instead`.
Model patched(int own, const std::string& instead) {
  const std::string at = std::to_string(own);
  return testing::broken_model("    rest = x[:, " + at + ":]\n    other = " + instead +
                               "\n    rest = rest.detach() + other - other.detach()\n"
                               "    return torch.cat([x[:, :" +
                               at + "], rest], 1).matmul(self.weight)\n");
}

TEST(Unstable, AModelWithTheGradientOfAnotherFunctionIs) {
  EXPECT_EQ(unstable(patched(6, "rest * 1.0"), 0.4), 0) << "its own";
  EXPECT_GT(unstable(patched(6, "rest * 0.0"), 0.4), 15) << "of some entries only";
  EXPECT_GT(unstable(patched(10, "-rest"), 0.4), 15) << "of turned signs";
  EXPECT_GT(unstable(patched(4, "torch.flip(rest, [1])"), 0.4), 15) << "of a permutation";
  EXPECT_GT(unstable(testing::broken_model(
                         "    z = x.matmul(self.weight)\n"
                         "    other = torch.sigmoid(x).matmul(torch.flip(self.weight, [0]))\n"
                         "    return z.detach() + other - other.detach()\n"),
                     0.4),
            15)
      << "of another network";
}

// Right where pixels are multiples of 1/255, and wild between them.
TEST(Unstable, AModelIsWhoseGradientIsRightAtCleanInputsOnly) {
  const at::Tensor x = testing::random_uniform({20, 1, 4, 4}, 7, 0, 255).round().div(255);
  EXPECT_GT(unstable(testing::broken_model("    n = 16022.122533307945\n"
                                           "    x = x + (torch.cos(n * x) - 1.0) * 20.0 / n\n"
                                           "    return x.matmul(self.weight)\n"),
                     x),
            15);
}

TEST(Unstable, NoSoundNetworkIsWhateverItsKinksAndPrecision) {
  EXPECT_EQ(unstable(testing::mlp_model(kShape, 16, 3), 0.4), 0);
  EXPECT_EQ(
      unstable(testing::broken_model("    return x.half().matmul(self.weight.half()).float()\n"),
               0.4),
      0);
  EXPECT_EQ(unstable(testing::broken_model(
                         "    z = x.matmul(self.weight) + 8.0\n    return z.to(15).float()\n"),
                     0.4),
            0);
  EXPECT_EQ(unstable(testing::broken_model("    return 1e4 + x.matmul(self.weight)\n"), 0.4), 0);
  EXPECT_EQ(
      unstable(testing::broken_model("    return torch.softmax(10.0 * x.matmul(self.weight), 1)\n"),
               0.4),
      0)
      << "saturated";
}

// What lies on the way from x [40, 1, 4, 4] to random points of the box.
Approaches approaches(const Model& model) {
  const at::Tensor x = testing::random_uniform({40, 1, 4, 4}, 11, 0, 1);
  const at::Tensor labels = model.logits(x).argmax(1);
  std::vector<int64_t> y(labels.const_data_ptr<int64_t>(), labels.const_data_ptr<int64_t>() + 40);
  std::vector<uint64_t> ids(40);
  std::iota(ids.begin(), ids.end(), 1);
  return count_cliffs(model, x, y, ids, at::full({1, 4, 4}, 1.0, at::kDouble),
                      Rng(5, "neighbourhood", 0));
}

// The label is that of seven tenths, which never shows in the gradient: it has saturated.
Model with_saturated_member(double scale) {
  return testing::broken_model(
      "    z = (x - 0.5).matmul(self.weight)\n"
      "    other = (x - 0.5).matmul(torch.flip(self.weight, [0]))\n"
      "    strong = torch.softmax(" +
      std::to_string(scale) +
      " * z, 1)\n"
      "    return torch.log(0.7 * strong + 0.3 * torch.softmax(other, 1))\n");
}

TEST(Cliffs, LieBeforeASaturatedMemberOfAnEnsemble) {
  for (const double scale : {1e3, 1e6}) {
    const Approaches found = approaches(with_saturated_member(scale));
    EXPECT_GT(found.approached, 20) << scale;
    EXPECT_GT(3 * found.cliffs, 2 * found.approached) << scale << ": what raises the flag";
  }
}

TEST(Cliffs, LieBeforeStepsOnTheSurfaceOfAnotherModel) {
  const Approaches found =
      approaches(testing::broken_model("    z = (x - 0.5).matmul(self.weight)\n"
                                       "    decided = torch.round(torch.softmax(1e6 * z, 1))\n"
                                       "    return decided + 0.05 * torch.tanh(z)\n"));
  EXPECT_GT(found.approached, 20);
  EXPECT_EQ(found.cliffs, found.approached);
}

TEST(Cliffs, AreSeldomFoundOnSoundNetworksOfAnyScale) {
  const auto expect_few = [](const Approaches& found, const char* which) {
    EXPECT_GT(found.approached, 20) << which;
    EXPECT_LE(8 * found.cliffs, found.approached) << which;
  };
  Approaches networks;
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6}) {  // some give one label nearly everywhere
    for (const Model& model :
         {testing::cnn_model(kShape, seed), testing::mlp_model(kShape, 16, seed)}) {
      const Approaches found = approaches(model);
      networks.approached += found.approached;
      networks.cliffs += found.cliffs;
    }
  }
  expect_few(networks, "networks");
  for (const char* line :
       {"1e6 * z", "1e-6 * z", "torch.log_softmax(10.0 * z, 1)", "z.to(15).float()"}) {
    expect_few(approaches(centred(std::string("    return ") + line + "\n")), line);
  }
  expect_few(approaches(with_saturated_member(1)), "an ensemble");
  const Approaches stairs =
      approaches(centred("    return (torch.round(x * 16.0) / 16.0 - 0.5).matmul(self.weight)\n"));
  EXPECT_LT(4 * stairs.cliffs, stairs.approached) << "whole levels alone are none";
}

// A table of 12 columns, as wide as 1, 100 and 10000 in turn, in the box of the widest.
const testing::Shape kTable{.shape = {12}, .lo = 0, .hi = 10000};

at::Tensor column_widths() { return testing::values({1, 100, 10000}).repeat({4}); }

at::Tensor table(int64_t rows) {
  return testing::random_uniform({rows, 12}, 9, 0, 1).mul(column_widths());
}

// A network of the standardised columns, after `lines` that may change these, z.
Model standardised(const std::string& lines) {
  return testing::load_module(
      kTable,
      "def forward(self, x):\n    z = (x / self.widths - 0.5) * 3.4641016\n" + lines +
          "    return torch.relu(z.matmul(self.first) + self.offset).matmul(self.second)\n",
      {{"widths", column_widths()},
       {"first", testing::random_normal({12, 32}, 5).mul(0.4)},
       {"offset", testing::random_normal({32}, 7)},
       {"second", testing::random_normal({32, 3}, 6).mul(0.3)}});
}

constexpr const char* kRounds = "    z = z + (torch.round(z * 4.0) / 4.0 - z).detach()\n";

TEST(Unstable, ATableOfManyScalesIsLookedAtByTheSpreadOfEachColumn) {
  const at::Tensor x = table(20);
  const Model sound = standardised("");
  const at::Tensor widths = feature_widths(sound.spec(), x);
  EXPECT_EQ(unstable(sound, x, widths), 0);
  EXPECT_GT(unstable(sound, x, at::full({12}, 1e4, at::kDouble)), 15) << "by shares of the box";
  EXPECT_GT(unstable(standardised(kRounds), x, widths), 15);
  EXPECT_GT(unstable(standardised("    z = z + torch.sin(z * 3000.0)\n"), x, widths), 15);
  EXPECT_GT(
      unstable(standardised("    z = torch.cat([z[:, :4], z[:, 4:].detach()], 1)\n"), x, widths),
      15)
      << "with the gradient of some columns only";
}

TEST(FeatureWidths, AreFourMedianDistancesWithinRangeAndBox) {
  const ModelSpec spec = testing::to_spec({.shape = {6}, .lo = -500, .hi = 500}, {});
  const at::Tensor x = at::stack({at::arange(101.0),                                 // uniform
                                  at::arange(101.0).pow(3).mul(1e-4),                // long tail
                                  at::arange(101.0).remainder(2),                    // two values
                                  at::arange(101.0).sub(97).clamp_min(0).mul(0.25),  // mostly zero
                                  at::full({101}, 7.0),                              // always one
                                  at::arange(101.0).mul(10).sub(500)},
                                 1);
  const std::vector<double> widths = testing::doubles(feature_widths(spec, x));
  EXPECT_EQ(widths[0], 100);
  EXPECT_GT(widths[1], 20);
  EXPECT_LT(widths[1], 60) << "not 100, its range";
  EXPECT_EQ(std::vector(widths.begin() + 2, widths.end()), (std::vector<double>{1, 0.25, 0, 1000}));
  EXPECT_EQ(testing::doubles(feature_widths(spec, x.narrow(0, 0, 0))),
            std::vector<double>(6, 1000));
}

std::vector<SampleInfo> samples_of(int64_t n) {
  std::vector<SampleInfo> samples(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) samples[static_cast<size_t>(i)].id = std::to_string(i);
  return samples;
}

TEST(FeatureWidths, AreOfSamplesThatAnyShardKnows) {
  const std::vector<int64_t> table{12}, image{1, 4, 4};
  EXPECT_EQ(choose_measured(samples_of(100), table).size(), 100U);
  const std::vector<int64_t> some = choose_measured(samples_of(3000), table);
  EXPECT_EQ(some.size(), 256U);
  for (const int64_t probe : choose_probes(samples_of(3000))) {
    EXPECT_TRUE(std::binary_search(some.begin(), some.end(), probe)) << probe;
  }
  EXPECT_TRUE(choose_measured(samples_of(3000), image).empty()) << "pixels have one scale";
}

// Codes are embedded, whatever lies between them; the gradients of the other columns are right.
TEST(Cliffs, AreNotLookedForBetweenTheCodesOfATable) {
  at::Tensor x = testing::random_uniform({256, 12}, 9, 0, 1);
  x.narrow(1, 0, 6).mul_(8).floor_();
  const at::Tensor widths = at::full({12}, 8.0, at::kDouble);
  const std::vector<double> wanted = {0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 8, 8};
  EXPECT_EQ(testing::doubles(way_widths(widths, x)), wanted);
  EXPECT_TRUE(way_widths(widths, x.narrow(0, 0, 0)).equal(widths)) << "of images none are read";
  EXPECT_EQ(testing::doubles(way_widths(widths, x.narrow(0, 0, 16)))[11], 8) << "few samples";
}

// Runs on a table of its own.
class TableTest : public testing::RunTest {
 protected:
  Suite table_suite(const Model& model, const std::string& block) {
    constexpr int64_t kRows = 640;
    const at::Tensor x = std::get<0>(table(kRows).sort(0));  // a block sees a slice of the spread
    const at::Tensor labels = model.logits(x).argmax(1);
    std::ofstream csv(folder_ / "t.csv");
    csv << "label";
    for (int i = 0; i < 12; ++i) csv << ",f" << i;
    csv.precision(9);
    for (int64_t row = 0; row < kRows; ++row) {
      csv << '\n' << labels[row].item<int64_t>();
      for (const double value : testing::doubles(x[row])) csv << ',' << value;
    }
    csv.close();
    const std::filesystem::path file = folder_ / "suite.yaml";
    std::ofstream(file)
        << "assay: 1\nname: t\nseed: 5\n"
           "model: {path: m.pt, input: {shape: [12], range: [0, 10000]}, classes: 3}\n"
           "data: {test: {format: csv, path: t.csv, label: label}}\n"
           "attacks:\n  - {name: fgsm, attack: fgsm, norm: linf, eps: 10}\nrun: {block: "
        << block << "}\n";
    return load_suite(file, {}, infos_);
  }

  // Of the clean units that a run, or one of its shards, has worked on.
  Diagnosis clean(const Suite& suite, const Model& model, const std::string& store,
                  const RunOptions& options = {}) {
    Diagnosis sum;
    for (const UnitResult& unit : run(suite, model, store, options).units) {
      if (unit.cell.empty()) sum += unit.diagnosis;
    }
    return sum;
  }
};

TEST_F(TableTest, ASoundModelIsStableAndOneThatRoundsIsNot) {
  const Model sound = standardised(""), rounds = standardised(kRounds);
  const Diagnosis of_sound = clean(table_suite(sound, "64"), sound, "sound");
  EXPECT_EQ(of_sound.surrounded, 20);
  EXPECT_EQ(of_sound.unstable, 0);
  EXPECT_EQ(clean(table_suite(rounds, "64"), rounds, "rounds").unstable, 20);
}

TEST_F(TableTest, CountsDependNeitherOnBlocksNorOnShards) {
  // Waves that hide about enough of the changes.
  const Model model = standardised("    z = z + torch.sin(z * 1500.0) * 0.8 / 1500.0\n");
  const Suite suite = table_suite(model, "64");
  const Diagnosis whole = clean(suite, model, "whole");
  EXPECT_GT(whole.unstable, 0);
  EXPECT_LT(whole.unstable, whole.surrounded);
  EXPECT_GT(whole.approached, 0);
  EXPECT_EQ(clean(table_suite(model, "5"), model, "small"), whole);
  Diagnosis shards;
  for (const int64_t shard : {0, 1, 2}) {
    RunOptions options;
    options.shard = shard;
    options.shards = 3;
    shards += clean(suite, model, "shard" + std::to_string(shard), options);
  }
  EXPECT_EQ(shards, whole);
}

TEST_F(TableTest, SamplesThatWidthsAreOfArePartOfTheKeysOfUnitsWithProbes) {
  const Suite suite = table_suite(standardised(""), "16");
  const Dataset dataset = Dataset::open(suite.data.at("test"), suite.model);
  std::vector<SampleInfo> samples = describe(dataset, draw(dataset, suite.sample));
  const auto plan = [&] {
    return make_plan(suite, {"m.pt", std::string(64, 'a')}, samples, platform("cpu"), attacks_, {});
  };
  const Plan before = plan();
  const int64_t changed = choose_measured(samples, suite.model.shape).back();
  samples[static_cast<size_t>(changed)].digest = std::string(64, 'b');
  const Plan after = plan();
  for (size_t i = 0; i < before.header.clean_units.size(); ++i) {
    if (before.units[i].begin <= changed && changed < before.units[i].end) continue;
    EXPECT_EQ(before.units[i].key == after.units[i].key, before.units[i].probes.empty()) << i;
    EXPECT_EQ(before.header.cells[0].units[i], after.header.cells[0].units[i]) << "an attack's";
  }
}

}  // namespace
}  // namespace assay
