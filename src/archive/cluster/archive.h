// All streams in a ClickHouse cluster. docs/formats/cluster.md.
#pragma once

#include <future>

#include "archive/archive.h"
#include "archive/cluster/stream.h"
#include "base/mutex.h"
#include "os/file.h"

namespace mamori::archive {

// What it is given outlives it.
class ClusterArchive : public Archive {
 public:
  // Makes the tables where they are missing. `directory` holds this writer's name, made at the first start,
  // and its lock. Errors: archive.cluster.*, os.disk.*.
  static Result<std::unique_ptr<ClusterArchive>> open(ClickHouseAddress address,
                                                      const std::filesystem::path& directory,
                                                      const SigningKey& key, const Clock& clock);

  using Archive::names;
  bool read_only() const override { return !lock_; }
  // "events" is this writer's own, "events@WRITER" anyone's.
  Result<Stream*> stream(const StreamName& name) override;
  Result<std::vector<StreamName>> names() const override;
  Result<SearchResult> search(std::span<const Stream* const> streams, const Query& query,
                              const SearchOptions& options) const override;
  Space space() const override;
  const std::string& writer() const { return writer_; }

 private:
  ClusterArchive(ClickHouseAddress address, std::unique_ptr<os::Lock> lock, std::string writer,
                 const SigningKey& key, const Clock& clock)
      : server_(std::move(address)),
        lock_(std::move(lock)),
        writer_(std::move(writer)),
        key_(key),
        clock_(clock) {}
  ClickHouse server_;
  std::unique_ptr<os::Lock> lock_;  // none where another process has it
  const std::string writer_;
  const SigningKey& key_;
  const Clock& clock_;
  Result<std::unique_ptr<ClusterStream>> open_stream(const StreamName& whole,
                                                     const std::string& writer) const;
  Mutex mutex_;  // never held while the server is asked
  std::map<StreamName, std::unique_ptr<ClusterStream>> streams_ GUARDED_BY(mutex_);
  std::map<StreamName, std::shared_future<Result<Stream*>>> opening_ GUARDED_BY(mutex_);
};

}  // namespace mamori::archive
