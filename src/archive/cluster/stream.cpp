#include "archive/cluster/stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <thread>

#include "base/crypto.h"

namespace mamori::archive {
namespace {

constexpr std::size_t kInsertEvents = 65536, kInsertBytes = std::size_t{32} << 20;
constexpr int kOffers = 3;  // of an insert, before its senders are told an error
constexpr auto kBetweenOffers = std::chrono::milliseconds(100);
constexpr std::size_t kChunksAtOnce = 16;  // rows of chunks are written when there are so many
constexpr std::size_t kRefusedEvents =
    4 * kInsertEvents;  // hashes remembered of what was there though its sender was told an error

// Text that is all ASCII is its own key once lowered: the server does that when asked.
std::string key_of(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; }))
    return {};
  return searchable(text);
}

// The table's partition of an event (schema.cpp): the month of its receipt. An insert into two of them is not
// there as a whole or not at all.
int month_of(Instant received) {
  const auto day = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(to_millis(received))));
  const std::chrono::year_month_day date(day);
  return static_cast<int>(date.year()) * 12 + static_cast<int>(static_cast<unsigned>(date.month()));
}

}  // namespace

ClusterStream::ClusterStream(const ClickHouse& server, Place place, bool writes, const SigningKey& key,
                             const Clock& clock)
    : server_(server),
      place_(std::move(place)),
      writes_(writes),
      origin_("mamori/" + place_.facility + "/" + place_.stream + "@" + place_.writer),
      key_(key),
      clock_(clock) {}

Result<std::unique_ptr<ClusterStream>> ClusterStream::open(const ClickHouse& server, Place place, bool writes,
                                                           const SigningKey& key, const Clock& clock) {
  std::unique_ptr<ClusterStream> out(new ClusterStream(server, std::move(place), writes, key, clock));
  auto loaded = MAMORI_TRY(out->load());
  const WriterLock lock(out->state_mutex_);
  out->state_ = std::move(loaded);
  out->looked_ = out->loaded_ = out->everywhere_ = std::chrono::steady_clock::now();
  return out;
}

std::string ClusterStream::table(const char* name) const { return server_.address().database + "." + name; }

std::string ClusterStream::here() const {
  return "facility = " + sql_text(place_.facility) + " AND stream = " + sql_text(place_.stream) +
         " AND writer = " + sql_text(place_.writer);
}

Result<ClusterStream::Part> ClusterStream::rows_here(Fresh fresh) const {
  MAMORI_TRY(look());
  LeafIndex first = 0, end = 0;
  {
    const ReaderLock lock(state_mutex_);
    first = state_.first;
    end = std::max(state_.tree.size(), first);
  }
  // What is behind the tree's end is an insert that nobody has acknowledged yet.
  Part out{fmt::format("{} AND leaf >= {} AND leaf < {}", here(), first, end), ""};
  for (const auto& one : MAMORI_TRY(doubled_in(first, end, fresh))) {
    const auto within = fmt::format("leaf >= {} AND leaf <= {}", one.first, one.last);
    out.condition += fmt::format(" AND NOT ({} AND batch < {})", within, one.batch);
    out.doubled += (out.doubled.empty() ? "((" : " OR (") + within + ")";
  }
  if (!out.doubled.empty()) out.doubled += ")";
  return out;
}

void ClusterStream::put_place(std::string& out) const {
  put_row(out, place_.facility);
  put_row(out, place_.stream);
  put_row(out, place_.writer);
}

// --- writing

// Each time a stream is opened for writing is a life with a number of its own, higher than all before: it
// stands in the table before anything is inserted in it.
Status ClusterStream::begin_life() {
  if (next_batch_ != 0) return {};
  const auto last = MAMORI_TRY(server_.number("SELECT toUInt64(greatest(max(made_at), 0)) FROM " +
                                              table("stream") + " WHERE " + here()));
  const auto now = static_cast<std::uint64_t>(std::max<std::int64_t>(0, to_millis(clock_.now()) / 1000));
  const auto life = std::max(now, last / 1000 + 1);
  std::string row;
  put_place(row);
  put_row(row, static_cast<std::int64_t>(life * 1000));
  MAMORI_TRY(server_.put(table("stream"), row));
  next_batch_ = life << kLifeBits;
  return {};
}

