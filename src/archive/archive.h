// All streams of an installation, and the search over them. One engine keeps them: files of its own, or
// ClickHouse.
#pragma once

#include "archive/search.h"

namespace mamori::archive {

struct StreamName {
  std::string facility, name;
  auto operator<=>(const StreamName&) const = default;
  // Where several servers write, each has its own tree: "events@WRITER". What people ask for is "events".
  std::string base() const { return name.substr(0, name.find('@')); }
};

// Where one process writes already, another with the same directory reads only. Threads: all calls may come
// from several.
class Archive {
 public:
  virtual ~Archive() = default;

  virtual bool read_only() const = 0;
  // Opened, or made where this process writes. Errors: archive.stream.name, archive.stream.missing (reading
  // only), archive.stream.newer, os.disk.*, archive.cluster.*.
  virtual Result<Stream*> stream(const StreamName& name) = 0;
  // The streams there are. Errors: os.disk.failed, archive.cluster.*.
  virtual Result<std::vector<StreamName>> names() const = 0;
  Result<std::vector<StreamName>> names(const std::string& facility) const;
  // Streams of this archive. Errors: archive.filter.damaged, archive.cluster.*; what cannot be read is named
  // in the result.
  virtual Result<SearchResult> search(std::span<const Stream* const> streams, const Query& query,
                                      const SearchOptions& options) const = 0;

  struct Space {
    std::uint64_t free = 0, total = 0;
  };
  virtual Space space() const = 0;  // of where the events are kept; zeros: unknown
};

// What may be the name of a facility or a stream: it becomes a folder's name.
bool is_stream_name(std::string_view name);

}  // namespace mamori::archive
