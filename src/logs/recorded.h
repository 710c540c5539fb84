// Which streams there should be, and how long each was when its newest head was signed: written down in the
// database with every head, and in the journal once a day, so that a stream that is gone or shorter is
// missed. And the journal in the database held against its stream.
#pragma once

#include "archive/archive.h"
#include "store/database.h"

namespace mamori::logs {

struct RecordedHead {
  archive::StreamName name;
  proof::TreeSize size = 0;
  std::string root;  // base64
  Instant at;
};

Status migrate_recorded(store::Database& database);
// Whether the stream is still what it was then; also true where that cannot be told now.
using StillHolds = std::function<bool(const RecordedHead&)>;
// Of heads just signed. The journal tells of them when a stream is new, and once a day; and, once, of a
// stream that does not hold any more what was noted of it: that note stays, and nothing later takes its
// place.
// `reading_since`: see note_reader().
Status record_heads(store::Database& database,
                    const std::vector<std::pair<archive::StreamName, proof::Head>>& heads,
                    const StillHolds& still_holds, Instant reading_since);
// All that were noted, in the table or in the journal, each once: by name, of each the newest first.
Result<std::vector<RecordedHead>> recorded_heads(store::Connection& connection);
// Of each stream of the facility ("": of all) the newest that was noted.
Result<std::map<archive::StreamName, RecordedHead>> newest_recorded(store::Connection& connection,
                                                                    const std::string& facility = "");
// What of it is not so any more; none where it holds or where that cannot be told. `stream` null: there is
// none of that name.
std::optional<archive::Damage> deviation(const RecordedHead& noted, const archive::Stream* stream);

struct HeldJournal {
  std::uint64_t compared = 0;
  std::int64_t first = 0, last = 0;  // sequence numbers in the stream
  std::uint64_t behind = 0;          // entries of the database newer than that: not in the stream yet
};
// Entries that stand in one of the two only, or differ: `report` is told the sequence number and a code of
// data/texts.
Result<HeldJournal> hold_journal(store::Connection& connection, const archive::Stream& stream,
                                 const std::string& facility,
                                 const std::function<void(std::int64_t sequence, const char* what)>& report);

}  // namespace mamori::logs