ClusterStream::Group ClusterStream::make_group(std::span<Waiting* const> callers, LeafIndex first) {
  Group group;
  group.first = first;
  std::size_t bytes = 0, count = 0;
  for (const auto* caller : callers) {
    count += caller->events.size();
    for (const auto& event : caller->events) bytes += event.raw.size() + 256;
  }
  group.leaves.reserve(count);
  group.received.reserve(count);
  std::string start;
  int month = 0;
  for (const auto* caller : callers) {
    auto hashes = leaf_hashes(caller->events);
    group.leaves.insert(group.leaves.end(), hashes.begin(), hashes.end());
    group.counts.push_back(caller->events.size());
    for (const auto& event : caller->events) {
      if (const auto other = month_of(event.received); group.inserts.empty() || other != month) {
        month = other;
        group.inserts.push_back({.first = first, .batch = next_batch_++});
        if (group.inserts.size() == 1) group.inserts.back().rows.reserve(bytes * 5 / 4);
        start.clear();
        put_place(start);
        put_row(start, group.inserts.back().batch);
      }
      auto& insert = group.inserts.back();
      ++insert.count;
      auto& out = insert.rows;
      out += start;
      put_row(out, first++);
      put_row(out, to_millis(event.time));
      put_row(out, to_millis(event.received));
      put_row(out, event.raw);
      put_row(out, std::string_view(key_of(event.raw)));
      for (const auto field : kFields) {
        put_row(out, event[field]);
        put_row(out, std::string_view(key_of(event[field])));
      }
      group.received.emplace_back(event.received, event.raw.size());
    }
  }
  return group;
}

Result<ClusterStream::Presence> ClusterStream::presence(const Group& group, const Insert& insert) const {
  std::vector<bool> there(insert.count);
  bool others = false;
  MAMORI_TRY(
      in_pieces(insert.first, insert.first + insert.count, [&](LeafIndex low, LeafIndex high) -> Status {
        const auto statement = fmt::format(
            "SELECT leaf, batch, received, f_source, raw FROM {} WHERE {} AND leaf >= {} AND leaf < {} AND "
            "batch >= {}",
            table("event"), here(), low, high, life_of(insert.batch) << kLifeBits);
        return server_.each(
            statement,
            [&](Rows& row) {
              const auto leaf = row.number(), batch = row.number();
              const auto received = from_millis(row.signed_number());
              const auto source = row.text(), raw = row.text();
              if (leaf < low || leaf >= high) return;
              const bool ours = batch == insert.batch &&
                                hash_leaf(leaf_of(received, source, raw)) == group.leaves[leaf - group.first];
              others = others || !ours;
              if (ours) there[leaf - insert.first] = true;
            },
            {}, Reading::durable);
      }));
  if (others) return Presence::others;
  const auto count = static_cast<std::size_t>(std::count(there.begin(), there.end(), true));
  return count == 0 ? Presence::none : count == insert.count ? Presence::all : Presence::some;
}

