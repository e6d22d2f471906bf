// The text of a unit → its rows. Units are nearly all of the bytes of a run, and a run that finds
// everything in the store does little but this; so it reads the one spelling that unit_text writes
// straight into rows (a general JSON document took ten times as long) and refuses any other.
#include <charconv>
#include <cmath>

#include "harness/record/encoding.h"
#include "harness/record/fields.h"

namespace assay {
namespace {

/// A place in a text, moved on by what is read there.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : begin_(text.data()), rest_(text) {}

  std::string_view rest() const { return rest_; }

  [[noreturn]] void fail(std::string_view expected) const {
    throw Error("expected " + std::string(expected) + " at byte " +
                std::to_string(rest_.data() - begin_) + ", found `" +
                std::string(rest_.substr(0, 16)) + "`");
  }

  /// Moves on if `literal` stands here.
  bool take(std::string_view literal) {
    if (!rest_.starts_with(literal)) return false;
    rest_.remove_prefix(literal.size());
    return true;
  }

  void expect(std::string_view literal) {
    if (!take(literal)) fail(std::string(1, '`').append(literal).append(1, '`'));
  }

  int64_t integer() { return number<int64_t>("an integer"); }

  /// null is infinity.
  double real() {
    if (take("null")) return std::numeric_limits<double>::infinity();
    // from_chars would also take inf and nan.
    const char first =
        rest_.empty() ? ' ' : rest_[rest_.front() == '-' && rest_.size() > 1 ? 1 : 0];
    if (first < '0' || first > '9') fail("a number or null");
    return number<double>("a number or null");
  }

  /// A JSON string as it stands, without quotes; `escaped` tells that it holds escapes.
  std::string_view raw_string(bool* escaped) {
    if (!rest_.starts_with('"')) fail("a string");
    *escaped = false;
    size_t end = 1;
    while (end < rest_.size() && rest_[end] != '"') {
      if (rest_[end] == '\\') {
        *escaped = true;
        ++end;
      }
      ++end;
    }
    if (end >= rest_.size()) fail("a string with an end");
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }

  std::string string() {
    bool escaped = false;
    const std::string_view text = raw_string(&escaped);
    if (!escaped) return std::string(text);
    std::string quoted(1, '"');
    quoted.append(text).append(1, '"');
    return as_text(parse_json(quoted), "string");
  }

  /// A JSON object as it stands.
  std::string_view object() {
    const char* begin = rest_.data();
    expect("{");
    bool escaped = false;
    for (int depth = 1; depth > 0;) {
      if (rest_.empty()) fail("the end of an object");
      if (rest_.front() == '"') {
        raw_string(&escaped);
        continue;
      }
      if (rest_.front() == '{') ++depth;
      if (rest_.front() == '}') --depth;
      rest_.remove_prefix(1);
    }
    return {begin, static_cast<size_t>(rest_.data() - begin)};
  }

  /// A word of a fixed vocabulary, which never needs escapes.
  std::string_view word() {
    bool escaped = false;
    return raw_string(&escaped);
  }

 private:
  template <typename Number>
  Number number(std::string_view expected) {
    Number value{};
    const auto result = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (result.ec != std::errc()) fail(expected);
    rest_.remove_prefix(static_cast<size_t>(result.ptr - rest_.data()));
    return value;
  }

