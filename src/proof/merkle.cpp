#include "proof/merkle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/crypto.h"
#include "proof/sha256.h"

namespace mamori::proof {
namespace {

Error bad_range() { return {ErrorKind::invalid, "archive.proof.range"}; }

// The largest power of two below n. Requires: n > 1.
TreeSize split_of(TreeSize n) { return std::bit_floor(n - 1); }

// A subtree [start, end) can be proven only where it is a node of some tree: start is a multiple of the power
// of two at or above its length.
bool is_subtree(TreeSize start, TreeSize end) {
  return start < end && end - start <= TreeSize{1} << 63 && start % std::bit_ceil(end - start) == 0;
}

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

std::string to_base64(const Hash& hash) {
  return mamori::to_base64({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

Result<Hash> parse_hash(std::string_view base64) {
  const auto bytes = from_base64(base64);
  Hash hash;
  if (!bytes || bytes->size() != hash.size()) return Error{ErrorKind::invalid, "archive.hash.bad"};
  std::memcpy(hash.data(), bytes->data(), hash.size());
  return hash;
}

bool verify_inclusion(LeafIndex index, TreeSize size, const Hash& leaf, std::span<const Hash> proof,
                      const Hash& root) {
  return verify_subtree_inclusion(index, 0, size, leaf, proof, root);
}

bool verify_subtree_inclusion(LeafIndex index, TreeSize start, TreeSize end, const Hash& leaf,
                              std::span<const Hash> proof, const Hash& root) {
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

bool verify_consistency(TreeSize size1, TreeSize size2, const Hash& root1, const Hash& root2,
                        std::span<const Hash> proof) {
  if (size1 == 0 || size1 > size2)
    return false;  // every tree is consistent with the empty one: there is nothing to prove
  return verify_subtree_consistency(0, size1, size2, root1, root2, proof);
}

bool verify_subtree_consistency(TreeSize start, TreeSize end, TreeSize size, const Hash& node,
                                const Hash& root, std::span<const Hash> proof) {
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

namespace detail {

// Hashes of one level, from `base` on. They lie in pieces of doubling size, so that none ever moves: whoever
// reads what was there at some moment needs no lock.
class Row {
 public:
  std::uint64_t base = 0;
  std::uint64_t end() const { return base + count_; }
  const Hash& at(std::uint64_t index) const {
    const auto [piece, place] = where(index - base);
    return pieces_[piece][place];
  }
  void push(const Hash& hash) {
    const auto [piece, place] = where(count_);
    if (!pieces_[piece]) pieces_[piece] = std::make_unique<Hash[]>(kFirst << piece);
    pieces_[piece][place] = hash;
    ++count_;
  }

 private:
  static constexpr std::size_t kFirst = 8;
  static std::pair<std::size_t, std::size_t> where(std::uint64_t number) {
    const auto piece = static_cast<std::size_t>(std::bit_width(number / kFirst + 1)) - 1;
    return {piece, static_cast<std::size_t>(number - kFirst * ((std::uint64_t{1} << piece) - 1))};
  }
  std::uint64_t count_ = 0;
  std::array<std::unique_ptr<Hash[]>, 56> pieces_;
};

struct Rows {
  std::uint64_t base = 0;                      // chunks before it were forgotten
  std::array<std::unique_ptr<Row>, 56> level;  // level[k]: roots of leaves [i, i + 1) << (kChunkLevel + k)

  // Of `chunks` whole chunks, node `index` of level k is there.
  bool has(std::size_t k, std::uint64_t index, std::uint64_t chunks) const {
    return k < level.size() && index < chunks >> k && index >= base_of(k);
  }
  // Where level k begins when `base` chunks are gone: with the left neighbour of the next node to come.
  std::uint64_t base_of(std::size_t k) const { return (base >> k) & ~std::uint64_t{1}; }
  Row& row(std::size_t k) {
    if (!level[k]) {
      level[k] = std::make_unique<Row>();
      level[k]->base = base_of(k);
    }
    return *level[k];
  }
};

}  // namespace detail

Tree::Tree() : rows_(std::make_shared<detail::Rows>()) {
  now_.rows_ = rows_;
  now_.kept_ = std::make_shared<Nodes>();
}

Result<Tree> Tree::after(TreeSize first, Nodes kept) {
  const Error damaged{ErrorKind::corrupt, "archive.kept.damaged"};
  Tree tree;
  const auto chunks = first / kChunk;
  tree.rows_->base = chunks;
  // The row of each level goes on behind its last whole node, which the next parent needs where it is a left
  // child.
  for (std::size_t k = 0; k < tree.rows_->level.size() && chunks >> k != 0; ++k) {
    const auto count = chunks >> k;
    if ((count & 1) == 0) continue;
    const auto found = kept.find({kChunkLevel + static_cast<int>(k), count - 1});
    if (found == kept.end()) return damaged;
    tree.rows_->row(k).push(found->second);
  }
  tree.now_.size_ = first;
  for (auto leaf = chunks * kChunk; leaf < first;) {
    // The leaves after the last whole chunk are kept one by one.
    const auto found = kept.find({0, leaf});
    if (found == kept.end()) return damaged;
    tree.now_.tail_.push_back(found->second);
    ++leaf;
  }
  tree.now_.kept_ = std::make_shared<Nodes>(std::move(kept));
  return tree;
}

void Tree::append(std::span<const Hash> leaves) {
  std::vector<Hash> roots;
  auto& tail = now_.tail_;
  now_.size_ += leaves.size();
  while (!leaves.empty()) {
    const auto take = std::min<std::size_t>(leaves.size(), kChunk - tail.size());
    tail.insert(tail.end(), leaves.begin(), leaves.begin() + static_cast<std::ptrdiff_t>(take));
    leaves = leaves.subspan(take);
    if (tail.size() < kChunk) continue;
    roots.push_back(perfect_root(tail));
    tail.clear();
  }
  add_chunks(roots);
}

void Tree::append_chunks(std::span<const Hash> roots) {
  if (roots.empty()) return;
  MAMORI_ASSERT(now_.tail_.empty());
  now_.size_ += kChunk * roots.size();
  add_chunks(roots);
}

void Tree::add_chunks(std::span<const Hash> roots) {
  if (roots.empty()) return;
  for (const auto& root : roots) rows_->row(0).push(root);
  for (std::size_t k = 0; k + 1 < rows_->level.size(); ++k) {
    auto& row = rows_->row(k);
    const auto whole = row.end() / 2;
    auto done = rows_->level[k + 1] ? rows_->level[k + 1]->end() : rows_->base_of(k + 1);
    if (whole <= done) return;
    auto& parents = rows_->row(k + 1);
    for (; done < whole; ++done) parents.push(hash_children(row.at(2 * done), row.at(2 * done + 1)));
  }
}

void Tree::forget(TreeSize first, Nodes kept) {
  auto fresh = std::make_shared<detail::Rows>();
  fresh->base = first / kChunk;
  const auto chunks = now_.size_ / kChunk;
  for (std::size_t k = 0; k < rows_->level.size() && chunks >> k != 0; ++k)
    for (auto i = fresh->base_of(k); i < chunks >> k; ++i) fresh->row(k).push(rows_->level[k]->at(i));
  rows_ = fresh;
  now_.rows_ = rows_;
  now_.kept_ = std::make_shared<Nodes>(std::move(kept));
}

const Hash& Tree::chunk(std::uint64_t number) const {
  MAMORI_ASSERT(rows_->has(0, number, now_.size_ / kChunk));
  return rows_->level[0]->at(number);
}

Hash TreeView::root() const {
  if (size_ == 0) return empty_root();
  const auto none = [](LeafIndex, std::size_t) -> Result<std::vector<Hash>> { MAMORI_UNREACHABLE(); };
  return *range(0, size_, none);  // the ragged leaves are held here, everything else is whole or kept
}

// The hash of leaves [first, last), which is a node of some tree.
Result<Hash> TreeView::range(TreeSize first, TreeSize last, const Leaves& leaves) const {
  const auto count = last - first;
  const auto chunks = size_ / kChunk;
  if (std::has_single_bit(count)) {
    const auto level = std::countr_zero(count);
    const auto index = first >> level;
    const auto k = static_cast<std::size_t>(level - kChunkLevel);
    if (level >= kChunkLevel && rows_->has(k, index, chunks)) return rows_->level[k]->at(index);
    if (const auto found = kept_->find({level, index}); found != kept_->end()) return found->second;
  }
  // Of a chunk that was forgotten only single nodes are known: they are looked for one by one.
  const bool known = first / kChunk >= rows_->base;
  if (count == 1 || (known && count <= kChunk && first / kChunk == (last - 1) / kChunk)) {
    std::vector<Hash> row;
    const auto whole = chunks * kChunk;
    if (first >= whole)
      row.assign(tail_.begin() + static_cast<std::ptrdiff_t>(first - whole),
                 tail_.begin() + static_cast<std::ptrdiff_t>(last - whole));
    else
      row = MAMORI_TRY(leaves(first, count));
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

// Of the perfect node [first, last), in which a tree of `size` leaves ends: what its proofs ask for.
Status TreeView::keep_in(TreeSize size, TreeSize first, TreeSize last, const Leaves& leaves,
                         Nodes& out) const {
  const auto keep = [&](TreeSize from, TreeSize to) -> Status {
    const auto level = std::countr_zero(to - from);
    out[{level, from >> level}] = MAMORI_TRY(range(from, to, leaves));
    return {};
  };
  while (size != last) {
    const auto half = first + (last - first) / 2;
    if (size <= half) {
      MAMORI_TRY(keep(half, last));
      last = half;
    } else {
      MAMORI_TRY(keep(first, half));
      first = half;
    }
  }
  return keep(first, last);
}

Result<Nodes> TreeView::nodes_to_keep(TreeSize first, std::span<const TreeSize> sizes,
                                      const Leaves& leaves) const {
  if (first > size_) return bad_range();
  Nodes out;
  const auto whole = first / kChunk * kChunk;
  for (TreeSize at = 0; at < whole;) {  // the perfect nodes that make up the whole chunks
    const auto end = at + std::bit_floor(whole - at);
    const auto level = std::countr_zero(end - at);
    out[{level, at >> level}] = MAMORI_TRY(range(at, end, leaves));
    for (const auto size : sizes)
      if (size > at && size <= end) MAMORI_TRY(keep_in(size, at, end, leaves, out));
    at = end;
  }
  for (auto leaf = whole; leaf < first; ++leaf) out[{0, leaf}] = MAMORI_TRY(range(leaf, leaf + 1, leaves));
  return out;
}

Result<Hash> TreeView::root_at(TreeSize size, const Leaves& leaves) const {
  if (size > size_) return bad_range();
  if (size == 0) return empty_root();
  return range(0, size, leaves);
}

Status TreeView::inclusion_in(LeafIndex index, TreeSize first, TreeSize last, const Leaves& leaves,
                              std::vector<Hash>& out) const {
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

Result<std::vector<Hash>> TreeView::inclusion(LeafIndex index, TreeSize size, const Leaves& leaves) const {
  if (size > size_ || index >= size) return bad_range();
  std::vector<Hash> out;
  MAMORI_TRY(inclusion_in(index, 0, size, leaves, out));
  return out;
}

Status TreeView::inclusion_of_all_in(std::span<const LeafIndex> indices, TreeSize first, TreeSize last,
                                     const Leaves& leaves, std::vector<Hash>& out) const {
  if (indices.empty()) {
    out.push_back(MAMORI_TRY(range(first, last, leaves)));
    return {};
  }
  if (last - first == 1) return {};
  const auto half = first + split_of(last - first);
  const auto right =
      static_cast<std::size_t>(std::lower_bound(indices.begin(), indices.end(), half) - indices.begin());
  MAMORI_TRY(inclusion_of_all_in(indices.first(right), first, half, leaves, out));
  return inclusion_of_all_in(indices.subspan(right), half, last, leaves, out);
}

Result<std::vector<Hash>> TreeView::inclusion_of_all(std::span<const LeafIndex> indices, TreeSize size,
                                                     const Leaves& leaves) const {
  std::vector<Hash> out;
  if (size > size_ || (!indices.empty() && indices.back() >= size)) return bad_range();
  if (size == 0) return out;
  MAMORI_TRY(inclusion_of_all_in(indices, 0, size, leaves, out));
  return out;
}

bool verify_inclusion_of_all(std::span<const LeafIndex> indices, std::span<const Hash> leaves, TreeSize size,
                             std::span<const Hash> proof, const Hash& root) {
  if (indices.size() != leaves.size() || size == 0)
    return size == 0 && indices.empty() && proof.empty() && root == empty_root();
  for (std::size_t i = 0; i < indices.size(); ++i)
    if (indices[i] >= size || (i > 0 && indices[i] <= indices[i - 1])) return false;
  std::size_t used = 0;
  bool good = true;
  const std::function<Hash(std::size_t, std::size_t, TreeSize, TreeSize)> fold =
      [&](std::size_t from, std::size_t to, TreeSize first, TreeSize last) -> Hash {
    if (from == to) {
      if (used == proof.size()) {
        good = false;
        return {};
      }
      return proof[used++];
    }
    if (last - first == 1) return leaves[from];
    const auto half = first + split_of(last - first);
    const auto right =
        static_cast<std::size_t>(std::lower_bound(indices.begin() + static_cast<std::ptrdiff_t>(from),
                                                  indices.begin() + static_cast<std::ptrdiff_t>(to), half) -
                                 indices.begin());
    const auto left = fold(from, right, first, half);
    return hash_children(left, fold(right, to, half, last));
  };
  const auto found = fold(0, indices.size(), 0, size);
  return good && used == proof.size() && found == root;
}

// RFC 9162, 2.1.4.1: SUBPROOF(size1, D[first:last], whole).
Status TreeView::consistency_in(TreeSize size1, TreeSize first, TreeSize last, bool whole,
                                const Leaves& leaves, std::vector<Hash>& out) const {
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

Result<std::vector<Hash>> TreeView::consistency(TreeSize size1, TreeSize size2, const Leaves& leaves) const {
  if (size1 > size2 || size2 > size_) return bad_range();
  std::vector<Hash> out;
  if (size1 == 0) return out;
  MAMORI_TRY(consistency_in(size1, 0, size2, true, leaves, out));
  return out;
}

}  // namespace mamori::proof
