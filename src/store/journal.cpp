#include "store/journal.h"

#include "base/crypto.h"
#include "base/json.h"

namespace mamori::store {
namespace {

constexpr std::string_view kColumns =
    "sequence, at, actor, actor_name, origin, facility, subject, record, action, before_json, after_json, "
    "reason, hash";

JournalEntry entry_of(const Row& row) {
  JournalEntry entry;
  entry.sequence = as_integer(row[0]);
  entry.at = from_millis(as_integer(row[1]));
  entry.actor = {as_text(row[2]), as_text(row[3]), as_text(row[4])};
  entry.change = {as_text(row[5]), as_text(row[6]),  as_text(row[7]), as_text(row[8]),
                  as_text(row[9]), as_text(row[10]), as_text(row[11])};
  entry.hash = as_text(row[12]);
  return entry;
}

}  // namespace

std::string journal_hash(std::string_view previous, const JournalEntry& entry) {
  const json::array content = {json::string(previous),
                               entry.sequence,
                               to_millis(entry.at),
                               json::string(entry.actor.id),
                               json::string(entry.actor.name),
                               json::string(entry.actor.origin),
                               json::string(entry.change.facility),
                               json::string(entry.change.subject),
                               json::string(entry.change.record),
                               json::string(entry.change.action),
                               json::string(entry.change.before),
                               json::string(entry.change.after),
                               json::string(entry.change.reason)};
  return sha256_hex(json::serialize(content));
}

Result<std::vector<JournalEntry>> read_journal(Connection& connection, const JournalFilter& filter) {
  if (filter.scope.empty()) return std::vector<JournalEntry>{};
  Row parameters;
  std::string sql = "SELECT " + std::string(kColumns) + " FROM journal WHERE ";
  sql += filter.scope.where("facility", parameters);
  const auto equals = [&](std::string_view column, const std::string& value) {
    if (value.empty()) return;
    sql += " AND " + std::string(column) + " = ?";
    parameters.emplace_back(value);
  };
  equals("subject", filter.subject);
  equals("record", filter.record);
  equals("actor", filter.actor);
  if (filter.before > 0) {
    sql += " AND sequence < ?";
    parameters.emplace_back(filter.before);
  }
  sql += " ORDER BY sequence DESC LIMIT ?";
  parameters.emplace_back(static_cast<std::int64_t>(filter.limit));
  std::vector<JournalEntry> entries;
  MAMORI_TRY(connection.each(sql, parameters, [&](Row& row) { entries.push_back(entry_of(row)); }));
  return entries;
}

Result<std::vector<JournalEntry>> read_journal_after(Connection& connection, const std::string& facility,
                                                     std::int64_t sequence, std::size_t limit) {
  std::vector<JournalEntry> entries;
  MAMORI_TRY(
      connection.each("SELECT " + std::string(kColumns) +
                          " FROM journal WHERE facility = ? AND sequence > ? ORDER BY sequence LIMIT ?",
                      {facility, sequence, static_cast<std::int64_t>(limit)},
                      [&](Row& row) { entries.push_back(entry_of(row)); }));
  return entries;
}

Result<JournalEntry> read_journal_entry(Connection& connection, std::int64_t sequence) {
  const auto rows = MAMORI_TRY(
      connection.query("SELECT " + std::string(kColumns) + " FROM journal WHERE sequence = ?", {sequence}));
  if (rows.rows.empty())
    return Error{ErrorKind::not_found, "store.journal.missing", {{"sequence", std::to_string(sequence)}}};
  return entry_of(rows.rows[0]);
}

Result<JournalState> verify_journal(Connection& connection) {
  JournalState state;
  std::int64_t broken = 0;
  MAMORI_TRY(connection.each(
      "SELECT " + std::string(kColumns) + " FROM journal ORDER BY sequence", {}, [&](Row& row) {
        if (broken) return;
        const auto entry = entry_of(row);
        if (entry.sequence != state.entries + 1 || journal_hash(state.head, entry) != entry.hash)
          broken = state.entries + 1;
        state.entries = entry.sequence;
        state.head = entry.hash;
      }));
  const auto head = MAMORI_TRY(connection.query("SELECT sequence, hash FROM journal_head"));
  if (!broken && (head.rows.size() != 1 || as_integer(head.rows[0][0]) != state.entries ||
                  as_text(head.rows[0][1]) != state.head))
    broken = state.entries + 1;  // the newest entries were cut off
  if (broken)
    return Error{ErrorKind::corrupt, "store.journal.broken", {{"sequence", std::to_string(broken)}}};
  return state;
}

}  // namespace mamori::store