  const char* begin_;
  std::string_view rest_;
};

/// Reads `[item,item,…]`, calling `read` for each.
template <typename Read>
void read_list(Cursor* cursor, const Read& read) {
  cursor->expect("[");
  if (cursor->take("]")) return;
  do read();
  while (cursor->take(","));
  cursor->expect("]");
}

/// Fills one field of every row from its column, where the column is there.
template <typename Read>
void read_column(Cursor* cursor, const std::string& name, std::vector<Verdict>* rows,
                 const Read& read) {
  std::string key(",\"");
  key.append(name).append("\":");
  if (!cursor->take(key)) return;
  size_t count = 0;
  read_list(cursor, [&] {
    Verdict beyond;
    read(count < rows->size() ? &(*rows)[count] : &beyond);
    ++count;
  });
  if (count != rows->size()) {
    throw Error("column `" + name + "` has " + std::to_string(count) + " entries for " +
                std::to_string(rows->size()) + " rows");
  }
}

/// Evidence from before doubts had a column told in words, and only of samples that were attacked,
/// that an attack had been blind.
void read_old_doubt(Verdict* row) {
  const bool measured = row->status == Status::kRobust || row->status == Status::kBroken;
  if (!measured || row->queries == 0 || row->detail.empty()) return;
  row->doubt = Doubt::kBlind;
  row->doubt_distance = 0;
  row->detail.clear();
}

std::vector<Verdict> read_rows(Cursor* cursor) {
  std::vector<Verdict> rows;
  cursor->expect("{\"sample\":");
  read_list(cursor, [&] { rows.emplace_back().sample = cursor->integer(); });
  const auto integers = [&](const char* name, int64_t Verdict::*field) {
    read_column(cursor, name, &rows, [&](Verdict* row) { row->*field = cursor->integer(); });
  };
  const auto strings = [&](const char* name, std::string Verdict::*field) {
    read_column(cursor, name, &rows, [&](Verdict* row) { row->*field = cursor->string(); });
  };
  integers("clean", &Verdict::clean);
  integers("adversarial", &Verdict::adversarial);
  read_column(cursor, "status", &rows, [&](Verdict* row) {
    row->status = parse_word(cursor->word(), Status::kError, "status");
  });
  read_column(cursor, "cause", &rows, [&](Verdict* row) {
    row->cause = parse_word(cursor->word(), Cause::kHost, "cause");
  });
  read_column(cursor, "distance", &rows, [&](Verdict* row) { row->distance = cursor->real(); });
  integers("queries", &Verdict::queries);
  integers("gradients", &Verdict::gradients);
  strings("breaking_attack", &Verdict::breaking_attack);
  strings("detail", &Verdict::detail);
  read_column(cursor, "doubt", &rows, [&](Verdict* row) {
    row->doubt = parse_word(cursor->word(), Doubt::kChance, "doubt");
  });
  read_column(cursor, "doubt_distance", &rows,
              [&](Verdict* row) { row->doubt_distance = cursor->real(); });
  strings("tensors", &Verdict::tensors);
  integers("tensor_row", &Verdict::tensor_row);
  cursor->expect("}");
  for (Verdict& row : rows) read_old_doubt(&row);
  return rows;
}

std::vector<Score> read_scores(Cursor* cursor) {
  std::vector<Score> scores;
  size_t row = 0;
  const auto column = [&](std::string_view name, const auto& read) {
    cursor->expect(name);
    row = 0;
    read_list(cursor, [&] {
      if (row >= scores.size()) throw Error("the columns of `scores` are not of one length");
      read(&scores[row++]);
    });
    if (row != scores.size()) throw Error("the columns of `scores` are not of one length");
  };
  const auto bit = [cursor] {
    if (cursor->take("1")) return true;
    cursor->expect("0");
    return false;
  };
  cursor->expect("{\"member\":");
  read_list(cursor, [&] { scores.emplace_back().member = bit(); });
  column(",\"record\":", [&](Score* score) { score->record = cursor->integer(); });
  column(",\"score\":", [&](Score* score) {
    score->score = cursor->real();
    if (!std::isfinite(score->score)) cursor->fail("a finite score");
  });
  column(",\"failed\":", [&](Score* score) { score->failed = bit(); });
  cursor->expect("}");
  return scores;
}

Diagnosis read_diagnosis(Cursor* cursor) {
  Diagnosis diagnosis;
  cursor->expect("{");
  bool first = true;
  for (const DiagnosisField& field : kDiagnosisFields) {
    std::string key(first ? "\"" : ",\"");
    key.append(field.name).append("\":");
    if (!cursor->take(key)) continue;
    diagnosis.*field.field = cursor->integer();
    first = false;
  }
  cursor->expect("}");
  return diagnosis;
}

}  // namespace

UnitResult parse_unit(std::string_view text) {
  Cursor cursor(text);
  UnitResult unit;
  cursor.expect("{\"unit\":");
  unit.key = cursor.string();
  cursor.expect(",\"cell\":");
  unit.cell = cursor.string();
  cursor.expect(",\"index\":");
  unit.index = cursor.integer();
  cursor.expect(",\"rows\":");
  unit.rows = read_rows(&cursor);
  cursor.expect(",\"diagnosis\":");
  unit.diagnosis = read_diagnosis(&cursor);
  if (cursor.take(",\"tensors\":")) unit.tensors = cursor.string();
  if (cursor.take(",\"scores\":")) unit.scores = read_scores(&cursor);
  if (cursor.take(",\"failed_pool\":")) {
    read_list(&cursor, [&] { unit.failed_pool.push_back(cursor.string()); });
  }
  if (cursor.take(",\"fidelity\":")) unit.fidelity = parse_fidelity(parse_json(cursor.object()));
  if (cursor.take(",\"tuned\":")) {
    const Json tuned = parse_json(cursor.object());
    for (const auto& [param, value] : tuned.items()) unit.tuned[param] = as_number(value, param);
  }
  if (cursor.take(",\"extraction\":")) parse_extraction(parse_json(cursor.object()), &unit);
  cursor.expect(",\"flags\":");
  const std::string_view flags = cursor.rest();
  if (!flags.ends_with('}')) cursor.fail("flags and `}`");
  if (flags != "[]}") unit.flags = parse_flags(parse_json(flags.substr(0, flags.size() - 1)));
  return unit;
}

}  // namespace assay
