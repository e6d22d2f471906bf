#include "harness/record/sqlite.h"

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

#include "harness/suite/error.h"

namespace assay {
namespace {

constexpr int kPatienceMs = 60'000;

}  // namespace

Database::Database(std::filesystem::path file) : file_(std::move(file)) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(
      file_.c_str(), &handle,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  handle_.reset(handle);
  check(code);
  if (sqlite3_db_readonly(handle, "main") == 1) {
    throw Error("the store " + file_.string() +
                " can only be read; name one to write to by --store");
  }
  check(sqlite3_busy_timeout(handle, kPatienceMs));
}

void Database::check(int code) const {
  switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
      return;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_ERROR:  // our statements are fixed, so it is the tables that are not ours
    case SQLITE_SCHEMA:
      throw Error("the store " + file_.string() + " is damaged or not a store (" +
                  sqlite3_errmsg(handle_.get()) + "); delete " + file_.filename().string() +
                  ", -wal and -shm in that folder, and its results are computed again");
    default: {
      const int os = handle_ ? sqlite3_system_errno(handle_.get()) : 0;
      const bool mendable = (code & 0xff) == SQLITE_READONLY || os == EROFS || os == EACCES;
      throw Error("cannot use the store " + file_.string() + ": " + sqlite3_errstr(code) +
                      (os != 0 ? " (" + std::generic_category().message(os) + ")" : ""),
                  mendable ? ExitCode::kUsage : ExitCode::kIncomplete);
    }
  }
}

void Database::enter_wal() {
  // Switching a fresh file needs it alone, and SQLite does not wait for that by itself when several
  // processes open one file at the same moment.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  while (true) {
    const int code =
        sqlite3_exec(handle_.get(), "PRAGMA journal_mode = WAL", nullptr, nullptr, nullptr);
    if ((code & 0xff) != SQLITE_BUSY || std::chrono::steady_clock::now() > deadline) {
      check(code);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  execute("PRAGMA synchronous = NORMAL");
}

void Database::execute(const char* sql) {
  check(sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr));
}

int64_t Database::number(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(handle_.get(), sql, -1, &statement, nullptr);
  int64_t value = 0;
  if (code == SQLITE_OK) code = sqlite3_step(statement);
  if (code == SQLITE_ROW) value = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  check(code);
  return value;
}

Statement::Statement(const Database& database, const char* sql) : database_(database) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(database.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  statement_.reset(statement);
  database.check(code);
}

Statement& Statement::bind(int index, std::string_view text) {
  // An empty view may have a null pointer, which SQLite would take for NULL.
  database_.check(sqlite3_bind_text64(statement_.get(), index, text.empty() ? "" : text.data(),
                                      text.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code != SQLITE_ROW && code != SQLITE_DONE) {
    sqlite3_reset(statement_.get());
    database_.check(code);
  }
  return code == SQLITE_ROW;
}

std::string Statement::text(int column) const {
  // SQLite converts whatever damage left there to text; the caller's checksum decides.
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column));
  return bytes == nullptr ? std::string() : std::string(bytes, size);
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

Transaction::Transaction(Database& database) : database_(database) {
  database_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  // Fails only if SQLite has rolled back by itself, which is what is wanted.
  if (open_) sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace assay
