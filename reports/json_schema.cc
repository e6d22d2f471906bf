// The JSON Schema (draft-07) of report.json. Later versions may add fields, so none is forbidden.
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "reports/report.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

Json type(const char* name) { return {{"type", name}}; }
Json nullable(const char* name) { return {{"type", {name, "null"}}}; }
Json count() { return {{"type", "integer"}, {"minimum", 0}}; }
Json one_of(std::initializer_list<const char*> values) { return {{"enum", values}}; }
Json nullable_sha256() { return {{"type", {"string", "null"}}, {"pattern", "^[0-9a-f]{64}$"}}; }
Json list(Json items) { return {{"type", "array"}, {"items", std::move(items)}}; }
Json map_of(Json values) {
  return {{"type", "object"}, {"additionalProperties", std::move(values)}};
}

/// Every property is required, since absent values are null, but those that came `later` than the
/// first reports with such an object, which must stay valid.
Json object(Json properties, const std::set<std::string>& later = {}) {
  Json required = Json::array();
  for (const auto& [name, schema] : properties.items()) {
    if (!later.contains(name)) required.push_back(name);
  }
  return {{"type", "object"}, {"required", required}, {"properties", std::move(properties)}};
}

Json described(Json schema, const char* text) {
  schema["description"] = text;
  return schema;
}

Json estimate_schema() {
  return object({{"value", nullable("number")},
                 {"lower", nullable("number")},
                 {"upper", nullable("number")},
                 {"n", count()},
                 {"reason", described(nullable("string"), "null unless value is null")}});
}

Json bounded_schema() {
  return object({{"value", type("number")}, {"lower", type("number")}, {"upper", type("number")}});
}

/// `realised_fpr` is there for a TPR alone.
Json metric_schema() {
  Json schema = estimate_schema();
  schema["properties"]["realised_fpr"] =
      described(bounded_schema(),
                "of tpr_at_fpr_X: the share of non-members that its threshold claims, at most X");
  return schema;
}

/// The slice of highest scores.
Json worst_slice_schema() {
  Json schema = object({{"records", count()},
                        {"members", count()},
                        {"share", described(bounded_schema(), "members among records")},
                        {"base_rate", described(type("number"), "members among all records")}});
  schema["type"] = {"object", "null"};
  schema["description"] = "the 1 % of all records that score highest, and what ties with them";
  return schema;
}

/// The most exposed records.
Json exposed_schema() {
  return described(
      list(object({{"sample", type("string")},
                   {"label", type("integer")},
                   {"score", nullable("number")},
                   {"rank", described(count(), "1: the highest score of all records")},
                   {"fpr", type("number")},
                   {"tied", described(count(),
                                      "members with this score, it included; where they "
                                      "are more than are listed, those listed are no "
                                      "more exposed than the others")}},
                  {"tied"})),
      "the highest 1 % of the members");
}

