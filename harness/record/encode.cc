// Evidence → JSON text. Written by hand rather than dumped, so that key order and the spelling of
// numbers are ours and not those of a library's version.
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/record/encoding.h"
#include "harness/record/fields.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

bool plain(std::string_view text) {
  for (const char c : text) {
    if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') return false;
  }
  return true;
}

std::string integers_text(const std::vector<int64_t>& list) {
  return list_text(list, [](int64_t value) { return std::to_string(value); });
}

std::string strings_text(const std::vector<std::string>& list) {
  return list_text(list, json_string);
}

std::string strings_text(const std::map<std::string, std::string>& map) {
  ObjectText object;
  for (const auto& [key, value] : map) object.text(key, value);
  return object.close();
}

/// The type stands with the value: 1 and 1.0, or two empty lists, must read back as what they were.
struct ParamText {
  std::string operator()(std::monostate) const { return "null"; }
  std::string operator()(bool value) const { return tagged("boolean", value ? "true" : "false"); }
  std::string operator()(int64_t value) const { return tagged("integer", std::to_string(value)); }
  std::string operator()(double value) const { return tagged("number", json_number(value)); }
  std::string operator()(const std::string& value) const {
    return tagged("text", json_string(value));
  }
  std::string operator()(const std::vector<int64_t>& value) const {
    return tagged("integers", integers_text(value));
  }
  std::string operator()(const std::vector<double>& value) const {
    return tagged("numbers", list_text(value, json_number));
  }
  static std::string tagged(std::string_view type, const std::string& value) {
    ObjectText object;
    object.raw(type, value);
    return object.close();
  }
};

std::string params_text(const ParamMap& params) {
  ObjectText object;
  for (const auto& [name, value] : params) object.raw(name, std::visit(ParamText{}, value));
  return object.close();
}

std::string surface_text(const Surface& surface) {
  ObjectText object;
  object.text("kind", to_string(surface.kind));
  object.integer("top_k", surface.top_k);
  object.integer("decimals", surface.decimals);
  object.number("temperature", surface.temperature);
  object.number("noise", surface.noise);
  return object.close();
}

std::string threat_text(const ThreatModel& threat, Family family) {
  ObjectText target;
  target.text("kind", spell(threat.target.kind));
  target.integer("label", threat.target.label);
  ObjectText object;
  if (threat.unbounded) {
    object.raw("norm", "null");
  } else {
    object.text("norm", to_string(threat.norm));
  }
  if (threat.eps) {
    ASSAY_CHECK(std::isfinite(*threat.eps), "an eps is finite or absent");
    object.number("eps", *threat.eps);
  } else {
    object.raw("eps", "null");
  }
  object.number("lo", threat.lo);
  object.number("hi", threat.hi);
  object.text("goal", to_string(threat.goal));
  object.raw("target", target.close());
  object.text("access", to_string(threat.access));
  if (family == Family::kExtraction) object.raw("surface", surface_text(threat.surface));
  return object.close();
}

std::string flags_text(const std::vector<Flag>& flags) {
  return list_text(flags, [](const Flag& flag) {
    ObjectText object;
    object.text("id", flag.id);
    object.text("cell", flag.cell);
    object.raw("detail", lossy_string(flag.detail));
    object.raw("advice", lossy_string(flag.advice));
    return object.close();
  });
}

std::string sample_text(const SampleInfo& sample) {
  ObjectText object;
  object.text("id", sample.id);
  object.text("digest", sample.digest);
  object.integer("label", sample.label);
  return object.close();
}

std::string cell_text(const CellHeader& cell) {
  ObjectText object;
  object.text("name", cell.name);
  object.text("key", cell.key);
  object.raw("key_fields", strings_text(cell.key_fields));
  object.text("family", to_string(cell.family));
  object.text("attack", cell.attack);
  object.text("version", cell.version);
  object.boolean("minimum_norm", cell.minimum_norm);
  object.raw("params", params_text(cell.params));
  object.raw("threat", threat_text(cell.threat, cell.family));
  object.raw("taxonomy", strings_text(cell.taxonomy));
  object.raw("stages", strings_text(cell.stages));
  object.raw("stage_access", list_text(cell.stage_access, [](Access access) {
               return json_string(to_string(access));
             }));
  if (!cell.sets.empty()) object.raw("sets", strings_text(cell.sets));
  if (!cell.sample_scale.empty()) {
    object.raw("sample_scale", list_text(cell.sample_scale, json_number));
  }
  object.raw("units", strings_text(cell.units));
  return object.close();
}

