#include "harness/run/score.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "harness/run/likeness.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;
using What = Scoring::Part::What;

double share(const at::Tensor& right, const at::Tensor& rows) {
  const auto n = rows.sum().item<int64_t>();
  if (n == 0) return 0;
  return static_cast<double>(right.logical_and(rows).sum().item<int64_t>()) /
         static_cast<double>(n);
}

// What a membership cell's units made, as its attack takes it.
class Made {
 public:
  explicit Made(const Gathered& gathered) : gathered_(gathered), scoring_(gathered.scoring()) {}

  // [A, R, K] float64: of the first A views.
  at::Tensor logits(int64_t shadow, int64_t views) const {
    const auto records = static_cast<int64_t>(scoring_.labels.size());
    std::vector<at::Tensor> all;
    for (int64_t view = 0; view < views; ++view) {
      all.push_back(gathered_.numbers(What::kLogits, shadow, view, records, {scoring_.classes}));
      // The candidate failed while it was queried: there is no surrogate to refer to.
      if (!all.back().defined()) all.back() = at::zeros({records, scoring_.classes}, at::kDouble);
    }
    return at::stack(all);
  }

  // Of the first `views`.
  at::Tensor shadow_logits(int64_t shadow, int64_t views) const {
    at::Tensor all = logits(shadow, views);
    if (!all.isfinite().all().item<bool>()) {
      throw Error("shadow " + std::to_string(shadow) +
                  " gives NaN or infinity; lower `learning_rate`, or say `architecture: cnn`");
    }
    return all;
  }

  // [records, ...width] float64; undefined where none was asked for.
  at::Tensor numbers(What what, int64_t records, const std::vector<int64_t>& width) const {
    return gathered_.numbers(what, -1, 0, records, width);
  }

  at::Tensor in() const {
    const auto records = static_cast<int64_t>(scoring_.labels.size());
    at::Tensor bits = at::zeros({static_cast<int64_t>(scoring_.in.size()), records}, at::kBool);
    for (size_t i = 0; i < scoring_.in.size(); ++i) {
      bits[static_cast<int64_t>(i)].index_fill_(0, at::tensor(scoring_.in[i], at::kLong), true);
    }
    return bits;
  }

  // Members among the audited records: [audited] bool.
  at::Tensor members() const {
    const at::Tensor member = at::empty({audited()}, at::kBool);
    for (int64_t i = 0; i < audited(); ++i) {
      member[i].fill_(scoring_.rows[static_cast<size_t>(i)].member);
    }
    return member;
  }

  // Brings the candidate's logits to the scale of its shadows' and, unless all that counts is their
  // `labels_only`, to their balance of classes, by the non-members where it did not fail; says what
  // is unlike even then.
  std::string rescale(const at::Tensor& failed, bool labels_only, Outputs* outputs) const {
    const at::Tensor others =
        members().logical_or(failed.narrow(0, 0, audited())).logical_not().unsqueeze(0);
    const Likeness likeness = likeness_of(
        outputs->logits[0].narrow(0, 0, audited()), outputs->labels.narrow(0, 0, audited()),
        outputs->shadows,
        [&](int64_t shadow) { return shadow_logits(shadow, 1)[0].narrow(0, 0, audited()); },
        outputs->in.narrow(1, 0, audited()).logical_not().logical_and(others), scoring_.shared);
    outputs->logits.mul_(likeness.scale);
    outputs->tell("ranked", static_cast<double>(likeness.ranked));
    if (likeness.scaled) outputs->tell("scale", likeness.scale);
    if (likeness.levelled && !labels_only) outputs->tell("offset", 0);
    if (likeness.offset.defined() && !labels_only) {
      outputs->logits.add_(likeness.offset);
      outputs->tell("offset", likeness.offset.max().sub(likeness.offset.min()).item<double>());
    }
    return likeness.unlike;
  }

