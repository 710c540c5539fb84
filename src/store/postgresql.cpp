#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>

#include <optional>
#include <span>
#include <unordered_map>

#include "store/connection.h"

namespace mamori::store {
namespace {

constexpr Oid kBool = 16, kInt8 = 20, kInt2 = 21, kInt4 = 23, kText = 25, kFloat4 = 700, kFloat8 = 701,
              kNumeric = 1700;
constexpr std::size_t kPipelineBatch = 500;

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using PgResult = std::unique_ptr<PGresult, ResultDeleter>;

// `?` outside quotes to $1, $2 …
std::string number_parameters(std::string_view sql) {
  std::string out;
  int next = 1;
  char quote = 0;
  for (const char c : sql) {
    if (quote) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '?') {
      out += fmt::format("${}", next++);
      continue;
    }
    out += c;
  }
  return out;
}

struct Bound {
  std::vector<std::string> kept;
  std::vector<const char*> values;
  std::vector<int> lengths;
};

Result<Bound> bind(const Row& parameters) {
  // libpq would end a text at its first U+0000, and the journal's hash would be over what is not stored.
  if (!is_storable(parameters)) return Error{ErrorKind::invalid, "store.text"};
  Bound bound;
  bound.kept.reserve(parameters.size());
  for (const auto& value : parameters) {
    if (is_null(value)) {
      bound.values.push_back(nullptr);
      bound.lengths.push_back(0);
      continue;
    }
    if (const auto* text = std::get_if<std::string>(&value)) {
      bound.values.push_back(text->c_str());
      bound.lengths.push_back(static_cast<int>(text->size()));
      continue;
    }
    if (const auto* truth = std::get_if<bool>(&value))
      bound.kept.emplace_back(*truth ? "t" : "f");
    else
      bound.kept.push_back(as_text(value));
    bound.values.push_back(bound.kept.back().c_str());
    bound.lengths.push_back(static_cast<int>(bound.kept.back().size()));
  }
  return bound;
}

Oid type_of(const Value& value) {
  if (std::holds_alternative<std::string>(value)) return kText;
  if (std::holds_alternative<std::int64_t>(value)) return kInt8;
  if (std::holds_alternative<double>(value)) return kFloat8;
  if (std::holds_alternative<bool>(value)) return kBool;
  return 0;  // NULL: the server infers
}

Value cell_of(const PGresult* result, int row, int column) {
  if (PQgetisnull(result, row, column)) return {};
  const char* text = PQgetvalue(result, row, column);
  switch (PQftype(result, column)) {
    case kBool: return static_cast<std::int64_t>(text[0] == 't');
    case kInt2:
    case kInt4:
    case kInt8: return static_cast<std::int64_t>(std::strtoll(text, nullptr, 10));
    case kFloat4:
    case kFloat8: return std::strtod(text, nullptr);
    case kNumeric: {  // SUM over BIGINT is NUMERIC: an integer unless it has a fraction
      const std::string_view view(text);
      if (view.find('.') == view.npos) return static_cast<std::int64_t>(std::strtoll(text, nullptr, 10));
      return std::strtod(text, nullptr);
    }
    default: return std::string(text, static_cast<std::size_t>(PQgetlength(result, row, column)));
  }
}

class PostgreSql final : public Connection {
 public:
  PostgreSql(PGconn* handle, const Patience& patience) : handle_(handle), patience_(patience) {}
  ~PostgreSql() override { PQfinish(handle_); }

  Engine engine() const override { return Engine::postgresql; }

  // What holds for the whole connection; again after each reset, which forgets it.
  Status set_up() {
    PQsetNoticeProcessor(
        handle_, [](void*, const char*) {}, nullptr);
    PQsetnonblocking(handle_, 1);  // next() waits, and not for ever
    const char* encoding = PQparameterStatus(handle_, "server_encoding");
    if (!encoding || std::string_view(encoding) != "UTF8")
      return Error{ErrorKind::invalid, "store.encoding", {{"encoding", encoding ? encoding : "?"}}};
    MAMORI_TRY(send("SET client_encoding = 'UTF8'; SET timezone = 'UTC'; SET client_min_messages = warning"));
    if (!limit_) return {};
    return send(fmt::format(
        "SET default_transaction_read_only = on; SET statement_timeout = {0}; SET lock_timeout = {0}",
        limit_->count()));
  }

