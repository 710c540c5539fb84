// How raw bytes become small: each event is taken apart into a template (its constant text) and variables
// (words with digits or foreign letters, and whatever stands in quotes or after '='). Variables of one place
// in one template stand together, where they resemble each other. docs/formats/archive.md, "Text".
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "archive/words.h"
#include "os/file.h"

namespace mamori::archive::detail {

// Distinct 64-bit values.
class WordSet {
 public:
  WordSet() { slots_.resize(1u << 12); }
  void add(WordHash hash);
  const std::vector<WordHash>& words() const { return words_; }

 private:
  std::vector<WordHash> slots_;
  std::vector<WordHash> words_;
};

// The text section of a block, uncompressed, in two parts: templates with the events' template numbers, and
// variables. Every index word of the events is put into `words`.
struct TextParts {
  std::string shapes, variables;
};
TextParts take_apart(std::span<const Event> events, WordSet& words);

// The other way. Error: archive.block.damaged (the parts do not fit together; they may be any bytes).
class Text {
 public:
  static Result<Text> open(os::Bytes shapes, os::Bytes variables, std::size_t count);
  std::size_t count() const { return shape_of_.size(); }
  // Raw bytes of every event, in order, appended to `bytes`; ends[i] is where event i ends. Error:
  // archive.block.damaged.
  Status put_together(std::string& bytes, std::vector<std::size_t>& ends) const;
  // Of one event.
  Result<std::string> raw(std::size_t event) const;
  // Which events have a word for which `is` (of the word in lower case) says so; without putting anything
  // together. Events with letters that are not ASCII, and those kept whole, are set in `unsure` instead.
  Status find_word(const std::function<bool(std::string_view)>& is, std::vector<bool>& found,
                   std::vector<bool>& unsure) const;

 private:
  struct Column {
    std::uint8_t form = 0;
    std::size_t width = 0;                 // fixed: bytes of each value; codes: 1 or 2
    std::string_view bytes;                // values, or codes
    std::vector<std::string_view> values;  // separated ones or the dictionary
    std::size_t same_as = 0;
  };
  struct Shape {
    std::vector<std::string_view> pieces;  // constant text before, between and after the variables
    std::size_t first_column = 0, rows = 0;
  };
  Result<std::string_view> value(const Shape& shape, std::size_t slot, std::size_t row) const;

  os::Bytes shape_bytes_, variable_bytes_;
  std::vector<Shape> shapes_;
  std::vector<Column> columns_;
  std::vector<std::uint32_t> shape_of_;  // by event; kPlain: kept whole
  std::vector<std::uint32_t> row_of_;
  std::vector<std::string_view> plain_;
};

// Unsigned LEB128, as used all over the format.
void put_number(std::string& out, std::uint64_t number);
// False where the bytes end first or the number does not fit.
bool take_number(std::string_view& in, std::uint64_t& number);
bool take_bytes(std::string_view& in, std::size_t count, std::string_view& out);

}  // namespace mamori::archive::detail
