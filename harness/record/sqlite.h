// SQLite behind destructors, inside this room only.
#pragma once

#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace assay {

/// A connection; every failure is an Error that names the file and the cure.
class Database {
 public:
  /// Opens or creates; waits up to a minute for locks of others.
  explicit Database(std::filesystem::path file);

  /// Makes commits cheap: a kill loses nothing that was committed; a power cut may lose the last
  /// commits, never the rest.
  void enter_wal();
  void execute(const char* sql);
  int64_t number(const char* sql);
  /// Throws for a result code that is not SQLITE_OK, SQLITE_ROW or SQLITE_DONE.
  void check(int code) const;
  sqlite3* handle() const { return handle_.get(); }
  const std::filesystem::path& file() const { return file_; }

 private:
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close(handle); }
  };
  std::filesystem::path file_;
  std::unique_ptr<sqlite3, Close> handle_;
};

/// A prepared statement, used again for every call.
class Statement {
 public:
  Statement(const Database& database, const char* sql);

  /// Binds text to parameters 1, 2, …; the texts must live until the statement has run.
  Statement& bind(int index, std::string_view text);
  /// Steps; true if there is a row.
  bool step();
  std::string text(int column) const;
  /// Ends the run, which releases its locks.
  void reset();

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  const Database& database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// BEGIN IMMEDIATE … COMMIT; rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace assay
