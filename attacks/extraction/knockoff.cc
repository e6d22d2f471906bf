// Knockoff Nets: sends natural inputs and trains a surrogate on what comes back.
//
// Paper: Orekondy, Schiele, Fritz, "Knockoff Nets: Stealing Functionality of Black-Box Models",
// CVPR 2019, arXiv:1812.02766, section 4.1 (random strategy) and 4.2 (adaptive: a gradient bandit
// over the pool's classes, rewarded for certainty, diversity and loss).
// Reference: tribhuvanesh/knockoffnets knockoff/adversary/{transfer,train}.py, random alone;
// Trusted-AI/adversarial-robustness-toolbox art/attacks/extraction/knockoff_nets.py.
// Deviations: records are drawn without replacement until the pool is spent, then nothing more is
// sent: an answer does not change, and a second one tells nothing; so a class that is spent leaves
// the choice. Adam in place of SGD. Adaptive: the network that tells the loss takes one step for
// each `draw` records in place of one for each; the pool's labels are one flat level of classes;
// diversity is measured against all answers up to now; rewards are standardised, and one without
// variety (the certainty of bare labels) counts as 0.
// Cost: budget queries; one training; adaptive: a forward and a training step for each `draw`.
#include <algorithm>
#include <array>
#include <map>

#include "attacks/math/bandit.h"
#include "attacks/math/extraction_params.h"
#include "attacks/math/pool_order.h"
#include "harness/model/attack.h"

namespace assay::attacks::knockoff {
namespace {

constexpr uint64_t kArms = 1;  // stage of the choice of classes

// The records of each class of the pool; the last is sent next.
class Shelves {
 public:
  Shelves(const Pool& pool, const Rng& rng) {
    std::vector<int64_t> order = shuffled(pool, rng);
    std::map<int64_t, std::vector<int64_t>> by_label;
    const int64_t* label = pool.labels.const_data_ptr<int64_t>();
    std::reverse(order.begin(), order.end());
    for (const int64_t position : order) by_label[label[position]].push_back(position);
    for (auto& [_, positions] : by_label) shelves_.push_back(std::move(positions));
  }

  size_t size() const { return shelves_.size(); }
  std::vector<bool> open() const {
    std::vector<bool> open;
    for (const auto& shelf : shelves_) open.push_back(!shelf.empty());
    return open;
  }
  int64_t take(size_t shelf) {
    const int64_t position = shelves_[shelf].back();
    shelves_[shelf].pop_back();
    return position;
  }

 private:
  std::vector<std::vector<int64_t>> shelves_;
};

// Where u in [0, 1) falls among the shares; never on one that is 0.
size_t arm_at(const std::vector<double>& shares, double u) {
  size_t arm = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    if (shares[i] == 0) continue;
    arm = i;
    if (u < shares[i]) break;
    u -= shares[i];
  }
  return arm;
}

// Tells what a record was worth.
class Rewards {
 public:
  explicit Rewards(int64_t classes) : sum_(at::zeros({classes}, at::kDouble)) {}

  // Targets [m, K] and the surrogate's logits [m, K] before it learns them, row by row.
  std::vector<double> operator()(const at::Tensor& targets, const at::Tensor& logits) {
    const at::Tensor top = std::get<0>(targets.topk(2, 1));  // [m, 2]
    const at::Tensor margin = top.select(1, 0).sub(top.select(1, 1));
    const at::Tensor loss = targets.mul(logits.to(at::kDouble).log_softmax(1)).sum(1).neg();  // [m]
    std::vector<double> rewards;
    for (int64_t i = 0; i < targets.size(0); ++i) {
      const at::Tensor mean = sum_.div(static_cast<double>(std::max<int64_t>(count_, 1)));
      const at::Tensor diversity = targets[i].sub(mean).clamp_min(0).sum();
      sum_.add_(targets[i]);
      ++count_;
      rewards.push_back((score_[0](margin[i].item<double>()) + score_[1](diversity.item<double>()) +
                         score_[2](loss[i].item<double>())) /
                        3);
    }
    return rewards;
  }

