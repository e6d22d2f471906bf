#include "harness/cli/sources.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <iostream>
#include <mutex>
#include <set>

#include "harness/cli/adversarials.h"
#include "harness/model/dataset_array.h"
#include "harness/record/corpus.h"
#include "harness/record/safetensors.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// All texts of `source:` in evasion entries and stages that name no cell, and an entry of each.
std::map<std::string, Where> named_sources(const Suite& suite) {
  std::map<std::string, Where> names;
  std::vector<std::string> known;
  for (const AttackSpec& spec : suite.attacks) {
    for (std::string& name : source_names(spec)) known.push_back(std::move(name));
  }
  const auto add = [&](const AttackSpec& spec) {
    const bool cell = std::any_of(known.begin(), known.end(), [&](const std::string& name) {
      return selects(spec.source, name);
    });
    if (spec.family == Family::kEvasion && !spec.source.empty() && !cell) {
      names.emplace(spec.source, spec.where);
    }
  };
  for (const AttackSpec& spec : suite.attacks) {
    add(spec);
    for (const AttackSpec& stage : spec.stages) add(stage);
  }
  return names;
}

fs::path file_of(const Suite& suite, const std::string& source, const Where& where) {
  if (source != "baseline") {
    fs::path file = source;
    if (file.is_relative()) file = suite.file.parent_path() / file;
    if (!fs::is_regular_file(file)) throw Error(where, "`source`: no such file: " + file.string());
    return file;
  }
  const bool named = !suite.baseline.empty() && suite.baseline != "none";
  if (!named || !is_model(suite.baseline)) {
    throw Error(where, "`source: baseline` needs a model as baseline, and it is " +
                           (named ? suite.baseline : std::string("none")) +
                           "; name a model file by `source` or by --baseline");
  }
  return suite.baseline;
}

// SHA-256 of the incumbent, "" where the suite names none.
std::string incumbent_of(const Suite& suite) {
  const std::string& path = suite.baseline;
  if (path.empty() || path == "none") return "";
  return is_model(path) ? sha256_file(path) : read_evidence(path).header.model.sha256;
}

// Refuses paired rules on cells whose points come from this file: it is the incumbent under another
// name, as the suite could not tell by its path.
void refuse_paired_rules(const Suite& suite, const std::string& source, const Where& where) {
  Suite named = suite;  // the same suite, had it said so
  for (AttackSpec& spec : named.attacks) {
    if (spec.source == source) spec.source = "baseline";
    for (AttackSpec& stage : spec.stages) {
      if (stage.source == source) stage.source = "baseline";
    }
  }
  for (const RuleSpec& rule : suite.rules) {
    if (!is_paired(rule.kind)) continue;
    for (const size_t i : rule.cells) {
      const AttackSpec& spec = named.attacks[suite.cells[i].spec];
      if (spec.family != Family::kEvasion || !favours_one(named, spec)) continue;
      throw Error(where, "`source: " + source + "` is the baseline under another name, and `" +
                             std::string(to_string(rule.kind)) + "` on `" + suite.cells[i].name +
                             "` does not compare two models fairly on its points; write " +
                             "`source: baseline`, and at_least on that cell");
    }
  }
}

// Points by sample id, in the order of the file's cells.
using PointsOf = std::map<std::string, std::vector<std::vector<double>>>;

// Refuses an array that is no point of the model's input space, before any attack.
void check_array(const ArrayInfo& array, const ModelSpec& model, const fs::path& file) {
  const std::string what = "source: " + file.string() + ": `" + array.name + "` ";
  if (array.dtype != "F32" && array.dtype != "F64") {
    throw Error(what + "has dtype " + array.dtype +
                "; points are F32 or F64, in the units of model.input.range");
  }
  if (array.shape != model.shape) {
    throw Error(what + "has shape " + shape_text(array.shape) + "; model.input.shape is " +
                shape_text(model.shape) + ", and each key holds one point");
  }
}

