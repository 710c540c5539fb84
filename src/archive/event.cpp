#include "archive/event.h"

#include <algorithm>
#include <cstring>

namespace mamori::archive {

std::string_view name_of(Field field) {
  switch (field) {
    case Field::source: return "source";
    case Field::kind: return "kind";
    case Field::host: return "host";
    case Field::user: return "user";
    case Field::action: return "action";
    case Field::object: return "object";
    case Field::patient: return "patient";
    case Field::purpose: return "purpose";
    case Field::outcome: return "outcome";
    case Field::address: return "address";
    case Field::severity: return "severity";
  }
  MAMORI_UNREACHABLE();
}

std::optional<Field> parse_field(std::string_view name) {
  for (const auto field : kFields)
    if (name_of(field) == name) return field;
  return std::nullopt;
}

std::string leaf_of(Instant received, std::string_view source, std::string_view raw) {
  std::string leaf(1 + 8 + 2, '\1');
  const auto millis = static_cast<std::uint64_t>(to_millis(received));
  for (std::size_t i = 0; i < 8; ++i) leaf[1 + i] = static_cast<char>(millis >> (56 - 8 * i));
  leaf[9] = static_cast<char>(source.size() >> 8);
  leaf[10] = static_cast<char>(source.size());
  leaf += source;
  leaf += raw;
  return leaf;
}

std::vector<Hash> leaf_hashes(std::span<const Event> events) {
  constexpr std::size_t kAtOnce = 256;
  std::vector<Hash> out(events.size());
  std::vector<std::string_view> views;
  std::string bytes;
  for (std::size_t first = 0; first < events.size(); first += kAtOnce) {
    const auto some = events.subspan(first, std::min(kAtOnce, events.size() - first));
    std::size_t total = 0;
    for (const auto& event : some) total += 11 + event[Field::source].size() + event.raw.size();
    if (bytes.size() < total) bytes.resize(total);
    views.clear();
    char* at = bytes.data();
    for (const auto& event : some) {
      char* const start = at;
      const auto millis = static_cast<std::uint64_t>(to_millis(event.received));
      const auto source = event[Field::source];
      *at++ = 1;
      for (int i = 0; i < 8; ++i) *at++ = static_cast<char>(millis >> (56 - 8 * i));
      *at++ = static_cast<char>(source.size() >> 8);
      *at++ = static_cast<char>(source.size());
      at = std::copy(source.begin(), source.end(), at);
      if (!event.raw.empty()) std::memcpy(at, event.raw.data(), event.raw.size());
      at += event.raw.size();
      views.emplace_back(start, static_cast<std::size_t>(at - start));
    }
    hash_leaves(views, std::span(out).subspan(first, some.size()));
  }
  return out;
}

std::string_view Arena::keep(std::string_view bytes) {
  if (bytes.empty()) return {};
  char* const to = space(bytes.size());
  std::memcpy(to, bytes.data(), bytes.size());
  return {to, bytes.size()};
}

char* Arena::space(std::size_t count) {
  if (count > left_) {
    page_ = std::clamp<std::size_t>(page_ * 2, 64u << 10, 4u << 20);
    const auto size = std::max(page_, count);
    pages_.push_back(std::unique_ptr<char[]>(new char[size]));
    next_ = pages_.back().get();
    left_ = size;
    size_ += size;
  }
  char* const out = next_;
  next_ += count;
  left_ -= count;
  return out;
}

void Arena::clear() {
  pages_.clear();
  left_ = size_ = page_ = 0;
  next_ = nullptr;
}

}  // namespace mamori::archive
