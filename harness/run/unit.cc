#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "harness/run/chances.h"
#include "harness/run/judge.h"
#include "harness/run/outputs.h"
#include "harness/run/probes.h"
#include "harness/run/run.h"
#include "harness/run/stages.h"
#include "harness/run/supply.h"
#include "harness/run/unit_crashes.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

at::Tensor read_range(const Samples& samples, int64_t begin, int64_t end) {
  return samples.dataset->read(
      std::span(samples.indices)
          .subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
}

// Labels of clean inputs; a row whose forward fails by itself is the candidate's fault.
void run_clean(const Unit& unit, const Model& model, const at::Tensor& x,
               const UnitCrashes& crashes, UnitResult* result) {
  const auto label_rows = [&](const at::Tensor& part, int64_t first) {
    const Votes votes = model.vote(part);
    const at::Tensor labels = votes.labels();
    for (int64_t i = 0; i < part.size(0); ++i) {
      Verdict& row = result->rows[static_cast<size_t>(first + i)];
      if (votes.finite[i].item<bool>()) {
        row.clean = labels[i].item<int64_t>();
        continue;
      }
      blame("the model returned NaN or infinity for the clean input", &row);
    }
  };
  const auto label_each = [&] {
    for (int64_t i = 0; i < x.size(0); ++i) {
      Verdict& row = result->rows[static_cast<size_t>(i)];
      const std::string reason = crashes.reason(i);
      if (!reason.empty()) {
        blame(reason, &row);
        continue;
      }
      try {
        const Working on_row(unit.key, i);
        label_rows(x.narrow(0, i, 1), i);
      } catch (const ModelFailure& failure) {
        blame(failure.what(), &row);
      }
    }
  };
  if (crashes.any()) {
    label_each();
  } else {
    try {
      label_rows(x, 0);
    } catch (const ModelFailure&) {
      label_each();
    }
  }
  result->cost.judged += x.size(0);
}

// How widely features are spread over the run's samples, not the unit's: in every shard the same.
// First for steps around a sample, then for the way to another label.
std::pair<at::Tensor, at::Tensor> measure(const Header& header, const Samples& samples,
                                          const ModelSpec& spec) {
  std::vector<int64_t> indices;
  for (const int64_t sample : choose_measured(header.samples, spec.shape)) {
    indices.push_back(samples.indices[static_cast<size_t>(sample)]);
  }
  const at::Tensor x = samples.dataset->read(indices);
  const at::Tensor widths = feature_widths(spec, x);
  return {widths, way_widths(widths, x)};
}

// Looks around the probes that are rightly classified, several at a time as far as the unit's own
// size goes, one by one where the model fails. A probe at whose side it fails is unstable.
void look_around(const Suite& suite, const Header& header, const Unit& unit, const Samples& samples,
                 const Model& model, const at::Tensor& x, const UnitCrashes& crashes,
                 UnitResult* result) {
  const Rng rng(suite.seed, "neighbourhood", 0);
  std::vector<int64_t> probes, labels;
  std::vector<uint64_t> ids;
  for (const int64_t probe : unit.probes) {
    const SampleInfo& sample = header.samples[static_cast<size_t>(unit.begin + probe)];
    if (result->rows[static_cast<size_t>(probe)].clean != sample.label) continue;
    probes.push_back(probe);
    labels.push_back(sample.label);
    ids.push_back(hash64(sample.id));
  }
  if (probes.empty()) return;
  const std::pair<at::Tensor, at::Tensor> widths = measure(header, samples, model.spec());
  const bool steep = model.facts().gradient && !model.facts().random;
  const auto look = [&](size_t first, size_t count) {
    const auto some = static_cast<int64_t>(count);
    const at::Tensor rows = x.index_select(
        0, at::tensor(std::vector(probes.begin() + static_cast<int64_t>(first),
                                  probes.begin() + static_cast<int64_t>(first + count))));
    const auto y = std::span(labels).subspan(first, count);
    const auto of = std::span(ids).subspan(first, count);
    Diagnosis seen;
    result->cost.judged += some * (kLookedAt + 2);
    seen.unstable = count_unstable(model, rows, y, of, widths.first, rng);
    if (!steep) return seen;
    result->cost.judged += some * kApproachedBy;
    try {
      const Approaches approaches = count_cliffs(model, rows, y, of, widths.second, rng);
      seen.approached = approaches.approached;
      seen.cliffs = approaches.cliffs;
    } catch (const ModelFailure&) {
      if (count > 1) throw;  // one by one
      // Somewhere far: nothing is known of the way.
    }
    return seen;
  };
  const auto look_each = [&](size_t first, size_t count) {
    Diagnosis seen;
    for (size_t i = first; i < first + count; ++i) {
      const Working on_row(unit.key, probes[i]);
      try {
        seen += look(i, 1);
      } catch (const ModelFailure&) {
        ++seen.unstable;
      }
    }
    return seen;
  };
  const auto together = static_cast<size_t>(std::max<int64_t>(1, x.size(0) / kLookedAt));
  for (size_t first = 0; first < probes.size(); first += together) {
    const size_t count = std::min(together, probes.size() - first);
    try {
      result->diagnosis += crashes.any() ? look_each(first, count) : look(first, count);
    } catch (const ModelFailure&) {
      result->diagnosis += look_each(first, count);
    }
  }
  result->diagnosis.surrounded += static_cast<int64_t>(probes.size());
}

// The rows of a unit that an attack is to work on.
struct Chosen {
  std::vector<int64_t> rows;     // positions in the unit
  std::vector<int64_t> labels;   // their true labels
  std::vector<int64_t> targets;  // targeted goals
};

int64_t target_of(const ThreatModel& threat, const Rng& rng, uint64_t id, int64_t label,
                  int64_t classes, const at::Tensor& clean_logits) {
  switch (threat.target.kind) {
    case Target::Kind::kNext:
      return (label + 1) % classes;
    case Target::Kind::kRandom: {
      const double u = rng.uniform(id, 0, 0);
      const auto offset = static_cast<int64_t>(u * static_cast<double>(classes - 1));
      return (label + 1 + std::min(offset, classes - 2)) % classes;
    }
    case Target::Kind::kLeastLikely:
      return clean_logits.argmin().item<int64_t>();
    default:
      return threat.target.label;
  }
}

// Fills in what is known without an attack, and picks the rows that need one.
Chosen choose_rows(const Suite& suite, const Header& header, const Unit& unit,
                   const ThreatModel& threat, const Model& model, const at::Tensor& x,
                   const std::vector<int64_t>& clean, std::vector<Verdict>* rows) {
  Chosen chosen;
  const Rng rng(suite.seed, "target", 0);
  const bool needs_logits =
      threat.goal == Goal::kTargeted && threat.target.kind == Target::Kind::kLeastLikely;
  for (size_t i = 0; i < rows->size(); ++i) {
    Verdict& row = (*rows)[i];
    const SampleInfo& sample = header.samples[static_cast<size_t>(unit.begin) + i];
    row.clean = clean[i];
    if (row.clean < 0) {
      blame("the model failed on the clean input", &row);
      continue;
    }
    if (row.clean != sample.label) {
      row.status = Status::kMisclassified;
      continue;
    }
    if (threat.goal == Goal::kTargeted) {
      const auto position = static_cast<int64_t>(i);
      const int64_t target =
          target_of(threat, rng, hash64(sample.id), sample.label, model.classes(),
                    needs_logits ? model.judge(x.narrow(0, position, 1))[0] : at::Tensor());
      if (target == sample.label) continue;
      chosen.targets.push_back(target);
    }
    chosen.rows.push_back(static_cast<int64_t>(i));
    chosen.labels.push_back(sample.label);
  }
  return chosen;
}

Block make_block(const at::Tensor& x, const Chosen& chosen, const Header& header,
                 const Unit& unit) {
  Block block;
  block.x = x.index_select(0, at::tensor(chosen.rows, at::kLong)).contiguous();
  block.y = at::tensor(chosen.labels, at::kLong);
  if (!chosen.targets.empty()) block.target = at::tensor(chosen.targets, at::kLong);
  for (const int64_t row : chosen.rows) {
    block.ids.push_back(hash64(header.samples[static_cast<size_t>(unit.begin + row)].id));
  }
  return block;
}

// Attacks a block; after a crash of this unit row by row. `rows` are the block's positions in the
// unit.
JudgedBlock attack_rows(const std::vector<Task>& tasks, const Block& block,
                        const std::vector<int64_t>& rows, const Unit& unit,
                        const UnitCrashes& crashed, Cost* cost) {
  if (!crashed.any()) return attack_in_stages(tasks, block, cost);
  return row_by_row(block, [&](int64_t i) {
    const int64_t row = rows[static_cast<size_t>(i)];
    const std::string reason = crashed.reason(row);
    if (!reason.empty()) return fault_of_row(block, reason);
    const Working on_row(unit.key, row);
    return attack_in_stages(tasks, sub_block(block, {i}), cost);
  });
}

// Attacks the chosen rows, each in its own ball: those of one share of eps together, since rows do
// not influence each other.
JudgedBlock attack_chosen(const Suite& suite, const Unit& unit, const std::vector<Attack>& attacks,
                          const Model& model, const Supplies& supplies, const Chosen& chosen,
                          const Block& block, const UnitCrashes& crashed, Cost* cost) {
  const std::vector<double>& scale = unit.sample_scale;
  const auto share_of = [&](int64_t row) {
    return scale.empty() ? 1 : scale[static_cast<size_t>(row)];
  };
  std::map<double, std::vector<int64_t>> by_share;
  for (size_t i = 0; i < chosen.rows.size(); ++i) {
    by_share[share_of(chosen.rows[i])].push_back(static_cast<int64_t>(i));
  }
  std::vector<std::vector<int64_t>> parts;
  for (const auto& [share, part] : by_share) parts.push_back(part);
  return in_parts(block.size(), parts, [&](const std::vector<int64_t>& part) {
    std::vector<int64_t> rows;
    for (const int64_t i : part) rows.push_back(chosen.rows[static_cast<size_t>(i)]);
    const std::vector<Task> tasks =
        make_tasks(suite, unit, share_of(rows[0]), attacks, model, supplies);
    return attack_rows(tasks, sub_block(block, part), rows, unit, crashed, cost);
  });
}

// A source that took the process down is a user's to replace, as one that does not load is.
void refuse_crashed_source(const std::vector<Crash>& crashes, const AttackSpec& entry,
                           const Unit& unit) {
  const auto found = std::find_if(crashes.begin(), crashes.end(), [&unit](const Crash& crash) {
    return crash.of_source && crash.work == unit.key;
  });
  if (found == crashes.end()) return;
  std::set<std::string> sources = {entry.source};
  for (const AttackSpec& stage : entry.stages) sources.insert(stage.source);
  std::string names;
  for (const std::string& source : sources) {
    if (source.empty()) continue;
    names += (names.empty() ? "" : " or ") + source;
  }
  throw Error("source: " + names + " crashed the process (" + found->signal + ") in cell " +
              unit.cell + "; name another model");
}

Supplies gather(const Suite& suite, const Header& header, const Unit& unit,
                const std::function<const UnitResult&(const std::string&)>& result_of,
                const RunOptions& options, const Store& store) {
  Supplies supplies{options.sources, {}, {}, "", store, header, {}, options.stop};
  for (const auto& [name, key] : unit.sources) {
    const UnitResult& result = result_of(key);
    supplies.results[name] = &result;
    if (!result.extracted) continue;
    if (result.tensors.empty()) {
      supplies.lost = "the model failed while `" + name +
                      "` was stolen from it: " + result.extracted->stolen.front().failure;
      continue;
    }
    supplies.stolen[name] =
        std::make_shared<const Model>(load_shadow(suite, result.tensors, store));
  }
  for (int64_t i = unit.begin; i < unit.end; ++i) {
    supplies.samples[hash64(header.samples[static_cast<size_t>(i)].id)] = i;
  }
  return supplies;
}

// Of the `places` in the block those that some random point of the task's ball breaks.
std::vector<int64_t> breakable(const Task& task, const Block& block,
                               const std::vector<int64_t>& places, UnitResult* result) {
  if (places.empty()) return {};
  constexpr uint64_t kStage = (uint64_t{1} << 32) + 1;  // no attack's
  const at::Tensor broken =
      broken_by_chance(task.model, task.threat, sub_block(block, places), task.rng.stage(kStage))
          .success;
  std::vector<int64_t> found;
  for (size_t i = 0; i < places.size(); ++i) {
    if (broken.const_data_ptr<bool>()[i]) found.push_back(places[i]);
  }
  result->cost.judged += kChances * static_cast<int64_t>(places.size());
  return found;
}

// Attacks the probes among the chosen rows once more, in the whole box. What it costs is the
// harness's own, not the attack's.
void attack_in_whole_box(const std::vector<Task>& tasks, const Unit& unit, const Chosen& chosen,
                         const Block& block, const UnitCrashes& crashed, UnitResult* result) {
  std::vector<int64_t> places, rows;
  for (size_t i = 0; i < chosen.rows.size(); ++i) {
    if (!std::binary_search(unit.probes.begin(), unit.probes.end(), chosen.rows[i])) continue;
    places.push_back(static_cast<int64_t>(i));
    rows.push_back(chosen.rows[i]);
  }
  if (tasks.empty() || places.empty()) return;
  Cost cost;
  const JudgedBlock judged =
      attack_rows(tasks, sub_block(block, places), rows, unit, crashed, &cost);
  std::vector<int64_t> standing;
  for (size_t i = 0; i < judged.rows.size(); ++i) {
    if (judged.rows[i].status == Status::kRobust) standing.push_back(places[i]);
  }
  const ThreatModel& threat = tasks.front().threat;
  if (!threat.fixed.empty() || threat.levels > 0) {
    standing = breakable(tasks.front(), block, standing, result);
  }
  result->diagnosis.boxed += static_cast<int64_t>(judged.rows.size());
  result->diagnosis.withstood += static_cast<int64_t>(standing.size());
  result->cost.judged += cost.forwards + cost.judged;
}

// Of a minimum-norm attack that need not break every sample: the box is its ball, and those that it
// left standing there should break where random points do.
void count_missed(const JudgedBlock& judged, UnitResult* result) {
  for (size_t i = 0; i < judged.rows.size(); ++i) {
    const bool stands = judged.rows[i].status == Status::kRobust;
    ++result->diagnosis.boxed;
    result->diagnosis.withstood += stands && std::isfinite(judged.signs[i].missed_at);
  }
}

}  // namespace

