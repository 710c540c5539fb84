// What a cluster stream tells and proves: its size, its events, proofs from its tree, and all of it read
// again.
#include <fmt/format.h>

#include <algorithm>

#include "archive/cluster/query_sql.h"
#include "archive/cluster/stream.h"

namespace mamori::archive {
namespace {

constexpr auto kLongReading = std::chrono::minutes(10);

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

// --- reading

TreeSize ClusterStream::size() const {
  (void)look().has_value();
  return tree_now().size();
}

LeafIndex ClusterStream::first() const {
  const ReaderLock lock(state_mutex_);
  return state_.first;
}

std::vector<Damage> ClusterStream::damage() const {
  (void)look().has_value();
  const ReaderLock lock(state_mutex_);
  auto out = state_.damage;
  const auto size = state_.tree.size();
  if (!state_.heads.empty() && state_.heads.back().size > size)
    out.push_back({table("head"), "archive.damage.cut", size, state_.heads.back().size - 1});
  // What is told of another server's stream is old then: whoever shows it can say so.
  if (away_) out.push_back({table("event"), "archive.damage.away", size, size});
  return out;
}

std::uint64_t ClusterStream::raw_bytes() const {
  const ReaderLock lock(state_mutex_);
  std::uint64_t sum = state_.open.bytes;
  for (std::size_t i = state_.first / kChunk; i < state_.chunks.size(); ++i) sum += state_.chunks[i].bytes;
  return sum;
}

// The table's bytes are shared by all streams: this one's part of them by its rows.
Result<std::uint64_t> ClusterStream::measure_disk() const {
  const auto& address = server_.address();
  std::uint64_t whole = 0, count = 0;
  MAMORI_TRY(server_.each(
      fmt::format("SELECT toUInt64(sum(bytes_on_disk)), toUInt64(sum(rows)) FROM system.parts WHERE active "
                  "AND database = {} AND table = {}",
                  sql_text(address.database), sql_text(address.cluster.empty() ? "event" : "event_rows")),
      [&](Rows& row) {
        whole = row.number();
        count = row.number();
      }));
  const ReaderLock lock(state_mutex_);
  const auto ours = static_cast<double>(state_.tree.size() - state_.first);
  disk_ = count == 0 ? 0
                     : static_cast<std::uint64_t>(static_cast<double>(whole) *
                                                  std::min(1.0, ours / static_cast<double>(count)));
  return disk_.load();
}

std::uint64_t ClusterStream::bytes_on_disk() const {
  (void)measure_disk().has_value();
  return disk_;
}

std::string ClusterStream::received_within(LeafIndex first, LeafIndex last) const {
  const ReaderLock lock(state_mutex_);
  const auto from = first / kChunk, to = last / kChunk;
  if (from >= state_.chunks.size()) return "";
  auto low = state_.chunks[from].first_received, high = state_.chunks[from].last_received;
  for (auto i = from; i <= to && i < state_.chunks.size(); ++i) {
    if (state_.chunks[i].first_received == Instant{}) return "";  // made over a hole: nothing is known of it
    low = std::min(low, state_.chunks[i].first_received);
    high = std::max(high, state_.chunks[i].last_received);
  }
  if (to < state_.chunks.size())
    return fmt::format(" AND received >= {} AND received <= {}", to_millis(low), to_millis(high));
  // Of those behind the last whole chunk only what is here already was asked for.
  if (state_.open.first_received != Instant{}) low = std::min(low, state_.open.first_received);
  return fmt::format(" AND received >= {}", to_millis(low));
}

Result<Kept> ClusterStream::event(LeafIndex index) const {
  MAMORI_TRY(look());
  if (index < first() || index >= tree_now().size())
    return Error{ErrorKind::not_found, "archive.event.missing", {{"index", std::to_string(index)}}};
  auto bytes = std::make_shared<std::string>(MAMORI_TRY(
      server_.ask(fmt::format("SELECT {} FROM {} WHERE {} AND leaf = {}{} ORDER BY batch DESC LIMIT 1",
                              row_columns(), table("event"), here(), index, received_within(index, index)))));
  Rows rows(*bytes);
  std::optional<RowEvent> row;
  while (rows.next()) row = take_row(rows);
  if (!rows.whole()) return Error{ErrorKind::corrupt, "archive.block.damaged"};
  if (!row) return Error{ErrorKind::not_found, "archive.event.missing", {{"index", std::to_string(index)}}};
  return Kept{row->event, bytes};
}

Status ClusterStream::each_match(const Query& query, Instant from, Instant to, LeafIndex start,
                                 const std::function<Result<bool>(LeafIndex, const Event&)>& take) const {
  const auto question =
      fmt::format("time >= {} AND time < {} AND {}", to_millis(from), to_millis(to), condition_of(query));
  const auto end = size();
  bool more = true;
  return in_pieces(std::max(start, first()), end, [&](LeafIndex low, LeafIndex high) -> Status {
    if (!more) return {};
    std::vector<RowEvent> found;
    // Which row of a leaf counts must not depend on which of them answers the question.
    const auto within =
        fmt::format("{} AND leaf >= {} AND leaf < {}{}", here(), low, high, received_within(low, high - 1));
    const auto newest =
        fmt::format("(leaf, batch) GLOBAL IN (SELECT leaf, max(batch) FROM {} WHERE {} GROUP BY leaf)",
                    table("event"), within);
    const auto bytes = MAMORI_TRY(
        server_.ask(fmt::format("SELECT {} FROM {} WHERE {} AND {} AND {} ORDER BY leaf LIMIT 1 BY leaf",
                                row_columns(), table("event"), within, newest, question),
                    kLongReading));
    Rows rows(bytes);
    while (rows.next()) found.push_back(take_row(rows));
    if (!rows.whole()) return Error{ErrorKind::corrupt, "archive.block.damaged"};
    std::stable_sort(found.begin(), found.end(),
                     [](const RowEvent& a, const RowEvent& b) { return a.leaf < b.leaf; });
    for (const auto& row : found) {
      more = MAMORI_TRY(take(row.leaf, row.event));
      if (!more) break;
    }
    return {};
  });
}

Result<std::vector<Hash>> ClusterStream::leaves(LeafIndex first, std::size_t count) const {
  std::map<LeafIndex, Hash> found;
  std::map<LeafIndex, std::uint64_t> batches;
  const auto within = fmt::format(" AND leaf >= {} AND leaf < {}", first, first + count);
  // Twice: retention may pass by between the two questions, and moves what is needed from one table to the
  // other.
  for (int tries = 0; tries < 2 && found.size() < count; ++tries) {
    MAMORI_TRY(
        server_.each("SELECT leaf, hash FROM " + table("kept") + " WHERE " + here() + within, [&](Rows& row) {
          const auto leaf = row.number();
          found[leaf] = row.hash();
        }));
    if (found.size() == count) break;
    MAMORI_TRY(server_.each("SELECT leaf, batch, received, f_source, raw FROM " + table("event") + " WHERE " +
                                here() + within + received_within(first, first + count - 1),
                            [&](Rows& row) {
                              const auto leaf = row.number(), batch = row.number();
                              const auto received = from_millis(row.signed_number());
                              const auto source = row.text(), raw = row.text();
                              if (const auto known = batches.find(leaf);
                                  known != batches.end() && known->second > batch)
                                return;
                              batches[leaf] = batch;
                              found[leaf] = hash_leaf(leaf_of(received, source, raw));
                            }));
  }
  std::vector<Hash> out;
  for (LeafIndex leaf = first; leaf < first + count; ++leaf) {
    const auto hash = found.find(leaf);
    if (hash == found.end())
      return Error{ErrorKind::not_found, "archive.event.missing", {{"index", std::to_string(leaf)}}};
    out.push_back(hash->second);
  }
  return out;
}

// --- proving. The tree is taken as it is at the beginning: what comes meanwhile belongs to a later head.

TreeView ClusterStream::tree_now() const {
  const ReaderLock lock(state_mutex_);
  return state_.tree.view();
}

Result<Hash> ClusterStream::root_at(TreeSize size) const {
  MAMORI_TRY(look());
  return tree_now().root_at(size,
                            [this](LeafIndex first, std::size_t count) { return leaves(first, count); });
}

Result<std::vector<Hash>> ClusterStream::inclusion(LeafIndex index, TreeSize size) const {
  MAMORI_TRY(look());
  return tree_now().inclusion(index, size,
                              [this](LeafIndex first, std::size_t count) { return leaves(first, count); });
}

Result<std::vector<Hash>> ClusterStream::consistency(TreeSize size1, TreeSize size2) const {
  MAMORI_TRY(look());
  return tree_now().consistency(size1, size2,
                                [this](LeafIndex first, std::size_t count) { return leaves(first, count); });
}

Result<std::vector<Hash>> ClusterStream::inclusion_of_all(std::span<const LeafIndex> indices,
                                                          TreeSize size) const {
  MAMORI_TRY(look());
  // The same chunk is asked for leaf by leaf: it is read once.
  struct Cache {
    LeafIndex chunk = ~LeafIndex{0};
    std::vector<Hash> hashes;
  };
  const auto tree = tree_now();
  return tree.inclusion_of_all(
      indices, size,
      [this, end = tree.size(), cache = std::make_shared<Cache>()](
          LeafIndex first, std::size_t count) -> Result<std::vector<Hash>> {
        const auto start = first - first % kChunk;
        if (start != cache->chunk) {
          cache->hashes = MAMORI_TRY(leaves(start, std::min<LeafIndex>(kChunk, end - start)));
          cache->chunk = start;
        }
        const auto from = cache->hashes.begin() + static_cast<std::ptrdiff_t>(first - start);
        return std::vector<Hash>(from, from + static_cast<std::ptrdiff_t>(count));
      });
}

std::vector<Head> ClusterStream::heads() const {
  (void)look().has_value();
  const ReaderLock lock(state_mutex_);
  return state_.heads;
}

Result<Verified> ClusterStream::verify(const std::function<void(const Damage&)>& report,
                                       const std::function<bool(std::uint64_t)>& progress) const {
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
    if (head.root == root && head.origin == origin_ &&
        (!writes_ || head_is_signed_by(head, key_.public_key()))) {
      ++out.heads;
      good = head.size;
    } else {
      tell({table("head"), "archive.damage.root", good, head.size == 0 ? 0 : head.size - 1});
    }
  };
  const auto check_old = [&](const Head& head) {
    const auto root = fresh.tree.view().root_at(
        head.size, [this](LeafIndex first, std::size_t count) { return leaves(first, count); });
    if (root)
      fits(head, *root);
    else
      tell({table("kept"), "archive.damage.root", good, head.size - 1});
  };
  for (; next_head < fresh.heads.size() && fresh.heads[next_head].size <= fresh.first; ++next_head)
    check_old(fresh.heads[next_head]);
  // A head may promise more than there is.
  const auto end = std::max<TreeSize>(fresh.tree.size(), fresh.first);
  std::vector<Hash> chunk;
  const auto add = [&](const Hash& hash) {
    tree.append({&hash, 1});
    chunk.push_back(hash);
    for (; next_head < fresh.heads.size() && fresh.heads[next_head].size == tree.size(); ++next_head)
      fits(fresh.heads[next_head], tree.root());
    if (tree.size() % kChunk != 0) return;
    const auto number = tree.size() / kChunk - 1;
    if (number < fresh.tree.size() / kChunk && perfect_root(chunk) != fresh.tree.chunk(number))
      tell({table("event"), "archive.damage.event", tree.size() - kChunk, tree.size() - 1});
    chunk.clear();
  };
  // Retention passed by while we read: whole chunks are gone, of which only the roots are left.
  const auto skip = [&](LeafIndex to) {
    for (; tree.size() < to; tree.append_chunk(fresh.tree.chunk(tree.size() / kChunk))) {
      for (; next_head < fresh.heads.size() && fresh.heads[next_head].size < tree.size() + kChunk;
           ++next_head)
        check_old(fresh.heads[next_head]);
    }
    for (; next_head < fresh.heads.size() && fresh.heads[next_head].size == tree.size(); ++next_head)
      fits(fresh.heads[next_head], tree.root());
  };
  MAMORI_TRY(in_pieces(fresh.first, end, [&](LeafIndex low, LeafIndex high) -> Status {
    struct Read {
      LeafIndex leaf;
      std::uint64_t batch;
      Hash hash;
      std::uint64_t bytes;
    };
    std::vector<Read> found;
    MAMORI_TRY(server_.each(
        fmt::format("SELECT leaf, batch, received, f_source, raw FROM {} WHERE {} AND leaf >= {} AND leaf < "
                    "{} ORDER BY leaf, batch DESC",
                    table("event"), here(), low, high),
        [&](Rows& row) {
          const auto leaf = row.number(), batch = row.number();
          const auto received = from_millis(row.signed_number());
          const auto source = row.text(), raw = row.text();
          found.push_back({leaf, batch, hash_leaf(leaf_of(received, source, raw)), raw.size()});
        },
        kLongReading));
    std::stable_sort(found.begin(), found.end(), [](const Read& a, const Read& b) {
      return a.leaf != b.leaf ? a.leaf < b.leaf : a.batch > b.batch;
    });
    if (found.size() < high - low) {
      const auto first_now = std::min(
          high,
          MAMORI_TRY(server_.number("SELECT max(first) FROM " + table("retained") + " WHERE " + here())));
      if (tree.size() % kChunk == 0) skip(first_now - first_now % kChunk);
      std::erase_if(found, [&](const Read& read) { return read.leaf < tree.size(); });
    }
    Hash last{};
    std::uint64_t last_life = 0;
    for (const auto& [leaf, batch, hash, bytes] : found) {
      if (leaf < tree.size()) {  // the same row twice is no harm: an insert whose answer was lost; nor is one
                                 // of an older life
        if (hash != last && life_of(batch) == last_life)
          tell({table("event"), "archive.damage.event", leaf, leaf});
        continue;
      }
      if (leaf > tree.size()) {
        tell({table("event"), "archive.damage.missing", tree.size(), leaf - 1});
        while (tree.size() < leaf) add(Hash{});
      }
      add(last = hash);
      last_life = life_of(batch);
      ++out.events;
      out.bytes += bytes;
    }
    if (tree.size() < high) {
      tell({table("event"), "archive.damage.missing", tree.size(), high - 1});
      while (tree.size() < high) add(Hash{});
    }
    if (progress && !progress(out.events)) return Error{ErrorKind::unavailable, "archive.verify.stopped"};
    return {};
  }));
  for (; next_head < fresh.heads.size(); ++next_head)
    tell({table("head"), "archive.damage.cut", tree.size(), fresh.heads[next_head].size - 1});
  out.size = tree.size();
  out.root = tree.root();
  if (worst)
    return Error{ErrorKind::corrupt,
                 "archive.verify.failed",
                 {{"file", worst->file},
                  {"what", worst->what},
                  {"first", std::to_string(worst->first)},
                  {"last", std::to_string(worst->last)}}};
  return out;
}

}  // namespace mamori::archive
