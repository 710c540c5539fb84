#include "base/text.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/translit.h>
#include <unicode/ucnv.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <memory>

namespace mamori {
namespace {

constexpr std::string_view kWideSpace = "\xE3\x80\x80";
constexpr std::string_view kUtf8Bom = "\xEF\xBB\xBF";
// Nobody sees them at the end of a text: ideographic space, no-break space, zero-width space, byte-order
// mark.
constexpr std::string_view kUnseen[] = {kWideSpace, "\xC2\xA0", "\xE2\x80\x8B", kUtf8Bom};

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

char32_t fold_code_point(char32_t c) {
  if (c >= 0x30A1 && c <= 0x30F6) return c - 0x60;  // katakana to hiragana
  switch (c) {
    case 0x2010:
    case 0x2011:
    case 0x2012:
    case 0x2013:
    case 0x2014:
    case 0x2015:
    case 0x2212:
    case 0xFF0D:
    case 0xFF70: return U'-';
    case 0x301C:  // the same key in CP932 is U+301C or U+FF5E
    case 0x223C: return U'~';
    default: return c;
  }
}

class Converter {
 public:
  explicit Converter(const char* name) {
    UErrorCode status = U_ZERO_ERROR;
    converter_ = ucnv_open(name, &status);
    MAMORI_ASSERT(U_SUCCESS(status));
    ucnv_setToUCallBack(converter_, UCNV_TO_U_CALLBACK_STOP, nullptr, nullptr, nullptr, &status);
    ucnv_setFromUCallBack(converter_, UCNV_FROM_U_CALLBACK_STOP, nullptr, nullptr, nullptr, &status);
  }
  ~Converter() { ucnv_close(converter_); }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;
  UConverter* get() { return converter_; }

 private:
  UConverter* converter_ = nullptr;
};

Error bad_encoding(std::string_view bytes, std::size_t offset) {
  const auto lines = std::count(
      bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(std::min(offset, bytes.size())), '\n');
  return {ErrorKind::invalid,
          "base.text.encoding",
          {{"line", std::to_string(lines + 1)}, {"offset", std::to_string(offset)}}};
}

Result<std::string> convert(std::string_view bytes, const char* from) {
  Converter converter(from);
  std::string out;
  UChar buffer[4096];
  const char* source = bytes.data();
  const char* const end = source + bytes.size();
  while (true) {
    UChar* target = buffer;
    UErrorCode status = U_ZERO_ERROR;
    ucnv_toUnicode(converter.get(), &target, buffer + std::size(buffer), &source, end, nullptr, true,
                   &status);
    icu::UnicodeString(buffer, static_cast<int32_t>(target - buffer)).toUTF8String(out);
    if (status == U_BUFFER_OVERFLOW_ERROR) continue;
    if (U_FAILURE(status)) return bad_encoding(bytes, static_cast<std::size_t>(source - bytes.data()));
    return out;
  }
}

}  // namespace

std::string_view trim(std::string_view text) {
  const auto once = [&] {
    const auto before = text.size();
    for (const auto unseen : kUnseen) {
      if (text.starts_with(unseen)) text.remove_prefix(unseen.size());
      if (text.ends_with(unseen)) text.remove_suffix(unseen.size());
    }
    while (!text.empty() && static_cast<unsigned char>(text.front()) <= 0x20) text.remove_prefix(1);
    while (!text.empty() && static_cast<unsigned char>(text.back()) <= 0x20) text.remove_suffix(1);
    return text.size() != before;
  };
  while (once()) continue;
  return text;
}

bool is_utf8(std::string_view bytes) {
  if (bytes.size() > 0x7FFFFFFF) return false;
  const auto size = static_cast<int32_t>(bytes.size());
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  for (int32_t i = 0; i < size;) {
    if (data[i] < 0x80) {
      ++i;
      continue;
    }
    UChar32 c;
    U8_NEXT(data, i, size, c);
    if (c < 0) return false;
  }
  return true;
}

std::string printable(std::string_view text, std::size_t longest) {
  std::string out;
  for (std::size_t at = 0; at < text.size() && longest > 0; --longest) {
    std::size_t size = 1;
    while (size < 4 && at + size < text.size() &&
           (static_cast<unsigned char>(text[at + size]) & 0xC0) == 0x80)
      ++size;
    const auto one = text.substr(at, size);
    const auto first = static_cast<unsigned char>(one[0]);
    const bool good = is_utf8(one) && first >= 0x20 && first != 0x7F;
    out += good ? one : std::string_view("\xEF\xBF\xBD");
    at += size;
  }
  return out;
}

std::string for_terminal(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const auto size = static_cast<int32_t>(text.size());
  for (int32_t i = 0; i < size;) {
    const auto from = static_cast<std::size_t>(i);
    UChar32 c;
    U8_NEXT(bytes, i, size, c);
    const bool control = (c < 0x20 && c != '\t') || (c >= 0x7F && c < 0xA0);  // also where it is no UTF-8
    const bool turns = c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
                       (c >= 0x2066 && c <= 0x2069);
    if (!control && !turns) {
      out += text.substr(from, static_cast<std::size_t>(i) - from);
      continue;
    }
    if (turns) {
      out += "\\u";
      for (int shift = 12; shift >= 0; shift -= 4) out += kHex[c >> shift & 0xF];
      continue;
    }
    for (auto at = from; at < static_cast<std::size_t>(i); ++at) {
      const auto byte = static_cast<unsigned char>(text[at]);
      out += byte == '\n'   ? "\\n"
             : byte == '\r' ? "\\r"
                            : std::string("\\x") + kHex[byte >> 4] + kHex[byte & 0xF];
    }
  }
  return out;
}

std::size_t length(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string_view head(std::string_view text, std::size_t count) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) continue;
    if (count-- == 0) break;
  }
  return text.substr(0, at);
}

