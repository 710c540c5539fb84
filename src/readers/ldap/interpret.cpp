#include <algorithm>
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

// "…-512" of a security identifier, or of a primary group.
std::string last_part(const std::string& sid) { return sid.substr(sid.rfind('-') + 1); }

// Groups whose number says what they are, whatever they are called ([MS-DTYP] 2.4.2.4): Domain, Schema and
// Enterprise Admins; Administrators, and the operators of accounts, servers and backups.
bool is_privileged_number(const std::string& number) {
  return number == "512" || number == "518" || number == "519";
}
bool is_privileged_sid(const std::string& sid) {
  static const std::set<std::string> kBuiltIn = {"S-1-5-32-544", "S-1-5-32-548", "S-1-5-32-549",
                                                 "S-1-5-32-551"};
  return kBuiltIn.contains(sid) || (sid.starts_with("S-1-5-21-") && is_privileged_number(last_part(sid)));
}

// Who is in which group: by itself, by its primary group, and by groups that are in groups.
class Groups {
 public:
  explicit Groups(const Directory& directory) {
    for (const auto& entry : directory.entries) {
      const auto name = entry.first("cn").empty() ? first_name(entry.dn) : entry.first("cn");
      const auto group = fold(entry.dn);
      names_[group] = name;
      const auto sid = entry.first("objectsid");
      if (is_privileged_sid(sid)) privileged_.insert(group);
      if (entry.has_class("group")) by_number_.emplace("sid " + sid, group);
      if (entry.has_class("posixGroup")) by_number_.emplace("gid " + entry.first("gidnumber"), group);
      for (const auto* attribute : {"member", "uniquemember", "memberuid"}) {
        const auto found = entry.attributes.find(attribute);
        if (found == entry.attributes.end()) continue;
        for (const auto& member : found->second) parents_[fold(member)].insert(group);
      }
      if (const auto found = entry.attributes.find("memberof"); found != entry.attributes.end())
        for (const auto& dn : found->second) {
          parents_[group].insert(fold(dn));
          names_.try_emplace(fold(dn), first_name(dn));
        }
    }
  }

  struct Membership {
    std::set<std::string> names;
    bool privileged = false;  // by number; by name is for who calls
  };
  Membership of(const Entry& entry, const std::string& login) const {
    Membership out;
    std::set<std::string> seen;
    std::vector<std::string> next = {fold(entry.dn), fold(login)};
    const auto primary = entry.first("primarygroupid");
    if (!primary.empty()) {
      out.privileged = is_privileged_number(primary);
      const auto sid = entry.first("objectsid");
      const auto found = by_number_.find("sid " + sid.substr(0, sid.rfind('-') + 1) + primary);
      if (found != by_number_.end()) add(found->second, seen, next, out);
    }
    if (const auto gid = entry.first("gidnumber"); !gid.empty())
      if (const auto found = by_number_.find("gid " + gid); found != by_number_.end())
        add(found->second, seen, next, out);
    while (!next.empty()) {
      const auto member = std::move(next.back());
      next.pop_back();
      if (const auto found = parents_.find(member); found != parents_.end())
        for (const auto& group : found->second) add(group, seen, next, out);
    }
    return out;
  }

 private:
  // Groups may be in each other: each is looked at once.
  void add(const std::string& group, std::set<std::string>& seen, std::vector<std::string>& next,
           Membership& out) const {
    if (!seen.insert(group).second) return;
    next.push_back(group);
    out.names.insert(names_.at(group));
    out.privileged = out.privileged || privileged_.contains(group);
  }

  std::map<std::string, std::set<std::string>> parents_;  // folded DN or uid → folded DNs of groups
  std::map<std::string, std::string> names_, by_number_;
  std::set<std::string> privileged_;
};