/// What only membership cells have; null or empty in others.
Json membership_schema() {
  Json fidelity = object(
      {{"shadows", count()},
       {"candidate_members", nullable("number")},
       {"candidate_non_members", nullable("number")},
       {"shadow_members", nullable("number")},
       {"shadow_non_members", nullable("number")},
       {"shadow_unseen_members", described(nullable("number"),
                                           "mean accuracy of shadows on members that they were not "
                                           "trained on; null in older evidence")},
       {"architecture", nullable("string")},
       {"reason", nullable("string")},
       {"comparable", type("boolean")}},
      {"shadow_unseen_members"});
  fidelity["type"] = {"object", "null"};
  Json power = {{"type", {"object", "null"}}};
  for (const char* metric :
       {"auc", "tpr_at_fpr_0.01", "tpr_at_fpr_0.001", "epsilon_reach", "epsilon_detectable"}) {
    power["properties"][metric] = nullable("number");
  }
  power["properties"]["reasons"] = {{"type", "object"},
                                    {"additionalProperties", type("string")},
                                    {"description", "why a figure of AUC or TPR is null"}};
  Json histogram = object({{"least", type("number")},
                           {"most", type("number")},
                           {"members", list(count())},
                           {"non_members", list(count())}});
  histogram["type"] = {"object", "null"};
  return {
      {"roc", list(object({{"fpr", type("number")},
                           {"tpr", type("number")},
                           {"lower", type("number")},
                           {"upper", type("number")}}))},
      {"histogram", described(histogram,
                              "of scores, in bins of equal width; the end bins hold "
                              "what lies outside")},
      {"fidelity", described(fidelity, "mean accuracies of candidate and shadows")},
      {"tuned",
       {{"type", "object"},
        {"additionalProperties", type("number")},
        {"description",
         "what the attack found for parameters that the suite left to it; `scale`: what "
         "the candidate's logits were multiplied by to be as decided as its shadows'; `offset`: by "
         "how much at most two classes differ in what was then added to be as balanced; `ranked`: "
         "on how many non-members its ranking was compared with theirs; absent or 0 where there "
         "are too few"}}},
      {"power", described(power,
                          "the least that these records tell from chance with probability "
                          "0.8; epsilon_reach: what a perfect attack would show")},
      {"slices", list(object({{"label", type("integer")},
                              {"members", count()},
                              {"non_members", count()},
                              {"auc", estimate_schema()},
                              {"tpr_at_fpr_0.01", estimate_schema()}}))},
      {"worst_slice", worst_slice_schema()},
      {"exposed", exposed_schema()},
      {"copies", described(nullable("integer"),
                           "records of the two sets that are copies of an audited one of their own "
                           "set, with the same label: no figure counts them")},
  };
}

Json surface_schema() {
  Json schema = object(
      {{"kind", one_of({"logits", "probabilities", "top_k", "rounded", "label"})},
       {"top_k", described(nullable("integer"), "classes answered, the most probable")},
       {"decimals", described(nullable("integer"), "of each probability")},
       {"temperature", described(type("number"), "divides logits before the softmax")},
       {"noise", described(type("number"), "standard deviation of what is added to each number")}});
  schema["description"] = "what the API answers; in extraction cells only";
  return schema;
}

Json extraction_schema() {
  Json theft = {{"seed", count()}, {"queries", described(count(), "sent")}};
  for (const char* name : kExtractionMetrics) theft[name] = nullable("number");
  theft["findings"] = described(map_of(nullable("number")), "what else the thief told");
  theft["failure"] =
      described(nullable("string"), "what the candidate failed on while it was queried");
  Json monitor = object(
      {{"monitor", type("string")},
       {"mixed", described(count(), "benign queries among a thief's; 0: he was alone")},
       {"seeds", described(count(), "thefts at the largest budget that were replayed")},
       {"decided",
        described(count(), "of these, with queries and benign traffic enough for a verdict")},
       {"alarmed", described(count(), "of these, with more alarms than benign traffic explains")},
       {"queries_to_alarm",
        described(nullable("number"), "the median over seeds; null where half or more had none")},
       {"attack_queries", described(count(), "of all seeds")},
       {"flagged", described(nullable("number"), "share of them with an alarm")},
       {"false_alarms", described(estimate_schema(), "share of benign queries with an alarm")},
       {"threshold", described(type("number"), "in the monitor's own unit")}},
      {"mixed", "decided"});
  Json schema =
      object({{"records", described(count(), "of the test set")},
              {"candidate_accuracy", nullable("number")},
              {"budgets", list(object({{"budget", count()}, {"seeds", list(object(theft))}}))},
              {"monitors", list(monitor)}});
  schema["type"] = {"object", "null"};
  schema["description"] = "one surrogate for each budget and seed; null in other families";
  return schema;
}

Json local_optimality_schema() {
  Json schema = estimate_schema();
  schema["type"] = {"object", "null"};
  schema["description"] =
      "minimum norm: 1 where no cell of the run found nearer points on the same samples";
  return schema;
}

