// Whole files, blobs by content. Writes are atomic: a reader sees the old file or the new one.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mamori {

enum class FileMode { shared, owner_only };

// Errors: base.file.missing, base.file.too-large (facts: file, limit), base.file.unreadable.
Result<std::string> read_file(const std::filesystem::path& file, std::size_t limit);
// Writes beside the target, syncs, renames. Error: base.file.unwritable (facts: file, reason).
Status write_file(const std::filesystem::path& file, std::string_view bytes, FileMode mode = FileMode::shared);
Status make_directory(const std::filesystem::path& directory, FileMode mode = FileMode::owner_only);

// A folder removed with everything in it when the object goes.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Attachments and evidence, stored once under their SHA-256: DIR/ab/abcd…
class Blobs {
 public:
  explicit Blobs(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Result<std::string> put(std::string_view bytes) const;            // the hash, hex
  // The bytes, checked against their hash. Errors: base.blob.missing, base.blob.damaged.
  Result<std::string> get(std::string_view hash) const;

 private:
  std::filesystem::path directory_;
};

}  // namespace mamori
