// One decision, many formats. Every writer takes the same plain data and returns text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/gate/decision.h"
#include "harness/record/evidence.h"
#include "harness/suite/suite.h"

namespace assay {

/// A sample as pixels, for the HTML report. Values in the box; shape [C, H, W] or [D].
struct Picture {
  std::string cell;
  int64_t sample = 0;  ///< index into Header::samples
  std::vector<int64_t> shape;
  std::vector<float> clean;
  std::vector<float> adversarial;
};

struct Report {
  const Suite* suite = nullptr;
  bool shard = false;  ///< a part of a run, which only measures
  const Evidence* evidence = nullptr;
  const Evidence* baseline = nullptr;  ///< or null
  const Decision* decision = nullptr;
  std::string baseline_path;     ///< as given
  std::vector<std::string> set;  ///< what --set was given
  std::string part;              ///< what --shard was given, or ""
  std::string started;           ///< UTC, ISO 8601; shown, never hashed
  double wall_s = 0;             ///< of this invocation
  int workers = 0;
  std::vector<Picture> pictures;  ///< regressed samples first, capped by the caller
};

std::string report_json(const Report& report);  ///< contracts §6
std::string report_json_schema();               ///< draft-07 of report.json
std::string samples_csv(const Report& report);  ///< contracts §6; same bytes for equal verdicts
/// contracts §6; "" without a membership cell. A record on which the candidate failed has no score.
std::string scores_csv(const Report& report);
/// A row per theft; "" without an extraction cell. What a theft does not tell is left empty.
std::string stolen_csv(const Report& report);
std::string junit_xml(const Report& report);         ///< contracts §5
std::string summary_markdown(const Report& report);  ///< a PR comment, under 64 kB
std::string report_html(const Report& report);       ///< one self-contained file, no network
/// The summary table for a terminal. `width` columns; `colour` adds ANSI.
std::string summary_text(const Report& report, int width, bool colour);

}  // namespace assay
