// The units of a membership cell: shadows are trained, every model gives its outputs, and the
// attack scores them.
#include <algorithm>

#include "harness/run/keys.h"
#include "harness/run/shadows.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

std::string content_digest(const std::vector<RecordRef>& records) {
  return content_digest(records, 0, static_cast<int64_t>(records.size()));
}

// Equal for two candidates of one architecture: what is trained does not depend on the candidate.
std::string train_text(const Suite& suite, const Audit& audit, const Architecture& architecture,
                       const Platform& platform) {
  const Shadows& shadows = audit.shadows;
  const Recipe& recipe = shadows.recipe;
  std::string text = "train 1\n" + model_text(suite.model);
  add_field(&text, "training_version", training_version());
  add_field(&text, "architecture", architecture.digest());
  add_field(&text, "epochs", std::to_string(recipe.epochs));
  add_field(&text, "batch", std::to_string(recipe.batch));
  add_field(&text, "optimizer", recipe.optimizer);
  add_field(&text, "learning_rate", number_text(recipe.learning_rate));
  add_field(&text, "weight_decay", number_text(recipe.weight_decay));
  add_field(&text, "mode", shadows.online ? "online" : "offline");
  add_field(&text, "train_records", std::to_string(shadows.train_records));
  add_field(&text, "training", content_digest(audit.training));
  add_field(&text, "seed", std::to_string(suite.seed));
  add_field(&text, "libtorch", platform.libtorch);
  add_field(&text, "cpu_capability", platform.cpu_capability);
  add_field(&text, "device", platform.device);
  return text;
}

// With the records and the seed themselves, whatever code draws them.
std::string shadow_text(const Suite& suite, const Audit& audit, const std::string& train,
                        int64_t shadow) {
  std::string rows;
  for (const int64_t row : trained_on(audit, shadow)) rows += std::to_string(row) + '\n';
  std::string text = train;
  add_field(&text, "trained_on", sha256(rows));
  add_field(&text, "shadow_seed", std::to_string(shadow_seed(suite, shadow)));
  return text + "shadow " + std::to_string(shadow);
}

// Pairs cells of two runs: their records, whatever other cells of the suites take.
void add_sets(const Audit& audit, const RecordSets& sets, CellHeader* cell) {
  for (const bool member : {true, false}) {
    std::vector<RecordRef> records;
    for (int64_t i = 0; i < audit.audited; ++i) {
      const RecordRef& record = audit.records[static_cast<size_t>(i)];
      if (record.member == member) records.push_back(record);
    }
    cell->key_fields[member ? "members" : "non_members"] = content_digest(records);
  }
  if (const auto pool = cell->sets.find("pool"); pool != cell->sets.end()) {
    cell->key_fields["pool"] = set_digest(sets.pools.at(pool->second));
  }
  cell->key = digest_of(cell->key_fields);
}

// Cells of other counts have the same population at another place: it stays in one shard.
int64_t part_of(const Audit& audit, int64_t begin, int64_t chunk) {
  return (begin < audit.audited ? begin : begin - audit.audited) / chunk;
}

// Ranges of records that end with the audited ones, so that cells with and without a population
// share them.
std::vector<std::pair<int64_t, int64_t>> chunks_of(const Suite& suite, const Audit& audit) {
  std::vector<std::pair<int64_t, int64_t>> chunks;
  const auto all = static_cast<int64_t>(audit.records.size());
  const int64_t size = chunk_size(suite);
  for (int64_t begin = 0; begin < all;) {
    const int64_t end = std::min(begin + size, begin < audit.audited ? audit.audited : all);
    chunks.emplace_back(begin, end);
    begin = end;
  }
  return chunks;
}

// Units that the score builds on, as they are planned.
class Parts {
 public:
  explicit Parts(CellPlanner* planner) : planner_(planner) {}

  void add(Unit unit) {
    keys_ += unit.key + '\n';
    after_.push_back(unit.key);
    planner_->add(std::move(unit));
  }

  Unit make(Unit::Kind kind, const std::string& text) const { return planner_->make(kind, text); }
  /// Of the units added so far, in order.
  const std::string& keys() const { return keys_; }
  const std::vector<std::string>& after() const { return after_; }

 private:
  CellPlanner* planner_;
  std::string keys_;
  std::vector<std::string> after_;
};

