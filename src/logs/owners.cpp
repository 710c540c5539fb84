// From the user that a log names to the account and the person of the ledger.
#include "base/text.h"
#include "logs/logs.h"

namespace mamori::logs {
namespace {

constexpr std::size_t kAtOnce = 200;

// "MINATO\tanaka", "tanaka@minato.example", "Tanaka": tanaka.
std::string login_of(std::string_view user) {
  if (const auto slash = user.rfind('\\'); slash != user.npos) user.remove_prefix(slash + 1);
  if (const auto at = user.find('@'); at != user.npos && at != 0) user = user.substr(0, at);
  return to_lower_ascii(trim(user));
}

}  // namespace

Result<std::map<std::string, Owner>> Logs::owners(const std::string& facility,
                                                  const std::set<std::string>& users) const {
  std::map<std::string, std::vector<std::string>> by_login;  // → users
  for (const auto& user : users)
    if (auto login = login_of(user); !login.empty()) by_login[std::move(login)].push_back(user);
  std::map<std::string, Owner> out;
  auto lease = MAMORI_TRY(ledger_.database().read());
  // What people have entered counts before what a directory says.
  for (const auto* reg : {"account", "observed_account"}) {
    std::vector<std::string> wanted;
    for (const auto& [login, named] : by_login)
      if (!out.contains(named.front())) wanted.push_back(login);
    for (std::size_t start = 0; start < wanted.size(); start += kAtOnce) {
      store::Row parameters = {facility};
      std::string marks;
      for (std::size_t i = start; i < std::min(wanted.size(), start + kAtOnce); ++i) {
        parameters.emplace_back(wanted[i]);
        marks += marks.empty() ? "?" : ",?";
      }
      // Where several systems know the login, one with a person behind it comes last and stays.
      const auto sql = std::string("SELECT LOWER(a.login), a.id, p.id, p.name FROM r_") + reg +
                       " a LEFT JOIN r_person p ON p.id = a.person WHERE a.facility = ? AND a.retired_at IS "
                       "NULL AND LOWER(a.login) IN (" +
                       marks + ") ORDER BY p.id IS NOT NULL, a.id";
      MAMORI_TRY(lease->each(sql, parameters, [&](store::Row& row) {
        const auto text = [&](std::size_t i) {
          return store::is_null(row[i]) ? std::string() : store::as_text(row[i]);
        };
        for (const auto& user : by_login[text(0)]) out[user] = {reg, text(1), text(2), text(3)};
      }));
    }
  }
  return out;
}

}  // namespace mamori::logs
