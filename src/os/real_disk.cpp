#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <list>

#include "os/disk.h"

#include "base/mutex.h"

namespace mamori::os {
namespace {

Error failed(const std::filesystem::path& file, int reason) {
  const Facts facts = {{"file", file.string()}, {"reason", std::strerror(reason)}};
  if (reason == ENOSPC || reason == EDQUOT || reason == EFBIG)
    return {ErrorKind::exhausted, "os.disk.full", facts};
  if (reason == ENOENT) return {ErrorKind::not_found, "os.file.missing", facts};
  if (reason == EEXIST) return {ErrorKind::conflict, "os.file.exists", facts};
  return {ErrorKind::unavailable, "os.disk.failed", facts};
}

// Calls again what a signal interrupted.
template <class Call>
auto retry(Call call) {
  decltype(call()) result;
  do result = call();
  while (result < 0 && errno == EINTR);
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }

 private:
  int number_;
};

class RealFile;

// Opens; where connections took all descriptors, files that can give theirs back do.
int open_with_room(const std::filesystem::path& path, int flags, mode_t mode = 0);

// Which files hold a descriptor, the one used longest ago last. A file that was written and not synced is
// never taken its descriptor: a new one might not be told of a write that failed since.
class Descriptors {
 public:
  std::shared_ptr<Descriptor> of(const RealFile& file, int& reason);
  void forget(const RealFile& file);
  void give_back_half() {
    const MutexLock lock(mutex_);
    make_room(used_.size() / 2);
  }
  std::size_t held() const {
    const MutexLock lock(mutex_);
    return used_.size();
  }
  std::atomic<std::size_t> most{0};

 private:
  void make_room(std::size_t leave) REQUIRES(mutex_);
  mutable Mutex mutex_;
  std::list<const RealFile*> used_ GUARDED_BY(mutex_);
};

Descriptors& all() {
  static auto* const one = new Descriptors;  // files of objects that end late still find it
  return *one;
}

int open_with_room(const std::filesystem::path& path, int flags, mode_t mode) {
  const auto open = [&] { return retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); }); };
  const int file = open();
  if (file >= 0 || (errno != EMFILE && errno != ENFILE)) return file;
  all().give_back_half();
  return open();
}

class RealFile final : public File {
 public:
  RealFile(std::filesystem::path path, int flags) : path_(std::move(path)), flags_(flags) {}
  ~RealFile() override { all().forget(*this); }

