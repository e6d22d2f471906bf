#include "tests/testing/attacks.h"

#include "harness/suite/error.h"
#include "harness/suite/value.h"
#include "tests/testing/models.h"

namespace assay::testing {

Attack find_attack(std::string_view name) {
  for (Attack& attack : attack_table()) {
    if (attack.info.name == name) return std::move(attack);
  }
  check_failed(__FILE__, __LINE__, "find_attack", "no attack " + std::string(name));
}

Bound bind_params(const Attack& attack, const std::string& params, const ThreatModel& threat) {
  Params bound(parse_yaml(params, "test.yaml"), {});
  Bound result = attack.bind(bound, threat);
  bound.finish();
  return result;
}

ThreatModel ball(Norm norm, double eps, double lo, double hi) {
  ThreatModel threat;
  threat.norm = norm;
  threat.eps = eps;
  threat.lo = lo;
  threat.hi = hi;
  return threat;
}

Block random_block(const Model& model, int64_t n, uint64_t seed, uint64_t first_id) {
  enter_worker();
  std::vector<int64_t> sizes{n};
  sizes.insert(sizes.end(), model.spec().shape.begin(), model.spec().shape.end());
  Block block;
  block.x = random_uniform(sizes, seed, model.spec().lo, model.spec().hi, model.dtype());
  block.y = model.judge(block.x).argmax(1);
  block.target = block.y.add(1).remainder(model.classes());
  for (int64_t i = 0; i < n; ++i) block.ids.push_back(first_id + static_cast<uint64_t>(i));
  return block;
}

Block select(const Block& block, const std::vector<int64_t>& indices) {
  const at::Tensor index = at::tensor(indices, at::kLong);
  Block part{block.x.index_select(0, index), block.y.index_select(0, index), {}, {}};
  if (block.target.defined()) part.target = block.target.index_select(0, index);
  for (const int64_t i : indices) part.ids.push_back(block.ids[static_cast<size_t>(i)]);
  return part;
}

void give_points(const Model& model, Block* block) {
  const int64_t n = block->size();
  const Tape tape = model.record(block->x);
  const at::Tensor y = block->y.unsqueeze(1);  // [n, 1]
  const at::Tensor others = tape.logits().scatter(1, y, -1e30);
  const at::Tensor aim =
      block->target.defined() ? block->target.unsqueeze(1) : others.argmax(1, /*keepdim=*/true);
  const at::Tensor c =
      at::zeros_like(tape.logits()).scatter(1, aim, 1).scatter(1, y, -1);  // [n, K]
  const at::Tensor g = tape.vjp(c);
  const at::Tensor bad = block->x.sub(g.sign()), good = block->x.add(g.mul(1e3));
  block->points = at::stack({bad, good}, 1).flatten(0, 1);  // two for each sample
  block->point_rows = at::arange(n, at::kLong).repeat_interleave(2);
}

Outcome run(const Model& model, const Attack& attack, const std::string& params,
            const ThreatModel& threat, const Block& block, uint64_t seed) {
  enter_worker();
  Block given = block;
  if (threat.goal == Goal::kUntargeted) given.target = at::Tensor();
  // What a run would supply: the model as its own source, and points that earlier runs found.
  given.source = &model;
  if (attack.info.name == "corpus" && !given.points.defined()) give_points(model, &given);
  const Bound bound = bind_params(attack, params, threat);
  Oracle oracle(model, threat, given, bound.budget.queries, bound.budget.gradients);
  Candidates claims = bound.evade(oracle, given, Rng(seed, attack.info.name, 0));
  return {{claims.x.clone(), claims.success.clone(), claims.by},
          oracle.queries().clone(),
          oracle.gradients().clone()};
}

std::string row_bytes(const at::Tensor& x, int64_t i) {
  const at::Tensor row = x[i].contiguous();
  return {static_cast<const char*>(row.const_data_ptr()), row.nbytes()};
}

}  // namespace assay::testing