 private:
  at::Tensor sum_;  // of targets
  int64_t count_ = 0;
  std::array<RunningScore, 3> score_;
};

// Sends records of the classes that the bandit chooses, and returns their targets [spent, K].
at::Tensor ask_adaptively(Victim& victim, const Pool& pool, const FreshSurrogate& fresh,
                          const Rng& rng, int64_t draw) {
  const Rng choice = rng.stage(kArms);
  Shelves shelves(pool, rng);
  Bandit bandit(shelves.size());
  Rewards rewards(victim.classes());
  Surrogate scout = fresh(1);
  std::vector<at::Tensor> all;
  int64_t left = std::min(victim.left(), pool.size());
  while (left > 0) {
    std::vector<int64_t> positions;
    std::vector<std::pair<size_t, std::vector<double>>> drawn;
    for (; static_cast<int64_t>(positions.size()) < draw && left > 0; --left) {
      std::vector<double> shares = bandit.shares(shelves.open());
      const size_t arm = arm_at(shares, choice.uniform(static_cast<uint64_t>(left), 0, 0));
      positions.push_back(shelves.take(arm));
      drawn.emplace_back(arm, std::move(shares));
    }
    const at::Tensor x = pool.read(positions);
    const at::Tensor targets = targets_of(victim.query(x), victim.surface());
    all.push_back(targets);
    if (left == 0) break;
    const std::vector<double> worth = rewards(targets, scout.logits(x));
    for (size_t i = 0; i < drawn.size(); ++i)
      bandit.learn(drawn[i].first, worth[i], drawn[i].second);
    scout.step(
        x,
        [&](const at::Tensor& here) {
          return here.to(at::kDouble).softmax(1).sub_(targets).div_(targets.size(0));
        },
        1);
  }
  return at::cat(all);
}

Theft extract(Victim& victim, const Pool& pool, const FreshSurrogate& fresh, const Rng& rng,
              int64_t draw) {
  at::Tensor targets;
  if (draw > 0) {
    targets = ask_adaptively(victim, pool, fresh, rng, draw);
  } else {
    const at::Tensor x = pool.read(affordable(pool, rng, victim));
    targets = targets_of(victim.query(x), victim.surface());
  }
  Surrogate surrogate = fresh(0);
  surrogate.fit(victim.asked(), targets);
  return {.surrogate = surrogate.save(), .findings = {}};
}

Bound bind(Params& params, const ThreatModel&) {
  Extraction extraction = surrogate_params(params, {100, 1000, 10000}, surrogate_recipe());
  const bool adaptive =
      params.choice("strategy", "random", {"random", "adaptive"},
                    "adaptive: learns which of the pool's classes are worth asking for") ==
      "adaptive";
  const int64_t draw =
      params.integer("draw", 16, {2, 100000},
                     "adaptive: records sent between two steps of the network that judges them");
  extraction.extract = [draw = adaptive ? draw : 0](Victim& victim, const Pool& pool,
                                                    const FreshSurrogate& fresh, const Rng& rng) {
    return extract(victim, pool, fresh, rng, draw);
  };
  return Bound{.extraction = extraction};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "knockoff",
      .family = Family::kExtraction,
      .access = Access::kScore,
      .norms = {},
      .targeted = false,
      .pool = true,
      .surfaces = {Surface::Kind::kProbabilities, Surface::Kind::kLogits, Surface::Kind::kTopK,
                   Surface::Kind::kRounded, Surface::Kind::kLabel},
      .summary = "sends records of the pool and trains a surrogate on the answers",
      .paper =
          "Orekondy, Schiele, Fritz: Knockoff Nets: Stealing Functionality of Black-Box Models, "
          "CVPR 2019, arXiv:1812.02766",
      .cost = "budget queries and one training for each budget and seed",
      .taxonomy = {{"atlas", "AML.T0024.002"}, {"nist", "NISTAML.031"}, {"owasp", "ML05:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::knockoff
