#include "base/crypto.h"

#include <openssl/evp.h>
#include <sodium.h>

namespace mamori {
namespace {

constexpr char kCrockford[] = "0123456789abcdefghjkmnpqrstvwxyz";

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

}  // namespace

void crypto_ready() { MAMORI_ASSERT(sodium_init() >= 0); }

Secret::~Secret() { sodium_memzero(text_.data(), text_.size()); }

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  return bytes;
}

std::string new_id(std::int64_t unix_millis) {
  std::string id(26, '0');
  auto time = static_cast<std::uint64_t>(unix_millis);
  for (std::size_t i = 10; i-- > 0; time >>= 5) id[i] = kCrockford[time & 31];
  unsigned char random[16];
  randombytes_buf(random, sizeof random);
  for (std::size_t i = 0; i < 16; ++i) id[10 + i] = kCrockford[random[i] & 31];
  return id;
}

std::string random_token(std::size_t count) {
  std::string token;
  for (std::size_t i = 0; i < count; ++i) token += kCrockford[randombytes_uniform(32)];
  return token;
}

std::string to_hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    hex += digits[static_cast<unsigned char>(c) >> 4];
    hex += digits[static_cast<unsigned char>(c) & 15];
  }
  return hex;
}

Result<std::string> from_hex(std::string_view hex) {
  std::string bytes(hex.size() / 2, '\0');
  std::size_t written = 0;
  if (hex.size() % 2 != 0 ||
      sodium_hex2bin(bytes_of(bytes), bytes.size(), hex.data(), hex.size(), nullptr, &written, nullptr) !=
          0 ||
      written != bytes.size())
    return Error{ErrorKind::invalid, "base.hex.bad"};
  return bytes;
}

std::string to_base64(std::string_view bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes_of(bytes), bytes.size(), sodium_base64_VARIANT_ORIGINAL);
  text.resize(text.size() - 1);
  return text;
}

Result<std::string> from_base64(std::string_view text) {
  std::string bytes(text.size(), '\0');
  std::size_t written = 0;
  const char* end = nullptr;
  if (sodium_base642bin(bytes_of(bytes), bytes.size(), text.data(), text.size(), "\r\n", &written, &end,
                        sodium_base64_VARIANT_ORIGINAL) != 0 ||
      end != text.data() + text.size())
    return Error{ErrorKind::invalid, "base.base64.bad"};
  bytes.resize(written);
  return bytes;
}

std::string sha256_hex(std::string_view bytes) {
  unsigned char digest[crypto_hash_sha256_BYTES];
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  return to_hex({reinterpret_cast<const char*>(digest), size});
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), EVP_sha256(), nullptr);
}
Sha256::~Sha256() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }
void Sha256::add(std::string_view bytes) {
  EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size());
}
std::string Sha256::finish_hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), digest, &size);
  return to_hex({reinterpret_cast<const char*>(digest), size});
}

SigningKey::SigningKey(const Secret& seed) {
  static_assert(kSeed == crypto_sign_SEEDBYTES);
  MAMORI_ASSERT(seed.reveal().size() == kSeed);
  std::string secret(crypto_sign_SECRETKEYBYTES, '\0');
  public_.resize(crypto_sign_PUBLICKEYBYTES);
  crypto_sign_seed_keypair(bytes_of(public_), bytes_of(secret), bytes_of(seed.reveal()));
  secret_ = Secret(std::move(secret));
}

std::string SigningKey::sign(std::string_view message) const {
  std::string signature(crypto_sign_BYTES, '\0');
  crypto_sign_detached(bytes_of(signature), nullptr, bytes_of(message), message.size(),
                       bytes_of(secret_.reveal()));
  return signature;
}

bool verify_signature(std::string_view message, std::string_view signature, std::string_view public_key) {
  return signature.size() == crypto_sign_BYTES && public_key.size() == crypto_sign_PUBLICKEYBYTES &&
         crypto_sign_verify_detached(bytes_of(signature), bytes_of(message), message.size(),
                                     bytes_of(public_key)) == 0;
}

Sealer::Sealer(Secret key) : key_(std::move(key)) {
  static_assert(kKey == crypto_secretbox_KEYBYTES);
  MAMORI_ASSERT(key_.reveal().size() == kKey);
}

std::string Sealer::seal(const Secret& secret) const {
  const auto nonce = random_bytes(crypto_secretbox_NONCEBYTES);
  std::string box(crypto_secretbox_MACBYTES + secret.reveal().size(), '\0');
  crypto_secretbox_easy(bytes_of(box), bytes_of(secret.reveal()), secret.reveal().size(), bytes_of(nonce),
                        bytes_of(key_.reveal()));
  return to_base64(nonce + box);
}

Result<Secret> Sealer::open(std::string_view sealed) const {
  const auto bytes = MAMORI_TRY(from_base64(sealed));
  const Error broken{ErrorKind::corrupt, "base.seal.broken"};
  if (bytes.size() < crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES) return broken;
  const auto box = std::string_view(bytes).substr(crypto_secretbox_NONCEBYTES);
  std::string text(box.size() - crypto_secretbox_MACBYTES, '\0');
  if (crypto_secretbox_open_easy(bytes_of(text), bytes_of(box), box.size(), bytes_of(bytes),
                                 bytes_of(key_.reveal())) != 0)
    return broken;
  return Secret(std::move(text));
}

}  // namespace mamori
