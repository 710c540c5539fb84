// A block: some thousand events, compressed column by column, with the hashes of its part of the tree.
// docs/formats/archive.md.
#pragma once

#include <algorithm>
#include <vector>

#include "archive/embedded/columns.h"
#include "archive/event.h"
#include "os/file.h"

namespace mamori::archive {

constexpr std::size_t kBlockEvents = 16384;
constexpr std::size_t kBlockBytes = std::size_t{8} << 20;  // of raw bytes

enum class Section {
  shapes,
  variables,
  received,
  time,
  values,
  codes = values + kFieldCount,
  marks = codes + kFieldCount
};  // values, codes: the first of kFieldCount
constexpr std::size_t kSections = static_cast<std::size_t>(Section::marks) + 1;
constexpr std::size_t kSections1 =
    static_cast<std::size_t>(Section::codes);  // of version 1, whose values are followed by their codes
inline std::size_t section_of(Section first, Field field) {
  return static_cast<std::size_t>(first) + static_cast<std::size_t>(field);
}

struct SectionPlace {
  std::uint64_t at = 0;     // in the file
  std::uint64_t size = 0;   // compressed; 0 = every value is empty
  std::uint64_t full = 0;   // uncompressed
  std::uint64_t check = 0;  // of the compressed bytes
};

struct BlockInfo {
  LeafIndex first = 0;
  std::size_t count = 0;
  std::uint64_t raw_bytes = 0;
  std::uint64_t length = 0;       // of the whole block in the file
  Instant first_time, last_time;  // earliest and latest
  Instant first_received, last_received;
  std::array<SectionPlace, kSections> sections = {};
  bool counted = true;  // not in version 1: values with counts, codes in a section of their own, marks
  std::uint64_t header_at = 0, header_size = 0;  // in the file
  std::uint64_t check = 0;  // of the header: what else is made of this block is bound to it
};

// The block's part of the tree: leaves up to the first chunk border, roots of whole chunks, leaves after the
// last.
struct BlockHashes {
  std::vector<Hash> before, chunks, after;
};

struct BuiltBlock {
  BlockInfo info;        // all but the places in a file
  std::string sections;  // compressed, one after the other
  std::vector<Hash> leaves;
  std::vector<WordHash> words;  // distinct index words
};
// Requires: 1 … kBlockEvents events. `leaves` are their leaf_hashes(). The costly part; any thread.
BuiltBlock build_block(std::span<const Event> events, std::vector<Hash> leaves, int level);
// The header in front of the sections, once it is known where in the stream and in the file the block stands;
// completes built.info.
std::string make_header(BuiltBlock& built, LeafIndex first, std::uint64_t at);

constexpr std::size_t kHeaderStart = 24;  // magic, length, check
// How long the header is whose first kHeaderStart bytes are these. Error: archive.block.damaged.
Result<std::size_t> header_length(std::string_view start);
struct Header {
  BlockInfo info;
  BlockHashes hashes;
};
// `at`: where in the file the header begins. Error: archive.block.damaged.
Result<Header> parse_header(std::string_view bytes, std::uint64_t at);

// The distinct values of a field in a block, and how many events have each.
struct FieldValues {
  std::vector<std::string_view> values;
  std::vector<std::uint32_t> counts;
  os::Bytes bytes;  // what the values point to
};

// Which of them each event has. A code beyond the values is read as the last one: whoever reads all events
// (BlockReader::events) notices by the counts.
class FieldCodes {
 public:
  FieldCodes() = default;  // every event has the first
  // `codes`, in `bytes`: a low byte of each event, then, where there are as many again, a high byte of each.
  FieldCodes(os::Bytes bytes, std::string_view codes, std::size_t events, std::size_t values)
      : bytes_(std::move(bytes)),
        low_(codes.data()),
        high_(codes.size() > events ? codes.data() + events : nullptr),
        last_(values - 1) {}
  std::size_t operator[](std::size_t event) const {
    if (low_ == nullptr) return 0;
    std::size_t code = static_cast<unsigned char>(low_[event]);
    if (high_ != nullptr) code |= static_cast<std::size_t>(static_cast<unsigned char>(high_[event])) << 8;
    return std::min(code, last_);
  }

 private:
  os::Bytes bytes_;
  const char* low_ = nullptr;
  const char* high_ = nullptr;
  std::size_t last_ = 0;
};

// Reads what is asked for, checks it. Errors: archive.block.damaged (facts: file, first, last), os.disk.*.
class BlockReader {
 public:
  BlockReader(const os::ReadFile& file, const BlockInfo& info) : file_(file), info_(info) {}
  const BlockInfo& info() const { return info_; }
  // The header again, as it stands in the file now.
  Result<Header> header() const;
  // Whether header and sections stand in the file as they were written.
  Status whole() const;
  Status sections_whole() const;
  Result<std::vector<Instant>> received() const;
  Result<std::vector<Instant>> times(std::span<const Instant> received) const;
  Result<FieldValues> values(Field field) const;
  Result<FieldCodes> codes(Field field, const FieldValues& values) const;
  // The first byte of each event's leaf hash: where a chunk's root does not fit, they tell which event it is.
  // Empty in version 1.
  Result<os::Bytes> marks() const;
  Result<detail::Text> text() const;
  // Everything, in order. `arena` holds what the events point to.
  Result<std::vector<Event>> events(Arena& arena) const;

 private:
  Result<os::Bytes> section(std::size_t number) const;
  // Takes a field's values off the front of `in`.
  Status take_values(std::string_view& in, FieldValues& out) const;
  Error damaged() const;

  const os::ReadFile& file_;
  const BlockInfo& info_;
};

}  // namespace mamori::archive
