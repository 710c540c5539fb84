// Hashes, trees and their proofs, held against RFC 9162 and the vectors of others.
#include "proof/merkle.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "proof/sha256.h"

namespace mamori::proof {
namespace {

std::filesystem::path test_data() {
  if (const char* given = std::getenv("MAMORI_TEST_DATA")) return given;
  return std::filesystem::path(MAMORI_SOURCE_DIR) / "../shared/data";
}

Hash leaf_number(std::uint64_t number) { return hash_leaf("leaf " + std::to_string(number)); }

// RFC 9162, 2.1.1, word for word.
Hash naive_root(std::span<const Hash> leaves) {
  if (leaves.empty()) return empty_root();
  if (leaves.size() == 1) return leaves[0];
  std::size_t k = 1;
  while (k * 2 < leaves.size()) k *= 2;
  return hash_children(naive_root(leaves.first(k)), naive_root(leaves.subspan(k)));
}

TEST(Sha256, EveryWayGivesWhatOpenSslGives) {
  std::mt19937_64 random(7);
  for (const std::size_t count : {1u, 7u, 8u, 15u, 16u, 17u, 100u}) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i)
      texts.push_back(std::string(random() % 300, static_cast<char>(random())));
    for (const std::size_t length : {0u, 54u, 55u, 56u, 62u, 63u, 64u, 118u, 119u, 127u})
      texts.push_back(std::string(length, 'x'));
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    std::vector<Hash> expected(views.size()), found(views.size());
    detail::sha256_leaves(detail::Way::openssl, views, expected);
    for (std::size_t i = 0; i < views.size(); ++i)
      EXPECT_EQ(expected[i], detail::sha256(std::string(1, '\0') + texts[i]));
    for (const auto way : {detail::Way::lanes8, detail::Way::lanes16}) {
      if (!detail::possible(way)) continue;
      detail::sha256_leaves(way, views, found);
      EXPECT_EQ(found, expected);
    }
  }
}

TEST(Tree, EveryProofOfEverySmallTreeHolds) {
  std::vector<Hash> leaves;
  for (std::uint64_t i = 0; i < 40; ++i) leaves.push_back(leaf_number(i));
  const auto load = [&](LeafIndex first, std::size_t count) -> Result<std::vector<Hash>> {
    return std::vector<Hash>(leaves.begin() + static_cast<std::ptrdiff_t>(first),
                             leaves.begin() + static_cast<std::ptrdiff_t>(first + count));
  };
  Tree tree;
  for (std::size_t size = 0; size <= leaves.size(); ++size) {
    const auto root = naive_root(std::span(leaves).first(size));
    EXPECT_EQ(tree.root(), root) << size;
    for (LeafIndex i = 0; i < size; ++i) {
      const auto proof = tree.view().inclusion(i, size, load);
      ASSERT_TRUE(proof);
      EXPECT_TRUE(verify_inclusion(i, size, leaves[i], *proof, root));
      EXPECT_FALSE(verify_inclusion(i, size, leaf_number(999), *proof, root));
      if (size > 1) {
        EXPECT_FALSE(verify_inclusion((i + 1) % size, size, leaves[i], *proof, root)) << i << " of " << size;
      }
    }
    for (std::size_t before = 1; before <= size; ++before) {
      const auto proof = tree.view().consistency(before, size, load);
      ASSERT_TRUE(proof);
      const auto old_root = naive_root(std::span(leaves).first(before));
      EXPECT_TRUE(verify_consistency(before, size, old_root, root, *proof)) << before << " of " << size;
      if (before > 0 && before < size) {
        EXPECT_FALSE(verify_consistency(before, size, leaf_number(5000), root, *proof));
      }
    }
    if (size < leaves.size()) tree.append(std::span(leaves).subspan(size, 1));
  }
  EXPECT_FALSE(tree.view().inclusion(40, 40, load));
  EXPECT_FALSE(tree.view().consistency(2, 41, load));
}

