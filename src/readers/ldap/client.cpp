#include <lber.h>
#include <ldap.h>

#include <algorithm>
#include <fstream>

#include "base/file.h"
#include "base/text.h"
#include "readers/host.h"
#include "readers/ldap/entry.h"

namespace mamori::readers::ldap {
namespace {

using Steady = std::chrono::steady_clock;
constexpr int kPage = 500;
constexpr std::size_t kMostEntries = 500'000;
constexpr std::size_t kMostValues = 20'000;  // of one attribute: a lying server must not fill the memory
constexpr std::size_t kLongestValue = 64u << 10;
constexpr std::size_t kMostBytes = 512u << 20;

// Password hashes are neither asked for nor taken.
constexpr const char* kAttributes[] = {"objectClass",
                                       "cn",
                                       "uid",
                                       "sAMAccountName",
                                       "displayName",
                                       "mail",
                                       "employeeNumber",
                                       "employeeID",
                                       "userAccountControl",
                                       "accountExpires",
                                       "lastLogonTimestamp",
                                       "lastLogon",
                                       "pwdLastSet",
                                       "whenCreated",
                                       "memberOf",
                                       "lockoutTime",
                                       "shadowExpire",
                                       "pwdAccountLockedTime",
                                       "pwdChangedTime",
                                       "createTimestamp",
                                       "authTimestamp",
                                       "pwdLastSuccess",
                                       "primaryGroupID",
                                       "objectSid",
                                       "gidNumber",
                                       "msDS-User-Account-Control-Computed",
                                       "member",
                                       "uniqueMember",
                                       "memberUid",
                                       "minPwdLength",
                                       "maxPwdAge",
                                       "pwdProperties",
                                       "pwdHistoryLength",
                                       "lockoutThreshold",
                                       "lockoutDuration",
                                       "pwdMinLength",
                                       "pwdMaxAge",
                                       "pwdLockout",
                                       "pwdMaxFailure",
                                       "pwdLockoutDuration",
                                       "pwdCheckQuality",
                                       "pwdInHistory",
                                       "loginDisabled",
                                       "nsAccountLock",
                                       "isCriticalSystemObject",
                                       nullptr};
constexpr const char* kFilter =
    "(|(objectClass=person)(objectClass=account)(objectClass=posixAccount)(objectClass=group)(objectClass="
    "groupOfNames)(objectClass=groupOfUniqueNames)"
    "(objectClass=posixGroup)(objectClass=domain)(objectClass=domainDNS)(objectClass=pwdPolicy))";

struct Unbind {
  void operator()(LDAP* handle) const { ldap_unbind_ext_s(handle, nullptr, nullptr); }
};
using Handle = std::unique_ptr<LDAP, Unbind>;

Error error_of(int code, LDAP* handle, const Settings& settings) {
  std::string reason = ldap_err2string(code);
  char* more = nullptr;
  if (handle && ldap_get_option(handle, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more) == LDAP_OPT_SUCCESS && more) {
    if (*more) reason += std::string(": ") + std::string(head(is_utf8(more) ? more : "", 200));
    ldap_memfree(more);
  }
  const Facts facts = {{"url", settings.url}, {"reason", reason}};
  switch (code) {
    case LDAP_SERVER_DOWN: return {ErrorKind::unavailable, "collect.ldap.unreachable", facts};
    case LDAP_CONNECT_ERROR: return {ErrorKind::unavailable, "collect.ldap.tls", facts};
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_STRONG_AUTH_REQUIRED: return {ErrorKind::unavailable, "collect.ldap.credentials", facts};
    case LDAP_TIMEOUT:
    case LDAP_TIMELIMIT_EXCEEDED: return {ErrorKind::unavailable, "collect.ldap.timeout", facts};
    case LDAP_NO_SUCH_OBJECT:
    case LDAP_INVALID_DN_SYNTAX: return {ErrorKind::invalid, "collect.ldap.base", facts};
    default: return {ErrorKind::unavailable, "collect.ldap.refused", facts};
  }
}

Result<Handle> connect(const Settings& settings) {
  LDAP* raw = nullptr;
  int code = ldap_initialize(&raw, settings.url.c_str());
  if (code != LDAP_SUCCESS) return error_of(code, nullptr, settings);
  Handle handle(raw);
  const int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND, new_context = 0;
  const timeval network{10, 0};
  ldap_set_option(raw, LDAP_OPT_PROTOCOL_VERSION, &version);
  ldap_set_option(raw, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);  // a referral could send our credentials elsewhere
  ldap_set_option(raw, LDAP_OPT_NETWORK_TIMEOUT, &network);
  ldap_set_option(raw, LDAP_OPT_TIMEOUT, &network);
  ldap_set_option(raw, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
  const TemporaryFolder folder;  // the library takes the authority's certificates as a file
  if (!settings.ca.empty()) {
    const auto file = (folder.path() / "ca.pem").string();
    if (!(std::ofstream(file) << settings.ca).flush())
      return Error{ErrorKind::unavailable, "collect.ldap.tls", {{"url", settings.url}, {"reason", file}}};
    ldap_set_option(raw, LDAP_OPT_X_TLS_CACERTFILE, file.c_str());
  }
  ldap_set_option(raw, LDAP_OPT_X_TLS_NEWCTX, &new_context);
  if (!settings.url.starts_with("ldaps://")) {
    code = ldap_start_tls_s(raw, nullptr, nullptr);
    if (code != LDAP_SUCCESS)
      return error_of(code == LDAP_PROTOCOL_ERROR || code == LDAP_UNAVAILABLE ? LDAP_CONNECT_ERROR : code,
                      raw, settings);
  }
  std::string password = settings.password.reveal();
  berval credentials{password.size(), password.data()};
  code = ldap_sasl_bind_s(raw, settings.bind_dn.empty() ? nullptr : settings.bind_dn.c_str(),
                          LDAP_SASL_SIMPLE, &credentials, nullptr, nullptr, nullptr);
  if (code != LDAP_SUCCESS) return error_of(code, raw, settings);
  return handle;
}

Status take_entry(LDAP* handle, LDAPMessage* message, Directory& directory, std::size_t& bytes) {
  Entry entry;
  char* dn = ldap_get_dn(handle, message);
  if (dn) entry.dn = dn;
  ldap_memfree(dn);
  if (!is_utf8(entry.dn)) return {};
  BerElement* cursor = nullptr;
  for (char* name = ldap_first_attribute(handle, message, &cursor); name;
       name = ldap_next_attribute(handle, message, cursor)) {
    auto** values = ldap_get_values_len(handle, message, name);
    auto& target = entry.attributes[to_lower_ascii(name)];
    for (int i = 0; values && values[i] && target.size() < kMostValues; ++i) {
      std::string_view value(values[i]->bv_val, values[i]->bv_len);
      std::string sid;
      if (to_lower_ascii(name) == "objectsid") value = sid = sid_text(value);
      if (value.size() > kLongestValue || !is_utf8(value)) continue;
      bytes += value.size();
      target.emplace_back(value);
    }
    ldap_value_free_len(values);
    ldap_memfree(name);
  }
  ber_free(cursor, 0);
  directory.entries.push_back(std::move(entry));
  if (directory.entries.size() > kMostEntries || bytes > kMostBytes)
    return Error{ErrorKind::exhausted, "collect.ldap.too-many"};
  return {};
}

}  // namespace

bool is_url(std::string_view text) {
  for (const std::string_view scheme : {"ldaps://", "ldap://"}) {
    if (!text.starts_with(scheme)) continue;
    text.remove_prefix(scheme.size());
    if (text.ends_with('/')) text.remove_suffix(1);
    auto host = text.substr(0, text.find(':'));
    if (text.starts_with('[')) {
      const auto close = text.find(']');
      if (close == text.npos || close > 60 ||
          text.substr(1, close - 1).find_first_not_of("0123456789abcdefABCDEF:.") != text.npos)
        return false;
      host = text.substr(0, close + 1);
    } else if (!is_host(host)) {
      return false;
    }
    const auto rest = text.substr(host.size());
    return rest.empty() || (rest.starts_with(':') && parse_port(rest.substr(1)));
  }
  return false;
}

bool is_pem(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----", kEnd = "-----END CERTIFICATE-----";
  std::size_t count = 0;
  for (auto begin = text.find(kBegin); begin != text.npos; begin = text.find(kBegin)) {
    if (text.substr(0, begin).find("-----") != text.npos) return false;  // a private key, say
    text.remove_prefix(begin + kBegin.size());
    const auto end = text.find(kEnd);
    if (end == text.npos) return false;
    std::string body;
    for (const char c : text.substr(0, end))
      if (c != '\n' && c != '\r' && c != ' ' && c != '\t') body += c;
    const auto bytes = from_base64(body);
    if (!bytes || !bytes->starts_with('\x30')) return false;
    text.remove_prefix(end + kEnd.size());
    ++count;
  }
  return count > 0 && text.find("-----") == text.npos;
}

Result<Directory> read_directory(const Settings& settings) {
  if (!is_url(settings.url)) return Error{ErrorKind::invalid, "collect.ldap.url", {{"url", settings.url}}};
  const auto deadline = Steady::now() + settings.limit;
  const auto handle = MAMORI_TRY(connect(settings));
  Directory directory;
  directory.encrypted = true;
  std::size_t bytes = 0;
  berval cookie{0, nullptr};
  struct FreeCookie {
    berval& value;
    ~FreeCookie() { ber_memfree(value.bv_val); }
  } free_cookie{cookie};
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(deadline - Steady::now());
    if (left.count() < 0) return error_of(LDAP_TIMEOUT, nullptr, settings);
    LDAPControl* page = nullptr;
    int code = ldap_create_page_control(handle.get(), kPage, &cookie, 0, &page);
    if (code != LDAP_SUCCESS) return error_of(code, handle.get(), settings);
    LDAPControl* controls[] = {page, nullptr};
    LDAPMessage* result = nullptr;
    timeval limit{std::clamp<time_t>(left.count(), 1, 30), 0};
    code = ldap_search_ext_s(handle.get(), settings.base.c_str(), LDAP_SCOPE_SUBTREE, kFilter,
                             const_cast<char**>(kAttributes), 0, controls, nullptr, &limit, 0, &result);
    ldap_control_free(page);
    const std::unique_ptr<LDAPMessage, int (*)(LDAPMessage*)> free_result(result, ldap_msgfree);
    if (code != LDAP_SUCCESS) return error_of(code, handle.get(), settings);
    for (auto* message = ldap_first_entry(handle.get(), result); message;
         message = ldap_next_entry(handle.get(), message))
      MAMORI_TRY(take_entry(handle.get(), message, directory, bytes));

    LDAPControl** answered = nullptr;
    int outcome = 0;
    if (ldap_parse_result(handle.get(), result, &outcome, nullptr, nullptr, nullptr, &answered, 0) !=
            LDAP_SUCCESS ||
        outcome != LDAP_SUCCESS) {
      ldap_controls_free(answered);
      return error_of(outcome, handle.get(), settings);
    }
    ber_memfree(cookie.bv_val);
    cookie = {0, nullptr};
    if (auto* response = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, answered, nullptr)) {
      ber_int_t estimate = 0;
      ldap_parse_pageresponse_control(handle.get(), response, &estimate, &cookie);
    }
    ldap_controls_free(answered);
    if (cookie.bv_len == 0) return directory;
  }
}

}  // namespace mamori::readers::ldap
