// A stream of events that can only grow. Each event is a leaf of the stream's Merkle tree, so that a reader
// can prove that nothing was altered, removed or slipped in. Two engines keep streams: embedded/ in files of
// its own, cluster/ in ClickHouse. The proofs are the same.
#pragma once

#include "archive/query.h"
#include "proof/head.h"

namespace mamori::archive {

constexpr std::size_t kLargestBatch = 16384;               // events of one append
constexpr std::size_t kBatchBytes = std::size_t{8} << 20;  // raw bytes of a batch of a good size

struct LeafRange {
  LeafIndex first = 0;
  std::size_t count = 0;
};

// How long events are kept. 0 = without limit.
struct Retention {
  std::chrono::hours age{0};
  std::uint64_t bytes = 0;
};

// Where something is broken: named, and the rest goes on.
struct Damage {
  std::string file;  // or table
  std::string what;  // code of data/texts
  LeafIndex first = 0, last = 0;
};

class Stream;
// Of a stream's damage what takes events away: their places are known, they are not there to be found.
std::vector<Damage> holes(const Stream& stream);

struct Verified {
  TreeSize size = 0;
  std::uint64_t events = 0, bytes = 0;  // read and hashed
  std::size_t heads = 0;                // signed heads that fit
  Hash root{};
};

// An event that was read, and what it points to.
struct Kept {
  Event event;
  std::shared_ptr<const void> holds;
};

// Threads: everything may be called from several; readers never wait for append().
class Stream {
 public:
  virtual ~Stream() = default;

  virtual bool writes() const = 0;  // whether this process may append to it
  // Returns when all events are kept for good, in the order given. At most kLargestBatch events.
  // Errors: os.disk.full, os.disk.failed, archive.cluster.*, archive.event.too-long, archive.batch.too-large,
  // archive.busy (another process writes); then none of them is acknowledged.
  virtual Result<LeafRange> append(std::span<const Event> events) = 0;
  // For imports: many events at once, at most kLargestBatch. Kept for good when settle() returns.
  virtual Status append_block(std::shared_ptr<Batch> batch) = 0;
  // Waits until nothing is on its way. Error: why something could not be written.
  virtual Status settle() = 0;

  virtual TreeSize size() const = 0;
  virtual LeafIndex first() const = 0;  // oldest event still kept
  virtual const std::string& origin() const = 0;
  virtual std::uint64_t bytes_on_disk() const = 0;
  virtual std::uint64_t raw_bytes() const = 0;
  virtual std::size_t waiting() const = 0;  // events kept, but not yet where they are searched fastest
  virtual std::vector<Damage> damage() const = 0;

  // Errors: archive.event.missing, archive.block.damaged.
  virtual Result<Kept> event(LeafIndex index) const = 0;
  // Every matching event, oldest first, for exports and for following what comes: from leaf `start` on.
  // `take` returns false to stop.
  virtual Status each_match(const Query& query, Instant from, Instant to, LeafIndex start,
                            const std::function<Result<bool>(LeafIndex, const Event&)>& take) const = 0;

  virtual Result<Hash> root_at(TreeSize size) const = 0;
  virtual Result<std::vector<Hash>> inclusion(LeafIndex index, TreeSize size) const = 0;
  virtual Result<std::vector<Hash>> consistency(TreeSize size1, TreeSize size2) const = 0;
  // One proof for many events. Requires: sorted, each once, all below size.
  virtual Result<std::vector<Hash>> inclusion_of_all(std::span<const LeafIndex> indices,
                                                     TreeSize size) const = 0;

  // Signs the tree as it is now (everything in it kept for good) and keeps the head; the last one where
  // nothing has come since.
  virtual Result<Head> publish_head() = 0;
  virtual std::vector<Head> heads() const = 0;  // oldest first

  // Removes what is older or beyond the size, in the engine's own units; keeps what proofs of the rest need.
  // How many events went.
  virtual Result<std::uint64_t> retain(const Retention& retention) = 0;

  // Reads everything, hashes it again, and holds it against tree, checks and signed heads. `report` is told
  // each damage as it is found; the first is named in the error archive.verify.failed (facts: file, first,
  // last, what). `progress`: events done; false ends it with archive.verify.stopped.
  virtual Result<Verified> verify(const std::function<void(const Damage&)>& report,
                                  const std::function<bool(std::uint64_t)>& progress = {}) const = 0;
};

}  // namespace mamori::archive
