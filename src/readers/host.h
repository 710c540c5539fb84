// Parts of addresses, in a grammar so narrow that none of them can be an option or a command of a program
// that gets it.
#pragma once

#include <optional>
#include <string_view>

namespace mamori::readers {

// A name of letters, digits and `more`, beginning with a letter or digit.
bool is_name(std::string_view text, std::string_view more);
inline bool is_host(std::string_view text) { return is_name(text, ".-"); }
std::optional<int> parse_port(std::string_view text);  // 1 to 65535

}  // namespace mamori::readers
