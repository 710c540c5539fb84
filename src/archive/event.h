// One event as the archive keeps it: the raw bytes exactly as they came, when and from which source, and
// beside them a normalised view. The archive does not know what the fields mean; formats/ and logs/ fill
// them.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "proof/merkle.h"

namespace mamori::archive {

using namespace proof;  // leaves, trees, heads: what a stream is proven by

// The order is part of the format (docs/formats/archive.md): new ones go to the end.
enum class Field { source, kind, host, user, action, object, patient, purpose, outcome, address, severity };
inline constexpr std::array kFields = {Field::source,  Field::kind,    Field::host,    Field::user,
                                       Field::action,  Field::object,  Field::patient, Field::purpose,
                                       Field::outcome, Field::address, Field::severity};
constexpr std::size_t kFieldCount = kFields.size();
std::string_view name_of(Field field);
std::optional<Field> parse_field(std::string_view name);

constexpr std::size_t kLongestRaw = std::size_t{1} << 20;
constexpr std::size_t kLongestField = 1024;  // longer values are cut in the view, never in the raw bytes

// Everything it points to lives in the batch (or the decoded block) it came with.
struct Event {
  Instant time;  // when it happened, as the sender says; the time of receipt where it does not
  Instant received;
  std::string_view raw;
  std::array<std::string_view, kFieldCount> fields = {};

  std::string_view& operator[](Field field) { return fields[static_cast<std::size_t>(field)]; }
  std::string_view operator[](Field field) const { return fields[static_cast<std::size_t>(field)]; }
};

// What the Merkle leaf of an event is made of: format byte 1, time of receipt (8 bytes, big endian,
// milliseconds since 1970), length of the source (2 bytes, big endian), source, raw bytes. Whoever has an
// exported event can make its leaf again.
std::string leaf_of(Instant received, std::string_view source, std::string_view raw);
inline std::string leaf_of(const Event& event) {
  return leaf_of(event.received, event[Field::source], event.raw);
}
std::vector<Hash> leaf_hashes(std::span<const Event> events);

// Memory that goes all at once; what is put in keeps its address.
class Arena {
 public:
  std::string_view keep(std::string_view bytes);
  char* space(std::size_t count);
  std::size_t size() const { return size_; }
  void clear();

 private:
  std::vector<std::unique_ptr<char[]>> pages_;
  std::size_t left_ = 0, size_ = 0, page_ = 0;
  char* next_ = nullptr;
};

// Events on their way in.
struct Batch {
  Arena arena;
  std::vector<Event> events;
};

}  // namespace mamori::archive
