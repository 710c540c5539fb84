// All streams of an installation: DIR/FACILITY/NAME, each opened when it is first asked for. One process writes; others may read beside it.
#pragma once

#include "archive/search.h"
#include "archive/stream.h"

namespace mamori::archive {

struct StreamName {
  std::string facility, name;
  auto operator<=>(const StreamName&) const = default;
};

// Threads: all calls may come from several. `key`, `clock` and `disk` outlive it.
class Archive {
 public:
  // Where another process writes already, this one reads only. Error: archive.disk.*.
  static Result<std::unique_ptr<Archive>> open(const std::filesystem::path& directory, const SigningKey& key, const Clock& clock, Disk& disk = Disk::real());
  ~Archive();

  bool read_only() const { return lock_ < 0; }
  // Opened, or made where this process writes. Errors: archive.stream.name, archive.stream.missing (reading only), those of Stream::open.
  Result<Stream*> stream(const StreamName& name);
  // The streams there are on disk, of these facilities.
  std::vector<StreamName> names(const std::vector<std::string>& facilities) const;
  std::vector<StreamName> names() const;
  const std::filesystem::path& directory() const { return directory_; }

 private:
  Archive(std::filesystem::path directory, int lock, const SigningKey& key, const Clock& clock, Disk& disk) : directory_(std::move(directory)), lock_(lock), key_(key), clock_(clock), disk_(disk), workers_(2) {}
  std::filesystem::path directory_;
  int lock_;
  const SigningKey& key_;
  const Clock& clock_;
  Disk& disk_;
  Workers workers_;
  std::mutex mutex_;  // guards streams_
  std::map<StreamName, std::unique_ptr<Stream>> streams_;
};

}  // namespace mamori::archive
