// A small run with everything in it that evidence can hold.
#pragma once

#include <cmath>
#include <filesystem>
#include <string>
#include <utility>

#include "harness/record/encoding.h"
#include "harness/record/evidence.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {

/// A folder of its own that goes away with the test.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "assay-record-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Message and code of the Error that `action` throws.
template <typename Action>
std::pair<std::string, ExitCode> error_of(const Action& action) {
  try {
    action();
    return {"", ExitCode::kPass};
  } catch (const Error& error) {
    return {error.what(), error.code()};
  }
}

inline UnitResult sample_unit(const std::string& name, const std::string& cell, int64_t index,
                              std::vector<Verdict> rows) {
  UnitResult unit;
  unit.key = sha256(name);
  unit.cell = cell;
  unit.index = index;
  unit.rows = std::move(rows);
  unit.cost = {0.25 * static_cast<double>(index + 1), 40, 20, 4};
  return unit;
}

inline Verdict broken_row(int64_t sample, double distance) {
  Verdict row;
  row.sample = sample;
  row.clean = 1;
  row.adversarial = 2;
  row.status = Status::kBroken;
  row.distance = distance;
  row.queries = 12;
  row.gradients = 11;
  row.breaking_attack = "fmn";
  row.tensors = sha256("blob");
  row.tensor_row = sample;
  return row;
}

inline Verdict plain_row(int64_t sample, Status status) {
  Verdict row;
  row.sample = sample;
  row.clean = 1;
  row.status = status;
  return row;
}

inline Header sample_header() {
  Header header;
  header.assay = "0.1.0";
  header.libtorch = "2.13.0";
  header.cpu_capability = "AVX2";
  header.device = "cpu";
  header.suite_name = "night\"ly";
  header.suite = "{\"assay\":1,\"seed\":18446744073709551615}";
  header.suite_sha256 = sha256(header.suite);
  header.seed = 18446744073709551615ULL;
  header.suite_folder = "/home/somebody/suites";
  header.model = {"models/candidate.pt", sha256("model")};
  header.class_names = {"Löwe", "cat", "dog"};
  header.classes = 3;
  header.shape = {1, 2, 2};
  for (int i = 0; i < 4; ++i) {
    const std::string id = "cat/" + std::to_string(i) + ".png";
    header.samples.push_back({id, sha256(id), i % 3});
  }
  header.clean_units = {sha256("clean0"), sha256("clean1")};
  header.flags = {{"few_classes", "", "3 classes", "use more classes"}};

  CellHeader near;
  near.name = "near@0.5";
  near.key = sha256("near@0.5");
  near.key_fields = {{"attack", "fmn"}, {"norm", "l2"}, {"params.steps", "200"}};
  near.attack = "fmn";
  near.version = "0123456789abcdef";
  near.minimum_norm = true;
  near.params = {{"absent", std::monostate{}},
                 {"flag", true},
                 {"steps", int64_t{200}},
                 {"whole", 1.0},
                 {"limit", std::numeric_limits<double>::infinity()},
                 {"loss", std::string("dlr")},
                 {"budgets", std::vector<int64_t>{}},
                 {"weights", std::vector<double>{}},
                 {"rates", std::vector<double>{0.1, 2.0, -0.0}}};
  near.threat.norm = Norm::kL2;
  near.threat.eps = 0.5;
  near.taxonomy = {{"atlas", "AML.T0043"}};
  near.units = {sha256("near0"), sha256("near1")};
  CellHeader whole = near;
  whole.name = "near";
  whole.key = sha256("near");
  whole.threat.eps.reset();
  whole.threat.goal = Goal::kTargeted;
  whole.threat.target = {Target::Kind::kLabel, 2};
  whole.threat.access = Access::kLabel;
  CellHeader pgd = near;
  pgd.name = "pgd";
  pgd.key = sha256("pgd");
  pgd.minimum_norm = false;
  pgd.stages = {"apgd", "square"};
  pgd.stage_access = {Access::kGradient, Access::kScore};
  pgd.sample_scale = {1, 0.1, 1e-300, 0.5};
  pgd.units = {sha256("pgd0")};
  CellHeader lira = near;
  lira.name = "lira";
  lira.key = sha256("lira");
  lira.family = Family::kMembership;
  lira.minimum_norm = false;
  lira.threat.eps.reset();
  lira.sets = {{"members", "train"}, {"non_members", "held out"}};
  lira.units = {sha256("train0"), sha256("lira0")};
  header.sets = {{"train", {{"0", sha256("r0"), 1}, {"1", sha256("r1"), 2}}},
                 {"held out", {{"7", sha256("r7"), 0}}}};
  CellHeader steal = lira;
  steal.name = "steal";
  steal.key = sha256("steal");
  steal.family = Family::kExtraction;
  steal.threat.surface = {Surface::Kind::kRounded, 3, 1, 1.5, 0.25};
  steal.sets = {{"test", "test"}, {"pool", "held out"}};
  steal.units = {sha256("steal0"), sha256("replay0"), sha256("theft0")};
  header.sets["test"] = {{"0", sha256("t0"), 1}, {"1", sha256("t1"), 2}, {"2", sha256("t2"), 0}};
  header.cells = {near, whole, pgd, lira, steal};
  return header;
}

