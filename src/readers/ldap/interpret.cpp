#include <charconv>
#include <set>

#include "base/text.h"
#include "base/time.h"
#include "readers/ldap/entry.h"

namespace mamori::readers::ldap {
namespace {

// [MS-ADTS] 2.2.16 userAccountControl
constexpr std::int64_t kDisabled = 0x2, kNeverExpires = 0x10000, kWorkstation = 0x1000, kServerTrust = 0x2000,
                       kInterdomain = 0x800;
constexpr std::int64_t kFiletimeEpoch = 116444736000000000;  // 1601 → 1970 in 100 ns
constexpr std::int64_t kNever = 0x7FFFFFFFFFFFFFFF;

const std::set<std::string> kPrivileged = {"domain admins",
                                           "enterprise admins",
                                           "schema admins",
                                           "administrators",
                                           "account operators",
                                           "backup operators",
                                           "server operators",
                                           "admins",
                                           "administrator",
                                           "sudo",
                                           "wheel"};

std::optional<std::int64_t> integer(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Instant> filetime(const std::string& text) {
  const auto value = integer(text);
  if (!value || *value <= 0 || *value == kNever) return std::nullopt;
  const auto millis = (*value - kFiletimeEpoch) / 10000;
  if (millis < 0 || millis > 32503680000000) return std::nullopt;
  return from_millis(millis);
}

// Generalized time 20261121043154Z or …54.0Z (RFC 4517 3.3.13)
std::optional<Instant> generalized(const std::string& text) {
  if (text.size() < 15 || text.find_first_not_of("0123456789") < 14) return std::nullopt;
  return parse_instant(text.substr(0, 4) + "-" + text.substr(4, 2) + "-" + text.substr(6, 2) + "T" +
                       text.substr(8, 2) + ":" + text.substr(10, 2) + ":" + text.substr(12, 2) + "Z");
}

void put(json::object& fact, std::string_view name, const std::optional<Instant>& instant) {
  if (instant) fact[name] = iso_instant(*instant);
}

void put(json::object& fact, std::string_view name, const std::string& text, std::size_t longest = 500) {
  if (!text.empty()) fact[name] = std::string(head(text, longest));
}

std::string first_name(const std::string& dn) {  // "CN=Domain Admins,CN=Users,…" → "Domain Admins"
  const auto equals = dn.find('=');
  const auto comma = dn.find(',');
  return equals == dn.npos || equals > comma ? dn : dn.substr(equals + 1, comma - equals - 1);
}

using Groups = std::map<std::string, std::set<std::string>>;  // folded member (DN or uid) → group names

Groups groups_of(const Directory& directory) {
  Groups groups;
  for (const auto& entry : directory.entries) {
    const auto name = entry.first("cn").empty() ? first_name(entry.dn) : entry.first("cn");
    for (const auto* attribute : {"member", "uniquemember", "memberuid"}) {
      const auto found = entry.attributes.find(attribute);
      if (found == entry.attributes.end()) continue;
      for (const auto& member : found->second) groups[fold(member)].insert(name);
    }
  }
  return groups;
}

bool is_account(const Entry& entry) {
  if (entry.has_class("computer") || entry.has_class("group")) return false;
  if (!entry.first("samaccountname").empty()) {
    const auto control = integer(entry.first("useraccountcontrol")).value_or(0);
    return (control & (kWorkstation | kServerTrust | kInterdomain)) == 0;
  }
  return !entry.first("uid").empty() && (entry.has_class("person") || entry.has_class("account") ||
                                         entry.has_class("posixAccount") || entry.has_class("inetOrgPerson"));
}

json::object account_fact(const Entry& entry, const Groups& groups, const std::set<std::string>& privileged) {
  json::object fact;
  const bool active_directory = !entry.first("samaccountname").empty();
  const auto login = active_directory ? entry.first("samaccountname") : entry.first("uid");
  put(fact, "login", login);
  put(fact, "display_name",
      entry.first("displayname").empty() ? entry.first("cn") : entry.first("displayname"));
  put(fact, "dn", entry.dn, 1000);
  put(fact, "email", entry.first("mail"));
  put(fact, "employee_number",
      entry.first("employeenumber").empty() ? entry.first("employeeid") : entry.first("employeenumber"));

  std::set<std::string> member_of;
  if (const auto found = entry.attributes.find("memberof"); found != entry.attributes.end())
    for (const auto& dn : found->second) member_of.insert(first_name(dn));
  for (const auto& key : {fold(entry.dn), fold(login)})
    if (const auto found = groups.find(key); found != groups.end())
      member_of.insert(found->second.begin(), found->second.end());
  std::string list;
  bool has_privilege = false;
  for (const auto& group : member_of) {
    list += (list.empty() ? "" : ", ") + group;
    has_privilege = has_privilege || privileged.contains(fold(group));
  }
  put(fact, "member_of", list, 4000);
  fact["privileged"] = has_privilege;

  bool enabled = true, locked = false;
  if (active_directory) {
    const auto control = integer(entry.first("useraccountcontrol")).value_or(0);
    enabled = (control & kDisabled) == 0;
    fact["never_expires"] = (control & kNeverExpires) != 0;
    locked = integer(entry.first("lockouttime")).value_or(0) > 0;
    if (const auto expires = filetime(entry.first("accountexpires")))
      fact["expires_on"] = iso_date(date_of(*expires));
    auto last = filetime(entry.first("lastlogontimestamp"));
    if (const auto here = filetime(entry.first("lastlogon")); here && (!last || *here > *last)) last = here;
    put(fact, "last_logon_at", last);
    put(fact, "password_set_at", filetime(entry.first("pwdlastset")));
    put(fact, "made_at", generalized(entry.first("whencreated")));
  } else {
    const auto lock = entry.first("pwdaccountlockedtime");
    locked = !lock.empty();
    enabled = lock != "000001010000Z" && fold(entry.first("nsaccountlock")) != "true" &&
              fold(entry.first("logindisabled")) != "true";  // ppolicy: locked for ever by an administrator
    if (const auto days = integer(entry.first("shadowexpire")); days && *days > 0 && *days < 100000)
      fact["expires_on"] = iso_date(Date{std::chrono::sys_days{std::chrono::days{*days}}});
    auto last = generalized(entry.first("authtimestamp"));
    if (const auto success = generalized(entry.first("pwdlastsuccess"));
        success && (!last || *success > *last))
      last = success;
    put(fact, "last_logon_at", last);
    put(fact, "password_set_at", generalized(entry.first("pwdchangedtime")));
    put(fact, "made_at", generalized(entry.first("createtimestamp")));
  }
  fact["enabled"] = enabled;
  fact["locked"] = locked;
  return fact;
}

std::optional<json::object> policy_fact(const Entry& entry, bool encrypted) {
  json::object fact;
  const auto number = [&](std::string_view field, const std::string& attribute) {
    if (const auto value = integer(entry.first(attribute))) fact[field] = *value;
  };
  constexpr std::int64_t kDay = 864000000000, kMinute = 600000000;  // in 100 ns
  if (!entry.first("minpwdlength").empty()) {
    fact["domain"] = entry.dn;
    number("min_length", "minpwdlength");
    number("history", "pwdhistorylength");
    fact["complexity"] = (integer(entry.first("pwdproperties")).value_or(0) & 1) != 0;
    const auto age = integer(entry.first("maxpwdage")).value_or(0);
    fact["max_age_days"] = age < 0 && age > -kNever ? -age / kDay : 0;
    number("lockout_threshold", "lockoutthreshold");
    const auto duration = integer(entry.first("lockoutduration")).value_or(0);
    fact["lockout_minutes"] = duration < 0 && duration > -kNever ? -duration / kMinute : 0;
  } else if (entry.has_class("pwdPolicy")) {
    fact["domain"] = entry.dn;
    fact["min_length"] = integer(entry.first("pwdminlength")).value_or(0);
    number("history", "pwdinhistory");
    fact["complexity"] = integer(entry.first("pwdcheckquality")).value_or(0) >= 2;
    fact["max_age_days"] = integer(entry.first("pwdmaxage")).value_or(0) / 86400;
    fact["lockout_threshold"] =
        fold(entry.first("pwdlockout")) == "true" ? integer(entry.first("pwdmaxfailure")).value_or(0) : 0;
    fact["lockout_minutes"] = integer(entry.first("pwdlockoutduration")).value_or(0) / 60;
  } else {
    return std::nullopt;
  }
  fact["encrypted_connection"] = encrypted;
  return fact;
}

}  // namespace

std::vector<FactSet> interpret(const Directory& directory,
                               const std::vector<std::string>& privileged_groups) {
  auto privileged = kPrivileged;
  for (const auto& group : privileged_groups) privileged.insert(fold(group));
  const auto groups = groups_of(directory);
  FactSet accounts{"observed_account", {}}, policies{"observed_policy", {}};
  std::set<std::string> logins;
  for (const auto& entry : directory.entries) {
    if (is_account(entry)) {
      auto fact = account_fact(entry, groups, privileged);
      if (logins.insert(text_of(fact, "login")).second) accounts.facts.push_back(std::move(fact));
    }
    if (auto fact = policy_fact(entry, directory.encrypted)) policies.facts.push_back(std::move(*fact));
  }
  return {std::move(accounts), std::move(policies)};
}

}  // namespace mamori::readers::ldap
