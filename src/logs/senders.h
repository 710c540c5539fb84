// Who may send: the log sources of the ledger, held in memory, so that nothing that reads the network waits
// for the database.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/mutex.h"
#include "formats/mapping.h"
#include "ledger/ledger.h"

namespace mamori::logs {

// How a sender shows who it is: one of these. A certificate or token counts before the address.
struct Sender {
  std::string address = {};
  std::string certificate = {};  // SHA-256 of a client certificate, hex
  std::string token = {};
  auto operator<=>(const Sender&) const = default;
};

struct LogSource {
  std::string id, facility, number, name, stream;
  std::string state;  // accepted, unknown, refused
  std::string asset;
  std::chrono::minutes zone{540};
  int silent_after_hours = 24;
  std::shared_ptr<const formats::Mapping> mapping;  // of its fields; none declared: null
  std::string mapping_problem;                      // what cannot be read in its declaration
  bool shared = false;  // of several senders: its events name as their host the address that they came from
};

// A sender that nobody knows becomes an unknown source, whose events are kept like anyone's. Addresses can be
// made up, so there are at most kMostUnknown of them, and after the first kNewAtOnce one more a second;
// devices of the ledger are always taken. The events of all others stand under one collecting source, with
// the address they came from. Unknown sources that nobody touched and that have been silent for kForgotten
// make room for new ones. Threads: all calls may come from several. The ledger outlives it.
class Senders {
 public:
  static constexpr std::size_t kMostUnknown = 500, kNewAtOnce = 250;
  static constexpr std::chrono::hours kForgotten{24};

  explicit Senders(ledger::Ledger& ledger) : ledger_(ledger) {}
  static Status migrate(store::Database& database);
  // Which facilities have a user: senders that appear by themselves go to the oldest of these. Before
  // anything runs.
  void looked_after(std::function<Result<std::set<std::string>>()> facilities) {
    looked_after_ = std::move(facilities);
  }

  // From memory alone: as admit() last saw the ledger. Nothing: not known yet, admit() will see to it.
  // Errors: collect.log.refused (the source is refused), collect.log.token (nobody has it).
  Result<std::optional<LogSource>> find(const Sender& sender);
  // The same by the ledger of a moment ago; who comes for the first time is known when it returns.
  Result<LogSource> find_or_admit(const Sender& sender);
  // Looks at the ledger again and takes in those that find() did not know. Waits for the database.
  Status admit();
  // Under what events are kept whose sender could not be taken in before the end: no source, the first
  // facility. Nothing where there is no facility yet.
  std::optional<LogSource> nameless(const std::string& address) const;

  // As the ledger has them now.
  Result<std::vector<LogSource>> all();
  // As they were seen last.
  std::vector<LogSource> known() const;
  void changed();

 private:
  struct Table {
    std::vector<LogSource> sources;
    std::map<std::string, std::size_t> by_address, by_certificate, by_token;  // → sources
    std::string facility;  // of those that appear by themselves
    std::optional<std::size_t> collecting;
    std::size_t unknown = 0;
    const LogSource* find(const Sender& sender) const;
    void claim(std::map<std::string, std::size_t>& index, const std::string& key, std::size_t newer) const;
  };
  Status load();
  Result<std::string> default_facility(store::Connection& connection) const;
  Status admit(const Sender& sender, bool& full) REQUIRES(admitting_);
  Result<bool> forget_one(const std::string& facility);
  Status make_collecting(const std::string& facility);
  bool may_take_one() REQUIRES(admitting_);
  std::shared_ptr<const Table> table() const;

  ledger::Ledger& ledger_;
  std::function<Result<std::set<std::string>>()> looked_after_;
  Mutex loading_;    // one look at the ledger at a time; held while the database reads
  Mutex admitting_;  // one admission at a time; held while the database writes
  std::size_t at_once_ GUARDED_BY(admitting_) = kNewAtOnce;
  std::chrono::steady_clock::time_point refilled_ GUARDED_BY(admitting_) = std::chrono::steady_clock::now();
  mutable Mutex mutex_;  // never held across the database
  std::shared_ptr<const Table> table_ GUARDED_BY(mutex_);
  std::int64_t sequence_ GUARDED_BY(mutex_) = -1;  // of the journal, when the table was read
  std::chrono::steady_clock::time_point loaded_ GUARDED_BY(mutex_);
  std::set<Sender> waiting_ GUARDED_BY(mutex_);  // for admit()
  // Since when no more are taken in.
  std::optional<std::chrono::steady_clock::time_point> full_ GUARDED_BY(mutex_);
};

}  // namespace mamori::logs
