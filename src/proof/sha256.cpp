#define OPENSSL_SUPPRESS_DEPRECATED  // the one-shot EVP call of OpenSSL 3.0 spends longer on looking itself
                                     // up than on a log line
#include "proof/sha256.h"

#include <cpuid.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace mamori::proof::detail {
namespace {

constexpr std::uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
constexpr std::uint32_t kStart[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

std::size_t blocks_of(std::string_view leaf) { return (leaf.size() + 1 + 9 + 63) / 64; }

// Block `number` of the padded message 0x00 + leaf.
void fill_block(std::string_view leaf, std::size_t number, unsigned char* block) {
  const auto length = leaf.size() + 1;
  const auto start = number * 64;
  std::size_t at = 0;
  if (start == 0) block[at++] = 0;
  const auto from = start + at - 1;
  const auto take = from < leaf.size() ? std::min<std::size_t>(64 - at, leaf.size() - from) : 0;
  if (take != 0) std::memcpy(block + at, leaf.data() + from, take);
  at += take;
  if (at == 64) return;
  std::memset(block + at, 0, 64 - at);
  if (start + at == length) block[at] = 0x80;
  if (number + 1 == blocks_of(leaf)) {
    const auto bits = static_cast<std::uint64_t>(length) * 8;
    for (int i = 0; i < 8; ++i) block[56 + i] = static_cast<unsigned char>(bits >> (56 - 8 * i));
  }
}

// One compression of kLanes independent states. Written with the compiler's vectors, so that one text serves
// both widths.
#define MAMORI_LANES(NAME, LANES, TARGET)                                                                  \
  typedef std::uint32_t NAME##_vector __attribute__((vector_size(LANES * 4)));                             \
  __attribute__((target(TARGET))) inline NAME##_vector NAME##_turn(NAME##_vector x, int n) {               \
    return (x >> n) | (x << (32 - n));                                                                     \
  }                                                                                                        \
  __attribute__((target(TARGET))) void NAME##_compress(NAME##_vector* state,                               \
                                                       const unsigned char(*blocks)[64]) {                 \
    NAME##_vector w[16];                                                                                   \
    for (int i = 0; i < 16; ++i)                                                                           \
      for (int lane = 0; lane < LANES; ++lane) {                                                           \
        std::uint32_t word;                                                                                \
        std::memcpy(&word, blocks[lane] + 4 * i, 4);                                                       \
        w[i][lane] = __builtin_bswap32(word);                                                              \
      }                                                                                                    \
    auto a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], \
         h = state[7];                                                                                     \
    for (int i = 0; i < 64; ++i) {                                                                         \
      if (i >= 16) {                                                                                       \
        const auto w15 = w[(i + 1) & 15], w2 = w[(i + 14) & 15];                                           \
        w[i & 15] += (NAME##_turn(w15, 7) ^ NAME##_turn(w15, 18) ^ (w15 >> 3)) + w[(i + 9) & 15] +         \
                     (NAME##_turn(w2, 17) ^ NAME##_turn(w2, 19) ^ (w2 >> 10));                             \
      }                                                                                                    \
      const auto t1 = h + (NAME##_turn(e, 6) ^ NAME##_turn(e, 11) ^ NAME##_turn(e, 25)) +                  \
                      ((e & f) ^ (~e & g)) + kRound[i] + w[i & 15];                                        \
      const auto t2 =                                                                                      \
          (NAME##_turn(a, 2) ^ NAME##_turn(a, 13) ^ NAME##_turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));   \
      h = g;                                                                                               \
      g = f;                                                                                               \
      f = e;                                                                                               \
      e = d + t1;                                                                                          \
      d = c;                                                                                               \
      c = b;                                                                                               \
      b = a;                                                                                               \
      a = t1 + t2;                                                                                         \
    }                                                                                                      \
    state[0] += a;                                                                                         \
    state[1] += b;                                                                                         \
    state[2] += c;                                                                                         \
    state[3] += d;                                                                                         \
    state[4] += e;                                                                                         \
    state[5] += f;                                                                                         \
    state[6] += g;                                                                                         \
    state[7] += h;                                                                                         \
  }                                                                                                        \
  /* Messages in the order of their length, so that lanes finish together; a lane that is done takes the   \
   * next message. */                                                                                      \
  __attribute__((target(TARGET))) void NAME##_leaves(std::span<const std::string_view> leaves,             \
                                                     std::span<Hash> out) {                                \
    std::vector<std::uint32_t> order(leaves.size());                                                       \
    std::iota(order.begin(), order.end(), 0u);                                                             \
    NAME##_vector state[8];                                                                                \
    alignas(64) unsigned char blocks[LANES][64];                                                           \
    std::size_t message[LANES], number[LANES];                                                             \
    std::size_t next = 0, busy = 0;                                                                        \
    const auto load = [&](int lane) {                                                                      \
      if (next == order.size()) {                                                                          \
        message[lane] = SIZE_MAX;                                                                          \
        return;                                                                                            \
      }                                                                                                    \
      message[lane] = order[next++];                                                                       \
      number[lane] = 0;                                                                                    \
      for (int i = 0; i < 8; ++i) state[i][lane] = kStart[i];                                              \
      ++busy;                                                                                              \
    };                                                                                                     \
    for (int i = 0; i < 8; ++i) state[i] = NAME##_vector{};                                                \
    std::memset(blocks, 0, sizeof blocks);                                                                 \
    for (int lane = 0; lane < LANES; ++lane) load(lane);                                                   \
    while (busy != 0) {                                                                                    \
      for (int lane = 0; lane < LANES; ++lane)                                                             \
        if (message[lane] != SIZE_MAX) fill_block(leaves[message[lane]], number[lane], blocks[lane]);      \
      NAME##_compress(state, blocks);                                                                      \
      for (int lane = 0; lane < LANES; ++lane) {                                                           \
        if (message[lane] == SIZE_MAX || ++number[lane] != blocks_of(leaves[message[lane]])) continue;     \
        for (int i = 0; i < 8; ++i) {                                                                      \
          const std::uint32_t word = __builtin_bswap32(state[i][lane]);                                    \
          std::memcpy(out[message[lane]].data() + 4 * i, &word, 4);                                        \
        }                                                                                                  \
        --busy;                                                                                            \
        load(lane);                                                                                        \
      }                                                                                                    \
    }                                                                                                      \
  }
MAMORI_LANES(eight, 8, "avx2")
MAMORI_LANES(sixteen, 16, "avx512f")
#undef MAMORI_LANES

void openssl_leaves(std::span<const std::string_view> leaves, std::span<Hash> out) {
  static constexpr char kZero = 0;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, &kZero, 1);
    SHA256_Update(&context, leaves[i].data(), leaves[i].size());
    SHA256_Final(out[i].data(), &context);
  }
}

