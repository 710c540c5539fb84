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

// Whether a frame of XML ends where XML does not end.
bool is_short(std::string_view frame) {
  if (frame.find("<?xml") == frame.npos && frame.find("<AuditMessage") == frame.npos) return false;
  while (!frame.empty() && static_cast<unsigned char>(frame.back()) <= ' ') frame.remove_suffix(1);
  return !frame.ends_with('>');
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
    // Its beginning is kept; where it ends is known only by its own word, so the rest is skipped up to there
    // as it arrives.
    if (text.size() - start < longest_) return std::nullopt;
    ++cut_;
    const auto message = text.substr(start, longest_);
    at_ += start + longest_;
    skipping_ = true;  // up to the next line or frame
    return message;
  }
  if (text.size() - start < length) return std::nullopt;
  auto message = text.substr(start, length);
  if (is_short(message)) {
    // Up to the next frame, or to the last '>' where nothing else has come yet.
    for (auto i = start + length; i < text.size(); ++i) {
      std::size_t next_length = 0;
      if (!is_digit(text[i]) || (i > 0 && is_digit(text[i - 1]))) continue;
      if (frame_start(text.substr(i), next_length, whole)) {
        at_ += i;
        return text.substr(start, i - start);
      }
    }
    auto end = text.size();
    while (end > start + length && static_cast<unsigned char>(text[end - 1]) <= ' ') --end;
    if (text[end - 1] != '>' || text.size() - start > length * 4 + 64) {
      if (text.size() - start > longest_) {
        ++cut_;
        at_ += start + longest_;
        return text.substr(start, longest_);
      }
      return std::nullopt;  // more has to come
    }
    message = text.substr(start, end - start);
    at_ += end;
    return message;
  }
  at_ += start + length;
  return message;
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
  if (skipping_ || at_ == buffer_.size()) return std::nullopt;
  auto text = rest();
  std::size_t length = 0;
  bool whole = false;
  if (seen_ == 0)
    if (const auto start = frame_start(text, length, whole)) text.remove_prefix(*start);
  at_ = buffer_.size();
  seen_ = 0;
  text = text.substr(0, longest_);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == '\0'))
    text.remove_suffix(1);
  if (text.empty()) return std::nullopt;
  return text;
}

}  // namespace mamori::formats
