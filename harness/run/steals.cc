#include "harness/run/steals.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "harness/model/head.h"
#include "harness/record/encoding.h"
#include "harness/record/safetensors.h"
#include "harness/run/forks.h"
#include "harness/run/replays.h"
#include "harness/run/shadows.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"
#include "harness/suite/pool.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kJudging = "judging";  // work that no query of a thief is part of

// What a thief's process tells beside the results of his units, which go by their keys.
constexpr const char* kCost = "cost";
constexpr const char* kTensors = "tensors";
constexpr const char* kReplayError = "replay_error";

// A network that gives fewer of its own answers back may be badly trained: bare labels will tell.
// Of a copy of the candidate's network they tell whether a network of ours would learn more.
constexpr double kFits = 0.9;
constexpr int64_t kPlainRound = int64_t{1} << 40;  // of fresh(), beyond those of attacks

Pool pool_of(const std::vector<RecordRef>& records) {
  Pool pool;
  std::vector<int64_t> labels;
  for (const RecordRef& record : records) {
    labels.push_back(record.info().label);
    pool.ids.push_back(hash64(record.info().content));
  }
  pool.labels = at::tensor(labels, at::kLong);
  pool.read = [&records](std::span<const int64_t> positions) {
    const Records& set = *records.front().set;
    std::vector<int64_t> indices;
    for (const int64_t position : positions) {
      const RecordRef& record = records[static_cast<size_t>(position)];
      indices.push_back(set.indices[static_cast<size_t>(record.position)]);
    }
    return set.dataset->read(indices);
  };
  return pool;
}

// Share of the thief's queries on which a network gives the label that was answered, of those whose
// answer has one: nullopt where none has.
std::optional<double> fit_of(const at::Tensor& logits, const Victim& victim) {
  const at::Tensor told = logits.argmax(1).eq(victim.labels());
  const at::Tensor clear = victim.drawn().logical_not();
  if (!clear.any().item<bool>()) return std::nullopt;
  return told.masked_select(clear).to(at::kDouble).mean().item<double>();
}

// Share of the test set on which a network gives the candidate's label: the judge's own look, which
// costs the thief no query. nullopt where the candidate fails.
std::optional<double> agreement_with(Surrogate& surrogate, const Audit& audit, const Model& model) {
  constexpr size_t kPiece = 256;
  const Working on_test(kJudging, -1);
  int64_t agreed = 0;
  for (size_t begin = 0; begin < audit.records.size(); begin += kPiece) {
    const auto first = audit.records.begin() + static_cast<std::ptrdiff_t>(begin);
    const size_t count = std::min(kPiece, audit.records.size() - begin);
    const at::Tensor x = read_records({first, first + static_cast<std::ptrdiff_t>(count)}).first;
    try {
      const at::Tensor told = model.judge(x).argmax(1);
      agreed += surrogate.logits(x).argmax(1).eq(told).sum().item<int64_t>();
    } catch (const ModelFailure&) {
      return std::nullopt;
    }
  }
  return static_cast<double>(agreed) / static_cast<double>(audit.records.size());
}

// How a surrogate fits its queries, and, where that, the surface or the network gives cause for
// doubt, what the best network of the same recipe comes to that is trained on the bare labels of
// the same answers.
void add_doubts(const Audit& audit, bool sends_records, const Model& model, const Victim& victim,
                const std::string& surrogate, const FreshSurrogate& fresh,
                const FreshSurrogate& stock, std::map<std::string, double>* findings) {
  const std::optional<double> fit =
      fit_of(logits_of(surrogate, victim.spec(), victim.asked()), victim);
  if (fit) (*findings)["fit"] = *fit;
  // Who makes up his queries seeks those that he would get wrong.
  if (!sends_records || !audit.architecture) return;
  const Surface& surface = victim.surface();
  const bool fits = fit && *fit >= kFits && !distorts(surface);
  std::vector<const FreshSurrogate*> makers;
  if (!fits && surface.kind != Surface::Kind::kLabel) makers.push_back(&fresh);
  if (audit.stock) makers.push_back(&stock);
  std::optional<double> taught;
  for (const FreshSurrogate* maker : makers) {
    try {
      Surrogate plain = (*maker)(kPlainRound);
      plain.fit(victim.asked(), at::one_hot(victim.labels(), victim.classes()).to(at::kDouble));
      taught = std::max(taught, agreement_with(plain, audit, model));
    } catch (const Error& error) {
      if (error.code() == ExitCode::kIncomplete) throw;
      // The theft stands without it: the recipe suits the answers and not their labels. Nor need
      // one made for the candidate's network suit ours.
      if (maker == &fresh) (*findings)["labels_diverged"] = 1;
    }
  }
  if (taught) (*findings)["agreement_labels"] = *taught;
}

