// JSON values are Boost.JSON's; these are the few readings that the whole program shares.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/text.h"

namespace mamori {

namespace json = boost::json;

// Nesting of at most 32 levels. Error: base.json.bad (fact: offset).
Result<json::value> parse_json(std::string_view text);
Result<json::object> parse_json_object(std::string_view text);

// The member as text, or `otherwise` where it is absent or of another type.
std::string text_of(const json::object& object, std::string_view key, std::string_view otherwise = "");
std::int64_t integer_of(const json::object& object, std::string_view key, std::int64_t otherwise = 0);
bool boolean_of(const json::object& object, std::string_view key, bool otherwise = false);

// The facts of an error as an object of texts, and back; what is no text is left out.
json::object facts_json(const Facts& facts);
Facts facts_of(const json::object& object);

// {"ja": …, "en": …}
json::object words_json(const Words& words);

// With two-space indentation, for files that people read.
std::string pretty(const json::value& value);

}  // namespace mamori
