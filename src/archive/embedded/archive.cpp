#include "archive/embedded/archive.h"

#include <algorithm>

#include "archive/embedded/search.h"

namespace mamori::archive {

Result<std::unique_ptr<EmbeddedArchive>> EmbeddedArchive::open(const std::filesystem::path& directory, const SigningKey& key, const Clock& clock, Disk& disk) {
  return std::unique_ptr<EmbeddedArchive>(new EmbeddedArchive(directory, MAMORI_TRY(DirectoryLock::take(directory)), key, clock, disk));
}

Result<Stream*> EmbeddedArchive::stream(const StreamName& name) {
  if (!is_stream_name(name.facility) || !is_stream_name(name.name)) return Error{ErrorKind::invalid, "archive.stream.name", {{"name", name.name}}};
  const std::lock_guard lock(mutex_);
  if (const auto found = streams_.find(name); found != streams_.end()) return found->second.get();
  const auto folder = directory_ / name.facility / name.name;
  if (read_only() && !std::filesystem::exists(folder)) return Error{ErrorKind::not_found, "archive.stream.missing", {{"name", name.name}}};
  StreamOptions options;
  options.read_only = read_only();
  auto opened = MAMORI_TRY(EmbeddedStream::open(folder, "mamori/" + name.facility + "/" + name.name, key_, clock_, disk_, workers_, options));
  return (streams_[name] = std::move(opened)).get();
}

Result<std::vector<StreamName>> EmbeddedArchive::names() const {
  std::vector<StreamName> out;
  try {
    for (const auto& facility : std::filesystem::directory_iterator(directory_)) {
      if (!facility.is_directory()) continue;
      for (const auto& stream : std::filesystem::directory_iterator(facility.path()))
        if (stream.is_directory()) out.push_back({facility.path().filename().string(), stream.path().filename().string()});
    }
  } catch (const std::filesystem::filesystem_error& failure) {
    return Error{ErrorKind::unavailable, "archive.disk.failed", {{"file", failure.path1().string()}, {"reason", failure.code().message()}}};
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<SearchResult> EmbeddedArchive::search(std::span<const Stream* const> streams, const Query& query, const SearchOptions& options) const {
  std::vector<const EmbeddedStream*> ours;
  for (const auto* stream : streams) ours.push_back(static_cast<const EmbeddedStream*>(stream));
  return archive::search(ours, query, options);
}

Archive::Space EmbeddedArchive::space() const {
  const auto [free, total] = disk_.space(directory_);
  return {free, total};
}

}  // namespace mamori::archive
