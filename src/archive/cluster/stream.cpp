#include "archive/cluster/stream.h"

#include <fmt/format.h>

#include <algorithm>

#include "archive/cluster/query_sql.h"
#include "archive/cluster/schema.h"

namespace mamori::archive {
namespace {

constexpr std::size_t kInsertEvents = 65536, kInsertBytes = std::size_t{32} << 20;
constexpr LeafIndex kReadAtOnce = 32 * kChunk;  // of a verification

// Text that is all ASCII is its own key once lowered: the server does that when asked.
std::string key_of(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) return {};
  return searchable(text);
}

}  // namespace

std::string row_columns() {
  std::string out = "leaf, time, received, raw";
  for (const auto field : kFields) out += ", f_" + std::string(name_of(field));
  return out;
}

RowEvent take_row(Rows& rows) {
  RowEvent out;
  out.leaf = rows.number();
  out.event.time = from_millis(rows.signed_number());
  out.event.received = from_millis(rows.signed_number());
  out.event.raw = rows.text();
  for (const auto field : kFields) out.event[field] = rows.text();
  return out;
}

ClusterStream::ClusterStream(const ClickHouse& server, Place place, bool writes, const SigningKey& key, const Clock& clock)
    : server_(server), place_(std::move(place)), writes_(writes), origin_("mamori/" + place_.facility + "/" + place_.stream + "@" + place_.writer), key_(key), clock_(clock) {}

Result<std::unique_ptr<ClusterStream>> ClusterStream::open(const ClickHouse& server, Place place, bool writes, const SigningKey& key, const Clock& clock) {
  std::unique_ptr<ClusterStream> out(new ClusterStream(server, std::move(place), writes, key, clock));
  out->state_ = MAMORI_TRY(out->load());
  if (const auto missing = out->chunk_rows(out->state_, out->state_.known_chunks); writes && !missing.empty()) (void)server.insert(out->table("chunk"), missing).has_value();
  out->looked_ = std::chrono::steady_clock::now();
  return out;
}

std::string ClusterStream::table(const char* name) const { return server_.address().database + "." + name; }

std::string ClusterStream::here() const { return "facility = " + sql_text(place_.facility) + " AND stream = " + sql_text(place_.stream) + " AND writer = " + sql_text(place_.writer); }

std::string ClusterStream::rows_here() const { return here() + " AND leaf >= " + std::to_string(first()); }

void ClusterStream::add(State& state, std::span<const Hash> leaves, std::span<const std::pair<Instant, std::uint64_t>> received) {
  while (!leaves.empty()) {
    const auto some = std::min<std::size_t>(leaves.size(), kChunk - state.tree.size() % kChunk);
    state.tree.append(leaves.first(some));
    leaves = leaves.subspan(some);
    for (const auto& [at, bytes] : received.first(std::min(some, received.size()))) {
      auto& open = state.open;
      if (open.first_received == Instant{}) open.first_received = open.last_received = at;
      open.first_received = std::min(open.first_received, at);
      open.last_received = std::max(open.last_received, at);
      open.bytes += bytes;
    }
    received = received.subspan(std::min(some, received.size()));
    if (state.tree.size() % kChunk == 0) state.chunks.push_back(std::exchange(state.open, {}));
  }
}

std::string ClusterStream::chunk_rows(const State& state, std::size_t from) const {
  std::string out;
  for (; from < state.chunks.size(); ++from) {
    const auto& chunk = state.chunks[from];
    put_row(out, place_.facility);
    put_row(out, place_.stream);
    put_row(out, place_.writer);
    put_row(out, std::uint64_t{from});
    put_row(out, state.tree.chunk(from));
    put_row(out, chunk.bytes);
    put_row(out, to_millis(chunk.first_received));
    put_row(out, to_millis(chunk.last_received));
  }
  return out;
}

