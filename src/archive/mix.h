// The multiplication that all hashes of this module are made of.
#pragma once

#include <cstdint>

namespace mamori::archive::detail {

__extension__ typedef unsigned __int128 Wide;

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// A number below `limit`, evenly from a 64-bit hash.
inline std::uint64_t below(std::uint64_t hash, std::uint64_t limit) {
  return static_cast<std::uint64_t>((static_cast<Wide>(hash) * limit) >> 64);
}

}  // namespace mamori::archive::detail
