// Directory entries, however they came: over LDAP (RFC 4511) or from an LDIF file (RFC 2849).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/crypto.h"
#include "base/time.h"
#include "readers/reading.h"

namespace mamori::readers::ldap {

struct Entry {
  std::string dn;
  std::map<std::string, std::vector<std::string>> attributes;  // names in lower case; objectSid as S-1-…
  std::string first(const std::string& name) const;
  bool has_class(std::string_view name) const;  // objectClass, case folded
};

struct Directory {
  std::vector<Entry> entries;
  bool encrypted = false;  // how it was reached
};

struct Settings {
  std::string url;      // ldaps://host[:636], or ldap://host[:389] (then StartTLS is required)
  std::string base;     // e.g. DC=hospital,DC=local
  std::string bind_dn;  // empty: anonymous
  Secret password;
  std::string ca;                              // certificates of the authority, PEM; empty: the system's
  std::vector<std::string> privileged_groups;  // beside the built-in names
  std::chrono::seconds limit{120};             // for the whole reading
};

// ldaps://host[:port] or ldap://host[:port]; host may be an IPv6 address in brackets.
bool is_url(std::string_view text);
// One certificate or several, and nothing else but white space and words between them.
bool is_pem(std::string_view text);

// Reads only: searches, nothing else. Errors: collect.ldap.unreachable, collect.ldap.tls,
// collect.ldap.credentials, collect.ldap.timeout, collect.ldap.base, collect.ldap.refused (fact: reason),
// collect.ldap.too-many.
Result<Directory> read_directory(const Settings& settings);

// LDIF of ldifde, slapcat or ldapsearch, in UTF-8 or, with a mark, UTF-16. Errors: collect.ldif.bad (fact:
// line), collect.ldif.result (fact: result; ldapsearch says that the search was ended early).
Result<Directory> parse_ldif(std::string_view text);
std::string write_ldif(const Directory& directory);  // without password attributes

// Accounts, groups and policies as facts; Active Directory, Samba AD and OpenLDAP (with and without the
// ppolicy overlay) are recognised. Members of a group that is in another are in that one too, and so is whose
// primary group it is. `now`: a lock-out of a certain time may have passed.
std::vector<FactSet> interpret(const Directory& directory, const std::vector<std::string>& privileged_groups,
                               Instant now);

// "S-1-5-21-…" of its binary form ([MS-DTYP] 2.4.2.2); what is none stays as it is.
std::string sid_text(std::string_view value);

}  // namespace mamori::readers::ldap
