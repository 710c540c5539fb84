// Which engine keeps the events.
#pragma once

#include "archive/archive.h"

namespace mamori::archive {

// `where`: "" = files in `directory`; clickhouse://… (cluster/clickhouse.h) = a cluster, of which `directory`
// only holds the lock and this writer's name. Errors: os.disk.*, archive.cluster.*. What it is given outlives
// it.
Result<std::unique_ptr<Archive>> open_archive(const std::string& where,
                                              const std::filesystem::path& directory, const SigningKey& key,
                                              const Clock& clock);

}  // namespace mamori::archive