UnitResult result_of(const Unit& unit, Stolen stolen) {
  UnitResult result{.key = unit.key, .cell = unit.cell};
  if (unit.kind == Unit::Kind::kReplay) {
    result.monitored = {{.seed = stolen.seed, .failure = stolen.failure}};
  } else {
    result.extracted = Extracted{.candidate = "", .stolen = {std::move(stolen)}};
  }
  return result;
}

// Replays what was asked of `victim`. What goes wrong here leaves the theft as it is.
void add_replay(const Suite& suite, const Audit& audit, const Model& model, const Victim& victim,
                UnitResult* result, Told* told) {
  Monitored& failed = result->monitored.front();
  try {
    result->monitored = replay_all(suite, audit, model, victim, failed.seed);
  } catch (const ModelFailure& error) {
    failed.failure = error.what();
  } catch (const Error& error) {
    (*told)[kReplayError] = error.what();
  }
}

// Steals for all of a thief's units.
Told steal_one(const Suite& suite, const Plan& plan, const std::vector<Attack>& attacks,
               const Model& model, const std::vector<const Unit*>& units) {
  const Unit& unit = *units.front();
  const Working on_unit(unit.key, -1);
  const Clock::time_point start = Clock::now();
  const Audit& audit = plan.audits[unit.audit];
  const AttackSpec& spec = suite.attacks[unit.entry];
  const Steal& one = audit.steals[static_cast<size_t>(unit.shadow)];
  const Extraction extraction = bind_entry(spec, spec.threat, attacks).extraction;
  const Rng seeds(suite.seed, "steal", static_cast<uint64_t>(one.seed));
  const auto anew = [&](const Architecture& network, int64_t round) {
    return Surrogate(network, suite.model, extraction.recipe, training_seed(seeds, round));
  };
  const FreshSurrogate fresh = [&](int64_t round) { return anew(*audit.architecture, round); };
  const FreshSurrogate stock = [&](int64_t round) { return anew(*audit.stock, round); };
  seed_generator("steal " + spec.attack + ' ' + std::to_string(one.budget) + ' ' +
                 std::to_string(one.seed));
  // One seed asks alike at every budget, so that a curve shows the budget and not the draw. It is
  // part of the key's seed: attacks have the stages to themselves.
  const uint64_t repetition =
      hash64(std::to_string(suite.seed) + " repetition " + std::to_string(one.seed));
  const Rng rng(repetition, spec.attack, 0);
  Victim victim(model, spec.threat.surface, one.budget, suite.seed);
  Told told;
  Stolen stolen{.budget = one.budget, .seed = one.seed};
  try {
    // More than can be sent, for attacks that choose.
    const Pool pool = sends_noise(suite, spec)
                          ? noise_pool(suite.model, 4 * one.budget, Rng(repetition, kNoisePool, 0))
                          : pool_of(audit.sent);
    Theft theft = extraction.extract(victim, pool, fresh, rng);
    ASSAY_CHECK(theft.surrogate.empty() != extraction.surrogate,
                spec.attack + " gives a surrogate if it says so");
    if (extraction.surrogate && victim.spent() > 0) {
      add_doubts(audit, audit.pool != nullptr || sends_noise(suite, spec), model, victim,
                 theft.surrogate, fresh, stock, &stolen.findings);
    }
    if (!theft.surrogate.empty()) told[kTensors] = std::move(theft.surrogate);
    for (const auto& [name, value] : theft.findings) {
      ASSAY_CHECK(std::isfinite(value), "finding " + name + " of " + spec.attack + " is finite");
      stolen.findings[name] = value;
    }
    // The judge's own look, which costs the thief no query.
    if (theft.head.defined()) {
      // A surrogate tells more than the layer.
      told.try_emplace(
          kTensors,
          to_safetensors({{"head", "F64", theft.head.sizes().vec(), bytes_of(theft.head)}}));
      if (const std::optional<double> misfit = head_misfit(model, theft.head)) {
        stolen.findings["head_misfit"] = *misfit;
      }
    }
  } catch (const ModelFailure& error) {
    stolen.failure = error.what();
    told.erase(kTensors);
  }
  stolen.queries = victim.spent();
  for (const Unit* each : units) {
    UnitResult result = result_of(*each, stolen);
    if (each->kind == Unit::Kind::kReplay && stolen.failure.empty()) {
      add_replay(suite, audit, model, victim, &result, &told);
    }
    told[each->key] = unit_text(result);
  }
  const double time_s = std::chrono::duration<double>(Clock::now() - start).count();
  told[kCost] = cost_text({.time_s = time_s, .forwards = stolen.queries});
  return told;
}