  // What shadows know of members that they were not trained on, and what they started from.
  std::string foreknowledge(const Outputs& outputs) const {
    const at::Tensor labels = outputs.labels.narrow(0, 0, audited());
    const auto margin = [&](int64_t shadow) {
      return label_margin(logits(shadow, 1)[0].narrow(0, 0, audited()), labels);
    };
    at::Tensor sum = at::zeros({audited()}, at::kDouble);
    const at::Tensor out = outputs.in.narrow(1, 0, audited()).logical_not();
    for (int64_t shadow = 0; shadow < outputs.shadows; ++shadow) {
      sum.add_(at::where(out[shadow], margin(shadow), 0));
    }
    std::string text =
        apart_text("shadows that were trained on neither", sum.div(out.sum(0)), members());
    const bool starts =
        std::any_of(scoring_.parts.begin(), scoring_.parts.end(),
                    [&](const auto& part) { return part.shadow == outputs.shadows; });
    if (!starts) return text;
    const std::string start =
        apart_text("the values of " + scoring_.architecture + ", which shadows start from,",
                   margin(outputs.shadows), members());
    return text + (text.empty() || start.empty() ? "" : "; ") + start;
  }

  // Mean accuracies, from the records as they are, the candidate's by its logits [A, R, K] as they
  // were, and what shadows foreknow.
  Fidelity fidelity(const Outputs& outputs, const at::Tensor& own,
                    const std::string& unlike) const {
    const at::Tensor labels = outputs.labels.narrow(0, 0, audited());
    const at::Tensor member = members();
    const auto right = [&](const at::Tensor& all) {
      return all[0].narrow(0, 0, audited()).argmax(1).eq(labels);
    };
    Fidelity fidelity;
    const at::Tensor candidate = right(own);
    fidelity.candidate_members = share(candidate, member);
    fidelity.candidate_non_members = share(candidate, member.logical_not());
    fidelity.shadows = outputs.shadows;
    fidelity.architecture = scoring_.architecture;
    fidelity.reason = scoring_.reason;
    fidelity.frozen = scoring_.frozen;
    fidelity.trained = !scoring_.trained.empty();
    double unseen = 0;
    for (int64_t shadow = 0; shadow < outputs.shadows; ++shadow) {
      if (fidelity.trained) {
        const std::string& trained = scoring_.trained[static_cast<size_t>(shadow)];
        fidelity.shadow_members += gathered_.result_of(trained).fidelity->shadow_members;
      }
      const at::Tensor out = outputs.in[shadow].narrow(0, 0, audited()).logical_not();
      const at::Tensor theirs = right(logits(shadow, 1));
      fidelity.shadow_non_members += share(theirs, out.logical_and(member.logical_not()));
      unseen += share(theirs, out.logical_and(member));
    }
    const auto shadows = static_cast<double>(outputs.shadows);
    fidelity.shadow_members /= shadows;
    fidelity.shadow_non_members /= shadows;
    fidelity.shadow_unseen_members = unseen / shadows;
    fidelity.unlike = unlike;
    fidelity.foreknown = foreknowledge(outputs);
    return fidelity;
  }

 private:
  int64_t audited() const { return static_cast<int64_t>(scoring_.rows.size()); }

  const Gathered& gathered_;
  const Scoring& scoring_;
};

// Names the first of what shadows keep of the candidate, or start from in `file`.
std::string kept_text(const std::vector<std::string>& kept, const std::string& file) {
  constexpr size_t kNamed = 6;
  std::string text;
  for (size_t i = 0; i < std::min(kept.size(), kNamed); ++i) {
    text += (i == 0 ? "" : ", ") + kept[i];
  }
  if (kept.size() > kNamed) text += " and " + std::to_string(kept.size() - kNamed) + " more";
  if (!file.empty()) {
    return text + " of " + file + (kept.size() == 1 ? " has" : " have") + " the candidate's values";
  }
  return text + (kept.size() == 1 ? ", frozen in the candidate, keeps its values"
                                  : ", frozen in the candidate, keep its values");
}

}  // namespace

bool Gathered::lacks_any() const {
  return std::any_of(scoring_.parts.begin(), scoring_.parts.end(),
                     [this](const auto& part) { return result_of_(part.key).tensors.empty(); });
}

