// The ledger's journal as a stream of each facility: whoever has the database file cannot quietly rewrite the
// past.
#pragma once

#include <map>

#include "base/mutex.h"
#include "logs/keeping.h"

namespace mamori::logs {

// Threads: all calls may come from several. What it is given outlives it.
class JournalFeed {
 public:
  JournalFeed(store::Database& database, archive::Archive& archive, Keeping& keeping)
      : database_(database), archive_(archive), keeping_(keeping) {}

  // What the journal has and the stream has not: each entry once, however the process ended before.
  Status feed(const std::string& facility);
  // Of every facility; one that fails stops no other.
  Status feed();

 private:
  Result<std::int64_t> fed_until(const std::string& facility, const archive::Stream& stream);

  store::Database& database_;
  archive::Archive& archive_;
  Keeping& keeping_;
  Mutex mutex_;  // never held across database or disk
  std::map<std::string, std::unique_ptr<Mutex>> feeding_ GUARDED_BY(mutex_);  // by facility: one at a time
  std::map<std::string, std::int64_t> fed_ GUARDED_BY(mutex_);  // by facility, the last entry in its stream
};

}  // namespace mamori::logs