// Where an answer is lost, refused or not ClickHouse's, the rows themselves say whether they are there.
Status ClusterStream::write(const Group& group, Insert& insert) const {
  Status last;
  for (int offers = 0;; ++offers) {
    if (insert.offered) {
      const auto there = presence(group, insert);
      if (!there) return last ? there.error() : last;
      switch (*there) {
        case Presence::all: return {};
        case Presence::others:
          return Error{ErrorKind::unavailable, "archive.cluster.taken", {{"stream", origin_}}};
        case Presence::none:
        case Presence::some: break;
      }
      if (!last && last.error().code == "archive.cluster.slow")
        return last;  // our callers have waited long enough
      if (offers == kOffers)
        return last ? Error{ErrorKind::unavailable, "archive.cluster.unsettled", {{"stream", origin_}}}
                    : last;
      if (offers > 0) std::this_thread::sleep_for(kBetweenOffers * offers);
    }
    // "Yes" to rows that were offered before may mean no more than that one replica has seen them: they are
    // asked again.
    const bool first_offer = !insert.offered;
    insert.offered = true;
    last = server_.insert(table("event"), insert.rows, insert_names() + to_hex(random_bytes(8)));
    if (last && first_offer) return {};
  }
}

Status ClusterStream::write(Group& group) {
  for (; group.written < group.inserts.size(); ++group.written) {
    auto& insert = group.inserts[group.written];
    MAMORI_TRY(write(std::as_const(group), insert));
    take_in(group, insert);
    insert.rows = {};
  }
  return {};
}

// The rows are there: now they are part of the tree.
void ClusterStream::take_in(const Group& group, const Insert& insert) {
  const auto from = insert.first - group.first;
  std::size_t unwritten = 0;
  {
    const WriterLock lock(state_mutex_);
    add(state_, std::span(group.leaves).subspan(from, insert.count),
        std::span(group.received).subspan(from, insert.count));
    state_.life = life_of(insert.batch);
    unwritten = state_.chunks.size() - state_.known_chunks;
  }
  // Only a shorter way to open the stream again: what is missing of them is made from the events, and written
  // with the next ones.
  if (unwritten >= kChunksAtOnce) (void)write_chunks().has_value();
}

// What was not settled is offered again, or let go where other rows have its numbers.
Status ClusterStream::settle_unsettled() {
  if (!unsettled_) return {};
  if (auto done = write(*unsettled_); !done) {
    if (done.error().code != "archive.cluster.taken") return done;
    MAMORI_TRY(reload());
    unsettled_.reset();
    return {};
  }
  std::size_t at = 0;
  for (const auto count : unsettled_->counts) {
    const auto leaves = std::span(unsettled_->leaves).subspan(at, count);
    refused_.push_back({unsettled_->first + at, {leaves.begin(), leaves.end()}});
    at += count;
  }
  unsettled_.reset();
  std::size_t remembered = 0;
  for (const auto& one : refused_) remembered += one.leaves.size();
  for (; remembered > kRefusedEvents; refused_.pop_front()) remembered -= refused_.front().leaves.size();
  return {};
}

// Whether these very events are there already: their sender was told an error, and offers them again.
bool ClusterStream::recall(Waiting& caller) {
  if (refused_.empty()) return false;
  const auto leaves = leaf_hashes(caller.events);
  const auto found = std::find_if(refused_.begin(), refused_.end(),
                                  [&](const Refused& one) { return one.leaves == leaves; });
  if (found == refused_.end()) return false;
  caller.first = found->first;
  caller.outcome = Status{};
  refused_.erase(found);
  return true;
}

// What stands in the table counts, not what this process remembers.
Status ClusterStream::reload() {
  auto fresh = MAMORI_TRY(load());
  MAMORI_TRY(is_all(fresh));
  const WriterLock lock(state_mutex_);
  if (ready_ && fresh.tree.size() < state_.tree.size())
    return Error{ErrorKind::unavailable,
                 "archive.cluster.behind",
                 {{"stream", origin_},
                  {"events", std::to_string(fresh.tree.size())},
                  {"promised", std::to_string(state_.tree.size())}}};
  for (auto& head : state_.heads)
    if (fresh.heads.empty() || head.size > fresh.heads.back().size) fresh.heads.push_back(std::move(head));
  state_ = std::move(fresh);
  return {};
}