  Status begin() override {
    MAMORI_TRY(ready());
    auto begun = send("BEGIN");
    // Nothing has been done yet: the one statement that may be sent again when the server went away
    // meanwhile.
    if (!begun && !silent_ && PQstatus(handle_) == CONNECTION_BAD) {
      MAMORI_TRY(ready());
      begun = send("BEGIN");
    }
    MAMORI_TRY(begun);
    in_transaction_ = true;
    return {};
  }

  Status commit() override {
    MAMORI_TRY(ready());
    const auto result = ask("COMMIT", patience_.statement);
    if (!result || PQresultStatus(result->get()) != PGRES_COMMAND_OK) {
      const auto failure = result ? error(result->get()) : result.error();
      // The word was sent; whether it was heard is not known. Also where the server said that it ends: it may
      // have committed before.
      if (failure.code == "store.unreachable" || PQstatus(handle_) == CONNECTION_BAD) {
        const auto reason = failure.facts.empty() ? std::string() : failure.facts[0].second;
        return Error{ErrorKind::unavailable, "store.outcome-unknown", {{"reason", reason}}};
      }
      return failure;
    }
    in_transaction_ = false;
    // To a transaction in which something had failed the server answers ROLLBACK, as if that were a success.
    if (std::string_view(PQcmdStatus(result->get())) != "COMMIT")
      return Error{ErrorKind::unavailable, "store.rolled-back"};
    return {};
  }

  void rollback() override {
    if (PQpipelineStatus(handle_) == PQ_PIPELINE_OFF && PQtransactionStatus(handle_) != PQTRANS_IDLE)
      static_cast<void>(send("ROLLBACK").has_value());
    in_transaction_ = false;
  }

  bool is_fit() override {
    if (in_transaction_ || PQpipelineStatus(handle_) != PQ_PIPELINE_OFF) return false;
    // Does not wait: it only notices that the server has closed its side.
    if (PQstatus(handle_) == CONNECTION_OK) static_cast<void>(PQconsumeInput(handle_));
    return PQstatus(handle_) == CONNECTION_OK && PQtransactionStatus(handle_) == PQTRANS_IDLE;
  }

  Status each(std::string_view sql, const Row& parameters, const std::function<void(Row&)>& take) override {
    const auto result = MAMORI_TRY(run(sql, parameters));
    const int columns = PQnfields(result.get());
    Row row;
    for (int i = 0; i < PQntuples(result.get()); ++i) {
      row.clear();
      for (int j = 0; j < columns; ++j) row.push_back(cell_of(result.get(), i, j));
      take(row);
    }
    return {};
  }

  Result<Rows> query(std::string_view sql, const Row& parameters) override {
    const auto result = MAMORI_TRY(run(sql, parameters));
    Rows rows;
    for (int j = 0; j < PQnfields(result.get()); ++j) rows.columns.emplace_back(PQfname(result.get(), j));
    rows.rows.reserve(static_cast<std::size_t>(PQntuples(result.get())));
    for (int i = 0; i < PQntuples(result.get()); ++i) {
      Row row;
      row.reserve(rows.columns.size());
      for (int j = 0; j < PQnfields(result.get()); ++j) row.push_back(cell_of(result.get(), i, j));
      rows.rows.push_back(std::move(row));
    }
    return rows;
  }

  Result<std::int64_t> execute(std::string_view sql, const Row& parameters) override {
    const auto result = MAMORI_TRY(run(sql, parameters));
    return std::strtoll(PQcmdTuples(result.get()), nullptr, 10);
  }

  Status execute_many(std::string_view sql, const std::vector<Row>& parameters) override {
    for (const auto& row : parameters)  // before anything is sent: what has begun cannot be taken back
      if (!is_storable(row)) return Error{ErrorKind::invalid, "store.text"};
    MAMORI_TRY(ready());
    const auto numbered = number_parameters(sql);
    if (PQenterPipelineMode(handle_) != 1) return error(nullptr);
    Status outcome;
    for (std::size_t start = 0; start < parameters.size() && outcome; start += kPipelineBatch)
      outcome = send_batch(
          numbered,
          std::span(parameters).subspan(start, std::min(kPipelineBatch, parameters.size() - start)));
    // Where this fails the connection stays in pipeline mode, and is_fit() keeps it from whoever comes next.
    if (PQexitPipelineMode(handle_) != 1 && outcome) outcome = error(nullptr);
    return outcome;
  }