Result<ClusterStream::State> ClusterStream::load() const {
  State state;
  {
    const auto bytes = MAMORI_TRY(server_.ask("SELECT max(first) FROM " + table("retained") + " WHERE " + here()));
    Rows rows(bytes);
    state.first = rows.number();
  }
  {
    const auto bytes = MAMORI_TRY(server_.ask("SELECT number, root, bytes, first_received, last_received FROM " + table("chunk") + " WHERE " + here() + " ORDER BY number LIMIT 1 BY number"));
    for (Rows rows(bytes); !rows.empty();) {
      if (rows.number() != state.chunks.size()) break;  // what follows a hole is made from the events again
      const auto root = rows.hash();
      const auto raw = rows.number();
      const auto first = from_millis(rows.signed_number());
      const auto last = from_millis(rows.signed_number());
      if (!rows.whole()) return Error{ErrorKind::corrupt, "archive.cluster.refused", {{"reason", "chunk"}}};
      state.tree.append_chunk(root);
      state.chunks.push_back({raw, first, last});
    }
    state.known_chunks = state.chunks.size();
  }
  // The rest from the events themselves.
  const auto from = state.tree.size();
  const auto bytes = MAMORI_TRY(server_.ask("SELECT leaf, received, f_source, raw FROM " + table("event") + " WHERE " + here() + " AND leaf >= " + std::to_string(from) + " ORDER BY leaf LIMIT 1 BY leaf", std::chrono::minutes(10)));
  for (Rows rows(bytes); !rows.empty();) {
    const auto leaf = rows.number();
    const auto received = from_millis(rows.signed_number());
    const auto source = rows.text(), raw = rows.text();
    if (!rows.whole()) return Error{ErrorKind::corrupt, "archive.cluster.refused", {{"reason", "event"}}};
    if (state.tree.size() < leaf) {
      state.damage.push_back({table("event"), "archive.damage.missing", state.tree.size(), leaf - 1});
      add(state, std::vector<Hash>(leaf - state.tree.size()), {});
    }
    const Hash hash = hash_leaf(leaf_of(received, source, raw));
    const std::pair<Instant, std::uint64_t> one[] = {{received, raw.size()}};
    add(state, {&hash, 1}, one);
  }
  const auto heads = MAMORI_TRY(server_.ask("SELECT note FROM " + table("head") + " WHERE " + here() + " ORDER BY size LIMIT 1 BY size"));
  for (Rows rows(heads); !rows.empty();) {
    if (auto head = parse_head(rows.text())) state.heads.push_back(std::move(*head));
    else state.damage.push_back({table("head"), "archive.damage.head", 0, 0});
  }
  return state;
}

Status ClusterStream::look() const {
  if (writes_) return {};
  {
    const std::shared_lock lock(state_mutex_);
    if (std::chrono::steady_clock::now() - looked_ < std::chrono::seconds(1)) return {};
  }
  auto fresh = MAMORI_TRY(load());
  const std::unique_lock lock(state_mutex_);
  state_ = std::move(fresh);
  looked_ = std::chrono::steady_clock::now();
  return {};
}

// --- writing

