// Evidence ↔ JSON lines with chained checksums. The format is specified in evidence.md.
#include <algorithm>
#include <charconv>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "harness/record/encoding.h"
#include "harness/record/evidence.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

constexpr std::string_view kMagic = "{\"assay_evidence\":";
constexpr std::string_view kSumKey = ",\"sum\":\"";
constexpr size_t kSumDigits = 16;
/// What mends damaged evidence: the store has what was computed.
constexpr const char* kCure = "; delete the file, then go on with the run by --resume";
/// What closes a line after its body: ,"sum":"0123456789abcdef"}
constexpr size_t kTail = kSumKey.size() + kSumDigits + 2;
constexpr int kEvidenceVersion = 2;

/// Position of every unit that the header expects, in its order. Cells may share units.
std::unordered_map<std::string_view, size_t> unit_order(const Header& header) {
  std::unordered_map<std::string_view, size_t> order;
  for (const std::string& key : header.clean_units) order.emplace(key, order.size());
  for (const CellHeader& cell : header.cells) {
    for (const std::string& key : cell.units) order.emplace(key, order.size());
  }
  return order;
}

/// A whole line: the body's closing brace makes room for the sum, which covers the line before too.
std::string line_of(std::string* sum, std::string body) {
  *sum = line_sum(*sum, body);
  body.pop_back();
  body.append(kSumKey).append(*sum).append("\"}\n");
  return body;
}

/// Takes lines off a text, verifying each.
class LineReader {
 public:
  LineReader(std::string_view text, std::string file)
      : text_(text), where_{std::move(file), 0, 0} {}

  bool at_end() const { return text_.empty(); }
  const Where& where() const { return where_; }

  [[noreturn]] void fail(const std::string& message) const { throw Error(where_, message); }

  /// The body of the next line.
  std::string next() {
    ++where_.line;
    const size_t length = text_.find('\n');
    if (length == std::string_view::npos) {
      fail(std::string("the evidence is truncated: this line has no end") + kCure);
    }
    const std::string_view line = text_.substr(0, length);
    text_.remove_prefix(length + 1);
    if (line.ends_with('\r')) {
      fail("the evidence was altered: lines end in CR LF; keep the file as it was written");
    }
    if (where_.line == 1) check_version(line);
    if (line.size() < kTail + 2 || line.front() != '{' || !line.ends_with("\"}") ||
        line.substr(line.size() - kTail, kSumKey.size()) != kSumKey) {
      fail(std::string("not a line of evidence: it does not end in a checksum") + kCure);
    }
    std::string body(line.substr(0, line.size() - kTail));
    body += '}';
    const std::string_view found = line.substr(line.size() - 2 - kSumDigits, kSumDigits);
    const std::string expected = line_sum(sum_, body);
    if (found != expected) {
      fail("the evidence was altered: checksum " + expected + " does not match `" +
           std::string(found) + "`" + kCure);
    }
    sum_ = expected;
    return body;
  }

 private:
  void check_version(std::string_view line) const {
    if (!line.starts_with(kMagic)) {
      fail("not an evidence file: it must begin with " + std::string(kMagic));
    }
    int version = 0;
    const char* begin = line.data() + kMagic.size();
    const auto end = std::from_chars(begin, line.data() + line.size(), version);
    if (end.ec != std::errc() || version != kEvidenceVersion) {
      const std::string found(line.substr(kMagic.size(), 12));
      fail("evidence of format version `" + found.substr(0, found.find_first_of(",}")) +
           "`; this assay reads version " + std::to_string(kEvidenceVersion));
    }
  }

  std::string_view text_;
  std::string sum_;
  Where where_;
};

/// Runs a parser of bodies and adds the place to its errors.
template <typename Parse>
auto parse_at(const Where& where, const Parse& parse) {
  try {
    return parse();
  } catch (const Error& error) {
    throw Error(where, std::string("not evidence of this version: ") + error.what(), error.code());
  }
}

/// No sample twice in the clean pass or in a cell.
void check_samples(const Evidence& evidence, const std::vector<std::string>& keys,
                   const std::string& name, const Where& where) {
  const std::unordered_set<std::string_view> expected(keys.begin(), keys.end());
  std::vector<bool> seen(evidence.header.samples.size(), false);
  for (const UnitResult& unit : evidence.units) {
    if (!expected.contains(unit.key)) continue;
    for (const Verdict& row : unit.rows) {
      const auto sample = static_cast<size_t>(row.sample);
      if (seen[sample]) {
        throw Error(where, "sample " + std::to_string(sample) + " occurs twice in " + name);
      }
      seen[sample] = true;
    }
  }
}

/// Scores name audited records, none twice.
void check_scores(const Evidence& evidence, const CellHeader& cell, const Where& where) {
  std::set<std::pair<bool, int64_t>> seen;
  const std::unordered_set<std::string_view> expected(cell.units.begin(), cell.units.end());
  for (const UnitResult& unit : evidence.units) {
    if (unit.scores.empty() || !expected.contains(unit.key)) continue;
    for (const Score& score : unit.scores) {
      const auto role = cell.sets.find(score.member ? "members" : "non_members");
      const auto set = role == cell.sets.end() ? evidence.header.sets.end()
                                               : evidence.header.sets.find(role->second);
      if (set == evidence.header.sets.end() || score.record < 0 ||
          static_cast<size_t>(score.record) >= set->second.size()) {
        throw Error(where, "a score of record " + std::to_string(score.record) + " in cell " +
                               cell.name + ", which the header does not list");
      }
      if (!seen.emplace(score.member, score.record).second) {
        throw Error(where, "record " + std::to_string(score.record) + " of `" + role->second +
                               "` is scored twice in cell " + cell.name);
      }
    }
  }
}

