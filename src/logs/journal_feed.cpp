#include "logs/journal_feed.h"

#include <fmt/format.h>

#include "base/crypto.h"
#include "base/json.h"
#include "base/log.h"
#include "logs/failures.h"
#include "store/journal.h"

namespace mamori::logs {
namespace {

// What cannot be kept whole is kept by its hash: the journal's own chain of hashes holds the rest.
std::string journal_line(const store::JournalEntry& entry) {
  json::object line = {
      {"sequence", entry.sequence},    {"at", iso_instant(entry.at)},   {"actor", entry.actor.name},
      {"actor_id", entry.actor.id},    {"origin", entry.actor.origin},  {"subject", entry.change.subject},
      {"record", entry.change.record}, {"action", entry.change.action}, {"before", entry.change.before},
      {"after", entry.change.after},   {"reason", entry.change.reason}, {"hash", entry.hash}};
  auto text = json::serialize(line);
  if (text.size() <= archive::kLongestRaw) return text;
  for (const auto* part : {"before", "after", "reason"})
    line[part] = "sha256:" + sha256_hex(text_of(line, part));
  return json::serialize(line);
}

}  // namespace

Status JournalFeed::feed() {
  if (archive_.read_only()) return {};
  std::vector<std::string> facilities;
  {
    auto lease = MAMORI_TRY(database_.read());
    MAMORI_TRY(lease->each("SELECT id FROM r_facility", {},
                           [&](store::Row& row) { facilities.push_back(store::as_text(row[0])); }));
  }
  Failures failures;
  for (const auto& facility : facilities) failures.add(facility + "/journal", feed(facility));
  return failures.status();
}

// The last entry in the stream says how far the journal is in it. Where the database does not have that one,
// an earlier state of it was put back: the journal goes on from the last entry that both have, and says so;
// what the stream has of before stays there to be compared.
Result<std::int64_t> JournalFeed::fed_until(const std::string& facility, const archive::Stream& stream) {
  const auto in_database = [&](std::int64_t sequence) -> Result<std::string> {
    auto lease = MAMORI_TRY(database_.read());
    const auto rows = MAMORI_TRY(
        lease->query("SELECT hash FROM journal WHERE facility = ? AND sequence = ?", {facility, sequence}));
    return rows.rows.empty() ? std::string() : store::as_text(rows.rows[0][0]);
  };
  std::int64_t newest = 0, common = 0;
  for (auto index = stream.size(); index > stream.first() && common == 0; --index) {
    const auto event = stream.event(index - 1);
    if (!event && event.error().kind == ErrorKind::unavailable) return event.error();
    const auto entry = parse_json_object(event ? event->event.raw : std::string_view());
    const auto sequence = entry ? integer_of(*entry, "sequence") : 0;
    if (sequence <= 0) continue;  // its place is empty: damage
    newest = std::max(newest, sequence);
    if (MAMORI_TRY(in_database(sequence)) == text_of(*entry, "hash")) common = sequence;
  }
  if (common == newest) return common;
  log::error(fmt::format(
      "the journal of {} was put back: its stream goes on to entry {}, the database has the same up to {}",
      facility, newest, common));
  auto transaction = MAMORI_TRY(database_.begin());
  transaction.journal({"", "log intake", "logs"}, {facility, "logs", "journal", "put_back",
                                                   json::serialize(json::object{{"sequence", newest}}),
                                                   json::serialize(json::object{{"sequence", common}}), ""});
  MAMORI_TRY(transaction.commit());
  return common;
}

Status JournalFeed::feed(const std::string& facility) {
  Mutex* feeding = nullptr;
  {
    const MutexLock lock(mutex_);
    auto& own = feeding_[facility];
    if (!own) own = std::make_unique<Mutex>();
    feeding = own.get();
  }
  const MutexLock one(*feeding);
  if (archive_.read_only()) return {};
  auto* stream = MAMORI_TRY(archive_.stream({facility, "journal"}));
  std::int64_t last = -1;
  {
    const MutexLock lock(mutex_);
    if (const auto found = fed_.find(facility); found != fed_.end()) last = found->second;
  }
  if (last < 0) last = MAMORI_TRY(fed_until(facility, *stream));  // after a start
  while (true) {
    std::vector<store::JournalEntry> entries;
    {
      auto lease = MAMORI_TRY(database_.read());
      entries = MAMORI_TRY(store::read_journal_after(*lease, facility, last, 1000));
    }
    if (entries.empty()) break;
    archive::Arena arena;
    std::vector<archive::Event> events;
    for (const auto& entry : entries) {
      auto& event = events.emplace_back();
      event.raw = arena.keep(journal_line(entry));
      event.time = entry.at;
      event.received = entry.at;
      using archive::Field;
      event[Field::source] = "journal";
      event[Field::kind] = "journal";
      event[Field::user] = arena.keep(entry.actor.name.substr(0, archive::kLongestField));
      event[Field::action] = arena.keep(entry.change.action);
      event[Field::object] =
          arena.keep(entry.change.subject + (entry.change.record.empty() ? "" : "/" + entry.change.record));
      last = entry.sequence;
    }
    const auto appended = keeping_.append(*stream, events);
    const MutexLock lock(mutex_);
    if (!appended) {
      fed_.erase(
          facility);  // they may stand in the stream all the same: the next time its last entry says so
      return appended.error();
    }
    fed_[facility] = last;
  }
  const MutexLock lock(mutex_);
  fed_[facility] = last;
  return {};
}

}  // namespace mamori::logs
