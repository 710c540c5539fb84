#include "readers/host.h"

#include <algorithm>
#include <charconv>

namespace mamori::readers {
namespace {

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
constexpr std::size_t kLongestName = 253;  // of a host, RFC 1035

}  // namespace

bool is_name(std::string_view text, std::string_view more) {
  if (text.empty() || text.size() > kLongestName || kLetters.find(text[0]) == kLetters.npos) return false;
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return kLetters.find(c) != kLetters.npos || more.find(c) != more.npos; });
}

std::optional<int> parse_port(std::string_view text) {
  int port = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || failure != std::errc{} || end != text.data() + text.size() || port < 1 || port > 65535)
    return std::nullopt;
  return port;
}

}  // namespace mamori::readers
