// The embedded engine's stream: files in one folder. On disk: docs/formats/archive.md.
#pragma once

#include <atomic>
#include <deque>
#include <map>

#include "archive/embedded/log.h"
#include "archive/embedded/segment.h"
#include "archive/embedded/workers.h"
#include "archive/stream.h"
#include "base/mutex.h"

namespace mamori::archive {

struct StreamOptions {
  int level = 3;                      // of zstd
  std::size_t events = kBlockEvents;  // of a block, at most kBlockEvents
  std::size_t bytes = kBlockBytes;
  std::size_t backlog = 6;               // blocks being built before append() waits
  std::size_t segment = kSegmentBlocks;  // blocks of a segment, at most kSegmentBlocks
  bool read_only = false;  // beside the process that writes: nothing on disk is touched, append() refuses
};

// One batch as it came; never changes.
struct Record {
  LeafIndex first = 0;
  std::string bytes;             // of the log, which the events point into; or
  std::shared_ptr<Batch> batch;  // of an import
  std::vector<Event> events;
  std::vector<Hash> leaves;
};

// What there is at one moment, for reading; stays readable while the stream goes on.
struct Snapshot {
  std::vector<std::shared_ptr<Segment>> segments;
  std::vector<std::shared_ptr<const Blocks>> blocks;   // of each segment
  std::vector<std::shared_ptr<const Record>> records;  // not yet in blocks, oldest first
  TreeView tree;
  LeafIndex first = 0;  // oldest event still kept
  TreeSize size = 0;
};

// How it keeps what it acknowledged, whatever fails: docs/reliability.md. What it is given outlives it.
class EmbeddedStream : public Stream {
 public:
  // Opens or creates the stream in `folder`. What a crash left of events that nobody was told are kept is put
  // aside; every event whose append() returned well is still there. Errors: archive.stream.newer (a later
  // format), os.disk.*. Damage found is in damage().
  static Result<std::unique_ptr<EmbeddedStream>> open(const std::filesystem::path& folder, std::string origin,
                                                      const SigningKey& key, const Clock& clock,
                                                      os::Disk& disk, Workers& workers,
                                                      const StreamOptions& options = {});
  ~EmbeddedStream() override;

  bool writes() const override { return !options_.read_only; }
  // One sync for the batch, shared with whoever appends at the same time. Acknowledged means: it and
  // everything before it is durable. A batch that had its place and could not be made durable keeps it: the
  // same batch offered again is not there twice.
  Result<LeafRange> append(std::span<const Event> events) override;
  // Straight into a block, without the log. At most options.events events. A crash before settle() takes back
  // all blocks since the last.
  Status append_block(std::shared_ptr<Batch> batch) override;
  Status settle() override;
  // Puts what is in the log into a block now, however small.
  Status seal();

  Snapshot snapshot() const;
  TreeSize size() const override;
  LeafIndex first() const override;
  const std::string& origin() const override { return origin_; }
  std::uint64_t bytes_on_disk() const override;
  std::uint64_t raw_bytes() const override;
  std::size_t waiting() const override;  // events in the log, not yet in a block
  std::vector<Damage> damage() const override;

  Result<Kept> event(LeafIndex index) const override;
  Status each_match(const Query& query, Instant from, Instant to, LeafIndex start,
                    const std::function<Result<bool>(LeafIndex, const Event&)>& take) const override;
  Result<Hash> root_at(TreeSize size) const override;
  Result<std::vector<Hash>> inclusion(LeafIndex index, TreeSize size) const override;
  Result<std::vector<Hash>> consistency(TreeSize size1, TreeSize size2) const override;
  Result<std::vector<Hash>> inclusion_of_all(std::span<const LeafIndex> indices,
                                             TreeSize size) const override;

  Result<Head> publish_head() override;
  std::vector<Head> heads() const override;
  // Whole segments.
  Result<std::uint64_t> retain(const Retention& retention) override;
  Result<Verified> verify(const std::function<void(const Damage&)>& report,
                          const std::function<bool(std::uint64_t)>& progress = {}) const override;

 private:
  struct Part {  // a block to come
    LeafIndex first = 0;
    std::size_t count = 0, bytes = 0;
    std::vector<std::shared_ptr<const Record>> records;
    bool bulk = false;  // of an import: no log holds it
    std::optional<os::GrowingFile> log;
    std::filesystem::path log_path;
    std::size_t synced = 0;  // events that the log holds for good; guarded by sync_
    bool log_lost = false;   // a sync of it failed: only the block makes it durable; guarded by sync_
    bool frozen = false, written = false;  // it takes no more events; it is in its block
    std::optional<BuiltBlock> built;
  };

  EmbeddedStream(std::filesystem::path folder, std::string origin, const SigningKey& key, const Clock& clock,
                 os::Disk& disk, Workers& workers, const StreamOptions& options)
      : folder_(std::move(folder)),
        origin_(std::move(origin)),
        key_(key),
        clock_(clock),
        disk_(disk),
        workers_(workers),
        options_(options) {}
  std::filesystem::path file_of(LeafIndex first, const char* ending) const;

