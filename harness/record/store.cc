#include "harness/record/store.h"

#include <mutex>

#include "harness/record/encoding.h"
#include "harness/record/files.h"
#include "harness/record/sqlite.h"
#include "harness/suite/digest.h"
#include "harness/suite/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr int kStoreVersion = 1;
constexpr size_t kDigest = 64;

void create_or_check_tables(Database* database) {
  const std::string file = database->file().string();
  int64_t version = database->number("PRAGMA user_version");
  if (version == 0) {
    Transaction transaction(*database);
    version = database->number("PRAGMA user_version");  // another process may have come first
    if (version == 0) {
      if (database->number("SELECT count(*) FROM sqlite_master") != 0) {
        throw Error("the file " + file + " is not a store; name another folder with --store");
      }
      database->execute(
          "CREATE TABLE units (key TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL,"
          " cost TEXT NOT NULL, sum TEXT NOT NULL);"
          "CREATE TABLE facts (key TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL,"
          " sum TEXT NOT NULL);"
          "PRAGMA user_version = 1");
      version = kStoreVersion;
    }
    transaction.commit();
  }
  if (version != kStoreVersion) {
    throw Error("the store " + file + " has format version " + std::to_string(version) +
                "; this assay reads version " + std::to_string(kStoreVersion) +
                ": name another folder with --store, or delete this one");
  }
}

std::string unit_sum(std::string_view key, std::string_view body, std::string_view cost) {
  return line_sum(std::string(key) + "\n" + std::string(cost) + "\n", body);
}

/// Where blobs are written before they have their names.
fs::path temporaries(const fs::path& folder) { return folder / "blobs" / "new"; }

/// Opens the connection and brings it into the state that every call relies on.
Database open_database(const fs::path& folder) {
  make_folder(temporaries(folder));
  remove_abandoned(temporaries(folder));
  Database database(folder / "store.sqlite");
  database.enter_wal();
  create_or_check_tables(&database);
  return database;
}

Error damaged(const fs::path& blob) {
  return Error("the blob " + blob.string() + " is damaged: its content has another SHA-256 than " +
                   "its name; delete it and run again",
               ExitCode::kIncomplete);
}

struct StoredUnit {
  std::string body;
  std::string cost;
};

}  // namespace

struct Store::Impl {
  explicit Impl(const fs::path& path)
      : folder(path),
        database(open_database(path)),
        get_unit(database, "SELECT body, cost, sum FROM units WHERE key = ?1"),
        put_unit(database,
                 "INSERT OR REPLACE INTO units (key, body, cost, sum) VALUES"
                 " (?1, ?2, ?3, ?4)"),
        get_fact(database, "SELECT body, sum FROM facts WHERE key = ?1"),
        put_fact(database, "INSERT OR REPLACE INTO facts (key, body, sum) VALUES (?1, ?2, ?3)") {}

  /// What is stored under the key and intact. The mutex must be held.
  std::optional<StoredUnit> read_unit(const std::string& key) {
    std::string sum;
    StoredUnit stored;
    if (!get_unit.bind(1, key).step()) {
      get_unit.reset();
      return std::nullopt;
    }
    stored = {get_unit.text(0), get_unit.text(1)};
    sum = get_unit.text(2);
    get_unit.reset();
    if (sum != unit_sum(key, stored.body, stored.cost)) return std::nullopt;
    return stored;
  }

  fs::path blob(const std::string& sha) const { return folder / "blobs" / sha.substr(0, 2) / sha; }

  fs::path known_blob(const std::string& sha, bool known) const {
    if (known) return blob(sha);
    throw Error("the store " + folder.string() + " has no blob `" + sha +
                "`; run again to compute it");
  }

  fs::path folder;
  std::mutex mutex;  ///< of the statements
  Database database;
  Statement get_unit;
  Statement put_unit;
  Statement get_fact;
  Statement put_fact;
};

Store::Store(const fs::path& folder) : impl_(std::make_unique<Impl>(folder)) {}
Store::~Store() = default;
Store::Store(Store&&) noexcept = default;

