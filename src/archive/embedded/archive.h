// DIR/FACILITY/NAME, each opened when it is first asked for. One process writes; others may read beside it.
#pragma once

#include "archive/archive.h"
#include "archive/embedded/stream.h"
#include "base/mutex.h"
#include "os/file.h"

namespace mamori::archive {

// What it is given outlives it.
class EmbeddedArchive : public Archive {
 public:
  // Where another process writes already, this one reads only. Error: os.disk.*.
  static Result<std::unique_ptr<EmbeddedArchive>> open(const std::filesystem::path& directory,
                                                       const SigningKey& key, const Clock& clock,
                                                       os::Disk& disk = os::Disk::real());

  using Archive::names;
  bool read_only() const override { return !lock_; }
  Result<Stream*> stream(const StreamName& name) override;
  Result<std::vector<StreamName>> names() const override;
  Result<SearchResult> search(std::span<const Stream* const> streams, const Query& query,
                              const SearchOptions& options) const override;
  Space space() const override;

 private:
  EmbeddedArchive(std::filesystem::path directory, std::unique_ptr<os::Lock> lock, const SigningKey& key,
                  const Clock& clock, os::Disk& disk)
      : directory_(std::move(directory)),
        lock_(std::move(lock)),
        key_(key),
        clock_(clock),
        disk_(disk),
        workers_(2) {}
  std::filesystem::path directory_;
  std::unique_ptr<os::Lock> lock_;  // none where another process has it
  const SigningKey& key_;
  const Clock& clock_;
  os::Disk& disk_;
  Workers workers_;
  Mutex mutex_;
  std::map<StreamName, std::unique_ptr<EmbeddedStream>> streams_ GUARDED_BY(mutex_);
};

}  // namespace mamori::archive
