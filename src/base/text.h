// Text: UTF-8 everywhere inside; Japanese legacy encodings only at the border.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mamori {

// One sentence or label in both languages of the product.
struct Words {
  std::string ja;
  std::string en;
  bool operator==(const Words&) const = default;
  const std::string& in(std::string_view language) const { return language == "en" && !en.empty() ? en : ja; }
};

std::string_view trim(std::string_view text);  // ASCII white space, U+3000, U+00A0, U+200B, U+FEFF
bool is_utf8(std::string_view bytes);
// What others wrote, fit to be kept and shown: what is no UTF-8 and control characters become U+FFFD; at most
// `longest` code points.
std::string printable(std::string_view text, std::size_t longest);
// Length in code points. Requires: is_utf8(text).
std::size_t length(std::string_view text);
// The first `count` code points.
std::string_view head(std::string_view text, std::size_t count);

// Full-width ASCII (U+FF01…FF5E) and the ideographic space to their half-width forms; nothing else.
std::string to_half_width(std::string_view text);
// Of a text from outside, what a terminal may be given: its control characters and those that turn the
// direction of writing are shown as they are written in source, "\x1b" and "\u202e", instead of obeyed.
std::string for_terminal(std::string_view text);

// How the words of a Japanese text that are written in kana are written in Latin letters: "みなと総合" gives
// "minato", and of long vowels both spellings, "こうべ" "koube" and "kobe".
std::vector<std::string> romanised(std::string_view text);

// For searching and comparing: NFKC, case folded (Unicode NFKC_Casefold), katakana to hiragana, dashes of all
// kinds to '-'.
std::string fold(std::string_view text);
// What two writings of one name, number or key have in common: fold(), with single spaces and none at the
// ends.
std::string fold_name(std::string_view text);
// fold() without white space, brackets and punctuation: headings of other people's spreadsheets.
std::string fold_heading(std::string_view text);

enum class Encoding { utf8, cp932 };
struct Decoded {
  std::string text;
  Encoding encoding;
};
// UTF-8 with or without BOM, else CP932 (Windows-31J). UTF-16 with BOM is accepted too, since Excel writes it
// as "Unicode text", UTF-16 that lost its mark and ISO-2022-JP. Error: base.text.encoding (facts: line,
// offset) where the bytes are none of them.
Result<Decoded> decode_japanese(std::string_view bytes);
// Error: base.text.unencodable where a character has no CP932 form.
Result<std::string> encode_cp932(std::string_view text);

std::vector<std::string_view> split(std::string_view text, char separator);
std::string to_lower_ascii(std::string_view text);
// &, <, >, " and ' as entities: for XML, SVG and HTML.
std::string escape_xml(std::string_view text);

}  // namespace mamori
