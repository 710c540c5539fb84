#include "formats/framing.h"

#include <algorithm>

namespace mamori::formats {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "83 <34>": digits, a blank, a priority. `whole` false where the text ends before that is known.
std::optional<std::size_t> frame_start(std::string_view text, std::size_t& length, bool& whole) {
  std::size_t i = 0;
  length = 0;
  whole = true;
  while (i < text.size() && i < 9 && is_digit(text[i]))
    length = length * 10 + static_cast<std::size_t>(text[i++] - '0');
  if (i == text.size()) {
    whole = false;
    return std::nullopt;
  }
  if (i == 0 || text[i] != ' ' || text[0] == '0') return std::nullopt;
  if (i + 1 == text.size()) {
    whole = false;
    return std::nullopt;
  }
  if (text[i + 1] != '<') return std::nullopt;
  return i + 1;
}

// Whether the document that begins in this text is whole: its root is closed, or none begins here.
bool is_whole(std::string_view text) {
  auto at = text.find("<AuditMessage");
  if (at == text.npos) {
    at = text.find("<?xml");
    if (at == text.npos) return true;
    at = text.find("?>", at);
    if (at == text.npos) return true;
    at = text.find('<', at);
    if (at == text.npos) return true;
  }
  text = text.substr(at);
  const auto name = text.substr(1, text.find_first_of(" \t\r\n/>", 1) - 1);
  const auto opened = text.find('>');
  if (opened != text.npos && text[opened - 1] == '/') return true;
  const auto closed = text.rfind("</");
  return closed != text.npos && text.substr(closed + 2).starts_with(name) &&
         text.find('>', closed) != text.npos;
}

// Whether a count may have been of letters: of a document that is cut there, and has letters of more than one
// byte. Any other count is what it says.
bool is_short(std::string_view frame) {
  return std::any_of(frame.begin(), frame.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x80; }) &&
         !is_whole(frame);
}

}  // namespace

void Framer::feed(std::string_view bytes) {
  if (at_ == buffer_.size()) {
    buffer_.clear();
    at_ = 0;
  } else if (at_ > buffer_.size() / 2) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  buffer_.append(bytes);
}

std::optional<std::string_view> Framer::next() {
  while (at_ < buffer_.size()) {
    if (skip_ != 0) {
      const auto some = std::min(skip_, buffer_.size() - at_);
      at_ += some;
      skip_ -= some;
      continue;
    }
    if (!skipping_ && seen_ == 0 && is_digit(buffer_[at_])) {
      std::size_t length = 0;
      bool whole = false;
      if (frame_start(rest(), length, whole)) {
        const auto before = at_;
        auto message = counted();
        if (message || at_ == before) return message;
        continue;
      }
      if (!whole) return std::nullopt;
    }
    const auto before = at_;
    auto message = line();
    if (message) {
      if (message->empty()) continue;  // blank lines between frames
      return message;
    }
    if (at_ == before) return std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::string_view> Framer::counted() {
  std::size_t length = 0;
  bool whole = false;
  const auto text = rest();
  const auto start = *frame_start(text, length, whole);
  if (length > longest_) {
    // Its beginning is kept; what is beyond is skipped by its own count, as it arrives.
    if (text.size() - start < longest_) return std::nullopt;
    ++cut_;
    const auto message = text.substr(start, longest_);
    at_ += start + longest_;
    skip_ = length - longest_;
    return message;
  }
  if (text.size() - start < length) return std::nullopt;
  const auto message = text.substr(start, length);
  const auto end = start + length;
  std::size_t next_length = 0;
  if (!is_short(message) || frame_start(text.substr(end), next_length, whole)) {
    at_ += end;
    return message;
  }
  // Up to where the document ends and the next frame begins, or to its end where nothing else has come yet.
  for (auto close = text.find('>', end); close != text.npos; close = text.find('>', close + 1)) {
    if (!is_whole(text.substr(start, close + 1 - start))) continue;
    auto next = close + 1;
    while (next < text.size() && static_cast<unsigned char>(text[next]) <= ' ') ++next;
    if (next != text.size() && !frame_start(text.substr(next), next_length, whole) && whole) continue;
    at_ += next;
    return text.substr(start, close + 1 - start);
  }
  // A letter has at most four bytes: where the document has not ended by then, the count was right.
  if (ending_ || text.size() - start > length * 4 + 64) {
    at_ += end;
    return message;
  }
  return std::nullopt;  // more has to come
}

std::optional<std::string_view> Framer::line() {
  const auto text = rest();
  auto end = seen_;
  while (end < text.size() && text[end] != '\n' && text[end] != '\0') ++end;
  if (end == text.size()) {
    if (skipping_) {
      at_ = buffer_.size();
      return std::nullopt;
    }
    if (text.size() > longest_) {
      ++cut_;
      at_ += longest_;
      seen_ = 0;
      skipping_ = true;
      return text.substr(0, longest_);
    }
    seen_ = end;
    return std::nullopt;
  }
  at_ += end + 1;
  seen_ = 0;
  if (skipping_) {
    skipping_ = false;
    return std::string_view();
  }
  auto message = text.substr(0, std::min(end, longest_));
  if (end > longest_) ++cut_;
  if (message.ends_with('\r')) message.remove_suffix(1);
  return message;
}

std::optional<std::string_view> Framer::finish() {
  ending_ = true;  // what was held back for more goes by its count
  if (const auto message = next()) return message;
  if (skipping_ || skip_ != 0 || at_ == buffer_.size()) return std::nullopt;
  auto text = rest();
  std::size_t length = 0;
  bool whole = false;
  if (seen_ == 0)
    if (const auto start = frame_start(text, length, whole)) text.remove_prefix(*start);
  at_ = buffer_.size();
  seen_ = 0;
  if (text.size() > longest_) ++cut_;
  text = text.substr(0, longest_);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == '\0'))
    text.remove_suffix(1);
  if (text.empty()) return std::nullopt;
  return text;
}

}  // namespace mamori::formats
