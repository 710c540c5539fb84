// Values, rows and result sets, the same for both engines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/time.h"

namespace mamori::store {

// SQL NULL, boolean, 64-bit integer, double, text. Booleans come back from a query as integers 0 and 1 on
// both engines.
using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string>;
using Row = std::vector<Value>;

struct Rows {
  std::vector<std::string> columns;
  std::vector<Row> rows;
};

inline bool is_null(const Value& value) { return value.index() == 0; }
// The value as text: "" for NULL, 0 and 1 for booleans.
std::string as_text(const Value& value);
// The value as a number: 0 for NULL and for text that is none.
std::int64_t as_integer(const Value& value);
// Whether every text of the row is UTF-8 without U+0000: the only text that both engines give back as it was.
bool is_storable(const Row& row);
// Milliseconds since 1970 as an instant; none for NULL.
inline std::optional<Instant> as_instant(const Value& value) {
  return is_null(value) ? std::nullopt : std::optional(from_millis(as_integer(value)));
}
inline Value instant_or_null(const std::optional<Instant>& at) {
  return at ? Value(to_millis(*at)) : Value();
}
inline Value text_or_null(std::string_view text) { return text.empty() ? Value{} : Value{std::string(text)}; }

}  // namespace mamori::store
