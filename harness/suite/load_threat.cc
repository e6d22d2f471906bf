// An evasion entry's threat model: norm, eps, goal and target.
#include <algorithm>
#include <cmath>

#include "harness/suite/keys.h"
#include "harness/suite/load.h"

namespace assay {
namespace {

Norm norm_of(const Value& entry, const AttackInfo& info) {
  std::vector<std::string> names;
  for (const Norm norm : info.norms) names.emplace_back(to_string(norm));
  const Value* value = entry.find("norm");
  if (value == nullptr) {
    if (info.norms.size() == 1) return info.norms[0];
    throw Error(entry.where, "attack `" + info.name + "` needs `norm`" + suggest("", names) +
                                 "; give it in the entry or in `defaults`");
  }
  for (const Norm norm : {Norm::kL0, Norm::kL1, Norm::kL2, Norm::kLinf}) {
    if (to_string(norm) != value->scalar) continue;
    const bool supported =
        std::find(info.norms.begin(), info.norms.end(), norm) != info.norms.end();
    if (supported || info.norms.empty()) return norm;
  }
  throw Error(value->where, "attack `" + info.name + "` does not support norm `" + value->scalar +
                                "`" + suggest("", names));
}

std::vector<AttackSpec::Eps> eps_of(const Value& entry, Norm norm) {
  std::vector<AttackSpec::Eps> radii;
  const Value* value = entry.find("eps");
  if (value == nullptr) return radii;
  const auto add = [&](const Value& item) {
    AttackSpec::Eps eps{0, item.scalar};
    ASSAY_CHECK(parse_number(item.scalar, &eps.number), "checked against its key");
    if (norm == Norm::kL0 && eps.number != std::trunc(eps.number)) {
      throw Error(item.where, "`eps` is `" + item.scalar +
                                  "`, expected a whole number: l0 counts changed entries");
    }
    for (const AttackSpec::Eps& other : radii) {
      if (other.number != eps.number) continue;
      throw Error(item.where,
                  "the same eps stands twice: `" + eps.text + "` equals `" + other.text + "`");
    }
    radii.push_back(std::move(eps));
  };
  if (value->is_list()) {
    for (const Value& item : value->list) add(item);
  } else {
    add(*value);
  }
  return radii;
}

Target target_of(const Value& value, const ModelSpec& model) {
  const std::string& text = value.scalar;
  if (text == "next") return {Target::Kind::kNext};
  if (text == "random") return {Target::Kind::kRandom};
  if (text == "least_likely") return {Target::Kind::kLeastLikely};
  const auto name = std::find(model.class_names.begin(), model.class_names.end(), text);
  if (name != model.class_names.end()) {
    return {Target::Kind::kLabel, name - model.class_names.begin()};
  }
  double label = 0;
  if (parse_number(text, &label) && label == std::trunc(label) && label >= 0 &&
      label < static_cast<double>(model.classes)) {
    return {Target::Kind::kLabel, static_cast<int64_t>(label)};
  }
  std::vector<std::string> allowed = {"next", "random", "least_likely"};
  allowed.insert(allowed.end(), model.class_names.begin(), model.class_names.end());
  throw Error(value.where, "`target` is `" + text + "`, and labels go from 0 to " +
                               std::to_string(model.classes - 1) + suggest(text, allowed));
}

void load_goal(const Value& entry, const AttackInfo& info, const ModelSpec& model,
               ThreatModel& threat) {
  const Value* goal = entry.find("goal");
  const Value* target = entry.find("target");
  if (goal == nullptr || goal->scalar != "targeted") {
    if (target != nullptr) throw Error(target->where, "`target` goes with `goal: targeted` only");
    return;
  }
  if (!info.targeted) {
    throw Error(goal->where, "attack `" + info.name + "` has no targeted goal; remove `goal`");
  }
  threat.goal = Goal::kTargeted;
  if (target != nullptr) threat.target = target_of(*target, model);
}

// The features that an attack may move, and how far.
void load_features(const Value& entry, const ModelSpec& model, ThreatModel& threat) {
  const int64_t d = entries_of(model.shape);
  if (const Value* fixed = entry.find("fixed")) {
    for (const Value& item : fixed->list) {
      const int64_t index = as_integer(item, "fixed", Limits{});
      if (index >= d) {
        throw Error(item.where, "`fixed` names feature " + std::to_string(index) +
                                    ", and `model.input.shape` has features 0 to " +
                                    std::to_string(d - 1));
      }
      threat.fixed.push_back(index);
    }
    std::sort(threat.fixed.begin(), threat.fixed.end());
    threat.fixed.erase(std::unique(threat.fixed.begin(), threat.fixed.end()), threat.fixed.end());
    if (static_cast<int64_t>(threat.fixed.size()) == d) {
      throw Error(fixed->where, "`fixed` leaves no feature to change");
    }
  }
  if (const Value* scale = entry.find("feature_scale")) {
    if (threat.norm != Norm::kLinf) {
      throw Error(scale->where, "`feature_scale` goes with norm linf; with `" +
                                    std::string(to_string(threat.norm)) +
                                    "`, `fixed` holds features still");
    }
    if (static_cast<int64_t>(scale->list.size()) != d) {
      throw Error(scale->where, "`feature_scale` has " + std::to_string(scale->list.size()) +
                                    " numbers, and `model.input.shape` has " + std::to_string(d) +
                                    " features");
    }
    for (const Value& item : scale->list) {
      threat.feature_scale.push_back(as_number(item, "feature_scale", Limits{}));
    }
    int64_t movable = 0;
    for (int64_t i = 0; i < d; ++i) {
      const bool held = std::binary_search(threat.fixed.begin(), threat.fixed.end(), i);
      movable += !held && threat.feature_scale[static_cast<size_t>(i)] > 0 ? 1 : 0;
    }
    if (movable == 0) {
      throw Error(scale->where,
                  "`feature_scale` leaves no feature to change: those that `fixed` "
                  "does not hold still need a share above 0");
    }
  }
  if (const Value* levels = entry.find("levels")) {
    threat.levels = as_integer(*levels, "levels", Limits{});
  }
}

// The file with the share of eps that each sample may use. Its shares are read with the samples.
void load_sample_scale(const Value& entry, const AttackInfo& info, AttackSpec& spec) {
  const Value* file = entry.find("sample_scale");
  if (file == nullptr) return;
  if (info.minimum_norm) {
    throw Error(file->where, "`sample_scale` scales the ball that an attack stays in, and `" +
                                 info.name +
                                 "` has none: it looks for the nearest point; remove it");
  }
  if (spec.eps.empty()) throw Error(file->where, "`sample_scale` needs `eps`, which it scales");
  spec.sample_scale = file->scalar;
}

}  // namespace

void load_threat(const Value& entry, const AttackInfo& info, const ModelSpec& model,
                 AttackSpec& spec) {
  load_goal(entry, info, model, spec.threat);
  if (spec.threat.unbounded) return load_features(entry, model, spec.threat);
  spec.threat.norm = norm_of(entry, info);
  const Value* scale = entry.find("feature_scale");
  if (scale != nullptr && info.minimum_norm) {
    throw Error(scale->where,
                "`feature_scale` gives shares of an eps that bounds the attack, and `" + info.name +
                    "` looks for the nearest point whatever eps; use `fixed`, or an "
                    "attack at a radius such as apgd or fab");
  }
  load_features(entry, model, spec.threat);
  spec.eps = eps_of(entry, spec.threat.norm);
  spec.eps_list = !spec.eps.empty() && entry.find("eps")->is_list();
  if (!spec.eps.empty() && !spec.eps_list) spec.threat.eps = spec.eps[0].number;
  const bool free = info.minimum_norm || info.norms.empty() || info.nearest_without_eps;
  if (spec.eps.empty() && !free) {
    throw Error(entry.where, "attack `" + info.name +
                                 "` needs `eps`: a radius in units of `model.input.range`, such as "
                                 "0.1 or 8/255");
  }
  if (spec.eps.empty() && !spec.threat.feature_scale.empty()) {
    throw Error(scale->where, "`feature_scale` needs `eps`, which it scales");
  }
  load_sample_scale(entry, info, spec);
}

const AttackInfo& find_attack(const std::string& name, const Where& where,
                              std::span<const AttackInfo> attacks) {
  std::vector<std::string> names;
  for (const AttackInfo& info : attacks) {
    if (info.name == name) return info;
    names.push_back(info.name);
  }
  const bool several = name.find("autoattack") != std::string::npos;
  throw Error(where, "unknown attack `" + name + "`" +
                         (several ? "; it is an `ensemble`, whose stages stand in "
                                    "configs/suites/autoattack-linf.yaml, -l2 and -l1"
                                  : suggest(name, names)));
}

}  // namespace assay
