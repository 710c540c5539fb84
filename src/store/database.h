// The database behind everything: an embedded SQLite file, or PostgreSQL. Same calls, same tests.
#pragma once

#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/time.h"
#include "store/connection.h"
#include "store/journal.h"

namespace mamori::store {

// One step of a module's schema: runs once, in the order given, inside a transaction. Written in the common
// subset of both engines; {text} stands for a text type that compares by bytes on both.
struct Migration {
  std::string_view name;  // "identity.1"
  std::string_view sql;
};

class Database;

// A connection on loan; goes back when the lease ends.
class Lease {
 public:
  Lease(Database& database, bool restricted, std::unique_ptr<Connection> connection);
  ~Lease();
  Lease(Lease&&) noexcept;
  Lease& operator=(Lease&&) = delete;
  Connection& operator*() const { return *connection_; }
  Connection* operator->() const { return connection_.get(); }
  bool holds() const { return connection_ != nullptr; }  // not where it was moved from

 private:
  Database* database_;
  bool restricted_;
  std::unique_ptr<Connection> connection_;
};

// For reading only: everything read through it is of one moment, and writers are not held up.
class Snapshot {
 public:
  explicit Snapshot(Lease lease) : lease_(std::move(lease)) {}
  ~Snapshot();
  Snapshot(Snapshot&&) noexcept = default;
  Snapshot& operator=(Snapshot&&) = delete;
  Connection& operator*() { return *lease_; }
  Connection* operator->() { return &*lease_; }

 private:
  Lease lease_;
};

// All or nothing: rolled back unless commit() succeeds. Journal entries are chained and written by commit().
class Transaction {
 public:
  ~Transaction();
  Transaction(Transaction&&) noexcept;
  Transaction& operator=(Transaction&&) = delete;

  Connection& operator*() { return *lease_; }
  Connection* operator->() { return &*lease_; }
  // Also touches what the change is about.
  void journal(const Actor& actor, Change change);
  // Something of this kind of this facility is not as it was: counted by commit() in the table `touched`, for
  // those who keep what they worked out from it.
  void touch(const std::string& facility, const std::string& what) { touched_.emplace(facility, what); }
  Status commit();

 private:
  friend class Database;
  Transaction(Database& database, std::unique_lock<Mutex> writer, Lease lease);
  Status write_journal();
  Status write_touched();

  Database* database_;
  std::unique_lock<Mutex> writer_;  // SQLite allows one writer
  Lease lease_;
  std::vector<JournalEntry> entries_;
  std::set<std::pair<std::string, std::string>> touched_;  // in one order, so that no two wait for each other
  bool open_ = true;
};

// Threads: all calls may come from several. `clock` outlives the Database.
class Database {
 public:
  // `url`: "sqlite:FILE" or "postgresql://…" (libpq's connection URI).
  // What is read from now on is durable, also where the process before ended while it wrote. `disk` outlives
  // the Database.
  static Result<std::unique_ptr<Database>> open(const std::string& url, const Clock& clock,
                                                os::Disk& disk = os::Disk::real());

  Engine engine() const { return engine_; }
  const Clock& clock() const { return clock_; }

  Result<Lease> read();
  Result<Transaction> begin();
  Result<Snapshot> snapshot();
  // A connection that can only read, whose statements are ended after kQuestionLimit: for SQL that comes from
  // data files.
  Result<Lease> question();
  Status migrate(std::span<const Migration> migrations);

  static constexpr std::chrono::milliseconds kQuestionLimit{5000};

 private:
  friend class Lease;
  Database(std::string url, Engine engine, const Clock& clock, os::Disk& disk)
      : url_(std::move(url)), engine_(engine), clock_(clock), disk_(disk) {}
  Status make_durable();
  Result<std::unique_ptr<Connection>> connect() const;
  Result<Lease> lend(bool restricted);
  std::vector<std::unique_ptr<Connection>>& home(bool restricted) REQUIRES(mutex_) {
    return restricted ? idle_questions_ : idle_;
  }

  std::string url_;
  Engine engine_;
  const Clock& clock_;
  os::Disk& disk_;
  Mutex writer_;
  Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Connection>> idle_questions_ GUARDED_BY(mutex_);
};

// "TEXT", or on PostgreSQL text that compares by bytes, as SQLite's does.
std::string_view text_type(Engine engine);

}  // namespace mamori::store
