// ClickHouse over its HTTP interface, with what version 18.16 and today's have in common.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "archive/merkle.h"
#include "base/crypto.h"
#include "base/result.h"

namespace mamori::archive {

// clickhouse://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?cluster=NAME&quorum=2&ca=FILE; clickhouses:// speaks TLS. The password may
// stand in the environment (MAMORI_CLICKHOUSE_PASSWORD) instead.
struct ClickHouseAddress {
  std::vector<std::string> servers;  // "http://host:port": any of them answers for all
  std::string user = "default", database = "mamori";
  Secret password;
  std::string cluster;               // "": one server, tables of its own
  int quorum = 0;                    // replicas that must have an insert before it is acknowledged; 0: one
  std::string authority;             // file
};
// Error: archive.cluster.address.
Result<ClickHouseAddress> parse_clickhouse(std::string_view url);

// A text as an SQL literal. The only way a value gets into a statement: 18.16 knows no parameters.
std::string sql_text(std::string_view text);

// Threads: all calls may come from several. Errors: archive.cluster.unreachable, archive.cluster.slow (facts: host, reason),
// archive.cluster.refused (facts: reason: what the server said).
class ClickHouse {
 public:
  explicit ClickHouse(ClickHouseAddress address) : address_(std::move(address)) {}
  const ClickHouseAddress& address() const { return address_; }

  Status run(const std::string& statement) const;
  // The answer in RowBinary.
  Result<std::string> ask(const std::string& statement, std::chrono::milliseconds limit = std::chrono::seconds(60)) const;
  // The same, piece by piece.
  Status read(const std::string& statement, const std::function<bool(std::string_view)>& sink) const;
  // Rows in RowBinary into `table` (columns in their order): there for good when it returns, as far as quorum says.
  Status insert(const std::string& table, std::string_view rows) const;

 private:
  Result<std::string> send(const std::string& statement, std::string_view body, std::chrono::milliseconds limit, const std::function<bool(std::string_view)>& sink) const;
  ClickHouseAddress address_;
};

// RowBinary: numbers little endian, texts with their length in LEB128 before them.
void put_row(std::string& out, std::uint64_t number);
void put_row(std::string& out, std::int64_t number);
void put_row(std::string& out, std::string_view text);
void put_row(std::string& out, const Hash& hash);

class Rows {
 public:
  explicit Rows(std::string_view bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  bool whole() const { return whole_; }      // nothing asked for was missing
  std::uint64_t number();
  std::int64_t signed_number() { return static_cast<std::int64_t>(number()); }
  std::string_view text();
  Hash hash();
  std::string_view rest() const { return rest_; }

 private:
  std::string_view take(std::size_t count);
  std::string_view rest_;
  bool whole_ = true;
};

}  // namespace mamori::archive
