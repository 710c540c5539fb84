// A segment: up to 64 blocks in one file that only grows (NUMBER.seg), a copy of the block headers beside it (.headers: opening reads
// only these, and a damaged header is mended from it), the filters of its blocks while it grows (.blooms) and turned round when it is
// full (.filter). NUMBER is the first leaf.
#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>

#include "archive/embedded/block.h"
#include "archive/embedded/filter.h"
#include "archive/stream.h"

namespace mamori::archive {

// Threads: append() by one at a time; everything else is for many, beside it, on what was there when blocks() was asked for.
class Segment {
 public:
  // A new, empty one.
  static Result<std::shared_ptr<Segment>> make(const std::filesystem::path& folder, LeafIndex first, Disk& disk);
  // What is on disk. A block that was being written when the power went is cut off.
  // `grows`: it is the last one, and whoever opens it will write to it; otherwise nothing on disk is touched.
  enum class Use { grows, reads };
  static Result<std::shared_ptr<Segment>> open(const std::filesystem::path& folder, LeafIndex first, Use use, bool last, Disk& disk, std::vector<Damage>& damage);

  LeafIndex first() const { return first_; }
  LeafIndex end() const;
  bool full() const;
  // Durable when it returns, or, for `later`, after sync(). Requires: built follows end(); not full().
  enum class Durable { now, later };
  Status append(BuiltBlock& built, Durable durable);
  Status sync();
  // As they are now, oldest first. Their hashes are let go by forget_hashes(), when the tree has them.
  std::vector<std::shared_ptr<const Header>> blocks() const;
  void forget_hashes();
  Result<BlockSet> find(WordHash word) const;
  const ReadFile& file() const { return *read_; }
  std::uint64_t bytes_on_disk() const;
  Status remove();
  // The filter's pages against their checks.
  Status check_filter() const;

 private:
  Segment(std::filesystem::path base, LeafIndex first, Disk& disk) : base_(std::move(base)), first_(first), disk_(disk) {}
  std::filesystem::path path(const char* ending) const;
  Status finish();
  Status load_filter(Use use, std::vector<Damage>& damage);

  std::filesystem::path base_;
  LeafIndex first_;
  Disk& disk_;
  mutable std::shared_mutex mutex_;  // guards blocks_ and the filters
  std::vector<std::shared_ptr<Header>> blocks_;
  std::optional<GrowingFile> write_, headers_, blooms_;
  std::optional<ReadFile> read_;
  bool unsynced_ = false;
  std::optional<Filter> open_filter_;
  std::optional<FilterFile> filter_;
};

}  // namespace mamori::archive
