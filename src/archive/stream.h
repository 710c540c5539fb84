// A stream of events that can only grow. Each event is a leaf of the stream's Merkle tree, so that a reader can prove that nothing was
// altered, removed or slipped in. On disk: docs/formats/archive.md.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "archive/head.h"
#include "archive/log.h"
#include "archive/segment.h"
#include "archive/workers.h"

namespace mamori::archive {

struct LeafRange {
  LeafIndex first = 0;
  std::size_t count = 0;
};

// How long events are kept. 0 = without limit.
struct Retention {
  std::chrono::hours age{0};
  std::uint64_t bytes = 0;
};

struct StreamOptions {
  int level = 3;                              // of zstd
  std::size_t events = kBlockEvents;          // of a block, at most kBlockEvents
  std::size_t bytes = kBlockBytes;
  std::size_t backlog = 6;                    // blocks being built before append() waits
  bool read_only = false;                     // beside the process that writes: nothing on disk is touched, append() refuses
};

// One batch as it came; never changes.
struct Record {
  LeafIndex first = 0;
  std::string bytes;                          // of the log; or
  std::shared_ptr<Batch> batch;               // of an import
  std::vector<Event> events;
  std::vector<Hash> leaves;
};

// What there is at one moment, for reading; stays readable while the stream goes on.
struct Snapshot {
  std::vector<std::shared_ptr<Segment>> segments;
  std::vector<std::vector<std::shared_ptr<const Header>>> blocks;  // of each segment
  std::vector<std::shared_ptr<const Record>> records;              // not yet in blocks, oldest first
  LeafIndex first = 0;                                             // oldest event still kept
  TreeSize size = 0;
};

struct Verified {
  TreeSize size = 0;
  std::uint64_t events = 0, bytes = 0;         // read and hashed
  std::size_t heads = 0;                       // signed heads that fit
  Hash root{};
};

// Threads: everything may be called from several; readers never wait for append(). What it is given outlives it.
class Stream {
 public:
  // Opens or creates the stream in `folder`. A torn tail left by a crash is cut off: every event whose append() returned is still there.
  // Errors: archive.stream.newer (a later format), archive.disk.*. Damage found is in damage().
  static Result<std::unique_ptr<Stream>> open(const std::filesystem::path& folder, std::string origin, const SigningKey& key, const Clock& clock, Disk& disk, Workers& workers, const StreamOptions& options = {});
  ~Stream();

  // Returns when all events are on disk (one sync for the batch, shared with whoever appends at the same time), in the order given.
  // Errors: archive.disk.full, archive.disk.failed, archive.event.too-long, archive.batch.too-large (over kBlockEvents); then none of
  // them is in the stream.
  Result<LeafRange> append(std::span<const Event> events);
  // For imports: straight into a block, without the log. Durable when settle() returns. At most options.events events.
  Status append_block(std::shared_ptr<Batch> batch);
  // Waits until nothing is being built. Error: why a block could not be written.
  Status settle();
  // Puts what is in the log into a block now, however small.
  Status seal();

  Snapshot snapshot() const;
  TreeSize size() const;
  LeafIndex first() const;
  const std::string& origin() const { return origin_; }
  std::uint64_t bytes_on_disk() const;
  std::uint64_t raw_bytes() const;
  std::size_t waiting() const;                 // events in the log, not yet in a block
  std::vector<Damage> damage() const;

  // The event and its leaf's hash. Errors: archive.event.missing, archive.block.damaged.
  struct Kept {
    Event event;
    std::shared_ptr<const void> holds;         // what the event points to
  };
  Result<Kept> event(LeafIndex index) const;
  Result<Hash> root_at(TreeSize size) const;
  Result<std::vector<Hash>> inclusion(LeafIndex index, TreeSize size) const;
  Result<std::vector<Hash>> consistency(TreeSize size1, TreeSize size2) const;
  // One proof for many events (proof.h). Requires: sorted, each once, all below size.
  Result<std::vector<Hash>> inclusion_of_all(std::span<const LeafIndex> indices, TreeSize size) const;

  // Signs the tree as it is now (everything in it durable) and keeps the head; the last one where nothing has come since.
  Result<Head> publish_head();
  std::vector<Head> heads() const;             // oldest first

  // Removes whole segments that are older or beyond the size; keeps what proofs of the rest need. How many events went.
  Result<std::uint64_t> retain(const Retention& retention);

  // Reads everything, hashes it again, and holds it against tree, checks and signed heads. `report` is told each damage as it is found;
  // the first is named in the error archive.verify.failed (facts: file, first, last, what). `progress`: events done.
  Result<Verified> verify(const std::function<void(const Damage&)>& report, const std::function<void(std::uint64_t)>& progress = {}) const;

 private:
  struct Part {  // a block to come
    LeafIndex first = 0;
    std::size_t count = 0, bytes = 0;
    std::vector<std::shared_ptr<const Record>> records;
    std::optional<GrowingFile> log;            // none for an import
    std::filesystem::path log_path;
    bool frozen = false;
    std::optional<BuiltBlock> built;
    std::mutex sync;                           // one sync at a time; guards synced
    std::size_t synced = 0;                    // events of it that are on disk for sure
  };

  Stream(std::filesystem::path folder, std::string origin, const SigningKey& key, const Clock& clock, Disk& disk, Workers& workers, const StreamOptions& options)
      : folder_(std::move(folder)), origin_(std::move(origin)), key_(key), clock_(clock), disk_(disk), workers_(workers), options_(options) {}
  Status load();
  Status load_kept();
  Status load_logs();
  Status keep_for_proofs(LeafIndex up_to);
  Result<std::shared_ptr<Part>> growing_part();
  void freeze(const std::shared_ptr<Part>& part);  // mutex_ held
  void build(const std::shared_ptr<Part>& part);
  void write_built();
  Status sync_segments();
  Status sync_log(Part& part, std::size_t count);
  std::shared_ptr<const Record> make_record(std::string bytes, std::shared_ptr<Batch> batch) const;
  Status add_segment(const std::shared_ptr<Segment>& segment);
  Result<std::vector<Hash>> leaves(LeafIndex first, std::size_t count) const;
  // The same, keeping the hashes of the block it last had to read.
  Tree::Leaves cached_leaves() const;

  const std::filesystem::path folder_;
  const std::string origin_;
  const SigningKey& key_;
  const Clock& clock_;
  Disk& disk_;
  Workers& workers_;
  const StreamOptions options_;

  std::mutex order_;                            // who appends; held while the log is written
  std::mutex write_;                            // who writes segments
  mutable std::shared_mutex tree_mutex_;
  Tree tree_;                                   // guarded by tree_mutex_
  mutable std::mutex mutex_;                    // guards everything below
  std::condition_variable changed_;
  TreeSize size_ = 0;
  LeafIndex first_ = 0;
  std::vector<std::shared_ptr<Segment>> segments_;
  std::deque<std::shared_ptr<Part>> parts_;     // oldest first; the last one grows
  std::map<LeafIndex, std::vector<Hash>> kept_leaves_;  // by first leaf: of chunks whose events are gone
  std::vector<Head> heads_;
  std::vector<Damage> damage_;
  std::size_t tasks_ = 0;                       // handed to the workers
  std::size_t frozen_ = 0, bulk_ = 0, appenders_ = 0;  // parts not yet in a block; those without a log; who waits for them
  std::optional<Error> failed_;                 // why the last block could not be written
  std::optional<Error> broken_;                 // a sync failed: nothing more is acknowledged
};

}  // namespace mamori::archive