TEST(Tree, IsTheSameAcrossChunkBordersHoweverItGrew) {
  std::vector<Hash> leaves;
  for (std::uint64_t i = 0; i < 3 * kChunk + 77; ++i) leaves.push_back(leaf_number(i));
  const auto load = [&](LeafIndex first, std::size_t count) -> Result<std::vector<Hash>> {
    return std::vector<Hash>(leaves.begin() + static_cast<std::ptrdiff_t>(first),
                             leaves.begin() + static_cast<std::ptrdiff_t>(first + count));
  };
  Tree whole, pieces, chunks;
  whole.append(leaves);
  std::mt19937 random(3);
  for (std::span<const Hash> rest = leaves; !rest.empty();) {
    const auto take = std::min<std::size_t>(rest.size(), random() % 300);
    pieces.append(rest.first(take));
    rest = rest.subspan(take);
  }
  for (std::size_t i = 0; i < 3; ++i)
    chunks.append_chunk(perfect_root(std::span(leaves).subspan(i * kChunk, kChunk)));
  chunks.append(std::span(leaves).subspan(3 * kChunk));
  EXPECT_EQ(whole.root(), naive_root(leaves));
  EXPECT_EQ(pieces.root(), whole.root());
  EXPECT_EQ(chunks.root(), whole.root());
  for (const TreeSize size :
       {TreeSize{1}, kChunk - 1, kChunk, kChunk + 1, 2 * kChunk, 2 * kChunk + 130, whole.size()}) {
    const auto root = whole.view().root_at(size, load);
    ASSERT_TRUE(root);
    EXPECT_EQ(*root, naive_root(std::span(leaves).first(size)));
    EXPECT_TRUE(verify_consistency(size, whole.size(), *root, whole.root(),
                                   *whole.view().consistency(size, whole.size(), load)));
    for (const LeafIndex i : {LeafIndex{0}, size / 2, size - 1})
      EXPECT_TRUE(verify_inclusion(i, size, leaves[i], *whole.view().inclusion(i, size, load), *root));
  }
}

// What retention leaves: about log2 of it, and every proof that could be made before can be made still.
TEST(Tree, ProvesTheSameWhenItsBeginningIsForgotten) {
  std::vector<Hash> leaves;
  for (std::uint64_t i = 0; i < 11 * kChunk + 50; ++i) leaves.push_back(leaf_number(i));
  TreeSize gone = 0;
  const Nodes* kept_leaves = nullptr;
  const auto load = [&](LeafIndex first, std::size_t count) -> Result<std::vector<Hash>> {
    std::vector<Hash> out;
    for (auto i = first; i < first + count; ++i) {
      if (i >= gone) {
        out.push_back(leaves[i]);
        continue;
      }
      const auto found = kept_leaves ? kept_leaves->find({0, i}) : Nodes::const_iterator();
      if (!kept_leaves || found == kept_leaves->end())
        return Error{ErrorKind::not_found, "archive.event.missing"};
      out.push_back(found->second);
    }
    return out;
  };
  const std::vector<TreeSize> heads = {1, 3, 255, 256, 257, 700, 1024, 1500, 1536, 1999, 2500};
  Tree tree;
  TreeSize grown = 0;
  for (const TreeSize first :
       {TreeSize{300}, TreeSize{512}, TreeSize{1537}, TreeSize{1790}, TreeSize{2048}, TreeSize{2560}}) {
    SCOPED_TRACE(first);
    tree.append(std::span(leaves).subspan(grown, first + 130 - grown));
    grown = first + 130;
    std::vector<TreeSize> old;
    for (const auto head : heads)
      if (head <= first) old.push_back(head);
    const auto before = tree.view();
    kept_leaves = &before.kept();
    auto nodes = before.nodes_to_keep(first, old, load);
    ASSERT_TRUE(nodes) << describe(nodes.error());
    EXPECT_LE(nodes->size(), (old.size() + 1) * 13 + kChunk);
    auto reopened = Tree::after(first, *nodes);
    ASSERT_TRUE(reopened);
    tree.forget(first, *nodes);
    gone = first;
    reopened->append(std::span(leaves).subspan(first, grown - first));
    for (const auto& view : {tree.view(), reopened->view()}) {
      kept_leaves = &view.kept();
      const auto root = naive_root(std::span(leaves).first(grown));
      EXPECT_EQ(view.root(), root);
      for (const auto head : heads) {
        if (head > grown) continue;
        const auto old_root = view.root_at(head, load);
        ASSERT_TRUE(old_root) << head;
        EXPECT_EQ(*old_root, naive_root(std::span(leaves).first(head)));
        const auto proof = view.consistency(head, grown, load);
        ASSERT_TRUE(proof) << head;
        EXPECT_TRUE(verify_consistency(head, grown, *old_root, root, *proof)) << head;
      }
      for (const auto index : {first, first + 1, first + 99, grown - 1})
        EXPECT_TRUE(verify_inclusion(index, grown, leaves[index], *view.inclusion(index, grown, load), root))
            << index;
    }
    kept_leaves = nullptr;
    for (const TreeSize lost : {TreeSize{5}, TreeSize{130}})
      EXPECT_FALSE(tree.view().root_at(lost, load)) << "nobody kept what it needs";
  }
}