// The cell's key beyond params, and what the key holds of a file that they name.
void add_versions(const Inference& inference, const std::vector<Attack>& attacks,
                  const Audit& audit, CellHeader* cell) {
  cell->key_fields["scoring_version"] = scoring_version();
  if (audit.shadows.count > 0) {
    const std::string& wanted = audit.shadows.recipe.architecture;
    // A file is known by what it holds, and what stands in for the candidate is another attack.
    if (names_file(wanted) || !audit.architecture->reason().empty()) {
      cell->key_fields["params.architecture"] = audit.architecture->digest();
    }
    cell->key_fields["training_version"] = training_version();
  }
  // What is measured is this attack's, and changes with it.
  if (inference.boundary_queries > 0) {
    cell->key_fields["boundary_version"] = find_attack(attacks, kBoundaryAttack).info.version;
  }
}

// Keys of the trained shadows' units.
std::vector<std::string> plan_training(const Suite& suite, const Audit& audit,
                                       const std::string& train, CellPlanner* planner) {
  std::vector<std::string> keys;
  for (int64_t shadow = 0; shadow < audit.shadows.count; ++shadow) {
    Unit unit = planner->make(Unit::Kind::kTrain, shadow_text(suite, audit, train, shadow));
    unit.shadow = shadow;
    unit.part = shadow + 1;
    keys.push_back(unit.key);
    planner->add(std::move(unit));
  }
  return keys;
}

// Outputs of the candidate, models[0], and of the others. `start` is the file that shadows start
// from, or "": after all others, on audited records as they are.
void plan_outputs(const Suite& suite, const Audit& audit, int64_t views,
                  const std::vector<std::string>& models, const std::string& start, Parts* parts) {
  const auto others = static_cast<int64_t>(models.size()) - 1;
  for (const auto& [begin, end] : chunks_of(suite, audit)) {
    const std::string content = content_digest(audit.records, begin, end);
    const bool start_too = !start.empty() && begin < audit.audited;
    for (int64_t shadow = -1; shadow < others + (start_too ? 1 : 0); ++shadow) {
      const bool starts = shadow == others;
      const std::string& model = starts ? start : models[static_cast<size_t>(shadow + 1)];
      for (int64_t view = 0; view < (starts ? 1 : views); ++view) {
        Unit unit = parts->make(Unit::Kind::kOutputs, outputs_text(suite, model, view, content));
        unit.shadow = shadow;
        unit.view = view;
        unit.begin = begin;
        unit.end = end;
        unit.part = shadow < 0 ? part_of(audit, begin, chunk_size(suite)) : shadow + 1;
        if (shadow >= 0 && !starts) unit.after = {model};
        parts->add(std::move(unit));
      }
    }
  }
}

// Searching takes long: a block of it is a unit.
void plan_boundary(const Suite& suite, const Audit& audit, int64_t queries,
                   const std::string& version, const std::string& model_key, Parts* parts) {
  const int64_t block = block_size(suite);
  for (int64_t begin = 0; begin < audit.audited; begin += block) {
    const int64_t end = std::min(begin + block, audit.audited);
    std::string text = "boundary\n" + model_text(suite.model);
    add_field(&text, "judging_version", judging_version());
    add_field(&text, "model", model_key);
    add_field(&text, "queries", std::to_string(queries));
    add_field(&text, "version", version);
    add_field(&text, "seed", std::to_string(suite.seed));
    add_field(&text, "records", content_digest(audit.records, begin, end));
    Unit unit = parts->make(Unit::Kind::kBoundary, text);
    unit.begin = begin;
    unit.end = end;
    unit.part = begin / block;
    parts->add(std::move(unit));
  }
}

void plan_features(const Suite& suite, const Audit& audit, int64_t features,
                   const Platform& platform, Parts* parts) {
  if (features == 0) return;
  for (const auto& [begin, end] : chunks_of(suite, audit)) {
    std::string text = "features\n" + model_text(suite.model);
    add_field(&text, "judging_version", judging_version());
    add_field(&text, "libtorch", platform.libtorch);
    add_field(&text, "cpu_capability", platform.cpu_capability);
    add_field(&text, "device", platform.device);
    add_field(&text, "directions", std::to_string(features));
    add_field(&text, "seed", std::to_string(suite.seed));
    add_field(&text, "records", content_digest(audit.records, begin, end));
    Unit unit = parts->make(Unit::Kind::kFeatures, text);
    unit.begin = begin;
    unit.end = end;
    unit.part = part_of(audit, begin, chunk_size(suite));
    parts->add(std::move(unit));
  }
}

// Keys of the stolen surrogates' units that the entry refers to.
std::vector<std::string> references_of(const Suite& suite, const AttackSpec& spec,
                                       const Audit& audit, const RecordSets& sets,
                                       const CellHeader* stolen) {
  if (stolen == nullptr) return {};
  const auto pool = stolen->sets.find("pool");
  if (pool != stolen->sets.end() && suite.data.contains(pool->second)) {
    refuse_seen(spec, audit, sets.pools.at(pool->second), pool->second);
  }
  return stolen_units(*stolen, spec.references);
}

}  // namespace

