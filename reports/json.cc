// report.json (contracts §6): the one source for programs. Fields beyond the contract: `reason`,
// `exit_code`, a rule's `confidence`, a cell's `baseline_reason`, of a minimum-norm cell
// `local_optimality`, of a membership cell `roc`, `histogram`, `fidelity`, `power`, `slices`,
// `worst_slice` and `exposed` and the `realised_fpr` of a TPR, and of an extraction cell
// `extraction` and the `surface` of its threat model.
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/suite/error.h"
#include "reports/report.h"
#include "reports/view.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

Json text(std::string_view value) { return value.empty() ? Json(nullptr) : Json(value); }

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

template <typename T>
Json optional(const std::optional<T>& value) {
  if (!value) return nullptr;
  if constexpr (std::is_floating_point_v<T>) return number(*value);
  return *value;
}

Json param(const ParamValue& value) {
  return std::visit(
      [](const auto& held) -> Json {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          return nullptr;
        } else if constexpr (std::is_same_v<T, double>) {
          return number(held);
        } else if constexpr (std::is_same_v<T, std::vector<double>>) {
          Json list = Json::array();
          for (const double entry : held) list.push_back(number(entry));
          return list;
        } else {
          return held;
        }
      },
      value);
}

Json params(const ParamMap& map) {
  Json out = Json::object();
  for (const auto& [name, value] : map) out[name] = param(value);
  return out;
}

Json bounded(const BoundedShare& share) {
  return {{"value", number(share.value)},
          {"lower", number(share.lower)},
          {"upper", number(share.upper)}};
}

/// `reason` is null unless `value` is.
Json estimate(const Estimate& metric) {
  const Json value = optional(metric.value);
  Json reason = nullptr;
  if (value.is_null()) {
    reason = !metric.reason.empty() ? metric.reason
             : metric.value         ? "the value is not finite"
                                    : "not estimated";
  }
  Json out = {{"value", value},
              {"lower", optional(metric.lower)},
              {"upper", optional(metric.upper)},
              {"n", metric.n},
              {"reason", reason}};
  if (metric.realised_fpr) out["realised_fpr"] = bounded(*metric.realised_fpr);
  return out;
}

Json curve(const std::vector<CurvePoint>& points) {
  Json out = Json::array();
  for (const CurvePoint& point : points) {
    out.push_back({{"eps", number(point.eps)},
                   {"robust_accuracy", number(point.robust_accuracy)},
                   {"lower", number(point.lower)},
                   {"upper", number(point.upper)}});
  }
  return out;
}

Json roc(const std::vector<RocPoint>& points) {
  Json out = Json::array();
  for (const RocPoint& point : points) {
    out.push_back({{"fpr", number(point.fpr)},
                   {"tpr", number(point.tpr)},
                   {"lower", number(point.lower)},
                   {"upper", number(point.upper)}});
  }
  return out;
}

Json fidelity(const MembershipResult& result) {
  if (!result.fidelity) return nullptr;
  const Fidelity& of = *result.fidelity;
  return {{"shadows", of.shadows},
          {"candidate_members", number(of.candidate_members)},
          {"candidate_non_members", number(of.candidate_non_members)},
          {"shadow_members", of.trained ? number(of.shadow_members) : Json(nullptr)},
          {"shadow_non_members", number(of.shadow_non_members)},
          {"shadow_unseen_members", optional(of.shadow_unseen_members)},
          {"architecture", text(of.architecture)},
          {"reason", text(of.reason)},
          {"comparable", result.not_comparable.empty()}};
}

Json power(const MembershipPower& power) {
  Json out = Json::object();
  Json reasons = Json::object();
  const auto add = [&](const std::string& metric, const Estimate& smallest) {
    out[metric] = optional(smallest.value);
    if (!smallest.value) reasons[metric] = smallest.reason;
  };
  add("auc", power.auc);
  for (const auto& [metric, smallest] : power.tpr) add(metric, smallest);
  out["epsilon_reach"] = optional(power.epsilon_reach);
  out["epsilon_detectable"] = optional(power.epsilon_detectable);
  out["reasons"] = reasons;
  return out;
}

Json slices(const std::vector<MembershipSlice>& list) {
  Json out = Json::array();
  for (const MembershipSlice& slice : list) {
    out.push_back({{"label", slice.label},
                   {"members", slice.members},
                   {"non_members", slice.non_members},
                   {"auc", estimate(slice.auc)},
                   {"tpr_at_fpr_0.01", estimate(slice.tpr)}});
  }
  return out;
}

