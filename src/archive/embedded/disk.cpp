#include "archive/embedded/disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>

namespace mamori::archive {
namespace {

Error failed(const std::filesystem::path& file, int reason) {
  if (reason == ENOSPC || reason == EDQUOT) return {ErrorKind::exhausted, "archive.disk.full", {{"file", file.string()}, {"reason", std::strerror(reason)}}};
  return {ErrorKind::unavailable, "archive.disk.failed", {{"file", file.string()}, {"reason", std::strerror(reason)}}};
}

}  // namespace

ssize_t Disk::write(int file, const char* bytes, std::size_t count) { return ::write(file, bytes, count); }
int Disk::sync(int file) { return ::fdatasync(file); }
std::pair<std::uint64_t, std::uint64_t> Disk::space(const std::filesystem::path& path) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) return {};
  return {static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize, static_cast<std::uint64_t>(status.f_blocks) * status.f_frsize};
}
Disk& Disk::real() {
  static Disk disk;
  return disk;
}

Result<GrowingFile> GrowingFile::open(const std::filesystem::path& path, std::uint64_t size, Disk& disk) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return failed(path, errno);
  GrowingFile out(path, file, size, disk);
  if (::ftruncate(file, static_cast<off_t>(size)) != 0 || ::lseek(file, 0, SEEK_END) < 0) return failed(path, errno);
  return out;
}

GrowingFile::GrowingFile(GrowingFile&& other) noexcept : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)), size_(other.size_), disk_(other.disk_) {}
GrowingFile& GrowingFile::operator=(GrowingFile&& other) noexcept {
  if (this == &other) return *this;
  if (file_ >= 0) ::close(file_);
  path_ = std::move(other.path_);
  file_ = std::exchange(other.file_, -1);
  size_ = other.size_;
  disk_ = other.disk_;
  return *this;
}
GrowingFile::~GrowingFile() {
  if (file_ >= 0) ::close(file_);
}

Status GrowingFile::append(std::string_view bytes) {
  auto rest = bytes;
  while (!rest.empty()) {
    const auto count = disk_->write(file_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      const int reason = count == 0 ? ENOSPC : errno;
      if (::ftruncate(file_, static_cast<off_t>(size_)) != 0 || ::lseek(file_, 0, SEEK_END) < 0) return failed(path_, errno);
      return failed(path_, reason);
    }
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
  size_ += bytes.size();
  return {};
}

Status GrowingFile::sync() {
  if (disk_->sync(file_) != 0) return failed(path_, errno);
  return {};
}

Result<ReadFile> ReadFile::open(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return failed(path, errno);
  return ReadFile(path, file);
}
ReadFile::ReadFile(ReadFile&& other) noexcept : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)) {}
ReadFile& ReadFile::operator=(ReadFile&& other) noexcept {
  if (this == &other) return *this;
  if (file_ >= 0) ::close(file_);
  path_ = std::move(other.path_);
  file_ = std::exchange(other.file_, -1);
  return *this;
}
ReadFile::~ReadFile() {
  if (file_ >= 0) ::close(file_);
}

Result<std::uint64_t> ReadFile::size() const {
  struct stat status {};
  if (::fstat(file_, &status) != 0) return failed(path_, errno);
  return static_cast<std::uint64_t>(status.st_size);
}

Result<Bytes> ReadFile::read(std::uint64_t at, std::size_t count) const {
  Bytes bytes(count);
  std::size_t done = 0;
  while (done < count) {
    const auto got = ::pread(file_, bytes.data() + done, count - done, static_cast<off_t>(at + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(path_, errno);
    if (got == 0) return Error{ErrorKind::corrupt, "archive.disk.short", {{"file", path_.string()}}};
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

Status sync_folder(const std::filesystem::path& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return failed(folder, errno);
  const int done = ::fsync(file);
  const int reason = errno;
  ::close(file);
  if (done != 0) return failed(folder, reason);
  return {};
}

Status remove_file(const std::filesystem::path& file) {
  if (::unlink(file.c_str()) != 0 && errno != ENOENT) return failed(file, errno);
  return {};
}

std::uint64_t checksum(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace mamori::archive