// Before this process writes for the first time: nothing of its last life is on its way any more, and
// everything of it is known. Reading needs none of that, so that a stream opens while replicas are away.
Status ClusterStream::make_ready() {
  if (ready_) return {};
  const MutexLock order(ready_order_);
  if (ready_) return {};
  MAMORI_TRY(wait_for_earlier_inserts());
  MAMORI_TRY(begin_life());
  MAMORI_TRY(reload());
  (void)write_chunks().has_value();  // what is missing now is written with the next ones
  ready_ = true;
  return {};
}

void ClusterStream::write_for(std::span<Waiting* const> callers) {
  if (auto done = make_ready(); !done) {
    for (auto* caller : callers) caller->outcome = done;
    return;
  }
  if (auto done = settle_unsettled(); !done) {
    for (auto* caller : callers) caller->outcome = done;
    return;
  }
  std::vector<Waiting*> fresh;
  for (auto* caller : callers)
    if (!recall(*caller)) fresh.push_back(caller);
  if (fresh.empty()) return;
  Status done;
  for (int tries = 0; tries < 2; ++tries) {
    auto group = make_group(fresh, tree_now().size());
    auto first = group.first;
    for (auto* caller : fresh) {
      caller->first = first;
      first += caller->events.size();
    }
    done = write(group);
    if (done) break;
    const bool taken = done.error().code == "archive.cluster.taken";
    if (taken && reload()) continue;
    unsettled_ = std::move(group);
    break;
  }
  for (auto* caller : fresh) caller->outcome = done;
}

Result<LeafRange> ClusterStream::append(std::span<const Event> events) {
  if (!writes_) return Error{ErrorKind::conflict, "archive.busy", {{"directory", origin_}}};
  if (events.empty()) return LeafRange{size(), 0};
  if (events.size() > kLargestBatch)
    return Error{ErrorKind::invalid, "archive.batch.too-large", {{"events", std::to_string(events.size())}}};
  for (const auto& event : events)
    if (event.raw.size() > kLongestRaw)
      return Error{
          ErrorKind::invalid, "archive.event.too-long", {{"bytes", std::to_string(event.raw.size())}}};
  Waiting mine{events};
  MutexLock lock(queue_mutex_);
  queue_.push_back(&mine);
  changed_.wait(queue_mutex_, [&]() REQUIRES(queue_mutex_) { return mine.done || !leading_; });
  if (!mine.done) {
    // The first who finds nobody inserting does it for all who wait.
    leading_ = true;
    while (!mine.done) {
      std::vector<Waiting*> group;
      std::size_t count = 0, bytes = 0;
      while (!queue_.empty() && (group.empty() || (count + queue_.front()->events.size() <= kInsertEvents &&
                                                   bytes < kInsertBytes))) {
        count += queue_.front()->events.size();
        for (const auto& event : queue_.front()->events) bytes += event.raw.size();
        group.push_back(queue_.front());
        queue_.pop_front();
      }
      lock.unlock();
      write_for(group);
      lock.lock();
      for (auto* caller : group) caller->done = true;
      changed_.notify_all();
    }
    leading_ = false;
    changed_.notify_all();
  }
  MAMORI_TRY(std::move(mine.outcome));
  return LeafRange{mine.first, events.size()};
}

Status ClusterStream::append_block(std::shared_ptr<Batch> batch) {
  MAMORI_TRY(append(batch->events));
  return {};
}

Status ClusterStream::settle() { return {}; }

std::string ClusterStream::chunk_rows(const State& state, std::size_t from) const {
  std::string out;
  for (; from < state.chunks.size(); ++from) {
    const auto& chunk = state.chunks[from];
    put_place(out);
    put_row(out, std::uint64_t{from});
    put_row(out, state.tree.chunk(from));
    put_row(out, chunk.bytes);
    put_row(out, to_millis(chunk.first_received));
    put_row(out, to_millis(chunk.last_received));
  }
  return out;
}