void check_values(const std::vector<double>& values, const std::string& name,
                  const fs::path& file) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw Error("source: " + file.string() + ": `" + name + "` holds " +
                (std::isnan(values[i]) ? "NaN" : "an infinity") + " at entry " + std::to_string(i) +
                "; points must be finite, or their samples would count as tried and robust");
  }
}

// Keys are cell/sample, and both may hold slashes (`pgd@8/255`, `cats/1.png`): the sample is the
// longest end that names one.
PointsOf read_points(const fs::path& file, const std::vector<SampleInfo>& samples,
                     const ModelSpec& model) {
  std::set<std::string> ids;
  for (const SampleInfo& sample : samples) ids.insert(sample.id);
  const Adversarials saved = read_adversarials(file);
  for (const ArrayInfo& array : saved.arrays) check_array(array, model, file);
  PointsOf points;
  for (size_t i = 0; i < saved.arrays.size(); ++i) {
    const std::string& name = saved.arrays[i].name;
    std::vector<double> values = values_of(saved, i);
    check_values(values, name, file);
    for (size_t slash = name.find('/'); slash != std::string::npos;
         slash = name.find('/', slash + 1)) {
      const std::string id = name.substr(slash + 1);
      if (!ids.contains(id)) continue;
      points[id].push_back(std::move(values));
      break;
    }
  }
  if (points.empty()) {
    throw Error("source: " + file.string() +
                " has no point of any drawn sample; its keys must be cell/sample");
  }
  return points;
}

}  // namespace

struct SourceSet::Impl {
  const Session& session;
  Store* store;
  Digests digests;
  std::map<std::string, fs::path> models;  // by source as spelt
  std::map<std::string, PointsOf> files;
  std::map<std::string, std::vector<Found>> corpus;  // by sample digest
  std::map<std::string, std::unique_ptr<Model>> loaded;
  std::mutex mutex;                                       // of what follows
  std::deque<std::pair<std::string, std::string>> blobs;  // the last ones used

  void load(const std::string& source, const fs::path& file);
  const Model* model(const std::string& source) const;
  at::Tensor points(const std::string& source, const SampleInfo& sample);
  at::Tensor from_corpus(const SampleInfo& sample);
  const std::string& blob(const std::string& sha256);
  at::Tensor shaped(const std::vector<at::Tensor>& rows) const;
};

const Model* SourceSet::Impl::model(const std::string& source) const {
  if (!models.contains(source)) return nullptr;
  return loaded.at(source).get();
}

void SourceSet::Impl::load(const std::string& source, const fs::path& file) {
  const Suite& suite = session.suite;
  const std::string work = "load:" + digests.at(source);
  if (const Crash* crash = find_crash(session.crashes, work)) {
    throw Error("source: " + file.string() + " crashed the process (" + crash->signal +
                ") while it was loaded and probed");
  }
  const Working loading(work, -1);
  std::unique_ptr<Model> model;
  try {
    model = std::make_unique<Model>(
        Model::load(suite.model, file, block_size(suite), suite.run.device));
  } catch (const Error& error) {
    // It is not the candidate that is refused.
    if (error.code() == ExitCode::kRefused) throw Error("source: " + std::string(error.what()));
    throw;
  }
  if (model->facts().random) {
    throw Error("source: " + file.string() +
                " draws random numbers; remove dropout and noise before the export");
  }
  if (!model->facts().gradient) {
    throw Error("source: " + file.string() +
                " gives no gradient with respect to its input, which crafting needs");
  }
  loaded[source] = std::move(model);
}

at::Tensor SourceSet::Impl::shaped(const std::vector<at::Tensor>& rows) const {
  if (rows.empty()) return {};
  std::vector<int64_t> shape = session.suite.model.shape;
  shape.insert(shape.begin(), static_cast<int64_t>(rows.size()));
  const bool wide = session.suite.model.dtype == ModelSpec::Dtype::kFloat64;
  return at::stack(rows, 0).to(wide ? at::kDouble : at::kFloat).reshape(shape);
}

