#include "logs/recorded.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/json.h"
#include "base/log.h"
#include "logs/reread.h"

namespace mamori::logs {
namespace {

constexpr std::chrono::hours kNoted{24};
constexpr std::size_t kPage = 1000;

constexpr store::Migration kSchema[] = {
    {"logs.3",
     "CREATE TABLE log_head (facility {text} NOT NULL, stream {text} NOT NULL, size BIGINT NOT NULL, root "
     "{text} NOT NULL, at BIGINT NOT NULL, noted_at BIGINT NOT NULL, PRIMARY KEY (facility, stream));"},
};

struct Row {
  RecordedHead head;
  std::int64_t noted_at = 0;
};
const store::Actor kArchive = {"", "log archive", "logs"};

RecordedHead head_of(const store::Row& row) {
  return {{store::as_text(row[0]), store::as_text(row[1])},
          static_cast<proof::TreeSize>(store::as_integer(row[2])),
          store::as_text(row[3]),
          from_millis(store::as_integer(row[4]))};
}

// Once for each such head.
Status tell_lost(store::Transaction& transaction, const archive::StreamName& name, const Row& noted) {
  const auto what = json::serialize(json::object{{"size", noted.head.size}, {"root", noted.head.root}});
  const auto told =
      MAMORI_TRY(transaction->query("SELECT 1 FROM journal WHERE record = ? AND facility = ? AND subject = "
                                    "'logs' AND action = 'heads_lost' AND after_json = ?",
                                    {name.name, name.facility, what}));
  if (!told.rows.empty()) return {};
  log::error(fmt::format("{}/{} is not what was signed when it had {} events: see mamori verify",
                         name.facility, name.name, noted.head.size));
  transaction.journal(kArchive, {name.facility, "logs", name.name, "heads_lost", "", what, ""});
  return {};
}

}  // namespace

Status migrate_recorded(store::Database& database) { return database.migrate(kSchema); }

Status record_heads(store::Database& database,
                    const std::vector<std::pair<archive::StreamName, proof::Head>>& heads,
                    const StillHolds& still_holds, Instant reading_since) {
  const auto now = database.clock().now();
  std::map<archive::StreamName, Row> known;
  {
    auto lease = MAMORI_TRY(database.read());
    for (const auto& [name, head] : heads)
      MAMORI_TRY(lease->each(
          "SELECT facility, stream, size, root, at, noted_at FROM log_head WHERE facility = ? AND stream = ?",
          {name.facility, name.name}, [&, of = &name](store::Row& row) {
            known[*of] = {head_of(row), store::as_integer(row[5])};
          }));
  }
  // Asked before anything is locked: it reads the archive.
  std::set<archive::StreamName> lost;
  for (const auto& [name, head] : heads)
    if (const auto found = known.find(name); found != known.end())
      if (!still_holds(found->second.head)) lost.insert(name);
  auto transaction = MAMORI_TRY(database.begin());
  std::map<std::string, json::object> notes;  // by facility
  std::map<std::string, bool> due;
  bool changed = false;
  for (const auto& [name, head] : heads) {
    const auto found = known.find(name);
    if (lost.contains(name)) {
      MAMORI_TRY(tell_lost(transaction, name, found->second));
      changed = true;
      continue;
    }
    const auto grown = found == known.end() || found->second.head.size < head.size;
    changed = changed || grown;
    if (found == known.end() || (grown && now - from_millis(found->second.noted_at) >= kNoted))
      due[name.facility] = true;
    notes[name.facility][name.name] =
        json::object{{"size", head.size}, {"root", proof::to_base64(head.root)}, {"at", to_millis(head.at)}};
  }
  if (!changed) return {};
  for (const auto& [name, head] : heads) {
    if (lost.contains(name)) continue;
    const auto noted = due[name.facility] ? to_millis(now) : known[name].noted_at;
    // Never back: a stream that became shorter is just what is to be noticed.
    MAMORI_TRY(
        transaction->execute("INSERT INTO log_head VALUES (?,?,?,?,?,?) ON CONFLICT (facility, stream) DO "
                             "UPDATE SET size = excluded.size, root = excluded.root, at = excluded.at, "
                             "noted_at = excluded.noted_at WHERE log_head.size <= excluded.size",
                             {name.facility, name.name, static_cast<std::int64_t>(head.size),
                              proof::to_base64(head.root), to_millis(head.at), noted}));
  }
  for (const auto& [facility, note] : notes) MAMORI_TRY(note_reader(transaction, facility, reading_since));
  for (const auto& [facility, note] : notes)
    if (due[facility])
      transaction.journal(kArchive, {facility, "logs", "", "heads", "", json::serialize(note), ""});
  return transaction.commit();
}

Result<std::vector<RecordedHead>> recorded_heads(store::Connection& connection) {
  std::map<archive::StreamName,
           std::map<std::pair<proof::TreeSize, std::string>, RecordedHead, std::greater<>>>
      all;
  const auto take = [&](RecordedHead head) { all[head.name][{head.size, head.root}] = std::move(head); };
  MAMORI_TRY(
      connection.each("SELECT facility, after_json FROM journal WHERE subject = 'logs' AND action = 'heads' "
                      "ORDER BY sequence",
                      {}, [&](store::Row& row) {
                        const auto note = parse_json_object(store::as_text(row[1]));
                        if (!note) return;
                        for (const auto& [stream, value] : *note)
                          if (const auto* head = value.if_object())
                            take({{store::as_text(row[0]), std::string(stream)},
                                  static_cast<proof::TreeSize>(integer_of(*head, "size")),
                                  text_of(*head, "root"),
                                  from_millis(integer_of(*head, "at"))});
                      }));
  MAMORI_TRY(connection.each("SELECT facility, stream, size, root, at FROM log_head", {},
                             [&](store::Row& row) { take(head_of(row)); }));
  std::vector<RecordedHead> out;
  for (auto& [name, heads] : all)
    for (auto& [key, head] : heads) out.push_back(std::move(head));
  return out;
}

Result<std::map<archive::StreamName, RecordedHead>> newest_recorded(store::Connection& connection,
                                                                    const std::string& facility) {
  std::map<archive::StreamName, RecordedHead> out;
  MAMORI_TRY(
      connection.each("SELECT facility, stream, size, root, at FROM log_head", {}, [&](store::Row& row) {
        auto head = head_of(row);
        if (!facility.empty() && head.name.facility != facility) return;
        const auto name = head.name;
        out[name] = std::move(head);
      }));
  return out;
}

std::optional<archive::Damage> deviation(const RecordedHead& noted, const archive::Stream* stream) {
  const auto found = [&](const char* what, proof::LeafIndex first) {
    return archive::Damage{noted.name.name, what, first, noted.size == 0 ? 0 : noted.size - 1};
  };
  if (!stream) return found("archive.damage.gone", 0);
  if (stream->size() < noted.size) return found("archive.damage.cut", stream->size());
  // Where it cannot be calculated any more (retired since, unreadable) nothing is known against it.
  const auto root = stream->root_at(noted.size);
  if (root && proof::to_base64(*root) != noted.root) return found("archive.damage.root", 0);
  return std::nullopt;
}

Result<HeldJournal> hold_journal(store::Connection& connection, const archive::Stream& stream,
                                 const std::string& facility,
                                 const std::function<void(std::int64_t sequence, const char* what)>& report) {
  HeldJournal held;
  std::map<std::int64_t, std::string> page;  // sequence → hash, of the stream
  std::int64_t from = 0;                     // the first sequence number of the page's window
  std::int64_t newest = 0;
  // Both ways within one window of sequence numbers.
  const auto compare = [&]() -> Status {
    if (page.empty()) return {};
    const auto to = page.rbegin()->first;
    if (held.compared == 0) held.first = from = page.begin()->first;  // what was before has passed its time
    auto left = page;
    MAMORI_TRY(
        connection.each("SELECT sequence, hash FROM journal WHERE facility = ? AND sequence BETWEEN ? AND ? "
                        "ORDER BY sequence",
                        {facility, from, to}, [&](store::Row& row) {
                          const auto sequence = store::as_integer(row[0]);
                          const auto found = left.find(sequence);
                          if (found == left.end()) return report(sequence, "cli.verify.entry-not-in-stream");
                          if (found->second != store::as_text(row[1]))
                            report(sequence, "cli.verify.entry-differs");
                          left.erase(found);
                        }));
    for (const auto& [sequence, hash] : left) report(sequence, "cli.verify.entry-cut");
    held.compared += page.size();
    held.last = to;
    from = to + 1;
    page.clear();
    return {};
  };
  const archive::SearchOptions all;
  MAMORI_TRY(stream.each_match({}, all.from, all.to, stream.first(),
                               [&](proof::LeafIndex, const archive::Event& event) -> Result<bool> {
                                 const auto entry = parse_json_object(event.raw);
                                 const auto sequence = entry ? integer_of(*entry, "sequence") : 0;
                                 if (sequence <= 0)
                                   report(0, "cli.verify.entry-unreadable");
                                 else if (const auto hash = text_of(*entry, "hash"); sequence > newest)
                                   page[newest = sequence] = hash;
                                 else if (const auto same = page.find(sequence);
                                          same != page.end() && same->second == hash)
                                   report(sequence, "cli.verify.entry-twice");
                                 else {  // the journal goes on from an earlier state
                                   MAMORI_TRY(compare());
                                   report(sequence, "cli.verify.journal-put-back");
                                   from = newest = sequence;
                                   page[sequence] = hash;
                                 }
                                 if (page.size() >= kPage) MAMORI_TRY(compare());
                                 return true;
                               }));
  MAMORI_TRY(compare());
  const auto rows = MAMORI_TRY(connection.query(
      "SELECT COUNT(*) FROM journal WHERE facility = ? AND sequence > ?", {facility, held.last}));
  held.behind = static_cast<std::uint64_t>(store::as_integer(rows.rows.at(0).at(0)));
  return held;
}

}  // namespace mamori::logs