Json exposed(const std::vector<ExposedRecord>& list) {
  Json out = Json::array();
  for (const ExposedRecord& record : list) {
    out.push_back({{"sample", record.id},
                   {"label", record.label},
                   {"score", number(record.score)},
                   {"rank", record.rank},
                   {"fpr", number(record.fpr)},
                   {"tied", record.tied}});
  }
  return out;
}

/// What only membership cells have; null or empty in others.
void add_membership(const std::optional<MembershipResult>& result, Json& out) {
  const MembershipResult none;
  const MembershipResult& of = result ? *result : none;
  const ScoreHistogram& bins = of.histogram;
  out["roc"] = roc(of.roc);
  out["histogram"] = bins.members.empty() ? Json(nullptr)
                                          : Json{{"least", number(bins.least)},
                                                 {"most", number(bins.most)},
                                                 {"members", bins.members},
                                                 {"non_members", bins.non_members}};
  out["fidelity"] = fidelity(of);
  out["tuned"] = Json::object();
  for (const auto& [param, value] : of.tuned) out["tuned"][param] = number(value);
  out["power"] = result ? power(of.power) : Json(nullptr);
  out["slices"] = slices(of.slices);
  out["worst_slice"] = of.worst ? Json{{"records", of.worst->records},
                                       {"members", of.worst->members},
                                       {"share", bounded(of.worst->share)},
                                       {"base_rate", number(of.worst->base_rate)}}
                                : Json(nullptr);
  out["exposed"] = exposed(of.exposed);
  out["copies"] = result ? Json(of.copies) : Json(nullptr);
}

/// What a surface does not use is null.
Json surface(const Surface& surface) {
  const bool cut = surface.kind == Surface::Kind::kTopK;
  const bool rounded = surface.kind == Surface::Kind::kRounded;
  return {{"kind", to_string(surface.kind)},
          {"top_k", cut ? Json(surface.top_k) : Json(nullptr)},
          {"decimals", rounded ? Json(surface.decimals) : Json(nullptr)},
          {"temperature", number(surface.temperature)},
          {"noise", number(surface.noise)}};
}

Json theft(const TheftResult& result) {
  Json out = {{"seed", result.seed}, {"queries", result.queries}};
  for (const char* name : kExtractionMetrics) {
    const auto metric = result.metrics.find(name);
    out[name] = metric == result.metrics.end() ? Json(nullptr) : number(metric->second);
  }
  out["findings"] = Json::object();
  for (const auto& [name, value] : result.findings) out["findings"][name] = number(value);
  out["failure"] = text(result.failure);
  return out;
}

Json monitor(const MonitorResult& result) {
  return {{"monitor", result.monitor},
          {"mixed", result.mixed},
          {"seeds", result.seeds},
          {"decided", result.decided},
          {"alarmed", result.alarmed},
          {"queries_to_alarm", optional(result.queries_to_alarm)},
          {"attack_queries", result.attack_queries},
          {"flagged", optional(result.flagged)},
          {"false_alarms", estimate(result.false_alarms)},
          {"threshold", number(result.threshold)}};
}

Json extraction(const std::optional<ExtractionResult>& result) {
  if (!result) return nullptr;
  Json out = {{"records", result->records},
              {"candidate_accuracy", optional(result->candidate_accuracy)},
              {"budgets", Json::array()},
              {"monitors", Json::array()}};
  for (const BudgetResult& budget : result->budgets) {
    Json seeds = Json::array();
    for (const TheftResult& each : budget.seeds) seeds.push_back(theft(each));
    out["budgets"].push_back({{"budget", budget.budget}, {"seeds", seeds}});
  }
  for (const MonitorResult& each : result->monitors) out["monitors"].push_back(monitor(each));
  return out;
}

Json taxonomy(const CellHeader* header) {
  Json out = Json::object();
  for (const char* key : {"atlas", "nist", "owasp"}) {
    const bool known = header && header->taxonomy.contains(key);
    out[key] = known ? text(header->taxonomy.at(key)) : Json(nullptr);
  }
  return out;
}