  Status script(std::string_view sql) override {
    MAMORI_TRY(ready());
    return send(sql, patience_.script);
  }

  Status restrict_to_reading(std::chrono::milliseconds limit) override {
    limit_ = limit;
    return set_up();
  }

 private:
  Error error(const PGresult* result) const {
    const char* state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    const std::string_view code = state ? state : "";
    std::string reason = result ? PQresultErrorMessage(result) : PQerrorMessage(handle_);
    while (!reason.empty() && reason.back() == '\n') reason.pop_back();
    const Facts facts = {{"reason", reason}};
    if (code == "23505") return {ErrorKind::conflict, "store.duplicate", facts};
    if (code == "23503") return {ErrorKind::conflict, "store.reference", facts};
    if (code == "57014" || code == "55P03") return {ErrorKind::exhausted, "store.timeout", facts};
    if (code == "25006" || code == "42501") return {ErrorKind::forbidden, "store.read-only", facts};
    if (code == "53100") return {ErrorKind::exhausted, "store.disk-full", facts};
    if (code.starts_with("40")) return {ErrorKind::unavailable, "store.busy", facts};
    if (code.empty() || code.starts_with("08") || code.starts_with("57P"))
      return {ErrorKind::unavailable, "store.unreachable", facts};
    if (code.starts_with("XX")) return {ErrorKind::corrupt, "store.corrupt", facts};
    return {ErrorKind::internal, "store.failed", facts};
  }

  std::chrono::milliseconds patience() const {
    return limit_ ? *limit_ + patience_.beyond_limit : patience_.statement;
  }

  // Waits until something has come, or something that has not been sent yet can go. The server may be gone
  // without a word.
  Status wait(bool unsent, std::chrono::milliseconds patience) {
    pollfd file{PQsocket(handle_), static_cast<short>(unsent ? POLLIN | POLLOUT : POLLIN), 0};
    const int count = ::poll(&file, 1, static_cast<int>(patience.count()));
    if (count < 0 && errno == EINTR) return {};
    if (count == 0) return give_up(patience);
    // Where this fails PQgetResult() says why.
    if ((file.revents & ~POLLOUT) != 0) static_cast<void>(PQconsumeInput(handle_));
    return {};
  }

  Error give_up(std::chrono::milliseconds patience) {
    silent_ = true;
    ::shutdown(PQsocket(handle_), SHUT_RDWR);
    static_cast<void>(PQconsumeInput(handle_));  // so that libpq knows that the connection is gone
    return {ErrorKind::unavailable,
            "store.unreachable",
            {{"reason", fmt::format("no answer for {} s", patience.count() / 1000)}}};
  }

  // The next result; none behind the last one.
  Result<PgResult> next(std::chrono::milliseconds patience) {
    while (true) {
      const bool unsent = PQflush(handle_) > 0;
      if (PQisBusy(handle_) == 0 || PQstatus(handle_) == CONNECTION_BAD)
        return PgResult{PQgetResult(handle_)};
      MAMORI_TRY(wait(unsent, patience));
    }
  }

  // The last result of what was sent.
  Result<PgResult> answer(std::chrono::milliseconds patience) {
    PgResult last;
    while (auto result = MAMORI_TRY(next(patience))) {
      last = std::move(result);
      if (PQstatus(handle_) == CONNECTION_BAD) break;
    }
    return last;
  }

  Result<PgResult> ask(std::string_view sql, std::chrono::milliseconds patience) {
    if (PQsendQuery(handle_, std::string(sql).c_str()) != 1) return error(nullptr);
    return answer(patience);
  }

  // Connected, if need be anew: the server may have been restarted. Never within a transaction, whose first
  // half would be missing.
  Status ready() {
    if (PQpipelineStatus(handle_) != PQ_PIPELINE_OFF) return lost();
    if (PQstatus(handle_) == CONNECTION_OK) return {};
    if (in_transaction_) return lost();
    PQreset(handle_);
    prepared_.clear();
    silent_ = false;
    if (PQstatus(handle_) != CONNECTION_OK) return error(nullptr);
    return set_up();
  }

  Error lost() const { return {ErrorKind::unavailable, "store.rolled-back"}; }

  Status send(std::string_view sql) { return send(sql, patience()); }
  Status send(std::string_view sql, std::chrono::milliseconds patience) {
    const auto result = MAMORI_TRY(ask(sql, patience));
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY)
      return error(result.get());
    return {};
  }

