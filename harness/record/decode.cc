// JSON text → evidence, to the letter.
#include <array>

#include "harness/record/encoding.h"
#include "harness/record/fields.h"

namespace assay {
namespace {

std::vector<int64_t> parse_integers(const Json& json, std::string_view name) {
  std::vector<int64_t> list;
  list.reserve(json.size());
  for (const Json& item : as_list(json, name)) list.push_back(as_integer(item, name));
  return list;
}

std::vector<std::string> parse_strings(const Json& json, std::string_view name) {
  std::vector<std::string> list;
  list.reserve(json.size());
  for (const Json& item : as_list(json, name)) list.push_back(as_text(item, name));
  return list;
}

std::map<std::string, std::string> parse_string_map(const Json& json, std::string_view name) {
  std::map<std::string, std::string> map;
  for (const auto& [key, value] : as_object(json, name).items()) map[key] = as_text(value, name);
  return map;
}

ParamValue parse_param(const Json& json, const std::string& name) {
  if (json.is_null()) return std::monostate{};
  Fields fields(json, name);
  ParamValue value;
  if (const Json* found = fields.find("boolean")) {
    value = as_boolean(*found, name);
  } else if ((found = fields.find("integer"))) {
    value = as_integer(*found, name);
  } else if ((found = fields.find("number"))) {
    value = as_number(*found, name);
  } else if ((found = fields.find("text"))) {
    value = as_text(*found, name);
  } else if ((found = fields.find("integers"))) {
    value = parse_integers(*found, name);
  } else if ((found = fields.find("numbers"))) {
    std::vector<double> list;
    for (const Json& item : as_list(*found, name)) list.push_back(as_number(item, name));
    value = std::move(list);
  } else {
    throw Error("parameter `" + name + "` has no known type");
  }
  fields.finish();
  return value;
}

ThreatModel parse_threat(const Json& json) {
  Fields fields(json, "threat");
  ThreatModel threat;
  const Json& norm = fields.at("norm");
  threat.unbounded = norm.is_null();
  if (!norm.is_null()) threat.norm = parse_word(as_text(norm, "norm"), Norm::kLinf, "norm");
  const Json& eps = fields.at("eps");
  if (!eps.is_null()) threat.eps = as_number(eps, "eps");
  threat.lo = fields.number("lo");
  threat.hi = fields.number("hi");
  threat.goal = parse_word(fields.text("goal"), Goal::kTargeted, "goal");
  Fields target(fields.at("target"), "target");
  threat.target.kind = parse_word(target.text("kind"), Target::Kind::kLabel, "target.kind");
  threat.target.label = target.integer("label");
  target.finish();
  threat.access = parse_word(fields.text("access"), Access::kLabel, "access");
  if (const Json* surface = fields.find("surface")) threat.surface = parse_surface(*surface);
  fields.finish();
  return threat;
}

SampleInfo parse_sample(const Json& json) {
  Fields fields(json, "samples");
  SampleInfo sample;
  sample.id = fields.text("id");
  sample.digest = fields.text("digest");
  sample.label = fields.integer("label");
  fields.finish();
  return sample;
}

CellHeader parse_cell(const Json& json) {
  Fields fields(json, "cells");
  CellHeader cell;
  cell.name = fields.text("name");
  cell.key = fields.text("key");
  cell.key_fields = parse_string_map(fields.at("key_fields"), "key_fields");
  cell.family = parse_word(fields.text("family"), Family::kExtraction, "family");
  cell.attack = fields.text("attack");
  cell.version = fields.text("version");
  cell.minimum_norm = fields.boolean("minimum_norm");
  for (const auto& [name, value] : as_object(fields.at("params"), "params").items()) {
    cell.params[name] = parse_param(value, name);
  }
  cell.threat = parse_threat(fields.at("threat"));
  cell.taxonomy = parse_string_map(fields.at("taxonomy"), "taxonomy");
  cell.stages = parse_strings(fields.at("stages"), "stages");
  for (const Json& access : fields.list("stage_access")) {
    cell.stage_access.push_back(
        parse_word(as_text(access, "stage_access"), Access::kLabel, "stage_access"));
  }
  if (cell.stage_access.size() != cell.stages.size()) {
    throw Error("cell " + cell.name + " has " + std::to_string(cell.stages.size()) +
                " stages and " + std::to_string(cell.stage_access.size()) + " of `stage_access`");
  }
  if (const Json* sets = fields.find("sets")) cell.sets = parse_string_map(*sets, "sets");
  if (const Json* scale = fields.find("sample_scale")) {
    for (const Json& share : as_list(*scale, "sample_scale")) {
      cell.sample_scale.push_back(as_number(share, "sample_scale"));
    }
  }
  cell.units = parse_strings(fields.at("units"), "units");
  fields.finish();
  return cell;
}

void check_sample_scale(const CellHeader& cell, size_t samples) {
  if (cell.sample_scale.empty()) return;
  if (cell.sample_scale.size() != samples) {
    throw Error("`sample_scale` of cell " + cell.name + " has " +
                std::to_string(cell.sample_scale.size()) + " shares for " +
                std::to_string(samples) + " samples");
  }
  for (const double share : cell.sample_scale) {
    if (share > 0 && share <= 1) continue;
    throw Error("`sample_scale` of cell " + cell.name + " has " + number_text(share) +
                "; expected above 0, at most 1");
  }
}

Cost read_cost(const Json& json) {
  Fields fields(json, "cost");
  Cost cost;
  cost.time_s = fields.number("time_s");
  cost.forwards = fields.integer("forwards");
  cost.gradients = fields.integer("gradients");
  cost.judged = fields.integer("judged");
  fields.finish();
  return cost;
}

}  // namespace

std::vector<Flag> parse_flags(const Json& json) {
  std::vector<Flag> flags;
  for (const Json& item : as_list(json, "flags")) {
    Fields fields(item, "flags");
    Flag flag;
    flag.id = fields.text("id");
    flag.cell = fields.text("cell");
    flag.detail = fields.text("detail");
    flag.advice = fields.text("advice");
    fields.finish();
    flags.push_back(std::move(flag));
  }
  return flags;
}

Header parse_header(std::string_view text) {
  const Json json = parse_json(text);
  Fields fields(json, "header");
  Header header;
  header.version = static_cast<int>(fields.integer("assay_evidence"));
  header.assay = fields.text("assay");
  header.libtorch = fields.text("libtorch");
  header.cpu_capability = fields.text("cpu_capability");
  header.device = fields.text("device");
  header.suite_name = fields.text("suite_name");
  header.suite_sha256 = fields.text("suite_sha256");
  header.seed = as_unsigned(fields.at("seed"), "seed");
  header.model.sha256 = fields.text("model_sha256");
  header.classes = fields.integer("classes");
  header.class_names = parse_strings(fields.at("class_names"), "class_names");
  header.shape = parse_integers(fields.at("shape"), "shape");
  header.float64 = fields.boolean("float64");
  header.suite = fields.text("suite");
  header.flags = parse_flags(fields.at("flags"));
  header.clean_units = parse_strings(fields.at("clean_units"), "clean_units");
  for (const Json& sample : fields.list("samples")) header.samples.push_back(parse_sample(sample));
  if (const Json* sets = fields.find("sets")) {
    for (const auto& [name, records] : as_object(*sets, "sets").items()) {
      std::vector<SampleInfo>& list = header.sets[name];
      for (const Json& record : as_list(records, "sets")) list.push_back(parse_sample(record));
    }
  }
  for (const Json& json_cell : fields.list("cells")) {
    CellHeader cell = parse_cell(json_cell);
    check_sample_scale(cell, header.samples.size());
    header.cells.push_back(std::move(cell));
  }
  fields.finish();
  return header;
}

Fidelity parse_fidelity(const Json& json) {
  Fields fields(json, "fidelity");
  Fidelity fidelity;
  fidelity.shadows = fields.integer("shadows");
  fidelity.candidate_members = fields.number("candidate_members");
  fidelity.candidate_non_members = fields.number("candidate_non_members");
  fidelity.trained = fields.boolean("trained");
  fidelity.shadow_members = fields.number("shadow_members");
  fidelity.shadow_non_members = fields.number("shadow_non_members");
  if (const Json* unseen = fields.find("shadow_unseen_members")) {
    fidelity.shadow_unseen_members = as_number(*unseen, "shadow_unseen_members");
  }
  if (const Json* frozen = fields.find("frozen")) fidelity.frozen = as_integer(*frozen, "frozen");
  if (const Json* unlike = fields.find("unlike")) fidelity.unlike = as_text(*unlike, "unlike");
  if (const Json* known = fields.find("foreknown")) {
    fidelity.foreknown = as_text(*known, "foreknown");
  }
  fidelity.architecture = fields.text("architecture");
  fidelity.reason = fields.text("reason");
  fields.finish();
  return fidelity;
}

Cost parse_cost(std::string_view text) { return read_cost(parse_json(text)); }

EndLine parse_end(std::string_view text) {
  const Json json = parse_json(text);
  Fields fields(json, "end");
  EndLine end;
  end.units = fields.integer("end");
  end.ended_early = fields.text("ended_early");
  end.interrupted = fields.text("interrupted");
  fields.finish();
  return end;
}

HostFacts parse_host(std::string_view text) {
  const Json json = parse_json(text);
  Fields fields(json, "costs");
  if (fields.integer("assay_costs") != 1) throw Error("`assay_costs` is not 1");
  HostFacts facts;
  facts.suite_folder = fields.text("suite_folder");
  facts.model_path = fields.text("model_path");
  for (const Json& item : fields.list("costs")) {
    Fields entry(item, "costs");
    const std::string& unit = entry.text("unit");
    facts.costs[unit] = read_cost(entry.at("cost"));
    entry.finish();
  }
  fields.finish();
  return facts;
}

}  // namespace assay