std::string to_half_width(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (text.substr(i).starts_with(kWideSpace)) {
      out += ' ';
      i += 3;
    } else if (i + 2 < text.size() && text[i] == '\xEF' && (text[i + 1] == '\xBC' || text[i + 1] == '\xBD')) {
      const unsigned code = 0xF000u | (static_cast<unsigned>(text[i + 1]) & 0x3Fu) << 6 |
                            (static_cast<unsigned>(text[i + 2]) & 0x3Fu);
      if (code >= 0xFF01 && code <= 0xFF5E)
        out += static_cast<char>(code - 0xFEE0);
      else
        out += text.substr(i, 3);
      i += 3;
    } else {
      out += text[i++];
    }
  }
  return out;
}

std::string fold(std::string_view text) {
  if (is_ascii(text)) return to_lower_ascii(text);
  static const icu::Normalizer2* const normalizer = [] {
    UErrorCode status = U_ZERO_ERROR;
    const auto* found = icu::Normalizer2::getNFKCCasefoldInstance(status);
    MAMORI_ASSERT(U_SUCCESS(status));
    return found;
  }();
  UErrorCode status = U_ZERO_ERROR;
  std::string normal;
  icu::StringByteSink<std::string> sink(&normal, static_cast<int32_t>(text.size()));
  normalizer->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink,
                            nullptr, status);
  std::string out;
  out.reserve(normal.size());
  const auto* bytes = reinterpret_cast<const uint8_t*>(normal.data());
  const auto size = static_cast<int32_t>(normal.size());
  for (int32_t i = 0; i < size;) {
    const auto from = i;
    UChar32 c;
    U8_NEXT(bytes, i, size, c);
    const auto to = c < 0 ? 0xFFFD : static_cast<UChar32>(fold_code_point(static_cast<char32_t>(c)));
    if (to == c) {
      out.append(normal, static_cast<std::size_t>(from), static_cast<std::size_t>(i - from));
      continue;
    }
    char encoded[U8_MAX_LENGTH];
    int32_t length = 0;
    U8_APPEND_UNSAFE(encoded, length, to);
    out.append(encoded, static_cast<std::size_t>(length));
  }
  return out;
}

std::vector<std::string> romanised(std::string_view text) {
  // Costly to make, and of one thread.
  thread_local const std::unique_ptr<icu::Transliterator> to_latin = [] {
    UErrorCode status = U_ZERO_ERROR;
    return std::unique_ptr<icu::Transliterator>(icu::Transliterator::createInstance(
        icu::UnicodeString::fromUTF8("Hiragana-Latin; Latin-ASCII; Lower"), UTRANS_FORWARD, status));
  }();
  std::vector<std::string> words;
  if (!to_latin) return words;  // a system without these tables
  const auto rest = icu::UnicodeString::fromUTF8(fold(text));
  icu::UnicodeString run;
  const auto end_run = [&] {
    if (run.isEmpty()) return;
    to_latin->transliterate(run);
    std::string latin;
    run.toUTF8String(latin);
    run.remove();
    std::erase_if(latin, [](char c) { return c < 'a' || c > 'z'; });
    auto brief = latin;
    for (const auto* longer : {"ou", "oo", "uu"})
      for (std::size_t at = brief.find(longer); at != brief.npos; at = brief.find(longer))
        brief.erase(at + 1, 1);
    words.push_back(latin);
    if (brief != latin) words.push_back(std::move(brief));
  };
  for (int32_t i = 0; i < rest.length(); ++i) {
    const auto c = rest.charAt(i);
    if ((c >= 0x3041 && c <= 0x3096) || c == 0x30FC)
      run.append(c);
    else
      end_run();
  }
  end_run();
  return words;
}

