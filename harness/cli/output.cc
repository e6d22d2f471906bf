#include "harness/cli/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <sstream>

#include "harness/gate/pairing.h"
#include "harness/record/files.h"
#include "harness/record/safetensors.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// The rows of one cell whose adversarials are to be saved, as indices of samples.
std::vector<int64_t> rows_to_save(const CellHeader& cell, const Evidence& evidence,
                                  const Decision& decision, Save save) {
  std::vector<int64_t> chosen;
  if (save == Save::kNone) return chosen;
  if (save == Save::kRegressed) {
    for (const CellResult& result : decision.cells) {
      if (result.name == cell.name) return result.regressed;
    }
    return chosen;
  }
  for (const std::optional<Verdict>& row : evidence.rows(cell)) {
    if (row && row->status == Status::kBroken) chosen.push_back(row->sample);
  }
  return chosen;
}

std::vector<double> widen(const NamedArray& array) {
  std::vector<double> values;
  if (array.dtype == "F64") {
    values.resize(array.bytes.size() / sizeof(double));
    std::memcpy(values.data(), array.bytes.data(), values.size() * sizeof(double));
  } else if (array.dtype == "F32") {
    std::vector<float> narrow(array.bytes.size() / sizeof(float));
    std::memcpy(narrow.data(), array.bytes.data(), narrow.size() * sizeof(float));
    values.assign(narrow.begin(), narrow.end());
  }
  return values;
}

using Pair = std::pair<const CellHeader*, int64_t>;

// One pair of each cell in turn, so that every cell shows some.
std::vector<Pair> interleave(const std::vector<std::vector<Pair>>& by_cell) {
  std::vector<Pair> pairs;
  for (size_t i = 0; true; ++i) {
    const size_t before = pairs.size();
    for (const std::vector<Pair>& cell : by_cell) {
      if (i < cell.size()) pairs.push_back(cell[i]);
    }
    if (pairs.size() == before) return pairs;
  }
}

// Which (cell, sample) pairs to show: the regressed ones first, then others that broke.
std::vector<Pair> pairs_to_show(const Evidence& evidence, const Decision& decision) {
  std::map<std::string, std::vector<int64_t>> regressed;
  for (const CellResult& cell : decision.cells) regressed[cell.name] = cell.regressed;
  std::vector<std::vector<Pair>> first, second;
  for (const CellHeader& cell : evidence.header.cells) {
    first.emplace_back();
    second.emplace_back();
    const std::vector<int64_t>& lost = regressed[cell.name];
    for (const int64_t sample : lost) first.back().emplace_back(&cell, sample);
    for (const std::optional<Verdict>& row : evidence.rows(cell)) {
      if (!row || row->status != Status::kBroken) continue;
      if (std::find(lost.begin(), lost.end(), row->sample) == lost.end()) {
        second.back().emplace_back(&cell, row->sample);
      }
    }
  }
  std::vector<Pair> pairs = interleave(first);
  const std::vector<Pair> others = interleave(second);
  pairs.insert(pairs.end(), others.begin(), others.end());
  return pairs;
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

void write_adversarials(const fs::path& folder, const Evidence& evidence, const Decision& decision,
                        const Store& store, Save save) {
  const Header& header = evidence.header;
  const std::string dtype = header.float64 ? "F64" : "F32";
  const auto width = static_cast<size_t>(entries_of(header.shape) * dtype_size(dtype));
  std::vector<ArrayInfo> arrays;
  std::vector<std::pair<std::string, size_t>> sources;  // blob, first byte
  for (const CellHeader& cell : header.cells) {
    const std::vector<std::optional<Verdict>> rows = evidence.rows(cell);
    for (const int64_t sample : rows_to_save(cell, evidence, decision, save)) {
      const std::optional<Verdict>& row = rows[static_cast<size_t>(sample)];
      if (!row || row->tensors.empty() || !store.has_blob(row->tensors)) continue;
      arrays.push_back({cell.name + "/" + header.samples[static_cast<size_t>(sample)].id, dtype,
                        header.shape, 0, 0});
      sources.emplace_back(row->tensors, static_cast<size_t>(row->tensor_row) * width);
    }
  }
  std::string blob_name, blob;
  write_safetensors(folder / kAdversarialsFile, arrays, [&](size_t i) {
    if (sources[i].first != blob_name) {
      blob_name = sources[i].first;
      blob = store.get_blob(blob_name);
    }
    return blob.substr(sources[i].second, width);
  });
}

Adversarials read_adversarials(const fs::path& file) {
  Adversarials adversarials;
  if (!fs::exists(file)) return adversarials;
  for (const NamedArray& array : parse_safetensors(read_bytes(file), file.string())) {
    adversarials[array.name] = widen(array);
  }
  return adversarials;
}

std::vector<Picture> choose_pictures(const Evidence& evidence, const Decision& decision,
                                     const Adversarials& adversarials, const Dataset* dataset,
                                     size_t most) {
  std::vector<Picture> pictures;
  if (dataset == nullptr) return pictures;
  const Header& header = evidence.header;
  std::map<std::string, int64_t> index_of;
  for (int64_t i = 0; i < dataset->size(); ++i) index_of[dataset->id(i)] = i;
  for (const auto& [cell, sample] : pairs_to_show(evidence, decision)) {
    if (pictures.size() >= most) break;
    const std::string& id = header.samples[static_cast<size_t>(sample)].id;
    const auto adversarial = adversarials.find(cell->name + "/" + id);
    const auto index = index_of.find(id);
    if (adversarial == adversarials.end() || index == index_of.end()) continue;
    const SampleInfo now = describe(*dataset, std::span(&index->second, 1)).front();
    if (now.digest != header.samples[static_cast<size_t>(sample)].digest) continue;
    const at::Tensor clean =
        dataset->read(std::span(&index->second, 1)).to(at::kFloat).flatten().contiguous();
    Picture picture;
    picture.cell = cell->name;
    picture.sample = sample;
    picture.shape = header.shape;
    picture.clean.assign(clean.const_data_ptr<float>(),
                         clean.const_data_ptr<float>() + clean.numel());
    picture.adversarial.assign(adversarial->second.begin(), adversarial->second.end());
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

void write_reports(const fs::path& folder, const Report& report) {
  make_folder(folder);
  write_durably(folder / "samples.csv", samples_csv(report));
  const std::string scores = scores_csv(report);
  if (!scores.empty()) write_durably(folder / "scores.csv", scores);
  const std::string stolen = stolen_csv(report);
  if (!stolen.empty()) write_durably(folder / "stolen.csv", stolen);
  write_durably(folder / "junit.xml", junit_xml(report));
  write_durably(folder / "summary.md", summary_markdown(report));
  write_durably(folder / "report.html", report_html(report));
  write_durably(folder / "report.json", report_json(report));
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