std::string crash_text(const Ended& ended) {
  return std::string("the candidate took the process down (SIG") + sigabbrev_np(ended.signal) +
         ") while it " + (ended.work == kJudging ? "labelled the test set" : "was queried");
}

// The result of one of a thief's units, from how his process ended.
UnitResult result_of(const Plan& plan, const Unit& unit, const Ended& ended, Store* store) {
  if (ended.signal != 0) {
    const Steal& one = plan.audits[unit.audit].steals[static_cast<size_t>(unit.shadow)];
    return result_of(unit, {.budget = one.budget, .seed = one.seed, .failure = crash_text(ended)});
  }
  const Told& told = ended.told;
  const bool replays = unit.kind == Unit::Kind::kReplay;
  if (replays && told.contains(kReplayError)) throw Error(told.at(kReplayError));
  UnitResult result = parse_unit(told.at(unit.key));
  if (replays) return result;
  result.cost = parse_cost(told.at(kCost));
  if (told.contains(kTensors)) result.tensors = store->put_blob(told.at(kTensors));
  return result;
}

std::string name_of(const Plan& plan, const Unit& unit) {
  const Steal& one = plan.audits[unit.audit].steals[static_cast<size_t>(unit.shadow)];
  return "stealing with " + std::to_string(one.budget) + " queries, seed " +
         std::to_string(one.seed) + " of " + unit.cell;
}

struct Trial {
  ThreatModel threat;
  Bound bound;
};

// The attack that tries a surrogate's adversarials.
Trial trial_of(const Suite& suite, const AttackSpec& spec, const std::vector<Attack>& attacks) {
  const Extraction extraction = bind_entry(spec, spec.threat, attacks).extraction;
  Trial trial;
  trial.threat.norm = Norm::kLinf;
  trial.threat.lo = suite.model.lo;
  trial.threat.hi = suite.model.hi;
  trial.threat.eps = extraction.transfer_eps * (suite.model.hi - suite.model.lo);
  trial.threat.access = Access::kLabel;
  const Value entry = parse_yaml("{source: surrogate, steps: 20}", "");
  Params params(entry, {});
  trial.bound = find_attack(attacks, kTransferAttack).bind(params, trial.threat);
  return trial;
}

// Fills in what becomes of these places among the audit's records; those that the candidate gets
// wrong without an adversarial stay NaN.
void try_records(const Suite& suite, const Audit& audit, const std::vector<int64_t>& places,
                 const Trial& trial, const Model& model, const Model& surrogate,
                 const RunOptions& options, const at::Tensor& broken, UnitResult* result,
                 std::string* failure) {
  heed_stop(options);
  std::vector<RecordRef> records;
  for (const int64_t place : places) records.push_back(audit.records[static_cast<size_t>(place)]);
  const auto [x, labels] = read_records(records);
  const at::Tensor rows = model.judge(x).argmax(1).eq(labels).nonzero().squeeze(1);
  result->cost.judged += x.size(0);
  if (rows.size(0) == 0) return;
  Block block;
  block.x = x.index_select(0, rows);
  block.y = labels.index_select(0, rows);
  block.source = &surrogate;
  block.stop = &options.stop;
  for (int64_t i = 0; i < rows.size(0); ++i) {
    const auto row = static_cast<size_t>(rows[i].item<int64_t>());
    block.ids.push_back(hash64(records[row].info().digest));
  }
  const Budget& budget = trial.bound.budget;
  Oracle oracle(model, trial.threat, block, budget.queries, budget.gradients);
  trial.bound.evade(oracle, block, Rng(suite.seed, kTransferAttack, 0));
  result->cost.forwards += oracle.queries().sum().item<int64_t>();
  const int64_t failed = oracle.failed().sum().item<int64_t>();
  if (failed > 0 && failure->empty()) {
    *failure = "the candidate failed on an adversarial of " + std::to_string(failed) + " of " +
               std::to_string(rows.size(0)) + " records";
  }
  // To fail on a point of the box is to be broken by it.
  const at::Tensor outcome = oracle.found().logical_or(oracle.failed()).to(at::kDouble);
  broken.index_copy_(0, at::tensor(places, at::kLong).index_select(0, rows), outcome);
}

}  // namespace

