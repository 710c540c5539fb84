// What a password of a user must not be made of.
#pragma once

#include "api/services.h"

namespace mamori::api {

// The names of the facilities in which the user has a role. Whoever looks after many has those of some.
Result<identity::PasswordContext> password_context(const identity::User& user, Services& services);

}  // namespace mamori::api
