// Verification: everything is read again and held against the tree and its heads.
#include <deque>
#include <future>

#include "archive/embedded/stream.h"

namespace mamori::archive {
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

Result<Verified> EmbeddedStream::verify(const std::function<void(const Damage&)>& report,
                                        const std::function<bool(std::uint64_t)>& progress) const {
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
      if (next_head < heads.size() && heads[next_head].size > tree.size())
        take = std::min<std::size_t>(take, heads[next_head].size - tree.size());
      tree.append(hashes.first(take));
      hashes = hashes.subspan(take);
      for (; next_head < heads.size() && heads[next_head].size == tree.size(); ++next_head)
        fits(heads[next_head], tree.root());
    }
  };
  // Two blocks are read and hashed beside each other; they are held against the tree in their order.
  struct Place {
    const Segment* segment;
    const Header* block;
  };
  std::vector<Place> places;
  for (std::size_t i = 0; i < now.segments.size(); ++i) {
    if (!now.segments[i]->check_filter())
      tell({now.segments[i]->file().path().string(), "archive.damage.filter", now.segments[i]->first(),
            now.segments[i]->end() - 1});
    for (const auto& block : *now.blocks[i]) places.push_back({now.segments[i].get(), block.get()});
  }
  std::deque<std::future<BlockRead>> reading;
  std::size_t started = 0;
  for (const auto& [segment, block] : places) {
    for (; started < places.size() && reading.size() < kVerifyBlocks; ++started)
      reading.push_back(std::async(std::launch::async, read_block, std::cref(places[started].segment->file()),
                                   std::cref(places[started].block->info)));
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
    // The header says what was written: a difference names the chunk, where the root of the whole would name
    // nothing.
    const auto& header = read.header;
    if (!header || header->info.first != info.first || header->info.count != info.count) {
      tell({file, "archive.damage.header", info.first, info.first + info.count - 1});
    } else {
      const auto& written = header->hashes;
      const auto before = written.before.size(), after = hashes.size() - written.after.size();
      const auto altered = [&](std::size_t from, std::size_t count) {
        tell({file, "archive.damage.event", info.first + from, info.first + from + count - 1});
      };
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
    if (progress && !progress(out.events)) return Error{ErrorKind::unavailable, "archive.verify.stopped"};
  }
  for (const auto& record : now.records) {
    if (record->first > tree.size()) add(std::vector<Hash>(record->first - tree.size()));
    const auto hashes = leaf_hashes(record->events);
    add(hashes);
    out.events += record->events.size();
    for (const auto& event : record->events) out.bytes += event.raw.size();
  }
  for (; next_head < heads.size(); ++next_head)
    if (heads[next_head].size > tree.size())
      tell({heads_file, "archive.damage.cut", tree.size(), heads[next_head].size - 1});
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
