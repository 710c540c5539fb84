// What a stream proves: leaves, inclusion, consistency, signed heads, what retention must keep for them, and reading it all again.
#include <algorithm>
#include <cstring>
#include <deque>
#include <future>

#include "archive/embedded/checksum.h"
#include "archive/embedded/search.h"
#include "os/file.h"

namespace mamori::archive {
namespace {

constexpr std::string_view kKeptMagic = "MMKEPT02", kKeptMagic1 = "MMKEPT01";
constexpr std::size_t kKeptNode = 1 + 8 + 32;                 // level, index, hash
constexpr auto kEveryHead = std::chrono::hours(24 * 400);     // older heads: one a day can still be proven from
constexpr std::size_t kLargestKept = std::size_t{1} << 30;

void put_fixed(std::string& out, std::uint64_t value) { out.append(reinterpret_cast<const char*>(&value), 8); }
bool take_fixed(std::string_view& in, std::uint64_t& value) {
  if (in.size() < 8) return false;
  std::memcpy(&value, in.data(), 8);
  in.remove_prefix(8);
  return true;
}
bool take_hashes(std::string_view& in, std::vector<Hash>& hashes) {
  std::uint64_t count = 0;
  if (!take_fixed(in, count) || count > in.size() / 32) return false;
  hashes.resize(count);
  for (auto& hash : hashes) {
    std::memcpy(hash.data(), in.data(), 32);
    in.remove_prefix(32);
  }
  return true;
}

const Header* block_with(const Snapshot& now, LeafIndex index, std::shared_ptr<Segment>& segment) {
  // Segments and blocks lie in the order of their leaves.
  auto i = std::upper_bound(now.segments.begin(), now.segments.end(), index, [](LeafIndex at, const auto& s) { return at < s->first(); });
  if (i == now.segments.begin()) return nullptr;
  --i;
  const auto& blocks = *now.blocks[static_cast<std::size_t>(i - now.segments.begin())];
  auto block = std::upper_bound(blocks.begin(), blocks.end(), index, [](LeafIndex at, const auto& b) { return at < b->info.first; });
  if (block == blocks.begin()) return nullptr;
  --block;
  if (index >= (*block)->info.first + (*block)->info.count) return nullptr;
  segment = *i;
  return block->get();
}

}  // namespace

// Version 1 kept the root of every chunk since the beginning, and whole chunks of leaves for the heads.
Result<Nodes> EmbeddedStream::kept_of_version_1(std::string_view in) {
  const Error damaged{ErrorKind::corrupt, "archive.kept.damaged", {{"file", (folder_ / "kept").string()}}};
  std::vector<Hash> chunks, ragged, hashes;
  std::map<LeafIndex, std::vector<Hash>> groups;
  std::uint64_t count = 0;
  if (!take_hashes(in, chunks) || !take_hashes(in, ragged) || !take_fixed(in, count)) return damaged;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t first = 0;
    if (!take_fixed(in, first) || !take_hashes(in, hashes)) return damaged;
    groups[first] = std::move(hashes);
  }
  Tree tree;
  tree.append_chunks(chunks);
  tree.append(ragged);
  return nodes_to_keep(tree.view(), tree.size(), [&](LeafIndex first, std::size_t number) -> Result<std::vector<Hash>> {
    const auto found = groups.find(first - first % kChunk);
    const auto start = first % kChunk;
    if (found == groups.end() || start + number > found->second.size()) return Error{ErrorKind::not_found, "archive.event.missing"};
    const auto from = found->second.begin() + static_cast<std::ptrdiff_t>(start);
    return std::vector<Hash>(from, from + static_cast<std::ptrdiff_t>(number));
  });
}

