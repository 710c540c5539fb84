#include "archive/merkle.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "archive/sha256.h"
#include "base/crypto.h"

namespace mamori::archive {
namespace {

Error bad_range() { return {ErrorKind::invalid, "archive.proof.range"}; }

// The largest power of two below n. Requires: n > 1.
TreeSize split_of(TreeSize n) { return std::bit_floor(n - 1); }

// A subtree [start, end) can be proven only where it is a node of some tree: start is a multiple of the power of two at or above its length.
bool is_subtree(TreeSize start, TreeSize end) { return start < end && end - start <= TreeSize{1} << 63 && start % std::bit_ceil(end - start) == 0; }

}  // namespace

Hash empty_root() { return detail::sha256({}); }
Hash hash_leaf(std::string_view leaf) {
  Hash out;
  hash_leaves({&leaf, 1}, {&out, 1});
  return out;
}

Hash hash_children(const Hash& left, const Hash& right) {
  std::array<char, 65> bytes;
  bytes[0] = 1;
  std::memcpy(bytes.data() + 1, left.data(), 32);
  std::memcpy(bytes.data() + 33, right.data(), 32);
  return detail::sha256({bytes.data(), bytes.size()});
}

void hash_leaves(std::span<const std::string_view> leaves, std::span<Hash> out) {
  MAMORI_ASSERT(leaves.size() == out.size());
  detail::sha256_leaves(leaves, out);
}

std::string to_base64(const Hash& hash) { return mamori::to_base64({reinterpret_cast<const char*>(hash.data()), hash.size()}); }

Result<Hash> parse_hash(std::string_view base64) {
  const auto bytes = from_base64(base64);
  Hash hash;
  if (!bytes || bytes->size() != hash.size()) return Error{ErrorKind::invalid, "archive.hash.bad"};
  std::memcpy(hash.data(), bytes->data(), hash.size());
  return hash;
}

bool verify_inclusion(LeafIndex index, TreeSize size, const Hash& leaf, std::span<const Hash> proof, const Hash& root) {
  return verify_subtree_inclusion(index, 0, size, leaf, proof, root);
}

bool verify_subtree_inclusion(LeafIndex index, TreeSize start, TreeSize end, const Hash& leaf, std::span<const Hash> proof, const Hash& root) {
  if (!is_subtree(start, end) || index < start || index >= end) return false;
  // RFC 9162, 2.1.3.2
  auto position = index - start, last = end - start - 1;
  auto hash = leaf;
  for (const auto& sibling : proof) {
    if (last == 0) return false;
    if ((position & 1) != 0 || position == last) {
      hash = hash_children(sibling, hash);
      while ((position & 1) == 0 && position != 0) {
        position >>= 1;
        last >>= 1;
      }
    } else {
      hash = hash_children(hash, sibling);
    }
    position >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == root;
}

bool verify_consistency(TreeSize size1, TreeSize size2, const Hash& root1, const Hash& root2, std::span<const Hash> proof) {
  if (size1 == 0 || size1 > size2) return false;  // every tree is consistent with the empty one: there is nothing to prove
  return verify_subtree_consistency(0, size1, size2, root1, root2, proof);
}

bool verify_subtree_consistency(TreeSize start, TreeSize end, TreeSize size, const Hash& node, const Hash& root, std::span<const Hash> proof) {
  if (start == end && end <= size) return proof.empty() && node == empty_root();
  if (!is_subtree(start, end) || end > size) return false;
  if (start == 0 && end == size) return proof.empty() && node == root;
  auto first = start, last_in = end - 1, last = size - 1;
  if (last_in == last) {
    // The subtree ends where the tree ends: its root is a node on the right edge.
    while (first != last_in) {
      first >>= 1;
      last_in >>= 1;
      last >>= 1;
    }
  } else {
    while (first != last_in && (last_in & 1) != 0) {
      first >>= 1;
      last_in >>= 1;
      last >>= 1;
    }
  }
  Hash of_node, of_root;
  std::size_t next = 0;
  if (first == last_in) {
    of_node = of_root = node;
  } else {
    if (proof.empty()) return false;
    of_node = of_root = proof[0];
    next = 1;
  }
  for (; next < proof.size(); ++next) {
    if (last == 0) return false;
    if ((last_in & 1) != 0 || last_in == last) {
      if (first < last_in) of_node = hash_children(proof[next], of_node);
      of_root = hash_children(proof[next], of_root);
      while ((last_in & 1) == 0 && last_in != 0) {
        first >>= 1;
        last_in >>= 1;
        last >>= 1;
      }
    } else {
      of_root = hash_children(of_root, proof[next]);
    }
    first >>= 1;
    last_in >>= 1;
    last >>= 1;
  }
  return last == 0 && of_node == node && of_root == root;
}

Hash perfect_root(std::span<const Hash> leaves) {
  MAMORI_ASSERT(std::has_single_bit(leaves.size()));
  std::vector<Hash> row(leaves.begin(), leaves.end());
  for (auto count = row.size(); count > 1; count /= 2)
    for (std::size_t i = 0; i < count / 2; ++i) row[i] = hash_children(row[2 * i], row[2 * i + 1]);
  return row[0];
}

void Tree::append(std::span<const Hash> leaves) {
  size_ += leaves.size();
  while (!leaves.empty()) {
    const auto take = std::min<std::size_t>(leaves.size(), kChunk - tail_.size());
    tail_.insert(tail_.end(), leaves.begin(), leaves.begin() + static_cast<std::ptrdiff_t>(take));
    leaves = leaves.subspan(take);
    if (tail_.size() < kChunk) continue;
    add_chunk(perfect_root(tail_));
    tail_.clear();
  }
}

void Tree::append_chunk(const Hash& root) {
  MAMORI_ASSERT(tail_.empty());
  size_ += kChunk;
  add_chunk(root);
}

void Tree::add_chunk(const Hash& root) {
  auto hash = root;
  for (std::size_t level = 0;; ++level) {
    if (level == levels_.size()) levels_.emplace_back();
    auto& row = levels_[level];
    row.push_back(hash);
    if (row.size() % 2 != 0) return;
    hash = hash_children(row[row.size() - 2], row[row.size() - 1]);
  }
}

Hash Tree::root() const {
  if (size_ == 0) return empty_root();
  const auto none = [](LeafIndex, std::size_t) -> Result<std::vector<Hash>> { MAMORI_UNREACHABLE(); };
  return *range(0, size_, none);  // the ragged leaves are held here, everything else is whole
}

// The hash of leaves [first, last), which is a node of some tree.
Result<Hash> Tree::range(TreeSize first, TreeSize last, const Leaves& leaves) const {
  const auto count = last - first;
  if (std::has_single_bit(count) && count >= kChunk) {
    const auto level = static_cast<std::size_t>(std::countr_zero(count) - kChunkLevel);
    if (level < levels_.size() && (first >> (kChunkLevel + level)) < levels_[level].size()) return levels_[level][first >> (kChunkLevel + level)];
  }
  if (count <= kChunk && first / kChunk == (last - 1) / kChunk) {
    std::vector<Hash> row;
    const auto whole = levels_.front().size() * kChunk;
    if (first >= whole) row.assign(tail_.begin() + static_cast<std::ptrdiff_t>(first - whole), tail_.begin() + static_cast<std::ptrdiff_t>(last - whole));
    else row = MAMORI_TRY(leaves(first, count));
    if (row.size() != count) return bad_range();
    const std::function<Hash(std::size_t, std::size_t)> fold = [&](std::size_t from, std::size_t to) {
      if (to - from == 1) return row[from];
      const auto half = from + split_of(to - from);
      return hash_children(fold(from, half), fold(half, to));
    };
    return fold(0, row.size());
  }
  const auto half = first + split_of(count);
  const auto left = MAMORI_TRY(range(first, half, leaves));
  return hash_children(left, MAMORI_TRY(range(half, last, leaves)));
}

Result<Hash> Tree::root_at(TreeSize size, const Leaves& leaves) const {
  if (size > size_) return bad_range();
  if (size == 0) return empty_root();
  return range(0, size, leaves);
}

Status Tree::inclusion_in(LeafIndex index, TreeSize first, TreeSize last, const Leaves& leaves, std::vector<Hash>& out) const {
  if (last - first == 1) return {};
  const auto half = first + split_of(last - first);
  if (index < half) {
    MAMORI_TRY(inclusion_in(index, first, half, leaves, out));
    out.push_back(MAMORI_TRY(range(half, last, leaves)));
  } else {
    MAMORI_TRY(inclusion_in(index, half, last, leaves, out));
    out.push_back(MAMORI_TRY(range(first, half, leaves)));
  }
  return {};
}

Result<std::vector<Hash>> Tree::inclusion(LeafIndex index, TreeSize size, const Leaves& leaves) const {
  if (size > size_ || index >= size) return bad_range();
  std::vector<Hash> out;
  MAMORI_TRY(inclusion_in(index, 0, size, leaves, out));
  return out;
}

Status Tree::inclusion_of_all_in(std::span<const LeafIndex> indices, TreeSize first, TreeSize last, const Leaves& leaves, std::vector<Hash>& out) const {
  if (indices.empty()) {
    out.push_back(MAMORI_TRY(range(first, last, leaves)));
    return {};
  }
  if (last - first == 1) return {};
  const auto half = first + split_of(last - first);
  const auto right = static_cast<std::size_t>(std::lower_bound(indices.begin(), indices.end(), half) - indices.begin());
  MAMORI_TRY(inclusion_of_all_in(indices.first(right), first, half, leaves, out));
  return inclusion_of_all_in(indices.subspan(right), half, last, leaves, out);
}

Result<std::vector<Hash>> Tree::inclusion_of_all(std::span<const LeafIndex> indices, TreeSize size, const Leaves& leaves) const {
  std::vector<Hash> out;
  if (size > size_ || (!indices.empty() && indices.back() >= size)) return bad_range();
  if (size == 0) return out;
  MAMORI_TRY(inclusion_of_all_in(indices, 0, size, leaves, out));
  return out;
}

bool verify_inclusion_of_all(std::span<const LeafIndex> indices, std::span<const Hash> leaves, TreeSize size, std::span<const Hash> proof, const Hash& root) {
  if (indices.size() != leaves.size() || size == 0) return size == 0 && indices.empty() && proof.empty() && root == empty_root();
  for (std::size_t i = 0; i < indices.size(); ++i)
    if (indices[i] >= size || (i > 0 && indices[i] <= indices[i - 1])) return false;
  std::size_t used = 0;
  bool good = true;
  const std::function<Hash(std::size_t, std::size_t, TreeSize, TreeSize)> fold = [&](std::size_t from, std::size_t to, TreeSize first, TreeSize last) -> Hash {
    if (from == to) {
      if (used == proof.size()) {
        good = false;
        return {};
      }
      return proof[used++];
    }
    if (last - first == 1) return leaves[from];
    const auto half = first + split_of(last - first);
    const auto right = static_cast<std::size_t>(std::lower_bound(indices.begin() + static_cast<std::ptrdiff_t>(from), indices.begin() + static_cast<std::ptrdiff_t>(to), half) - indices.begin());
    const auto left = fold(from, right, first, half);
    return hash_children(left, fold(right, to, half, last));
  };
  const auto found = fold(0, indices.size(), 0, size);
  return good && used == proof.size() && found == root;
}

// RFC 9162, 2.1.4.1: SUBPROOF(size1, D[first:last], whole).
Status Tree::consistency_in(TreeSize size1, TreeSize first, TreeSize last, bool whole, const Leaves& leaves, std::vector<Hash>& out) const {
  if (first + size1 == last) {
    if (!whole) out.push_back(MAMORI_TRY(range(first, last, leaves)));
    return {};
  }
  const auto half = split_of(last - first);
  if (size1 <= half) {
    MAMORI_TRY(consistency_in(size1, first, first + half, whole, leaves, out));
    out.push_back(MAMORI_TRY(range(first + half, last, leaves)));
  } else {
    MAMORI_TRY(consistency_in(size1 - half, first + half, last, false, leaves, out));
    out.push_back(MAMORI_TRY(range(first, first + half, leaves)));
  }
  return {};
}

Result<std::vector<Hash>> Tree::consistency(TreeSize size1, TreeSize size2, const Leaves& leaves) const {
  if (size1 > size2 || size2 > size_) return bad_range();
  std::vector<Hash> out;
  if (size1 == 0) return out;
  MAMORI_TRY(consistency_in(size1, 0, size2, true, leaves, out));
  return out;
}

}  // namespace mamori::archive
