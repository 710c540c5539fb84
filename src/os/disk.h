// The disk as everything sees it that keeps data: what can fail in earnest, or be cut off by a crash at any
// moment, so that a test can do both at every single call (testing/simulated_disk.h). Nothing that keeps data
// goes past it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mamori::os {

// Errors of all calls: os.disk.full (no room, quota), os.file.missing, os.disk.failed (facts: file, reason).

// A file that is open, at any place of it. What was written is durable when sync() has returned well, and not
// before; after a failed sync() nobody knows what of it is. Threads: all calls may come from several.
class File {
 public:
  virtual ~File() = default;
  // How many bytes were read: fewer than asked for only where the file ends.
  virtual Result<std::size_t> read(std::uint64_t at, char* to, std::size_t count) const = 0;
  // On failure an unknown part of it is written.
  virtual Status write(std::uint64_t at, std::string_view bytes) = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  virtual Status sync() = 0;
  virtual Result<std::uint64_t> size() const = 0;
  // It stays readable until this object goes, also when its name does.
  virtual Status pin() { return {}; }
};

// Held until it goes, however the process ends.
class Lock {
 public:
  virtual ~Lock() = default;
};

enum class Access {
  read,
  write,   // made where it is missing
  create,  // error os.file.exists where it is there
};
enum class Visibility { owner_only, shared };

struct Space {
  std::uint64_t free = 0, total = 0;  // bytes; zeros: unknown
};

// Threads: all calls may come from several.
class Disk {
 public:
  virtual ~Disk() = default;
  virtual Result<std::unique_ptr<File>> open(const std::filesystem::path& file, Access access,
                                             Visibility visibility = Visibility::owner_only) = 0;
  // Names made, changed or removed are durable after sync_folder() of the folder they are in.
  virtual Status rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  virtual Status remove(const std::filesystem::path& file) = 0;  // well where it is missing
  // One folder, in one that exists; well where it is there.
  virtual Status make_folder(const std::filesystem::path& folder,
                             Visibility visibility = Visibility::owner_only) = 0;
  virtual Status sync_folder(const std::filesystem::path& folder) = 0;
  // The names in it, sorted. Folders end with '/'.
  virtual Result<std::vector<std::string>> list(const std::filesystem::path& folder) const = 0;
  // Of a file by its name, without opening it.
  virtual Result<std::uint64_t> size_of(const std::filesystem::path& file) const = 0;
  virtual Result<bool> exists(const std::filesystem::path& path) const = 0;
  virtual Space space(const std::filesystem::path& path) const = 0;
  // Of a file made for it: none where another process, or another part of this one, has it.
  virtual Result<std::unique_ptr<Lock>> lock(const std::filesystem::path& file) = 0;

  // The machine's. Of the files that are open, only so many hold a descriptor (see descriptors()): the others
  // get one again when they are asked for, so that ten thousand streams do not take what connections need.
  static Disk& real();
};

// How many files may be open in this process. Raised to the most that the system allows, once, by
// raise_limits(), which also makes an error of what would end the process: a file that reached the size it
// may have (ulimit -f).
std::size_t file_limit();
std::size_t raise_limits();
// Descriptors that files of Disk::real() hold now, and the most they will: a quarter of file_limit().
std::size_t descriptors();
std::size_t most_descriptors();
void set_most_descriptors(std::size_t most);  // for tests and small machines; at least 8

}  // namespace mamori::os