Status EmbeddedStream::load_kept() {
  const auto bytes = os::read_file(folder_ / "kept", kLargestKept, disk_);
  if (!bytes) {
    if (bytes.error().kind == ErrorKind::not_found) return {};
    return bytes.error();
  }
  const Error damaged{ErrorKind::corrupt, "archive.kept.damaged", {{"file", (folder_ / "kept").string()}}};
  std::string_view in = *bytes;
  std::uint64_t check = 0, first = 0, count = 0;
  const bool version1 = in.starts_with(kKeptMagic1);
  if (!version1 && !in.starts_with(kKeptMagic)) return damaged;
  in.remove_prefix(kKeptMagic.size());
  if (!take_fixed(in, check) || checksum(in) != check) return damaged;
  Nodes nodes;
  if (version1) {
    auto rest = in;
    std::vector<Hash> chunks, ragged;
    if (!take_hashes(rest, chunks) || !take_hashes(rest, ragged)) return damaged;
    first = chunks.size() * kChunk + ragged.size();
    nodes = MAMORI_TRY(kept_of_version_1(in));
  } else {
    if (!take_fixed(in, first) || !take_fixed(in, count) || in.size() != count * kKeptNode) return damaged;
    for (; !in.empty(); in.remove_prefix(kKeptNode)) {
      Node node{static_cast<unsigned char>(in[0]), 0};
      std::memcpy(&node.index, in.data() + 1, 8);
      std::memcpy(nodes[node].data(), in.data() + 9, 32);
    }
  }
  tree_ = MAMORI_TRY(Tree::after(first, std::move(nodes)));
  return {};
}

Result<Nodes> EmbeddedStream::nodes_to_keep(const TreeView& tree, TreeSize first, const TreeView::Leaves& leaves) const {
  auto out = MAMORI_TRY(tree.nodes_to_keep(first, {}, leaves));
  const auto limit = clock_.now() - kEveryHead;
  std::int64_t day_before = -1;
  for (const auto& head : heads()) {
    if (head.size == 0 || head.size > first) continue;
    const auto day = std::chrono::floor<std::chrono::days>(head.at).time_since_epoch().count();
    if (head.at < limit && std::exchange(day_before, day) == day) continue;
    // What earlier retention did not keep, or damage took, cannot be proven any more; the others can.
    auto some = tree.nodes_to_keep(first, {&head.size, 1}, leaves);
    if (some) out.merge(*some);
    else if (some.error().kind != ErrorKind::not_found && some.error().kind != ErrorKind::corrupt) return std::move(some).take_error();
  }
  return out;
}

Result<Kept> EmbeddedStream::event(LeafIndex index) const {
  const auto now = snapshot();
  for (const auto& record : now.records)
    if (index >= record->first && index < record->first + record->events.size()) return Kept{record->events[index - record->first], record};
  std::shared_ptr<Segment> segment;
  const auto* const block = block_with(now, index, segment);
  if (!block) return Error{ErrorKind::not_found, "archive.event.missing", {{"index", std::to_string(index)}}};
  auto arena = std::make_shared<Arena>();
  const auto events = MAMORI_TRY(BlockReader(segment->file(), block->info).events(*arena));
  return Kept{events[index - block->info.first], arena};
}

Status EmbeddedStream::each_match(const Query& query, Instant from, Instant to, LeafIndex start, const std::function<Result<bool>(LeafIndex, const Event&)>& take) const {
  return archive::each_match(*this, query, from, to, start, take);
}

TreeView::Leaves EmbeddedStream::leaves_of(std::shared_ptr<const Snapshot> now) const {
  struct Cache {
    LeafIndex first = 0;
    std::vector<Hash> hashes;
  };
  return [now = std::move(now), cache = std::make_shared<Cache>()](LeafIndex first, std::size_t count) -> Result<std::vector<Hash>> {
    std::vector<Hash> out;
    for (auto at = first; at < first + count;) {
      const auto take = [&](LeafIndex start, const std::vector<Hash>& hashes) {
        if (at < start || at >= start + hashes.size()) return false;
        for (; at < first + count && at < start + hashes.size(); ++at) out.push_back(hashes[static_cast<std::size_t>(at - start)]);
        return true;
      };
      if (take(cache->first, cache->hashes)) continue;
      if (const auto kept = now->tree.kept().find({0, at}); at < now->first && kept != now->tree.kept().end()) {
        out.push_back(kept->second);
        ++at;
        continue;
      }
      const auto& records = now->records;
      if (std::any_of(records.begin(), records.end(), [&](const auto& record) { return take(record->first, record->leaves); })) continue;
      std::shared_ptr<Segment> segment;
      const auto* const block = block_with(*now, at, segment);
      if (!block && at >= now->first && at < now->size) {  // lost, and its place kept
        out.push_back(Hash{});
        ++at;
        continue;
      }
      if (!block) return Error{ErrorKind::not_found, "archive.event.missing", {{"index", std::to_string(at)}}};
      Arena arena;
      const BlockReader reader(segment->file(), block->info);
      if (const auto events = reader.events(arena)) {
        cache->hashes = leaf_hashes(*events);
        cache->first = block->info.first;
        continue;
      } else if (const auto header = reader.header(); header && events.error().kind == ErrorKind::corrupt) {
        // Its header still has the hashes of the leaves that are in no whole chunk.
        const auto& [before, chunks, after] = header->hashes;
        if (take(block->info.first, before) || take(block->info.first + block->info.count - after.size(), after)) continue;
        return events.error();
      } else {
        return events.error();
      }
    }
    return out;
  };
}