std::string diagnosis_text(const Diagnosis& diagnosis) {
  ObjectText object;
  for (const DiagnosisField& field : kDiagnosisFields) {
    if (diagnosis.*field.field != 0) object.integer(field.name, diagnosis.*field.field);
  }
  return object.close();
}

std::string scores_text(const std::vector<Score>& scores) {
  const auto column = [&scores](auto spell) { return list_text(scores, spell); };
  ObjectText object;
  object.raw("member", column([](const Score& row) { return row.member ? "1" : "0"; }));
  object.raw("record", column([](const Score& row) { return std::to_string(row.record); }));
  object.raw("score", column([](const Score& row) {
               ASSAY_CHECK(std::isfinite(row.score), "a score is finite");
               return json_number(row.score);
             }));
  object.raw("failed", column([](const Score& row) { return row.failed ? "1" : "0"; }));
  return object.close();
}

std::string fidelity_text(const Fidelity& fidelity) {
  ObjectText object;
  object.integer("shadows", fidelity.shadows);
  object.number("candidate_members", fidelity.candidate_members);
  object.number("candidate_non_members", fidelity.candidate_non_members);
  object.boolean("trained", fidelity.trained);
  object.number("shadow_members", fidelity.shadow_members);
  object.number("shadow_non_members", fidelity.shadow_non_members);
  if (fidelity.shadow_unseen_members) {
    object.number("shadow_unseen_members", *fidelity.shadow_unseen_members);
  }
  if (fidelity.frozen > 0) object.integer("frozen", fidelity.frozen);
  if (!fidelity.unlike.empty()) object.raw("unlike", lossy_string(fidelity.unlike));
  if (!fidelity.foreknown.empty()) object.raw("foreknown", lossy_string(fidelity.foreknown));
  object.text("architecture", fidelity.architecture);
  object.raw("reason", lossy_string(fidelity.reason));
  return object.close();
}

/// Adds a column unless every row has the default of its field.
template <typename Field, typename Spell>
void add_column(ObjectText* object, std::string_view name, const std::vector<Verdict>& rows,
                Field Verdict::*field, Spell spell_value) {
  const Field fallback = Verdict{}.*field;
  bool set = false;
  for (const Verdict& row : rows) set = set || row.*field != fallback;
  if (!set) return;
  object->raw(name, list_text(rows, [&](const Verdict& row) { return spell_value(row.*field); }));
}

}  // namespace

std::string lossy_string(std::string_view text) {
  if (plain(text)) return json_string(text);
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_number(double value) {
  ASSAY_CHECK(!std::isnan(value), "evidence holds no NaN");
  if (std::isinf(value)) {
    ASSAY_CHECK(value > 0, "evidence holds no negative infinity");
    return "null";
  }
  if (value == 0 && std::signbit(value)) return "-0.0";  // JSON's -0 would read as an integer
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end.ptr};
}

std::string json_string(std::string_view text) {
  if (plain(text)) {
    std::string quoted;
    quoted.reserve(text.size() + 2);
    quoted.append(1, '"').append(text).append(1, '"');
    return quoted;
  }
  try {
    return nlohmann::json(std::string(text)).dump();
  } catch (const nlohmann::json::exception&) {
    throw Error("the name " + lossy_string(text) + " is not UTF-8; rename it");
  }
}

void ObjectText::raw(std::string_view key, std::string_view json) {
  if (text_.size() > 1) text_ += ',';
  text_ += json_string(key);
  text_ += ':';
  text_ += json;
}

std::string ObjectText::close() {
  text_ += '}';
  return std::move(text_);
}

std::string line_sum(std::string_view previous, std::string_view body) {
  std::string bytes(previous);
  bytes += body;
  return sha256(bytes).substr(0, 16);
}

