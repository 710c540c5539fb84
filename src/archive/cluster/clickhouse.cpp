#include "archive/cluster/clickhouse.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/text.h"
#include "net/web_client.h"

namespace mamori::archive {
namespace {

bool is_plain(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
             name.npos;
}

bool is_seconds(std::string_view text) {
  return !text.empty() && text.size() <= 4 && text.find_first_not_of("0123456789") == text.npos &&
         text[0] != '0';
}

// What a ClickHouse says of itself when it refuses: anything else comes from somebody between.
bool is_its_refusal(const net::WebAnswer& answer) { return answer.body.starts_with("Code: "); }

std::string host_of(const std::string& server) { return server.substr(server.find("://") + 3); }

// %XX as in any URL.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr == text.data() + i + 3) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

Result<ClickHouseAddress> parse_clickhouse(std::string_view url) {
  const Error bad{ErrorKind::invalid, "archive.cluster.address"};
  ClickHouseAddress out;
  std::string scheme;
  if (url.starts_with("clickhouse://"))
    scheme = "http://";
  else if (url.starts_with("clickhouses://"))
    scheme = "https://";
  else
    return bad;
  url.remove_prefix(url.find("://") + 3);
  std::string_view settings;
  if (const auto mark = url.find('?'); mark != url.npos) {
    settings = url.substr(mark + 1);
    url = url.substr(0, mark);
  }
  if (const auto at = url.rfind('@'); at != url.npos) {
    const auto who = url.substr(0, at);
    url.remove_prefix(at + 1);
    const auto colon = who.find(':');
    out.user = unescape(who.substr(0, colon));
    if (colon != who.npos) out.password = Secret(unescape(who.substr(colon + 1)));
  }
  if (const char* given = std::getenv("MAMORI_CLICKHOUSE_PASSWORD"); given && out.password.empty())
    out.password = Secret(given);
  if (const auto slash = url.find('/'); slash != url.npos) {
    if (slash + 1 < url.size()) out.database = std::string(url.substr(slash + 1));
    url = url.substr(0, slash);
  }
  for (const auto server : split(url, ',')) {
    if (server.empty() || server.find_first_of(" /@?#") != server.npos) return bad;
    out.servers.push_back(scheme + std::string(server));
  }
  for (const auto setting : split(settings, '&')) {
    if (setting.empty()) continue;
    const auto equals = setting.find('=');
    const auto name = setting.substr(0, equals);
    const auto value = unescape(equals == setting.npos ? "" : setting.substr(equals + 1));
    if (name == "cluster")
      out.cluster = value;
    else if (name == "ca")
      out.authority = value;
    else if (name == "quorum" && value.size() == 1 && value[0] >= '0' && value[0] <= '9')
      out.quorum = value[0] - '0';
    else if (name == "timeout" && is_seconds(value))
      out.limit = std::chrono::seconds(std::atoi(value.c_str()));
    else
      return bad;
  }
  if (out.servers.empty() || !is_plain(out.database) || (!out.cluster.empty() && !is_plain(out.cluster)) ||
      out.user.find_first_of("\r\n") != out.user.npos ||
      out.password.reveal().find_first_of("\r\n") != std::string::npos)
    return bad;
  return out;
}

std::string sql_text(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\0') {
      out += "\\0";
      continue;
    }
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

Result<std::string> ClickHouse::send_to(const std::string& server, const Request& request) const {
  // The statement is the body, or stands before the rows: an address has room for neither.
  std::string whole(request.statement);
  if (!request.rows.empty()) {
    whole += "\n";
    whole += request.rows;
  }
  const auto limit = request.limit.value_or(address_.limit);
  const bool makes_database = request.statement.starts_with("CREATE DATABASE");
  net::WebRequest out;
  out.url = server + "/?database=" + (makes_database ? std::string("default") : address_.database) +
            "&insert_distributed_sync=1";
  if (address_.quorum > 0) {
    out.url += "&insert_quorum=" + std::to_string(address_.quorum);
    out.url +=
        "&insert_quorum_timeout=" + std::to_string(std::min<std::int64_t>(20000, limit.count() * 3 / 4));
  }
  out.url += request.settings;
  out.method = "POST";
  out.headers = {"X-ClickHouse-User: " + address_.user, "X-ClickHouse-Key: " + address_.password.reveal(),
                 "Content-Type: application/octet-stream"};
  out.body = whole;
  out.authority = address_.authority;
  out.limit = limit;
  auto answer = net::ask_web(out);
  if (!answer) {
    const auto& code = answer.error().code;
    const auto* const ours = code == "base.web.slow"    ? "archive.cluster.slow"
                             : code == "base.web.large" ? "archive.cluster.large"
                                                        : "archive.cluster.unreachable";
    return Error{ErrorKind::unavailable, ours, answer.error().facts};
  }
  const auto said = std::string(trim(head(is_utf8(answer->body) ? answer->body : "", 300)));
  if (answer->status != 200 && is_its_refusal(*answer))
    return Error{ErrorKind::unavailable, "archive.cluster.refused", {{"reason", said}}};
  // Only a SELECT and what every server of a cluster was asked have something to say.
  const bool speaks =
      request.statement.starts_with("SELECT") || answer->type.starts_with("text/tab-separated-values");
  if (answer->status != 200 || (!speaks && !answer->body.empty()))
    return Error{ErrorKind::unavailable,
                 "archive.cluster.answer",
                 {{"host", host_of(server)}, {"reason", fmt::format("HTTP {} {}", answer->status, said)}}};
  return std::move(answer->body);
}

Result<std::string> ClickHouse::send(const Request& request) const {
  const auto count = address_.servers.size();
  if (request.server) return send_to(address_.servers[*request.server], request);
  const std::size_t first = preferred_;
  Result<std::string> out = Error{ErrorKind::unavailable, "archive.cluster.unreachable"};
  for (std::size_t i = 0; i < count; ++i) {
    const auto server = (first + i) % count;
    out = send_to(address_.servers[server], request);
    if (out) {
      preferred_ = server;
      return out;
    }
    const auto& code = out.error().code;
    if (code == "archive.cluster.refused" || code == "archive.cluster.large")
      return out;  // the others say the same
    preferred_ = (server + 1) % count;
    if (request.once || code == "archive.cluster.slow") return out;
  }
  return out;
}

Status ClickHouse::run(const std::string& statement) const {
  MAMORI_TRY(send({.statement = statement, .limit = 2 * address_.limit}));
  return {};
}

namespace {

// All rows as one value: an array says how many they are, so that an answer that was cut is never taken for a
// shorter one.
std::string as_one_value(const std::string& statement) {
  return "SELECT groupArray(tuple(*)) FROM (" + statement + ") FORMAT RowBinary";
}

Error no_answer(const std::string& server) {
  return {
      ErrorKind::unavailable, "archive.cluster.answer", {{"host", host_of(server)}, {"reason", "RowBinary"}}};
}

}  // namespace

Result<std::string> ClickHouse::ask(const std::string& statement,
                                    std::optional<std::chrono::milliseconds> limit, Reading reading) const {
  const bool durable = reading == Reading::durable && address_.quorum > 0;
  return send({.statement = as_one_value(statement),
               .settings = durable ? "&select_sequential_consistency=1" : "",
               .limit = limit});
}

Status ClickHouse::each(const std::string& statement, const std::function<void(Rows&)>& take,
                        std::optional<std::chrono::milliseconds> limit, Reading reading) const {
  const auto bytes = MAMORI_TRY(ask(statement, limit, reading));
  Rows rows(bytes);
  while (rows.next()) take(rows);
  if (!rows.whole()) return no_answer(address_.servers.front());
  return {};
}

Result<std::uint64_t> ClickHouse::number(const std::string& statement, Reading reading) const {
  std::optional<std::uint64_t> out;
  MAMORI_TRY(each(
      statement, [&](Rows& row) { out = row.number(); }, {}, reading));
  if (!out) return no_answer(address_.servers.front());
  return *out;
}

Result<std::uint64_t> ClickHouse::number_at(std::size_t server, const std::string& statement) const {
  const auto bytes = MAMORI_TRY(send({.statement = as_one_value(statement), .server = server}));
  Rows rows(bytes);
  rows.next();
  const auto out = rows.number();
  if (!rows.whole()) return no_answer(address_.servers[server]);
  return out;
}

Result<std::string> ClickHouse::text_at(std::size_t server, const std::string& statement) const {
  const auto bytes = MAMORI_TRY(send({.statement = as_one_value(statement), .server = server}));
  Rows rows(bytes);
  std::string out;
  if (rows.next()) out = rows.text();
  if (!rows.whole()) return no_answer(address_.servers[server]);
  return out;
}

Status ClickHouse::insert(const std::string& table, std::string_view rows, const std::string& name) const {
  MAMORI_TRY(send({.statement = "INSERT INTO " + table + " FORMAT RowBinary",
                   .rows = rows,
                   .settings = "&query_id=" + name,
                   .once = true}));
  return {};
}

Status ClickHouse::put(const std::string& table, std::string_view rows) const {
  MAMORI_TRY(send({.statement = "INSERT INTO " + table + " FORMAT RowBinary", .rows = rows}));
  return {};
}

void put_row(std::string& out, std::uint64_t number) {
  out.append(reinterpret_cast<const char*>(&number), 8);
}
void put_row(std::string& out, std::int64_t number) { out.append(reinterpret_cast<const char*>(&number), 8); }
void put_row(std::string& out, std::string_view text) {
  auto size = text.size();
  for (; size >= 0x80; size >>= 7) out += static_cast<char>(size | 0x80);
  out += static_cast<char>(size);
  out += text;
}
void put_row(std::string& out, const proof::Hash& hash) {
  out.append(reinterpret_cast<const char*>(hash.data()), hash.size());
}

Rows::Rows(std::string_view bytes) : rest_(bytes) { left_ = length(); }

bool Rows::next() {
  if (left_ == 0 || !whole_) return false;
  --left_;
  return true;
}

std::string_view Rows::take(std::size_t count) {
  if (count > rest_.size()) {
    whole_ = false;
    rest_ = {};
    return {};
  }
  const auto out = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return out;
}

std::uint64_t Rows::number() {
  std::uint64_t out = 0;
  const auto bytes = take(8);
  if (bytes.size() == 8) std::memcpy(&out, bytes.data(), 8);
  return out;
}

std::uint64_t Rows::length() {
  std::uint64_t out = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = take(1);
    if (byte.empty()) return 0;
    out |= static_cast<std::uint64_t>(byte[0] & 0x7F) << shift;
    if ((byte[0] & 0x80) == 0) return out;
  }
  whole_ = false;
  return 0;
}

std::string_view Rows::text() { return take(length()); }

proof::Hash Rows::hash() {
  proof::Hash out{};
  const auto bytes = take(out.size());
  if (bytes.size() == out.size()) std::memcpy(out.data(), bytes.data(), out.size());
  return out;
}

}  // namespace mamori::archive