// Proofs work on what there is at the beginning, and hold no lock: appends go on beside them.

Result<std::vector<Hash>> EmbeddedStream::inclusion_of_all(std::span<const LeafIndex> indices, TreeSize size) const {
  const auto now = std::make_shared<const Snapshot>(snapshot());
  return now->tree.inclusion_of_all(indices, size, leaves_of(now));
}

Result<Hash> EmbeddedStream::root_at(TreeSize size) const {
  const auto now = std::make_shared<const Snapshot>(snapshot());
  return now->tree.root_at(size, leaves_of(now));
}

Result<std::vector<Hash>> EmbeddedStream::inclusion(LeafIndex index, TreeSize size) const {
  const auto now = std::make_shared<const Snapshot>(snapshot());
  return now->tree.inclusion(index, size, leaves_of(now));
}

Result<std::vector<Hash>> EmbeddedStream::consistency(TreeSize size1, TreeSize size2) const {
  const auto now = std::make_shared<const Snapshot>(snapshot());
  return now->tree.consistency(size1, size2, leaves_of(now));
}

Result<Head> EmbeddedStream::publish_head() {
  if (options_.read_only) return Error{ErrorKind::conflict, "archive.busy", {{"directory", folder_.string()}}};
  const std::lock_guard one(publish_);
  TreeView tree;
  {
    const std::lock_guard lock(mutex_);
    tree = tree_.view();
  }
  const auto path = folder_ / "heads";
  if (!heads_durable_ && heads_end_ != 0) {
    // Whoever wrote those that were there at the start may have ended before they were durable.
    auto found = MAMORI_TRY(os::GrowingFile::open(path, heads_end_, disk_));
    MAMORI_TRY(found.sync());
    MAMORI_TRY(sync_names());
  }
  heads_durable_ = true;
  MAMORI_TRY(make_durable(tree.size()));
  {
    const std::lock_guard lock(mutex_);
    if (!heads_.empty() && heads_.back().size == tree.size() && head_is_signed_by(heads_.back(), key_.public_key())) return heads_.back();
  }
  auto head = sign_head(origin_, tree.size(), tree.root(), clock_.now(), key_);
  if (heads_end_ == 0) MAMORI_TRY(disk_.remove(path));  // what an earlier try left: a name whose sync failed never becomes durable
  auto file = MAMORI_TRY(os::GrowingFile::open(path, heads_end_, disk_));
  MAMORI_TRY(file.cut());
  MAMORI_TRY(file.append(head.note + "\n"));
  MAMORI_TRY(file.sync());
  if (heads_end_ == 0) MAMORI_TRY(disk_.sync_folder(folder_));
  heads_end_ = file.size();
  const std::lock_guard lock(mutex_);
  heads_.push_back(head);
  return head;
}

std::vector<Head> EmbeddedStream::heads() const {
  const std::lock_guard lock(mutex_);
  return heads_;
}

// Everything that proofs about later events, and from older heads, may still ask of leaves before `up_to`.
Result<Nodes> EmbeddedStream::keep_for_proofs(LeafIndex up_to) {
  const auto now = std::make_shared<const Snapshot>(snapshot());
  auto nodes = MAMORI_TRY(nodes_to_keep(now->tree, up_to, leaves_of(now)));
  std::string body;
  put_fixed(body, up_to);
  put_fixed(body, nodes.size());
  for (const auto& [node, hash] : nodes) {
    body += static_cast<char>(node.level);
    put_fixed(body, node.index);
    body.append(reinterpret_cast<const char*>(hash.data()), hash.size());
  }
  std::string out(kKeptMagic);
  put_fixed(out, checksum(body));
  MAMORI_TRY(os::write_file(folder_ / "kept", out + body, os::Visibility::owner_only, disk_));
  return nodes;
}

