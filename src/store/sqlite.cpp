#include <sqlite3.h>

#include <unordered_map>

#include "store/connection.h"

namespace mamori::store {
namespace {

using Steady = std::chrono::steady_clock;

// Behind a file's name: on which file system of SQLite's. Tests have one that fails.
constexpr std::string_view kVfs = "?vfs=";

// What a read-only question may do: select, read tables, call functions that have no effect.
int authorise(void*, int action, const char*, const char* name, const char*, const char*) {
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    case SQLITE_FUNCTION: return name && std::string_view(name) == "load_extension" ? SQLITE_DENY : SQLITE_OK;
    default: return SQLITE_DENY;
  }
}

class Sqlite final : public Connection {
 public:
  explicit Sqlite(sqlite3* handle) : handle_(handle) {}
  ~Sqlite() override {
    for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close(handle_);
  }

  Engine engine() const override { return Engine::sqlite; }

  Status begin() override {
    MAMORI_TRY(script("BEGIN IMMEDIATE"));
    in_transaction_ = true;
    return {};
  }

  // Where it fails the transaction may still be open (SQLITE_FULL, SQLITE_BUSY) or be gone: rollback() ends
  // both.
  Status commit() override {
    const auto done = script("COMMIT");
    // All of it may stand in the log already: a connection that looks at it next takes it for committed.
    if (!done && broken_) return Error{ErrorKind::unavailable, "store.outcome-unknown", done.error().facts};
    MAMORI_TRY(done);
    in_transaction_ = false;
    return {};
  }

  void rollback() override {
    in_transaction_ = false;
    if (sqlite3_get_autocommit(handle_) == 0) static_cast<void>(script("ROLLBACK").has_value());
  }

  bool is_fit() override { return !broken_ && !in_transaction_ && sqlite3_get_autocommit(handle_) != 0; }

  Status each(std::string_view sql, const Row& parameters, const std::function<void(Row&)>& take) override {
    auto* statement = MAMORI_TRY(prepare(sql));
    const Guard guard(statement);
    MAMORI_TRY(bind(statement, parameters));
    return step_all(statement, take);
  }

  Result<Rows> query(std::string_view sql, const Row& parameters) override {
    auto* statement = MAMORI_TRY(prepare(sql));
    const Guard guard(statement);
    MAMORI_TRY(bind(statement, parameters));
    Rows rows;
    for (int i = 0; i < sqlite3_column_count(statement); ++i)
      rows.columns.emplace_back(sqlite3_column_name(statement, i));
    MAMORI_TRY(step_all(statement, [&](Row& row) { rows.rows.push_back(std::move(row)); }));
    return rows;
  }

  Result<std::int64_t> execute(std::string_view sql, const Row& parameters) override {
    auto* statement = MAMORI_TRY(prepare(sql));
    const Guard guard(statement);
    MAMORI_TRY(bind(statement, parameters));
    MAMORI_TRY(step_all(statement, [](Row&) {}));
    return sqlite3_changes64(handle_);
  }

  Status execute_many(std::string_view sql, const std::vector<Row>& parameters) override {
    auto* statement = MAMORI_TRY(prepare(sql));
    for (const auto& row : parameters) {
      MAMORI_TRY(still_open());
      const Guard guard(statement);
      MAMORI_TRY(bind(statement, row));
      MAMORI_TRY(step_all(statement, [](Row&) {}));
    }
    return {};
  }

