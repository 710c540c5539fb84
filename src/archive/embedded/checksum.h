// XXH3, 64 bits: finds accidents; the tree finds intent.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <string_view>

namespace mamori::archive {

inline std::uint64_t checksum(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }
// Bound to what the bytes belong to: the same bytes of something else do not fit.
inline std::uint64_t checksum(std::string_view bytes, std::uint64_t of) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), of);
}

}  // namespace mamori::archive
