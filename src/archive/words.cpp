#include "archive/words.h"

#include <unicode/ucnv.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstring>

#include "archive/mix.h"
#include "base/text.h"

namespace mamori::archive {

using detail::mix;

namespace {

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> out{};
  for (int c = 0; c < 256; ++c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_')
      out[static_cast<std::size_t>(c)] = kLetter;
    else if (c >= '0' && c <= '9')
      out[static_cast<std::size_t>(c)] = kDigit;
    else if (c >= 0x80)
      out[static_cast<std::size_t>(c)] = kHigh;
  }
  return out;
}

// Bit 5 set in every byte: letters lose their case, digits stay, '_' becomes something no letter is.
constexpr std::uint64_t kLower = 0x2020202020202020ull;

std::uint64_t hash_lower(std::string_view text, std::uint64_t seed) {
  auto hash = seed ^ text.size() * 0x9E3779B97F4A7C15ull;
  const char* at = text.data();
  auto left = text.size();
  while (left >= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    hash = mix(hash ^ (word | kLower), 0xA0761D6478BD642Full);
    at += 8;
    left -= 8;
  }
  std::uint64_t word = 0;
  if (left != 0) std::memcpy(&word, at, left);
  const auto used = left == 0 ? 0 : ~0ull >> (64 - 8 * left);
  return mix(hash ^ ((word | kLower) & used), 0xE7037ED1A0B428DBull);
}

}  // namespace

const std::array<std::uint8_t, 256> kCharClass = make_classes();

WordHash hash_word(std::string_view ascii) { return hash_lower(ascii, 0x8EBC6AF09C88C6E3ull); }
WordHash hash_prefix(std::string_view ascii) {
  return hash_lower(ascii.substr(0, kPrefix), 0x589965CC75374CC3ull);
}
WordHash hash_pair(char32_t first, char32_t second) {
  return mix((static_cast<std::uint64_t>(first) << 32 | second) ^ 0x1D8E4E27C47D124Full,
             0xEB44ACCAB455D165ull);
}
WordHash hash_field(Field field, std::string_view value) {
  return hash_lower(searchable(value), 0x2D358DCCAA6C78A5ull + static_cast<std::uint64_t>(field));
}

void lower_into(std::string_view ascii, std::string& out) {
  out.resize(ascii.size());
  for (std::size_t i = 0; i < ascii.size(); ++i) {
    const auto c = static_cast<unsigned char>(ascii[i]);
    out[i] = static_cast<char>(c + ((static_cast<unsigned char>(c - 'A') < 26) << 5));
  }
}

std::string decode_text(std::string_view bytes) {
  if (is_utf8(bytes)) return std::string(bytes);
  // Which of the two Japanese encodings has more sense to it: EUC-JP kana and kanji are pairs of bytes over
  // 0xA0; CP932 reads such pairs as half-width katakana. Where neither reads it, whatever is no UTF-8 becomes
  // U+FFFD.
  const auto euc = [&] {
    std::size_t i = 0;
    while (i < bytes.size()) {
      const auto c = static_cast<unsigned char>(bytes[i]);
      if (c < 0x80) {
        ++i;
        continue;
      }
      const auto next = i + 1 < bytes.size() ? static_cast<unsigned char>(bytes[i + 1]) : 0;
      if (!((c >= 0xA1 && c <= 0xFE) || c == 0x8E) || next < 0xA1 || next == 0xFF) return false;
      i += 2;
    }
    return true;
  }();
  if (euc) {
    UErrorCode status = U_ZERO_ERROR;
    UConverter* const converter = ucnv_open("EUC-JP", &status);
    if (U_SUCCESS(status)) {
      icu::UnicodeString text(bytes.data(), static_cast<int32_t>(bytes.size()), converter, status);
      ucnv_close(converter);
      std::string out;
      if (U_SUCCESS(status)) return text.toUTF8String(out);
    }
  }
  if (auto decoded = decode_japanese(bytes)) return std::move(decoded->text);
  std::string out;
  icu::UnicodeString::fromUTF8(icu::StringPiece(bytes.data(), static_cast<int32_t>(bytes.size())))
      .toUTF8String(out);
  return out;
}

std::string searchable(std::string_view raw) {
  const bool ascii =
      std::all_of(raw.begin(), raw.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  std::string out;
  if (ascii) {
    lower_into(raw, out);
    return out;
  }
  const auto text = decode_text(raw);
  return fold(text);
}

void index_words(std::string_view raw, std::vector<WordHash>& out) { index_folded(searchable(raw), out); }

void index_folded(std::string_view folded, std::vector<WordHash>& out) {
  std::size_t i = 0;
  WordHash joined = 0;     // of the run so far
  std::size_t in_run = 0;  // words in it
  const auto end_run = [&] {
    if (in_run > 1) out.push_back(joined);
    in_run = 0;
  };
  while (i < folded.size()) {
    const auto kind = class_of(folded[i]);
    if (kind == kNone) {
      const bool joins = joins_words(folded[i]) && i + 1 < folded.size() &&
                         (class_of(folded[i + 1]) & (kLetter | kDigit)) != 0 && in_run > 0;
      if (!joins) end_run();
      ++i;
      continue;
    }
    if ((kind & kHigh) != 0) {
      end_run();
      char32_t before = 0;
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(folded.data());
      auto at = static_cast<int32_t>(i);
      const auto size = static_cast<int32_t>(folded.size());
      while (at < size && bytes[at] >= 0x80) {
        UChar32 c;
        U8_NEXT(bytes, at, size, c);
        if (c < 0) c = 0xFFFD;
        if (before != 0) out.push_back(hash_pair(before, static_cast<char32_t>(c)));
        before = static_cast<char32_t>(c);
      }
      i = static_cast<std::size_t>(at);
      continue;
    }
    const auto start = i;
    while (i < folded.size() && (class_of(folded[i]) & (kLetter | kDigit)) != 0) ++i;
    const auto word = folded.substr(start, i - start);
    const auto hash = hash_word(word);
    out.push_back(hash);
    if (word.size() > kPrefix) out.push_back(hash_prefix(word));
    joined = in_run == 0 ? hash : join(joined, hash);
    ++in_run;
  }
  end_run();
}

}  // namespace mamori::archive
