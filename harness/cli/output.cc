#include "harness/cli/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <sstream>

#include "harness/gate/pairing.h"
#include "harness/record/files.h"

namespace assay {

namespace fs = std::filesystem;

namespace {

bool has_text(const fs::path& file, const std::string& text) {
  std::error_code error;
  if (!fs::is_regular_file(file, error) || fs::file_size(file, error) != text.size()) return false;
  try {
    return read_bytes(file) == text;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

Decision decide_run(const Suite& suite, const Evidence& evidence, const Evidence* baseline) {
  if (baseline == nullptr || (baseline->complete() && baseline->interrupted.empty())) {
    return decide(suite, evidence, baseline);
  }
  Decision decision = decide(suite, evidence, nullptr);
  decision.outcome = Outcome::kIncomplete;
  decision.reason = "the incumbent's run is incomplete: " +
                    (baseline->interrupted.empty() ? "units are missing" : baseline->interrupted);
  // A shard keeps these adversarials for the merge, which decides.
  const std::vector<std::vector<int64_t>> regressed = regressed_so_far(evidence, *baseline);
  for (size_t i = 0; i < regressed.size(); ++i) decision.cells[i].regressed = regressed[i];
  return decision;
}

Decision decide_unmeasured(const Evidence& evidence) {
  if (!evidence.ended_early.empty()) return refuse(evidence.ended_early, {});
  Decision decision;
  decision.outcome = Outcome::kIncomplete;
  decision.reason = "the run is incomplete: " + evidence.interrupted;
  return decision;
}

void write_reports(const fs::path& folder, const Report& report) {
  make_folder(folder);
  std::string failed;
  const auto write = [&](const char* name, const std::string& text) {
    const fs::path file = folder / name;
    std::error_code ignored;
    if (text.empty()) {
      fs::remove(file, ignored);
      return;
    }
    if (has_text(file, text)) return;  // on a full disk what is right stays
    try {
      write_durably(file, text);
    } catch (const Error& error) {
      if (failed.empty()) failed = error.what();
      fs::remove(file, ignored);
    }
  };
  write("samples.csv", samples_csv(report));
  write("scores.csv", scores_csv(report));
  write("stolen.csv", stolen_csv(report));
  write("junit.xml", junit_xml(report));
  write("summary.md", summary_markdown(report));
  write("report.html", report_html(report));
  write("report.json", report_json(report));
  if (!failed.empty()) throw Error(failed, ExitCode::kIncomplete);
}

void remove_reports(const fs::path& folder) {
  for (const char* name : {"samples.csv", "scores.csv", "stolen.csv", "junit.xml", "summary.md",
                           "report.html", "report.json"}) {
    std::error_code ignored;
    fs::remove(folder / name, ignored);
  }
}

bool is_terminal(int file) { return isatty(file) == 1; }

bool can_draw(int file) {
  const char* term = std::getenv("TERM");
  return is_terminal(file) && term != nullptr && *term != '\0' && std::strcmp(term, "dumb") != 0;
}

bool wants_colour(int file) {
  const char* no_colour = std::getenv("NO_COLOR");
  return can_draw(file) && (no_colour == nullptr || *no_colour == '\0');
}

std::string wrapped(const std::string& text, size_t width, size_t indent) {
  std::istringstream words(text);
  std::string lines;
  size_t used = 0;
  for (std::string word; words >> word; used += word.size()) {
    if (used > 0 && used + 1 + word.size() > width) {
      lines += '\n' + std::string(indent, ' ');
      used = 0;
    } else if (used > 0) {
      lines += ' ';
      ++used;
    }
    lines += word;
  }
  return lines;
}

int terminal_width() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col;
  return 80;
}

void print_summary(const Report& report, const fs::path& folder) {
  std::cout << summary_text(report, terminal_width(), wants_colour(STDOUT_FILENO))
            << folder.string() << std::endl;
}

}  // namespace assay
