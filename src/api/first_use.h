// Where an installation begins: its first facility and user, and further facilities.
#pragma once

#include "api/services.h"

namespace mamori::api {

// Used by the wizard and by `mamori init`.
struct FirstUse {
  std::string facility_name, facility_kind;
  std::int64_t beds = 0;
  bool has_vendor = true;
  std::string login, user_name;
  Secret password;
};
struct FirstUseDone {
  std::string facility, user;
};
// A further facility (a group with several lives in one database); the existing user `given.login` becomes
// its planning manager.
Result<std::string> add_facility(Services& services, const store::Actor& actor, const FirstUse& given);
Result<FirstUseDone> first_use(Services& services, const FirstUse& given, const std::string& origin);

}  // namespace mamori::api