  Result<std::size_t> read(std::uint64_t at, char* to, std::size_t count) const override {
    const auto file = MAMORI_TRY(descriptor());
    std::size_t done = 0;
    while (done < count) {
      const auto got =
          retry([&] { return ::pread(file->get(), to + done, count - done, static_cast<off_t>(at + done)); });
      if (got < 0) return failed(path_, errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Status write(std::uint64_t at, std::string_view bytes) override {
    ++written_;  // before: from here on it keeps its descriptor
    const auto file = MAMORI_TRY(descriptor());
    while (!bytes.empty()) {
      const auto done =
          retry([&] { return ::pwrite(file->get(), bytes.data(), bytes.size(), static_cast<off_t>(at)); });
      if (done <= 0) return failed(path_, done == 0 ? ENOSPC : errno);
      bytes.remove_prefix(static_cast<std::size_t>(done));
      at += static_cast<std::uint64_t>(done);
    }
    ++written_;  // a sync that ran beside it may have missed it
    return {};
  }

  Status truncate(std::uint64_t size) override {
    ++written_;
    const auto file = MAMORI_TRY(descriptor());
    if (retry([&] { return ::ftruncate(file->get(), static_cast<off_t>(size)); }) != 0)
      return failed(path_, errno);
    return {};
  }

  Status sync() override {
    const auto before = written_.load();
    const auto file = MAMORI_TRY(descriptor());
    if (retry([&] { return ::fdatasync(file->get()); }) != 0) return failed(path_, errno);
    synced_ = before;
    return {};
  }

  Status pin() override {
    pinned_ = true;
    MAMORI_TRY(descriptor());
    return {};
  }

  Result<std::uint64_t> size() const override {
    const auto file = MAMORI_TRY(descriptor());
    struct stat status {};
    if (::fstat(file->get(), &status) != 0) return failed(path_, errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  friend class Descriptors;
  Result<std::shared_ptr<Descriptor>> descriptor() const {
    int reason = 0;
    auto file = all().of(*this, reason);
    if (!file) return failed(path_, reason);
    return file;
  }

  const std::filesystem::path path_;
  const int flags_;  // to open it again
  std::atomic<bool> pinned_{false};
  std::atomic<std::uint64_t> written_{0},
      synced_{0};  // calls that changed it; how many of them were durable last
  // Guarded by the mutex of Descriptors.
  mutable std::shared_ptr<Descriptor> descriptor_;
  mutable std::list<const RealFile*>::iterator place_;
};

std::shared_ptr<Descriptor> Descriptors::of(const RealFile& file, int& reason) {
  const MutexLock lock(mutex_);
  if (file.descriptor_) {
    if (file.place_ != used_.begin()) used_.splice(used_.begin(), used_, file.place_);
    return file.descriptor_;
  }
  const auto limit = most == 0 ? most_descriptors() : most.load();
  make_room(limit - 1);
  int number =
      retry([&] { return ::open(file.path_.c_str(), (file.flags_ & ~(O_CREAT | O_EXCL)) | O_CLOEXEC); });
  if (number < 0 && (errno == EMFILE || errno == ENFILE)) {  // connections took the rest
    make_room(used_.size() / 2);
    number =
        retry([&] { return ::open(file.path_.c_str(), (file.flags_ & ~(O_CREAT | O_EXCL)) | O_CLOEXEC); });
  }
  if (number < 0) {
    reason = errno;
    return nullptr;
  }
  file.descriptor_ = std::make_shared<Descriptor>(number);
  used_.push_front(&file);
  file.place_ = used_.begin();
  return file.descriptor_;
}

void Descriptors::make_room(std::size_t leave) {
  for (auto at = used_.end(); used_.size() > leave && at != used_.begin();) {
    --at;
    if ((*at)->pinned_ || (*at)->written_ != (*at)->synced_) continue;
    (*at)->descriptor_.reset();
    at = used_.erase(at);
  }
}

void Descriptors::forget(const RealFile& file) {
  const MutexLock lock(mutex_);
  if (!file.descriptor_) return;
  used_.erase(file.place_);
  file.descriptor_.reset();
}

class RealLock final : public Lock {
 public:
  RealLock(int file, int folder) : file_(file), folder_(folder) {}

 private:
  Descriptor file_, folder_;
};

class RealDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> open(const std::filesystem::path& path, Access access,
                                     Visibility visibility) override {
    int flags = 0;
    switch (access) {
      case Access::read: flags |= O_RDONLY; break;
      case Access::write: flags |= O_RDWR | O_CREAT; break;
      case Access::create: flags |= O_RDWR | O_CREAT | O_EXCL; break;
    }
    // Made here, once; the descriptor that reads and writes comes from the ones in use.
    if (access != Access::read) {
      const Descriptor made(open_with_room(path, flags, visibility == Visibility::owner_only ? 0600 : 0644));
      if (made.get() < 0) return failed(path, errno);
    }
    auto file = std::make_unique<RealFile>(path, flags);
    MAMORI_TRY(file->size());
    return std::unique_ptr<File>(std::move(file));
  }

  Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return failed(to, errno);
    return {};
  }

  Status remove(const std::filesystem::path& file) override {
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) return failed(file, errno);
    return {};
  }

  Status make_folder(const std::filesystem::path& folder, Visibility visibility) override {
    if (::mkdir(folder.c_str(), visibility == Visibility::owner_only ? 0700 : 0755) == 0) return {};
    const int reason = errno;
    struct stat status {};
    if (reason == EEXIST && ::stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
    return failed(folder, reason);
  }

  Status sync_folder(const std::filesystem::path& folder) override {
    const auto& name = folder.empty() ? std::filesystem::path(".") : folder;
    const Descriptor file(open_with_room(name, O_RDONLY | O_DIRECTORY));
    if (file.get() < 0 && errno == EACCES) return {};  // a folder above ours that we may only pass through
    if (file.get() < 0) return failed(folder, errno);
    if (retry([&] { return ::fsync(file.get()); }) != 0) return failed(folder, errno);
    return {};
  }

  Result<std::vector<std::string>> list(const std::filesystem::path& folder) const override {
    std::vector<std::string> out;
    try {
      for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        std::error_code gone;
        out.push_back(entry.path().filename().string() + (entry.is_directory(gone) ? "/" : ""));
      }
    } catch (const std::filesystem::filesystem_error& failure) {
      return failed(folder, failure.code().value());
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  Result<std::uint64_t> size_of(const std::filesystem::path& path) const override {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return failed(path, errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

  Result<bool> exists(const std::filesystem::path& path) const override {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return failed(path, errno);
  }

  Space space(const std::filesystem::path& path) const override {
    struct statvfs status {};
    if (::statvfs(path.c_str(), &status) != 0) return {};
    const auto unit = static_cast<std::uint64_t>(status.f_frsize);
    return {static_cast<std::uint64_t>(status.f_bavail) * unit,
            static_cast<std::uint64_t>(status.f_blocks) * unit};
  }

  Result<std::unique_ptr<Lock>> lock(const std::filesystem::path& path) override {
    const int file = open_with_room(path, O_RDWR | O_CREAT, 0600);
    if (file < 0) return failed(path, errno);
    // The folder too: a file can be removed and made again while it is locked. Not every file system locks
    // folders.
    const auto parent = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    const int folder = open_with_room(parent, O_RDONLY | O_DIRECTORY, 0);
    auto lock = std::make_unique<RealLock>(file, folder);
    if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return std::unique_ptr<Lock>();
      return failed(path, errno);
    }
    if (folder >= 0 && ::flock(folder, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
      return std::unique_ptr<Lock>();
    return std::unique_ptr<Lock>(std::move(lock));
  }
};

}  // namespace

Disk& Disk::real() {
  static RealDisk disk;
  return disk;
}

std::size_t file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur, 1u << 20));
}

std::size_t raise_limits() {
  ::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow further is an error of one write, not the end
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  return file_limit();
}

std::size_t descriptors() { return all().held(); }
std::size_t most_descriptors() {
  const auto set = all().most.load();
  return set != 0 ? set : std::clamp<std::size_t>(file_limit() / 4, 64, 8192);
}
void set_most_descriptors(std::size_t most) { all().most = std::max<std::size_t>(8, most); }

}  // namespace mamori::os
