#include "os/file.h"

#include "base/crypto.h"

namespace mamori::os {
namespace {

constexpr std::size_t kLargestBlob = std::size_t{1} << 30;
constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr std::string_view kUnfinished =
    ".new-";  // and a token behind the name of a file that is being written
constexpr std::size_t kToken = 8;

bool is_unfinished(std::string_view name) {
  return name.size() > kToken + kUnfinished.size() &&
         name.substr(0, name.size() - kToken).ends_with(kUnfinished);
}

}  // namespace

Result<GrowingFile> GrowingFile::open(const std::filesystem::path& path, std::uint64_t size, Disk& disk) {
  return GrowingFile(MAMORI_TRY(disk.open(path, Access::write)), size);
}

Status GrowingFile::append(std::string_view bytes) {
  if (auto written = file_->write(size_, bytes); !written) {
    (void)file_->truncate(size_)
        .has_value();  // gives its room back; where that fails too, the next writes over it
    return written;
  }
  size_ += bytes.size();
  return {};
}

Status GrowingFile::sync() { return file_->sync(); }

Status GrowingFile::again(std::uint64_t from) {
  Bytes piece(kPiece);
  for (auto at = from; at < size_;) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, size_ - at));
    const auto got = MAMORI_TRY(file_->read(at, piece.data(), count));
    if (got != count) return Error{ErrorKind::corrupt, "os.file.short"};
    MAMORI_TRY(file_->write(at, piece.view().substr(0, count)));
    at += count;
  }
  return {};
}

void GrowingFile::take_back(std::uint64_t size) {
  size_ = size;
  (void)file_->truncate(size_).has_value();  // as after a failed append()
}

Status GrowingFile::cut() {
  if (MAMORI_TRY(file_->size()) == size_) return {};
  return file_->truncate(size_);
}

Result<ReadFile> ReadFile::open(const std::filesystem::path& path, Disk& disk) {
  return ReadFile(path, MAMORI_TRY(disk.open(path, Access::read)));
}

Status ReadFile::read(std::uint64_t at, char* to, std::size_t count) const {
  if (MAMORI_TRY(file_->read(at, to, count)) == count) return {};
  return Error{ErrorKind::corrupt, "os.file.short", {{"file", path_.string()}}};
}

Result<Bytes> ReadFile::read(std::uint64_t at, std::size_t count) const {
  Bytes bytes(count);
  MAMORI_TRY(read(at, bytes.data(), count));
  return bytes;
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit, Disk& disk) {
  const auto file = MAMORI_TRY(disk.open(path, Access::read));
  const auto size = MAMORI_TRY(file->size());
  if (size > limit)
    return Error{ErrorKind::exhausted,
                 "os.file.too-large",
                 {{"file", path.string()}, {"limit", std::to_string(limit >> 20)}}};
  std::string bytes(static_cast<std::size_t>(size), '\0');
  bytes.resize(MAMORI_TRY(file->read(0, bytes.data(), bytes.size())));
  return bytes;
}

Status write_file(const std::filesystem::path& path, std::string_view bytes, Visibility visibility,
                  Disk& disk) {
  auto beside = path;
  beside += std::string(kUnfinished) + random_token(kToken);
  const auto written = [&]() -> Status {
    const auto file = MAMORI_TRY(disk.open(beside, Access::create, visibility));
    MAMORI_TRY(file->write(0, bytes));
    MAMORI_TRY(file->sync());
    return disk.rename(beside, path);
  }();
  if (!written) {
    (void)disk.remove(beside).has_value();
    return written;
  }
  return disk.sync_folder(path.parent_path());
}

Status remove_unfinished(const std::filesystem::path& folder, Disk& disk) {
  for (const auto& name : MAMORI_TRY(disk.list(folder))) {
    if (name.ends_with('/'))
      MAMORI_TRY(remove_unfinished(folder / name.substr(0, name.size() - 1), disk));
    else if (is_unfinished(name))
      MAMORI_TRY(disk.remove(folder / name));
  }
  return {};
}

Status make_directory(const std::filesystem::path& folder, Visibility visibility, Disk& disk) {
  const auto parent = folder.parent_path();
  if (!MAMORI_TRY(disk.exists(folder)) && !parent.empty() && parent != folder)
    MAMORI_TRY(make_directory(parent, visibility, disk));
  MAMORI_TRY(disk.make_folder(folder, visibility));
  // Also of one that is there: whoever made it may have ended before its name was durable.
  return disk.sync_folder(parent);
}

Result<std::string> Blobs::put(std::string_view bytes) const {
  auto hash = sha256_hex(bytes);
  const auto folder = directory_ / hash.substr(0, 2);
  MAMORI_TRY(make_directory(folder, Visibility::owner_only, disk_));
  // One that a crash left behind may lack its name or its bytes on the disk: it counts only when it is whole,
  // and is made durable.
  if (const auto there = get(hash); there && !doubtful_) {
    const auto file = MAMORI_TRY(disk_.open(folder / hash, Access::write));
    MAMORI_TRY(file->sync());
    MAMORI_TRY(disk_.sync_folder(folder));
    return hash;
  }
  if (auto written = write_file(folder / hash, bytes, Visibility::owner_only, disk_); !written) {
    doubtful_ = true;
    return std::move(written).take_error();
  }
  return hash;
}

Result<std::string> Blobs::get(std::string_view hash) const {
  const Error missing{ErrorKind::not_found, "os.blob.missing", {{"hash", std::string(hash)}}};
  if (hash.size() != 64 || hash.find_first_not_of("0123456789abcdef") != hash.npos) return missing;
  auto bytes =
      read_file(directory_ / std::string(hash.substr(0, 2)) / std::string(hash), kLargestBlob, disk_);
  if (!bytes) {
    if (bytes.error().kind == ErrorKind::not_found) return missing;
    return bytes;
  }
  if (sha256_hex(*bytes) != hash)
    return Error{ErrorKind::corrupt, "os.blob.damaged", {{"hash", std::string(hash)}}};
  return bytes;
}

}  // namespace mamori::os
