// Who writes in a directory: one process. Others may read beside it.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace mamori::archive {

class DirectoryLock {
 public:
  // Makes the directory. held() is false where another process has it. Error: archive.disk.* (of make_directory).
  static Result<DirectoryLock> take(const std::filesystem::path& directory);
  DirectoryLock(DirectoryLock&& other) noexcept : file_(other.file_) { other.file_ = -1; }
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock();
  bool held() const { return file_ >= 0; }

 private:
  explicit DirectoryLock(int file) : file_(file) {}
  int file_;
};

}  // namespace mamori::archive
