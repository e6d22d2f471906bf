#include "harness/model/sample_scale.h"

#include <unordered_map>

#include "harness/model/csv.h"
#include "harness/model/dataset_bytes.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

constexpr size_t kLongestLine = 1 << 16;  // bytes of a line: paths are shorter

// The id that a line begins with, without the quotes that samples.csv puts around some, and what
// follows its comma.
struct Line {
  std::string id;
  std::string share;
  int column = 1;  // of the share
};

Line split(std::string_view text, const Where& where) {
  Line line;
  size_t at = 0;
  if (text.starts_with('"')) {
    for (at = 1; at < text.size(); ++at) {
      if (text[at] == '"' && !text.substr(at + 1).starts_with('"')) break;
      if (text[at] == '"') ++at;
      line.id += text[at];
    }
    if (at++ >= text.size()) throw Error(where, "a quote that is not closed on its line");
  } else {
    at = std::min(text.find(','), text.size());
    line.id = text.substr(0, at);
  }
  if (at >= text.size() || text[at] != ',') {
    throw Error(Where{where.file, where.line, static_cast<int>(at) + 1},
                "no comma after the sample's id; expected `sample,share`");
  }
  std::string rest(text.substr(at + 1));
  std::vector<CsvField> fields;
  split_csv(&rest, where, &fields);
  line.share = fields[0].text;
  line.column = static_cast<int>(at) + 1 + fields[0].column;
  if (fields.size() > 1) {
    throw Error(
        Where{where.file, where.line, static_cast<int>(at) + 1 + fields[1].column},
        "more than 2 fields; expected `sample,share`, with quotes around an id with commas");
  }
  return line;
}

double share_of(const Line& line, const Where& where) {
  double share = 0;
  if (parse_csv(line.share, &share) && share > 0 && share <= 1) return share;
  throw Error(Where{where.file, where.line, line.column},
              "`share` is `" + line.share.substr(0, 60) + "` for sample `" +
                  line.id.substr(0, 200) + "`; expected a number above 0, at most 1");
}

void check_header(std::string text, const std::string& file) {
  const std::vector<std::string> names = csv_header(std::move(text), file);
  if (names == std::vector<std::string>{"sample", "share"}) return;
  std::string found;
  for (const std::string& name : names) found += (found.empty() ? "" : ",") + name;
  throw Error(Where{file, 1, 1},
              "the header is `" + found.substr(0, 200) + "`; expected `sample,share`");
}

}  // namespace

SampleScale read_sample_scale(const std::filesystem::path& path,
                              const std::vector<SampleInfo>& samples) {
  const Bytes file = Bytes::open(path);
  CsvLines lines(file, kLongestLine);
  std::string text;
  lines.next(&text);
  check_header(text, file.name());
  struct Entry {
    double share;
    int line;
  };
  std::unordered_map<std::string, Entry> known;
  while (lines.next(&text)) {
    if (text.empty()) continue;
    const Where where{file.name(), lines.line(), 1};
    const Line line = split(text, where);
    const auto [earlier, fresh] = known.emplace(line.id, Entry{share_of(line, where), where.line});
    if (!fresh) {
      throw Error(where, "sample `" + line.id.substr(0, 200) + "` is listed twice, first in line " +
                             std::to_string(earlier->second.line));
    }
  }
  SampleScale scale;
  for (const SampleInfo& sample : samples) {
    const auto found = known.find(sample.id);
    if (found == known.end()) {
      throw Error(file.name() + ": lists no share for sample `" + sample.id +
                  "`; expected a line for each of the " + std::to_string(samples.size()) +
                  " drawn samples");
    }
    scale.shares.push_back(found->second.share);
    scale.lines.push_back(found->second.line);
  }
  return scale;
}

}  // namespace assay
