#include "identity/attempts.h"

#include <arpa/inet.h>

#include <cstring>

namespace mamori::identity {
namespace {

constexpr std::chrono::hours kForgotten{24};      // of a count that nothing was added to
constexpr std::chrono::hours kKnownFor{24 * 90};  // an address that the account was not used from again

constexpr store::Migration kSchema[] = {
    {"identity.2",
     "CREATE TABLE sign_in_attempt (about {text} PRIMARY KEY, user_id {text} NOT NULL, failures BIGINT NOT "
     "NULL, since BIGINT NOT NULL, shut_until BIGINT);"
     "CREATE INDEX sign_in_attempt_user ON sign_in_attempt (user_id);"
     "CREATE INDEX sign_in_attempt_since ON sign_in_attempt (since);"
     "CREATE TABLE known_address (user_id {text} NOT NULL REFERENCES users (id), address {text} NOT NULL, at "
     "BIGINT NOT NULL, PRIMARY KEY (user_id, address));"},
};

std::string pair_of(const std::string& user, const std::string& address) {
  return "pair " + user + " " + address;
}
std::string address_of(const std::string& address) { return "address " + address; }
std::string strangers_of(const std::string& user) { return "strangers " + user; }

}  // namespace

std::string counted_address(const std::string& remote) {
  in6_addr address{};
  if (remote.find(':') == remote.npos || ::inet_pton(AF_INET6, remote.c_str(), &address) != 1) return remote;
  if (IN6_IS_ADDR_V4MAPPED(&address)) return remote;
  std::memset(address.s6_addr + 8, 0, 8);
  char text[INET6_ADDRSTRLEN];
  return ::inet_ntop(AF_INET6, &address, text, sizeof text) ? std::string(text) + "/64" : remote;
}

std::span<const store::Migration> Attempts::schema() { return kSchema; }

Attempts::Attempts(std::string user, const std::string& remote, Instant now)
    : user_(std::move(user)), address_(counted_address(remote)), now_(now) {}

Result<bool> Attempts::known(store::Connection& connection) const {
  if (user_.empty()) return false;
  const auto found =
      MAMORI_TRY(connection.query("SELECT at FROM known_address WHERE user_id = ? AND address = ? AND at > ?",
                                  {user_, address_, to_millis(now_ - kKnownFor)}));
  return !found.rows.empty();
}

Result<bool> Attempts::is_shut(store::Connection& connection, const std::string& about) const {
  const auto found = MAMORI_TRY(connection.query(
      "SELECT about FROM sign_in_attempt WHERE about = ? AND shut_until > ?", {about, to_millis(now_)}));
  return !found.rows.empty();
}

Result<bool> Attempts::shut(store::Connection& connection) const {
  if (!user_.empty() && MAMORI_TRY(is_shut(connection, pair_of(user_, address_)))) return true;
  if (MAMORI_TRY(known(connection))) return false;
  if (MAMORI_TRY(is_shut(connection, address_of(address_)))) return true;
  return !user_.empty() && MAMORI_TRY(is_shut(connection, strangers_of(user_)));
}

Result<bool> Attempts::add(store::Connection& connection, const std::string& about, const std::string& user,
                           int most) const {
  // What lies longer back than a lock lasts counts no more.
  MAMORI_TRY(connection.execute(
      "INSERT INTO sign_in_attempt VALUES (?,?,1,?,NULL) ON CONFLICT (about) DO UPDATE SET failures = CASE "
      "WHEN sign_in_attempt.since > ? THEN sign_in_attempt.failures + 1 ELSE 1 END, since = CASE WHEN "
      "sign_in_attempt.since > ? THEN sign_in_attempt.since ELSE excluded.since END",
      {about, user, to_millis(now_), to_millis(now_ - kLockTime), to_millis(now_ - kLockTime)}));
  const auto shuts = MAMORI_TRY(connection.execute(
      "UPDATE sign_in_attempt SET failures = 0, shut_until = ? WHERE about = ? AND failures >= ?",
      {to_millis(now_ + kLockTime), about, most}));
  return shuts > 0;
}

Result<bool> Attempts::count(store::Connection& connection) const {
  MAMORI_TRY(
      connection.execute("DELETE FROM sign_in_attempt WHERE since < ? AND (shut_until IS NULL OR "
                         "shut_until < ?)",
                         {to_millis(now_ - kForgotten), to_millis(now_)}));
  bool shuts = MAMORI_TRY(add(connection, address_of(address_), "", kFailuresOfAddress));
  if (user_.empty()) return shuts;
  if (!MAMORI_TRY(known(connection)))
    shuts = MAMORI_TRY(add(connection, strangers_of(user_), user_, kFailuresOfStrangers)) || shuts;
  return MAMORI_TRY(add(connection, pair_of(user_, address_), user_, kFailuresBeforeLock)) || shuts;
}

Status Attempts::succeed(store::Connection& connection) const {
  MAMORI_TRY(connection.execute("DELETE FROM sign_in_attempt WHERE about = ?", {pair_of(user_, address_)}));
  MAMORI_TRY(connection.execute("DELETE FROM known_address WHERE user_id = ? AND at < ?",
                                {user_, to_millis(now_ - kKnownFor)}));
  MAMORI_TRY(
      connection.execute("INSERT INTO known_address VALUES (?,?,?) ON CONFLICT (user_id, address) DO "
                         "UPDATE SET at = excluded.at",
                         {user_, address_, to_millis(now_)}));
  return {};
}

Status Attempts::forgive(store::Connection& connection, const std::string& user) {
  MAMORI_TRY(connection.execute("DELETE FROM sign_in_attempt WHERE user_id = ?", {user}));
  return {};
}

}  // namespace mamori::identity