Result<std::uint64_t> EmbeddedStream::retain(const Retention& retention) {
  if (options_.read_only) return Error{ErrorKind::conflict, "archive.busy", {{"directory", folder_.string()}}};
  const std::lock_guard one(retain_);
  std::vector<std::shared_ptr<Segment>> victims;
  LeafIndex up_to = 0;
  {
    const auto now = snapshot();
    auto total = bytes_on_disk();
    const auto limit = clock_.now() - retention.age;
    Instant newest{};  // so far: what came behind it is no older, whatever the clock said when it did
    for (std::size_t i = 0; i + 1 < now.segments.size(); ++i) {
      const auto& blocks = *now.blocks[i];
      for (const auto& block : blocks) newest = std::max(newest, block->info.last_received);
      const bool old = retention.age.count() > 0 && newest < limit;
      const bool much = retention.bytes > 0 && total > retention.bytes;
      if (!old && !much) break;
      victims.push_back(now.segments[i]);
      total -= std::min(total, now.segments[i]->bytes_on_disk());
      up_to = now.segments[i]->end();
    }
  }
  if (victims.empty()) return std::uint64_t{0};
  // Only what is durable goes: whatever is left of it after a crash, what was kept for proofs is there before.
  MAMORI_TRY(make_durable(up_to));
  // Whoever is reading what goes reads on.
  for (const auto& victim : victims) victim->pin();
  auto kept = keep_for_proofs(up_to);
  if (!kept && kept.error().kind == ErrorKind::exhausted) {
    // The disk is full to the last byte: what can be made again of what goes anyhow goes first.
    for (const auto& victim : victims) MAMORI_TRY(disk_.remove(file_of(victim->first(), ".filter")));
    kept = keep_for_proofs(up_to);
  }
  if (!kept) return std::move(kept).take_error();
  std::uint64_t removed = 0;
  {
    const std::lock_guard lock(mutex_);
    tree_.forget(up_to, std::move(*kept));
    removed = up_to - first_;
    first_ = up_to;
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(victims.size()));
  }
  // What cannot be removed now is at the next start.
  for (const auto& victim : victims) MAMORI_TRY(Segment::remove(folder_, victim->first(), disk_));
  return removed;
}

namespace {

constexpr std::size_t kVerifyBlocks = 2;  // at once

struct BlockRead {
  Result<std::vector<Hash>> hashes;  // of the events as they stand in the file
  Result<Header> header;
  os::Bytes marks;
};

BlockRead read_block(const os::ReadFile& file, const BlockInfo& info) {
  const BlockReader reader(file, info);
  Arena arena;
  const auto events = reader.events(arena);
  if (!events) return {events.error(), events.error(), {}};
  auto marks = reader.marks();
  if (!marks) return {marks.error(), marks.error(), {}};
  return {leaf_hashes(*events), reader.header(), std::move(marks).take()};
}

}  // namespace

