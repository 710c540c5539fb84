// Retention: whole segments go, what proofs still ask of them stays in the file "kept".
#include <algorithm>
#include <cstring>

#include "archive/embedded/checksum.h"
#include "archive/embedded/stream.h"

namespace mamori::archive {
namespace {

constexpr std::string_view kKeptMagic = "MMKEPT02", kKeptMagic1 = "MMKEPT01";
constexpr std::size_t kKeptNode = 1 + 8 + 32;              // level, index, hash
constexpr auto kEveryHead = std::chrono::hours(24 * 400);  // older heads: one a day can still be proven from
constexpr std::size_t kLargestKept = std::size_t{1} << 30;

void put_fixed(std::string& out, std::uint64_t value) {
  out.append(reinterpret_cast<const char*>(&value), 8);
}
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
  return nodes_to_keep(tree.view(), tree.size(),
                       [&](LeafIndex first, std::size_t number) -> Result<std::vector<Hash>> {
                         const auto found = groups.find(first - first % kChunk);
                         const auto start = first % kChunk;
                         if (found == groups.end() || start + number > found->second.size())
                           return Error{ErrorKind::not_found, "archive.event.missing"};
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

Result<Nodes> EmbeddedStream::nodes_to_keep(const TreeView& tree, TreeSize first,
                                            const TreeView::Leaves& leaves) const {
  auto out = MAMORI_TRY(tree.nodes_to_keep(first, {}, leaves));
  const auto limit = clock_.now() - kEveryHead;
  std::int64_t day_before = -1;
  for (const auto& head : heads()) {
    if (head.size == 0 || head.size > first) continue;
    const auto day = std::chrono::floor<std::chrono::days>(head.at).time_since_epoch().count();
    if (head.at < limit && std::exchange(day_before, day) == day) continue;
    // What earlier retention did not keep, or damage took, cannot be proven any more; the others can.
    auto some = tree.nodes_to_keep(first, {&head.size, 1}, leaves);
    if (some)
      out.merge(*some);
    else if (some.error().kind != ErrorKind::not_found && some.error().kind != ErrorKind::corrupt)
      return std::move(some).take_error();
  }
  return out;
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
  if (options_.read_only)
    return Error{ErrorKind::conflict, "archive.busy", {{"directory", folder_.string()}}};
  const MutexLock one(retain_);
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
  // Only what is durable goes: whatever is left of it after a crash, what was kept for proofs is there
  // before.
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
    const MutexLock lock(mutex_);
    tree_.forget(up_to, std::move(*kept));
    removed = up_to - first_;
    first_ = up_to;
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(victims.size()));
  }
  // What cannot be removed now is at the next start.
  for (const auto& victim : victims) MAMORI_TRY(Segment::remove(folder_, victim->first(), disk_));
  return removed;
}

}  // namespace mamori::archive
