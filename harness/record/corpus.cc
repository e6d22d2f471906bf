#include "harness/record/corpus.h"

#include <set>

#include "harness/record/files.h"
#include "harness/record/sqlite.h"
#include "harness/suite/digest.h"

namespace assay {
namespace {

constexpr int kPatienceMs = 60'000;

Database open_database(const std::filesystem::path& folder) {
  make_folder(folder);
  Database database(folder / "corpus.sqlite", kPatienceMs);
  database.enter_wal(kPatienceMs);
  if (database.number("SELECT count(*) FROM sqlite_master WHERE name = 'found'") > 0) {
    return database;
  }
  Transaction transaction(database);
  database.execute(
      "CREATE TABLE IF NOT EXISTS found (place INTEGER PRIMARY KEY, sample TEXT NOT NULL,"
      " model TEXT NOT NULL, blob TEXT NOT NULL, row TEXT NOT NULL, entries TEXT NOT NULL,"
      " type TEXT NOT NULL, UNIQUE (sample, blob, row))");
  transaction.commit();
  return database;
}

}  // namespace

struct Corpus::Impl {
  explicit Impl(const std::filesystem::path& folder)
      : database(open_database(folder)),
        insert(database,
               "INSERT OR IGNORE INTO found (sample, model, blob, row, entries, type)"
               " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"),
        trim(database,
             "DELETE FROM found WHERE sample = ?1 AND place NOT IN (SELECT place FROM found"
             " WHERE sample = ?1 ORDER BY place DESC LIMIT ?2)"),
        select(database,
               "SELECT model, blob, row, entries, type FROM found"
               " WHERE sample = ?1 AND model <> ?2 ORDER BY place DESC LIMIT ?3") {}

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
        .bind(3, each.blob)
        .bind(4, row)
        .bind(5, entries)
        .bind(6, each.float64 ? "float64" : "float32")
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
                                int64_t most) const {
  std::vector<Found> all;
  const std::string limit = std::to_string(most);
  for (const SampleInfo& sample : samples) {
    Statement& select = impl_->select;
    select.bind(1, sample.digest).bind(2, model).bind(3, limit);
    while (select.step()) {
      all.push_back({.sample = sample.digest,
                     .model = select.text(0),
                     .blob = select.text(1),
                     .row = std::stoll(select.text(2)),
                     .entries = std::stoll(select.text(3)),
                     .float64 = select.text(4) == "float64"});
    }
    select.reset();
  }
  return all;
}

std::string manifest_digest(const std::vector<Found>& found) {
  std::string text;
  for (const Found& each : found) {
    text += each.sample + ' ' + each.blob + ' ' + std::to_string(each.row) + '\n';
  }
  return sha256(text);
}

std::vector<Found> found_in(const Evidence& evidence) {
  const Header& header = evidence.header;
  const int64_t entries = entries_of(header.shape);
  // Units whose points came from the corpus, or were meant for no ball.
  std::set<std::string> skipped;
  for (const CellHeader& cell : header.cells) {
    if (cell.attack == "corpus" || cell.threat.unbounded)
      skipped.insert(cell.units.begin(), cell.units.end());
  }
  std::vector<Found> all;
  for (const UnitResult& unit : evidence.units) {
    if (skipped.contains(unit.key)) continue;
    for (const Verdict& row : unit.rows) {
      if (row.status != Status::kBroken || row.tensor_row < 0) continue;
      all.push_back({.sample = header.samples[static_cast<size_t>(row.sample)].digest,
                     .model = header.model.sha256,
                     .blob = row.tensors,
                     .row = row.tensor_row,
                     .entries = entries,
                     .float64 = header.float64});
    }
  }
  return all;
}

}  // namespace assay