bool has_sha_instructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b >> 29 & 1) != 0;
}

}  // namespace

Hash sha256(std::string_view bytes) {
  Hash out;
  SHA256_CTX context;  // not SHA256(): in OpenSSL 3 that one looks itself up under a lock each time
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data(), bytes.size());
  SHA256_Final(out.data(), &context);
  return out;
}

bool possible(Way way) {
  switch (way) {
    case Way::openssl: return true;
    case Way::lanes8: return __builtin_cpu_supports("avx2") != 0;
    case Way::lanes16: return __builtin_cpu_supports("avx512f") != 0;
  }
  MAMORI_UNREACHABLE();
}

Way best() {
  static const Way chosen = has_sha_instructions()   ? Way::openssl
                            : possible(Way::lanes16) ? Way::lanes16
                            : possible(Way::lanes8)  ? Way::lanes8
                                                     : Way::openssl;
  return chosen;
}

void sha256_leaves(Way way, std::span<const std::string_view> leaves, std::span<Hash> out) {
  switch (way) {
    case Way::openssl: return openssl_leaves(leaves, out);
    case Way::lanes8: return eight_leaves(leaves, out);
    case Way::lanes16: return sixteen_leaves(leaves, out);
  }
  MAMORI_UNREACHABLE();
}

void sha256_leaves(std::span<const std::string_view> leaves, std::span<Hash> out) {
  sha256_leaves(leaves.size() < 8 ? Way::openssl : best(), leaves, out);
}

}  // namespace mamori::proof::detail
