// What of a text can be found: words (runs of letters, digits and _), words joined by . - or @ (addresses,
// host names, UUIDs) as one, the first four letters of longer words, and for everything that is not ASCII the
// pairs of neighbouring characters. Everything folded: case, full width, katakana. The index keeps 64-bit
// hashes of these; the same rules take a question apart (query.h).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "archive/event.h"

namespace mamori::archive {

using WordHash = std::uint64_t;

enum CharClass : std::uint8_t { kNone = 0, kLetter = 1, kDigit = 2, kHigh = 4 };
extern const std::array<std::uint8_t, 256> kCharClass;
inline std::uint8_t class_of(char c) { return kCharClass[static_cast<unsigned char>(c)]; }
inline bool joins_words(char c) { return c == '.' || c == '-' || c == '@'; }

constexpr std::size_t kPrefix = 4;             // characters of the prefix index
WordHash hash_word(std::string_view ascii);    // case does not matter
WordHash hash_prefix(std::string_view ascii);  // of the first kPrefix characters. Requires: at least as many
WordHash hash_pair(char32_t first, char32_t second);
WordHash hash_field(Field field, std::string_view value);  // folded
inline WordHash join(WordHash words, WordHash next) {
  return (words ^ (next + 0x9E3779B97F4A7C15ull)) * 0xD6E8FEB86659FD93ull + 1;
}

// UTF-8, decoded from CP932 or EUC-JP where the bytes are that; what is no text becomes U+FFFD. Case and
// width stay.
std::string decode_text(std::string_view bytes);
// Text as people search it: UTF-8 (other Japanese encodings decoded, bytes that are no text replaced),
// folded.
std::string searchable(std::string_view raw);
// The same for text that is all ASCII: lower case. `out` is overwritten.
void lower_into(std::string_view ascii, std::string& out);

// Every index word of `raw`, in any encoding, appended to `out` (repetitions included).
void index_words(std::string_view raw, std::vector<WordHash>& out);
// Of text that is searchable() already.
void index_folded(std::string_view folded, std::vector<WordHash>& out);

}  // namespace mamori::archive
