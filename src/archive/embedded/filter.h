// Which of up to 64 blocks may hold a word: a Bloom filter for each block, stored turned round, so that one
// read answers for all blocks at once. It errs on one side only: a block that holds the word is never left
// out.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "archive/words.h"
#include "os/file.h"

namespace mamori::archive {

using BlockSet = std::uint64_t;  // bit i: block i of the segment
constexpr std::size_t kSegmentBlocks = 64;

class Filter {
 public:
  // Big enough for blocks of `words` distinct words: about one wrong block in 700.
  static std::size_t positions_for(std::size_t words);
  explicit Filter(std::size_t positions) : rows_(positions) {}

  std::size_t positions() const { return rows_.size(); }
  void add(std::size_t block, std::span<const WordHash> words);
  BlockSet find(WordHash word) const;
  void set_column(std::size_t block, std::string_view bits);
  std::string to_bytes() const;

 private:
  std::vector<BlockSet> rows_;
};

// The filters of the blocks of a segment that grows. They lie in its .blooms file, each bound to its block,
// and are read there; one that could not be written stays in memory. Threads: guard it like any value.
class OpenFilter {
 public:
  // `writes`: whether the file may be written.
  OpenFilter(std::filesystem::path file, bool writes, os::Disk& disk)
      : path_(std::move(file)), writes_(writes), disk_(disk) {}
  std::size_t blocks() const { return columns_.size(); }
  // Takes what the file holds for blocks whose headers have these checks, as far as it fits; the rest is to
  // be added.
  void load(std::span<const std::uint64_t> checks);
  // Of the next block, in two steps: made and written, by one at a time beside find(); then taken in. Never
  // fails: at worst its bits stay in memory.
  struct Column {
    std::size_t positions = 0;
    std::uint64_t at = 0;  // of its bits in the file; 0: they are here
    std::string bits;
  };
  Column make(std::span<const WordHash> words, std::uint64_t check);
  Column anything() const;  // of a block whose words are not known: it may hold every one
  void add(Column column);
  Result<BlockSet> find(WordHash word) const;
  // All of them, turned round.
  Result<Filter> turned() const;

 private:
  std::filesystem::path path_;
  bool writes_;
  os::Disk& disk_;
  std::size_t positions_ = 0;
  std::uint64_t end_ = 0;  // of what is good in the file
  std::vector<Column> columns_;
  std::optional<os::ReadFile> read_;
};

// The filter of a finished segment, read from its file as it is needed. A page that does not match its check
// answers "maybe" for all blocks and is named by check().
class FilterFile {
 public:
  // `of`: what it must have been made for. Error: archive.filter.damaged (fact: file).
  static Result<FilterFile> open(const std::filesystem::path& file, std::uint64_t of, os::Disk& disk);
  Result<BlockSet> find(WordHash word) const;
  Status check() const;
  void pin() const { file_.pin(); }

 private:
  FilterFile(os::ReadFile file, std::size_t start, std::size_t positions, std::vector<std::uint32_t> checks)
      : file_(std::move(file)), start_(start), positions_(positions), checks_(std::move(checks)) {}
  Result<os::Bytes> page(std::size_t number) const;
  os::ReadFile file_;
  std::size_t start_;  // of the pages
  std::size_t positions_;
  std::vector<std::uint32_t> checks_;
};
// The bytes of a FilterFile; `of`: what it is made for.
std::string filter_file(const Filter& filter, std::uint64_t of);

}  // namespace mamori::archive
