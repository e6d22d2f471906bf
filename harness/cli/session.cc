#include "harness/cli/session.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <numeric>
#include <set>

#include "harness/cli/progress.h"
#include "harness/cli/sample_scales.h"
#include "harness/cli/sources.h"
#include "harness/gate/text.h"
#include "harness/monitor/monitor.h"
#include "harness/record/run_facts.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"
#include "harness/suite/host_limits.h"

namespace assay {

std::vector<AttackInfo> infos_of(const std::vector<Attack>& attacks) {
  std::vector<AttackInfo> infos;
  for (const Attack& attack : attacks) infos.push_back(attack.info);
  return infos;
}

Session::Session(const std::filesystem::path& suite_file, const Overrides& overrides)
    : attacks(with_ensemble(attack_table())),
      suite(load_suite(suite_file, overrides, infos_of(attacks), monitor_infos())) {
  check_detectors(suite);
  platform = assay::platform(suite.run.device);
  open_test();
  open_sets();
}

void Session::open_test() {
  const bool needed =
      std::any_of(suite.attacks.begin(), suite.attacks.end(),
                  [](const AttackSpec& spec) { return spec.family == Family::kEvasion; });
  const auto test = suite.data.find("test");
  if (test == suite.data.end() && !needed && !suite.attacks.empty()) return;
  if (test == suite.data.end()) {
    throw Error(Where{suite.file.string(), 0, 0},
                "data has no set `test`, which the attacks are run on");
  }
  dataset = std::make_unique<Dataset>(Dataset::open(test->second, suite.model));
  samples.dataset = dataset.get();
  samples.indices = draw(*dataset, suite.sample);
  described = describe(*dataset, samples.indices);
  scales = read_sample_scales(suite, described, attacks);
}

void Session::open_sets() {
  const auto open = [this](const std::string& name) -> const Dataset& {
    std::unique_ptr<Dataset>& set = opened_[name];
    if (!set) set = std::make_unique<Dataset>(Dataset::open(suite.data.at(name), suite.model));
    return *set;
  };
  // The most that a cell asks of each audited set; nullopt is all.
  std::map<std::string, std::optional<int64_t>> audited;
  std::set<std::string> pools;
  std::set<std::string> seen;  // whose records a membership cell tells from others
  for (const AttackSpec& spec : suite.attacks) {
    if (spec.family == Family::kEvasion) continue;
    for (const auto& [role, name] : spec.sets) {
      if (role == "pool") {
        if (suite.data.contains(name)) pools.insert(name);  // noise is not read
        continue;
      }
      const Dataset& set = open(name);
      if (spec.family == Family::kMembership) seen.insert(name);
      if (spec.count && *spec.count > set.size()) {
        throw Error(spec.where, "`count` is " + std::to_string(*spec.count) + ", and the set `" +
                                    name + "` has " + count(set.size(), "record"));
      }
      const auto [known, fresh] = audited.emplace(name, spec.count);
      if (!fresh && known->second) {
        known->second = spec.count ? std::max(known->second, spec.count) : std::nullopt;
      }
    }
  }
  if (suite.monitors) pools.insert(suite.monitors->benign);
  const auto read = [&](const std::string& name, std::optional<int64_t> count) {
    Records records;
    records.dataset = &open(name);
    records.indices = draw(*records.dataset, {.count = count, .seed = suite.seed});
    records.infos = describe(*records.dataset, records.indices);
    return records;
  };
  for (const auto& [name, count] : audited) {
    const Records& taken = sets.audited[name] = read(name, count);
    if (!seen.contains(name) || !count) continue;
    Records rest{taken.dataset, {}, {}};
    std::vector<int64_t> all(static_cast<size_t>(taken.dataset->size()));
    std::iota(all.begin(), all.end(), 0);
    std::set_difference(all.begin(), all.end(), taken.indices.begin(), taken.indices.end(),
                        std::back_inserter(rest.indices));
    rest.infos = describe(*rest.dataset, rest.indices);
    sets.left_out[name] = std::move(rest);
  }
  for (const std::string& name : pools) sets.pools[name] = read(name, {});
}

void require_file(const std::filesystem::path& path) {
  using Type = std::filesystem::file_type;
  std::error_code error;
  const Type type = std::filesystem::status(path, error).type();
  if (type == Type::regular) return;
  const std::string what = type == Type::directory ? "a folder"
                           : type == Type::fifo    ? "a pipe"
                           : type == Type::socket  ? "a socket"
                                                   : "a device";
  throw Error(path.string() + (error ? " cannot be looked at: " + error.message()
                                     : " is " + what + "; name a file"));
}

void check_paths(const Suite& suite) {
  if (!std::filesystem::exists(suite.model.path)) {
    throw Error("no such model file: " + suite.model.path.string());
  }
  require_file(suite.model.path);
  if (suite.baseline.empty() || suite.baseline == "none") return;
  if (!std::filesystem::exists(suite.baseline)) {
    throw Error("no such baseline: " + suite.baseline +
                "; name a model, a run folder or an evidence file, or `none` for a first run");
  }
  if (!std::filesystem::is_directory(suite.baseline)) require_file(suite.baseline);
}

void warn_of_no_decision(const Suite& suite) {
  if (suite.rules.empty()) {
    std::cerr << "assay: the suite has no rules, and a gate that checks nothing never passes"
              << std::endl;
  }
  const auto paired = [](const RuleSpec& rule) { return is_paired(rule.kind); };
  const auto first = std::find_if(suite.rules.begin(), suite.rules.end(), paired);
  if (first == suite.rules.end()) return;
  if (suite.baseline.empty()) {
    std::cerr << "assay: " << to_prefix(first->where) << to_string(first->kind)
              << " compares with a baseline, and there is none, so that the gate cannot pass; name "
                 "one with --baseline, or `none` for a first run"
              << std::endl;
  } else if (suite.baseline == "none" &&
             std::all_of(suite.rules.begin(), suite.rules.end(), paired)) {
    std::cerr << "assay: every rule compares with a baseline, and a first run has none, so that no "
                 "rule decides; add one that stands by itself, such as at_least"
              << std::endl;
  }
}

bool is_model(const std::string& path) {
  if (std::filesystem::is_directory(path)) return false;
  std::ifstream file(path, std::ios::binary);
  return file.peek() != '{' && std::filesystem::path(path).extension() != ".jsonl";
}

Evidence read_whole_run(const std::string& path) {
  Evidence evidence = read_evidence(path);
  if (!evidence.ended_early.empty()) {
    throw Error("baseline " + path + " is a run that ended early (" + evidence.ended_early +
                "); name another baseline");
  }
  if (const std::string& reason = evidence.interrupted; !evidence.complete() || !reason.empty()) {
    throw Error("baseline " + path + " is an incomplete run" +
                (reason.empty() ? "" : " (" + reason + ")") +
                "; finish it with --resume, or name a merge of all its shards");
  }
  const std::filesystem::path file = path;
  const RunFacts facts =
      read_run_facts(file.filename() == "evidence.jsonl" ? file.parent_path() : file);
  if (!facts.unsaved.empty()) {
    throw Error("baseline " + path + " is an incomplete run (" + *facts.unsaved.begin() +
                "); finish it with --resume, or, if it is a merge, the shard that could not save " +
                "them, and merge again");
  }
  if (!facts.unreported.empty()) {
    throw Error("baseline " + path + " is an incomplete run (" + facts.unreported +
                "); write its reports with `assay report`");
  }
  return evidence;
}

int choose_workers(int asked, int64_t memory_limit) {
  if (asked == 0) return default_workers(memory_limit);
  const int fit = memory_limit == 0 ? asked : workers_within(memory_limit);
  if (fit >= asked) return asked;
  std::cerr << "assay: run.memory_limit has room for " << fit << " of " << asked
            << " workers, at 512 MiB each and 1 GiB for program and model" << std::endl;
  return fit;
}

void require_gradients(const Suite& suite, const ModelFacts& facts, const std::string& path) {
  if (facts.gradient) return;
  const bool wild = std::any_of(facts.flags.begin(), facts.flags.end(),
                                [](const Flag& flag) { return flag.id == "nonfinite_gradient"; });
  for (const AttackSpec& spec : suite.attacks) {
    if (spec.threat.access != Access::kGradient) continue;
    throw Error(path + (wild ? " gives no finite gradient" : " gives no gradient") +
                    " with respect to its input, which attack `" + spec.name + "` needs; " +
                    (wild ? "look for a NaN that torch.where hides and for log or sqrt of 0"
                          : "export it without detach, no_grad and rounding"),
                ExitCode::kRefused);
  }
}

Architecture read_architecture(const Suite& suite, const std::filesystem::path& model,
                               const std::string& wanted, const Where& where) {
  if (wanted == "candidate") return Architecture::of(suite.model, model, wanted);
  try {
    return Architecture::of(suite.model, model,
                            architecture_file(suite.file.parent_path(), wanted));
  } catch (const Error& error) {
    throw Error(where, std::string("`architecture`: ") + error.what());  // the suite's fault
  }
}

Subject::Subject(const Session& session, const std::filesystem::path& path, Store* store)
    : session_(session), path_(path) {
  if (!std::filesystem::exists(path)) throw Error("no such model file: " + path.string());
  const FileIdentity identity{path.string(), sha256_file(path)};
  sha256_ = identity.sha256;
  const std::string key = facts_key(session.suite, identity, session.platform);
  const std::optional<std::string> known = store->get_fact(key);
  if (!known || !parse_facts(*known, &facts_)) {
    model_.emplace(load(nullptr));
    facts_ = model_->facts();
    store->put_fact(key, to_text(facts_));
  }
  require_gradients(session.suite, facts_, path.string());
  sources_ = std::make_unique<SourceSet>(session, identity.sha256, store);
  AuditInputs audits;
  audits.sets = &session.sets;
  for (const auto& [wanted, where] : architectures_of(session.suite, session.attacks)) {
    audits.architectures[wanted] =
        std::make_shared<Architecture>(read_architecture(session.suite, path, wanted, where));
  }
  plan_ = make_plan(session.suite, identity, session.described, session.platform, session.attacks,
                    sources_->digests(), audits, session.scales);
  std::vector<Flag>& flags = plan_.header.flags;
  flags.insert(flags.begin(), facts_.flags.begin(), facts_.flags.end());
}

Subject::~Subject() = default;

Sources Subject::sources() { return sources_->sources(); }

Model Subject::load(const ModelFacts* known) const {
  if (!session_.failed.empty()) throw Error(session_.failed, ExitCode::kIncomplete);
  if (const std::string signal = caught_signal(); !signal.empty()) {
    throw Error("stopped by " + signal, ExitCode::kIncomplete);
  }
  std::string work = "load:" + sha256_;
  if (const Crash* crash = find_crash(session_.crashes, work)) {
    throw Error(path_.string() + " crashed the process (" + crash->signal +
                    ") while it was loaded and probed; the fault is in the model's own code",
                ExitCode::kRefused);
  }
  const Working loading(work, -1);
  return Model::load(session_.suite.model, path_, block_size(session_.suite),
                     session_.suite.run.device, known);
}

const Model& Subject::model() {
  if (!model_) model_.emplace(load(&facts_));
  sources_->load();
  return *model_;
}

}  // namespace assay
