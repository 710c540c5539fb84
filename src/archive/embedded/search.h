// Search over the embedded engine's streams: filters name the blocks that may answer, of these only the
// sections are read that the question needs.
#pragma once

#include "archive/embedded/stream.h"
#include "archive/search.h"

namespace mamori::archive {

// Errors: archive.filter.damaged. Blocks that cannot be read are named in the result.
Result<SearchResult> search(std::span<const EmbeddedStream* const> streams, const Query& query,
                            const SearchOptions& options);
// Stream::each_match().
Status each_match(const EmbeddedStream& stream, const Query& query, Instant from, Instant to, LeafIndex start,
                  const std::function<Result<bool>(LeafIndex, const Event&)>& take);

}  // namespace mamori::archive
