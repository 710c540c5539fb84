#include "archive/cluster/clickhouse.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/text.h"
#include "base/web_client.h"

namespace mamori::archive {
namespace {

bool is_plain(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == name.npos;
}

// %XX as in any URL.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() && std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr == text.data() + i + 3) {
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
  if (url.starts_with("clickhouse://")) scheme = "http://";
  else if (url.starts_with("clickhouses://")) scheme = "https://";
  else return bad;
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
  if (const char* given = std::getenv("MAMORI_CLICKHOUSE_PASSWORD"); given && out.password.empty()) out.password = Secret(given);
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
    if (name == "cluster") out.cluster = value;
    else if (name == "ca") out.authority = value;
    else if (name == "quorum" && value.size() == 1 && value[0] >= '0' && value[0] <= '9') out.quorum = value[0] - '0';
    else return bad;
  }
  if (out.servers.empty() || !is_plain(out.database) || (!out.cluster.empty() && !is_plain(out.cluster)) || out.user.find_first_of("\r\n") != out.user.npos || out.password.reveal().find_first_of("\r\n") != std::string::npos) return bad;
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

Result<std::string> ClickHouse::send(const std::string& statement, std::string_view body, std::chrono::milliseconds limit, const std::function<bool(std::string_view)>& sink) const {
  // The statement is the body, or stands before the rows: an address has room for neither.
  std::string whole = statement;
  if (!body.empty()) {
    whole += "\n";
    whole += body;
  }
  std::string settings = "?database=" + (statement.starts_with("CREATE DATABASE") ? std::string("default") : address_.database) + "&insert_distributed_sync=1";
  if (address_.quorum > 0) settings += "&insert_quorum_timeout=20000&insert_quorum=" + std::to_string(address_.quorum);
  Error last{ErrorKind::unavailable, "archive.cluster.unreachable"};
  for (const auto& server : address_.servers) {
    WebRequest request;
    request.url = server + "/" + settings;
    request.method = "POST";
    request.headers = {"X-ClickHouse-User: " + address_.user, "X-ClickHouse-Key: " + address_.password.reveal(), "Content-Type: application/octet-stream"};
    request.body = whole;
    request.authority = address_.authority;
    request.limit = limit;
    auto answer = ask_web(request, sink);
    if (!answer) {
      last = {ErrorKind::unavailable, answer.error().code == "base.web.slow" ? "archive.cluster.slow" : "archive.cluster.unreachable", answer.error().facts};
      if (answer.error().code != "base.web.unreachable") return last;
      continue;  // the next one knows the same
    }
    if (answer->status == 200) return std::move(answer->body);
    return Error{ErrorKind::unavailable, "archive.cluster.refused", {{"reason", std::string(trim(head(is_utf8(answer->body) ? answer->body : "", 300)))}}};
  }
  return last;
}

Status ClickHouse::run(const std::string& statement) const {
  MAMORI_TRY(send(statement, {}, std::chrono::seconds(120), {}));
  return {};
}

Result<std::string> ClickHouse::ask(const std::string& statement, std::chrono::milliseconds limit) const { return send(statement + " FORMAT RowBinary", {}, limit, {}); }

Status ClickHouse::read(const std::string& statement, const std::function<bool(std::string_view)>& sink) const {
  MAMORI_TRY(send(statement + " FORMAT RowBinary", {}, std::chrono::hours(1), sink));
  return {};
}

Status ClickHouse::insert(const std::string& table, std::string_view rows) const {
  MAMORI_TRY(send("INSERT INTO " + table + " FORMAT RowBinary", rows, std::chrono::seconds(120), {}));
  return {};
}

void put_row(std::string& out, std::uint64_t number) { out.append(reinterpret_cast<const char*>(&number), 8); }
void put_row(std::string& out, std::int64_t number) { out.append(reinterpret_cast<const char*>(&number), 8); }
void put_row(std::string& out, std::string_view text) {
  auto size = text.size();
  for (; size >= 0x80; size >>= 7) out += static_cast<char>(size | 0x80);
  out += static_cast<char>(size);
  out += text;
}
void put_row(std::string& out, const Hash& hash) { out.append(reinterpret_cast<const char*>(hash.data()), hash.size()); }

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

std::string_view Rows::text() {
  std::uint64_t size = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = take(1);
    if (byte.empty()) return {};
    size |= static_cast<std::uint64_t>(byte[0] & 0x7F) << shift;
    if ((byte[0] & 0x80) == 0) return take(size);
  }
  whole_ = false;
  return {};
}

Hash Rows::hash() {
  Hash out{};
  const auto bytes = take(out.size());
  if (bytes.size() == out.size()) std::memcpy(out.data(), bytes.data(), out.size());
  return out;
}

}  // namespace mamori::archive
