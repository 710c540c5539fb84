// The change journal: who changed what, when, from where, what before, what after, why; written in the
// transaction of the change itself. Each entry carries the SHA-256 of its predecessor's hash and its own
// content, so that an entry altered, removed or slipped in later breaks the chain (verify_journal names the
// first).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "store/connection.h"
#include "store/scope.h"

namespace mamori::store {

// Who does it, and from where ("web 192.0.2.7", "command line", "import devices.xlsx", "schedule").
struct Actor {
  std::string id;
  std::string name;
  std::string origin;
};

struct Change {
  std::string facility;
  std::string subject;  // a register's name, or "user", "declaration", "source" …
  std::string record;   // its id
  std::string action;   // created, updated, retired, restored, …
  std::string before;   // JSON object, or empty
  std::string after;
  std::string reason;
};

struct JournalEntry {
  std::int64_t sequence = 0;
  Instant at;
  Actor actor;
  Change change;
  std::string hash;  // hex
};

struct JournalFilter {
  Scope scope = {};
  std::string subject = {};
  std::string record = {};
  std::string actor = {};
  std::int64_t before = 0;  // entries older than this sequence number; 0 = from the newest
  std::size_t limit = 50;
};

// Newest first.
Result<std::vector<JournalEntry>> read_journal(Connection& connection, const JournalFilter& filter);
// Those after `sequence`, oldest first: for whoever follows the journal.
Result<std::vector<JournalEntry>> read_journal_after(Connection& connection, const std::string& facility,
                                                     std::int64_t sequence, std::size_t limit);
Result<JournalEntry> read_journal_entry(Connection& connection, std::int64_t sequence);

struct JournalState {
  std::int64_t entries = 0;
  std::string head;  // hash of the last
};
// Walks the whole chain. Error: store.journal.broken (fact: sequence), the first entry that does not fit.
Result<JournalState> verify_journal(Connection& connection);

// The hash of an entry that follows one with hash `previous`.
std::string journal_hash(std::string_view previous, const JournalEntry& entry);

}  // namespace mamori::store
