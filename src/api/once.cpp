#include "api/once.h"

#include "base/log.h"

namespace mamori::api {
namespace {

using namespace std::chrono_literals;

constexpr store::Migration kSchema[] = {
    {"api.once.1",
     "CREATE TABLE api_once (user_id {text} NOT NULL, once_key {text} NOT NULL, request {text} NOT NULL, at "
     "BIGINT "
     "NOT NULL, status BIGINT, headers {text}, body {text}, PRIMARY KEY (user_id, once_key));"
     "CREATE INDEX api_once_at ON api_once (at);"},
};

constexpr auto kKept = 24h;
constexpr auto kLongest = 1min;  // nothing that creates takes longer; who has not answered by then is gone
constexpr std::size_t kLargest = 1u << 20;

bool is_key(std::string_view key) {
  return key.size() >= 8 && key.size() <= 100 && std::all_of(key.begin(), key.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                  c == '_';
         });
}

std::string digest_of(const http::Request& request) {
  json::object query;
  for (const auto& [name, value] : request.query) query[name] = value;
  return sha256_hex(request.path + "\n" + json::serialize(query) + "\n" + request.body);
}

std::string headers_text(const http::Reply& reply) {
  json::array out;
  for (const auto& [name, value] : reply.headers)
    out.push_back(json::array{json::string(name), json::string(value)});
  return json::serialize(out);
}

// The answer of before; what is wrong with asking again.
Result<http::Reply> answered(const store::Row& row, const std::string& digest, Instant now) {
  if (store::as_text(row[0]) != digest) return Error{ErrorKind::invalid, "api.once.other"};
  if (store::is_null(row[2])) {
    const bool gone = now - from_millis(store::as_integer(row[1])) > kLongest;
    return Error{ErrorKind::conflict, gone ? "api.once.unknown" : "api.once.busy"};
  }
  http::Reply reply;
  reply.status = static_cast<int>(store::as_integer(row[2]));
  if (const auto headers = parse_json(store::as_text(row[3])); headers && headers->is_array())
    for (const auto& header : headers->get_array())
      reply.headers.emplace_back(std::string(header.at(0).as_string()),
                                 std::string(header.at(1).as_string()));
  reply.headers.emplace_back("Idempotent-Replayed", "true");
  reply.body = store::as_text(row[4]);
  return reply;
}

}  // namespace

Status migrate_once(store::Database& database) { return database.migrate(kSchema); }

Result<http::Reply> once(const Call& call, Services& services,
                         const std::function<Result<http::Reply>()>& work) {
  const auto key = call.request.header("idempotency-key");
  if (key.empty() || !call.user || call.request.method != http::Method::post) return work();
  if (!is_key(key)) return Error{ErrorKind::invalid, "api.once.key"};
  const auto digest = digest_of(call.request);
  const auto now = services.clock.now();
  const store::Row whose = {call.user->id, key};
  {
    auto transaction = MAMORI_TRY(services.database.begin());
    MAMORI_TRY(transaction->execute("DELETE FROM api_once WHERE at < ?", {to_millis(now - kKept)}));
    const auto fresh =
        MAMORI_TRY(transaction->execute("INSERT INTO api_once (user_id, once_key, request, at) VALUES "
                                        "(?,?,?,?) ON CONFLICT (user_id, once_key) DO NOTHING",
                                        {call.user->id, key, digest, to_millis(now)}));
    if (fresh == 0) {
      const auto rows = MAMORI_TRY(transaction->query(
          "SELECT request, at, status, headers, body FROM api_once WHERE user_id = ? AND once_key = ?",
          whose));
      if (rows.rows.empty()) return Error{ErrorKind::conflict, "api.once.busy"};
      return answered(rows.rows[0], digest, now);
    }
    MAMORI_TRY(transaction.commit());
  }
  auto reply = work();
  if (!reply && reply.error().code == "store.outcome-unknown")
    return reply;  // nobody may believe that it was not done
  // Only what made something is answered from memory; anything else may be asked again as if for the first
  // time. A secret is shown once and kept nowhere.
  const bool made = reply && reply->status == 201 && !reply->secret && reply->body.size() <= kLargest;
  const auto keep = [&]() -> Status {
    auto transaction = MAMORI_TRY(services.database.begin());
    if (made)
      MAMORI_TRY(transaction->execute(
          "UPDATE api_once SET status = ?, headers = ?, body = ? WHERE user_id = ? AND once_key = ?",
          {static_cast<std::int64_t>(reply->status), headers_text(*reply), reply->body, call.user->id, key}));
    else
      MAMORI_TRY(transaction->execute("DELETE FROM api_once WHERE user_id = ? AND once_key = ?", whose));
    return transaction.commit();
  };
  // What was done is done: that the answer could not be kept is told to whoever asks again.
  if (const auto kept = keep(); !kept) log::warning("api: " + describe(kept.error()));
  return reply;
}

}  // namespace mamori::api
