#include "harness/run/outputs.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "harness/model/views.h"
#include "harness/run/stages.h"
#include "harness/run/unit_crashes.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

std::vector<RecordRef> records_of(const Plan& plan, const Unit& unit) {
  const std::vector<RecordRef>& all = plan.audits[unit.audit].records;
  return {all.begin() + unit.begin, all.begin() + unit.end};
}

// Logits of x as judge() gives them. Before each block it is asked whether to stop.
at::Tensor judge_blocks(const Model& model, const at::Tensor& x, const RunOptions& options) {
  std::vector<at::Tensor> parts;
  for (const at::Tensor& part : x.split(model.block())) {
    heed_stop(options);
    parts.push_back(model.judge(part).to(at::kDouble));
  }
  return at::cat(parts);
}

// Logits of x; NaN for a row that the candidate fails on.
at::Tensor candidate_logits(const Model& model, const at::Tensor& x, const Unit& unit,
                            const UnitCrashes& crashed, const RunOptions& options) {
  if (!crashed.any()) {
    try {
      return judge_blocks(model, x, options);
    } catch (const ModelFailure&) {
      // one row or several: each by itself
    }
  }
  at::Tensor logits = at::full({x.size(0), model.classes()}, NAN, at::kDouble);
  for (int64_t i = 0; i < x.size(0); ++i) {
    if (!crashed.reason(i).empty()) continue;
    heed_stop(options);
    try {
      const Working on_row(unit.key, i);
      logits[i].copy_(model.judge(x.narrow(0, i, 1))[0]);
    } catch (const ModelFailure&) {
      continue;
    }
  }
  return logits;
}

// Distances [n] to the boundary around rightly classified records; NaN where the candidate fails on
// a point of the search.
at::Tensor search_boundary(const Suite& suite, const Unit& unit, const std::vector<Attack>& attacks,
                           const Model& model, const Block& block, UnitResult* result) {
  const AttackSpec& spec = suite.attacks[unit.entry];
  const Inference inference = bind_entry(spec, spec.threat, attacks).inference;
  ThreatModel threat;
  threat.norm = Norm::kL2;
  threat.lo = suite.model.lo;
  threat.hi = suite.model.hi;
  threat.access = Access::kLabel;
  const Value entry = parse_yaml("queries: " + std::to_string(inference.boundary_queries), "");
  Params params(entry, {});
  const Bound bound = find_attack(attacks, kBoundaryAttack).bind(params, threat);
  Oracle oracle(model, threat, block, bound.budget.queries, bound.budget.gradients);
  bound.evade(oracle, block, Rng(suite.seed, kBoundaryAttack, 0));
  result->cost.forwards += oracle.queries().sum().item<int64_t>();
  // Where no boundary was met it is as far as the box is wide.
  const double most =
      (threat.hi - threat.lo) * std::sqrt(static_cast<double>(entries_of(suite.model.shape)));
  return oracle.best_distance().clamp_max(most).masked_fill(oracle.failed(), NAN);
}

}  // namespace

void heed_stop(const RunOptions& options) {
  const std::string reason = options.stop();
  if (!reason.empty()) throw Error(reason, ExitCode::kIncomplete);
}

std::string bytes_of(const at::Tensor& tensor) {
  const at::Tensor plain = tensor.contiguous();
  return {static_cast<const char*>(plain.const_data_ptr()), plain.nbytes()};
}

Model load_shadow(const Suite& suite, const std::string& blob, const Store& store) {
  const ModelFacts facts{.quantum = 4};
  return Model::load(suite.model, store.blob_file(blob), block_size(suite), suite.run.device,
                     &facts);
}

UnitResult run_outputs(const Suite& suite, const Plan& plan, const Unit& unit, const Model& model,
                       const ResultOf& result_of, const RunOptions& options, Store* store) {
  const Working on_unit(unit.key, -1);
  const UnitCrashes crashed(options.crashes, unit.key);
  UnitResult result;
  const at::Tensor x = view_of(read_records(records_of(plan, unit)).first, unit.view);
  if (unit.shadow < 0) {
    result.tensors = store->put_blob(bytes_of(candidate_logits(model, x, unit, crashed, options)));
    result.cost.forwards = x.size(0);
  } else if (const std::string blob =
                 unit.after.empty() ? store->put_blob(plan.audits[unit.audit].architecture->start())
                                    : result_of(unit.after.front()).tensors;
             !blob.empty()) {
    const Model shadow = load_shadow(suite, blob, *store);
    result.tensors = store->put_blob(bytes_of(judge_blocks(shadow, x, options)));
    result.cost.judged = x.size(0);
  }
  return result;
}

UnitResult run_boundary(const Suite& suite, const Plan& plan, const Unit& unit,
                        const std::vector<Attack>& attacks, const Model& model,
                        const RunOptions& options, Store* store) {
  const Working on_unit(unit.key, -1);
  const UnitCrashes crashed(options.crashes, unit.key);
  UnitResult result;
  const std::vector<RecordRef> records = records_of(plan, unit);
  const auto [x, labels] = read_records(records);
  const at::Tensor logits = candidate_logits(model, x, unit, crashed, options);
  const at::Tensor finite = logits.isfinite().all(1);
  at::Tensor distances =
      at::zeros({x.size(0)}, at::kDouble).masked_fill_(finite.logical_not(), NAN);
  Block block;
  block.x = x;
  block.y = labels;
  block.stop = &options.stop;
  for (const RecordRef& record : records) block.ids.push_back(hash64(record.info().digest));
  const at::Tensor right = logits.argmax(1).eq(labels).logical_and(finite);
  const auto search = [&](const std::vector<int64_t>& rows) {
    distances.index_copy_(
        0, at::tensor(rows, at::kLong),
        search_boundary(suite, unit, attacks, model, sub_block(block, rows), &result));
  };
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < x.size(0); ++i) {
    if (right[i].item<bool>()) rows.push_back(i);
  }
  bool by_row = crashed.any();
  try {
    if (!by_row && !rows.empty()) search(rows);
  } catch (const ModelFailure&) {
    by_row = true;
  }
  for (const int64_t row : by_row ? rows : std::vector<int64_t>{}) {
    distances[row].fill_(NAN);
    if (!crashed.reason(row).empty()) continue;
    try {
      const Working on_row(unit.key, row);
      search({row});
    } catch (const ModelFailure&) {
      continue;
    }
  }
  result.tensors = store->put_blob(bytes_of(distances));
  return result;
}

UnitResult run_features(const Suite& suite, const Plan& plan, const Unit& unit, Store* store) {
  UnitResult result;
  const at::Tensor x =
      read_records(records_of(plan, unit)).first.flatten(1).to(at::kDouble);  // [n, d]
  std::vector<uint64_t> directions(static_cast<size_t>(plan.audits[unit.audit].features));
  std::iota(directions.begin(), directions.end(), 0);
  const at::Tensor along = Rng(suite.seed, "features", 0).normal(directions, {x.size(1)}, 0, 0);
  result.tensors = store->put_blob(bytes_of(x.matmul(along.t())));
  return result;
}

}  // namespace assay
