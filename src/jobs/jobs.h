// Who does what is due: the server's hands for it. Every server plans and takes from the same table; a lease
// is the holder's name in the row, and its heart beats in `job_server`. A server whose heart is not heard for
// `Timing::dead` loses what it held to the others; one that cannot beat stops its work before that.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "base/mutex.h"
#include "jobs/job.h"

namespace mamori::jobs {

struct Timing {
  std::chrono::milliseconds pace{1000};  // between two looks at what is due
  std::chrono::milliseconds plan{60'000};
  std::chrono::milliseconds beat{3000};
  // By the monotonic clock of whoever waits: clocks of machines differ. doubt + beat < dead.
  std::chrono::milliseconds doubt{15'000}, dead{25'000};
};
// With SQLite one process writes at a time, a long import keeps hearts from beating, and it keeps others from
// taking over as well.
Timing timing_for(store::Engine engine);

struct Options {
  std::string home;  // the directory of this server, by a name of its own; "": takes no work, only what now()
                     // is given
  std::string machine;           // for people
  unsigned quick = 2, slow = 2;  // threads
};

// Threads: all calls may come from several. What it is given outlives it.
class Jobs {
 public:
  static Result<std::unique_ptr<Jobs>> open(store::Database& database);
  static Result<std::unique_ptr<Jobs>> open(store::Database& database, Timing timing);
  ~Jobs();

  // Before start().
  void add(Kind kind);
  // From now on this process takes what is due. What an earlier process of the same home held is free at
  // once: there is one server for each.
  Status start(Options options);
  // Begins nothing more and asks what runs to end; then join() waits for it and gives back what is not done.
  void stop();
  void join();

  // Instead of start(): all that is due now is done in this thread, whatever fails; the error is the first.
  Status do_due(const std::string& home);

  // There is something new of this kind, or it is due at other times: looked at soon.
  void changed(const std::string& kind);

  Result<std::vector<Job>> list(const store::Scope& scope, bool installation) const;
  // As soon as a server has a hand free. Errors: jobs.missing, jobs.busy.
  // `scope`: the person's; the installation's own work is everybody's.
  Result<Job> ask(const store::Actor& actor, const store::Scope& scope, const std::string& id);
  // Error: jobs.missing, jobs.idle (it does not run).
  Result<Job> end(const store::Actor& actor, const store::Scope& scope, const std::string& id);
  // Here and now, in this thread. Errors: jobs.busy, and those of the work.
  Result<json::object> now(const store::Actor& actor, const std::string& kind, const Task& task,
                           const std::function<Result<Done>(Turn&)>& work);

 private:
  struct Hands {  // of one pool
    std::vector<std::string> kinds;
    std::size_t threads = 0;
    // Guarded by Jobs::mutex_, which the analysis cannot be told from here.
    std::deque<std::shared_ptr<Held>> queue;
    std::size_t busy = 0;
  };
  Jobs(store::Database& database, Timing timing) : database_(database), timing_(timing) {}

  void conduct();  // the thread that looks at the table
  void watch();    // the thread that looks at the heart
  void work(Hands& hands);
  void guard(const std::string& what, const Status& done);
  Status register_server();
  Status beat();
  Status bury();
  Status tell_progress();
  Status plan_due();
  Status hasten();
  Status claim(Hands& hands);
  Status work_on(const std::shared_ptr<Held>& held);
  Status settle();  // what could not be written when it ended
  void finish(Held& held, Result<Done> outcome);
  bool in_doubt() const;
  const Kind* find(const std::string& kind) const;
  Status begin_beating();

  store::Database& database_;
  const Timing timing_;
  Options options_;
  std::map<std::string, Kind> kinds_;
  Mutex beginning_;     // one at a time begins to beat; held while the database writes
  std::string holder_;  // this process; not changed once it beats
  std::vector<std::thread> threads_;
  std::thread conductor_ GUARDED_BY(beginning_), watcher_ GUARDED_BY(beginning_);

  mutable Mutex mutex_;  // never held across the database
  CondVar wake_, work_;
  bool begun_ GUARDED_BY(mutex_) = false, stopping_ GUARDED_BY(mutex_) = false,
              ended_ GUARDED_BY(mutex_) = false, woken_ GUARDED_BY(mutex_) = false;
  Hands quick_, slow_;
  // By id: queued, running, or ended and not yet written.
  std::map<std::string, std::shared_ptr<Held>> held_ GUARDED_BY(mutex_);
  std::map<std::string, std::chrono::steady_clock::time_point> planned_ GUARDED_BY(mutex_);  // by kind
  std::chrono::steady_clock::time_point last_beat_ GUARDED_BY(mutex_){};
  // Of the conductor alone.
  struct Heard {
    std::int64_t beat = -1;
    std::chrono::steady_clock::time_point at;
  };
  std::map<std::string, Heard> heard_;  // other servers
  std::map<std::string, std::set<std::pair<std::string, std::string>>>
      hastened_;                             // by kind: not yet in the table
  std::map<std::string, std::string> told_;  // what failed last, by what: said once
  std::chrono::steady_clock::time_point buried_{};
};

}  // namespace mamori::jobs