ClusterStream::Group ClusterStream::make_group(std::span<Waiting* const> callers, LeafIndex first) const {
  Group group;
  group.first = first;
  std::size_t bytes = 0, count = 0;
  for (const auto* caller : callers) {
    count += caller->events.size();
    for (const auto& event : caller->events) bytes += event.raw.size() + 256;
  }
  group.rows.reserve(bytes * 5 / 4);
  group.leaves.reserve(count);
  group.received.reserve(count);
  std::string start;
  put_row(start, place_.facility);
  put_row(start, place_.stream);
  put_row(start, place_.writer);
  put_row(start, group.first);
  for (const auto* caller : callers) {
    auto hashes = leaf_hashes(caller->events);
    group.leaves.insert(group.leaves.end(), hashes.begin(), hashes.end());
    for (const auto& event : caller->events) {
      auto& out = group.rows;
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

// order_ is held.
Status ClusterStream::insert(Group group) {
  if (auto done = server_.insert(table("event"), group.rows); !done) {
    // Refused as a whole, or already there? The rows themselves say.
    unsettled_ = std::move(group);
    return done;
  }
  take_in(group);
  return {};
}

// The rows are there: now they are part of the tree.
void ClusterStream::take_in(const Group& group) {
  std::string chunks;
  {
    const std::unique_lock lock(state_mutex_);
    const auto known = state_.chunks.size();
    add(state_, group.leaves, group.received);
    chunks = chunk_rows(state_, known);
  }
  // Only a shorter way to open the stream again: what is missing of them is made from the events, and written then.
  if (!chunks.empty()) (void)server_.insert(table("chunk"), chunks).has_value();
}

Result<LeafRange> ClusterStream::append(std::span<const Event> events) {
  if (!writes_) return Error{ErrorKind::conflict, "archive.busy", {{"directory", origin_}}};
  if (events.empty()) return LeafRange{size(), 0};
  if (events.size() > kLargestBatch) return Error{ErrorKind::invalid, "archive.batch.too-large", {{"events", std::to_string(events.size())}}};
  for (const auto& event : events)
    if (event.raw.size() > kLongestRaw) return Error{ErrorKind::invalid, "archive.event.too-long", {{"bytes", std::to_string(event.raw.size())}}};
  Waiting mine{events};
  std::unique_lock lock(queue_mutex_);
  queue_.push_back(&mine);
  changed_.wait(lock, [&] { return mine.done || !leading_; });
  if (!mine.done) {
    // The first who finds nobody inserting does it for all who wait.
    leading_ = true;
    while (!mine.done) {
      std::vector<Waiting*> group;
      std::size_t count = 0, bytes = 0;
      while (!queue_.empty() && (group.empty() || (count + queue_.front()->events.size() <= kInsertEvents && bytes < kInsertBytes))) {
        count += queue_.front()->events.size();
        for (const auto& event : queue_.front()->events) bytes += event.raw.size();
        group.push_back(queue_.front());
        queue_.pop_front();
      }
      lock.unlock();
      Status done;
      {
        const std::lock_guard order(order_);
        if (unsettled_) {
          auto again = std::move(*unsettled_);
          unsettled_.reset();
          const auto there = server_.ask("SELECT count() FROM " + table("event") + " WHERE " + here() + " AND batch = " + std::to_string(again.first));
          if (!there) {
            done = there.error();
            unsettled_ = std::move(again);
          } else if (Rows(*there).number() == again.leaves.size()) {
            take_in(again);
          } else {
            done = insert(std::move(again));
          }
        }
        if (done) {
          auto first = [&] {
            const std::shared_lock state_lock(state_mutex_);
            return state_.tree.size();
          }();
          auto rows = make_group(group, first);
          for (auto* caller : group) {
            caller->first = first;
            first += caller->events.size();
          }
          done = insert(std::move(rows));
        }
      }
      lock.lock();
      for (auto* caller : group) caller->done = done;
      changed_.notify_all();
    }
    leading_ = false;
    changed_.notify_all();
  }
  MAMORI_TRY(std::move(*mine.done));
  return LeafRange{mine.first, events.size()};
}

Status ClusterStream::append_block(std::shared_ptr<Batch> batch) {
  MAMORI_TRY(append(batch->events));
  return {};
}

Status ClusterStream::settle() { return {}; }

// --- reading

TreeSize ClusterStream::size() const {
  (void)look().has_value();
  return tree_now().size();
}

LeafIndex ClusterStream::first() const {
  const std::shared_lock lock(state_mutex_);
  return state_.first;
}

std::vector<Damage> ClusterStream::damage() const {
  const std::shared_lock lock(state_mutex_);
  return state_.damage;
}

std::uint64_t ClusterStream::raw_bytes() const {
  const std::shared_lock lock(state_mutex_);
  std::uint64_t sum = state_.open.bytes;
  for (std::size_t i = state_.first / kChunk; i < state_.chunks.size(); ++i) sum += state_.chunks[i].bytes;
  return sum;
}

// The table's bytes are shared by all streams: this one's part of them by its rows.
std::uint64_t ClusterStream::bytes_on_disk() const {
  const auto& address = server_.address();
  const auto bytes = server_.ask(fmt::format("SELECT toUInt64(sum(bytes_on_disk)), toUInt64(sum(rows)) FROM system.parts WHERE active AND database = {} AND table = {}", sql_text(address.database), sql_text(address.cluster.empty() ? "event" : "event_rows")));
  if (!bytes) return 0;
  Rows rows(*bytes);
  const auto whole = rows.number(), count = rows.number();
  const std::shared_lock lock(state_mutex_);
  return count == 0 ? 0 : static_cast<std::uint64_t>(static_cast<double>(whole) * std::min(1.0, static_cast<double>(state_.tree.size() - state_.first) / static_cast<double>(count)));
}

std::string ClusterStream::received_within(LeafIndex first, LeafIndex last) const {
  const std::shared_lock lock(state_mutex_);
  const auto from = first / kChunk, to = last / kChunk;
  if (to >= state_.chunks.size()) return from < state_.chunks.size() ? fmt::format(" AND received >= {}", to_millis(state_.chunks[from].first_received)) : "";
  auto low = state_.chunks[from].first_received, high = state_.chunks[from].last_received;
  for (auto i = from; i <= to; ++i) {
    low = std::min(low, state_.chunks[i].first_received);
    high = std::max(high, state_.chunks[i].last_received);
  }
  return fmt::format(" AND received >= {} AND received <= {}", to_millis(low), to_millis(high));
}

Result<Kept> ClusterStream::event(LeafIndex index) const {
  auto bytes = std::make_shared<std::string>(MAMORI_TRY(server_.ask("SELECT " + row_columns() + " FROM " + table("event") + " WHERE " + rows_here() + " AND leaf = " + std::to_string(index) + received_within(index, index) + " LIMIT 1")));
  if (bytes->empty()) return Error{ErrorKind::not_found, "archive.event.missing", {{"index", std::to_string(index)}}};
  Rows rows(*bytes);
  const auto row = take_row(rows);
  if (!rows.whole()) return Error{ErrorKind::corrupt, "archive.block.damaged"};
  return Kept{row.event, bytes};
}

Status ClusterStream::each_match(const Query& query, Instant from, Instant to, LeafIndex start, const std::function<Result<bool>(LeafIndex, const Event&)>& take) const {
  const auto condition = fmt::format("{} AND time >= {} AND time < {} AND {}", here(), to_millis(from), to_millis(to), condition_of(query));
  const auto end = size();
  for (auto low = std::max(start, first()); low < end; low += kReadAtOnce) {
    const auto high = std::min(low + kReadAtOnce, end);
    const auto bytes = MAMORI_TRY(server_.ask(fmt::format("SELECT {} FROM {} WHERE {} AND leaf >= {} AND leaf < {}{} ORDER BY leaf LIMIT 1 BY leaf", row_columns(), table("event"), condition, low, high, received_within(low, high - 1)), std::chrono::minutes(10)));
    for (Rows rows(bytes); !rows.empty();) {
      const auto row = take_row(rows);
      if (!rows.whole()) return Error{ErrorKind::corrupt, "archive.block.damaged"};
      if (!MAMORI_TRY(take(row.leaf, row.event))) return {};
    }
  }
  return {};
}

Result<std::vector<Hash>> ClusterStream::leaves(LeafIndex first, std::size_t count) const {
  std::map<LeafIndex, Hash> found;
  const auto within = fmt::format(" AND leaf >= {} AND leaf < {}", first, first + count);
  const auto kept = MAMORI_TRY(server_.ask("SELECT leaf, hash FROM " + table("kept") + " WHERE " + here() + within));
  for (Rows rows(kept); !rows.empty();) {
    const auto leaf = rows.number();
    found[leaf] = rows.hash();
  }
  if (found.size() < count) {
    const auto bytes = MAMORI_TRY(server_.ask("SELECT leaf, received, f_source, raw FROM " + table("event") + " WHERE " + here() + within));
    for (Rows rows(bytes); !rows.empty();) {
      const auto leaf = rows.number();
      const auto received = from_millis(rows.signed_number());
      const auto source = rows.text(), raw = rows.text();
      if (rows.whole()) found[leaf] = hash_leaf(leaf_of(received, source, raw));
    }
  }
  std::vector<Hash> out;
  for (LeafIndex leaf = first; leaf < first + count; ++leaf) {
    if (!found.contains(leaf)) return Error{ErrorKind::not_found, "archive.event.missing", {{"index", std::to_string(leaf)}}};
    out.push_back(found[leaf]);
  }
  return out;
}

// --- proving. The tree is taken as it is at the beginning: what comes meanwhile belongs to a later head.

TreeView ClusterStream::tree_now() const {
  const std::shared_lock lock(state_mutex_);
  return state_.tree.view();
}

Result<Hash> ClusterStream::root_at(TreeSize size) const {
  MAMORI_TRY(look());
  return tree_now().root_at(size, [this](LeafIndex first, std::size_t count) { return leaves(first, count); });
}

Result<std::vector<Hash>> ClusterStream::inclusion(LeafIndex index, TreeSize size) const {
  MAMORI_TRY(look());
  return tree_now().inclusion(index, size, [this](LeafIndex first, std::size_t count) { return leaves(first, count); });
}

Result<std::vector<Hash>> ClusterStream::consistency(TreeSize size1, TreeSize size2) const {
  MAMORI_TRY(look());
  return tree_now().consistency(size1, size2, [this](LeafIndex first, std::size_t count) { return leaves(first, count); });
}

Result<std::vector<Hash>> ClusterStream::inclusion_of_all(std::span<const LeafIndex> indices, TreeSize size) const {
  MAMORI_TRY(look());
  // The same chunk is asked for leaf by leaf: it is read once.
  struct Cache {
    LeafIndex chunk = ~LeafIndex{0};
    std::vector<Hash> hashes;
  };
  const auto end = this->size();
  return tree_now().inclusion_of_all(indices, size, [this, end, cache = std::make_shared<Cache>()](LeafIndex first, std::size_t count) -> Result<std::vector<Hash>> {
    const auto start = first - first % kChunk;
    if (start != cache->chunk) {
      cache->hashes = MAMORI_TRY(leaves(start, std::min<LeafIndex>(kChunk, end - start)));
      cache->chunk = start;
    }
    const auto from = cache->hashes.begin() + static_cast<std::ptrdiff_t>(first - start);
    return std::vector<Hash>(from, from + static_cast<std::ptrdiff_t>(count));
  });
}

Result<Head> ClusterStream::publish_head() {
  if (!writes_) return Error{ErrorKind::conflict, "archive.busy", {{"directory", origin_}}};
  const std::lock_guard order(order_);
  TreeSize size = 0;
  Hash root;
  {
    const std::shared_lock lock(state_mutex_);
    size = state_.tree.size();
    root = state_.tree.root();
    if (!state_.heads.empty() && state_.heads.back().size == size) return state_.heads.back();
  }
  auto head = sign_head(origin_, size, root, clock_.now(), key_);
  std::string row;
  put_row(row, place_.facility);
  put_row(row, place_.stream);
  put_row(row, place_.writer);
  put_row(row, std::uint64_t{size});
  put_row(row, head.note);
  MAMORI_TRY(server_.insert(table("head"), row));
  const std::unique_lock lock(state_mutex_);
  state_.heads.push_back(head);
  return head;
}

std::vector<Head> ClusterStream::heads() const {
  (void)look().has_value();
  const std::shared_lock lock(state_mutex_);
  return state_.heads;
}

Result<std::uint64_t> ClusterStream::retain(const Retention& retention) {
  if (!writes_) return Error{ErrorKind::conflict, "archive.busy", {{"directory", origin_}}};
  const std::lock_guard order(order_);
  const auto disk = static_cast<double>(bytes_on_disk()), raw = static_cast<double>(raw_bytes());
  const auto limit = clock_.now() - retention.age;
  LeafIndex before = 0, up_to = 0;
  std::vector<Head> heads;
  {
    const std::shared_lock lock(state_mutex_);
    before = up_to = state_.first;
    heads = state_.heads;
    auto left = disk;
    for (auto i = before / kChunk; i < state_.chunks.size(); ++i) {
      const bool old = retention.age.count() > 0 && state_.chunks[i].last_received < limit;
      const bool much = retention.bytes > 0 && left > static_cast<double>(retention.bytes);
      if (!old && !much) break;
      left -= raw == 0 ? 0 : disk * static_cast<double>(state_.chunks[i].bytes) / raw;
      up_to = (i + 1) * kChunk;
    }
  }
  if (up_to == before) return std::uint64_t{0};
  // What proofs from older heads may still ask for: the leaves of the chunk that a head ends in.
  std::string kept;
  for (const auto& head : heads) {
    const auto start = head.size - head.size % kChunk;
    if (head.size % kChunk == 0 || start < before || start >= up_to) continue;
    const auto hashes = MAMORI_TRY(leaves(start, kChunk));
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      put_row(kept, place_.facility);
      put_row(kept, place_.stream);
      put_row(kept, place_.writer);
      put_row(kept, std::uint64_t{start + i});
      put_row(kept, hashes[i]);
    }
  }
  if (!kept.empty()) MAMORI_TRY(server_.insert(table("kept"), kept));
  std::string row;
  put_row(row, place_.facility);
  put_row(row, place_.stream);
  put_row(row, place_.writer);
  put_row(row, std::uint64_t{up_to});
  put_row(row, to_millis(clock_.now()));
  MAMORI_TRY(server_.insert(table("retained"), row));
  const auto& cluster = server_.address().cluster;
  MAMORI_TRY(server_.run("ALTER TABLE " + table(cluster.empty() ? "event" : "event_rows") + (cluster.empty() ? "" : " ON CLUSTER " + cluster) + " DELETE WHERE " + here() + " AND leaf < " + std::to_string(up_to)));
  const std::unique_lock lock(state_mutex_);
  state_.first = up_to;
  return up_to - before;
}

Result<Verified> ClusterStream::verify(const std::function<void(const Damage&)>& report, const std::function<void(std::uint64_t)>& progress) const {
  const auto fresh = MAMORI_TRY(load());  // from what stands there, not from what this process remembers
  Verified out;
  std::optional<Damage> worst;
  const auto tell = [&](Damage damage) {
    report(damage);
    if (!worst || damage.first < worst->first) worst = std::move(damage);
  };
  for (const auto& damage : fresh.damage) tell(damage);
  Tree tree;
  for (LeafIndex chunk = 0; chunk < fresh.first / kChunk; ++chunk) tree.append_chunk(fresh.tree.chunk(chunk));
  std::size_t next_head = 0;
  TreeSize good = fresh.first;
  const auto fits = [&](const Head& head, const Hash& root) {
    if (head.root == root && head.origin == origin_ && (!writes_ || head_is_signed_by(head, key_.public_key()))) {
      ++out.heads;
      good = head.size;
    } else {
      tell({table("head"), "archive.damage.root", good, head.size == 0 ? 0 : head.size - 1});
    }
  };
  for (; next_head < fresh.heads.size() && fresh.heads[next_head].size <= fresh.first; ++next_head) {
    const auto root = fresh.tree.view().root_at(fresh.heads[next_head].size, [this](LeafIndex first, std::size_t count) { return leaves(first, count); });
    if (root) fits(fresh.heads[next_head], *root);
    else tell({table("kept"), "archive.damage.root", good, fresh.heads[next_head].size - 1});
  }
  // A head may promise more than there is.
  const auto end = std::max<TreeSize>(fresh.tree.size(), fresh.first);
  std::vector<Hash> chunk;
  const auto add = [&](const Hash& hash) {
    tree.append({&hash, 1});
    chunk.push_back(hash);
    for (; next_head < fresh.heads.size() && fresh.heads[next_head].size == tree.size(); ++next_head) fits(fresh.heads[next_head], tree.root());
    if (tree.size() % kChunk != 0) return;
    const auto number = tree.size() / kChunk - 1;
    if (number < fresh.tree.size() / kChunk && perfect_root(chunk) != fresh.tree.chunk(number)) tell({table("event"), "archive.damage.event", tree.size() - kChunk, tree.size() - 1});
    chunk.clear();
  };
  for (auto low = fresh.first; low < end; low += kReadAtOnce) {
    const auto high = std::min<LeafIndex>(low + kReadAtOnce, end);
    const auto bytes = MAMORI_TRY(server_.ask(fmt::format("SELECT leaf, received, f_source, raw FROM {} WHERE {} AND leaf >= {} AND leaf < {} ORDER BY leaf", table("event"), here(), low, high), std::chrono::minutes(10)));
    Hash last{};
    for (Rows rows(bytes); !rows.empty();) {
      const auto leaf = rows.number();
      const auto received = from_millis(rows.signed_number());
      const auto source = rows.text(), raw = rows.text();
      if (!rows.whole()) return Error{ErrorKind::corrupt, "archive.cluster.refused", {{"reason", "event"}}};
      const auto hash = hash_leaf(leaf_of(received, source, raw));
      if (leaf < tree.size()) {  // the same row twice is no harm: an insert whose answer was lost
        if (hash != last) tell({table("event"), "archive.damage.event", leaf, leaf});
        continue;
      }
      if (leaf > tree.size()) {
        tell({table("event"), "archive.damage.missing", tree.size(), leaf - 1});
        while (tree.size() < leaf) add(Hash{});
      }
      add(last = hash);
      ++out.events;
      out.bytes += raw.size();
    }
    if (tree.size() < high) {
      tell({table("event"), "archive.damage.missing", tree.size(), high - 1});
      while (tree.size() < high) add(Hash{});
    }
    if (progress) progress(out.events);
  }
  for (; next_head < fresh.heads.size(); ++next_head) tell({table("head"), "archive.damage.cut", tree.size(), fresh.heads[next_head].size - 1});
  out.size = tree.size();
  out.root = tree.root();
  if (worst) return Error{ErrorKind::corrupt, "archive.verify.failed", {{"file", worst->file}, {"what", worst->what}, {"first", std::to_string(worst->first)}, {"last", std::to_string(worst->last)}}};
  return out;
}

}  // namespace mamori::archive
