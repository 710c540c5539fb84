// An event for the eye: every field as it came.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mamori::formats {

// Names and values, in the order of the message: JSON members by path, attributes and elements of XML,
// key=value pairs. At most 400.
std::vector<std::pair<std::string, std::string>> all_fields(std::string_view raw);

}  // namespace mamori::formats