void plan_audit(const Suite& suite, const AttackSpec& spec, const Inference& inference,
                const std::vector<Attack>& attacks, const AuditInputs& inputs,
                const std::string& model_key, const Platform& platform, const CellHeader* stolen,
                Plan* plan, CellHeader* cell) {
  plan->audits.push_back(make_audit(suite, spec, inference, *inputs.sets));
  Audit& audit = plan->audits.back();
  std::string train, start;
  if (audit.shadows.count > 0) {
    audit.architecture = inputs.architectures.at(audit.shadows.recipe.architecture);
    train = train_text(suite, audit, *audit.architecture, platform);
    if (names_file(audit.shadows.recipe.architecture)) start = "start of " + sha256(train);
  }
  add_versions(inference, attacks, audit, cell);
  add_sets(audit, *inputs.sets, cell);
  CellPlanner planner(static_cast<size_t>(&spec - suite.attacks.data()), plan, cell);

  std::vector<std::string> models = plan_training(suite, audit, train, &planner);
  const std::vector<std::string> references =
      references_of(suite, spec, audit, *inputs.sets, stolen);
  audit.references = static_cast<int64_t>(references.size());
  models.insert(models.end(), references.begin(), references.end());
  std::vector<std::string> after = models;
  models.insert(models.begin(), model_key);

  Parts parts(&planner);
  plan_outputs(suite, audit, inference.views, models, start, &parts);
  if (inference.boundary_queries > 0) {
    plan_boundary(suite, audit, inference.boundary_queries, cell->key_fields.at("boundary_version"),
                  model_key, &parts);
  }
  plan_features(suite, audit, inference.features, platform, &parts);

  std::string text = "score\n" + parts.keys();
  add_field(&text, "cell", digest_of(cell->key_fields));
  add_field(&text, "training", train);
  Unit score = planner.make(Unit::Kind::kScore, text);
  after.insert(after.end(), parts.after().begin(), parts.after().end());
  score.after = std::move(after);
  planner.add(std::move(score));
}

std::vector<std::string> train_keys(const Suite& suite, const Audit& audit,
                                    const Platform& platform) {
  std::vector<std::string> keys;
  if (audit.shadows.count == 0) return keys;
  const std::string train = train_text(suite, audit, *audit.architecture, platform);
  for (int64_t shadow = 0; shadow < audit.shadows.count; ++shadow) {
    keys.push_back(sha256(shadow_text(suite, audit, train, shadow)));
  }
  return keys;
}

std::map<std::string, Where> architectures_of(const Suite& suite,
                                              const std::vector<Attack>& attacks) {
  std::map<std::string, Where> wanted;
  for (const AttackSpec& spec : suite.attacks) {
    if (spec.family == Family::kEvasion) continue;
    const Bound bound = bind_entry(spec, spec.threat, attacks);
    const Shadows& shadows = bound.inference.shadows;
    const Extraction& extraction = bound.extraction;
    if (shadows.count > 0) wanted.emplace(shadows.recipe.architecture, spec.where);
    if (extraction.extract && extraction.surrogate) {
      wanted.emplace(extraction.recipe.architecture, spec.where);
      // Held against copies of the candidate's network, which may learn less.
      if (extraction.recipe.architecture == "candidate") wanted.emplace("auto", spec.where);
    }
  }
  return wanted;
}

size_t audit_units(const Suite& suite, const AttackSpec& spec, const std::vector<Attack>& attacks,
                   const RecordSets& sets) {
  const Inference inference = bind_entry(spec, spec.threat, attacks).inference;
  const Audit audit = make_audit(suite, spec, inference, sets);
  const auto trained = static_cast<size_t>(audit.shadows.count);
  size_t shadows = trained;
  for (const AttackSpec& other : suite.attacks) {
    const std::vector<std::string> names = source_names(other);
    const bool named = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return !spec.references.empty() && selects(spec.references, name);
    });
    if (named) shadows += static_cast<size_t>(std::get<int64_t>(other.params.at("seeds")));
  }
  const int64_t block = block_size(suite);
  const int64_t searches = inference.boundary_queries > 0 ? (audit.audited + block - 1) / block : 0;
  const auto chunks = chunks_of(suite, audit);
  const auto starts =
      trained > 0 && names_file(audit.shadows.recipe.architecture)
          ? std::count_if(chunks.begin(), chunks.end(),
                          [&](const auto& chunk) { return chunk.first < audit.audited; })
          : 0;
  return trained + (shadows + 1) * static_cast<size_t>(inference.views) * chunks.size() +
         static_cast<size_t>(starts + searches) + (inference.features > 0 ? chunks.size() : 0) + 1;
}

}  // namespace assay
