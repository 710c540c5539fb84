#include "archive/embedded/archive.h"

#include <algorithm>

#include "archive/embedded/search.h"

namespace mamori::archive {

Result<std::unique_ptr<EmbeddedArchive>> EmbeddedArchive::open(const std::filesystem::path& directory,
                                                               const SigningKey& key, const Clock& clock,
                                                               os::Disk& disk) {
  MAMORI_TRY(os::make_directory(directory, os::Visibility::owner_only, disk));
  auto lock = MAMORI_TRY(disk.lock(directory / "lock"));
  return std::unique_ptr<EmbeddedArchive>(new EmbeddedArchive(directory, std::move(lock), key, clock, disk));
}

Result<Stream*> EmbeddedArchive::stream(const StreamName& name) {
  if (!is_stream_name(name.facility) || !is_stream_name(name.name))
    return Error{ErrorKind::invalid, "archive.stream.name", {{"name", name.name}}};
  const MutexLock lock(mutex_);
  if (const auto found = streams_.find(name); found != streams_.end()) return found->second.get();
  const auto folder = directory_ / name.facility / name.name;
  if (read_only() && !MAMORI_TRY(disk_.exists(folder)))
    return Error{ErrorKind::not_found, "archive.stream.missing", {{"name", name.name}}};
  StreamOptions options;
  options.read_only = read_only();
  auto opened = MAMORI_TRY(EmbeddedStream::open(folder, "mamori/" + name.facility + "/" + name.name, key_,
                                                clock_, disk_, workers_, options));
  return (streams_[name] = std::move(opened)).get();
}

Result<std::vector<StreamName>> EmbeddedArchive::names() const {
  std::vector<StreamName> out;
  for (auto facility : MAMORI_TRY(disk_.list(directory_))) {
    if (!facility.ends_with('/')) continue;
    facility.pop_back();
    if (!is_stream_name(facility)) continue;  // lost+found, folders of a file server: not ours
    for (auto stream : MAMORI_TRY(disk_.list(directory_ / facility))) {
      if (!stream.ends_with('/')) continue;
      stream.pop_back();
      if (!is_stream_name(stream)) continue;
      out.push_back({facility, std::move(stream)});
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<SearchResult> EmbeddedArchive::search(std::span<const Stream* const> streams, const Query& query,
                                             const SearchOptions& options) const {
  std::vector<const EmbeddedStream*> ours;
  for (const auto* stream : streams) ours.push_back(static_cast<const EmbeddedStream*>(stream));
  return archive::search(ours, query, options);
}

Archive::Space EmbeddedArchive::space() const {
  const auto [free, total] = disk_.space(directory_);
  return {free, total};
}

}  // namespace mamori::archive