TEST(Tree, AViewStaysAsItWasWhileTheTreeGrows) {
  Tree tree;
  std::vector<Hash> leaves;
  for (std::uint64_t i = 0; i < 40 * kChunk; ++i) leaves.push_back(leaf_number(i));
  const auto load = [&](LeafIndex first, std::size_t count) -> Result<std::vector<Hash>> {
    const auto from = leaves.begin() + static_cast<std::ptrdiff_t>(first);
    return std::vector<Hash>(from, from + static_cast<std::ptrdiff_t>(count));
  };
  tree.append(std::span(leaves).first(1000));
  const auto view = tree.view();
  const auto root = view.root();
  const auto proof = *view.inclusion(77, 1000, load);
  std::thread grower([&] {
    for (std::size_t i = 1000; i < leaves.size(); i += 100)
      tree.append(std::span(leaves).subspan(i, std::min<std::size_t>(100, leaves.size() - i)));
  });
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(view.root(), root);
    EXPECT_EQ(*view.inclusion(77, 1000, load), proof);
  }
  grower.join();
  EXPECT_EQ(tree.root(), naive_root(leaves));
}

// Every *.json under merkle/: inclusion, consistency and subtree proofs, good and broken.
TEST(Conformance, TransparencyDevProofVectors) {
  const auto folder = test_data() / "merkle";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "Skipped: no " << folder;
  std::size_t checked = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    SCOPED_TRACE(entry.path().string());
    const auto vector = *parse_json_object(*read_file(entry.path(), 1 << 20));
    const auto number = [&](const char* name) -> std::uint64_t {
      const auto* value = vector.if_contains(name);
      if (!value) return 0;
      return value->is_uint64() ? value->get_uint64() : static_cast<std::uint64_t>(value->get_int64());
    };
    // Some vectors hold words instead of hashes where it does not matter: another hash stands for them. An
    // empty one never fits.
    bool readable = true;
    const auto hash = [&](std::string_view text) {
      readable = readable && !text.empty();
      const auto parsed = parse_hash(text);
      return parsed ? *parsed : detail::sha256(text);
    };
    std::vector<Hash> proof;
    if (const auto* list = vector.if_contains("proof"); list && list->is_array())
      for (const auto& item : list->get_array()) proof.push_back(hash(std::string_view(item.get_string())));
    const auto of = [&](const char* name) { return hash(text_of(vector, name)); };
    bool holds = false;
    const auto path = entry.path().string();
    if (path.find("/subtreeinclusion/") != path.npos)
      holds = verify_subtree_inclusion(number("leafIdx"), number("start"), number("end"), of("leafHash"),
                                       proof, of("root"));
    else if (path.find("/subtreeconsistency/") != path.npos)
      holds = verify_subtree_consistency(number("start"), number("end"), number("size"), of("root1"),
                                         of("root2"), proof);
    else if (path.find("/inclusion/") != path.npos)
      holds = verify_inclusion(number("leafIdx"), number("treeSize"), of("leafHash"), proof, of("root"));
    else if (path.find("/consistency/") != path.npos)
      holds = verify_consistency(number("size1"), number("size2"), of("root1"), of("root2"), proof);
    else
      continue;
    EXPECT_EQ(holds && readable, !boolean_of(vector, "wantErr")) << text_of(vector, "desc");
    ++checked;
  }
  EXPECT_GT(checked, 0u);
}

}  // namespace
}  // namespace mamori::proof
