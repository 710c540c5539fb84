// ClickHouse over its HTTP interface, with what version 18.16 and today's have in common.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/result.h"
#include "proof/merkle.h"

namespace mamori::archive {

// clickhouse://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?cluster=NAME&quorum=2&ca=FILE&timeout=60;
// clickhouses:// speaks TLS. The password may stand in the environment (MAMORI_CLICKHOUSE_PASSWORD) instead.
struct ClickHouseAddress {
  std::vector<std::string> servers;  // "http://host:port": any of them answers for all
  std::string user = "default", database = "mamori";
  Secret password;
  std::string cluster;    // "": one server, tables of its own
  int quorum = 0;         // replicas that must have an insert before it is acknowledged; 0: one
  std::string authority;  // file
  std::chrono::milliseconds limit = std::chrono::seconds(60);  // `timeout`: of one statement
};
// Error: archive.cluster.address.
Result<ClickHouseAddress> parse_clickhouse(std::string_view url);

// A text as an SQL literal. The only way a value gets into a statement: 18.16 knows no parameters.
std::string sql_text(std::string_view text);

// RowBinary: numbers little endian, texts with their length in LEB128 before them.
void put_row(std::string& out, std::uint64_t number);
void put_row(std::string& out, std::int64_t number);
void put_row(std::string& out, std::string_view text);
void put_row(std::string& out, const proof::Hash& hash);

// The rows of an answer, which begins with their number. What is read past the end is empty, and whole() says
// so at the end.
class Rows {
 public:
  explicit Rows(std::string_view bytes);
  bool next();  // goes on to the next row: its columns are to be taken, each once
  bool whole() const {
    return whole_ && left_ == 0 && rest_.empty();
  }  // all rows were there and nothing else
  std::uint64_t number();
  std::int64_t signed_number() { return static_cast<std::int64_t>(number()); }
  std::string_view text();
  proof::Hash hash();

 private:
  std::uint64_t length();
  std::string_view take(std::size_t count);
  std::string_view rest_;
  std::uint64_t left_ = 0;
  bool whole_ = true;
};

enum class Reading {
  any,      // what the server that is asked has
  durable,  // only what as many replicas have as `quorum` says; an error where that cannot be told now
};

// Threads: all calls may come from several. Errors: archive.cluster.unreachable, archive.cluster.slow (facts:
// host, reason), archive.cluster.refused (facts: reason: what the server said), archive.cluster.answer
// (facts: host, reason): what came back is not a whole answer of a ClickHouse. After any of them a statement
// may have been carried out all the same, now or later.
class ClickHouse {
 public:
  explicit ClickHouse(ClickHouseAddress address) : address_(std::move(address)) {}
  const ClickHouseAddress& address() const { return address_; }

  Status run(const std::string& statement) const;
  // The rows of a SELECT, for Rows: an answer of which a part is missing is an error, never fewer rows.
  Result<std::string> ask(const std::string& statement, std::optional<std::chrono::milliseconds> limit = {},
                          Reading reading = Reading::any) const;
  // The same, row by row, once all are there.
  Status each(const std::string& statement, const std::function<void(Rows&)>& take,
              std::optional<std::chrono::milliseconds> limit = {}, Reading reading = Reading::any) const;
  // The one number that a SELECT gives.
  Result<std::uint64_t> number(const std::string& statement, Reading reading = Reading::any) const;
  // The same of one server and nobody else.
  Result<std::uint64_t> number_at(std::size_t server, const std::string& statement) const;
  Result<std::string> text_at(std::size_t server, const std::string& statement) const;

  // Rows in RowBinary into `table` (columns in their order): there for good when it returns, as far as quorum
  // says. One server is asked, once: whether the rows are there after an error, they themselves must say.
  // `name`: what the statement is called at the server.
  Status insert(const std::string& table, std::string_view rows, const std::string& name) const;
  // Rows that do no harm where they are twice: each server is tried.
  Status put(const std::string& table, std::string_view rows) const;

 private:
  struct Request {
    std::string_view statement, rows = {};
    std::string settings = {};
    std::optional<std::chrono::milliseconds> limit = {};
    std::optional<std::size_t> server = {};  // this one only
    bool once = false;                       // one server only
  };
  Result<std::string> send(const Request& request) const;
  Result<std::string> send_to(const std::string& server, const Request& request) const;
  const ClickHouseAddress address_;
  mutable std::atomic<std::size_t> preferred_ = 0;  // the server that is asked first: the last that answered
};

}  // namespace mamori::archive
