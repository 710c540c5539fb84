// Syslog messages out of a byte stream (RFC 6587, RFC 5425): counted frames ("83 <34>1 …"), or lines ended by
// LF or NUL, mixed as they come. A frame is what its count says. One kind of wrong count is understood: of
// letters instead of bytes, by senders of XML; a document that is cut by its count, with letters of several
// bytes in it, is taken up to its end.
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
  // No more will come: what is left, message by message, until there is none. The last may be the beginning
  // of one.
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
  bool skipping_ = false, ending_ = false;
  std::size_t skip_ = 0;  // of a counted frame over the limit: how much of it is still to come
  std::uint64_t cut_ = 0;
};

}  // namespace mamori::formats
