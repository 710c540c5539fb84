// The cluster engine's stream: rows in ClickHouse. Each server that writes has a tree of its own, so that several can receive into one
// cluster without asking each other; what it writes under is "NAME@WRITER". docs/formats/cluster.md.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "archive/cluster/clickhouse.h"
#include "archive/search.h"

namespace mamori::archive {

// What it is given outlives it.
class ClusterStream : public Stream {
 public:
  struct Place {
    std::string facility, stream, writer;
  };
  // `writes`: this process appends; else the stream is another server's, read as it is at each call.
  // Errors: archive.cluster.*.
  static Result<std::unique_ptr<ClusterStream>> open(const ClickHouse& server, Place place, bool writes, const SigningKey& key, const Clock& clock);

  bool writes() const override { return writes_; }
  // One insert for all who append at the same time. Where the outcome of an insert is not known (the line broke), the same rows are
  // offered again before anything else is taken, so that a number is never given twice; the sender may then have sent them twice.
  Result<LeafRange> append(std::span<const Event> events) override;
  Status append_block(std::shared_ptr<Batch> batch) override;
  Status settle() override;

  TreeSize size() const override;
  LeafIndex first() const override;
  const std::string& origin() const override { return origin_; }
  std::uint64_t bytes_on_disk() const override;
  std::uint64_t raw_bytes() const override;
  std::size_t waiting() const override { return 0; }
  std::vector<Damage> damage() const override;

  Result<Kept> event(LeafIndex index) const override;
  Status each_match(const Query& query, Instant from, Instant to, LeafIndex start, const std::function<Result<bool>(LeafIndex, const Event&)>& take) const override;
  Result<Hash> root_at(TreeSize size) const override;
  Result<std::vector<Hash>> inclusion(LeafIndex index, TreeSize size) const override;
  Result<std::vector<Hash>> consistency(TreeSize size1, TreeSize size2) const override;
  Result<std::vector<Hash>> inclusion_of_all(std::span<const LeafIndex> indices, TreeSize size) const override;
  Result<Head> publish_head() override;
  std::vector<Head> heads() const override;
  // Whole chunks of the tree.
  Result<std::uint64_t> retain(const Retention& retention) override;
  Result<Verified> verify(const std::function<void(const Damage&)>& report, const std::function<void(std::uint64_t)>& progress = {}) const override;

  // What every question about this stream asks of a row.
  std::string rows_here() const;

 private:
  struct Chunk {
    std::uint64_t bytes = 0;                     // raw
    Instant first_received, last_received;
  };
  struct Group {                                 // rows of one insert
    LeafIndex first = 0;
    std::vector<Hash> leaves;
    std::vector<std::pair<Instant, std::uint64_t>> received;  // and raw bytes, of each
    std::string rows;
  };
  struct Waiting {
    std::span<const Event> events;
    LeafIndex first = 0;
    std::optional<Status> done;
  };
  struct State {                                 // what is known of the rows
    Tree tree;
    std::vector<Chunk> chunks;
    std::size_t known_chunks = 0;                // of them, those that stood in the table
    Chunk open;                                  // of the last, unfinished one
    LeafIndex first = 0;
    std::vector<Head> heads;
    std::vector<Damage> damage;
  };

  ClusterStream(const ClickHouse& server, Place place, bool writes, const SigningKey& key, const Clock& clock);
  Result<State> load() const;
  // For another server's stream: looks again where a second has passed.
  Status look() const;
  Group make_group(std::span<Waiting* const> callers, LeafIndex first) const;
  Status insert(Group group);
  void take_in(const Group& group);
  std::string chunk_rows(const State& state, std::size_t from) const;  // of the table, from this chunk on
  static void add(State& state, std::span<const Hash> leaves, std::span<const std::pair<Instant, std::uint64_t>> received);
  Result<std::vector<Hash>> leaves(LeafIndex first, std::size_t count) const;
  TreeView tree_now() const;
  std::string received_within(LeafIndex first, LeafIndex last) const;  // a condition that lets the server skip what is elsewhere
  std::string table(const char* name) const;
  std::string here() const;

  const ClickHouse& server_;
  const Place place_;
  const bool writes_;
  const std::string origin_;
  const SigningKey& key_;
  const Clock& clock_;

  std::mutex order_;                             // who inserts; held over the insert
  std::optional<Group> unsettled_;               // guarded by order_
  mutable std::shared_mutex state_mutex_;
  mutable State state_;                          // guarded by state_mutex_
  mutable std::chrono::steady_clock::time_point looked_;
  std::mutex queue_mutex_;                       // guards everything below
  std::condition_variable changed_;
  std::deque<Waiting*> queue_;
  bool leading_ = false;
};

// Views into `rows`: leaf, time, received, raw, the fields.
struct RowEvent {
  LeafIndex leaf = 0;
  Event event;
};
std::string row_columns();
RowEvent take_row(Rows& rows);

}  // namespace mamori::archive
