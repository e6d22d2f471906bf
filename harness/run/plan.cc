#include "harness/run/plan.h"

#include <algorithm>

#include "harness/run/keys.h"
#include "harness/run/probes.h"
#include "harness/run/run_header.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"
#include "harness/suite/param_text.h"

namespace assay {
namespace {

std::string sample_text(const SampleSpec& sample) {
  if (sample.first) return "first " + std::to_string(*sample.first);
  if (!sample.ids.empty()) return "ids " + sample.ids.filename().string();
  if (!sample.count) return "all";
  return "count " + std::to_string(*sample.count) + " seed " + std::to_string(sample.seed) +
         (sample.stratified ? " stratified" : "");
}

// The data set that an entry's samples come from.
std::string data_of(const AttackSpec& spec) {
  const auto members = spec.sets.find("members");
  return members == spec.sets.end() ? "test" : members->second;
}

std::string preprocessing_text(const Suite& suite, const std::string& set) {
  std::string text = "range " + number_text(suite.model.lo) + " " + number_text(suite.model.hi);
  if (!suite.model.mean.empty()) {
    text += ", normalize " + joined(suite.model.mean) + " / " + joined(suite.model.std);
  }
  const auto test = suite.data.find(set);
  if (test == suite.data.end() || test->second.format != DataSpec::Format::kImages) return text;
  const DataSpec& data = test->second;
  if (!data.resize.empty()) {
    text += ", resize " + joined(data.resize) + " " + data.interpolation +
            (data.antialias ? " antialias" : "");
  }
  if (!data.crop.empty()) text += ", crop " + joined(data.crop);
  return text;
}

std::string target_text(const ThreatModel& threat) {
  if (threat.goal == Goal::kUntargeted) return "none";
  switch (threat.target.kind) {
    case Target::Kind::kNext:
      return "next";
    case Target::Kind::kRandom:
      return "random";
    case Target::Kind::kLeastLikely:
      return "least_likely";
    default:
      return std::to_string(threat.target.label);
  }
}

// What an entry or a stage sets, with the content of its source in place of the name.
void add_params(const AttackSpec& spec, const std::string& prefix, const Digests& digests,
                std::map<std::string, std::string>* fields) {
  for (const auto& [name, value] : spec.params) (*fields)[prefix + name] = param_text(value);
  const std::string source = source_of(spec);
  if (!source.empty()) (*fields)[prefix + "source"] = digests.at(source);
  if (!spec.references.empty()) (*fields)[prefix + "references"] = digests.at(spec.references);
}

// What a verdict depends on besides model and samples.
std::map<std::string, std::string> attack_fields(const Suite& suite, const AttackSpec& spec,
                                                 const std::vector<Attack>& attacks,
                                                 const Digests& digests,
                                                 const std::optional<double>& eps) {
  if (spec.family != Family::kEvasion) {
    std::map<std::string, std::string> fields = {
        {"attack", spec.attack},
        {"version", find_attack(attacks, spec.attack).info.version},
        {"access", std::string(to_string(spec.threat.access))},
        {"seed", std::to_string(suite.seed)},
    };
    add_params(spec, "params.", digests, &fields);
    // What the gate does with scores changes none of them.
    for (const char* own : {"delta", "estimator", "inclusion"}) {
      fields.erase(std::string("params.") + own);
    }
    return fields;
  }
  std::map<std::string, std::string> fields = {
      {"norm", spec.threat.unbounded ? "none" : std::string(to_string(spec.threat.norm))},
      {"eps", eps ? number_text(*eps) : "none"},
      {"goal", std::string(to_string(spec.threat.goal))},
      {"target", target_text(spec.threat)},
      {"access", std::string(to_string(spec.threat.access))},
      {"attack", spec.attack},
      {"version", find_attack(attacks, spec.attack).info.version},
      {"seed", std::to_string(suite.seed)},
  };
  const ThreatModel& threat = spec.threat;
  if (!threat.fixed.empty()) fields["fixed"] = joined(threat.fixed);
  if (!threat.feature_scale.empty()) fields["feature_scale"] = joined(threat.feature_scale);
  if (threat.levels > 0) fields["levels"] = std::to_string(threat.levels);
  add_params(spec, "params.", digests, &fields);
  for (size_t i = 0; i < spec.stages.size(); ++i) {
    const AttackSpec& stage = spec.stages[i];
    const std::string prefix = "params.stages." + std::to_string(i) + ".";
    fields[prefix + "name"] = stage.name;
    fields[prefix + "attack"] = stage.attack;
    fields[prefix + "version"] = find_attack(attacks, stage.attack).info.version;
    add_params(stage, prefix, digests, &fields);
  }
  return fields;
}

// With the code that judges, so that a store does not give what an earlier one found. Probes are
// looked at by how features are spread over `measured` samples of the run.
std::string clean_unit_key(const std::string& model_key, const std::string& samples,
                           const std::string& measured, const Unit& unit) {
  std::string text = "clean\n" + model_key;
  add_field(&text, "judging_version", judging_version());
  add_field(&text, "samples", samples);
  add_field(&text, "probes", joined(unit.probes));
  if (!unit.probes.empty()) add_field(&text, "measured", measured);
  return sha256(text);
}

// Those of the run's probes in [begin, end), counted from begin.
std::vector<int64_t> probes_within(const std::vector<int64_t>& probes, int64_t begin, int64_t end) {
  std::vector<int64_t> within;
  for (const int64_t probe : probes) {
    if (probe >= begin && probe < end) within.push_back(probe - begin);
  }
  return within;
}

// Digest of a range of samples.
std::string samples_digest(const std::vector<SampleInfo>& samples, int64_t begin, int64_t end) {
  std::string text;
  for (int64_t i = begin; i < end; ++i) {
    const SampleInfo& sample = samples[static_cast<size_t>(i)];
    add_field(&text, "id", sample.id);
    add_field(&text, "digest", sample.digest);
    add_field(&text, "label", std::to_string(sample.label));
  }
  return sha256(text);
}

CellHeader cell_header(const Suite& suite, const Cell& cell, const AttackSpec& spec,
                       const std::vector<Attack>& attacks, const Digests& digests,
                       const std::vector<SampleInfo>& samples, const std::vector<double>& shares) {
  const AttackInfo& info = find_attack(attacks, spec.attack).info;
  CellHeader header;
  header.name = cell.name;
  header.key_fields = attack_fields(suite, spec, attacks, digests, cell.eps);
  header.key_fields["preprocessing"] = preprocessing_text(suite, data_of(spec));
  header.sets = spec.sets;
  // The records of other cells stand for their sample; planning their units adds them.
  if (spec.family == Family::kEvasion) {
    header.key_fields["sample"] = sample_text(suite.sample);
  }
  if (!spec.sample_scale.empty()) {
    header.key_fields["sample_scale"] = scale_digest(samples, shares);
  }
  header.key = digest_of(header.key_fields);
  header.family = spec.family;
  header.attack = spec.attack;
  header.version = info.version;
  header.params = spec.params;
  header.threat = spec.threat;
  header.threat.eps = cell.eps;
  header.sample_scale = shares;
  // Some attacks look for the nearest point exactly where no radius is given.
  header.minimum_norm =
      spec.family == Family::kEvasion && (info.minimum_norm || seeks_distance(header.threat));
  header.taxonomy = info.taxonomy;
  if (!spec.sample_scale.empty()) header.params["sample_scale"] = spec.sample_scale;
  for (const AttackSpec& stage : spec.stages) {
    header.stages.push_back(stage.name);
    header.stage_access.push_back(stage.threat.access);
    for (const auto& [name, value] : stage.params) {
      header.params[stage.name + "." + name] = value;
    }
  }
  return header;
}

// The cells planned so far that an entry or its stages name, by the name as spelt.
std::map<std::string, size_t> earlier_cells(const AttackSpec& spec,
                                            const std::vector<CellHeader>& cells) {
  std::map<std::string, size_t> found;
  const auto add = [&](const std::string& source) {
    for (size_t i = 0; i < cells.size() && !source.empty(); ++i) {
      const bool stolen =
          cells[i].family == Family::kExtraction && !stolen_units(cells[i], source).empty();
      if (stolen || selects(source, cells[i].name)) found[source] = i;
    }
  };
  add(spec.source);
  add(spec.references);
  for (const AttackSpec& stage : spec.stages) add(stage.source);
  return found;
}

// `thief` is an extraction entry that another one names.
void require_surrogate(const AttackSpec& thief, const AttackSpec& spec,
                       const std::vector<Attack>& attacks) {
  if (bind_entry(thief, thief.threat, attacks).extraction.surrogate) return;
  throw Error(spec.where, "`" + thief.name + "` gives no surrogate: attack `" + thief.attack +
                              "` finds figures alone; name another entry");
}

// Plans a block for each range of samples, as the cell's header says; `text` begins their keys, and
// `ranges` has the digests of the samples. The cells of a minimum-norm entry share the first one's.
void plan_blocks(const Suite& suite, const Cell& cell, bool minimum_norm, const std::string& text,
                 const std::vector<std::string>& ranges,
                 const std::map<std::string, size_t>& sources, Plan* plan) {
  Header& header = plan->header;
  const std::vector<double>& shares = header.cells.back().sample_scale;
  const bool first = !minimum_norm || &cell == suite.cells.data() || (&cell - 1)->spec != cell.spec;
  for (size_t i = 0; i < ranges.size(); ++i) {
    const Unit& clean = plan->units[i];
    Unit unit;
    unit.entry = cell.spec;
    if (!minimum_norm) unit.eps = cell.eps;
    unit.cell = minimum_norm ? suite.attacks[cell.spec].name : cell.name;
    unit.begin = clean.begin;
    unit.end = clean.end;
    unit.part = clean.part;
    unit.probes = clean.probes;
    unit.after = {clean.key};
    std::string key = text;
    add_field(&key, "samples", ranges[i]);
    add_field(&key, "probes", joined(clean.probes));
    if (!shares.empty()) {
      unit.sample_scale.assign(shares.begin() + clean.begin, shares.begin() + clean.end);
      add_field(&key, "sample_scale", joined(unit.sample_scale));
    }
    for (const auto& [name, index] : sources) {
      const CellHeader& source = header.cells[index];
      const bool stolen = source.family == Family::kExtraction;
      unit.sources[name] = stolen ? stolen_units(source, name).front() : source.units[i];
      unit.after.push_back(unit.sources[name]);
      if (stolen) add_field(&key, "stolen", unit.sources[name]);
    }
    unit.key = sha256(key);
    header.cells.back().units.push_back(unit.key);
    if (first) plan->units.push_back(std::move(unit));
  }
}

}  // namespace

int64_t block_size(const Suite& suite) {
  if (suite.run.block > 0) return suite.run.block;
  // 256 rows: the last few survivors of a block cost whole steps, so fewer blocks waste less. Large
  // inputs get fewer, so that a worker's activations of about 100 times the input stay within
  // 512 MiB. Multiples of 4 suit every padding quantum seen.
  const int64_t d = entries_of(suite.model.shape);
  const int64_t width = suite.model.dtype == ModelSpec::Dtype::kFloat64 ? 8 : 4;
  const int64_t rows = (int64_t{512} << 20) / (100 * d * width);
  return std::clamp<int64_t>(rows / 4 * 4, 4, 256);
}

int64_t unit_size(const Suite& suite, int64_t samples) {
  const int64_t most = block_size(suite);
  if (suite.run.block > 0) return most;
  // Units of about one size, and two of them as soon as they fill a batch: else a small sample
  // would keep one worker only.
  const int64_t units = std::max((samples + most - 1) / most, samples > 64 ? int64_t{2} : 1);
  return std::clamp<int64_t>((samples + 4 * units - 1) / (4 * units) * 4, 4, most);
}

std::string facts_key(const Suite& suite, const FileIdentity& model, const Platform& platform) {
  std::string text = "facts\n" + model_text(suite.model);
  add_field(&text, "judging_version", judging_version());
  add_field(&text, "block", std::to_string(block_size(suite)));  // some models depend on it
  add_field(&text, "model", model.sha256);
  add_field(&text, "libtorch", platform.libtorch);
  add_field(&text, "cpu_capability", platform.cpu_capability);
  add_field(&text, "device", platform.device);
  return sha256(text);
}

const Attack& find_attack(const std::vector<Attack>& attacks, const std::string& name) {
  const auto found = std::find_if(attacks.begin(), attacks.end(), [&name](const Attack& attack) {
    return attack.info.name == name;
  });
  ASSAY_CHECK(found != attacks.end(), "no attack " + name + " in the table");
  return *found;
}

Bound bind_entry(const AttackSpec& spec, const ThreatModel& threat,
                 const std::vector<Attack>& attacks) {
  Params params = params_of(spec);
  return find_attack(attacks, spec.attack).bind(params, threat);
}

std::vector<Attack> with_ensemble(std::vector<Attack> attacks) {
  Attack ensemble;
  ensemble.info = {
      .name = "ensemble",
      .family = Family::kEvasion,
      .access = Access::kGradient,
      .norms = {Norm::kLinf, Norm::kL2, Norm::kL1, Norm::kL0},
      .targeted = true,
      .summary = "runs its stages in order, each on the survivors of the one before",
      .paper =
          "Croce, Hein: Reliable Evaluation of Adversarial Robustness with an Ensemble of "
          "Diverse Parameter-free Attacks, ICML 2020, arXiv:2003.01690",
      .cost = "at most the sum of its stages",
      .taxonomy = {{"atlas", "AML.T0043"}, {"nist", "NISTAML.022"}, {"owasp", "ML01:2023"}},
      .version = "1",
      .declare = [](Params&, const ThreatModel&) {},
  };
  attacks.push_back(std::move(ensemble));
  return attacks;
}

Plan make_plan(const Suite& suite, const FileIdentity& model,
               const std::vector<SampleInfo>& samples, const Platform& platform,
               const std::vector<Attack>& attacks, const Digests& digests,
               const AuditInputs& audits, const SampleScales& scales) {
  Plan plan;
  Header& header = plan.header;
  header = run_header(suite, model, samples, platform, audits.sets);
  const std::string model_key = facts_key(suite, model, platform);
  const auto count = static_cast<int64_t>(samples.size());
  const int64_t block = unit_size(suite, count);
  const std::vector<int64_t> probes = choose_probes(samples);
  std::vector<SampleInfo> measured;
  for (const int64_t i : choose_measured(samples, suite.model.shape)) {
    measured.push_back(samples[static_cast<size_t>(i)]);
  }
  const std::string measured_digest =
      samples_digest(measured, 0, static_cast<int64_t>(measured.size()));
  std::vector<std::string> ranges;
  for (int64_t begin = 0; begin < count; begin += block) {
    Unit unit;
    unit.kind = Unit::Kind::kClean;
    unit.begin = begin;
    unit.end = std::min(begin + block, count);
    unit.part = begin / block;
    unit.probes = probes_within(probes, unit.begin, unit.end);
    ranges.push_back(samples_digest(samples, unit.begin, unit.end));
    unit.key = clean_unit_key(model_key, ranges.back(), measured_digest, unit);
    header.clean_units.push_back(unit.key);
    plan.units.push_back(std::move(unit));
  }
  Digests all = digests;
  for (const Cell& cell : suite.cells) {
    const AttackSpec& spec = suite.attacks[cell.spec];
    const AttackInfo& info = find_attack(attacks, spec.attack).info;
    const std::map<std::string, size_t> sources = earlier_cells(spec, header.cells);
    for (const auto& [name, index] : sources) {
      const CellHeader& source = header.cells[index];
      const bool stolen = source.family == Family::kExtraction;
      if (stolen) require_surrogate(suite.attacks[suite.cells[index].spec], spec, attacks);
      all[name] = stolen ? stolen_text(source, name) : source.key;
    }
    const std::vector<double> shares =
        spec.sample_scale.empty() ? std::vector<double>{} : scales.at(spec.sample_scale);
    header.cells.push_back(cell_header(suite, cell, spec, attacks, all, samples, shares));
    if (spec.family == Family::kMembership) {
      const Inference inference = bind_entry(spec, spec.threat, attacks).inference;
      const auto named = sources.find(spec.references);
      plan_audit(suite, spec, inference, attacks, audits, model_key, platform,
                 named == sources.end() ? nullptr : &header.cells[named->second], &plan,
                 &header.cells.back());
      continue;
    }
    if (spec.family == Family::kExtraction) {
      const Extraction extraction = bind_entry(spec, spec.threat, attacks).extraction;
      plan_heist(suite, spec, extraction, attacks, audits, model_key, platform, &plan,
                 &header.cells.back());
      continue;
    }
    // The eps of one minimum-norm entry read the same units.
    const std::optional<double> eps = info.minimum_norm ? std::nullopt : cell.eps;
    std::string text = "block\n" + model_key;
    add_field(&text, "judging_version", judging_version());
    add_field(&text, "attack", digest_of(attack_fields(suite, spec, attacks, all, eps)));
    plan_blocks(suite, cell, info.minimum_norm, text, ranges, sources, &plan);
  }
  flag_cells(suite, &header);
  return plan;
}

}  // namespace assay