UnitResult run_unit(const Suite& suite, const Plan& plan, const Unit& unit, const Samples& samples,
                    const std::vector<Attack>& attacks, const Model& model,
                    const std::function<const UnitResult&(const std::string&)>& result_of,
                    const RunOptions& options, Store* store) {
  const Working on_unit(unit.key, -1);
  const UnitCrashes crashed(options.crashes, unit.key);
  UnitResult result;
  result.rows.resize(static_cast<size_t>(unit.end - unit.begin));
  for (size_t i = 0; i < result.rows.size(); ++i) {
    result.rows[i].sample = unit.begin + static_cast<int64_t>(i);
  }
  const at::Tensor x = read_range(samples, unit.begin, unit.end);
  if (unit.kind == Unit::Kind::kClean) {
    run_clean(unit, model, x, crashed, &result);
    look_around(suite, plan.header, unit, samples, model, x, crashed, &result);
    return result;
  }
  refuse_crashed_source(options.crashes, suite.attacks[unit.entry], unit);
  const Supplies supplies = gather(suite, plan.header, unit, result_of, options, *store);
  std::vector<int64_t> clean;
  for (const Verdict& row : result_of(unit.after.front()).rows) clean.push_back(row.clean);
  const Chosen chosen = choose_rows(suite, plan.header, unit, suite.attacks[unit.entry].threat,
                                    model, x, clean, &result.rows);
  if (!supplies.lost.empty()) {
    for (const int64_t row : chosen.rows) {
      blame(supplies.lost, &result.rows[static_cast<size_t>(row)]);
    }
  } else if (!chosen.rows.empty()) {
    const Block block = make_block(x, chosen, plan.header, unit);
    const JudgedBlock judged =
        attack_chosen(suite, unit, attacks, model, supplies, chosen, block, crashed, &result.cost);
    const bool nearest = !unit.eps && !suite.attacks[unit.entry].threat.unbounded;
    result.diagnosis = diagnosis_of(judged, nearest);
    attack_in_whole_box(whole_box_tasks(suite, unit, attacks, model, supplies), unit, chosen, block,
                        crashed, &result);
    if (nearest && may_survive_box(suite.attacks[unit.entry].threat)) count_missed(judged, &result);
    std::string blob;
    if (judged.adversarials.size(0) > 0) blob = store->put_blob(bytes_of(judged.adversarials));
    for (size_t i = 0; i < judged.rows.size(); ++i) {
      Verdict& row = result.rows[static_cast<size_t>(chosen.rows[i])];
      const Verdict before = row;
      row = judged.rows[i];
      row.sample = before.sample;
      row.clean = before.clean;
      if (row.tensor_row >= 0) row.tensors = blob;
    }
  }
  return result;
}

}  // namespace assay
