// attacks: entries with defaults merged in and parameters bound; cells.
#include <algorithm>
#include <set>

#include "harness/suite/keys.h"
#include "harness/suite/load.h"
#include "harness/suite/pool.h"

namespace assay {
namespace {

// What all entries are read against. `used` and `takes` collect, over the entries, the defaults
// that some entry takes and the keys that any entry would.
struct Context {
  const Suite& suite;
  std::span<const AttackInfo> attacks;
  const Value* defaults = nullptr;
  std::set<std::string> used;
  std::set<std::string> takes;
};

// Keys that identify an entry and are never merged into it.
bool is_own(const std::string& key) { return key == "name" || key == "attack" || key == "stages"; }

void merge_defaults(Value& entry, const std::vector<std::string>& takes, Context& context) {
  context.takes.insert(takes.begin(), takes.end());
  if (context.defaults == nullptr) return;
  for (const auto& [key, value] : context.defaults->map) {
    if (std::find(takes.begin(), takes.end(), key.scalar) == takes.end()) continue;
    context.used.insert(key.scalar);
    if (entry.find(key.scalar) != nullptr) continue;
    entry.map.emplace_back(key, value);
    entry.map.back().first.inherited = true;
  }
}

// The names of an attack's parameters. A fault in declaring stops early here and is told, with its
// place, when the entry itself is bound.
std::vector<std::string> parameter_names(const AttackInfo& info, const ThreatModel& threat) {
  Params params;
  try {
    if (info.declare) info.declare(params, threat);
  } catch (const Error&) {
  }
  std::vector<std::string> names;
  for (const ParamSpec& spec : params.specs()) names.push_back(spec.name);
  return names;
}

// Binds the parameters once for every radius they will meet, so that a fault at any of them is told
// before a model loads.
void bind_params(Value& entry, const AttackInfo& info, const std::vector<std::string>& taken,
                 AttackSpec& spec) {
  std::vector<ThreatModel> threats(1, spec.threat);
  if (spec.eps_list && !info.minimum_norm) {
    threats.assign(spec.eps.size(), spec.threat);
    for (size_t i = 0; i < threats.size(); ++i) threats[i].eps = spec.eps[i].number;
  }
  for (size_t i = 0; i < threats.size(); ++i) {
    Params params(entry, taken);
    if (info.declare) info.declare(params, threats[i]);
    params.finish();
    if (i > 0) continue;
    spec.params = params.values();
    for (const ParamSpec& declared : params.specs()) {
      const bool text =
          declared.type == ParamSpec::Type::kText || declared.type == ParamSpec::Type::kChoice;
      if (Value* value = text ? entry.find(declared.name) : nullptr) value->quoted = true;
    }
  }
}

// Throws Error unless inputs are images, which `what` needs.
void expect_images(const Suite& suite, const Where& where, const std::string& what,
                   const std::string& cure) {
  const std::vector<int64_t>& shape = suite.model.shape;
  if (shape.size() == 3) return;
  std::string found;
  for (const int64_t size : shape) found += (found.empty() ? "" : ", ") + std::to_string(size);
  throw Error(where, what +
                         " needs images [channels, height, width], and `model.input.shape` is [" +
                         found + "]; " + cure);
}

// Attacks on images move pixels to where their neighbours are.
void require_images(const AttackInfo& info, const Suite& suite, const Where& where) {
  if (!info.images) return;
  expect_images(suite, where, "attack `" + info.name + "`", "`noise` suits inputs of any shape");
}

// So do views of a record, mirrored and moved: of what is no image there is one.
void settle_views(Value& entry, const std::vector<std::string>& names, const Suite& suite) {
  if (suite.model.shape.size() == 3) return;
  if (std::find(names.begin(), names.end(), "views") == names.end()) return;
  const Value* views = entry.find("views");
  if (views != nullptr && as_integer(*views, "views", Limits{}) != 1) {
    expect_images(suite, views->where, "`views: " + views->scalar + "`", "say `views: 1`");
  }
  if (views != nullptr) return;
  Value one;
  one.kind = Value::Kind::kScalar;
  one.scalar = "1";
  one.where = entry.where;
  entry.set("views", std::move(one));
  entry.map.back().first.inherited = true;
}

// Whether an entry's points are bounded by the box alone. Those of an ensemble are if those of its
// stages are; it cannot have both kinds. Stages that are no attacks are told of later.
bool is_unbounded(const Value& entry, const AttackInfo& info, const Context& context) {
  const Value* stages = info.name == "ensemble" ? entry.find("stages") : nullptr;
  if (stages == nullptr || !stages->is_list()) return info.unbounded;
  const AttackInfo* first = nullptr;
  for (const Value& stage : stages->list) {
    const Value* attack = stage.is_map() ? stage.find("attack") : nullptr;
    const auto found = std::find_if(
        context.attacks.begin(), context.attacks.end(),
        [&](const AttackInfo& other) { return attack && other.name == attack->scalar; });
    if (found == context.attacks.end()) continue;
    if (first == nullptr) first = &*found;
    if (found->unbounded == first->unbounded) continue;
    const std::string& own = found->unbounded ? found->name : first->name;
    const std::string& bounded = found->unbounded ? first->name : found->name;
    throw Error(attack->where, "stages cannot mix `" + own +
                                   "`, which has a perturbation set of its own, with `" + bounded +
                                   "`, which norm and eps bound; give each an entry of its own");
  }
  return first != nullptr && first->unbounded;
}

// An entry without bounds takes none of its own, and leaves those in `defaults` to others.
void refuse_bounds(const Value& entry, const AttackSpec& spec, Context& context) {
  for (const char* name : {"norm", "eps"}) {
    if (context.defaults != nullptr && context.defaults->find(name) != nullptr) {
      context.used.insert(name);
    }
    for (const auto& [key, ignored] : entry.map) {
      if (key.scalar != name) continue;
      throw Error(key.where, "attack `" + spec.attack +
                                 "` has a perturbation set of its own, which `" + key.scalar +
                                 "` does not bound; remove it");
    }
  }
}

void load_stage(Value& value, const AttackSpec& parent, Context& context, AttackSpec& stage) {
  check_known(value, stage_keys(), "a stage of `" + parent.name + "`");
  const Value& attack = *value.find("attack");
  const AttackInfo& info = find_attack(attack.scalar, attack.where, context.attacks);
  if (info.family != Family::kEvasion || info.name == "ensemble") {
    throw Error(attack.where, "`" + info.name + "` cannot be a stage; stages are evasion attacks");
  }
  for (const auto& [key, ignored] : value.map) {
    for (const char* inherited : {"norm", "eps", "sample_scale", "goal", "target"}) {
      if (key.scalar != inherited) continue;
      throw Error(key.where, "a stage inherits `" + key.scalar + "` from its ensemble; move it up");
    }
  }
  const auto& norms = info.norms;
  if (!norms.empty() && std::find(norms.begin(), norms.end(), parent.threat.norm) == norms.end()) {
    throw Error(attack.where, "attack `" + info.name + "` does not support the ensemble's norm `" +
                                  std::string(to_string(parent.threat.norm)) + "`");
  }
  if (parent.threat.goal == Goal::kTargeted && !info.targeted) {
    throw Error(attack.where,
                "attack `" + info.name + "` has no targeted goal, as the ensemble has");
  }
  require_images(info, context.suite, attack.where);
  stage.attack = info.name;
  stage.family = info.family;
  stage.threat = parent.threat;
  stage.threat.access = info.access;
  stage.eps = parent.eps;
  stage.eps_list = parent.eps_list;
  stage.where = value.where;
  merge_defaults(value, parameter_names(info, stage.threat), context);
  bind_params(value, info, names_of(stage_keys()), stage);
  stage.entry = value;
}

void load_stages(Value& list, Context& context, AttackSpec& spec) {
  std::set<std::string> names;
  for (Value& value : list.list) {
    AttackSpec stage;
    load_stage(value, spec, context, stage);
    const Value* name = value.find("name");
    stage.name = name != nullptr ? name->scalar : stage.attack;
    for (int n = 2; name == nullptr && names.count(stage.name) > 0; ++n) {
      stage.name = stage.attack + "_" + std::to_string(n);
    }
    if (!names.insert(stage.name).second) {
      throw Error(name->where, "two stages are named `" + stage.name + "`");
    }
    spec.stages.push_back(std::move(stage));
  }
}

void load_sets(const Value& entry, const Suite& suite, AttackSpec& spec) {
  std::vector<std::string> known;
  for (const auto& [name, data] : suite.data) known.push_back(name);
  for (const char* role : {"members", "non_members", "pool"}) {
    const Value* value = entry.find(role);
    if (value == nullptr) continue;
    const bool noise = spec.family == Family::kExtraction && value->scalar == kNoisePool;
    if (suite.data.count(value->scalar) == 0 && !noise) {
      throw Error(value->where, "`" + std::string(role) + "` names no data set: `" + value->scalar +
                                    "`" + suggest(value->scalar, known));
    }
    for (const auto& [other, name] : spec.sets) {
      if (name != value->scalar) continue;
      throw Error(value->where, "`" + std::string(role) + "` and `" + other +
                                    "` are the same data set `" + name + "`");
    }
    spec.sets[role] = value->scalar;
  }
  if (const Value* count = entry.find("count")) spec.count = as_integer(*count, "count", Limits{});
}

// Settings of the audit itself, which stand among the parameters of every membership entry.
void load_audit(const Value& entry, const AttackInfo& info, AttackSpec& spec) {
  const auto text = [&entry](const char* key, const char* fallback) {
    const Value* value = entry.find(key);
    return value != nullptr ? value->scalar : std::string(fallback);
  };
  const Value* delta = entry.find("delta");
  spec.params["delta"] = delta != nullptr ? as_number(*delta, "delta", Limits{}) : 1e-5;
  spec.params["estimator"] = text("estimator", "bonferroni");
  spec.params["inclusion"] = text("inclusion", "fixed");
  const Value* count = entry.find("count");
  if (count != nullptr && spec.params["estimator"] == ParamValue(std::string("one_run"))) {
    throw Error(count->where,
                "`count: " + count->scalar +
                    "` draws as many members as non-members, and `estimator: one_run` holds only "
                    "where a coin decided for each record; remove it, or take another estimator");
  }
  const auto mode = spec.params.find("mode");
  const bool online =
      mode != spec.params.end() && mode->second == ParamValue(std::string("online"));
  const auto shadows = spec.params.find("shadows");
  const bool trains = shadows != spec.params.end() && shadows->second != ParamValue(int64_t{0});
  const auto references = spec.params.find("references");
  const bool stolen =
      references != spec.params.end() && references->second != ParamValue(std::string());
  const bool needed = online ? info.population : (info.pool || trains) && !stolen;
  if (needed && spec.sets.count("pool") == 0) {
    throw Error(spec.where, "attack `" + info.name + "` needs `pool`: a data set of records that " +
                                "the model has not seen, apart from members and non_members");
  }
}

void require_test(const Suite& suite, const AttackSpec& spec) {
  if (spec.family == Family::kMembership || suite.data.count("test") > 0) return;
  throw Error(spec.where, "attack `" + spec.attack +
                              "` needs the data set `test`; add `data: { test: "
                              "{ format: …, … } }`");
}

AttackSpec load_entry(Value& entry, Context& context) {
  check_known(entry, entry_head_keys(), "an attack entry");
  AttackSpec spec;
  spec.name = entry.find("name")->scalar;
  const Value& attack = *entry.find("attack");
  const AttackInfo& info = find_attack(attack.scalar, attack.where, context.attacks);
  spec.attack = info.name;
  spec.family = info.family;
  spec.where = entry.where;
  spec.threat.lo = context.suite.model.lo;
  spec.threat.hi = context.suite.model.hi;
  spec.threat.access = info.access;

  const bool ensemble = info.name == "ensemble";
  require_images(info, context.suite, attack.where);
  spec.threat.unbounded = is_unbounded(entry, info, context);
  if (spec.threat.unbounded) refuse_bounds(entry, spec, context);
  const std::vector<Key> keys = entry_keys(info.family, ensemble, spec.threat.unbounded);
  std::vector<std::string> mergeable;
  for (const Key& key : keys) {
    if (!is_own(key.name)) mergeable.push_back(key.name);
  }
  merge_defaults(entry, mergeable, context);
  check_known(entry, keys, "attack entry `" + spec.name + "`");
  if (info.family == Family::kEvasion) load_threat(entry, info, context.suite.model, spec);
  if (info.family == Family::kExtraction) load_surface(entry, info, context.suite.model, spec);
  load_sets(entry, context.suite, spec);
  require_test(context.suite, spec);
  const std::vector<std::string> parameters = parameter_names(info, spec.threat);
  merge_defaults(entry, parameters, context);
  if (info.family == Family::kMembership) settle_views(entry, parameters, context.suite);
  bind_params(entry, info, names_of(keys), spec);
  if (info.family == Family::kMembership) load_audit(entry, info, spec);
  if (info.family == Family::kExtraction) check_extraction(entry, info, context.suite, spec);
  if (ensemble) load_stages(*entry.find("stages"), context, spec);
  spec.entry = entry;
  return spec;
}

void refuse_unused_defaults(const Context& context) {
  if (context.defaults == nullptr) return;
  const std::vector<std::string> takes(context.takes.begin(), context.takes.end());
  for (const auto& [key, value] : context.defaults->map) {
    if (context.used.count(key.scalar) > 0) continue;
    throw Error(key.where,
                "no attack of this suite takes `" + key.scalar + "`" + suggest(key.scalar, takes));
  }
}

void check_defaults(const Value& defaults) {
  for (const auto& [key, value] : defaults.map) {
    if (is_own(key.scalar)) {
      throw Error(key.where, "`" + key.scalar + "` belongs to each entry and has no default");
    }
    if (value.is_null()) {
      throw Error(key.where, "`" + key.scalar + "` is empty; give it a value or remove the key");
    }
  }
}

}  // namespace

Params params_of(const AttackSpec& spec) {
  std::vector<std::string> taken;
  for (const Key& key : entry_keys(spec.family, true, false)) taken.push_back(key.name);
  return Params(spec.entry, std::move(taken));
}

std::vector<AttackSpec> load_attacks(Value& root, const Suite& suite,
                                     std::span<const AttackInfo> attacks) {
  Context context{suite, attacks, root.find("defaults"), {}, {}};
  if (context.defaults != nullptr) check_defaults(*context.defaults);
  std::vector<AttackSpec> specs;
  std::map<std::string, Where> places;
  for (Value& entry : root.find("attacks")->list) {
    specs.push_back(load_entry(entry, context));
    const Where& where = entry.find("name")->where;
    const auto [first, fresh] = places.emplace(specs.back().name, where);
    if (!fresh) {
      throw Error(where, "two entries are named `" + specs.back().name + "`; the first in line " +
                             std::to_string(first->second.line));
    }
  }
  refuse_unused_defaults(context);
  link_sources(specs);
  return specs;
}

std::vector<Cell> make_cells(const std::vector<AttackSpec>& attacks) {
  std::vector<Cell> cells;
  for (size_t i = 0; i < attacks.size(); ++i) {
    const AttackSpec& spec = attacks[i];
    if (!spec.eps_list) {
      cells.push_back({spec.name, i, spec.threat.eps});
      continue;
    }
    for (const AttackSpec::Eps& eps : spec.eps) {
      cells.push_back({spec.name + "@" + eps.text, i, eps.number});
    }
  }
  return cells;
}

}  // namespace assay
