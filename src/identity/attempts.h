// Wrong passwords and codes, counted where they come from: per account and address, per address, and per
// account over all addresses that it has not been used from. So whoever guesses is shut out, and not the one
// whose name is guessed at.
#pragma once

#include <span>
#include <string>

#include "base/time.h"
#include "store/database.h"

namespace mamori::identity {

constexpr int kFailuresBeforeLock = 5;    // of one account from one address
constexpr int kFailuresOfAddress = 20;    // of one address, whatever names it tries
constexpr int kFailuresOfStrangers = 20;  // of one account, from addresses it has not been used from
constexpr std::chrono::minutes kLockTime{15};

// A caller's address as it is counted: a network of IPv6 has one line of 64 bits.
std::string counted_address(const std::string& remote);

// All within the caller's transaction, or by a connection that only reads. Threads: none of its own.
class Attempts {
 public:
  static std::span<const store::Migration> schema();

  // `user` "": a name that is nobody's.
  Attempts(std::string user, const std::string& remote, Instant now);

  // Whether nothing is tried from here: the answer is that of a wrong password, and the password is not even
  // looked at.
  Result<bool> shut(store::Connection& connection) const;
  // One more that was wrong. Whether it shut something.
  Result<bool> count(store::Connection& connection) const;
  // The right ones: the pair counts from nothing, and the address is known from now on.
  Status succeed(store::Connection& connection) const;
  // Whoever is shut out of this account may try again.
  static Status forgive(store::Connection& connection, const std::string& user);

 private:
  Result<bool> known(store::Connection& connection) const;
  Result<bool> is_shut(store::Connection& connection, const std::string& about) const;
  Result<bool> add(store::Connection& connection, const std::string& about, const std::string& user,
                   int most) const;

  const std::string user_, address_;
  const Instant now_;
};

}  // namespace mamori::identity
