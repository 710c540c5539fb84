// Facts that are measured, in observed registers: one set for each observer, without history of each value. A
// row is written when its fact has changed; that it still holds is said by the reading, once for all of them.
#pragma once

#include "ledger/ledger.h"

namespace mamori::ledger {

// Who brings facts. The id stays, the name may change.
struct Observer {
  std::string id;
  std::string name;  // as people see it, in the field `source`
};

struct ObservedCounts {
  std::size_t fresh = 0, known = 0, gone = 0;
};

// What an observer said last of a register.
struct ReadingAt {
  Observer observer;
  Instant at;
  std::int64_t facts = 0;  // how many it found
  bool from_file = false;  // what somebody brought, not what was measured
};

// How an observer came to what it says.
struct Manner {
  bool from_file = false;
  bool partial = false;  // it ended early
};

// Writes `facts` (kept form, without source and observed_at) as what the observer says at `at`. A fact with
// the same key (Register::key) keeps its id and the fields that the register keeps (what people decided about
// it). Facts of the observer that no longer appear get present = false where the register has that field;
// where it has not, they are retired. A partial reading takes nothing away, and what was said before grows no
// fresher by it.
Result<ObservedCounts> write_observed(Ledger& ledger, store::Transaction& transaction, const Register& reg,
                                      const std::string& facility, const Observer& observer,
                                      std::vector<json::object> facts, Instant at, Manner manner = {});
// That it has read and found so many, without a look at its facts.
Status note_reading(store::Connection& connection, const Register& reg, const std::string& facility,
                    const ReadingAt& reading);
// By register, observers by name.
Result<std::map<std::string, std::vector<ReadingAt>>> read_readings(store::Connection& connection,
                                                                    const std::string& facility);

// It is called otherwise from now on, also in what it said before.
Status rename_observer(Ledger& ledger, store::Transaction& transaction, const std::string& facility,
                       const Observer& observer);
// It will not read again: what it said is retired, and counts for nothing any more.
Status end_observer(Ledger& ledger, store::Transaction& transaction, const std::string& facility,
                    const std::string& id, Instant at);

std::vector<store::Migration> observed_schema();  // of the tables behind these calls; Ledger::open runs it

}  // namespace mamori::ledger
