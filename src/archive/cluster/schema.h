// The tables of the cluster engine. docs/formats/cluster.md says what stands in them.
#pragma once

#include <string>
#include <vector>

#include "archive/cluster/clickhouse.h"

namespace mamori::archive {

// The statements that make what is missing, in order; they change nothing that is there. `durable`: the server knows how to sync a part
// to disk before it acknowledges (20.10 and later; before that only a second replica helps against a power cut).
std::vector<std::string> schema_of(const ClickHouseAddress& address, bool durable);

// The columns of `event`, in the order of its rows.
inline constexpr const char* kEventColumns = "facility, stream, writer, batch, leaf, time, received, raw, text";

}  // namespace mamori::archive