at::Tensor SourceSet::Impl::points(const std::string& source, const SampleInfo& sample) {
  if (source == kCorpus) return from_corpus(sample);
  const PointsOf& known = files.at(source);
  const auto found = known.find(sample.id);
  if (found == known.end()) return {};
  std::vector<at::Tensor> rows;
  for (const std::vector<double>& values : found->second) {
    rows.push_back(at::tensor(values, at::kDouble));
  }
  return shaped(rows);
}

// Samples of a unit were mostly found in one unit, and so share their blobs.
const std::string& SourceSet::Impl::blob(const std::string& sha256) {
  constexpr size_t kKept = 32;
  for (const auto& [name, bytes] : blobs) {
    if (name == sha256) return bytes;
  }
  if (blobs.size() == kKept) blobs.pop_front();
  return blobs.emplace_back(sha256, store->get_blob(sha256)).second;
}

at::Tensor SourceSet::Impl::from_corpus(const SampleInfo& sample) {
  const auto known = corpus.find(sample.digest);
  if (known == corpus.end()) return {};
  const std::lock_guard lock(mutex);
  std::vector<at::Tensor> rows;
  for (const Found& found : known->second) {
    const at::ScalarType type = found.float64 ? at::kDouble : at::kFloat;
    const at::Tensor row = at::empty({found.entries}, type);
    const std::string& bytes = blob(found.blob);
    const auto size = static_cast<size_t>(row.nbytes());
    const size_t begin = static_cast<size_t>(found.row) * size;
    if (begin + size > bytes.size()) {
      throw Error("the corpus names row " + std::to_string(found.row) + " of blob " + found.blob +
                  ", which is shorter; delete corpus.sqlite in " + store->folder().string());
    }
    std::memcpy(row.data_ptr(), bytes.data() + begin, size);
    rows.push_back(row.to(at::kDouble));
  }
  return shaped(rows);
}

SourceSet::SourceSet(const Session& session, const std::string& model_sha256, Store* store)
    : impl_(new Impl{session, store}) {
  const Suite& suite = session.suite;
  const std::map<std::string, Where> named = named_sources(suite);
  const std::string incumbent = named.empty() ? "" : incumbent_of(suite);
  for (const auto& [source, where] : named) {
    const fs::path file = file_of(suite, source, where);
    impl_->digests[source] = sha256_file(file);
    if (impl_->digests[source] == incumbent) refuse_paired_rules(suite, source, where);
    if (file.extension() == ".safetensors") {
      impl_->files[source] = read_points(file, session.described, suite.model);
    } else {
      impl_->models[source] = file;
    }
  }
  if (!std::any_of(suite.attacks.begin(), suite.attacks.end(), uses_corpus)) return;
  const int64_t entries = entries_of(suite.model.shape);
  std::vector<Found> usable;
  for (Found& found :
       Corpus(store->folder())
           .find(session.described, model_sha256, incumbent_of(suite), kMostPoints)) {
    if (found.entries == entries && store->has_blob(found.blob)) usable.push_back(std::move(found));
  }
  impl_->digests[kCorpus] = manifest_digest(usable);
  for (Found& found : usable) impl_->corpus[found.sample].push_back(std::move(found));
}

SourceSet::~SourceSet() = default;

const Digests& SourceSet::digests() const { return impl_->digests; }

void SourceSet::load() {
  for (const auto& [source, file] : impl_->models) {
    if (!impl_->loaded.contains(source)) impl_->load(source, file);
  }
}

Sources SourceSet::sources() {
  return {[this](const std::string& source) { return impl_->model(source); },
          [this](const std::string& source, const SampleInfo& sample) {
            return impl_->points(source, sample);
          }};
}

void keep_in_corpus(const Evidence& evidence, const Evidence* incumbent, const Store& store) {
  try {
    Corpus corpus(store.folder());
    corpus.add(found_in(evidence, store));
    if (incumbent) corpus.add(found_in(*incumbent, store));
  } catch (const std::exception& error) {
    std::cerr << "assay: the corpus gets nothing of this run, whose verdict stands: "
              << error.what() << std::endl;
  }
}

}  // namespace assay
