// A run folder's reports, and what the terminal shows.
#pragma once

#include <filesystem>
#include <string>

#include "harness/gate/decision.h"
#include "reports/report.h"

namespace assay {

/// Now, as 2026-01-31T12:00:00Z.
std::string utc_now();

/// decide(), where an incumbent whose own run did not finish makes the decision incomplete.
Decision decide_run(const Suite& suite, const Evidence& evidence, const Evidence* baseline);

/// What is decided of a run that ended before it measured anything: refused, or incomplete.
Decision decide_unmeasured(const Evidence& evidence);

/// Writes report.json, report.html, junit.xml, summary.md and samples.csv, and for some families
/// scores.csv and stolen.csv. Throws Error (kIncomplete) for the first that cannot be written,
/// after it wrote the others: no older one stays, which may tell otherwise.
void write_reports(const std::filesystem::path& folder, const Report& report);
void remove_reports(const std::filesystem::path& folder);

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
