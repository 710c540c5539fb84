#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/crypto.h"

namespace mamori {
namespace {

constexpr std::size_t kLargestBlob = std::size_t{1} << 30;

Error file_error(std::string code, const std::filesystem::path& file, int reason) {
  const auto kind = reason == ENOSPC ? ErrorKind::exhausted : reason == ENOENT ? ErrorKind::not_found : ErrorKind::unavailable;
  return {kind, std::move(code), {{"file", file.string()}, {"reason", std::strerror(reason)}}};
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { if (number_ >= 0) ::close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }

 private:
  int number_;
};

}  // namespace

Result<std::string> read_file(const std::filesystem::path& file, std::size_t limit) {
  const Descriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (in.get() < 0) return file_error(errno == ENOENT ? "base.file.missing" : "base.file.unreadable", file, errno);
  struct stat status {};
  if (::fstat(in.get(), &status) != 0) return file_error("base.file.unreadable", file, errno);
  if (S_ISDIR(status.st_mode)) return file_error("base.file.unreadable", file, EISDIR);
  const Error too_large{ErrorKind::exhausted, "base.file.too-large", {{"file", file.string()}, {"limit", std::to_string(limit >> 20)}}};
  if (static_cast<std::size_t>(status.st_size) > limit) return too_large;
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(status.st_size));
  char buffer[65536];
  while (true) {
    const auto count = ::read(in.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_error("base.file.unreadable", file, errno);
    if (count == 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(count));
    if (bytes.size() > limit) return too_large;
  }
}

Status write_file(const std::filesystem::path& file, std::string_view bytes, FileMode mode) {
  auto beside = file;
  beside += ".new-" + random_token(8);
  {
    const Descriptor out(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode == FileMode::owner_only ? 0600 : 0644));
    if (out.get() < 0) return file_error("base.file.unwritable", file, errno);
    while (!bytes.empty()) {
      const auto count = ::write(out.get(), bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        const int reason = errno;
        ::unlink(beside.c_str());
        return file_error("base.file.unwritable", file, reason);
      }
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    if (::fsync(out.get()) != 0) {
      const int reason = errno;
      ::unlink(beside.c_str());
      return file_error("base.file.unwritable", file, reason);
    }
  }
  if (::rename(beside.c_str(), file.c_str()) != 0) {
    const int reason = errno;
    ::unlink(beside.c_str());
    return file_error("base.file.unwritable", file, reason);
  }
  const auto parent = file.parent_path();
  const Descriptor folder(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());
  return {};
}

Status make_directory(const std::filesystem::path& directory, FileMode mode) {
  std::error_code reason;
  std::filesystem::create_directories(directory, reason);
  if (reason) return file_error("base.file.unwritable", directory, reason.value());
  if (mode == FileMode::owner_only) ::chmod(directory.c_str(), 0700);
  return {};
}

TemporaryFolder::TemporaryFolder() {
  auto pattern = (std::filesystem::temp_directory_path() / "mamori-XXXXXX").string();
  MAMORI_ASSERT(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Result<std::string> Blobs::put(std::string_view bytes) const {
  auto hash = sha256_hex(bytes);
  const auto folder = directory_ / hash.substr(0, 2);
  MAMORI_TRY(make_directory(folder));
  if (!std::filesystem::exists(folder / hash)) MAMORI_TRY(write_file(folder / hash, bytes, FileMode::owner_only));
  return hash;
}

Result<std::string> Blobs::get(std::string_view hash) const {
  if (hash.size() != 64 || hash.find_first_not_of("0123456789abcdef") != hash.npos)
    return Error{ErrorKind::not_found, "base.blob.missing", {{"hash", std::string(hash)}}};
  auto bytes = read_file(directory_ / std::string(hash.substr(0, 2)) / std::string(hash), kLargestBlob);
  if (!bytes) return Error{ErrorKind::not_found, "base.blob.missing", {{"hash", std::string(hash)}}};
  if (sha256_hex(*bytes) != hash) return Error{ErrorKind::corrupt, "base.blob.damaged", {{"hash", std::string(hash)}}};
  return bytes;
}

}  // namespace mamori