// How long a lock-out lasts, where the directory says so.
class LockOuts {
 public:
  explicit LockOuts(const Directory& directory) {
    for (const auto& entry : directory.entries) {
      if (const auto length = integer(entry.first("lockoutduration"))) {
        constexpr std::int64_t kMilli = 10000;  // in 100 ns
        domains_[fold(entry.dn)] =
            *length < 0 && *length > -kNever ? Duration(-*length / kMilli) : Duration(0);
      }
      if (entry.has_class("pwdPolicy")) {
        const Duration length = std::chrono::seconds(std::clamp<std::int64_t>(
            integer(entry.first("pwdlockoutduration")).value_or(0), 0, 10'000'000'000));
        for_ever_ = for_ever_ || length == Duration(0);
        longest_ = std::max(longest_, length);
      }
    }
  }
  // Of Active Directory: from when an account is locked, by the domain that it is in.
  bool holds(const std::string& dn, Instant since, Instant now) const {
    const auto folded = fold(dn);
    const Duration* length = nullptr;
    std::size_t longest = 0;
    for (const auto& [domain, duration] : domains_)
      if (domain.size() > longest && folded.ends_with("," + domain)) {
        longest = domain.size();
        length = &duration;
      }
    return !length || *length == Duration(0) || now < since + *length;
  }
  // Of the ppolicy overlay: by the policy that locks for longest, since any may be the account's.
  bool holds(Instant since, Instant now) const {
    return for_ever_ || longest_ == Duration(0) || now < since + longest_;
  }

 private:
  std::map<std::string, Duration> domains_;  // folded DN; 0: until somebody lifts it
  Duration longest_{0};
  bool for_ever_ = false;
};

bool is_account(const Entry& entry) {
  if (entry.has_class("computer") || entry.has_class("group")) return false;
  if (!entry.first("samaccountname").empty()) {
    const auto control = integer(entry.first("useraccountcontrol")).value_or(0);
    return (control & (kWorkstation | kServerTrust | kInterdomain)) == 0;
  }
  return !entry.first("uid").empty() && (entry.has_class("person") || entry.has_class("account") ||
                                         entry.has_class("posixAccount") || entry.has_class("inetOrgPerson"));
}

// Of Active Directory: by its own count where it was asked for that (UF_LOCKOUT of [MS-ADA2]), else by when
// the account was locked and for how long; the time itself stays until the next log-on.
bool is_locked(const Entry& entry, const LockOuts& lock_outs, Instant now) {
  constexpr std::int64_t kLockedOut = 0x10;
  if (const auto computed = integer(entry.first("msds-user-account-control-computed")))
    return (*computed & kLockedOut) != 0;
  if (integer(entry.first("lockouttime")).value_or(0) <= 0) return false;
  const auto since = filetime(entry.first("lockouttime"));
  return !since || lock_outs.holds(entry.dn, *since, now);
}

json::object account_fact(const Entry& entry, const Groups& groups, const LockOuts& lock_outs,
                          const std::set<std::string>& privileged, Instant now) {
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

  const auto membership = groups.of(entry, login);
  std::string list;
  bool has_privilege = membership.privileged;
  for (const auto& group : membership.names) {
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
    locked = is_locked(entry, lock_outs, now);
    if (const auto expires = filetime(entry.first("accountexpires")))
      fact["expires_on"] = iso_date(date_of(*expires));
    auto last = filetime(entry.first("lastlogontimestamp"));
    if (const auto here = filetime(entry.first("lastlogon")); here && (!last || *here > *last)) last = here;
    put(fact, "last_logon_at", last);
    put(fact, "password_set_at", filetime(entry.first("pwdlastset")));
    put(fact, "made_at", generalized(entry.first("whencreated")));
  } else {
    const auto lock = entry.first("pwdaccountlockedtime");
    const auto since = generalized(lock);
    locked = !lock.empty() && (!since || lock.starts_with("0000") || lock_outs.holds(*since, now));
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

std::vector<FactSet> interpret(const Directory& directory, const std::vector<std::string>& privileged_groups,
                               Instant now) {
  auto privileged = kPrivileged;
  for (const auto& group : privileged_groups) privileged.insert(fold(group));
  const Groups groups(directory);
  const LockOuts lock_outs(directory);
  FactSet accounts{"observed_account", {}}, policies{"observed_policy", {}};
  std::set<std::pair<std::string, std::string>> accounts_seen;  // one login may be in two units
  for (const auto& entry : directory.entries) {
    if (is_account(entry)) {
      auto fact = account_fact(entry, groups, lock_outs, privileged, now);
      if (accounts_seen.emplace(text_of(fact, "login"), fold(entry.dn)).second)
        accounts.facts.push_back(std::move(fact));
    }
    if (auto fact = policy_fact(entry, directory.encrypted)) policies.facts.push_back(std::move(*fact));
  }
  return {std::move(accounts), std::move(policies)};
}

}  // namespace mamori::readers::ldap
