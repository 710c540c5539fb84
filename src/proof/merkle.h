// The Merkle tree of RFC 9162, section 2.1 (SHA-256): a leaf is hashed with 0x00 before it, an inner node
// with 0x01 before its two children; the tree of n leaves splits at the largest power of two below n. Subtree
// proofs follow draft-ietf-plants-merkle-tree-certs: a subtree [start, end) of a larger tree.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mamori::proof {

using Hash = std::array<std::uint8_t, 32>;
using LeafIndex = std::uint64_t;
using TreeSize = std::uint64_t;

Hash empty_root();  // of the tree without leaves: SHA-256 of nothing
Hash hash_leaf(std::string_view leaf);
Hash hash_children(const Hash& left, const Hash& right);
// Many leaves at once: as fast as the processor can (SHA instructions, or 16 or 8 at a time with AVX-512 or
// AVX2).
void hash_leaves(std::span<const std::string_view> leaves, std::span<Hash> out);

std::string to_base64(const Hash& hash);
Result<Hash> parse_hash(std::string_view base64);  // error: archive.hash.bad

// The checks of a reader who has only roots and proofs. Nothing is assumed of any argument.
bool verify_inclusion(LeafIndex index, TreeSize size, const Hash& leaf, std::span<const Hash> proof,
                      const Hash& root);
bool verify_consistency(TreeSize size1, TreeSize size2, const Hash& root1, const Hash& root2,
                        std::span<const Hash> proof);
// Whether leaf `index` is in the subtree [start, end).
bool verify_subtree_inclusion(LeafIndex index, TreeSize start, TreeSize end, const Hash& leaf,
                              std::span<const Hash> proof, const Hash& root);
// Whether the subtree [start, end) with root `node` is part of the tree of `size` leaves with root `root`.
bool verify_subtree_consistency(TreeSize start, TreeSize end, TreeSize size, const Hash& node,
                                const Hash& root, std::span<const Hash> proof);

// The other side of Tree::inclusion_of_all(): whether the leaves, with their indices in rising order, and the
// given subtrees make `root`.
bool verify_inclusion_of_all(std::span<const LeafIndex> indices, std::span<const Hash> leaves, TreeSize size,
                             std::span<const Hash> proof, const Hash& root);

// A growing tree that keeps one hash for each chunk of kChunk leaves, and what is above; the hashes of single
// leaves are asked for when a proof needs them. Of leaves that are gone for good it keeps only what proofs
// still need.
constexpr int kChunkLevel = 8;
constexpr TreeSize kChunk = TreeSize{1} << kChunkLevel;

// A node of a tree: the root of leaves [index << level, (index + 1) << level). Level 0: a leaf.
struct Node {
  int level = 0;
  std::uint64_t index = 0;
  auto operator<=>(const Node&) const = default;
};
using Nodes = std::map<Node, Hash>;

namespace detail {
struct Rows;  // the hashes of whole chunks and of what is above them; what was added once never moves
}

// The tree as it was at one moment. Threads: for any number, beside the Tree that it came from while that one
// grows.
class TreeView {
 public:
  // The hashes of leaves [first, first + count), count <= kChunk, all of one chunk.
  using Leaves = std::function<Result<std::vector<Hash>>(LeafIndex first, std::size_t count)>;

  TreeSize size() const { return size_; }
  const Nodes& kept() const { return *kept_; }  // of what was forgotten
  Hash root() const;
  // Errors: those of `leaves`; archive.proof.range where the arguments are not in the tree.
  Result<Hash> root_at(TreeSize size, const Leaves& leaves) const;
  Result<std::vector<Hash>> inclusion(LeafIndex index, TreeSize size, const Leaves& leaves) const;
  Result<std::vector<Hash>> consistency(TreeSize size1, TreeSize size2, const Leaves& leaves) const;
  // The roots of all largest subtrees of the tree of `size` leaves in which none of `indices` lies, from left
  // to right.
  Result<std::vector<Hash>> inclusion_of_all(std::span<const LeafIndex> indices, TreeSize size,
                                             const Leaves& leaves) const;

  // What must be kept when the leaves before `first` go: the nodes that make up the first `first` leaves, and
  // those that proofs from a tree of one of `sizes` (each at most `first`) ask for. About log2(first) hashes
  // for the tree and for each size.
  Result<Nodes> nodes_to_keep(TreeSize first, std::span<const TreeSize> sizes, const Leaves& leaves) const;

 private:
  friend class Tree;
  Result<Hash> range(TreeSize first, TreeSize last, const Leaves& leaves) const;
  Status inclusion_in(LeafIndex index, TreeSize first, TreeSize last, const Leaves& leaves,
                      std::vector<Hash>& out) const;
  Status inclusion_of_all_in(std::span<const LeafIndex> indices, TreeSize first, TreeSize last,
                             const Leaves& leaves, std::vector<Hash>& out) const;
  Status consistency_in(TreeSize size1, TreeSize first, TreeSize last, bool whole, const Leaves& leaves,
                        std::vector<Hash>& out) const;
  Status keep_in(TreeSize size, TreeSize first, TreeSize last, const Leaves& leaves, Nodes& out) const;

  std::shared_ptr<const detail::Rows> rows_;
  std::shared_ptr<const Nodes> kept_;
  TreeSize size_ = 0;
  std::vector<Hash> tail_;  // leaves after the last whole chunk
};

// Threads: append() and view() by one at a time; a view is free. Copies share nothing that grows.
class Tree {
 public:
  using Leaves = TreeView::Leaves;

  Tree();
  // One that goes on behind `first` leaves of which only `kept` is known (see nodes_to_keep()).
  // Error: archive.kept.damaged where it is not all that the tree needs to grow.
  static Result<Tree> after(TreeSize first, Nodes kept);
  Tree(Tree&&) = default;
  Tree& operator=(Tree&&) = default;
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  TreeSize size() const { return now_.size_; }
  void append(std::span<const Hash> leaves);
  // Whole chunks of which only the roots are known. Requires: size() is a multiple of kChunk.
  void append_chunks(std::span<const Hash> roots);
  void append_chunk(const Hash& root) { append_chunks({&root, 1}); }
  // Cheap: nothing of the tree's size is copied.
  TreeView view() const { return now_; }
  Hash root() const { return now_.root(); }
  // Lets go of everything before `first` but `kept`. Requires: `kept` is what nodes_to_keep() gave for it.
  void forget(TreeSize first, Nodes kept);
  // The root of whole chunk `number`. Requires: it has one, and was not forgotten.
  const Hash& chunk(std::uint64_t number) const;

 private:
  void add_chunks(std::span<const Hash> roots);
  std::shared_ptr<detail::Rows> rows_;
  TreeView now_;
};

// The root of a whole chunk from its leaves. Requires: a power of two of them.
Hash perfect_root(std::span<const Hash> leaves);

}  // namespace mamori::proof
