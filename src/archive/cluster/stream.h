// The cluster engine's stream: rows in ClickHouse. Each server that writes has a tree of its own, so that
// several can receive into one cluster without asking each other; what it writes under is "NAME@WRITER".
// docs/formats/cluster.md.
#pragma once

#include <atomic>
#include <deque>
#include <map>

#include "archive/cluster/clickhouse.h"
#include "archive/search.h"
#include "base/mutex.h"

namespace mamori::archive {

// What it is given outlives it.
class ClusterStream : public Stream {
 public:
  struct Place {
    std::string facility, stream, writer;
  };
  // `writes`: this process appends; else the stream is another server's, read on from where it was known at
  // each call. Errors: archive.cluster.*.
  static Result<std::unique_ptr<ClusterStream>> open(const ClickHouse& server, Place place, bool writes,
                                                     const SigningKey& key, const Clock& clock);

  bool writes() const override { return writes_; }
  // One insert for all who append at the same time. Where the outcome of an insert is not known (the line
  // broke), the rows themselves are asked, and the very same rows are offered again where they are not there;
  // nothing else is taken before that is settled, so that a number is never given twice. Whoever was told an
  // error and offers the same events again gets the numbers they have. Errors beside those of Stream, here
  // and where heads are signed or events removed: archive.cluster.behind (the servers know less than was
  // there already), archive.cluster.unsettled (an insert waits for its replicas); then nothing is written.
  Result<LeafRange> append(std::span<const Event> events) override;
  Status append_block(std::shared_ptr<Batch> batch) override;
  Status settle() override;

  // Of another server's stream: as it was when ClickHouse last answered; damage() says so
  // (archive.damage.away) where that was long ago.
  TreeSize size() const override;
  LeafIndex first() const override;
  const std::string& origin() const override { return origin_; }
  std::uint64_t bytes_on_disk() const override;
  std::uint64_t raw_bytes() const override;
  std::size_t waiting() const override { return 0; }
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
  // Whole chunks of the tree.
  Result<std::uint64_t> retain(const Retention& retention) override;
  Result<Verified> verify(const std::function<void(const Damage&)>& report,
                          const std::function<bool(std::uint64_t)>& progress = {}) const override;

  // What every question about this stream asks of a row: that it is in the tree. `doubled`: of which leaves
  // there may be more than one row nevertheless, all the same; "" where there are none.
  struct Part {
    std::string condition, doubled;
  };
  enum class Fresh { now, nearly };  // `nearly`: what came in twice in the last half minute may be missed
  Result<Part> rows_here(Fresh fresh) const;

 private:
  struct Chunk {
    std::uint64_t bytes = 0;  // raw
    Instant first_received, last_received;
  };
  struct Insert {  // rows of one partition: there as a whole or not at all
    LeafIndex first = 0;
    std::uint64_t batch = 0;
    std::size_t count = 0;
    std::string rows;
    bool offered = false;
  };
  struct Group {  // what is appended at once
    LeafIndex first = 0;
    std::vector<Hash> leaves;
    std::vector<std::pair<Instant, std::uint64_t>> received;  // and raw bytes, of each
    std::vector<std::size_t> counts;                          // events of each caller
    std::vector<Insert> inserts;
    std::size_t written = 0;  // of the inserts
  };
  struct Waiting {
    std::span<const Event> events;
    LeafIndex first = 0;
    Status outcome;     // whoever leads writes it
    bool done = false;  // guarded by queue_mutex_: then all of it stays as it is
  };
  struct Refused {  // events that are there though their sender was told an error
    LeafIndex first = 0;
    std::vector<Hash> leaves;
  };
  struct State {  // what is known of the rows
    Tree tree;
    std::vector<Chunk> chunks;
    std::size_t known_chunks = 0;  // of them, those that stand in the table
    Chunk open;                    // of the last, unfinished one
    LeafIndex first = 0;
    std::vector<Head> heads;
    std::vector<Damage> damage;
    Instant newest;          // the latest time of receipt of all
    std::uint64_t life = 0;  // of the writer, when it gave the last number
  };
  enum class Presence { none, some, all, others };
  struct Doubled {  // leaves of which the table has more than one row
    LeafIndex first = 0, last = 0;
    std::uint64_t batch = 0;  // those of older lives, before this one, do not count
  };
  struct Doubles {
    std::uint64_t
        rows = 0,
        sum = 0;  // beyond what the tree has, and the sum of their leaves: whether it is still the same
    std::vector<Doubled> doubled;
    std::chrono::steady_clock::time_point found;
  };

  ClusterStream(const ClickHouse& server, Place place, bool writes, const SigningKey& key,
                const Clock& clock);

