#include "archive/archive.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>

namespace mamori::archive {
namespace {

// What may be a folder's name without surprises.
bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; });
}

}  // namespace

Result<std::unique_ptr<Archive>> Archive::open(const std::filesystem::path& directory, const SigningKey& key, const Clock& clock, Disk& disk) {
  MAMORI_TRY(make_directory(directory));
  int lock = ::open((directory / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock >= 0 && ::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock);
    lock = -1;
  }
  return std::unique_ptr<Archive>(new Archive(directory, lock, key, clock, disk));
}

Archive::~Archive() {
  streams_.clear();
  if (lock_ >= 0) ::close(lock_);
}

Result<Stream*> Archive::stream(const StreamName& name) {
  if (!is_name(name.facility) || !is_name(name.name)) return Error{ErrorKind::invalid, "archive.stream.name", {{"name", name.name}}};
  const std::lock_guard lock(mutex_);
  if (const auto found = streams_.find(name); found != streams_.end()) return found->second.get();
  const auto folder = directory_ / name.facility / name.name;
  if (read_only() && !std::filesystem::exists(folder)) return Error{ErrorKind::not_found, "archive.stream.missing", {{"name", name.name}}};
  StreamOptions options;
  options.read_only = read_only();
  auto opened = MAMORI_TRY(Stream::open(folder, "mamori/" + name.facility + "/" + name.name, key_, clock_, disk_, workers_, options));
  return (streams_[name] = std::move(opened)).get();
}

std::vector<StreamName> Archive::names() const {
  std::vector<StreamName> out;
  std::error_code failure;
  for (const auto& facility : std::filesystem::directory_iterator(directory_, failure)) {
    if (!facility.is_directory()) continue;
    for (const auto& stream : std::filesystem::directory_iterator(facility.path(), failure))
      if (stream.is_directory()) out.push_back({facility.path().filename().string(), stream.path().filename().string()});
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<StreamName> Archive::names(const std::vector<std::string>& facilities) const {
  auto out = names();
  std::erase_if(out, [&](const StreamName& name) { return std::find(facilities.begin(), facilities.end(), name.facility) == facilities.end(); });
  return out;
}

}  // namespace mamori::archive
