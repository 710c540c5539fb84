// What is done by itself, again and again, or takes long and was asked for: one row of the database each, so
// that with any number of servers each is done by one of them at a time.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "store/database.h"

namespace mamori::jobs {

// Something of a kind that is there to be done.
struct Task {
  std::string facility;         // whose; "": the installation's
  std::string subject;          // what, within its kind: the id of a source, the name of a stream
  std::string label;            // as people call it; "" where the kind says it all
  Duration every{};             // from one start to the next; zero: only when asked
  std::optional<Instant> last;  // when it was done last, where another table knows: before its row was there
};

struct Past {
  Instant started, ended;
  std::string by;      // who asked; "" = by itself
  std::string server;  // its machine
  std::string error;   // code of data/texts; "" = done
  Facts facts;         // of the error
  json::object result;
  std::string note;  // as Done says
};

struct Job {
  std::string id;
  std::string kind;
  std::string home;  // the only server that can do it; "": any
  Task task;
  std::optional<Instant> due, started, last_success, failing_since;
  std::string holder;    // the process that does it now; "" = none
  std::string asked_by;  // of the run that is asked for or goes on
  bool stopping = false;
  std::int64_t done = 0, whole = 0;  // of the run that goes on, in units of its own; whole 0: not known
  std::int64_t failures = 0;         // one after the other
  std::string cursor;                // how far it is, over all its runs
  std::vector<Past> history;         // newest first, at most kHistory
  bool runs() const { return !holder.empty(); }
};
constexpr std::size_t kHistory = 10;

json::object to_json(const Job& job);

class Held;

// A run, as the work sees it. Threads: of the one that works.
class Turn {
 public:
  Turn(store::Database& database, Held& held) : database_(database), held_(held) {}
  const Job& job() const;
  // Asked to end: what is begun is finished or left in good order, within seconds.
  std::stop_token stop() const;
  bool stopped() const { return stop().stop_requested(); }
  // Seen by whoever looks, a second later.
  void progress(std::int64_t done, std::int64_t whole);
  // How far the work is, for the next run of it by whichever server. In the transaction of the work itself,
  // where it has one. Error jobs.lost: another has the job by now, and nothing of this one may be kept.
  const std::string& cursor() const { return job().cursor; }
  Status keep_cursor(std::string cursor);
  Status keep_cursor(store::Transaction& transaction, std::string cursor);

 private:
  store::Database& database_;
  Held& held_;
};

struct Done {
  json::object result = {};
  std::string note = {};  // code of data/texts: why less was done than people may think; "" = all of it
};

enum class Pool { quick, slow };  // seconds at most · minutes and hours: neither waits for the other

struct Kind {
  std::string name;  // "logs.verify"; its title is jobs.kind.NAME of data/texts
  Pool pool = Pool::quick;
  bool here = false;                          // works on what lies beside this server
  bool at_start = false;                      // of a kind that is `here`: due when its server starts, too
  Duration again = std::chrono::minutes(10);  // after a failure, then twice as long each time, up to its turn
  std::function<Result<std::vector<Task>>()> tasks;  // asked every minute, and by Jobs::changed()
  std::function<Result<Done>(Turn&)> work;           // its error is the run's
  // What there is to do before its turn, asked every second or so: cheap. Names facility and subject.
  std::function<Result<std::vector<std::pair<std::string, std::string>>>()> hastens = {};
};

}  // namespace mamori::jobs
