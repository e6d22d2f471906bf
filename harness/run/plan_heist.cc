// The units of an extraction cell: surrogates are stolen, they and the candidate label the test
// set, adversarials made on them are tried on the candidate, and all of it is scored.
#include <algorithm>
#include <set>
#include <string_view>

#include "harness/gate/extraction.h"
#include "harness/monitor/monitor.h"
#include "harness/run/keys.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"
#include "harness/suite/param_text.h"
#include "harness/suite/pool.h"

namespace assay {
namespace {

std::string surface_text(const Surface& surface) {
  using Kind = Surface::Kind;
  std::string text(to_string(surface.kind));
  if (surface.kind == Kind::kTopK) text.append(1, ' ').append(std::to_string(surface.top_k));
  if (surface.kind == Kind::kRounded) text.append(1, ' ').append(std::to_string(surface.decimals));
  if (surface.temperature != 1) text += ", temperature " + number_text(surface.temperature);
  if (surface.noise != 0) text += ", noise " + number_text(surface.noise);
  return text;
}

// What is measured, and how often, changes nothing of one surrogate.
bool is_protocol(const std::string& param) {
  return param == "budgets" || param == "seeds" || param.starts_with("transfer_");
}

// All that a surrogate depends on besides its budget and its seed.
std::string steal_text(const Suite& suite, const AttackSpec& spec, const Audit& audit,
                       const std::string& version, const std::string& model_key) {
  std::string text = "steal\n" + model_text(suite.model);
  add_field(&text, "theft_version", theft_version());
  add_field(&text, "model", model_key);
  add_field(&text, "attack", spec.attack);
  add_field(&text, "version", version);
  add_field(&text, "training_version", training_version());
  add_field(&text, "surface", surface_text(spec.threat.surface));
  for (const auto& [name, value] : spec.params) {
    if (!is_protocol(name)) add_field(&text, "params." + name, param_text(value));
  }
  if (audit.architecture) add_field(&text, "architecture", audit.architecture->digest());
  if (audit.stock) add_field(&text, "stock", audit.stock->digest());
  std::string pool;
  if (audit.pool != nullptr) {
    for (const RecordRef& record : audit.sent) pool += record.info().digest + '\n';
  }
  add_field(&text, "pool", sends_noise(suite, spec) ? kNoisePool : sha256(pool));
  // What labels alone would have taught is measured on the test set.
  const auto records = static_cast<int64_t>(audit.records.size());
  if (audit.stock || (audit.architecture && spec.threat.surface.kind != Surface::Kind::kLabel)) {
    add_field(&text, "test", content_digest(audit.records, 0, records));
  }
  add_field(&text, "seed", std::to_string(suite.seed));
  return text;
}

std::string transfer_text(const Suite& suite, const Audit& audit, const Extraction& extraction,
                          const std::string& version, const std::string& model_key) {
  std::string text = "transfer\n" + model_text(suite.model);
  add_field(&text, "theft_version", theft_version());
  add_field(&text, "judging_version", judging_version());
  add_field(&text, "model", model_key);
  add_field(&text, "version", version);
  add_field(&text, "eps", number_text(extraction.transfer_eps));
  add_field(&text, "seed", std::to_string(suite.seed));
  std::string records;
  for (const int64_t i : audit.transfer) {
    records += audit.records[static_cast<size_t>(i)].info().digest + '\n';
  }
  add_field(&text, "records", sha256(records));
  // Results stand by the place of their record, one for each of the test set.
  add_field(&text, "places", joined(audit.transfer));
  add_field(&text, "size", std::to_string(audit.records.size()));
  return text;
}

// What the replay of a thief's queries depends on besides them.
std::string replay_text(const Suite& suite, const Audit& audit) {
  std::string text = "replay\n";
  add_field(&text, "theft_version", theft_version());
  add_field(&text, "version", monitor_version());
  for (const DetectorSpec& detector : suite.monitors->detectors) {
    add_field(&text, "name", detector.name);
    add_field(&text, "monitor", detector.monitor);
    add_field(&text, "params", canonical_json(detector.params));
  }
  add_field(&text, "benign_share", number_text(suite.monitors->benign_share));
  std::string benign;
  for (const SampleInfo& info : audit.benign->infos) benign += info.digest + '\n';
  add_field(&text, "benign", sha256(benign));
  return text;
}

// Records of the thief's pool that another set has too, by content.
int64_t shared_with(const Records& pool, const std::vector<SampleInfo>& others) {
  std::set<std::string_view> known;
  for (const SampleInfo& info : others) known.insert(info.content);
  return std::count_if(pool.infos.begin(), pool.infos.end(),
                       [&](const SampleInfo& info) { return known.contains(info.content); });
}

std::string names_text(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// What makes a theft's figures mean something else than they say.
void flag_heist(const Suite& suite, const Audit& audit, const std::string& wanted,
                const CellHeader& cell, Header* header) {
  const auto flag = [&](const char* id, const std::string& detail, const char* advice) {
    header->flags.push_back({id, cell.name, detail, advice});
  };
  if (wanted == "candidate" && audit.architecture && !audit.architecture->reason().empty()) {
    flag("surrogate_architecture",
         audit.architecture->reason() + "; " + audit.architecture->name() + " stands in for it",
         "export the candidate with torch.jit.script, or say which network the thief has");
  }
  if (const auto kept = cell.key_fields.find(kKeptField); kept != cell.key_fields.end()) {
    const bool file = names_file(wanted);
    flag("surrogate_keeps_values",
         std::string("surrogates start with values of the candidate, which no thief has") +
             (file ? ": " : ", and keep them: ") + kept->second,
         file ? "let the file that `architecture` names hold what the thief has without stealing it"
              : "export what is learnt as parameters, or name the network that the thief has as "
                "`architecture`");
  }
  if (audit.pool == nullptr) return;
  const std::string pool = "`" + cell.sets.at("pool") + "`";
  if (const int64_t n = shared_with(*audit.pool, audit.records.front().set->infos); n > 0) {
    flag("pool_overlaps_test",
         std::to_string(n) + " records of " + pool +
             " are in `test` too, by content: the thief trains on what he is measured on",
         "take them out of the pool, e.g. with `rows`");
  }
  if (audit.benign == nullptr) return;
  if (const int64_t n = shared_with(*audit.pool, audit.benign->infos); n > 0) {
    flag("pool_overlaps_benign",
         std::to_string(n) + " records of " + pool + " are in `" + suite.monitors->benign +
             "` too, by content: monitors that look for near queries see them twice",
         "take them out of one of the sets, e.g. with `rows`");
  }
}

// What is known to fail, or to mean nothing, before anything is stolen.
void refuse_impossible(const Suite& suite, const AttackSpec& spec, const AttackInfo& info,
                       const Extraction& extraction, const Audit& audit) {
  if (audit.benign != nullptr) {
    check_calibration(suite, static_cast<int64_t>(audit.benign->infos.size()));
  }
  // Who starts from `seed_records` makes up the rest; others send records, each content once. Noise
  // has no end.
  if (!info.pool || spec.params.contains("seed_records") || audit.pool == nullptr) return;
  const auto most = static_cast<int64_t>(audit.sent.size());
  if (extraction.budgets.back() <= most) return;
  const bool copies = audit.sent.size() < audit.pool->infos.size();
  throw Error(spec.where, "`budgets` go up to " + std::to_string(extraction.budgets.back()) +
                              " queries, and `" + spec.attack + "` sends each of the " +
                              std::to_string(most) + (copies ? " different" : "") +
                              " records of `" + spec.sets.at("pool") +
                              "` once at most; give a larger pool, or smaller budgets");
}

void fill_key(const Suite& suite, const AttackSpec& spec, const std::string& wanted,
              const std::string& transfer_version, const Audit& audit, CellHeader* cell) {
  cell->key_fields["training_version"] = training_version();
  cell->key_fields["surface"] = surface_text(spec.threat.surface);
  cell->key_fields["test"] =
      content_digest(audit.records, 0, static_cast<int64_t>(audit.records.size()));
  if (audit.pool != nullptr) cell->key_fields["pool"] = set_digest(*audit.pool);
  if (sends_noise(suite, spec)) cell->key_fields["pool"] = kNoisePool;
  if (audit.architecture && wanted == "candidate" && audit.architecture->reason().empty()) {
    cell->key_fields["params.architecture"] = "candidate";
  } else if (audit.architecture) {
    cell->key_fields["params.architecture"] = audit.architecture->digest();
  }
  if (audit.architecture && !audit.architecture->kept().empty()) {
    cell->key_fields[kKeptField] = names_text(audit.architecture->kept());
  }
  if (!audit.transfer.empty()) cell->key_fields["transfer_version"] = transfer_version;
  cell->key = digest_of(cell->key_fields);
}

// Monitors see the thief with most queries: their alarms of fewer are the beginning of these.
// `models`: the keys of the candidate and then of each theft.
void plan_replays(const Suite& suite, const Audit& audit, const std::vector<std::string>& models,
                  CellPlanner* planner) {
  if (audit.benign == nullptr) return;
  const int64_t largest = audit.steals.back().budget;
  for (size_t i = 0; i < audit.steals.size(); ++i) {
    if (audit.steals[i].budget != largest) continue;
    Unit unit = planner->make(Unit::Kind::kReplay,
                              replay_text(suite, audit) + "queries of " + models[i + 1]);
    unit.shadow = static_cast<int64_t>(i);
    unit.part = unit.shadow + 1;
    planner->add(std::move(unit));
  }
}

// What the candidate (`shadow` -1) or a surrogate, by its key, answers on the test set.
void plan_answers(const Suite& suite, const Audit& audit, const std::string& model, int64_t shadow,
                  const CellPlanner& planner, const std::function<void(Unit)>& add) {
  const auto all = static_cast<int64_t>(audit.records.size());
  for (int64_t begin = 0; begin < all; begin += chunk_size(suite)) {
    const int64_t end = std::min(begin + chunk_size(suite), all);
    Unit unit =
        planner.make(Unit::Kind::kOutputs,
                     outputs_text(suite, model, 0, content_digest(audit.records, begin, end)));
    unit.shadow = shadow;
    unit.begin = begin;
    unit.end = end;
    unit.part = shadow < 0 ? begin / chunk_size(suite) : shadow + 1;
    if (shadow >= 0) unit.after = {model};
    add(std::move(unit));
  }
}

// The place of the budget that `source` names among the cell's; -1 if it names none.
int64_t named_budget(const CellHeader& cell, const std::string& source) {
  const std::vector<int64_t> budgets = budgets_of(cell.params);
  for (size_t i = budgets.size(); i-- > 0;) {
    const bool largest = i + 1 == budgets.size();
    if (selects(source, cell.name + "@" + std::to_string(budgets[i])) ||
        (largest && selects(source, cell.name))) {
      return static_cast<int64_t>(i);
    }
  }
  return -1;
}

}  // namespace

std::string stolen_text(const CellHeader& cell, const std::string& source) {
  std::map<std::string, std::string> fields = cell.key_fields;
  fields.erase("test");
  fields.erase("transfer_version");
  std::erase_if(fields, [](const auto& field) {
    const std::string prefix = "params.";
    return field.first.starts_with(prefix) && is_protocol(field.first.substr(prefix.size()));
  });
  const int64_t budget = budgets_of(cell.params)[static_cast<size_t>(named_budget(cell, source))];
  return digest_of(fields) + " budget " + std::to_string(budget);
}

std::vector<std::string> stolen_units(const CellHeader& cell, const std::string& source) {
  const int64_t budget = named_budget(cell, source);
  if (budget < 0) return {};
  // The thefts come first among the cell's units.
  const int64_t seeds = std::get<int64_t>(cell.params.at("seeds"));
  const auto first = cell.units.begin() + budget * seeds;
  return {first, first + seeds};
}

void plan_heist(const Suite& suite, const AttackSpec& spec, const Extraction& extraction,
                const std::vector<Attack>& attacks, const AuditInputs& inputs,
                const std::string& model_key, const Platform& platform, Plan* plan,
                CellHeader* cell) {
  plan->audits.push_back(make_heist(suite, spec, extraction, *inputs.sets));
  Audit& audit = plan->audits.back();
  const AttackInfo& info = find_attack(attacks, spec.attack).info;
  refuse_impossible(suite, spec, info, extraction, audit);
  const std::string& wanted = extraction.recipe.architecture;
  if (const auto known = inputs.architectures.find(wanted);
      extraction.surrogate && known != inputs.architectures.end()) {
    audit.architecture = std::make_shared<Architecture>(known->second->anew(suite.model));
    const bool copies = wanted == "candidate" && audit.architecture->reason().empty();
    if (copies) audit.stock = inputs.architectures.at("auto");
  }
  // What measures is this attack's, and changes with it.
  const std::string transfer_version =
      audit.transfer.empty() ? "" : find_attack(attacks, kTransferAttack).info.version;
  fill_key(suite, spec, wanted, transfer_version, audit, cell);
  flag_heist(suite, audit, wanted, *cell, &plan->header);
  // Who has a surrogate and needs no pool makes up all that he sends.
  if (!info.pool && extraction.surrogate) cell->sets.erase("pool");
  CellPlanner planner(static_cast<size_t>(&spec - suite.attacks.data()), plan, cell);

  std::vector<std::string> after;
  std::string made;
  const auto add = [&](Unit unit) {
    made += unit.key + '\n';
    after.push_back(unit.key);
    planner.add(std::move(unit));
  };
  const std::string steal = steal_text(suite, spec, audit, info.version, model_key);
  std::vector<std::string> models = {model_key};
  const auto steals = static_cast<int64_t>(audit.steals.size());
  for (int64_t i = 0; i < steals; ++i) {
    const Steal& one = audit.steals[static_cast<size_t>(i)];
    Unit unit = planner.make(Unit::Kind::kSteal, steal + "budget " + std::to_string(one.budget) +
                                                     " seed " + std::to_string(one.seed));
    unit.shadow = i;
    unit.part = i + 1;
    models.push_back(unit.key);
    add(std::move(unit));
  }
  plan_replays(suite, audit, models, &planner);
  for (int64_t i = -1; i < (extraction.surrogate ? steals : 0); ++i) {
    const std::string& model = models[static_cast<size_t>(i + 1)];
    plan_answers(suite, audit, model, i, planner, add);
    if (i < 0 || audit.transfer.empty()) continue;
    Unit unit = planner.make(Unit::Kind::kTransfer,
                             transfer_text(suite, audit, extraction, transfer_version, model_key) +
                                 "surrogate " + model);
    unit.shadow = i;
    unit.end = static_cast<int64_t>(audit.records.size());
    unit.part = i + 1;
    unit.after = {model};
    add(std::move(unit));
  }
  std::string text = "extraction score\n" + made;
  add_field(&text, "theft_version", theft_version());
  add_field(&text, "scoring_version", scoring_version());
  add_field(&text, "cell", digest_of(cell->key_fields));
  add_field(&text, "libtorch", platform.libtorch);
  add_field(&text, "cpu_capability", platform.cpu_capability);
  Unit score = planner.make(Unit::Kind::kScore, text);
  score.after = std::move(after);
  planner.add(std::move(score));
}

size_t heist_units(const Suite& suite, const AttackSpec& spec, const std::vector<Attack>& attacks,
                   const RecordSets& sets) {
  const Extraction extraction = bind_entry(spec, spec.threat, attacks).extraction;
  const Audit audit = make_heist(suite, spec, extraction, sets);
  refuse_impossible(suite, spec, find_attack(attacks, spec.attack).info, extraction, audit);
  const size_t steals = audit.steals.size();
  const auto chunk = static_cast<size_t>(chunk_size(suite));
  const size_t chunks = (audit.records.size() + chunk - 1) / chunk;
  const size_t surrogates = extraction.surrogate ? steals : 0;
  const size_t replays = audit.benign == nullptr ? 0 : static_cast<size_t>(extraction.seeds);
  return steals + replays + (surrogates + 1) * chunks + (audit.transfer.empty() ? 0 : surrogates) +
         1;
}

}  // namespace assay
