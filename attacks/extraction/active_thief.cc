// ActiveThief: lets the surrogate choose the records of the pool that it learns most from.
//
// Paper: Pal, Gupta, Shukla, Kanade, Shevade, Ganapathy, "ActiveThief: Model Extraction using
// Active Learning and Unannotated Public Data", AAAI 2020; arXiv:1905.09165, with the selections
// entropy, k-center, DFAL and DFAL+k-center.
// Reference: iisc-seal/activethief.
// Deviations: a training follows the entry's recipe (Adam, 10 epochs, a learning rate that falls to
// 0) in place of up to 1,000 epochs with early stopping; validation picks the best round. DFAL
// ranks by DeepFool's first step, to the boundaries of `labels` runners-up. A round looks at
// `candidates` records, drawn anew.
// Cost: budget queries (validation too); rounds + 1 trainings; rounds · candidates forwards of the
// surrogate (dfal: labels · candidates gradients).
#include <algorithm>

#include "attacks/math/extraction_params.h"
#include "attacks/math/pool_order.h"
#include "attacks/math/selection.h"
#include "harness/model/attack.h"

namespace assay::attacks::active_thief {
namespace {

constexpr int64_t kRows = 1024;  // of the pool that are in memory at a time

struct Settings {
  int64_t rounds;
  double seed_share, validation_share;  // of the budget
  std::string selection;
  int64_t candidates;
  int64_t labels;
};

// Queries of one theft.
struct Plan {
  int64_t validation;
  std::vector<int64_t> rounds;  // records that each adds, the seeds first
};

Plan plan_for(int64_t budget, const Settings& settings) {
  const auto share = [budget](double of) {
    return static_cast<int64_t>(of * static_cast<double>(budget));
  };
  Plan plan{.validation = share(settings.validation_share), .rounds = {}};
  const int64_t room = budget - plan.validation;  // 1 at least, as no share is 1
  plan.rounds.push_back(std::clamp<int64_t>(share(settings.seed_share), 1, room));
  const int64_t rest = room - plan.rounds[0];
  for (int64_t i = 0; i < settings.rounds; ++i) {
    const int64_t adds = rest * (i + 1) / settings.rounds - rest * i / settings.rounds;
    if (adds > 0) plan.rounds.push_back(adds);
  }
  return plan;
}

// rows(x) for the records at these positions, in parts, one below the other.
template <typename Rows>
at::Tensor in_parts(const Pool& pool, std::span<const int64_t> positions, Rows rows) {
  std::vector<at::Tensor> parts;
  while (!positions.empty()) {
    const size_t count = std::min(positions.size(), static_cast<size_t>(kRows));
    parts.push_back(rows(pool.read(positions.first(count))));
    positions = positions.subspan(count);
  }
  return at::cat(parts);
}

std::vector<int64_t> chosen(const std::vector<int64_t>& positions, const at::Tensor& places) {
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < places.size(0); ++i) {
    chosen.push_back(positions[static_cast<size_t>(places[i].item<int64_t>())]);
  }
  return chosen;
}

// The `count` of the candidates (positions in the pool) to ask for next. x [n, ...]: the records
// that were learnt.
std::vector<int64_t> select(Surrogate& surrogate, const Pool& pool, const at::Tensor& x,
                            std::vector<int64_t> candidates, int64_t count, int64_t budget,
                            const Settings& settings) {
  const std::string& by = settings.selection;
  const auto logits = [&] {
    return in_parts(pool, candidates,
                    [&](const at::Tensor& part) { return surrogate.logits(part); });
  };
  if (by == "entropy") return chosen(candidates, highest(entropy_of(logits()), count));
  if (by != "k_center") {
    const at::Tensor away = in_parts(pool, candidates, [&](const at::Tensor& part) {
      return boundary_distance(surrogate, part, settings.labels);
    });
    // As many as the budget go on to k-center.
    const int64_t near = by == "dfal" ? count : std::min(budget, away.size(0));
    candidates = chosen(candidates, highest(away.neg(), near));
    if (by == "dfal") return candidates;
  }
  const auto outputs = [](const at::Tensor& z) { return z.to(at::kDouble).softmax(1); };
  return chosen(candidates, farthest_first(outputs(logits()), outputs(surrogate.logits(x)), count));
}

Theft extract(Victim& victim, const Pool& pool, const FreshSurrogate& fresh, const Rng& rng,
              const Settings& settings) {
  std::vector<int64_t> next = affordable(pool, rng, victim);
  const auto budget = static_cast<int64_t>(next.size());
  const Plan plan = plan_for(budget, settings);
  std::vector<bool> used(pool.ids.size());
  const auto ask = [&](std::span<const int64_t> positions) {
    for (const int64_t position : positions) used[static_cast<size_t>(position)] = true;
    const at::Tensor x = pool.read(positions);
    return std::pair(x, targets_of(victim.query(x), victim.surface()));
  };

  const auto held_out = ask(std::span(next).first(static_cast<size_t>(plan.validation)));
  // A label that an answer leaves open was drawn.
  const at::Tensor held_labels = victim.labels();
  next.erase(next.begin(), next.begin() + plan.validation);
  next.resize(static_cast<size_t>(plan.rounds[0]));

  std::vector<at::Tensor> x, targets;
  Theft theft;
  double best = 0;
  for (size_t round = 0;; ++round) {
    const auto [records, answers] = ask(next);
    x.push_back(records);
    targets.push_back(answers);
    Surrogate surrogate = fresh(static_cast<int64_t>(round));
    const at::Tensor learnt = at::cat(x);
    surrogate.fit(learnt, at::cat(targets));
    const double agreement = plan.validation == 0 ? 1
                                                  : surrogate.logits(held_out.first)
                                                        .argmax(1)
                                                        .eq(held_labels)
                                                        .to(at::kDouble)
                                                        .mean()
                                                        .item<double>();
    // Of equals the later, which has seen more.
    if (agreement >= best) {
      best = agreement;
      theft.surrogate = surrogate.save();
    }
    if (round + 1 == plan.rounds.size()) return theft;
    const int64_t count = plan.rounds[round + 1];
    std::vector<int64_t> candidates = shuffled(pool, rng, static_cast<int64_t>(round) + 1);
    std::erase_if(candidates, [&](int64_t at) { return used[static_cast<size_t>(at)]; });
    if (settings.candidates > 0) {
      const auto most = static_cast<size_t>(std::max(settings.candidates, count));
      candidates.resize(std::min(candidates.size(), most));
    }
    next = select(surrogate, pool, learnt, std::move(candidates), count, budget, settings);
  }
}

Bound bind(Params& params, const ThreatModel&) {
  Extraction extraction = surrogate_params(params, {100, 1000, 10000}, surrogate_recipe());
  const Settings settings{
      .rounds = params.integer("rounds", 10, {1, 10000}, "of selection after the seeds"),
      .seed_share = params.number("seed_share", 0.1, {0, 0.9}, "of the budget, drawn at random"),
      .validation_share = params.number("validation_share", 0.2, {0, 0.9},
                                        "of the budget, to pick the best round; 0: the last"),
      .selection = params.choice(
          "selection", "k_center", {"entropy", "k_center", "dfal", "dfal_k_center"},
          "entropy: least certain; k_center: outputs unlike those learnt; dfal: nearest to a "
          "boundary; dfal_k_center: of those nearest, outputs unlike those learnt"),
      .candidates = params.integer("candidates", 5000, {0, 1e9},
                                   "records of the pool that a round looks at; 0: all"),
      .labels = params.integer("labels", 3, {1, 100000},
                               "dfal: runner-up labels whose boundaries are measured"),
  };
  extraction.trainings = settings.rounds + 1;
  extraction.extract = [settings](Victim& victim, const Pool& pool, const FreshSurrogate& fresh,
                                  const Rng& rng) {
    return extract(victim, pool, fresh, rng, settings);
  };
  return Bound{.extraction = extraction};
}

}  // namespace

Attack make() {
  Attack attack;
  attack.info = {
      .name = "active_thief",
      .family = Family::kExtraction,
      .access = Access::kLabel,
      .norms = {},
      .targeted = false,
      .pool = true,
      .surfaces = {Surface::Kind::kProbabilities, Surface::Kind::kLogits, Surface::Kind::kTopK,
                   Surface::Kind::kRounded, Surface::Kind::kLabel},
      .summary = "trains a surrogate on those records of the pool that it is least sure of",
      .paper =
          "Pal, Gupta, Shukla, Kanade, Shevade, Ganapathy: ActiveThief: Model Extraction using "
          "Active Learning and Unannotated Public Data, AAAI 2020, arXiv:1905.09165",
      .cost = "budget queries and rounds + 1 trainings for each budget and seed",
      .taxonomy = {{"atlas", "AML.T0024.002"}, {"nist", "NISTAML.031"}, {"owasp", "ML05:2023"}},
  };
  attack.bind = bind;
  return attack;
}

}  // namespace assay::attacks::active_thief
