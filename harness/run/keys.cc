#include "harness/run/keys.h"

#include <algorithm>

#include "harness/suite/digest.h"

namespace assay {

void add_field(std::string* text, std::string_view name, std::string_view value) {
  *text += std::string(name) + ':' + std::to_string(value.size()) + ':';
  *text += value;
  *text += '\n';
}

std::string digest_of(const std::map<std::string, std::string>& fields) {
  std::string text;
  for (const auto& [name, value] : fields) add_field(&text, name, value);
  return sha256(text);
}

std::string judging_version() { return ASSAY_JUDGING_VERSION; }

std::string scoring_version() { return ASSAY_SCORING_VERSION; }

std::string theft_version() { return ASSAY_THEFT_VERSION; }

std::string model_text(const ModelSpec& spec) {
  std::string text;
  add_field(&text, "shape", joined(spec.shape));
  add_field(&text, "range", number_text(spec.lo) + " " + number_text(spec.hi));
  add_field(&text, "mean", joined(spec.mean));
  add_field(&text, "std", joined(spec.std));
  add_field(&text, "output", std::to_string(static_cast<int>(spec.output)));
  add_field(&text, "output_index", spec.output_index);
  add_field(&text, "classes", std::to_string(spec.classes));
  add_field(&text, "dtype", spec.dtype == ModelSpec::Dtype::kFloat64 ? "float64" : "float32");
  return text;
}

std::string outputs_text(const Suite& suite, const std::string& model, int64_t view,
                         const std::string& content) {
  std::string text = "outputs\n" + model_text(suite.model);
  add_field(&text, "judging_version", judging_version());
  add_field(&text, "model", model);
  add_field(&text, "view", std::to_string(view));
  add_field(&text, "records", content);
  return text;
}

std::string scale_digest(const std::vector<SampleInfo>& samples,
                         const std::vector<double>& shares) {
  std::string text;
  for (size_t i = 0; i < samples.size(); ++i) {
    add_field(&text, "id", samples[i].id);
    add_field(&text, "share", number_text(shares[i]));
  }
  return sha256(text);
}

Unit CellPlanner::make(Unit::Kind kind, const std::string& text) const {
  Unit unit;
  unit.kind = kind;
  unit.key = sha256(text);
  unit.cell = cell_->name;
  unit.entry = entry_;
  unit.audit = plan_->audits.size() - 1;
  return unit;
}

void CellPlanner::add(Unit unit) {
  cell_->units.push_back(unit.key);
  plan_->units.push_back(std::move(unit));
}

int64_t chunk_size(const Suite& suite) {
  const int64_t bytes = entries_of(suite.model.shape) * 8;
  return std::clamp<int64_t>((int64_t{64} << 20) / bytes, 16, 4096);
}

std::string content_digest(const std::vector<RecordRef>& records, int64_t begin, int64_t end) {
  std::string text;
  for (int64_t i = begin; i < end; ++i) {
    text += records[static_cast<size_t>(i)].info().digest;
    text += '\n';
  }
  return sha256(text);
}

std::string set_digest(const Records& records) {
  std::vector<std::string> digests;
  for (const SampleInfo& info : records.infos) digests.push_back(info.digest);
  std::sort(digests.begin(), digests.end());
  std::string text;
  for (const std::string& digest : digests) text += digest + '\n';
  return sha256(text);
}

}  // namespace assay
