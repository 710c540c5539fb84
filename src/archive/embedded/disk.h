// The disk as the archive sees it, so that a test can fill it, cut its power or make its sync fail.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace mamori::archive {

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

// The calls that can fail in earnest. Threads: all calls may come from several.
class Disk {
 public:
  virtual ~Disk() = default;
  virtual ssize_t write(int file, const char* bytes, std::size_t count);
  virtual int sync(int file);
  // Bytes free to us and in all where `path` lies; zeros where that cannot be told.
  virtual std::pair<std::uint64_t, std::uint64_t> space(const std::filesystem::path& path);
  static Disk& real();
};

// A file that only grows. Errors of the calls: archive.disk.full, archive.disk.failed (facts: file, reason).
class GrowingFile {
 public:
  // Opens or makes it; what is beyond `size` is cut off.
  static Result<GrowingFile> open(const std::filesystem::path& file, std::uint64_t size, Disk& disk);
  GrowingFile(GrowingFile&& other) noexcept;
  GrowingFile& operator=(GrowingFile&& other) noexcept;
  ~GrowingFile();

  std::uint64_t size() const { return size_; }
  // All or nothing: on failure the file is cut back to what it was.
  Status append(std::string_view bytes);
  Status sync();
  int descriptor() const { return file_; }

 private:
  GrowingFile(std::filesystem::path path, int file, std::uint64_t size, Disk& disk) : path_(std::move(path)), file_(file), size_(size), disk_(&disk) {}
  std::filesystem::path path_;
  int file_;
  std::uint64_t size_;
  Disk* disk_;
};

// For reading at any place. Threads: all calls may come from several.
class ReadFile {
 public:
  static Result<ReadFile> open(const std::filesystem::path& file);
  ReadFile(ReadFile&& other) noexcept;
  ReadFile& operator=(ReadFile&& other) noexcept;
  ~ReadFile();
  Result<std::uint64_t> size() const;
  // Error: archive.disk.short where the file ends before.
  Result<Bytes> read(std::uint64_t at, std::size_t count) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  ReadFile(std::filesystem::path path, int file) : path_(std::move(path)), file_(file) {}
  std::filesystem::path path_;
  int file_;
};

// Makes names that were made, renamed or removed in `folder` durable.
Status sync_folder(const std::filesystem::path& folder);
Status remove_file(const std::filesystem::path& file);

std::uint64_t checksum(std::string_view bytes);  // XXH3, 64 bits: finds accidents; the tree finds intent

}  // namespace mamori::archive
