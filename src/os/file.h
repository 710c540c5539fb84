// Files as they are kept: whole ones written at once, ones that grow, folders, blobs by content. All of it
// goes through a Disk.
#pragma once

#include <atomic>
#include <optional>
#include <utility>

#include "os/disk.h"

namespace mamori::os {

// Bytes on the heap, not filled with anything first. What points into them stays good when they are moved.
class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(std::size_t size) : bytes_(new char[size]), size_(size) {}
  explicit Bytes(std::string_view text) : Bytes(text.size()) { text.copy(data(), size_); }
  char* data() { return bytes_.get(); }
  std::size_t size() const { return size_; }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

// A file that only grows.
class GrowingFile {
 public:
  // Opens or makes it; it goes on behind `size`: what stands there is written over. Not more is touched now.
  static Result<GrowingFile> open(const std::filesystem::path& file, std::uint64_t size, Disk& disk);

  std::uint64_t size() const { return size_; }
  // All or nothing. What a failure left behind is no part of it, and is written over by the next.
  Status append(std::string_view bytes);
  // Durable when it returns well. After a failure all that came since the last good one must be written
  // again: see again().
  Status sync();
  // Writes what stands at [from, size()) once more, from what can still be read of it, so that the next
  // sync() takes it along.
  Status again(std::uint64_t from);
  // It goes on behind `size` again. Requires: size <= size().
  void take_back(std::uint64_t size);
  // What is behind size() is cut off.
  Status cut();

 private:
  GrowingFile(std::unique_ptr<File> file, std::uint64_t size) : file_(std::move(file)), size_(size) {}
  std::unique_ptr<File> file_;
  std::uint64_t size_;
};

// For reading at any place. Threads: all calls may come from several.
class ReadFile {
 public:
  static Result<ReadFile> open(const std::filesystem::path& file, Disk& disk);
  Result<std::uint64_t> size() const { return file_->size(); }
  // Error: os.file.short where the file ends before.
  Result<Bytes> read(std::uint64_t at, std::size_t count) const;
  Status read(std::uint64_t at, char* to, std::size_t count) const;
  // Readable until it goes, also when its name does.
  void pin() const { (void)file_->pin().has_value(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  ReadFile(std::filesystem::path path, std::unique_ptr<File> file)
      : path_(std::move(path)), file_(std::move(file)) {}
  std::filesystem::path path_;
  std::unique_ptr<File> file_;
};

// Errors: os.file.missing, os.file.too-large (facts: file, limit in MiB), os.disk.failed.
Result<std::string> read_file(const std::filesystem::path& file, std::size_t limit, Disk& disk);
// Writes beside the target, syncs, renames, syncs the folder: a reader, and whoever comes after a crash, sees
// the old file or the new one, and the new one when it has returned well. Errors: os.disk.*.
Status write_file(const std::filesystem::path& file, std::string_view bytes,
                  Visibility visibility = Visibility::shared, Disk& disk = Disk::real());
// Removes what write_file() left unfinished in `folder` and those below it when its process ended. Only while
// nobody writes there: who does gets an error, and nothing is lost.
Status remove_unfinished(const std::filesystem::path& folder, Disk& disk = Disk::real());
// With those above it, each durable.
Status make_directory(const std::filesystem::path& folder, Visibility visibility = Visibility::owner_only,
                      Disk& disk = Disk::real());

// Attachments and evidence, stored once under their SHA-256: DIR/ab/abcd… Threads: all calls may come from
// several.
class Blobs {
 public:
  explicit Blobs(std::filesystem::path directory, Disk& disk = Disk::real())
      : directory_(std::move(directory)), disk_(disk) {}
  // The hash, hex; durable when it returns.
  Result<std::string> put(std::string_view bytes) const;
  // The bytes, checked against their hash. Errors: os.blob.missing, os.blob.damaged, os.disk.failed.
  Result<std::string> get(std::string_view hash) const;

 private:
  std::filesystem::path directory_;
  Disk& disk_;
  // A name was not made durable: that a later sync of its folder does is not to be believed, so what is there
  // is written once more.
  mutable std::atomic<bool> doubtful_{false};
};

}  // namespace mamori::os
