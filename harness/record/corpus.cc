#include "harness/record/corpus.h"

#include <set>

#include "harness/record/files.h"
#include "harness/record/sqlite.h"
#include "harness/suite/digest.h"

namespace assay {
namespace {

Database open_corpus(const std::filesystem::path& folder) {
  make_folder(folder);
  Database database(folder / "corpus.sqlite");
  database.enter_wal();
  if (database.number("SELECT count(*) FROM sqlite_master WHERE name = 'points'") > 0) {
    return database;
  }
  Transaction transaction(database);
  database.execute(
      "CREATE TABLE IF NOT EXISTS points (place INTEGER PRIMARY KEY, sample TEXT NOT NULL,"
      " model TEXT NOT NULL, point TEXT NOT NULL, blob TEXT NOT NULL, row TEXT NOT NULL,"
      " entries TEXT NOT NULL, type TEXT NOT NULL, UNIQUE (sample, point))");
  transaction.commit();
  return database;
}

}  // namespace

struct Corpus::Impl {
  explicit Impl(const std::filesystem::path& folder)
      : database(open_corpus(folder)),
        insert(database,
               "INSERT OR IGNORE INTO points (sample, model, point, blob, row, entries, type)"
               " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
        trim(database,
             "DELETE FROM points WHERE sample = ?1 AND place NOT IN (SELECT place FROM (SELECT"
             " place, row_number() OVER (PARTITION BY model ORDER BY place DESC) AS turn"
             " FROM points WHERE sample = ?1) ORDER BY turn, place DESC LIMIT ?2)"),
        select(database,
               "SELECT model, point, blob, row, entries, type FROM (SELECT *,"
               " row_number() OVER (PARTITION BY model ORDER BY place DESC) AS turn"
               " FROM points WHERE sample = ?1 AND model <> ?2)"
               " ORDER BY (model = ?4 AND turn <= CAST(?3 AS INTEGER) / 2) DESC, turn, place DESC"
               " LIMIT ?3") {}

  Database database;
  Statement insert;
  Statement trim;
  Statement select;
};

Corpus::Corpus(const std::filesystem::path& folder) : impl_(std::make_unique<Impl>(folder)) {}
Corpus::~Corpus() = default;

void Corpus::add(const std::vector<Found>& found) {
  Transaction transaction(impl_->database);
  std::set<std::string> samples;
  for (const Found& each : found) {
    const std::string row = std::to_string(each.row), entries = std::to_string(each.entries);
    impl_->insert.bind(1, each.sample)
        .bind(2, each.model)
        .bind(3, each.point)
        .bind(4, each.blob)
        .bind(5, row)
        .bind(6, entries)
        .bind(7, each.float64 ? "float64" : "float32")
        .step();
    impl_->insert.reset();
    samples.insert(each.sample);
  }
  const std::string most = std::to_string(kMost);
  for (const std::string& sample : samples) {
    impl_->trim.bind(1, sample).bind(2, most).step();
    impl_->trim.reset();
  }
  transaction.commit();
}

std::vector<Found> Corpus::find(const std::vector<SampleInfo>& samples, const std::string& model,
                                const std::string& incumbent, int64_t most) const {
  std::vector<Found> all;
  const std::string limit = std::to_string(most);
  for (const SampleInfo& sample : samples) {
    Statement& select = impl_->select;
    select.bind(1, sample.digest).bind(2, model).bind(3, limit).bind(4, incumbent);
    while (select.step()) {
      all.push_back({.sample = sample.digest,
                     .model = select.text(0),
                     .point = select.text(1),
                     .blob = select.text(2),
                     .row = std::stoll(select.text(3)),
                     .entries = std::stoll(select.text(4)),
                     .float64 = select.text(5) == "float64"});
    }
    select.reset();
  }
  return all;
}

std::string manifest_digest(const std::vector<Found>& found) {
  std::string text;
  for (const Found& each : found) {
    text += each.sample + ' ' + each.point + '\n';
  }
  return sha256(text);
}

std::vector<Found> found_in(const Evidence& evidence, const Store& store) {
  const Header& header = evidence.header;
  const int64_t entries = entries_of(header.shape);
  const size_t size = static_cast<size_t>(entries) * (header.float64 ? 8 : 4);
  // Units whose points came from the corpus, or were meant for no ball.
  std::set<std::string> skipped;
  for (const CellHeader& cell : header.cells) {
    if (cell.attack == "corpus" || cell.threat.unbounded)
      skipped.insert(cell.units.begin(), cell.units.end());
  }
  std::vector<Found> all;
  for (const UnitResult& unit : evidence.units) {
    if (skipped.contains(unit.key)) continue;
    std::string blob, bytes;  // the rows of a unit mostly share one
    for (const Verdict& row : unit.rows) {
      if (row.status != Status::kBroken || row.tensor_row < 0) continue;
      if (row.tensors != blob) {
        blob = row.tensors;
        bytes = store.has_blob(blob) ? store.get_blob(blob) : "";
      }
      const size_t begin = static_cast<size_t>(row.tensor_row) * size;
      if (begin + size > bytes.size()) continue;
      all.push_back({.sample = header.samples[static_cast<size_t>(row.sample)].digest,
                     .model = header.model.sha256,
                     .point = sha256(bytes.substr(begin, size)),
                     .blob = row.tensors,
                     .row = row.tensor_row,
                     .entries = entries,
                     .float64 = header.float64});
    }
  }
  return all;
}

}  // namespace assay
