// What a stream proves: roots, inclusion, consistency, signed heads.
#include "archive/embedded/stream.h"

namespace mamori::archive {

// Proofs work on what there is at the beginning, and hold no lock: appends go on beside them.

Result<std::vector<Hash>> EmbeddedStream::inclusion_of_all(std::span<const LeafIndex> indices,
                                                           TreeSize size) const {
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
  if (options_.read_only)
    return Error{ErrorKind::conflict, "archive.busy", {{"directory", folder_.string()}}};
  const MutexLock one(publish_);
  TreeView tree;
  {
    const MutexLock lock(mutex_);
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
    const MutexLock lock(mutex_);
    if (!heads_.empty() && heads_.back().size == tree.size() &&
        head_is_signed_by(heads_.back(), key_.public_key()))
      return heads_.back();
  }
  auto head = sign_head(origin_, tree.size(), tree.root(), clock_.now(), key_);
  if (heads_end_ == 0)
    MAMORI_TRY(
        disk_.remove(path));  // what an earlier try left: a name whose sync failed never becomes durable
  auto file = MAMORI_TRY(os::GrowingFile::open(path, heads_end_, disk_));
  MAMORI_TRY(file.cut());
  MAMORI_TRY(file.append(head.note + "\n"));
  MAMORI_TRY(file.sync());
  if (heads_end_ == 0) MAMORI_TRY(disk_.sync_folder(folder_));
  heads_end_ = file.size();
  const MutexLock lock(mutex_);
  heads_.push_back(head);
  return head;
}

std::vector<Head> EmbeddedStream::heads() const {
  const MutexLock lock(mutex_);
  return heads_;
}

}  // namespace mamori::archive