at::Tensor Gathered::numbers(What what, int64_t shadow, int64_t view, int64_t records,
                             const std::vector<int64_t>& width) const {
  at::Tensor all;
  for (const Scoring::Part& part : scoring_.parts) {
    if (part.what != what || part.shadow != shadow || part.view != view) continue;
    std::vector<int64_t> shape = {records};
    shape.insert(shape.end(), width.begin(), width.end());
    if (!all.defined()) all = at::zeros(shape, at::kDouble);
    shape[0] = part.end - part.begin;
    const std::string& tensors = result_of_(part.key).tensors;
    if (tensors.empty()) return {};
    const std::string bytes = blob_(tensors);
    const at::Tensor piece = at::empty(shape, at::kDouble);
    if (bytes.size() != piece.nbytes()) {
      throw Error("the outputs of unit " + part.key.substr(0, 16) + " of cell " + scoring_.cell +
                      " are of another length than its records",
                  ExitCode::kIncomplete);
    }
    std::memcpy(piece.mutable_data_ptr(), bytes.data(), bytes.size());
    all.narrow(0, part.begin, shape[0]).copy_(piece);
  }
  return all;
}

Scoring scoring_of(const Suite& suite, const Plan& plan, const Unit& unit) {
  const Audit& audit = plan.audits[unit.audit];
  Scoring scoring;
  scoring.cell = unit.cell;
  scoring.key = unit.key;
  scoring.entry = static_cast<int64_t>(unit.entry);
  scoring.classes = suite.model.classes;
  for (int64_t i = 0; i < static_cast<int64_t>(audit.records.size()); ++i) {
    const RecordRef& record = audit.records[static_cast<size_t>(i)];
    if (i < audit.audited) scoring.rows.push_back({record.member, record.position});
    scoring.labels.push_back(record.info().label);
    if (i >= audit.audited) scoring.population.push_back(record.info().id);
  }
  for (const Unit& other : plan.units) {
    if (other.cell != unit.cell || other.audit != unit.audit) continue;
    const bool trains = other.kind == Unit::Kind::kTrain || other.kind == Unit::Kind::kSteal;
    if (trains) scoring.trained.push_back(other.key);
    What what = What::kLogits;
    switch (other.kind) {
      case Unit::Kind::kOutputs:
        break;
      case Unit::Kind::kBoundary:
        what = What::kDistances;
        break;
      case Unit::Kind::kFeatures:
        what = What::kFeatures;
        break;
      case Unit::Kind::kTransfer:
        what = What::kTransfer;
        break;
      default:
        continue;
    }
    scoring.views = std::max(scoring.views, other.view + 1);
    scoring.parts.push_back({other.key, what, other.shadow, other.view, other.begin, other.end});
  }
  scoring.features = audit.features;
  // A surrogate was trained on no record's label.
  scoring.in.resize(static_cast<size_t>(audit.references));
  for (int64_t shadow = 0; shadow < audit.shadows.count; ++shadow) {
    std::vector<int64_t> in;
    for (const int64_t row : trained_on(audit, shadow)) {
      const int64_t record = audit.training_record[static_cast<size_t>(row)];
      if (record >= 0) in.push_back(record);
    }
    std::sort(in.begin(), in.end());
    scoring.in.push_back(std::move(in));
  }
  if (audit.shadows.count > 0 && !names_file(audit.shadows.recipe.architecture)) {
    const auto size = static_cast<double>(trained_on(audit, 0).size());
    const auto all = static_cast<double>(audit.training.size());
    scoring.shared = audit.shadows.online ? 0.5 : std::max(0.0, 2 - all / size);
  }
  if (audit.architecture) {
    scoring.architecture = audit.architecture->name();
    scoring.reason = audit.architecture->reason();
    const std::vector<std::string>& kept = audit.architecture->kept();
    scoring.frozen = static_cast<int64_t>(kept.size());
    const bool file = names_file(audit.shadows.recipe.architecture);
    if (!kept.empty()) scoring.reason = kept_text(kept, file ? audit.architecture->name() : "");
  }
  return scoring;
}

void sort_scores(std::vector<Score>* scores) {
  std::sort(scores->begin(), scores->end(), [](const Score& a, const Score& b) {
    return std::pair(!a.member, a.record) < std::pair(!b.member, b.record);
  });
}

std::vector<Scoring> scorings_of(const Suite& suite, const Plan& plan) {
  std::vector<Scoring> all;
  for (const Unit& unit : plan.units) {
    if (unit.kind == Unit::Kind::kScore) all.push_back(scoring_of(suite, plan, unit));
  }
  return all;
}