  // --- opening (opening.cpp): nobody else has the stream yet, so that no lock is taken
  Status load() NO_THREAD_SAFETY_ANALYSIS;
  Status load_format() NO_THREAD_SAFETY_ANALYSIS;
  Status load_kept() NO_THREAD_SAFETY_ANALYSIS;
  Result<Nodes> kept_of_version_1(std::string_view in);
  struct FoundLog {
    LeafIndex number = 0;
    LogFile log;
    bool as_is = false;  // it says where its events stand, and they stand there
  };
  Status load_heads() NO_THREAD_SAFETY_ANALYSIS;
  Status load_importing(const std::vector<FoundLog>& logs) NO_THREAD_SAFETY_ANALYSIS;
  Result<std::vector<FoundLog>> read_logs(const std::vector<std::string>& names);
  Status load_segments(const std::vector<std::string>& names,
                       const std::vector<FoundLog>& logs) NO_THREAD_SAFETY_ANALYSIS;
  Status load_logs(std::vector<FoundLog> logs) NO_THREAD_SAFETY_ANALYSIS;
  Status remove_at_start(const std::filesystem::path& file) NO_THREAD_SAFETY_ANALYSIS;
  TreeSize signed_size() const NO_THREAD_SAFETY_ANALYSIS;
  void pad(TreeSize to) NO_THREAD_SAFETY_ANALYSIS;
  Status add_segment(const std::shared_ptr<Segment>& segment) NO_THREAD_SAFETY_ANALYSIS;
  void keep_places(Damage& tail, const std::vector<FoundLog>& logs) NO_THREAD_SAFETY_ANALYSIS;
  std::optional<LeafIndex> damaged_tail() const NO_THREAD_SAFETY_ANALYSIS;

  // --- writing (writer.cpp)
  Status wait_for_room(bool for_bulk) REQUIRES(mutex_);
  Result<std::shared_ptr<Part>> growing_part() REQUIRES(order_);
  void close_growing() REQUIRES(order_, mutex_);
  void freeze(const std::shared_ptr<Part>& part) REQUIRES(mutex_);  // then hand_out()
  void hand_out();
  void build(const std::shared_ptr<Part>& part);
  void write_built();
  Status write_block(Part& part) REQUIRES(write_);
  // Everything before leaf `up_to` is durable when it returns well.
  Status make_durable(TreeSize up_to);
  Status wait_written(const Part& part);
  std::shared_ptr<const Record> refused_before(std::string_view record);
  Result<LeafRange> acknowledge(std::shared_ptr<const Record> record);
  Status sync_blocks();
  Status sync_names();
  Status promise_nothing_from(LeafIndex first) REQUIRES(write_);

  // --- reading, retention (reader.cpp, retention.cpp)
  Result<Nodes> nodes_to_keep(const TreeView& tree, TreeSize first, const TreeView::Leaves& leaves) const;
  Result<Nodes> keep_for_proofs(LeafIndex up_to);
  // The hashes of leaves, from what `now` shows; the block that was read last is kept.
  TreeView::Leaves leaves_of(std::shared_ptr<const Snapshot> now) const;

  const std::filesystem::path folder_;
  const std::string origin_;
  const SigningKey& key_;
  const Clock& clock_;
  os::Disk& disk_;
  Workers& workers_;
  const StreamOptions options_;

  // Taken in this order, and none while waiting for a lock above it.
  Mutex retain_;         // who lets go of segments
  Mutex publish_;        // who signs
  Mutex sync_;           // who makes durable
  Mutex order_;          // who appends; held while the log is written
  Mutex write_;          // who writes segments
  mutable Mutex mutex_;  // guards what is there
  CondVar changed_;
  Tree tree_ GUARDED_BY(mutex_);
  TreeSize size_ GUARDED_BY(mutex_) = 0;
  LeafIndex first_ GUARDED_BY(mutex_) = 0;
  TreeSize durable_ GUARDED_BY(mutex_) = 0;  // leaves that are on the disk for good
  std::vector<std::shared_ptr<Segment>> segments_ GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Part>> parts_ GUARDED_BY(mutex_);      // oldest first; the last one grows
  std::vector<std::shared_ptr<Part>> to_build_ GUARDED_BY(mutex_);  // frozen, not yet handed to the workers
  std::vector<Head> heads_ GUARDED_BY(mutex_);
  std::vector<Damage> damage_ GUARDED_BY(mutex_);
  std::size_t tasks_ GUARDED_BY(mutex_) = 0;  // handed to the workers, or about to be
  // Parts not yet in a block; those of them that no log holds.
  std::size_t frozen_ GUARDED_BY(mutex_) = 0, bulk_ GUARDED_BY(mutex_) = 0;
  std::optional<Error> failed_ GUARDED_BY(mutex_);   // why the last block could not be written
  bool blocks_unsynced_ GUARDED_BY(mutex_) = false;  // segments hold blocks that are not durable
  // Names in the folder that a crash may have left unsynced.
  bool names_unsynced_ GUARDED_BY(mutex_) = false;
  TreeSize found_ GUARDED_BY(mutex_) = 0;  // leaves that were there when it was opened
  // Leaves of the newest head that was there then and is really ours.
  TreeSize signed_ GUARDED_BY(mutex_) = 0;
  // Have a place, and whoever sent them was told that they are not kept.
  std::deque<std::shared_ptr<const Record>> refused_ GUARDED_BY(mutex_);
  // Why nothing more is taken until it is opened anew.
  std::optional<Error> given_up_ GUARDED_BY(mutex_);

  // What begins here or behind was promised to nobody, says the file "importing".
  std::optional<LeafIndex> importing_ GUARDED_BY(write_);
  // The last write of that file failed: what it says is not known.
  bool mark_unsure_ GUARDED_BY(write_) = false;
  bool heads_durable_ GUARDED_BY(publish_) = false;   // those that were there at the start too
  bool names_as_found_ = true;                        // while it is opened: nothing was removed yet
  std::uint64_t heads_end_ GUARDED_BY(publish_) = 0;  // of the good part of the file of heads
};

}  // namespace mamori::archive
