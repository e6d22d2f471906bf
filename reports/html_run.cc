// Identities, versions, and how to get this report again.
#include "reports/html.h"
#include "reports/markup.h"

namespace assay::reports {
namespace {

/// A word of a POSIX shell.
std::string quote(const std::string& word) {
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string commands(const Report& report) {
  std::string suite = report.suite->file.string();
  if (suite.empty()) suite = report.suite->name + ".yaml";
  std::string run = "assay run " + quote(suite) + " --model " + quote(model_path(report));
  if (has_baseline(report)) {
    run += " --baseline " + quote(report.baseline_path);
  } else if (report.suite->baseline == "none" || report.baseline_path == "none") {
    run += " --baseline none";
  }
  for (const std::string& value : report.set) run += " --set " + quote(value);
  if (!report.part.empty()) run += " --shard " + quote(report.part);
  std::string out = "# the same run again: equal verdicts on an equal machine\n" + run + "\n";
  out += "# judge the kept evidence again, without the model\nassay gate DIR\n";
  out += "# check that the kept adversarials still break the model\nassay replay DIR\n";
  return out;
}

std::string code_or_dash(const std::string& text) {
  return text.empty() ? "—" : element("code", "", escape(text));
}

}  // namespace

std::string run_section(const Report& report) {
  const Suite& suite = *report.suite;
  const Header header = report.evidence ? report.evidence->header : Header{};
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](const std::string& what, const std::string& name, const std::string& value) {
    rows.push_back({escape(what), escape(name), value});
  };
  add("suite", suite.name + ", seed " + std::to_string(suite.seed), code_or_dash(suite.sha256));
  add("candidate", model_path(report), code_or_dash(model_sha256(report)));
  if (has_baseline(report)) {
    add("baseline", report.baseline_path,
        code_or_dash(report.baseline ? report.baseline->header.model.sha256 : ""));
  }
  for (const CellResult& cell : report.decision->cells) {
    if (const CellHeader* known = header_of(report.evidence, cell.name)) {
      add("cell " + cell.name, known->attack + " " + known->version, code_or_dash(cell.key));
    }
  }
  std::string out = table({"what", "name", "sha256 or key"}, rows);
  std::string facts;
  const auto fact = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    facts += "<div>" + element("dt", "", name) + element("dd", "", escape(value)) + "</div>";
  };
  fact("assay", header.assay);
  fact("libtorch", header.libtorch);
  fact("cpu capability", header.cpu_capability);
  fact("device", header.device);
  fact("workers", report.workers > 0 ? std::to_string(report.workers) : "");
  fact("started", report.started);
  fact("took", report.started.empty() ? "" : show_time(report.wall_s));
  if (!facts.empty()) out += element("div", "card", "<dl class=\"pairs\">" + facts + "</dl>");
  out += element("pre", "", element("code", "", escape(commands(report))));
  return section("run", "Hashes, versions, and how to reproduce", "", element("div", "stack", out));
}

}  // namespace assay::reports