UnitResult run_score(const Suite& suite, const Scoring& scoring, const std::vector<Attack>& attacks,
                     const std::function<const UnitResult&(const std::string&)>& result_of,
                     const std::function<std::string(const std::string& sha256)>& blob) {
  const Clock::time_point start = Clock::now();
  const AttackSpec& spec = suite.attacks.at(static_cast<size_t>(scoring.entry));
  const Gathered parts(scoring, result_of, blob);
  if (spec.family == Family::kExtraction) return score_heist(suite, attacks, parts);
  const Inference inference = bind_entry(spec, spec.threat, attacks).inference;
  const Made gathered(parts);
  const auto audited = static_cast<int64_t>(scoring.rows.size());
  Outputs outputs;
  const at::Tensor logits = gathered.logits(-1, scoring.views);
  const at::Tensor labels = at::tensor(scoring.labels, at::kLong);
  const at::Tensor failed = logits.isfinite().logical_not().any(2).any(0);  // [R]
  const int64_t pooled = labels.size(0) - audited;
  UnitResult result;
  result.key = scoring.key;
  result.cell = scoring.cell;
  for (int64_t i = 0; i < pooled && !parts.lacks_any(); ++i) {
    if (!failed[audited + i].item<bool>()) continue;
    result.failed_pool.push_back(scoring.population[static_cast<size_t>(i)]);
  }
  // Without the surrogate that it refers to, or any record of the pool, no record has a score: the
  // candidate failed.
  const bool lost = pooled > 0 && static_cast<int64_t>(result.failed_pool.size()) == pooled;
  if (lost || parts.lacks_any()) failed.fill_(true);
  // A failed record is no reference for others; among the audited it keeps its place, and its score
  // means nothing.
  const at::Tensor audits = at::arange(labels.size(0), at::kLong).lt(audited);
  const at::Tensor kept = failed.logical_not().logical_or(audits).nonzero().squeeze(1);
  outputs.logits = logits.masked_fill(failed.view({1, -1, 1}), 0).index_select(1, kept);
  outputs.labels = labels.index_select(0, kept);
  outputs.audited = audited;
  outputs.shadows = static_cast<int64_t>(scoring.in.size());
  outputs.shadow_logits = [&](int64_t shadow) {
    return gathered.shadow_logits(shadow, scoring.views).index_select(1, kept);
  };
  outputs.in = gathered.in().index_select(1, kept);
  outputs.distances = gathered.numbers(What::kDistances, audited, {});
  if (outputs.distances.defined()) {
    failed.narrow(0, 0, audited).logical_or_(outputs.distances.isnan());
    outputs.distances.nan_to_num_(0);
  }
  outputs.features = gathered.numbers(What::kFeatures, labels.size(0), {scoring.features});
  if (outputs.features.defined()) outputs.features = outputs.features.index_select(0, kept);

  outputs.tell = [&result](const std::string& param, double value) { result.tuned[param] = value; };

  const bool compared = outputs.shadows > 0 && !lost && !parts.lacks_any();
  const at::Tensor own = outputs.logits.clone();
  const bool labels_only = find_attack(attacks, spec.attack).info.access == Access::kLabel;
  const std::string unlike = compared ? gathered.rescale(failed, labels_only, &outputs) : "";
  at::Tensor scores = at::zeros({audited}, at::kDouble);
  if (!lost) {
    scores = inference.infer(outputs, Rng(suite.seed, spec.attack, 0)).to(at::kDouble).contiguous();
  }
  ASSAY_CHECK(scores.dim() == 1 && scores.size(0) == audited,
              spec.attack + " scores each audited record once");
  ASSAY_CHECK(scores.isfinite().all().item<bool>(), spec.attack + " gives finite scores");
  for (int64_t i = 0; i < audited; ++i) {
    const Scoring::Row& row = scoring.rows[static_cast<size_t>(i)];
    result.scores.push_back(
        {row.member, row.record, scores[i].item<double>(), failed[i].item<bool>()});
  }
  sort_scores(&result.scores);
  if (outputs.shadows > 0) result.fidelity = gathered.fidelity(outputs, own, unlike);
  result.cost.time_s = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

}  // namespace assay
