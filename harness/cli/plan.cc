// assay validate and assay plan: what a suite would do, before it does it.
#include <cstdio>
#include <functional>
#include <iostream>
#include <set>

#include "harness/cli/commands.h"
#include "harness/cli/progress.h"
#include "harness/cli/session.h"
#include "harness/cli/suite_options.h"
#include "harness/cli/supervise.h"
#include "harness/gate/rules.h"
#include "harness/gate/statistics.h"
#include "harness/gate/text.h"
#include "harness/monitor/monitor.h"

namespace assay {
namespace {

struct PlanOptions {
  std::string suite;
  Overrides overrides;
  std::string store = ".assay";
  bool load = false;
  bool estimate = false;
  bool cells = false;
};

std::string norm_text(const AttackSpec& spec) {
  const bool none = spec.threat.unbounded || spec.family != Family::kEvasion;
  return none ? "-" : std::string(to_string(spec.threat.norm));
}

std::string eps_text(const Cell& cell) { return cell.eps ? number_text(*cell.eps) : "-"; }

// The first samples that the suite works on: of the test set, else of an audited one.
struct FirstBlock {
  std::string name;
  at::Tensor x;
  std::vector<int64_t> labels;
};

FirstBlock first_block(const Session& session) {
  const auto read = [&](const std::string& name, const Dataset& dataset,
                        const std::vector<int64_t>& indices, const std::vector<SampleInfo>& infos) {
    const auto most = static_cast<size_t>(block_size(session.suite));
    FirstBlock block{
        name, dataset.read(std::span(indices).first(std::min(most, indices.size()))), {}};
    for (int64_t i = 0; i < block.x.size(0); ++i) {
      block.labels.push_back(infos[static_cast<size_t>(i)].label);
    }
    return block;
  };
  if (session.dataset) {
    return read("test", *session.dataset, session.samples.indices, session.described);
  }
  const auto& [name, records] = *session.sets.audited.begin();
  return read(name, *records.dataset, records.indices, records.infos);
}

// What speaks against so many right answers of the first block, or "".
std::string doubt_of(const Suite& suite, int64_t right, int64_t rows) {
  for (const RuleSpec& rule : suite.rules) {
    if (rule.metric != "clean_accuracy" || rule.kind != RuleSpec::Kind::kAtLeast) continue;
    if (clopper_pearson(right, rows, rule.confidence).upper < rule.limit) {
      return "that is too few for clean_accuracy at_least " + figure(rule.limit) + ", by line " +
             std::to_string(rule.where.line);
    }
  }
  // Not told from guessing, and nearer to it than to no mistake.
  const double chance = 1 / static_cast<double>(suite.model.classes);
  const double share = static_cast<double>(right) / static_cast<double>(rows);
  const bool guessed = clopper_pearson(right, rows, 0.95).lower <= chance;
  return guessed && share < (1 + chance) / 2 ? "that is no better than guessing" : "";
}

// One clean and one taped forward with its gradient on the first block.
void try_model(const Session& session, const Model& model) {
  const auto [name, x, truth] = first_block(session);
  const int64_t rows = x.size(0);
  const Tape tape = model.record(x);
  if (!tape.logits().isfinite().all().item<bool>()) {
    throw Error("the model returns NaN or infinity on the first block of the set `" + name + "`",
                ExitCode::kRefused);
  }
  const at::Tensor gradient = tape.vjp(at::ones_like(tape.logits()));
  int64_t right = 0;
  const at::Tensor labels = tape.logits().argmax(1);
  for (int64_t i = 0; i < rows; ++i) {
    right += labels[i].item<int64_t>() == truth[static_cast<size_t>(i)];
  }
  std::printf("first block: %ld of %ld right, gradient %s\n", static_cast<long>(right),
              static_cast<long>(rows),
              tape.has_gradient() ? gradient.isfinite().all().item<bool>() ? "finite" : "not finite"
                                  : "none");
  const std::string doubt = doubt_of(session.suite, right, rows);
  if (doubt.empty()) return;
  std::printf("%s; %s\n", doubt.c_str(),
              clean_hint(model.facts().flags, session.suite.model.classes).c_str());
}

// What a run would refuse of the sets: shared records, too few of them for budgets or monitors.
void check_sets(const Session& session) {
  const Suite& suite = session.suite;
  for (const AttackSpec& spec : suite.attacks) {
    if (spec.family == Family::kEvasion) continue;
    if (spec.family == Family::kMembership) {
      const Bound bound = bind_entry(spec, spec.threat, session.attacks);
      make_audit(suite, spec, bound.inference, session.sets);
    } else {
      heist_units(suite, spec, session.attacks, session.sets);
    }
  }
}

// Model code may crash, and these commands know only "in order" (0) and "not" (2).
ExitCode tried(const std::function<ExitCode()>& work) {
  const ExitCode code = supervise([&work](const Attempt& attempt) {
    if (!attempt.failed.empty()) throw Error(attempt.failed);
    if (!attempt.crashes.empty()) {
      const Crash& crash = attempt.crashes.back();
      throw Error("the " + crash.work + " crashed the process (" + crash.signal +
                  ") while it was tried; the fault is in the model's own code");
    }
    try {
      return work();
    } catch (const Error& error) {
      throw Error(error.what());
    } catch (const std::bad_alloc&) {
      throw Error("out of memory; lower run.block");
    } catch (const std::exception& error) {
      throw Error("unexpected fault: " + std::string(error.what()));
    }
  });
  return code == ExitCode::kPass ? code : ExitCode::kUsage;
}

Model load_model(const Suite& suite, const std::filesystem::path& path) {
  if (std::filesystem::exists(path)) require_file(path);
  Model model = Model::load(suite.model, path, block_size(suite), suite.run.device);
  require_gradients(suite, model.facts(), path.string());
  return model;
}

// Loads a model, says what there is to say of it, runs one block, and makes the networks that
// shadows and surrogates would be.
void load_and_try(const Session& session, const std::string& role,
                  const std::filesystem::path& path) {
  const Working working(role, -1);
  const Model model = load_model(session.suite, path);
  const int64_t quantum = model.facts().quantum;
  std::printf(
      "%s loads%s%s\n", path.c_str(),
      quantum > 1 ? ("; batches are padded to multiples of " + count(quantum, "row")).c_str() : "",
      model.facts().random ? ", random" : "");
  for (const Flag& flag : model.facts().flags) {
    std::printf("flag %s: %s; %s\n", flag.id.c_str(), flag.detail.c_str(), flag.advice.c_str());
  }
  try_model(session, model);
  for (const auto& [wanted, where] : architectures_of(session.suite, session.attacks)) {
    read_architecture(session.suite, path, wanted, where);
  }
}

std::string valid_text(const PlanOptions& options, const Suite& suite) {
  return options.suite + " is valid: " + count(static_cast<int64_t>(suite.cells.size()), "cell") +
         ", " + count(static_cast<int64_t>(suite.rules.size()), "rule");
}

// The suite with its data, its model and its baseline.
ExitCode validate_loading(const PlanOptions& options) {
  const Session session(options.suite, options.overrides);
  const Suite& suite = session.suite;
  check_sets(session);
  check_paths(suite);
  std::printf("%s, %s\n", valid_text(options, suite).c_str(),
              count(static_cast<int64_t>(session.described.size()), "sample").c_str());
  warn_of_no_decision(suite);
  load_and_try(session, "candidate", suite.model.path);
  const std::string& baseline = suite.baseline;
  if (baseline.empty() || baseline == "none") return ExitCode::kPass;
  if (!is_model(baseline)) {
    const Evidence evidence = read_whole_run(baseline);
    std::printf("baseline %s is a whole run of %s\n", baseline.c_str(),
                count(static_cast<int64_t>(evidence.header.cells.size()), "cell").c_str());
    return ExitCode::kPass;
  }
  try {
    load_and_try(session, "baseline", baseline);
  } catch (const Error& error) {
    throw Error("baseline: " + std::string(error.what()));
  }
  return ExitCode::kPass;
}

ExitCode validate(const PlanOptions& options) {
  if (options.load) return tried([&options] { return validate_loading(options); });
  const std::vector<Attack> attacks = with_ensemble(attack_table());
  const Suite suite =
      load_suite(options.suite, options.overrides, infos_of(attacks), monitor_infos());
  check_detectors(suite);
  std::printf("%s\n", valid_text(options, suite).c_str());
  warn_of_no_decision(suite);
  return ExitCode::kPass;
}

void print_estimate(const Session& session, const std::string& store) {
  const Suite& suite = session.suite;
  const Working working("candidate", -1);
  const Model model = load_model(suite, suite.model.path);
  const auto samples = static_cast<double>(session.described.size());
  const auto count = static_cast<int64_t>(session.described.size());
  const int64_t rows = std::min(unit_size(suite, count), count);
  at::Tensor x = first_block(session).x;
  if (session.dataset) x = x.narrow(0, 0, rows);
  const int workers = default_workers(suite.run.memory_limit);
  std::printf("\nestimate for %d worker%s, from one block\n%-24s %14s %14s %14s\n", workers,
              workers == 1 ? "" : "s", "cell", "all robust", "all broken", "memory/worker");
  // Entries share shadows, and the store may have them.
  std::optional<Store> kept;
  if (std::filesystem::exists(store)) kept.emplace(store);
  std::set<std::string> counted;
  const auto done = [&](const std::string& key) {
    return !counted.insert(key).second || (kept && kept->get(key).has_value());
  };
  double robust = 0, broken = 0;
  for (const Cell& cell : suite.cells) {
    const AttackSpec& spec = suite.attacks[cell.spec];
    if (spec.family != Family::kEvasion) {
      const std::filesystem::path& path = suite.model.path;
      const double seconds =
          (spec.family == Family::kMembership
               ? estimate_audit(suite, spec, session.attacks, session.sets, session.platform, model,
                                x, path, done)
               : estimate_heist(suite, spec, session.attacks, session.sets, model, x, path)) /
          workers;
      robust += seconds;
      broken += seconds;
      std::printf("%-24s %12.2f s %12.2f s\n", cell.name.c_str(), seconds, seconds);
      continue;
    }
    const bool shares =
        find_attack(session.attacks, suite.attacks[cell.spec].attack).info.minimum_norm &&
        &cell != suite.cells.data() && (&cell - 1)->spec == cell.spec;
    if (shares) {
      std::printf("%-24s %14s\n", cell.name.c_str(), "as above");
      continue;
    }
    const UnitEstimate one = estimate_unit(suite, cell, session.attacks, model, x);
    const double scale = samples / static_cast<double>(rows) / workers;
    robust += one.robust_s * scale;
    broken += one.broken_s * scale;
    std::printf("%-24s %12.2f s %12.2f s %11.1f MiB\n", cell.name.c_str(), one.robust_s * scale,
                one.broken_s * scale, static_cast<double>(one.memory) / (1 << 20));
  }
  std::printf("%-24s %12.2f s %12.2f s\n", "all cells", robust, broken);
  if (std::filesystem::is_regular_file(suite.baseline) && is_model(suite.baseline)) {
    std::printf("%-24s %12.2f s %12.2f s   a baseline model runs once, then the store has it\n",
                "with the baseline", 2 * robust, 2 * broken);
  }
}

ExitCode print_plan(const PlanOptions& options) {
  const Session session(options.suite, options.overrides);
  const Suite& suite = session.suite;
  const int64_t block = unit_size(suite, static_cast<int64_t>(session.described.size()));
  const size_t blocks =
      (session.described.size() + static_cast<size_t>(block) - 1) / static_cast<size_t>(block);
  std::printf("%s: %zu samples in %zu blocks of %ld; %zu cells\n", suite.name.c_str(),
              session.described.size(), blocks, static_cast<long>(block), suite.cells.size());
  std::printf("%-24s %-12s %-5s %-8s %-9s %s\n", "cell", "attack", "norm", "eps", "access",
              "units");
  for (const Cell& cell : suite.cells) {
    const AttackSpec& spec = suite.attacks[cell.spec];
    size_t units = blocks;
    if (spec.family == Family::kMembership) {
      units = audit_units(suite, spec, session.attacks, session.sets);
    } else if (spec.family == Family::kExtraction) {
      units = heist_units(suite, spec, session.attacks, session.sets);
    }
    std::printf("%-24s %-12s %-5s %-8s %-9s %zu\n", cell.name.c_str(), spec.attack.c_str(),
                norm_text(spec).c_str(), eps_text(cell).c_str(),
                std::string(to_string(spec.threat.access)).c_str(), units);
  }
  if (options.estimate) print_estimate(session, options.store);
  return ExitCode::kPass;
}

ExitCode plan(const PlanOptions& options) {
  if (options.estimate) return tried([&options] { return print_plan(options); });
  if (!options.cells) return print_plan(options);
  const Suite suite = load_suite(options.suite, options.overrides,
                                 infos_of(with_ensemble(attack_table())), monitor_infos());
  for (const Cell& cell : suite.cells) std::cout << cell.name << '\n';
  return ExitCode::kPass;
}

}  // namespace

Command add_validate(CLI::App& app) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* command = app.add_subcommand(
      "validate", "check a suite without running it; 0 if it is in order, else 2");
  add_suite_options(command, &options->suite, &options->overrides);
  command->add_flag("--load", options->load,
                    "also load model and data, and run one block,\nforward and gradient");
  return {command, [options] { return validate(*options); }};
}

Command add_plan(CLI::App& app) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* command = app.add_subcommand("plan", "show the cells and units of a suite");
  add_suite_options(command, &options->suite, &options->overrides);
  command->add_flag("--estimate", options->estimate,
                    "time one block of each cell; print seconds and\nmemory");
  command
      ->add_option("--store", options->store,
                   "results of earlier runs, which --estimate leaves out; .assay by\ndefault")
      ->type_name("DIR");
  command->add_flag("--cells", options->cells, "only the names of the cells, one a line");
  return {command, [options] { return plan(*options); }};
}

}  // namespace assay
