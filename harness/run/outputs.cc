#include "harness/run/outputs.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "harness/model/views.h"
#include "harness/run/unit_crashes.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<RecordRef> records_of(const Plan& plan, const Unit& unit) {
  const std::vector<RecordRef>& all = plan.audits[unit.audit].records;
  return {all.begin() + unit.begin, all.begin() + unit.end};
}

std::string bytes_of(const at::Tensor& tensor) {
  const at::Tensor plain = tensor.contiguous();
  return {static_cast<const char*>(plain.const_data_ptr()), plain.nbytes()};
}

// Logits of x; NaN for a row that the candidate fails on.
at::Tensor candidate_logits(const Model& model, const at::Tensor& x, const Unit& unit,
                            const UnitCrashes& crashed) {
  if (!crashed.any()) {
    try {
      return model.judge(x).to(at::kDouble);
    } catch (const ModelFailure&) {
      // one row or several: each by itself
    }
  }
  at::Tensor logits = at::full({x.size(0), model.classes()}, NAN, at::kDouble);
  for (int64_t i = 0; i < x.size(0); ++i) {
    if (!crashed.reason(i).empty()) continue;
    try {
      const Working on_row(unit.key, i);
      logits[i].copy_(model.judge(x.narrow(0, i, 1))[0]);
    } catch (const ModelFailure&) {
      continue;
    }
  }
  return logits;
}

// A shadow as a model. Its outputs have units of fixed content, so that no padding is called for
// beyond what suits every kernel.
Model load_shadow(const Suite& suite, const std::string& blob, const Store& store) {
  const ModelFacts facts{.quantum = 4};
  return Model::load(suite.model, store.blob_file(blob), block_size(suite), suite.run.device,
                     &facts);
}

}  // namespace

UnitResult run_outputs(const Suite& suite, const Plan& plan, const Unit& unit, const Model& model,
                       const ResultOf& result_of, const RunOptions& options, Store* store) {
  const Working on_unit(unit.key, -1);
  const UnitCrashes crashed(options.crashes, unit.key);
  const Clock::time_point start = Clock::now();
  UnitResult result;
  result.key = unit.key;
  result.cell = unit.cell;
  const at::Tensor x = view_of(read_records(records_of(plan, unit)).first, unit.view);
  if (unit.shadow < 0) {
    result.tensors = store->put_blob(bytes_of(candidate_logits(model, x, unit, crashed)));
    result.cost.forwards = x.size(0);
  } else {
    const Model shadow = load_shadow(suite, result_of(unit.after.front()).tensors, *store);
    result.tensors = store->put_blob(bytes_of(shadow.judge(x).to(at::kDouble)));
    result.cost.judged = x.size(0);
  }
  result.cost.time_s = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

UnitResult run_boundary(const Suite& suite, const Plan& plan, const Unit& unit,
                        const std::vector<Attack>& attacks, const Model& model,
                        const RunOptions& options, Store* store) {
  const Working on_unit(unit.key, -1);
  const UnitCrashes crashed(options.crashes, unit.key);
  const Clock::time_point start = Clock::now();
  UnitResult result;
  result.key = unit.key;
  result.cell = unit.cell;
  const std::vector<RecordRef> records = records_of(plan, unit);
  const auto [x, labels] = read_records(records);
  at::Tensor distances = at::zeros({x.size(0)}, at::kDouble);
  const at::Tensor right = candidate_logits(model, x, unit, crashed).argmax(1).eq(labels);
  const at::Tensor rows = right.nonzero().squeeze(1);
  if (rows.size(0) > 0) {
    const AttackSpec& spec = suite.attacks[unit.entry];
    const Inference inference = bind_entry(spec, spec.threat, attacks).inference;
    ThreatModel threat;
    threat.norm = Norm::kL2;
    threat.lo = suite.model.lo;
    threat.hi = suite.model.hi;
    threat.access = Access::kLabel;
    Value entry = parse_yaml("queries: " + std::to_string(inference.boundary_queries), "");
    Params params(entry, {});
    const Bound bound = find_attack(attacks, kBoundaryAttack).bind(params, threat);
    Block block;
    block.x = x.index_select(0, rows);
    block.y = labels.index_select(0, rows);
    for (int64_t i = 0; i < rows.size(0); ++i) {
      const auto row = static_cast<size_t>(rows[i].item<int64_t>());
      block.ids.push_back(hash64(records[row].info().digest));
    }
    Oracle oracle(model, threat, block, bound.budget.queries, bound.budget.gradients);
    bound.evade(oracle, block, Rng(suite.seed, kBoundaryAttack, 0));
    // Where no boundary was met it is as far as the box is wide.
    const double most =
        (threat.hi - threat.lo) * std::sqrt(static_cast<double>(entries_of(suite.model.shape)));
    distances.index_copy_(0, rows, oracle.best_distance().clamp_max(most));
    result.cost.forwards = oracle.queries().sum().item<int64_t>();
  }
  result.tensors = store->put_blob(bytes_of(distances));
  result.cost.time_s = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

UnitResult run_features(const Suite& suite, const Plan& plan, const Unit& unit, Store* store) {
  const Clock::time_point start = Clock::now();
  UnitResult result;
  result.key = unit.key;
  result.cell = unit.cell;
  const at::Tensor x =
      read_records(records_of(plan, unit)).first.flatten(1).to(at::kDouble);  // [n, d]
  std::vector<uint64_t> directions(static_cast<size_t>(plan.audits[unit.audit].features));
  std::iota(directions.begin(), directions.end(), 0);
  const at::Tensor along = Rng(suite.seed, "features", 0).normal(directions, {x.size(1)}, 0, 0);
  result.tensors = store->put_blob(bytes_of(x.matmul(along.t())));
  result.cost.time_s = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

}  // namespace assay