std::optional<UnitResult> Store::get(const std::string& key) const {
  std::optional<StoredUnit> stored;
  {
    const std::lock_guard lock(impl_->mutex);
    stored = impl_->read_unit(key);
  }
  if (!stored) return std::nullopt;
  try {
    UnitResult result = parse_unit(stored->body);
    result.cost = parse_cost(stored->cost);
    // Without its tensors it is computed again, which brings them back.
    if (!result.tensors.empty() && !has_blob(result.tensors)) return std::nullopt;
    std::string known;
    for (const Verdict& row : result.rows) {
      if (row.tensors.empty() || row.tensors == known) continue;
      if (!has_blob(row.tensors)) return std::nullopt;
      known = row.tensors;
    }
    return result;
  } catch (const Error&) {
    return std::nullopt;  // intact, but not of this version: as good as absent
  }
}

void Store::put(const UnitResult& result) {
  const std::string body = unit_text(result);
  const std::string cost = cost_text(result.cost);
  const std::string sum = unit_sum(result.key, body, cost);
  std::optional<UnitResult> known;
  {
    const std::lock_guard lock(impl_->mutex);
    Transaction transaction(impl_->database);
    if (const auto stored = impl_->read_unit(result.key)) {
      try {
        known = parse_unit(stored->body);
      } catch (const Error&) {
        known.reset();
      }
    }
    if (!known) {
      impl_->put_unit.bind(1, result.key).bind(2, body).bind(3, cost).bind(4, sum).step();
      impl_->put_unit.reset();
      transaction.commit();
      return;
    }
  }
  std::string difference = rows_difference(known->rows, result.rows);
  if (difference.empty() && known->scores != result.scores) difference = "scores";
  if (difference.empty() && known->tensors != result.tensors) difference = "tensors";
  // Read back like the other, since free text may lose bytes that are not UTF-8.
  const UnitResult written = parse_unit(body);
  if (difference.empty() && known->extracted != written.extracted)
    difference = "what was extracted";
  if (difference.empty() && known->monitored != written.monitored) difference = "alarms";
  if (difference.empty()) return;
  throw Error("nondeterminism: unit " + std::to_string(result.index) + " of " +
                  (result.cell.empty() ? "the clean pass" : "cell " + result.cell) + " (" +
                  result.key.substr(0, 16) + ") has other results than the store, " + difference +
                  "; delete " + impl_->folder.string() +
                  " if the machine changed, else the model is not deterministic",
              ExitCode::kIncomplete);
}

std::optional<std::string> Store::get_fact(const std::string& key) const {
  const std::lock_guard lock(impl_->mutex);
  Statement& get = impl_->get_fact;
  std::optional<std::string> text;
  if (get.bind(1, key).step()) {
    text = get.text(0);
    if (get.text(1) != unit_sum(key, *text, "")) text.reset();
  }
  get.reset();
  return text;
}

void Store::put_fact(const std::string& key, const std::string& text) {
  const std::string sum = unit_sum(key, text, "");
  const std::lock_guard lock(impl_->mutex);
  impl_->put_fact.bind(1, key).bind(2, text).bind(3, sum).step();
  impl_->put_fact.reset();
}

std::string Store::put_blob(std::string_view bytes) {
  const std::string sha = sha256(bytes);
  const fs::path file = impl_->blob(sha);
  if (has_blob(sha) && sha256_file(file) == sha) return sha;
  make_folder(file.parent_path());
  make_folder(temporaries(impl_->folder));  // it may have been deleted with all blobs
  write_durably(file, bytes, temporaries(impl_->folder));
  return sha;
}

fs::path Store::blob_file(const std::string& sha) const {
  const fs::path file = impl_->known_blob(sha, has_blob(sha));
  if (sha256_file(file) != sha) throw damaged(file);
  return file;
}

std::string Store::get_blob(const std::string& sha) const {
  const fs::path file = impl_->known_blob(sha, has_blob(sha));
  std::string bytes = read_bytes(file);
  if (sha256(bytes) != sha) throw damaged(file);
  return bytes;
}

bool Store::has_blob(const std::string& sha) const {
  // The name comes from files that anybody may have written: digits only, never a path.
  if (sha.size() != kDigest || sha.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return false;
  }
  std::error_code error;
  return fs::is_regular_file(impl_->blob(sha), error);
}

fs::path Store::folder() const { return impl_->folder; }

}  // namespace assay