std::string fold_name(std::string_view text) {
  const auto folded = fold(text);
  std::string out;
  for (const char c : trim(folded)) {
    const bool space = static_cast<unsigned char>(c) <= 0x20;
    if (space && out.ends_with(' ')) continue;
    out += space ? ' ' : c;
  }
  return out;
}

std::string fold_heading(std::string_view text) {
  static constexpr std::string_view kNarrow = "()[]/,.:*_-";
  static constexpr std::string_view kWide = "・、。※「」【】〔〕";  // of three bytes each
  const std::string folded = fold(text);
  std::string out;
  out.reserve(folded.size());
  for (std::size_t i = 0; i < folded.size();) {
    const char c = folded[i];
    if (static_cast<unsigned char>(c) <= 0x20 || kNarrow.find(c) != kNarrow.npos) {
      ++i;
      continue;
    }
    bool dropped = false;
    if ((c == '\xE3' || c == '\xE2') && i + 2 < folded.size())
      for (std::size_t w = 0; w < kWide.size() && !dropped; w += 3)
        dropped = c == kWide[w] && folded[i + 1] == kWide[w + 1] && folded[i + 2] == kWide[w + 2];
    if (dropped)
      i += 3;
    else
      out += folded[i++];
  }
  return out;
}

namespace {

// UTF-16 that lost its mark: every other byte of its ASCII characters is zero, and no byte between them.
const char* unmarked_utf16(std::string_view bytes) {
  if (bytes.size() % 2 != 0) return nullptr;
  std::size_t zeros[2] = {0, 0};
  for (std::size_t i = 0; i < std::min<std::size_t>(bytes.size(), 4096); ++i)
    if (bytes[i] == '\0') ++zeros[i % 2];
  if (zeros[1] > 1 && zeros[0] == 0) return "UTF-16LE";
  if (zeros[0] > 1 && zeros[1] == 0) return "UTF-16BE";
  return nullptr;
}

bool is_iso_2022_jp(std::string_view bytes) {
  if (std::any_of(bytes.begin(), bytes.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
    return false;
  return bytes.find("\x1B$B") != bytes.npos || bytes.find("\x1B$@") != bytes.npos;
}

std::size_t first_not_utf8(std::string_view bytes) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  const auto size = static_cast<int32_t>(std::min<std::size_t>(bytes.size(), 0x7FFFFFFF));
  for (int32_t i = 0; i < size;) {
    const auto at = i;
    UChar32 c;
    U8_NEXT(data, i, size, c);
    if (c < 0) return static_cast<std::size_t>(at);
  }
  return bytes.size();
}

std::size_t offset_in(const Error& error) {
  for (const auto& [name, value] : error.facts)
    if (name == "offset") return static_cast<std::size_t>(std::stoull(value));
  return 0;
}

}  // namespace

Result<Decoded> decode_japanese(std::string_view bytes) {
  if (bytes.starts_with(kUtf8Bom)) {
    bytes.remove_prefix(kUtf8Bom.size());
    if (!is_utf8(bytes)) return bad_encoding(bytes, first_not_utf8(bytes));
    return Decoded{std::string(bytes), Encoding::utf8};
  }
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF")) {
    auto text = MAMORI_TRY(convert(bytes, "UTF-16"));
    return Decoded{std::move(text), Encoding::utf8};
  }
  if (const auto* name = unmarked_utf16(bytes)) {
    auto text = MAMORI_TRY(convert(bytes, name));
    return Decoded{std::move(text), Encoding::utf8};
  }
  if (is_iso_2022_jp(bytes)) {
    auto text = MAMORI_TRY(convert(bytes, "ISO-2022-JP"));
    return Decoded{std::move(text), Encoding::utf8};
  }
  if (is_utf8(bytes)) return Decoded{std::string(bytes), Encoding::utf8};
  auto text = convert(bytes, "windows-31j");
  if (!text) {  // it is meant to be the encoding that reads on for longer
    const auto utf8 = first_not_utf8(bytes);
    return utf8 > offset_in(text.error()) ? bad_encoding(bytes, utf8) : std::move(text).take_error();
  }
  return Decoded{std::move(text).take(), Encoding::cp932};
}

Result<std::string> encode_cp932(std::string_view text) {
  Converter converter("windows-31j");
  const auto source =
      icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
  std::string out(static_cast<std::size_t>(source.length()) * 2 + 16, '\0');
  UErrorCode status = U_ZERO_ERROR;
  const auto written = ucnv_fromUChars(converter.get(), out.data(), static_cast<int32_t>(out.size()),
                                       source.getBuffer(), source.length(), &status);
  if (U_FAILURE(status)) return Error{ErrorKind::invalid, "base.text.unencodable"};
  out.resize(static_cast<std::size_t>(written));
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == text.npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string to_lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

std::string escape_xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace mamori
