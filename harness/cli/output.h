// A run folder's reports and adversarials, and what the terminal shows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/gate/decision.h"
#include "harness/model/dataset.h"
#include "harness/record/run_facts.h"
#include "harness/record/store.h"
#include "reports/report.h"

namespace assay {

/// Now, as 2026-01-31T12:00:00Z.
std::string utc_now();

/// decide(), where an incumbent whose own run did not finish makes the decision incomplete.
Decision decide_run(const Suite& suite, const Evidence& evidence, const Evidence* baseline);

/// What is decided of a run that ended before it measured anything: refused, or incomplete.
Decision decide_unmeasured(const Evidence& evidence);

/// Adversarials by `cell/sample`: float32 or float64 values of one sample.
using Adversarials = std::map<std::string, std::vector<double>>;

enum class Save { kRegressed, kAll, kNone };

/// Writes adversarials.safetensors (keys `cell/sample`) from the store's blobs.
void write_adversarials(const std::filesystem::path& folder, const Evidence& evidence,
                        const Decision& decision, const Store& store, Save save);
/// Its name in a run folder.
inline constexpr const char* kAdversarialsFile = "adversarials.safetensors";
/// Reads such a file; empty where there is none.
Adversarials read_adversarials(const std::filesystem::path& file);

/// Pictures for the report: regressed samples first, then others that broke, at most `most`.
/// Samples whose adversarial or clean input is not at hand are left out.
std::vector<Picture> choose_pictures(const Evidence& evidence, const Decision& decision,
                                     const Adversarials& adversarials, const Dataset* dataset,
                                     size_t most);

/// Writes report.json, report.html, junit.xml, summary.md and samples.csv.
void write_reports(const std::filesystem::path& folder, const Report& report);

/// The summary table and, last, the folder, on stdout.
void print_summary(const Report& report, const std::filesystem::path& folder);

/// True if `file` (stdout, stderr) is a terminal.
bool is_terminal(int file);
/// One that understands control sequences (TERM is set, and not to dumb).
bool can_draw(int file);
/// And that is to show colour (NO_COLOR).
bool wants_colour(int file);
/// Text in lines of at most `width` columns, all but the first after `indent` spaces.
std::string wrapped(const std::string& text, size_t width, size_t indent);
/// Columns of the terminal, 80 where unknown.
int terminal_width();

}  // namespace assay
