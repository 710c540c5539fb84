// One connection to SQLite or PostgreSQL. Parameters are written `?`, never glued into the text.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/disk.h"
#include "store/value.h"

namespace mamori::store {

enum class Engine { sqlite, postgresql };

// Threads: used by one at a time. Errors of all calls: store.duplicate and store.reference (conflict),
// store.timeout, store.read-only, store.disk-full, store.unreachable, store.corrupt, store.failed (fact:
// reason), store.text (a parameter holds U+0000 or is no UTF-8: an engine would keep something else than it
// was given).
class Connection {
 public:
  virtual ~Connection() = default;
  virtual Engine engine() const = 0;

  // A transaction. One that was lost on the way (connection gone, rolled back by the engine) refuses
  // everything until rollback().
  virtual Status begin() = 0;
  // Error store.outcome-unknown: the connection was lost while committing; all of it may be there, or
  // nothing.
  virtual Status commit() = 0;
  virtual void rollback() = 0;
  // Whether whoever comes next may have it: still connected, in no transaction, nothing half done.
  virtual bool is_fit() = 0;

  // Calls `take` for each row as it comes.
  virtual Status each(std::string_view sql, const Row& parameters, const std::function<void(Row&)>& take) = 0;
  virtual Result<Rows> query(std::string_view sql, const Row& parameters = {}) = 0;
  // The number of rows changed.
  virtual Result<std::int64_t> execute(std::string_view sql, const Row& parameters = {}) = 0;
  // The same statement for many parameter rows; PostgreSQL gets them in a pipeline.
  virtual Status execute_many(std::string_view sql, const std::vector<Row>& parameters) = 0;
  // Several statements without parameters or results.
  virtual Status script(std::string_view sql) = 0;
  // From now on this connection can only read, and a statement that takes longer is ended (store.timeout).
  virtual Status restrict_to_reading(std::chrono::milliseconds limit) = 0;
};

// `url`: FILE, or FILE?vfs=NAME for a file system of SQLite's that a test has registered; then `disk` is
// where its files are.
Result<std::unique_ptr<Connection>> open_sqlite(const std::string& url, os::Disk& disk);
// How long a server may say nothing at all before its connection is given up (store.unreachable).
struct Patience {
  std::chrono::milliseconds statement = std::chrono::seconds(60);
  std::chrono::milliseconds script =
      std::chrono::minutes(10);  // a migration says nothing while it makes an index
  std::chrono::milliseconds beyond_limit = std::chrono::seconds(5);  // behind that of restrict_to_reading()
};
Result<std::unique_ptr<Connection>> open_postgresql(const std::string& url, const Patience& patience = {});

}  // namespace mamori::store