bool distorts(const Surface& surface) {
  return surface.kind != Surface::Kind::kLabel &&
         (surface.noise > 0 || surface.temperature != 1 || surface.kind == Surface::Kind::kRounded);
}

std::string steal_surrogates(const Suite& suite, const Plan& plan,
                             const std::vector<Attack>& attacks, const Model& model,
                             const std::vector<const Unit*>& units, const RunOptions& options,
                             Store* store, const std::function<void(UnitResult)>& done) {
  // One thief serves both of his units: what he sends is not kept, and sending again is as dear.
  std::map<std::pair<size_t, int64_t>, std::vector<const Unit*>> by_thief;
  std::vector<const Unit*> thieves;
  for (const Unit* unit : units) {
    std::vector<const Unit*>& same = by_thief[{unit->audit, unit->shadow}];
    if (same.empty()) thieves.push_back(unit);
    same.push_back(unit);
  }
  // The longest first, so that none of them is left to a single worker at the end.
  std::stable_sort(thieves.begin(), thieves.end(), [&plan](const Unit* a, const Unit* b) {
    const auto budget = [&plan](const Unit& unit) {
      return plan.audits[unit.audit].steals[static_cast<size_t>(unit.shadow)].budget;
    };
    return budget(*a) > budget(*b);
  });
  const auto units_of = [&by_thief](const Unit& unit) -> const std::vector<const Unit*>& {
    return by_thief.at({unit.audit, unit.shadow});
  };
  return run_forked(
      suite, thieves, options, [&plan](const Unit& unit) { return name_of(plan, unit); },
      [&](const Unit& unit) { return steal_one(suite, plan, attacks, model, units_of(unit)); },
      [&](const Unit& unit, const Ended& ended) {
        if (ended.signal != 0 && !ended.in_model) {
          throw Error(suite.attacks[unit.entry].where,
                      name_of(plan, unit) + " was ended by SIG" + sigabbrev_np(ended.signal) +
                          " outside of the candidate",
                      ExitCode::kIncomplete);
        }
        for (const Unit* each : units_of(unit)) done(result_of(plan, *each, ended, store));
      });
}

UnitResult run_transfer(const Suite& suite, const Plan& plan, const Unit& unit,
                        const std::vector<Attack>& attacks, const Model& model,
                        const ResultOf& result_of, const RunOptions& options, Store* store) {
  const Working on_unit(unit.key, -1);
  const Audit& audit = plan.audits[unit.audit];
  UnitResult result;
  const std::string& blob = result_of(unit.after.front()).tensors;
  if (blob.empty()) return result;  // the candidate failed, and there is no surrogate
  std::string failure;
  const at::Tensor broken =
      at::full({static_cast<int64_t>(audit.records.size())}, NAN, at::kDouble);
  if (const Crash* crash = find_crash(options.crashes, unit.key); crash && crash->of_source) {
    throw Error(suite.attacks[unit.entry].where,
                "a surrogate of " + unit.cell + " crashed the process (" + crash->signal +
                    "); say `architecture: auto` to train a network of ours");
  } else if (crash != nullptr) {
    failure = "the candidate took the process down while adversarials were tried on it";
  } else {
    const Model surrogate = load_shadow(suite, blob, *store);
    const Trial trial = trial_of(suite, suite.attacks[unit.entry], attacks);
    const auto block = static_cast<size_t>(block_size(suite));
    for (size_t begin = 0; begin < audit.transfer.size(); begin += block) {
      const auto first = audit.transfer.begin() + static_cast<std::ptrdiff_t>(begin);
      const size_t count = std::min(block, audit.transfer.size() - begin);
      try {
        try_records(suite, audit, {first, first + static_cast<std::ptrdiff_t>(count)}, trial, model,
                    surrogate, options, broken, &result, &failure);
      } catch (const ModelFailure& error) {
        failure = error.what();
      }
    }
  }
  if (!failure.empty()) {
    const Steal& one = audit.steals[static_cast<size_t>(unit.shadow)];
    result.extracted = Extracted{
        .candidate = "", .stolen = {{.budget = one.budget, .seed = one.seed, .failure = failure}}};
  }
  result.tensors = store->put_blob(bytes_of(broken));
  return result;
}

}  // namespace assay
