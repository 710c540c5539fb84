// A segment: up to 64 blocks in one file that only grows (NUMBER.seg; NUMBER is the first leaf). Everything
// beside it is made from it and can be made again: the filters of its blocks while it grows (.blooms), turned
// round when it is finished (.filter); and the headers of its blocks (.headers), from which a finished
// segment is opened and a damaged header mended, and which is never believed over the segment.
// docs/formats/archive.md.
#pragma once

#include <memory>
#include <optional>

#include "archive/embedded/block.h"
#include "archive/embedded/filter.h"
#include "archive/stream.h"
#include "base/mutex.h"

namespace mamori::archive {

using Blocks = std::vector<std::shared_ptr<const Header>>;

// Threads: append(), sync(), finish() by one at a time; everything else is for many, beside it, on what was
// there when blocks() was asked for.
class Segment {
 public:
  struct Place {
    std::filesystem::path folder;
    LeafIndex first = 0;
    std::size_t blocks = kSegmentBlocks;  // when it is full
  };
  // A new, empty one; its name is durable when it returns.
  static Result<std::shared_ptr<Segment>> make(const Place& place, os::Disk& disk);
  enum class Use {
    reads,   // nothing on disk is touched
    closed,  // it is finished where it is not, and not written to
    grows,   // what is behind its last whole block is cut off
  };
  struct Opening {
    Use use = Use::reads;
    LeafIndex cut = std::numeric_limits<LeafIndex>::max();  // blocks that begin here or behind nobody was
                                                            // told are kept: they go
    // Whether somebody was writing a block that begins there: a log goes only when its block is durable. One
    // that was cut off in the middle goes, and is made of the log again, which holds whatever of it was
    // acknowledged. What else stands behind the last whole block is damage.
    std::function<bool(LeafIndex)> unfinished = [](LeafIndex) { return false; };
  };
  // What is on disk; none where it holds nothing that can be read, and was put aside.
  static Result<std::shared_ptr<Segment>> open(const Place& place, const Opening& opening, os::Disk& disk,
                                               std::vector<Damage>& damage);
  // All files of the segment `first` that stand in `folder`, and their names for good.
  static Status remove(const std::filesystem::path& folder, LeafIndex first, os::Disk& disk);

  LeafIndex first() const { return place_.first; }
  LeafIndex end() const;
  bool full() const;
  bool grows() const { return write_.has_value() && !full(); }
  // Durable when it returns well, or, for `later`, after sync(). On failure the block is not in it. Requires:
  // built follows end(); grows().
  enum class Durable { now, later };
  Status append(BuiltBlock& built, Durable durable);
  // After a failed one, what was written since the last good one is checked and written again. Error:
  // archive.block.damaged where it cannot be read any more.
  Status sync();
  bool unsynced() const { return write_ && synced_ < write_->size(); }
  // Bookkeeping when no block follows: the filter goes to its file, the headers are sealed. What fails can be
  // tried again, and is made good at the next start at the latest; until then everything works as before.
  Status finish();

  // As they are now, oldest first.
  std::shared_ptr<const Blocks> blocks() const;
  // Of each of them, as they were when it was opened; once, for the tree.
  std::vector<BlockHashes> take_hashes() { return std::move(hashes_); }
  Result<BlockSet> find(WordHash word) const;
  const os::ReadFile& file() const { return *read_; }
  // Its files stay readable for those who have it, also when they are removed.
  void pin() const;
  std::uint64_t bytes_on_disk() const;
  // The filter's pages against their checks.
  Status check_filter() const;

 private:
  Segment(const Place& place, os::Disk& disk, bool writes);
  std::filesystem::path path(const char* ending) const;
  // While it is opened nobody else has it, so that no lock is taken.
  bool open_sealed(std::uint64_t size) NO_THREAD_SAFETY_ANALYSIS;
  Result<std::uint64_t> walk(std::uint64_t size, const Opening& opening, std::vector<Damage>& damage);
  void take(Header header);
  Status load_filter(Use use, std::vector<Damage>& damage) NO_THREAD_SAFETY_ANALYSIS;
  std::uint64_t identity() const;
  std::string sealed_headers() const;
  Result<std::string> copy_of_headers() const;
  void mend_copy(std::string_view copy);

  const Place place_;
  os::Disk& disk_;
  const bool writes_;
  mutable SharedMutex mutex_;
  std::shared_ptr<const Blocks> blocks_ GUARDED_BY(mutex_) = std::make_shared<Blocks>();
  std::optional<OpenFilter> open_filter_ GUARDED_BY(mutex_);
  std::optional<FilterFile> filter_ GUARDED_BY(mutex_);
  std::vector<BlockHashes> hashes_;
  std::optional<os::ReadFile> read_;
  // Of who writes.
  std::optional<os::GrowingFile> write_;
  std::uint64_t synced_ = 0;       // bytes of it that are durable
  bool suspect_ = false;           // a sync failed: what follows synced_ must be written again
  std::uint64_t headers_end_ = 0;  // of the copy
};

}  // namespace mamori::archive
