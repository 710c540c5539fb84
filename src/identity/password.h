// Passwords: the rule (ACC-05, minimum measures of 2024-08) and their keeping (Argon2id).
#pragma once

#include "base/crypto.h"
#include "base/result.h"

namespace mamori::identity {

constexpr std::size_t kShortestPassword = 13;
constexpr std::size_t kLongestPassword = 200;

// What a password must not contain: the facility's, the user's names.
struct PasswordContext {
  std::vector<std::string> names;
};

// Error: identity.password.weak with one problem per reason: too short, one kind of character, default
// (Administrator …), sequence (12345678, abcdef), keyboard row or column (qwerty, 7410), leaked or simple
// substitution of a leaked one (pa$$w0rd), a name of the facility or user, few different characters.
Status check_password(const Secret& password, const PasswordContext& context);

// Argon2id, 64 MiB, 3 passes (libsodium's moderate use is 256 MiB: too much for a clinic's small server, RFC
// 9106 allows this one).
Result<std::string> hash_password(const Secret& password);
bool password_matches(const std::string& hash, const Secret& password);

}  // namespace mamori::identity
