#include "archive/engine.h"

#include "archive/cluster/archive.h"
#include "archive/embedded/archive.h"

namespace mamori::archive {

Result<std::unique_ptr<Archive>> open_archive(const std::string& where,
                                              const std::filesystem::path& directory, const SigningKey& key,
                                              const Clock& clock) {
  if (where.empty())
    return std::unique_ptr<Archive>(MAMORI_TRY(EmbeddedArchive::open(directory, key, clock)));
  return std::unique_ptr<Archive>(
      MAMORI_TRY(ClusterArchive::open(MAMORI_TRY(parse_clickhouse(where)), directory, key, clock)));
}

}  // namespace mamori::archive