/// What thieves got is told by record of the test set, and once for each budget and seed.
void check_extracted(const Evidence& evidence, const CellHeader& cell, const Where& where) {
  const std::unordered_set<std::string_view> expected(cell.units.begin(), cell.units.end());
  for (const UnitResult& unit : evidence.units) {
    if (!unit.extracted || !expected.contains(unit.key)) continue;
    const auto role = cell.sets.find("test");
    const auto set = role == cell.sets.end() ? evidence.header.sets.end()
                                             : evidence.header.sets.find(role->second);
    if (set == evidence.header.sets.end()) {
      throw Error(where, "cell " + cell.name + " was measured on a test set that the header lacks");
    }
    const size_t records = unit.extracted->candidate.size();
    // A unit that steals knows nothing of the test set yet.
    if (records != 0 && records != set->second.size()) {
      throw Error(where, "cell " + cell.name + " tells of " + std::to_string(records) +
                             " test records, but `" + role->second + "` lists " +
                             std::to_string(set->second.size()));
    }
    std::set<std::pair<int64_t, int64_t>> seen;
    for (const Stolen& stolen : unit.extracted->stolen) {
      if (seen.emplace(stolen.budget, stolen.seed).second) continue;
      throw Error(where, "budget " + std::to_string(stolen.budget) + " with seed " +
                             std::to_string(stolen.seed) + " occurs twice in cell " + cell.name);
    }
  }
}

void check_unit(const UnitResult& unit, size_t samples, const LineReader& lines) {
  for (const Verdict& row : unit.rows) {
    if (row.sample < 0 || static_cast<size_t>(row.sample) >= samples) {
      lines.fail("row of sample " + std::to_string(row.sample) + ", but the header lists " +
                 std::to_string(samples) + " samples");
    }
  }
}

void read_units(LineReader* lines, Evidence* evidence) {
  const auto order = unit_order(evidence->header);
  size_t next_position = 0;
  while (true) {
    if (lines->at_end()) {
      throw Error(Where{lines->where().file, lines->where().line + 1, 0},
                  std::string("the evidence is truncated: the end line is missing") + kCure);
    }
    const std::string body = lines->next();
    if (body.starts_with("{\"end\":")) {
      const EndLine end = parse_at(lines->where(), [&] { return parse_end(body); });
      if (end.units != static_cast<int64_t>(evidence->units.size())) {
        lines->fail("the end line counts " + std::to_string(end.units) + " units, found " +
                    std::to_string(evidence->units.size()));
      }
      evidence->ended_early = end.ended_early;
      evidence->interrupted = end.interrupted;
      break;
    }
    UnitResult unit = parse_at(lines->where(), [&] { return parse_unit(body); });
    const auto position = order.find(unit.key);
    if (position == order.end()) {
      lines->fail("unit " + unit.key + " is not one that the header lists");
    }
    if (position->second < next_position) {
      lines->fail("unit " + unit.key + " is out of the header's order");
    }
    next_position = position->second + 1;
    check_unit(unit, evidence->header.samples.size(), *lines);
    evidence->units.push_back(std::move(unit));
  }
  if (!lines->at_end()) {
    throw Error(Where{lines->where().file, lines->where().line + 1, 0},
                "there is text after the end line");
  }
}

}  // namespace

void each_line(const Evidence& evidence, const std::function<void(std::string_view)>& take) {
  const auto order = unit_order(evidence.header);
  std::vector<const UnitResult*> units(order.size(), nullptr);
  for (const UnitResult& unit : evidence.units) {
    const auto position = order.find(unit.key);
    ASSAY_CHECK(position != order.end(), "evidence holds a unit that its header does not list");
    ASSAY_CHECK(units[position->second] == nullptr, "evidence holds a unit twice");
    units[position->second] = &unit;
  }
  std::string sum;
  take(line_of(&sum, header_text(evidence.header)));
  for (const UnitResult* unit : units) {
    if (unit != nullptr) take(line_of(&sum, unit_text(*unit)));
  }
  const auto count = static_cast<int64_t>(evidence.units.size());
  take(line_of(&sum, end_text({count, evidence.ended_early, evidence.interrupted})));
}

std::string to_text(const Evidence& evidence) {
  std::string text;
  each_line(evidence, [&text](std::string_view line) { text += line; });
  return text;
}

Evidence parse_evidence(std::string_view text, const std::string& file) {
  LineReader lines(text, file);
  if (lines.at_end())
    throw Error(Where{file, 1, 0}, std::string("the evidence file is empty") + kCure);
  const std::string body = lines.next();
  Evidence evidence;
  evidence.header = parse_at(lines.where(), [&] { return parse_header(body); });
  read_units(&lines, &evidence);
  check_samples(evidence, evidence.header.clean_units, "the clean pass", lines.where());
  for (const CellHeader& cell : evidence.header.cells) {
    check_samples(evidence, cell.units, "cell " + cell.name, lines.where());
    check_scores(evidence, cell, lines.where());
    check_extracted(evidence, cell, lines.where());
  }
  return evidence;
}

}  // namespace assay
