// Reading: what there is at one moment, and single events of it. Searches stand in search.cpp.
#include <algorithm>

#include "archive/embedded/search.h"

namespace mamori::archive {
namespace {

const Header* block_with(const Snapshot& now, LeafIndex index, std::shared_ptr<Segment>& segment) {
  // Segments and blocks lie in the order of their leaves.
  auto i = std::upper_bound(now.segments.begin(), now.segments.end(), index,
                            [](LeafIndex at, const auto& s) { return at < s->first(); });
  if (i == now.segments.begin()) return nullptr;
  --i;
  const auto& blocks = *now.blocks[static_cast<std::size_t>(i - now.segments.begin())];
  auto block = std::upper_bound(blocks.begin(), blocks.end(), index,
                                [](LeafIndex at, const auto& b) { return at < b->info.first; });
  if (block == blocks.begin()) return nullptr;
  --block;
  if (index >= (*block)->info.first + (*block)->info.count) return nullptr;
  segment = *i;
  return block->get();
}

}  // namespace

Snapshot EmbeddedStream::snapshot() const {
  Snapshot out;
  const MutexLock lock(mutex_);
  out.first = first_;
  out.size = size_;
  out.tree = tree_.view();
  out.segments = segments_;
  for (const auto& segment : segments_) out.blocks.push_back(segment->blocks());
  // A block may be in its segment already while its part is still there: the part's events are not shown
  // twice.
  auto in_blocks = first_;
  for (const auto& blocks : out.blocks)
    if (!blocks->empty()) in_blocks = blocks->back()->info.first + blocks->back()->info.count;
  for (const auto& part : parts_) {
    if (part->first < in_blocks) continue;
    for (const auto& record : part->records) out.records.push_back(record);
  }
  return out;
}

TreeSize EmbeddedStream::size() const {
  const MutexLock lock(mutex_);
  return size_;
}

LeafIndex EmbeddedStream::first() const {
  const MutexLock lock(mutex_);
  return first_;
}

std::uint64_t EmbeddedStream::bytes_on_disk() const {
  std::uint64_t total = 0;
  for (const auto& name : disk_.list(folder_).value_or({}))
    total += disk_.size_of(folder_ / name).value_or(0);
  return total;
}

std::uint64_t EmbeddedStream::raw_bytes() const {
  std::uint64_t total = 0;
  const auto now = snapshot();
  for (const auto& blocks : now.blocks)
    for (const auto& block : *blocks) total += block->info.raw_bytes;
  for (const auto& record : now.records)
    for (const auto& event : record->events) total += event.raw.size();
  return total;
}

std::size_t EmbeddedStream::waiting() const {
  const MutexLock lock(mutex_);
  std::size_t total = 0;
  for (const auto& part : parts_) total += part->count;
  return total;
}

std::vector<Damage> EmbeddedStream::damage() const {
  const MutexLock lock(mutex_);
  return damage_;
}

Result<Kept> EmbeddedStream::event(LeafIndex index) const {
  const auto now = snapshot();
  for (const auto& record : now.records)
    if (index >= record->first && index < record->first + record->events.size())
      return Kept{record->events[index - record->first], record};
  std::shared_ptr<Segment> segment;
  const auto* const block = block_with(now, index, segment);
  if (!block) return Error{ErrorKind::not_found, "archive.event.missing", {{"index", std::to_string(index)}}};
  auto arena = std::make_shared<Arena>();
  const auto events = MAMORI_TRY(BlockReader(segment->file(), block->info).events(*arena));
  return Kept{events[index - block->info.first], arena};
}

Status EmbeddedStream::each_match(const Query& query, Instant from, Instant to, LeafIndex start,
                                  const std::function<Result<bool>(LeafIndex, const Event&)>& take) const {
  return archive::each_match(*this, query, from, to, start, take);
}

TreeView::Leaves EmbeddedStream::leaves_of(std::shared_ptr<const Snapshot> now) const {
  struct Cache {
    LeafIndex first = 0;
    std::vector<Hash> hashes;
  };
  return [now = std::move(now), cache = std::make_shared<Cache>()](
             LeafIndex first, std::size_t count) -> Result<std::vector<Hash>> {
    std::vector<Hash> out;
    for (auto at = first; at < first + count;) {
      const auto take = [&](LeafIndex start, const std::vector<Hash>& hashes) {
        if (at < start || at >= start + hashes.size()) return false;
        for (; at < first + count && at < start + hashes.size(); ++at)
          out.push_back(hashes[static_cast<std::size_t>(at - start)]);
        return true;
      };
      if (take(cache->first, cache->hashes)) continue;
      if (const auto kept = now->tree.kept().find({0, at});
          at < now->first && kept != now->tree.kept().end()) {
        out.push_back(kept->second);
        ++at;
        continue;
      }
      const auto& records = now->records;
      if (std::any_of(records.begin(), records.end(),
                      [&](const auto& record) { return take(record->first, record->leaves); }))
        continue;
      std::shared_ptr<Segment> segment;
      const auto* const block = block_with(*now, at, segment);
      if (!block && at >= now->first && at < now->size) {  // lost, and its place kept
        out.push_back(Hash{});
        ++at;
        continue;
      }
      if (!block)
        return Error{ErrorKind::not_found, "archive.event.missing", {{"index", std::to_string(at)}}};
      Arena arena;
      const BlockReader reader(segment->file(), block->info);
      if (const auto events = reader.events(arena)) {
        cache->hashes = leaf_hashes(*events);
        cache->first = block->info.first;
        continue;
      } else if (const auto header = reader.header(); header && events.error().kind == ErrorKind::corrupt) {
        // Its header still has the hashes of the leaves that are in no whole chunk.
        const auto& [before, chunks, after] = header->hashes;
        if (take(block->info.first, before) ||
            take(block->info.first + block->info.count - after.size(), after))
          continue;
        return events.error();
      } else {
        return events.error();
      }
    }
    return out;
  };
}

}  // namespace mamori::archive
