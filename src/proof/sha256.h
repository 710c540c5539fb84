// SHA-256 (FIPS 180-4) of one message, and of many at once. The portable way is OpenSSL's; where the
// processor has AVX-512 or AVX2 but no SHA instructions, 16 or 8 messages are hashed side by side.
#pragma once

#include <span>
#include <string_view>

#include "proof/merkle.h"

namespace mamori::proof::detail {

Hash sha256(std::string_view bytes);
// Each hashed with a zero byte before it (RFC 9162 leaf).
void sha256_leaves(std::span<const std::string_view> leaves, std::span<Hash> out);

// The ways, for tests and benchmarks; best() is what sha256_leaves() takes here.
enum class Way { openssl, lanes8, lanes16 };
Way best();
bool possible(Way way);
void sha256_leaves(Way way, std::span<const std::string_view> leaves, std::span<Hash> out);

}  // namespace mamori::proof::detail