Status ClusterStream::write_chunks() {
  const MutexLock order(chunk_order_);
  std::string rows;
  std::size_t known = 0;
  {
    const ReaderLock lock(state_mutex_);
    rows = chunk_rows(state_, state_.known_chunks);
    known = state_.chunks.size();
  }
  if (rows.empty()) return {};
  MAMORI_TRY(server_.put(table("chunk"), rows));
  const WriterLock lock(state_mutex_);
  state_.known_chunks = std::min(std::max(state_.known_chunks, known), state_.chunks.size());
  return {};
}

// --- heads

Status ClusterStream::put_head() {
  if (!pending_head_) return {};
  std::string row;
  put_place(row);
  put_row(row, std::uint64_t{pending_head_->size});
  put_row(row, pending_head_->note);
  MAMORI_TRY(server_.put(table("head"), row));
  const WriterLock lock(state_mutex_);
  state_.heads.push_back(std::move(*pending_head_));
  pending_head_.reset();
  return {};
}

// The tree holds only what the servers have confirmed, so that it may be signed as it is: nobody waits for an
// insert.
Result<Head> ClusterStream::publish_head() {
  if (!writes_) return Error{ErrorKind::conflict, "archive.busy", {{"directory", origin_}}};
  MAMORI_TRY(make_ready());
  const MutexLock order(head_order_);
  MAMORI_TRY(put_head());  // one that was signed is offered again as it is
  TreeView tree;
  {
    const ReaderLock lock(state_mutex_);
    tree = state_.tree.view();
    if (!state_.heads.empty() && state_.heads.back().size == tree.size()) return state_.heads.back();
  }
  (void)write_chunks().has_value();  // so that the stream opens fast again
  pending_head_ = sign_head(origin_, tree.size(), tree.root(), clock_.now(), key_);
  MAMORI_TRY(put_head());
  const ReaderLock lock(state_mutex_);
  return state_.heads.back();
}

// --- retention

// Whether the table has the roots of chunks [from, to) as they are in the tree: once their events are gone
// nothing else tells them. The first that it does not have. Error: archive.verify.failed where it has another
// one.
Result<std::optional<std::uint64_t>> ClusterStream::missing_chunk(std::uint64_t from,
                                                                  std::uint64_t to) const {
  std::map<std::uint64_t, std::vector<Hash>> roots;
  const auto statement = fmt::format("SELECT number, root FROM {} WHERE {} AND number >= {} AND number < {}",
                                     table("chunk"), here(), from, to);
  MAMORI_TRY(server_.each(
      statement,
      [&](Rows& row) {
        const auto number = row.number();
        roots[number].push_back(row.hash());
      },
      {}, Reading::durable));
  const ReaderLock lock(state_mutex_);
  for (auto number = from; number < to; ++number) {
    const auto& found = roots[number];
    if (found.empty()) return std::optional(number);
    if (std::all_of(found.begin(), found.end(), [&](const Hash& root) REQUIRES_SHARED(state_mutex_) {
          return root == state_.tree.chunk(number);
        }))
      continue;
    return Error{ErrorKind::corrupt,
                 "archive.verify.failed",
                 {{"file", table("chunk")},
                  {"what", "archive.damage.event"},
                  {"first", std::to_string(number * kChunk)},
                  {"last", std::to_string((number + 1) * kChunk - 1)}}};
  }
  return std::optional<std::uint64_t>();
}

Status ClusterStream::keep_chunks(std::uint64_t from, std::uint64_t to) {
  MAMORI_TRY(write_chunks());
  for (int tries = 0; tries < 2; ++tries) {
    const auto missing = MAMORI_TRY(missing_chunk(from, to));
    if (!missing) return {};
    // Written once, and not there: again.
    {
      const WriterLock lock(state_mutex_);
      state_.known_chunks = std::min<std::size_t>(state_.known_chunks, *missing);
    }
    MAMORI_TRY(write_chunks());
  }
  if (!MAMORI_TRY(missing_chunk(from, to))) return {};
  return Error{ErrorKind::unavailable, "archive.cluster.unsettled", {{"stream", origin_}}};
}

