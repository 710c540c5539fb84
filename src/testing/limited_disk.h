// The machine's disk, with room for so many bytes more, or whose syncs fail from some moment on.
#pragma once

#include <atomic>
#include <functional>
#include <limits>

#include "os/disk.h"

namespace mamori::testing {

class LimitedDisk : public os::Disk {
 public:
  static constexpr auto kPlenty = std::numeric_limits<std::int64_t>::max();
  std::atomic<std::int64_t> room{kPlenty};
  std::atomic<bool> sync_fails{false};
  std::string sync_fails_of;  // only of files with this in their names; empty: of all
  std::function<bool(std::size_t)>
      takes;  // whether so many bytes more fit, where that is not a matter of `room` alone
  std::function<void(const std::filesystem::path&)> before_read;  // set before anything is opened
  std::atomic<std::uint64_t> free{0}, total{0};  // what space() says; zeros: what the machine says

  Result<std::unique_ptr<os::File>> open(const std::filesystem::path& path, os::Access access,
                                         os::Visibility visibility) override {
    return std::unique_ptr<os::File>(
        std::make_unique<Limited>(*this, MAMORI_TRY(real_.open(path, access, visibility)), path));
  }
  Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    return real_.rename(from, to);
  }
  Status remove(const std::filesystem::path& file) override { return real_.remove(file); }
  Status make_folder(const std::filesystem::path& folder, os::Visibility visibility) override {
    return real_.make_folder(folder, visibility);
  }
  Status sync_folder(const std::filesystem::path& folder) override { return real_.sync_folder(folder); }
  Result<std::vector<std::string>> list(const std::filesystem::path& folder) const override {
    return real_.list(folder);
  }
  Result<std::uint64_t> size_of(const std::filesystem::path& file) const override {
    return real_.size_of(file);
  }
  Result<bool> exists(const std::filesystem::path& path) const override { return real_.exists(path); }
  os::Space space(const std::filesystem::path& path) const override {
    return total != 0 ? os::Space{free, total} : real_.space(path);
  }
  Result<std::unique_ptr<os::Lock>> lock(const std::filesystem::path& file) override {
    return real_.lock(file);
  }

 private:
  class Limited final : public os::File {
   public:
    Limited(LimitedDisk& disk, std::unique_ptr<os::File> file, std::filesystem::path path)
        : disk_(disk), file_(std::move(file)), path_(std::move(path)) {}
    Result<std::size_t> read(std::uint64_t at, char* to, std::size_t count) const override {
      if (disk_.before_read) disk_.before_read(path_);
      return file_->read(at, to, count);
    }
    Status write(std::uint64_t at, std::string_view bytes) override {
      auto fits = static_cast<std::size_t>(std::max<std::int64_t>(0, disk_.room.load()));
      if (disk_.takes && !disk_.takes(bytes.size())) fits = 0;
      if (fits >= bytes.size()) {
        disk_.room -= static_cast<std::int64_t>(bytes.size());
        return file_->write(at, bytes);
      }
      if (fits != 0) {
        disk_.room = 0;
        MAMORI_TRY(file_->write(at, bytes.substr(0, fits)));
      }
      return Error{
          ErrorKind::exhausted, "os.disk.full", {{"file", path_.string()}, {"reason", "no space left"}}};
    }
    Status truncate(std::uint64_t size) override { return file_->truncate(size); }
    Status sync() override {
      const bool meant = path_.filename().string().find(disk_.sync_fails_of) != std::string::npos;
      if (!disk_.sync_fails || !meant) return file_->sync();
      return Error{ErrorKind::unavailable,
                   "os.disk.failed",
                   {{"file", path_.string()}, {"reason", "input/output error"}}};
    }
    Result<std::uint64_t> size() const override { return file_->size(); }

   private:
    LimitedDisk& disk_;
    std::unique_ptr<os::File> file_;
    std::filesystem::path path_;
  };
  os::Disk& real_ = os::Disk::real();
};

}  // namespace mamori::testing