  // --- what stands in the tables (stream_load.cpp)
  Result<State> load() const;
  // Adds what has come since. `guard` is held for moments, never while the server is asked. False: there is a
  // hole before what is newer. `everywhere`: not only where new rows are to be expected.
  Result<bool> read_on(State& state, SharedMutex& guard, bool everywhere) const;
  // Which leaves of [first, end) have more than one row.
  Result<std::vector<Doubled>> doubled_in(LeafIndex first, LeafIndex end, Fresh fresh) const;
  Result<std::vector<Doubled>> find_doubled(LeafIndex first, LeafIndex end) const;
  Status begin_life();
  // Behind the last row that counts, from `size` on; `life`: of the last before it.
  Result<LeafIndex> end_of_rows(TreeSize size, std::uint64_t life, const std::string& within) const;
  Result<std::uint64_t> life_at(const State& state) const;
  Result<bool> read_events(State& state, SharedMutex& guard, LeafIndex end, bool over_holes,
                           const std::string& within) const;
  Result<bool> fits_newest_head() const;
  // For read_on(), which is handed its lock beside it.
  State& known() const NO_THREAD_SAFETY_ANALYSIS { return state_; }
  // For another server's stream: looks again where a second has passed.
  Status look() const;
  // Whether what load() saw is all there is: a writer that knew less would give numbers a second time.
  Status is_all(const State& state) const;
  Status wait_for_earlier_inserts() const;
  static void add(State& state, std::span<const Hash> leaves,
                  std::span<const std::pair<Instant, std::uint64_t>> received);
  // `read` is handed [low, end) in pieces, smaller ones where the answer would be too large.
  static Status in_pieces(LeafIndex low, LeafIndex end,
                          const std::function<Status(LeafIndex, LeafIndex)>& read);
  Result<std::vector<Hash>> leaves(LeafIndex first, std::size_t count) const;
  TreeView tree_now() const;

  // --- writing; by whoever leads the queue
  void write_for(std::span<Waiting* const> callers);
  Group make_group(std::span<Waiting* const> callers, LeafIndex first);
  Status settle_unsettled();
  Status write(Group& group);
  Status write(const Group& group, Insert& insert) const;
  Result<Presence> presence(const Group& group, const Insert& insert) const;
  void take_in(const Group& group, const Insert& insert);
  bool recall(Waiting& caller);
  Status reload();
  Status make_ready();
  Status write_chunks();
  Status keep_chunks(std::uint64_t from, std::uint64_t to);
  Result<std::optional<std::uint64_t>> missing_chunk(std::uint64_t from, std::uint64_t to) const;
  Status delete_rows(LeafIndex before) REQUIRES(retain_order_);
  Status put_head() REQUIRES(head_order_);

  void put_place(std::string& out) const;
  std::string chunk_rows(const State& state, std::size_t from) const;  // of the table, from this chunk on
  std::string received_within(
      LeafIndex first, LeafIndex last) const;  // a condition that lets the server skip what is elsewhere
  Result<std::uint64_t> measure_disk() const;
  std::string table(const char* name) const;
  std::string here() const;
  std::string insert_names() const;  // what the names of all its inserts begin with

  const ClickHouse& server_;
  const Place place_;
  const bool writes_;
  const std::string origin_;
  const SigningKey& key_;
  const Clock& clock_;

  mutable SharedMutex state_mutex_;  // never held while the server is asked
  mutable State state_ GUARDED_BY(state_mutex_);
  mutable std::atomic<bool> looking_ = false, away_ = false;
  mutable std::chrono::steady_clock::time_point looked_ GUARDED_BY(state_mutex_), loaded_
      GUARDED_BY(state_mutex_);
  mutable std::chrono::steady_clock::time_point everywhere_;  // whoever is looking_ has it alone, and this:
  mutable TreeSize checked_head_ = 0;
  mutable std::atomic<std::uint64_t> disk_ = 0;  // as it was last measured
  mutable Doubles doubles_ GUARDED_BY(state_mutex_);

  std::optional<Group> unsettled_;  // whoever leads the queue has it alone, and this:
  std::deque<Refused> refused_;
  std::uint64_t next_batch_ = 0;  // 0: this life has not begun

  std::atomic<bool> ready_ = false;  // to write
  Mutex ready_order_;

  Mutex chunk_order_;                                         // one at a time writes rows of chunks
  Mutex head_order_;                                          // one at a time signs
  std::optional<Head> pending_head_ GUARDED_BY(head_order_);  // signed, and perhaps not in the table
  Mutex retain_order_;                                        // one at a time removes
  // The server was told to delete what is before.
  LeafIndex deleted_ GUARDED_BY(retain_order_) = 0;

  Mutex queue_mutex_;
  CondVar changed_;
  std::deque<Waiting*> queue_ GUARDED_BY(queue_mutex_);
  bool leading_ GUARDED_BY(queue_mutex_) = false;
};

// Views into `rows`: leaf, time, received, raw, the fields.
struct RowEvent {
  LeafIndex leaf = 0;
  Event event;
};
// A life of a writer goes on behind all rows that were acknowledged before it. So a row does not count where
// one of a later life has its number or a lower one: nobody acknowledged it, and it came in late.
inline constexpr int kLifeBits = 32;  // a batch's number: the life of its writer, and the insert in it
inline std::uint64_t life_of(std::uint64_t batch) { return batch >> kLifeBits; }

std::string row_columns();
RowEvent take_row(Rows& rows);

}  // namespace mamori::archive