Status ClusterStream::delete_rows(LeafIndex before) {
  if (deleted_ == before) return {};
  const auto condition = here() + " AND leaf < " + std::to_string(before);
  if (deleted_ == 0 &&
      MAMORI_TRY(server_.number("SELECT count() FROM " + table("event") + " WHERE " + condition)) == 0) {
    deleted_ = before;
    return {};
  }
  // In brackets: half of such a statement must not be one.
  const auto& cluster = server_.address().cluster;
  MAMORI_TRY(server_.run("ALTER TABLE " + table(cluster.empty() ? "event" : "event_rows") +
                         (cluster.empty() ? "" : " ON CLUSTER " + cluster) + " DELETE WHERE (" + condition +
                         ")"));
  deleted_ = before;
  return {};
}

Result<std::uint64_t> ClusterStream::retain(const Retention& retention) {
  if (!writes_) return Error{ErrorKind::conflict, "archive.busy", {{"directory", origin_}}};
  MAMORI_TRY(make_ready());
  const MutexLock order(retain_order_);
  const auto disk = retention.bytes == 0 ? 0.0 : static_cast<double>(MAMORI_TRY(measure_disk()));
  const auto raw = static_cast<double>(raw_bytes());
  const auto limit = clock_.now() - retention.age;
  LeafIndex before = 0, up_to = 0;
  {
    const ReaderLock lock(state_mutex_);
    before = up_to = state_.first;
    auto left = disk;
    Instant newest{};  // so far: what came behind it is no older, whatever the clock said when it did
    for (auto i = before / kChunk; i < state_.chunks.size(); ++i) {
      newest = std::max(newest, state_.chunks[i].last_received);
      const bool old = retention.age.count() > 0 && newest < limit;
      const bool much = retention.bytes > 0 && left > static_cast<double>(retention.bytes);
      if (!old && !much) break;
      left -= raw == 0 ? 0 : disk * static_cast<double>(state_.chunks[i].bytes) / raw;
      up_to = (i + 1) * kChunk;
    }
  }
  if (up_to == before) {
    MAMORI_TRY(delete_rows(before));  // what could not be deleted when it was to
    return std::uint64_t{0};
  }
  MAMORI_TRY(keep_chunks(before / kChunk, up_to / kChunk));
  // What proofs from older heads may still ask for: the leaves of the chunk that a head ends in.
  std::vector<TreeSize> ends;
  {
    const MutexLock heads(head_order_);
    MAMORI_TRY(put_head());
  }
  MAMORI_TRY(server_.each(fmt::format("SELECT DISTINCT size FROM {} WHERE {} AND size >= {} AND size <= {}",
                                      table("head"), here(), before, up_to),
                          [&](Rows& row) { ends.push_back(row.number()); }));
  for (const auto& head : heads()) ends.push_back(head.size);
  std::set<LeafIndex> starts;
  for (const auto end : ends)
    if (end % kChunk != 0 && end > before && end < up_to) starts.insert(end - end % kChunk);
  std::string kept;
  for (const auto start : starts) {
    const auto hashes = MAMORI_TRY(leaves(start, kChunk));
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      put_place(kept);
      put_row(kept, std::uint64_t{start + i});
      put_row(kept, hashes[i]);
    }
  }
  if (!kept.empty()) MAMORI_TRY(server_.put(table("kept"), kept));
  std::string row;
  put_place(row);
  put_row(row, std::uint64_t{up_to});
  put_row(row, to_millis(clock_.now()));
  MAMORI_TRY(server_.put(table("retained"), row));
  {
    const WriterLock lock(state_mutex_);
    state_.first = up_to;
  }
  MAMORI_TRY(delete_rows(up_to));
  return up_to - before;
}

}  // namespace mamori::archive