Json cell_schema() {
  Json properties = {
      {"name", type("string")},
      {"key", described(nullable("string"), "pairs cells of two runs; null where none was made")},
      {"status", one_of({"complete", "incomplete"})},
      {"family", {{"enum", {"evasion", "membership", "extraction", nullptr}}}},
      {"attack", nullable("string")},
      {"attack_version", nullable("string")},
      {"params", type("object")},
      {"threat_model", object({{"norm", {{"enum", {"l0", "l1", "l2", "linf", nullptr}}}},
                               {"eps", nullable("number")},
                               {"goal", {{"enum", {"untargeted", "targeted", nullptr}}}},
                               {"access", {{"enum", {"gradient", "score", "label", nullptr}}}}})},
      {"taxonomy", object({{"atlas", nullable("string")},
                           {"nist", nullable("string")},
                           {"owasp", nullable("string")}})},
      {"samples", object({{"total", count()},
                          {"ok", count()},
                          {"invalid", count()},
                          {"unconfirmed", count()},
                          {"error", count()}})},
      {"metrics",
       described(map_of(metric_schema()),
                 "by name; lower and upper are one-sided bounds at the suite's confidence")},
      {"curve", list(object({{"eps", type("number")},
                             {"robust_accuracy", type("number")},
                             {"lower", type("number")},
                             {"upper", type("number")}}))},
      {"local_optimality", local_optimality_schema()},
      {"stages",
       list(object({{"name", type("string")}, {"entered", count()}, {"broken", count()}}))},
      {"cost", object({{"time_s", described(nullable("number"), "summed over workers")},
                       {"forwards", count()},
                       {"gradients", count()}})},
      {"baseline_reason",
       described(nullable("string"), "why no cell of the baseline pairs with this one")},
  };
  properties["threat_model"]["properties"]["surface"] = surface_schema();
  std::set<std::string> later = {"local_optimality", "extraction"};
  const Json membership = membership_schema();
  for (const auto& [name, schema] : membership.items()) later.insert(name);
  properties.update(membership);
  properties["extraction"] = extraction_schema();
  return object(properties, later);
}

Json rule_schema() {
  return object({
      {"cell", nullable("string")},
      {"metric", type("string")},
      {"kind", one_of({"at_least", "at_most", "max_drop", "max_rise", "flags"})},
      {"limit", nullable("number")},
      {"value", nullable("number")},
      {"baseline", nullable("number")},
      {"difference", described(nullable("number"), "baseline - candidate; max_rise: mirrored")},
      {"lower", described(nullable("number"), "with upper, the bounds that decide")},
      {"upper", nullable("number")},
      {"n", count()},
      {"regressed", nullable("integer")},
      {"repaired", nullable("integer")},
      {"verdict", one_of({"pass", "fail", "inconclusive", "not_applicable", "waived"})},
      {"reason", nullable("string")},
      {"hint", nullable("string")},
      {"line", described(nullable("integer"), "of the rule in the suite")},
      {"confidence", nullable("number")},
  });
}

}  // namespace

std::string report_json_schema() {
  Json identity = object({{"path", nullable("string")}, {"sha256", nullable_sha256()}});
  Json baseline = identity;
  baseline["type"] = {"object", "null"};
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                 {"title", "Assay report"},
                 {"description", "report.json of assay run; absent values are null"}};
  schema.update(object({
      {"assay_report", {{"const", 1}}},
      {"decision", one_of({"pass", "fail", "inconclusive", "incomplete", "refused"})},
      {"reason", nullable("string")},
      {"exit_code", {{"enum", {0, 1, 3, 4, 5}}}},
      {"suite",
       object({{"name", type("string")}, {"sha256", nullable_sha256()}, {"seed", count()}})},
      {"model", identity},
      {"baseline", baseline},
      {"versions", object({{"assay", nullable("string")},
                           {"libtorch", nullable("string")},
                           {"cpu_capability", nullable("string")},
                           {"device", nullable("string")}})},
      {"rules_decided", count()},
      {"rules_not_applicable", count()},
      {"flags", list(object({{"id", type("string")},
                             {"cell", nullable("string")},
                             {"detail", nullable("string")},
                             {"advice", nullable("string")}}))},
      {"cells", list(cell_schema())},
      {"rules", list(rule_schema())},
  }));
  return schema.dump(2) + "\n";
}

}  // namespace assay