  // Sends the rows, then reads the answers to all that was sent.
  Status send_batch(const std::string& numbered, std::span<const Row> rows) {
    Status outcome;
    std::size_t sent = 0;
    for (const auto& row : rows) {
      const auto bound = MAMORI_TRY(bind(row));
      std::vector<Oid> types;
      for (const auto& value : row) types.push_back(type_of(value));
      if (PQsendQueryParams(handle_, numbered.c_str(), static_cast<int>(row.size()), types.data(),
                            bound.values.data(), bound.lengths.data(), nullptr, 0) != 1) {
        outcome = error(nullptr);
        break;
      }
      ++sent;
    }
    if (PQpipelineSync(handle_) != 1) return outcome ? error(nullptr) : outcome;
    for (std::size_t i = 0; i < sent; ++i) {
      while (const auto result = MAMORI_TRY(next(patience()))) {
        const auto status = PQresultStatus(result.get());
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_PIPELINE_ABORTED &&
            outcome)
          outcome = error(result.get());
        if (PQstatus(handle_) == CONNECTION_BAD) return outcome ? error(nullptr) : outcome;
      }
    }
    const auto sync = MAMORI_TRY(next(patience()));
    if (PQresultStatus(sync.get()) != PGRES_PIPELINE_SYNC && outcome) outcome = error(sync.get());
    return outcome;
  }

  Result<PgResult> run(std::string_view sql, const Row& parameters) {
    const auto bound = MAMORI_TRY(bind(parameters));
    MAMORI_TRY(ready());
    std::string key(sql);
    std::vector<Oid> types;
    for (const auto& value : parameters) {
      types.push_back(type_of(value));
      key += static_cast<char>('0' + value.index());
    }
    auto found = prepared_.find(key);
    if (found == prepared_.end()) {
      if (prepared_.size() >= 256) {
        MAMORI_TRY(send("DEALLOCATE ALL"));
        prepared_.clear();
      }
      const auto name = fmt::format("q{}", next_name_++);
      if (PQsendPrepare(handle_, name.c_str(), number_parameters(sql).c_str(), static_cast<int>(types.size()),
                        types.data()) != 1)
        return error(nullptr);
      const auto made = MAMORI_TRY(answer(patience()));
      if (PQresultStatus(made.get()) != PGRES_COMMAND_OK) return error(made.get());
      found = prepared_.emplace(std::move(key), name).first;
    }
    if (PQsendQueryPrepared(handle_, found->second.c_str(), static_cast<int>(parameters.size()),
                            bound.values.data(), bound.lengths.data(), nullptr, 0) != 1)
      return error(nullptr);
    auto result = MAMORI_TRY(answer(patience()));
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) return error(result.get());
    return result;
  }

  PGconn* handle_;
  const Patience patience_;
  bool in_transaction_ = false;
  bool silent_ = false;  // given up: the server said nothing
  std::optional<std::chrono::milliseconds> limit_;
  std::unordered_map<std::string, std::string> prepared_;
  int next_name_ = 0;
};

}  // namespace

// A server that lost its power says nothing more: without these a connection would wait for it for a quarter
// of an hour or two hours. What stands in the address comes later and counts.
constexpr std::pair<const char*, const char*> kPatience[] = {{"connect_timeout", "10"},
                                                             {"keepalives_idle", "10"},
                                                             {"keepalives_interval", "5"},
                                                             {"keepalives_count", "3"},
                                                             {"tcp_user_timeout", "25000"}};

Result<std::unique_ptr<Connection>> open_postgresql(const std::string& url, const Patience& patience) {
  std::vector<const char*> names, values;
  for (const auto& [name, value] : kPatience) {
    names.push_back(name);
    values.push_back(value);
  }
  names.insert(names.end(), {"dbname", nullptr});
  values.insert(values.end(), {url.c_str(), nullptr});
  PGconn* handle = PQconnectdbParams(names.data(), values.data(), 1);
  auto connection = std::make_unique<PostgreSql>(handle, patience);
  if (PQstatus(handle) != CONNECTION_OK) {
    std::string reason = PQerrorMessage(handle);
    while (!reason.empty() && reason.back() == '\n') reason.pop_back();
    return Error{ErrorKind::unavailable, "store.unreachable", {{"reason", reason}}};
  }
  MAMORI_TRY(connection->set_up());
  return std::unique_ptr<Connection>(std::move(connection));
}

}  // namespace mamori::store