Json cell(const Report& report, const CellResult& result) {
  const CellHeader* header = reports::header_of(report.evidence, result.name);
  Json out;
  out["name"] = result.name;
  out["key"] = text(result.key);
  out["status"] = result.complete ? "complete" : "incomplete";
  out["family"] = header ? Json(to_string(header->family)) : Json(nullptr);
  out["attack"] = header ? text(header->attack) : Json(nullptr);
  out["attack_version"] = header ? text(header->version) : Json(nullptr);
  out["params"] = header ? params(header->params) : Json::object();
  const bool evades = header && header->family == Family::kEvasion;
  out["threat_model"] = {
      {"norm",
       evades && !header->threat.unbounded ? Json(to_string(header->threat.norm)) : Json(nullptr)},
      {"eps", evades ? optional(header->threat.eps) : Json(nullptr)},
      {"goal", evades ? Json(to_string(header->threat.goal)) : Json(nullptr)},
      {"access", header ? Json(to_string(header->threat.access)) : Json(nullptr)}};
  if (header && header->family == Family::kExtraction) {
    out["threat_model"]["surface"] = surface(header->threat.surface);
  }
  out["taxonomy"] = taxonomy(header);
  out["samples"] = {{"total", result.samples.total},
                    {"ok", result.samples.ok},
                    {"invalid", result.samples.invalid},
                    {"unconfirmed", result.samples.unconfirmed},
                    {"error", result.samples.error}};
  out["metrics"] = Json::object();
  for (const auto& [name, metric] : result.metrics) out["metrics"][name] = estimate(metric);
  out["curve"] = curve(result.curve);
  const std::optional<Estimate>& optimality = result.local_optimality;
  out["local_optimality"] = optimality ? estimate(*optimality) : Json(nullptr);
  out["stages"] = Json::array();
  for (const StageCount& stage : result.stages) {
    out["stages"].push_back(
        {{"name", stage.name}, {"entered", stage.entered}, {"broken", stage.broken}});
  }
  add_membership(result.membership, out);
  out["extraction"] = extraction(result.extraction);
  out["cost"] = {{"time_s", number(result.cost.time_s)},
                 {"forwards", result.cost.forwards},
                 {"gradients", result.cost.gradients}};
  out["baseline_reason"] = text(result.baseline_reason);
  return out;
}

Json rule(const RuleResult& result) {
  const bool flags = result.kind == RuleSpec::Kind::kFlagsClear;
  return {{"cell", text(result.cell)},
          {"metric", result.metric},
          {"kind", to_string(result.kind)},
          {"limit", flags ? Json(nullptr) : number(result.limit)},
          {"value", optional(result.value)},
          {"baseline", optional(result.baseline)},
          {"difference", optional(result.difference)},
          {"lower", optional(result.lower)},
          {"upper", optional(result.upper)},
          {"n", result.n},
          {"regressed", optional(result.regressed)},
          {"repaired", optional(result.repaired)},
          {"verdict", to_string(result.verdict)},
          {"reason", text(result.reason)},
          {"hint", text(result.hint)},
          {"line", result.line > 0 ? Json(result.line) : Json(nullptr)},
          {"confidence", number(result.confidence)}};
}

Json baseline(const Report& report) {
  if (!reports::has_baseline(report)) return nullptr;
  const Evidence* evidence = report.baseline;
  std::string path = report.baseline_path;
  if (path.empty() && evidence) path = evidence->header.model.path;
  return {{"path", text(path)},
          {"sha256", evidence ? text(evidence->header.model.sha256) : Json(nullptr)}};
}

}  // namespace

std::string report_json(const Report& report) {
  ASSAY_CHECK(report.suite && report.decision, "a report has a suite and a decision");
  const Suite& suite = *report.suite;
  const Decision& decision = *report.decision;
  Json out;
  out["assay_report"] = 1;
  out["decision"] = to_string(decision.outcome);
  out["reason"] = text(decision.reason);
  out["exit_code"] = static_cast<int>(exit_code(decision.outcome));
  out["suite"] = {{"name", suite.name}, {"sha256", text(suite.sha256)}, {"seed", suite.seed}};
  out["model"] = {{"path", text(reports::model_path(report))},
                  {"sha256", text(reports::model_sha256(report))}};
  out["baseline"] = baseline(report);
  const Header header = report.evidence ? report.evidence->header : Header{};
  out["versions"] = {{"assay", text(header.assay)},
                     {"libtorch", text(header.libtorch)},
                     {"cpu_capability", text(header.cpu_capability)},
                     {"device", text(header.device)}};
  out["rules_decided"] = decision.rules_decided;
  out["rules_not_applicable"] = decision.rules_not_applicable;
  out["flags"] = Json::array();
  for (const Flag& flag : decision.flags) {
    out["flags"].push_back({{"id", flag.id},
                            {"cell", text(flag.cell)},
                            {"detail", text(flag.detail)},
                            {"advice", text(flag.advice)}});
  }
  out["cells"] = Json::array();
  for (const CellResult& result : decision.cells) out["cells"].push_back(cell(report, result));
  out["rules"] = Json::array();
  for (const RuleResult& result : decision.rules) out["rules"].push_back(rule(result));
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace assay
