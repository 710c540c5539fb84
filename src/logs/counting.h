// How much of what came from whom, and when: counted where it comes in, kept in the database each minute, so
// that a restart forgets nothing and several servers count together; and the facts that controls ask of it.
#pragma once

#include <array>
#include <atomic>
#include <map>

#include "archive/event.h"
#include "base/mutex.h"
#include "ledger/ledger.h"
#include "logs/senders.h"

namespace mamori::logs {

// Threads: all calls may come from several. What it is given outlives it.
class Counting {
 public:
  Counting(ledger::Ledger& ledger, const Senders& senders) : ledger_(ledger), senders_(senders) {}
  static Status migrate(store::Database& database);

  // `refused`: how many of them.
  void count(const LogSource& source, std::span<const archive::Event> events, std::size_t refused);
  // What came and could not be kept. `source` "": nobody knows whose.
  void count_dropped(const std::string& source, std::uint64_t events);
  // A request of this source that was refused whole: its sender was told, nothing of it is kept.
  void count_refused(const std::string& source);
  // Messages over the archive's limit, of which the beginning is kept.
  void count_cut(std::uint64_t events) { cut_ += events; }
  void count_waiting(std::uint64_t events) { waiting_ = events; }  // read, not yet kept
  // What a refused sender sent.
  void count_turned_away(std::uint64_t events) { turned_away_ += events; }
  // Datagrams that the kernel had no room for: nobody knows whose.
  void count_overflow(std::uint64_t datagrams) { overflow_ += datagrams; }

  // What this process has counted since the last time goes into the database.
  Status keep();
  // What is known of each of these senders, as facts of their facility (observed_log).
  Status measure(const std::string& facility, const std::vector<LogSource>& sources);
  // Prometheus lines, of this process.
  std::string totals() const;
  std::string by_source() const;

 private:
  struct Hour {
    std::uint64_t events = 0, refused = 0, dropped = 0;
  };
  struct Counters {
    std::map<std::int64_t, Hour> fresh;  // by hour since 1970: not yet in the database
    std::vector<float> drifts;           // seconds, of the latest events that name a time
    Instant last_received{};
    std::uint64_t total = 0;
    std::optional<double> drift() const;  // the middle one
  };

  ledger::Ledger& ledger_;
  const Senders& senders_;
  mutable Mutex mutex_;                                          // never held across the database
  std::map<std::string, Counters> counters_ GUARDED_BY(mutex_);  // by source id
  std::atomic<std::uint64_t> accepted_{0}, refused_{0}, dropped_{0}, overflow_{0}, turned_away_{0}, cut_{0},
      waiting_{0};
};

}  // namespace mamori::logs
