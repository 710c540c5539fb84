// An event for the eye: every field as it came, and readable text from whatever encoding.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mamori::collect::events {

// UTF-8: as it is, or decoded from CP932 or EUC-JP; bytes that are no text become U+FFFD. Case and width stay.
std::string readable(std::string_view bytes);

// Names and values, in the order of the message: JSON members by path, attributes and elements of XML, key=value pairs. At most 400.
std::vector<std::pair<std::string, std::string>> all_fields(std::string_view raw);

}  // namespace mamori::collect::events