Result<Verified> EmbeddedStream::verify(const std::function<void(const Damage&)>& report, const std::function<void(std::uint64_t)>& progress) const {
  Verified out;
  std::optional<Damage> worst;
  const auto tell = [&](Damage damage) {
    report(damage);
    if (!worst || damage.first < worst->first) worst = std::move(damage);
  };
  for (const auto& damage : damage()) tell(damage);
  const auto snapshot_now = std::make_shared<const Snapshot>(snapshot());
  const auto& now = *snapshot_now;
  // Made from what is read, not from what was remembered; of what retention took only what was kept is known.
  auto tree = MAMORI_TRY(Tree::after(now.first, now.tree.kept()));

  auto heads = this->heads();
  std::stable_sort(heads.begin(), heads.end(), [](const Head& a, const Head& b) { return a.size < b.size; });
  std::size_t next_head = 0;
  TreeSize good = now.first;
  const auto heads_file = (folder_ / "heads").string();
  const auto fits = [&](const Head& head, const Hash& root) {
    if (head.root == root && head.origin == origin_ && head_is_signed_by(head, key_.public_key())) {
      ++out.heads;
      good = head.size;
    } else {
      tell({heads_file, "archive.damage.root", good, head.size == 0 ? 0 : head.size - 1});
    }
  };
  for (; next_head < heads.size() && heads[next_head].size <= now.first; ++next_head) {
    const auto root = now.tree.root_at(heads[next_head].size, leaves_of(snapshot_now));
    if (root) fits(heads[next_head], *root);
  }
  const auto add = [&](std::span<const Hash> hashes) {
    while (!hashes.empty()) {
      auto take = hashes.size();
      if (next_head < heads.size() && heads[next_head].size > tree.size()) take = std::min<std::size_t>(take, heads[next_head].size - tree.size());
      tree.append(hashes.first(take));
      hashes = hashes.subspan(take);
      for (; next_head < heads.size() && heads[next_head].size == tree.size(); ++next_head) fits(heads[next_head], tree.root());
    }
  };
  // Two blocks are read and hashed beside each other; they are held against the tree in their order.
  struct Place {
    const Segment* segment;
    const Header* block;
  };
  std::vector<Place> places;
  for (std::size_t i = 0; i < now.segments.size(); ++i) {
    if (!now.segments[i]->check_filter()) tell({now.segments[i]->file().path().string(), "archive.damage.filter", now.segments[i]->first(), now.segments[i]->end() - 1});
    for (const auto& block : *now.blocks[i]) places.push_back({now.segments[i].get(), block.get()});
  }
  std::deque<std::future<BlockRead>> reading;
  std::size_t started = 0;
  for (const auto& [segment, block] : places) {
    for (; started < places.size() && reading.size() < kVerifyBlocks; ++started) reading.push_back(std::async(std::launch::async, read_block, std::cref(places[started].segment->file()), std::cref(places[started].block->info)));
    const auto read = reading.front().get();
    reading.pop_front();
    const auto& info = block->info;
    const auto file = segment->file().path().string();
    if (info.first > tree.size()) add(std::vector<Hash>(info.first - tree.size()));
    if (!read.hashes) {
      tell({file, read.hashes.error().code, info.first, info.first + info.count - 1});
      add(std::vector<Hash>(info.count));
      continue;
    }
    const auto& hashes = *read.hashes;
    // The header says what was written: a difference names the chunk, where the root of the whole would name nothing.
    const auto& header = read.header;
    if (!header || header->info.first != info.first || header->info.count != info.count) {
      tell({file, "archive.damage.header", info.first, info.first + info.count - 1});
    } else {
      const auto& written = header->hashes;
      const auto before = written.before.size(), after = hashes.size() - written.after.size();
      const auto altered = [&](std::size_t from, std::size_t count) { tell({file, "archive.damage.event", info.first + from, info.first + from + count - 1}); };
      for (std::size_t k = 0; k < before; ++k)
        if (written.before[k] != hashes[k]) altered(k, 1);
      for (std::size_t c = 0; c < written.chunks.size(); ++c) {
        const auto from = before + c * kChunk;
        if (perfect_root(std::span(hashes).subspan(from, kChunk)) == written.chunks[c]) continue;
        // The marks name the event; whoever altered them too has left only the chunk to name.
        bool named = false;
        for (auto k = from; k < from + kChunk && k < read.marks.size(); ++k) {
          if (static_cast<unsigned char>(read.marks.view()[k]) == hashes[k][0]) continue;
          altered(k, 1);
          named = true;
        }
        if (!named) altered(from, kChunk);
      }
      for (std::size_t k = 0; k < written.after.size(); ++k)
        if (written.after[k] != hashes[after + k]) altered(after + k, 1);
    }
    add(hashes);
    out.events += info.count;
    out.bytes += info.raw_bytes;
    if (progress) progress(out.events);
  }
  for (const auto& record : now.records) {
    if (record->first > tree.size()) add(std::vector<Hash>(record->first - tree.size()));
    const auto hashes = leaf_hashes(record->events);
    add(hashes);
    out.events += record->events.size();
    for (const auto& event : record->events) out.bytes += event.raw.size();
  }
  for (; next_head < heads.size(); ++next_head)
    if (heads[next_head].size > tree.size()) tell({heads_file, "archive.damage.cut", tree.size(), heads[next_head].size - 1});
  out.size = tree.size();
  out.root = tree.root();
  if (worst) return Error{ErrorKind::corrupt, "archive.verify.failed", {{"file", worst->file}, {"what", worst->what}, {"first", std::to_string(worst->first)}, {"last", std::to_string(worst->last)}}};
  return out;
}

}  // namespace mamori::archive
