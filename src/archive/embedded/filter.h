// Which of up to 64 blocks may hold a word: a Bloom filter for each block, stored turned round, so that one read answers for all
// blocks at once. It errs on one side only: a block that holds the word is never left out.
#pragma once

#include <span>
#include <vector>

#include "archive/embedded/disk.h"
#include "archive/words.h"

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
  // Of one block: its bits, and back.
  std::string column(std::size_t block) const;
  void set_column(std::size_t block, std::string_view bits);
  std::string to_bytes() const;

 private:
  std::vector<BlockSet> rows_;
};

// The filter of a finished segment, read from its file as it is needed. A page that does not match its check answers "maybe" for all
// blocks and is named by check().
class FilterFile {
 public:
  // Error: archive.filter.damaged (fact: file).
  static Result<FilterFile> open(const std::filesystem::path& file);
  Result<BlockSet> find(WordHash word) const;
  Status check() const;

 private:
  FilterFile(ReadFile file, std::size_t positions, std::vector<std::uint32_t> checks) : file_(std::move(file)), positions_(positions), checks_(std::move(checks)) {}
  Result<Bytes> page(std::size_t number) const;
  ReadFile file_;
  std::size_t positions_;
  std::vector<std::uint32_t> checks_;
};
// The bytes of a FilterFile.
std::string filter_file(const Filter& filter);

}  // namespace mamori::archive
