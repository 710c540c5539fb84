// The Merkle tree of RFC 9162, section 2.1 (SHA-256): a leaf is hashed with 0x00 before it, an inner node with 0x01 before its two
// children; the tree of n leaves splits at the largest power of two below n. Subtree proofs follow
// draft-ietf-plants-merkle-tree-certs: a subtree [start, end) of a larger tree.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mamori::archive {

using Hash = std::array<std::uint8_t, 32>;
using LeafIndex = std::uint64_t;
using TreeSize = std::uint64_t;

Hash empty_root();  // of the tree without leaves: SHA-256 of nothing
Hash hash_leaf(std::string_view leaf);
Hash hash_children(const Hash& left, const Hash& right);
// Many leaves at once: as fast as the processor can (SHA instructions, or 16 or 8 at a time with AVX-512 or AVX2).
void hash_leaves(std::span<const std::string_view> leaves, std::span<Hash> out);

std::string to_base64(const Hash& hash);
Result<Hash> parse_hash(std::string_view base64);  // error: archive.hash.bad

// The checks of a reader who has only roots and proofs. Nothing is assumed of any argument.
bool verify_inclusion(LeafIndex index, TreeSize size, const Hash& leaf, std::span<const Hash> proof, const Hash& root);
bool verify_consistency(TreeSize size1, TreeSize size2, const Hash& root1, const Hash& root2, std::span<const Hash> proof);
// Whether leaf `index` is in the subtree [start, end).
bool verify_subtree_inclusion(LeafIndex index, TreeSize start, TreeSize end, const Hash& leaf, std::span<const Hash> proof, const Hash& root);
// Whether the subtree [start, end) with root `node` is part of the tree of `size` leaves with root `root`.
bool verify_subtree_consistency(TreeSize start, TreeSize end, TreeSize size, const Hash& node, const Hash& root, std::span<const Hash> proof);

// The other side of Tree::inclusion_of_all(): whether the leaves, with their indices in rising order, and the given subtrees make `root`.
bool verify_inclusion_of_all(std::span<const LeafIndex> indices, std::span<const Hash> leaves, TreeSize size, std::span<const Hash> proof, const Hash& root);

// A growing tree that keeps one hash for each chunk of kChunk leaves, and what is above; the hashes of single leaves are asked for
// when a proof needs them. Threads: guard it like any value.
constexpr int kChunkLevel = 8;
constexpr TreeSize kChunk = TreeSize{1} << kChunkLevel;

class Tree {
 public:
  // The hashes of leaves [first, first + count), count <= kChunk, all of one chunk.
  using Leaves = std::function<Result<std::vector<Hash>>(LeafIndex first, std::size_t count)>;

  TreeSize size() const { return size_; }
  void append(std::span<const Hash> leaves);
  // A whole chunk of which only the root is known. Requires: size() is a multiple of kChunk.
  void append_chunk(const Hash& root);
  Hash root() const;

  // Errors: those of `leaves`; archive.proof.range where the arguments are not in the tree.
  Result<Hash> root_at(TreeSize size, const Leaves& leaves) const;
  Result<std::vector<Hash>> inclusion(LeafIndex index, TreeSize size, const Leaves& leaves) const;
  Result<std::vector<Hash>> consistency(TreeSize size1, TreeSize size2, const Leaves& leaves) const;
  // The roots of all largest subtrees of the tree of `size` leaves in which none of `indices` lies, from left to right.
  Result<std::vector<Hash>> inclusion_of_all(std::span<const LeafIndex> indices, TreeSize size, const Leaves& leaves) const;

  // For keeping on disk.
  const std::vector<Hash>& chunks() const { return levels_.front(); }
  std::span<const Hash> ragged() const { return tail_; }  // leaves after the last whole chunk

 private:
  void add_chunk(const Hash& root);
  Result<Hash> range(TreeSize first, TreeSize last, const Leaves& leaves) const;
  Status inclusion_in(LeafIndex index, TreeSize first, TreeSize last, const Leaves& leaves, std::vector<Hash>& out) const;
  Status inclusion_of_all_in(std::span<const LeafIndex> indices, TreeSize first, TreeSize last, const Leaves& leaves, std::vector<Hash>& out) const;
  Status consistency_in(TreeSize size1, TreeSize first, TreeSize last, bool whole, const Leaves& leaves, std::vector<Hash>& out) const;

  TreeSize size_ = 0;
  std::vector<std::vector<Hash>> levels_ = {{}};  // levels_[k][i]: root of leaves [i, i+1) << (kChunkLevel + k)
  std::vector<Hash> tail_;
};

// The root of a whole chunk from its leaves. Requires: a power of two of them.
Hash perfect_root(std::span<const Hash> leaves);

}  // namespace mamori::archive
