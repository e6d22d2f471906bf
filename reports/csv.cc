// samples.csv and scores.csv: one row per cell and sample or audited record (contracts §6); and
// stolen.csv: one per extraction cell, budget and seed.
#include <cmath>
#include <map>

#include "harness/gate/view.h"
#include "reports/report.h"
#include "reports/view.h"

namespace assay {
namespace {

/// RFC 4180: quoted where it must be, quotes doubled. Lines end in \n, so that awk and cut see
/// clean last columns.
std::string field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string label_field(int64_t value) { return value < 0 ? "" : std::to_string(value); }

/// Status in the baseline by sample id and digest; empty where no cell pairs.
std::map<std::pair<std::string, std::string>, std::string> baseline_statuses(
    const Report& report, const CellHeader& cell) {
  std::map<std::pair<std::string, std::string>, std::string> statuses;
  for (const CellResult& result : report.decision->cells) {
    if (result.name == cell.name && !result.baseline_reason.empty()) return statuses;
  }
  const CellHeader* header = reports::baseline_of(report, cell);
  if (!header) return statuses;
  const auto rows = report.baseline->rows(*header);
  const auto& samples = report.baseline->header.samples;
  for (size_t i = 0; i < rows.size() && i < samples.size(); ++i) {
    if (rows[i]) statuses[{samples[i].id, samples[i].digest}] = to_string(rows[i]->status);
  }
  return statuses;
}

}  // namespace

std::string samples_csv(const Report& report) {
  std::string out =
      "cell,sample,label,clean,adversarial,status,distance,queries,broken_by,baseline_status\n";
  if (!report.evidence) return out;
  const Header& header = report.evidence->header;
  for (const CellHeader& cell : header.cells) {
    if (cell.family != Family::kEvasion) continue;
    const auto statuses = baseline_statuses(report, cell);
    const auto rows = report.evidence->rows(cell);
    for (size_t i = 0; i < rows.size() && i < header.samples.size(); ++i) {
      if (!rows[i]) continue;
      const Verdict& row = *rows[i];
      const SampleInfo& sample = header.samples[i];
      const auto before = statuses.find({sample.id, sample.digest});
      out += field(cell.name) + ',' + field(sample.id) + ',' + label_field(sample.label) + ',' +
             label_field(row.clean) + ',' + label_field(row.adversarial) + ',' +
             std::string(to_string(row.status)) + ',' +
             (std::isfinite(row.distance) ? number_text(row.distance) : "") + ',' +
             std::to_string(row.queries) + ',' + field(row.breaking_attack) + ',' +
             (before == statuses.end() ? "" : before->second) + '\n';
    }
  }
  return out;
}

std::string stolen_csv(const Report& report) {
  std::string out;
  for (const CellResult& cell : report.decision->cells) {
    if (!cell.extraction) continue;
    if (out.empty()) {
      out = "cell,budget,seed,queries";
      for (const char* name : kExtractionMetrics) out += std::string(",") + name;
      out += '\n';
    }
    for (const BudgetResult& budget : cell.extraction->budgets) {
      for (const TheftResult& theft : budget.seeds) {
        out += field(cell.name) + ',' + std::to_string(budget.budget) + ',' +
               std::to_string(theft.seed) + ',' + std::to_string(theft.queries);
        for (const char* name : kExtractionMetrics) {
          const auto metric = theft.metrics.find(name);
          out += ',' + (metric == theft.metrics.end() ? "" : number_text(metric->second));
        }
        out += '\n';
      }
    }
  }
  return out;
}

std::string scores_csv(const Report& report) {
  std::string out;
  if (!report.evidence) return out;
  const Header& header = report.evidence->header;
  for (const CellHeader& cell : header.cells) {
    if (cell.family != Family::kMembership) continue;
    if (out.empty()) out = "cell,set,sample,label,score\n";
    for (const std::string& key : cell.units) {
      const UnitResult* unit = report.evidence->find(key);
      if (!unit) continue;
      for (const Score& score : unit->scores) {
        const std::string role = score.member ? "members" : "non_members";
        const auto& set = audited(header, cell, score.member);
        if (score.record < 0 || static_cast<size_t>(score.record) >= set.size()) continue;
        const SampleInfo& record = set[static_cast<size_t>(score.record)];
        const bool known = !score.failed && std::isfinite(score.score);
        out += field(cell.name) + ',' + role + ',' + field(record.id) + ',' +
               label_field(record.label) + ',' + (known ? number_text(score.score) : "") + '\n';
      }
    }
  }
  return out;
}

}  // namespace assay
