// A block: some thousand events, compressed column by column, with the hashes of its part of the tree. docs/formats/archive.md.
#pragma once

#include <vector>

#include "archive/embedded/columns.h"
#include "archive/embedded/disk.h"
#include "archive/event.h"

namespace mamori::archive {

constexpr std::size_t kBlockEvents = 16384;
constexpr std::size_t kBlockBytes = std::size_t{8} << 20;  // of raw bytes

enum class Section { shapes, variables, received, time, fields };  // `fields` is the first of kFieldCount
constexpr std::size_t kSections = static_cast<std::size_t>(Section::fields) + kFieldCount;
inline std::size_t section_of(Field field) { return static_cast<std::size_t>(Section::fields) + static_cast<std::size_t>(field); }

struct SectionPlace {
  std::uint64_t at = 0;    // in the file
  std::uint64_t size = 0;  // compressed; 0 = every value is empty
  std::uint64_t full = 0;  // uncompressed
  std::uint64_t check = 0; // of the compressed bytes
};

struct BlockInfo {
  LeafIndex first = 0;
  std::size_t count = 0;
  std::uint64_t raw_bytes = 0;
  std::uint64_t length = 0;         // of the whole block in the file
  Instant first_time, last_time;    // earliest and latest
  Instant first_received, last_received;
  std::array<SectionPlace, kSections> sections = {};
  std::uint64_t header_at = 0, header_size = 0;  // in the file
};

// The block's part of the tree: leaves up to the first chunk border, roots of whole chunks, leaves after the last.
struct BlockHashes {
  std::vector<Hash> before, chunks, after;
};

struct BuiltBlock {
  BlockInfo info;                  // all but the places in a file
  std::string sections;            // compressed, one after the other
  std::vector<Hash> leaves;
  std::vector<WordHash> words;     // distinct index words
};
// Requires: 1 … kBlockEvents events. `leaves` are their leaf_hashes(). The costly part; any thread.
BuiltBlock build_block(std::span<const Event> events, std::vector<Hash> leaves, int level);
// The header in front of the sections, once it is known where in the stream and in the file the block stands; completes built.info.
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

// One field of a block: distinct values and, by event, which.
struct FieldColumn {
  std::vector<std::string> values;
  std::vector<std::uint16_t> codes;
  std::string_view of(std::size_t event) const { return values[codes[event]]; }
};

// Reads what is asked for, checks it. Errors: archive.block.damaged (facts: file, first, last), archive.disk.*.
class BlockReader {
 public:
  BlockReader(const ReadFile& file, const BlockInfo& info) : file_(file), info_(info) {}
  const BlockInfo& info() const { return info_; }
  // The header again, as it stands in the file now.
  Result<Header> header() const;
  Result<std::vector<Instant>> received() const;
  Result<std::vector<Instant>> times(std::span<const Instant> received) const;
  Result<FieldColumn> field(Field field) const;
  Result<detail::Text> text() const;
  // Everything, in order. `arena` holds what the events point to.
  Result<std::vector<Event>> events(Arena& arena) const;

 private:
  Result<std::string> section(std::size_t number) const;
  Error damaged() const;

  const ReadFile& file_;
  const BlockInfo& info_;
};

}  // namespace mamori::archive