std::string header_text(const Header& header) {
  ObjectText object;
  object.integer("assay_evidence", header.version);
  object.text("assay", header.assay);
  object.text("libtorch", header.libtorch);
  object.text("cpu_capability", header.cpu_capability);
  object.text("device", header.device);
  object.text("suite_name", header.suite_name);
  object.text("suite_sha256", header.suite_sha256);
  object.raw("seed", std::to_string(header.seed));
  object.text("model_sha256", header.model.sha256);
  object.integer("classes", header.classes);
  object.raw("class_names", strings_text(header.class_names));
  object.raw("shape", integers_text(header.shape));
  object.boolean("float64", header.float64);
  object.text("suite", header.suite);
  object.raw("flags", flags_text(header.flags));
  object.raw("clean_units", strings_text(header.clean_units));
  object.raw("samples", list_text(header.samples, sample_text));
  if (!header.sets.empty()) {
    ObjectText sets;
    for (const auto& [name, records] : header.sets) {
      sets.raw(name, list_text(records, sample_text));
    }
    object.raw("sets", sets.close());
  }
  object.raw("cells", list_text(header.cells, cell_text));
  return object.close();
}

std::string rows_text(const std::vector<Verdict>& rows) {
  const auto integer = [](int64_t value) { return std::to_string(value); };
  const auto word = [](auto value) { return json_string(to_string(value)); };
  ObjectText object;
  object.raw("sample",
             list_text(rows, [](const Verdict& row) { return std::to_string(row.sample); }));
  add_column(&object, "clean", rows, &Verdict::clean, integer);
  add_column(&object, "adversarial", rows, &Verdict::adversarial, integer);
  add_column(&object, "status", rows, &Verdict::status, word);
  add_column(&object, "cause", rows, &Verdict::cause, word);
  add_column(&object, "distance", rows, &Verdict::distance, json_number);
  add_column(&object, "queries", rows, &Verdict::queries, integer);
  add_column(&object, "gradients", rows, &Verdict::gradients, integer);
  add_column(&object, "breaking_attack", rows, &Verdict::breaking_attack, json_string);
  add_column(&object, "detail", rows, &Verdict::detail, lossy_string);
  add_column(&object, "doubt", rows, &Verdict::doubt, word);
  add_column(&object, "doubt_distance", rows, &Verdict::doubt_distance, json_number);
  add_column(&object, "tensors", rows, &Verdict::tensors, json_string);
  add_column(&object, "tensor_row", rows, &Verdict::tensor_row, integer);
  return object.close();
}

std::string unit_text(const UnitResult& unit) {
  ObjectText object;
  object.text("unit", unit.key);
  object.text("cell", unit.cell);
  object.integer("index", unit.index);
  object.raw("rows", rows_text(unit.rows));
  object.raw("diagnosis", diagnosis_text(unit.diagnosis));
  if (!unit.tensors.empty()) object.text("tensors", unit.tensors);
  if (!unit.scores.empty()) object.raw("scores", scores_text(unit.scores));
  if (!unit.failed_pool.empty()) {
    object.raw("failed_pool", list_text(unit.failed_pool, lossy_string));
  }
  if (unit.fidelity) object.raw("fidelity", fidelity_text(*unit.fidelity));
  if (!unit.tuned.empty()) {
    ObjectText tuned;
    for (const auto& [param, value] : unit.tuned) tuned.number(param, value);
    object.raw("tuned", tuned.close());
  }
  if (unit.extracted || !unit.monitored.empty()) {
    object.raw("extraction", extraction_text(unit));
  }
  object.raw("flags", flags_text(unit.flags));
  return object.close();
}

std::string cost_text(const Cost& cost) {
  ObjectText object;
  object.number("time_s", cost.time_s);
  object.integer("forwards", cost.forwards);
  object.integer("gradients", cost.gradients);
  object.integer("judged", cost.judged);
  return object.close();
}

std::string end_text(const EndLine& end) {
  ObjectText object;
  object.integer("end", end.units);
  object.raw("ended_early", lossy_string(end.ended_early));
  object.raw("interrupted", lossy_string(end.interrupted));
  return object.close();
}

std::string host_text(const HostFacts& facts) {
  ObjectText object;
  object.integer("assay_costs", 1);
  object.raw("suite_folder", lossy_string(facts.suite_folder));
  object.raw("model_path", lossy_string(facts.model_path));
  object.raw("costs", list_text(facts.costs, [](const auto& entry) {
               ObjectText cost;
               cost.text("unit", entry.first);
               cost.raw("cost", cost_text(entry.second));
               return cost.close();
             }));
  return object.close();
}

}  // namespace assay
