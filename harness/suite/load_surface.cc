// An extraction entry's threat model: what the API answers, and to how many queries.
#include <algorithm>

#include "harness/suite/keys.h"
#include "harness/suite/load.h"
#include "harness/suite/pool.h"

namespace assay {
namespace {

using SurfaceKind = Surface::Kind;

SurfaceKind surface_kind(const Value& entry, const AttackInfo& info) {
  const Value* value = entry.find("surface");
  if (value == nullptr) return info.surfaces.front();
  std::vector<std::string> names;
  for (const SurfaceKind kind : info.surfaces) {
    if (to_string(kind) == value->scalar) return kind;
    names.emplace_back(to_string(kind));
  }
  throw Error(value->where, "attack `" + info.name + "` cannot work with `surface: " +
                                value->scalar + "`" + suggest("", names));
}

// A setting that says nothing on this surface is a mistake.
void refuse_idle(const Value& entry, const Surface& surface) {
  const auto refuse = [&](const char* key, bool idle, const std::string& cure) {
    const Value* value = idle ? entry.find(key) : nullptr;
    if (value == nullptr) return;
    throw Error(value->where, "`" + std::string(key) + "` says nothing with `surface: " +
                                  std::string(to_string(surface.kind)) + "`; " + cure);
  };
  refuse("top_k", surface.kind != SurfaceKind::kTopK, "say `surface: top_k`");
  refuse("decimals", surface.kind != SurfaceKind::kRounded, "say `surface: rounded`");
  // A label shows it only where noise falls on the probabilities behind it.
  const bool bare_label = surface.kind == SurfaceKind::kLabel && entry.find("noise") == nullptr;
  refuse("temperature", surface.kind == SurfaceKind::kLogits || bare_label,
         "it acts on probabilities");
}

}  // namespace

void load_surface(const Value& entry, const AttackInfo& info, const ModelSpec& model,
                  AttackSpec& spec) {
  ASSAY_CHECK(!info.surfaces.empty(), info.name + " declares no surface");
  Surface& surface = spec.threat.surface;
  surface.kind = surface_kind(entry, info);
  spec.threat.access = surface.kind == SurfaceKind::kLabel ? Access::kLabel : Access::kScore;
  refuse_idle(entry, surface);
  const auto number = [&entry](const char* key, double fallback) {
    const Value* value = entry.find(key);
    return value != nullptr ? as_number(*value, key, Limits{}) : fallback;
  };
  if (const Value* value = entry.find("top_k")) {
    surface.top_k = as_integer(*value, "top_k", Limits{});
    if (surface.top_k > model.classes) {
      throw Error(value->where, "`top_k` is " + value->scalar + ", and the model has " +
                                    std::to_string(model.classes) + " classes");
    }
  }
  surface.top_k = std::min(surface.top_k, model.classes);
  if (const Value* value = entry.find("decimals")) {
    surface.decimals = as_integer(*value, "decimals", Limits{});
  }
  surface.temperature = number("temperature", surface.temperature);
  surface.noise = number("noise", surface.noise);
}

void check_extraction(const Value& entry, const AttackInfo& info, const Suite& suite,
                      AttackSpec& spec) {
  spec.sets["test"] = "test";
  if (info.pool && spec.sets.count("pool") == 0) {
    throw Error(spec.where,
                "attack `" + info.name +
                    "` needs `pool`: a data set of records that it may send, or `noise`");
  }
  const auto pool = spec.sets.find("pool");
  if (pool != spec.sets.end() && pool->second == "test") {
    throw Error(spec.where,
                "`pool` is the data set `test`, on which the surrogate is measured; name another");
  }
  const auto strategy = spec.params.find("strategy");
  if (strategy != spec.params.end() && sends_noise(suite, spec) &&
      strategy->second == ParamValue(std::string("adaptive"))) {
    throw Error(entry.find("strategy")->where,
                "`strategy: adaptive` learns which classes of the pool are worth asking for, and "
                "`pool: noise` has none; say `strategy: random`, or name a data set");
  }
}

}  // namespace assay