  Status script(std::string_view sql) override {
    MAMORI_TRY(still_open());
    if (sqlite3_exec(handle_, std::string(sql).c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
      return error();
    return {};
  }

  Status restrict_to_reading(std::chrono::milliseconds limit) override {
    sqlite3_set_authorizer(handle_, nullptr, nullptr);  // it would refuse the pragmas of a second call
    MAMORI_TRY(script("PRAGMA query_only=ON; PRAGMA case_sensitive_like=ON;"));
    limit_ = limit;
    only_reads_ = true;
    sqlite3_set_authorizer(handle_, authorise, nullptr);
    sqlite3_progress_handler(
        handle_, 1000,
        [](void* self) { return Steady::now() > static_cast<Sqlite*>(self)->deadline_ ? 1 : 0; }, this);
    return {};
  }

 private:
  struct Guard {
    explicit Guard(sqlite3_stmt* s) : statement(s) {}
    ~Guard() {
      sqlite3_reset(statement);
      sqlite3_clear_bindings(statement);
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    sqlite3_stmt* statement;
  };

  // SQLite rolls a whole transaction back by itself where the disk is full or fails. What came after would
  // each be kept by itself.
  Status still_open() const {
    if (in_transaction_ && sqlite3_get_autocommit(handle_) != 0)
      return Error{ErrorKind::unavailable, "store.rolled-back"};
    return {};
  }

  Error error() {
    const int code = sqlite3_extended_errcode(handle_);
    const Facts facts = {{"reason", sqlite3_errmsg(handle_)}};
    switch (code) {
      case SQLITE_CONSTRAINT_UNIQUE:
      case SQLITE_CONSTRAINT_PRIMARYKEY: return {ErrorKind::conflict, "store.duplicate", facts};
      case SQLITE_CONSTRAINT_FOREIGNKEY: return {ErrorKind::conflict, "store.reference", facts};
      default: break;
    }
    const int kind = code & 0xFF;
    // After these the handle's own state is not to be trusted: it is closed instead of going back to the
    // pool. One that is there for changes and cannot make any has opened its log for reading, for want of a
    // descriptor.
    const bool cannot_write = kind == SQLITE_READONLY && !only_reads_;
    broken_ = broken_ || cannot_write || kind == SQLITE_IOERR || kind == SQLITE_CORRUPT ||
              kind == SQLITE_NOTADB || kind == SQLITE_CANTOPEN;
    if (cannot_write) return {ErrorKind::unavailable, "store.unreachable", facts};
    switch (kind) {
      case SQLITE_INTERRUPT: return {ErrorKind::exhausted, "store.timeout", facts};
      case SQLITE_AUTH:
      case SQLITE_READONLY: return {ErrorKind::forbidden, "store.read-only", facts};
      case SQLITE_FULL: return {ErrorKind::exhausted, "store.disk-full", facts};
      case SQLITE_BUSY:
      case SQLITE_LOCKED: return {ErrorKind::unavailable, "store.busy", facts};
      case SQLITE_CANTOPEN:
      case SQLITE_IOERR: return {ErrorKind::unavailable, "store.unreachable", facts};
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB: return {ErrorKind::corrupt, "store.corrupt", facts};
      default: return {ErrorKind::internal, "store.failed", facts};
    }
  }

  Result<sqlite3_stmt*> prepare(std::string_view sql) {
    MAMORI_TRY(still_open());
    deadline_ = Steady::now() + limit_;
    const auto found = statements_.find(std::string(sql));
    if (found != statements_.end()) return found->second;
    if (statements_.size() >=
        256) {  // questions come in many forms; forget them all rather than grow for ever
      for (auto& [text, old] : statements_) sqlite3_finalize(old);
      statements_.clear();
    }
    sqlite3_stmt* statement = nullptr;
    const char* rest = nullptr;
    if (sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                           &statement, &rest) != SQLITE_OK)
      return error();
    if (!statement) return Error{ErrorKind::internal, "store.failed", {{"reason", "empty statement"}}};
    statements_.emplace(sql, statement);
    return statement;
  }

  Status bind(sqlite3_stmt* statement, const Row& parameters) {
    if (sqlite3_bind_parameter_count(statement) != static_cast<int>(parameters.size()))
      return Error{ErrorKind::internal, "store.failed", {{"reason", "wrong number of parameters"}}};
    if (!is_storable(parameters)) return Error{ErrorKind::invalid, "store.text"};
    int index = 0;
    for (const auto& value : parameters) {
      ++index;
      int code = SQLITE_OK;
      if (const auto* text = std::get_if<std::string>(&value))
        code =
            sqlite3_bind_text(statement, index, text->data(), static_cast<int>(text->size()), SQLITE_STATIC);
      else if (const auto* number = std::get_if<std::int64_t>(&value))
        code = sqlite3_bind_int64(statement, index, *number);
      else if (const auto* real = std::get_if<double>(&value))
        code = sqlite3_bind_double(statement, index, *real);
      else if (const auto* truth = std::get_if<bool>(&value))
        code = sqlite3_bind_int(statement, index, *truth ? 1 : 0);
      else
        code = sqlite3_bind_null(statement, index);
      if (code != SQLITE_OK) return error();
    }
    return {};
  }

  Status step_all(sqlite3_stmt* statement, const std::function<void(Row&)>& take) {
    Row row;
    while (true) {
      const int code = sqlite3_step(statement);
      if (code == SQLITE_DONE) return {};
      if (code != SQLITE_ROW) return error();
      const int columns = sqlite3_column_count(statement);
      row.assign(static_cast<std::size_t>(columns), Value{});
      for (int i = 0; i < columns; ++i) {
        auto& cell = row[static_cast<std::size_t>(i)];
        switch (sqlite3_column_type(statement, i)) {
          case SQLITE_INTEGER: cell = static_cast<std::int64_t>(sqlite3_column_int64(statement, i)); break;
          case SQLITE_FLOAT: cell = sqlite3_column_double(statement, i); break;
          case SQLITE_TEXT:
          case SQLITE_BLOB:
            cell = std::string(reinterpret_cast<const char*>(sqlite3_column_text(statement, i)),
                               static_cast<std::size_t>(sqlite3_column_bytes(statement, i)));
            break;
          default: break;
        }
      }
      take(row);
    }
  }

  sqlite3* handle_;
  bool in_transaction_ = false;
  bool broken_ = false;
  bool only_reads_ = false;  // as it should: see restrict_to_reading()
  std::unordered_map<std::string, sqlite3_stmt*> statements_;
  std::chrono::milliseconds limit_ = std::chrono::hours(24);
  Steady::time_point deadline_ = Steady::time_point::max();
};

}  // namespace

Result<std::unique_ptr<Connection>> open_sqlite(const std::string& url, os::Disk& disk) {
  const auto parameter = url.find(kVfs);
  const auto file = url.substr(0, parameter);
  const auto vfs = parameter == url.npos ? std::string() : url.substr(parameter + kVfs.size());
  sqlite3* handle = nullptr;
  const int code =
      sqlite3_open_v2(file.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                      vfs.empty() ? nullptr : vfs.c_str());
  auto connection = std::make_unique<Sqlite>(handle);
  const auto closed = [&](const std::string& reason) {
    return Error{ErrorKind::unavailable, "store.file", {{"file", file}, {"reason", reason}}};
  };
  if (code != SQLITE_OK) return closed(handle ? sqlite3_errmsg(handle) : "out of memory");
  sqlite3_busy_timeout(handle, 10'000);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // FULL: what was acknowledged survives a power cut, also in WAL mode.
  const auto set = connection->script(
      "PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON; PRAGMA synchronous=FULL; PRAGMA cache_size=-8192;"
      "PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;");
  // On a disk that may only be read the file opens, and the first of these fails.
  if (!set && set.error().code == "store.unreachable") return closed(sqlite3_errmsg(handle));
  MAMORI_TRY(set);
  // What SQLite cannot open for writing, be it for a moment, it opens for reading: such a connection would
  // refuse every change for ever.
  if (sqlite3_db_readonly(handle, "main") != 0) return closed("it can only be read");
  // The first look makes the log's file. SQLite syncs the folder with the first commit, but takes it for done
  // where that fails: the whole log would be gone with its name.
  MAMORI_TRY(connection->query("SELECT COUNT(*) FROM sqlite_schema", {}));
  const auto synced = disk.sync_folder(std::filesystem::path(file).parent_path());
  if (!synced) return closed(describe(synced.error()));
  return std::unique_ptr<Connection>(std::move(connection));
}

}  // namespace mamori::store
