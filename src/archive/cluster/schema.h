// The tables of the cluster engine. docs/formats/cluster.md says what stands in them.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "archive/cluster/clickhouse.h"

namespace mamori::archive {

// The statements that make what is missing, in order; they change nothing that is there. `durable`: the
// server knows how to sync a part to disk before it acknowledges (20.10 and later; before that only a second
// replica helps against a power cut).
std::vector<std::string> schema_of(const ClickHouseAddress& address, bool durable);

// Of the tables in `known` (all of the database) none is missing: then nothing has to be made, and no server
// of a cluster waited for.
bool has_all_tables(const ClickHouseAddress& address, const std::set<std::string>& known);

// The columns of `event`, in the order of its rows.
inline constexpr const char* kEventColumns =
    "facility, stream, writer, batch, leaf, time, received, raw, text";

}  // namespace mamori::archive
