#include "archive/cluster/schema.h"

#include <fmt/format.h>

#include "archive/event.h"

namespace mamori::archive {
namespace {

struct Table {
  std::string name, columns, order, sharding;
  std::string partition = "tuple()";
};

std::vector<Table> tables() {
  const std::string of = "facility String, stream String, writer String, ";
  std::string fields;
  for (const auto field : kFields) fields += fmt::format(", f_{0} String, k_{0} String", name_of(field));
  return {
      // One insert is one batch and goes to one shard as a whole.
      {"event",
       of + "batch UInt64, leaf UInt64, time Int64, received Int64, raw String, text String" + fields,
       "(facility, stream, received, writer, leaf)", "intHash64(batch)",
       "toYYYYMM(toDateTime(toUInt32(intDiv(received, 1000)), 'UTC'))"},
      {"chunk",
       of + "number UInt64, root FixedString(32), bytes UInt64, first_received Int64, last_received Int64",
       "(facility, stream, writer, number)", "cityHash64(facility, stream, writer)"},
      {"head", of + "size UInt64, note String", "(facility, stream, writer, size)",
       "cityHash64(facility, stream, writer)"},
      {"kept", of + "leaf UInt64, hash FixedString(32)", "(facility, stream, writer, leaf)",
       "cityHash64(facility, stream, writer)"},
      {"retained", of + "first UInt64, at Int64", "(facility, stream, writer, first)",
       "cityHash64(facility, stream, writer)"},
      {"stream", of + "made_at Int64", "(facility, stream, writer)", "cityHash64(facility, stream, writer)"},
  };
}

}  // namespace

bool has_all_tables(const ClickHouseAddress& address, const std::set<std::string>& known) {
  for (const auto& table : tables())
    if (!known.contains(table.name) || (!address.cluster.empty() && !known.contains(table.name + "_rows")))
      return false;
  return true;
}

std::vector<std::string> schema_of(const ClickHouseAddress& address, bool durable) {
  const auto on = address.cluster.empty() ? "" : " ON CLUSTER " + address.cluster;
  const std::string settings = durable ? " SETTINGS fsync_after_insert = 1, fsync_part_directory = 1" : "";
  std::vector<std::string> out = {"CREATE DATABASE IF NOT EXISTS " + address.database + on};
  for (const auto& table : tables()) {
    const auto rows = address.database + "." + table.name + (address.cluster.empty() ? "" : "_rows");
    const auto engine =
        address.cluster.empty()
            ? std::string("MergeTree()")
            : fmt::format("ReplicatedMergeTree('/clickhouse/tables/{{shard}}/{}', '{{replica}}')", rows);
    out.push_back(
        fmt::format("CREATE TABLE IF NOT EXISTS {}{} ({}) ENGINE = {} PARTITION BY {} ORDER BY {}{}", rows,
                    on, table.columns, engine, table.partition, table.order, settings));
    if (!address.cluster.empty())
      out.push_back(
          fmt::format("CREATE TABLE IF NOT EXISTS {}.{}{} ({}) ENGINE = Distributed({}, {}, {}_rows, {})",
                      address.database, table.name, on, table.columns, address.cluster, address.database,
                      table.name, table.sharding));
  }
  return out;
}

}  // namespace mamori::archive
