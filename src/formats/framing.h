// Syslog messages out of a byte stream (RFC 6587, RFC 5425): counted frames ("83 <34>1 …"), or lines ended by
// LF or NUL, mixed as they come. Senders that count letters instead of bytes (a frame of XML that does not
// end in '>') are understood: the frame is taken up to where the next one begins.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "archive/event.h"

namespace mamori::formats {

class Framer {
 public:
  explicit Framer(std::size_t longest = archive::kLongestRaw) : longest_(longest) {}

  void feed(std::string_view bytes);
  // The next whole message; valid until feed() or finish().
  std::optional<std::string_view> next();
  // The sender has closed: what is left is the last message, if there is any.
  std::optional<std::string_view> finish();

  std::size_t pending() const { return buffer_.size() - at_; }
  // Messages over the limit: cut, the rest skipped and counted.
  std::uint64_t cut() const { return cut_; }

 private:
  std::optional<std::string_view> counted();
  std::optional<std::string_view> line();
  std::string_view rest() const { return std::string_view(buffer_).substr(at_); }

  std::size_t longest_;
  std::string buffer_;
  std::size_t at_ = 0, seen_ = 0;  // seen_: of the rest, looked through for an end of line
  bool skipping_ = false;
  std::uint64_t cut_ = 0;
};

}  // namespace mamori::formats
