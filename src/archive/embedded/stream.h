// The embedded engine's stream: files in one folder. On disk: docs/formats/archive.md.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "archive/embedded/log.h"
#include "archive/embedded/segment.h"
#include "archive/embedded/workers.h"
#include "archive/stream.h"

namespace mamori::archive {

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

// What it is given outlives it.
class EmbeddedStream : public Stream {
 public:
  // Opens or creates the stream in `folder`. A torn tail left by a crash is cut off: every event whose append() returned is still there.
  // Errors: archive.stream.newer (a later format), archive.disk.*. Damage found is in damage().
  static Result<std::unique_ptr<EmbeddedStream>> open(const std::filesystem::path& folder, std::string origin, const SigningKey& key, const Clock& clock, Disk& disk, Workers& workers, const StreamOptions& options = {});
  ~EmbeddedStream() override;

  bool writes() const override { return !options_.read_only; }
  // One sync for the batch, shared with whoever appends at the same time.
  Result<LeafRange> append(std::span<const Event> events) override;
  // Straight into a block, without the log. At most options.events events.
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
  std::size_t waiting() const override;        // events in the log, not yet in a block
  std::vector<Damage> damage() const override;

  Result<Kept> event(LeafIndex index) const override;
  Status each_match(const Query& query, Instant from, Instant to, LeafIndex start, const std::function<Result<bool>(LeafIndex, const Event&)>& take) const override;
  Result<Hash> root_at(TreeSize size) const override;
  Result<std::vector<Hash>> inclusion(LeafIndex index, TreeSize size) const override;
  Result<std::vector<Hash>> consistency(TreeSize size1, TreeSize size2) const override;
  Result<std::vector<Hash>> inclusion_of_all(std::span<const LeafIndex> indices, TreeSize size) const override;

  Result<Head> publish_head() override;
  std::vector<Head> heads() const override;
  // Whole segments.
  Result<std::uint64_t> retain(const Retention& retention) override;
  Result<Verified> verify(const std::function<void(const Damage&)>& report, const std::function<void(std::uint64_t)>& progress = {}) const override;

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

  EmbeddedStream(std::filesystem::path folder, std::string origin, const SigningKey& key, const Clock& clock, Disk& disk, Workers& workers, const StreamOptions& options)
      : folder_(std::move(folder)), origin_(std::move(origin)), key_(key), clock_(clock), disk_(disk), workers_(workers), options_(options) {}
  Status load();
  Status load_kept();
  void load_heads();
  Status load_logs();
  Result<Nodes> keep_for_proofs(LeafIndex up_to);
  Result<std::shared_ptr<Part>> growing_part();
  void freeze(const std::shared_ptr<Part>& part);  // mutex_ held
  void build(const std::shared_ptr<Part>& part);
  void write_built();
  Status sync_segments();
  Status sync_log(Part& part, std::size_t count);
  std::shared_ptr<const Record> make_record(std::string bytes, std::shared_ptr<Batch> batch) const;
  Status add_segment(const std::shared_ptr<Segment>& segment);
  TreeView tree_now() const;
  Result<Nodes> kept_of_version_1(std::string_view in);
  // Of the part of the tree whose events go: nodes_to_keep(), but for the heads that nobody can prove any more.
  Result<Nodes> nodes_to_keep(const TreeView& tree, TreeSize first, const TreeView::Leaves& leaves) const;
  Result<std::vector<Hash>> leaves(LeafIndex first, std::size_t count) const;
  // The same, keeping the hashes of the block it last had to read.
  TreeView::Leaves cached_leaves() const;

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
  std::vector<Head> heads_;
  std::vector<Damage> damage_;
  std::size_t tasks_ = 0;                       // handed to the workers
  std::size_t frozen_ = 0, bulk_ = 0, appenders_ = 0;  // parts not yet in a block; those without a log; who waits for them
  std::optional<Error> failed_;                 // why the last block could not be written
  std::optional<Error> broken_;                 // a sync failed: nothing more is acknowledged
};

}  // namespace mamori::archive