inline Evidence sample_evidence() {
  Evidence evidence;
  evidence.header = sample_header();
  evidence.units = {
      sample_unit("clean0", "", 0, {plain_row(0, Status::kRobust), plain_row(1, Status::kRobust)}),
      sample_unit("clean1", "", 1, {plain_row(2, Status::kRobust), plain_row(3, Status::kRobust)}),
      sample_unit("near0", "near", 0, {broken_row(0, 0.25), broken_row(1, 0.75)}),
      sample_unit("near1", "near", 1,
                  {plain_row(2, Status::kRobust), plain_row(3, Status::kMisclassified)}),
      sample_unit("pgd0", "pgd", 0,
                  {plain_row(0, Status::kInvalid), plain_row(1, Status::kUnconfirmed),
                   plain_row(2, Status::kError), broken_row(3, 0.1)}),
  };
  UnitResult shadow = sample_unit("train0", "lira", 0, {});
  shadow.tensors = sha256("shadow");
  UnitResult scored = sample_unit("lira0", "lira", 1, {});
  scored.scores = {{true, 0, -0.0, false}, {true, 1, 0.1, true}, {false, 0, -1e-300, false}};
  scored.failed_pool = {"17", "shoes/\"a\".png"};
  scored.fidelity = {2, 0.9, 0.75, 0.875, 0.7, "cnn", "the candidate \"}\xff\" is frozen"};
  scored.fidelity->shadow_unseen_members = 0.625;
  scored.fidelity->frozen = 3;
  scored.fidelity->unlike = "it rounds \"its\" answers";
  scored.fidelity->foreknown = "shadows tell \"them\" apart";
  scored.tuned = {{"a", 0.3}, {"b", 1}};
  evidence.units.push_back(shadow);
  evidence.units.push_back(scored);
  UnitResult stolen = sample_unit("steal0", "steal", 0, {});
  stolen.extracted = {.candidate = "101", .stolen = {}, .commonest = 2};
  stolen.extracted->stolen = {
      {100, 0, 90, "110", "010", "1-0", {0.5, 1e-300, 2}, {{"hidden_width", 64}}, ""},
      {100, 1, 12, "", "", "", {}, {}, "logits are \xff not finite"}};
  UnitResult theft = sample_unit("theft0", "steal", 2, {});
  theft.extracted = {.candidate = "", .stolen = {{.budget = 100, .seed = 0, .queries = 90}}};
  UnitResult replay = sample_unit("replay0", "steal", 1, {});
  replay.monitored = {{"prada", 0, 90, 500, 100, 3, 41, 1000, 2, 0.9, true},
                      {"blacklight", 0, 90, 500, 100, 0, -1, 0, 0, 25}};
  evidence.units.push_back(stolen);
  evidence.units.push_back(replay);
  evidence.units.push_back(theft);
  evidence.units[2].rows[0].doubt = Doubt::kBlind;
  evidence.units[2].rows[0].doubt_distance = 0;
  evidence.units[3].rows[0].doubt = Doubt::kChance;
  evidence.units[3].rows[0].doubt_distance = 0.625;
  evidence.units[4].rows[2].cause = Cause::kCandidate;
  evidence.units[4].rows[2].detail = "logits are \xff not finite\n\"row 2\"";
  int64_t value = 1;
  for (const DiagnosisField& field : kDiagnosisFields) {
    evidence.units[4].diagnosis.*field.field = value++;
  }
  evidence.units[2].flags = {{"eps_scale", "near", "eps is 0.5", "check the box"}};
  return evidence;
}

}  // namespace assay
