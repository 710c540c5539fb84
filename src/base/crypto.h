// Hashes, signatures, sealing and random numbers. Built on libsodium and OpenSSL; call crypto_ready() once at
// start.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mamori {

void crypto_ready();

// A secret in memory: cannot be printed or compared by accident, and is wiped when it goes.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  Secret(Secret&&) = default;
  Secret& operator=(Secret&&) = default;
  ~Secret();
  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  std::string text_;
};

std::string random_bytes(std::size_t count);
// 128 random bits and a millisecond time in 26 lower-case Crockford letters: sorts by time of making (ULID
// layout).
std::string new_id(std::int64_t unix_millis);
// URL-safe, without look-alike letters; `count` characters of about 5 bits each.
std::string random_token(std::size_t count);

std::string to_hex(std::string_view bytes);
Result<std::string> from_hex(std::string_view hex);
std::string to_base64(std::string_view bytes);
Result<std::string> from_base64(std::string_view text);

std::string sha256_hex(std::string_view bytes);
bool equal_constant_time(std::string_view a, std::string_view b);

// SHA-256 over pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void add(std::string_view bytes);
  std::string finish_hex();

 private:
  void* context_;
};

// An Ed25519 key pair (RFC 8032). Kept in a file: os/keys.h.
class SigningKey {
 public:
  static constexpr std::size_t kSeed = 32;
  explicit SigningKey(const Secret& seed);                   // of kSeed bytes
  std::string sign(std::string_view message) const;          // 64 bytes
  const std::string& public_key() const { return public_; }  // 32 bytes

 private:
  Secret secret_;
  std::string public_;
};
bool verify_signature(std::string_view message, std::string_view signature, std::string_view public_key);

// Seals secrets at rest (XSalsa20-Poly1305). The key is kept in a file: os/keys.h.
class Sealer {
 public:
  static constexpr std::size_t kKey = 32;
  explicit Sealer(Secret key);                         // of kKey bytes
  std::string seal(const Secret& secret) const;        // base64
  Result<Secret> open(std::string_view sealed) const;  // error: base.seal.broken

 private:
  Secret key_;
};

}  // namespace mamori
