#include "jobs/jobs.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/background.h"
#include "base/crypto.h"
#include "base/log.h"
#include "jobs/held.h"
#include "jobs/rows.h"

namespace mamori::jobs {
namespace {

using Steady = std::chrono::steady_clock;

constexpr auto kForgotten = std::chrono::hours(24 * 31);

Duration later(const Kind& kind, const Job& job) {
  const auto doubled = kind.again * (1 << std::min<std::int64_t>(job.failures - 1, 12));
  return job.task.every.count() > 0 ? std::min<Duration>(doubled, job.task.every) : doubled;
}

Result<Job> read_seen(store::Connection& connection, const store::Scope& scope, const std::string& id) {
  auto job = MAMORI_TRY(read_job(connection, id));
  if (!MAMORI_TRY(may_see(connection, scope, job))) return Error{ErrorKind::not_found, "jobs.missing"};
  return job;
}

}  // namespace

Timing timing_for(store::Engine engine) {
  Timing timing;
  if (engine == store::Engine::sqlite) {
    timing.doubt = std::chrono::hours(24);
    timing.dead = std::chrono::minutes(10);
  }
  return timing;
}

// --- a run

const Job& Turn::job() const { return held_.job; }
std::stop_token Turn::stop() const { return held_.stop.get_token(); }

void Turn::progress(std::int64_t done, std::int64_t whole) {
  held_.done = done;
  held_.whole = whole;
}

Status Turn::keep_cursor(std::string cursor) {
  auto transaction = MAMORI_TRY(database_.begin());
  MAMORI_TRY(keep_cursor(transaction, std::move(cursor)));
  return transaction.commit();
}

Status Turn::keep_cursor(store::Transaction& transaction, std::string cursor) {
  const auto kept =
      MAMORI_TRY(transaction->execute("UPDATE job SET cursor_text = ? WHERE id = ? AND holder = ?",
                                      {cursor, held_.job.id, held_.job.holder}));
  if (kept != 1) return Error{ErrorKind::conflict, "jobs.lost", {{"name", held_.job.task.label}}};
  held_.job.cursor = std::move(cursor);
  return {};
}

// --- opening, ending

Result<std::unique_ptr<Jobs>> Jobs::open(store::Database& database) {
  return open(database, timing_for(database.engine()));
}

Result<std::unique_ptr<Jobs>> Jobs::open(store::Database& database, Timing timing) {
  MAMORI_TRY(migrate_jobs(database));
  return std::unique_ptr<Jobs>(new Jobs(database, timing));
}

Jobs::~Jobs() {
  stop();
  join();
}

void Jobs::add(Kind kind) {
  auto name = kind.name;
  kinds_.emplace(std::move(name), std::move(kind));
}

const Kind* Jobs::find(const std::string& kind) const {
  const auto found = kinds_.find(kind);
  return found == kinds_.end() ? nullptr : &found->second;
}

Status Jobs::start(Options options) {
  options_ = std::move(options);
  for (auto& [name, kind] : kinds_) (kind.pool == Pool::quick ? quick_ : slow_).kinds.push_back(name);
  quick_.threads = options_.quick;
  slow_.threads = options_.slow;
  MAMORI_TRY(begin_beating());
  for (auto* hands : {&quick_, &slow_})
    for (std::size_t i = 0; i < hands->threads; ++i)
      threads_.emplace_back([this, hands] {
        if (hands == &slow_) work_in_background();
        work(*hands);
      });
  return {};
}

Status Jobs::begin_beating() {
  const MutexLock one(beginning_);
  {
    const MutexLock lock(mutex_);
    if (stopping_) return Error{ErrorKind::unavailable, "jobs.stopping"};
    if (begun_) return {};
    holder_ = (options_.home.empty() ? "once" : options_.home) + ":" + random_token(16);
  }
  MAMORI_TRY(register_server());
  const MutexLock lock(mutex_);
  begun_ = true;
  last_beat_ = Steady::now();
  conductor_ = std::thread([this] { conduct(); });
  watcher_ = std::thread([this] { watch(); });
  return {};
}

Status Jobs::register_server() {
  auto transaction = MAMORI_TRY(database_.begin());
  if (!options_.home.empty()) {
    std::vector<std::string> before;
    MAMORI_TRY(transaction->each("SELECT holder FROM job_server WHERE home = ?", {options_.home},
                                 [&](store::Row& row) { before.push_back(store::as_text(row[0])); }));
    for (const auto& holder : before)
      MAMORI_TRY(
          put_back(*transaction, holder, MAMORI_TRY(held_by(*transaction, holder)), database_.clock().now()));
    MAMORI_TRY(transaction->execute("DELETE FROM job_server WHERE home = ?", {options_.home}));
  }
  MAMORI_TRY(transaction->execute("INSERT INTO job_server VALUES (?,?,?,0)",
                                  {holder_, options_.home, options_.machine}));
  for (const auto& [name, kind] : kinds_)
    if (kind.at_start)
      MAMORI_TRY(transaction->execute(
          "UPDATE job SET due_at = ? WHERE kind = ? AND home = ? AND due_at > ?",
          {to_millis(database_.clock().now()), name, options_.home, to_millis(database_.clock().now())}));
  // Of servers that have not come back for a long time.
  MAMORI_TRY(
      transaction->execute("DELETE FROM job WHERE home <> '' AND holder = '' AND due_at < ? AND home NOT IN "
                           "(SELECT home FROM job_server)",
                           {to_millis(database_.clock().now() - kForgotten)}));
  return transaction.commit();
}

void Jobs::stop() {
  const MutexLock lock(mutex_);
  stopping_ = true;
  for (const auto& [id, held] : held_) held->end(Why::shutdown);
  wake_.notify_all();
  work_.notify_all();
}

void Jobs::join() {
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  {
    const MutexLock lock(mutex_);
    ended_ = true;
    wake_.notify_all();
  }
  const MutexLock one(beginning_);
  if (conductor_.joinable()) conductor_.join();
  if (watcher_.joinable()) watcher_.join();
}

void Jobs::changed(const std::string& kind) {
  const MutexLock lock(mutex_);
  planned_.erase(kind);
  woken_ = true;
  wake_.notify_all();
}

// --- the conductor

void Jobs::guard(const std::string& what, const Status& done) {
  const auto said = done ? std::string() : describe(done.error());
  auto& before = told_[what];
  if (said == before) return;
  if (!said.empty())
    log::error("jobs, " + what + ": " + said);
  else
    log::info("jobs, " + what + ": well again");
  before = said;
}

bool Jobs::in_doubt() const {
  const MutexLock lock(mutex_);
  return Steady::now() - last_beat_ > timing_.doubt;
}

void Jobs::conduct() {
  auto next_beat = Steady::now() + timing_.beat;
  const bool serves = quick_.threads > 0;
  while (true) {
    if (Steady::now() >= next_beat) {
      guard("beat", beat());
      next_beat = Steady::now() + timing_.beat;
    }
    bool stopping = false;
    {
      const MutexLock lock(mutex_);
      if (ended_) break;
      stopping = stopping_;
    }
    guard("settle", settle());
    if (!in_doubt()) {
      guard("progress", tell_progress());
      if (serves && !stopping) {
        guard("plan", plan_due());
        guard("look", hasten());
        guard("take", claim(quick_));
        guard("take", claim(slow_));
        if (Steady::now() - buried_ > timing_.beat) guard("others", bury());
      }
    }
    MutexLock lock(mutex_);
    wake_.wait_for(mutex_, timing_.pace, [this]() REQUIRES(mutex_) { return woken_ || ended_; });
    woken_ = false;
    if (ended_) break;
  }
  // What is still held goes back; another server, or the next start, goes on with it.
  guard("settle", settle());
  const auto give_back = [&]() -> Status {
    auto transaction = MAMORI_TRY(database_.begin());
    MAMORI_TRY(
        put_back(*transaction, holder_, MAMORI_TRY(held_by(*transaction, holder_)), database_.clock().now()));
    MAMORI_TRY(transaction->execute("DELETE FROM job_server WHERE holder = ?", {holder_}));
    return transaction.commit();
  };
  guard("end", give_back());
}

void Jobs::watch() {
  MutexLock lock(mutex_);
  while (!ended_) {
    wake_.wait_for(mutex_, timing_.pace, [this]() REQUIRES(mutex_) { return ended_; });
    if (Steady::now() - last_beat_ <= timing_.doubt) continue;
    for (const auto& [id, held] : held_) held->end(Why::lost);
  }
}

// Also finds what is written down as held by us and is not: a claim whose answer was lost on the way.
Status Jobs::beat() {
  const auto began = Steady::now();
  auto transaction = MAMORI_TRY(database_.begin());
  const auto there =
      MAMORI_TRY(transaction->execute("UPDATE job_server SET beat = beat + 1 WHERE holder = ?", {holder_}));
  if (there == 0) {  // the others took us for dead, and have what we held
    MAMORI_TRY(transaction->execute("INSERT INTO job_server VALUES (?,?,?,0)",
                                    {holder_, options_.home, options_.machine}));
    log::error("jobs: this server was not heard for too long; others have its work");
  }
  auto lost = MAMORI_TRY(held_by(*transaction, holder_));
  {
    const MutexLock lock(mutex_);
    std::erase_if(lost, [&](const std::string& id) REQUIRES(mutex_) { return held_.contains(id); });
  }
  MAMORI_TRY(put_back(*transaction, holder_, lost, database_.clock().now()));
  MAMORI_TRY(transaction.commit());
  const MutexLock lock(mutex_);
  last_beat_ = began;
  if (there == 0)
    for (const auto& [id, held] : held_) held->end(Why::lost);
  return {};
}

Status Jobs::bury() {
  buried_ = Steady::now();
  std::map<std::string, std::int64_t> dead;  // with the last beat that was heard
  std::map<std::string, Heard> heard;
  {
    auto lease = MAMORI_TRY(database_.read());
    MAMORI_TRY(lease->each("SELECT holder, beat FROM job_server", {}, [&](store::Row& row) {
      auto holder = store::as_text(row[0]);
      if (holder == holder_) return;
      const auto beat = store::as_integer(row[1]);
      const auto before = heard_.find(holder);
      const bool silent = before != heard_.end() && before->second.beat == beat;
      const auto at = silent ? before->second.at : buried_;
      if (buried_ - at > timing_.dead) dead.emplace(holder, beat);
      heard.emplace(std::move(holder), Heard{beat, at});
    }));
  }
  heard_ = std::move(heard);
  for (const auto& [holder, beat] : dead) {
    auto transaction = MAMORI_TRY(database_.begin());
    const auto gone = MAMORI_TRY(
        transaction->execute("DELETE FROM job_server WHERE holder = ? AND beat = ?", {holder, beat}));
    if (gone == 0) continue;  // it has beaten meanwhile, or another was faster
    MAMORI_TRY(
        put_back(*transaction, holder, MAMORI_TRY(held_by(*transaction, holder)), database_.clock().now()));
    MAMORI_TRY(transaction.commit());
    log::warning("jobs: a server is not heard any more; its work is taken over");
  }
  return {};
}

Status Jobs::tell_progress() {
  std::vector<store::Row> rows;
  bool any = false;
  {
    const MutexLock lock(mutex_);
    for (const auto& [id, held] : held_) {
      if (held->ended) continue;
      any = true;
      const auto done = held->done.load(), whole = held->whole.load();
      if (done == std::exchange(held->told_done, done) && whole == std::exchange(held->told_whole, whole))
        continue;
      rows.push_back({done, whole, id, holder_});
    }
  }
  if (!any) return {};
  std::vector<std::string> asked;
  {
    auto lease = MAMORI_TRY(database_.read());
    MAMORI_TRY(lease->each("SELECT id FROM job WHERE holder = ? AND stopping = ?", {holder_, true},
                           [&](store::Row& row) { asked.push_back(store::as_text(row[0])); }));
  }
  {
    const MutexLock lock(mutex_);
    for (const auto& id : asked)
      if (const auto found = held_.find(id); found != held_.end()) found->second->end(Why::asked);
  }
  if (rows.empty()) return {};
  auto transaction = MAMORI_TRY(database_.begin());
  MAMORI_TRY(
      transaction->execute_many("UPDATE job SET done = ?, whole = ? WHERE id = ? AND holder = ?", rows));
  return transaction.commit();
}

Status Jobs::plan_due() {
  for (const auto& [name, kind] : kinds_) {
    {
      const MutexLock lock(mutex_);
      const auto planned = planned_.find(name);
      if (planned != planned_.end() && Steady::now() - planned->second < timing_.plan) continue;
      planned_[name] = Steady::now();
    }
    const auto tasks = kind.tasks();
    const auto done =
        tasks ? plan(database_, name, kind.here ? options_.home : "", *tasks) : Result<bool>(tasks.error());
    guard("plan " + name, done ? Status() : Status(done.error()));
  }
  return {};
}

Status Jobs::hasten() {
  for (const auto& [name, kind] : kinds_) {
    if (!kind.hastens) continue;
    auto& named = hastened_[name];  // also what could not be written the last time
    const auto fresh = kind.hastens();
    guard("look " + name, fresh ? Status() : Status(fresh.error()));
    if (fresh) named.insert(fresh->begin(), fresh->end());
    if (named.empty()) continue;
    const auto now = to_millis(database_.clock().now());
    std::vector<store::Row> rows;
    for (const auto& [facility, subject] : named)
      rows.push_back({now, name, kind.here ? options_.home : "", facility, subject, now});
    auto transaction = MAMORI_TRY(database_.begin());
    MAMORI_TRY(
        transaction->execute_many("UPDATE job SET due_at = ? WHERE kind = ? AND home = ? AND facility = ? "
                                  "AND subject = ? AND (due_at IS NULL OR due_at > ?)",
                                  rows));
    MAMORI_TRY(transaction.commit());
    named.clear();
  }
  return {};
}

Status Jobs::claim(Hands& hands) {
  constexpr std::size_t kAhead =
      8;  // for each thread: what is quick must not wait for a look at the table each
  std::size_t wanted = 0;
  {
    const MutexLock lock(mutex_);
    const auto room = hands.threads * (&hands == &quick_ ? kAhead : 1);
    const auto has = hands.queue.size() + hands.busy;
    wanted = room > has ? room - has : 0;
  }
  auto jobs = MAMORI_TRY(claim_due(database_, hands.kinds, options_.home, holder_, wanted));
  std::vector<std::string> twice;  // the others gave it back while a thread of ours has not ended with it
  {
    const MutexLock lock(mutex_);
    for (const auto& job : jobs)
      if (held_.contains(job.id)) twice.push_back(job.id);
  }
  if (!twice.empty()) {
    auto transaction = MAMORI_TRY(database_.begin());
    MAMORI_TRY(put_back(*transaction, holder_, twice, database_.clock().now()));
    MAMORI_TRY(transaction.commit());
    std::erase_if(
        jobs, [&](const Job& job) { return std::find(twice.begin(), twice.end(), job.id) != twice.end(); });
  }
  const MutexLock lock(mutex_);
  for (auto& job : jobs) {
    const auto* kind = find(job.kind);
    auto held = std::make_shared<Held>(std::move(job), kind);
    if (stopping_) held->end(Why::shutdown);
    held_.emplace(held->job.id, held);
    hands.queue.push_back(std::move(held));
  }
  work_.notify_all();
  return {};
}

Status Jobs::settle() {
  std::vector<std::shared_ptr<Held>> ended;
  {
    const MutexLock lock(mutex_);
    for (const auto& [id, held] : held_)
      if (held->ended) ended.push_back(held);
  }
  for (const auto& held : ended) {
    if (!MAMORI_TRY(release(database_, held->job)))
      log::warning("jobs: " + held->job.kind + " ended when another had it");
    const MutexLock lock(mutex_);
    held_.erase(held->job.id);
  }
  return {};
}

// --- the hands

void Jobs::work(Hands& hands) {
  MutexLock lock(mutex_);
  while (true) {
    work_.wait(mutex_, [&]() REQUIRES(mutex_) { return stopping_ || !hands.queue.empty(); });
    if (stopping_) return;  // what is queued goes back
    const auto held = std::move(hands.queue.front());
    hands.queue.pop_front();
    ++hands.busy;
    lock.unlock();
    // Its row tells how it ended.
    (void)work_on(held).has_value();
    lock.lock();
    --hands.busy;
    if (hands.queue.empty()) {
      woken_ = true;
      wake_.notify_all();
    }
  }
}

Status Jobs::work_on(const std::shared_ptr<Held>& held) {
  Turn turn(database_, *held);
  const auto attempt = [&]() -> Result<Done> {
    try {
      return held->kind->work(turn);
    } catch (const std::exception& broken) {
      return Error{ErrorKind::internal, "jobs.threw", {{"reason", broken.what()}}};
    }
  };
  auto outcome = attempt();
  const auto status = outcome ? Status() : Status(outcome.error());
  finish(*held, std::move(outcome));
  return status;
}

Status Jobs::do_due(const std::string& home) {
  options_.home = home;
  MAMORI_TRY(begin_beating());
  std::vector<std::string> names;
  for (const auto& [name, kind] : kinds_) {
    names.push_back(name);
    MAMORI_TRY(plan(database_, name, kind.here ? home : "", MAMORI_TRY(kind.tasks())));
  }
  MAMORI_TRY(hasten());
  Status first;
  while (true) {
    auto jobs = MAMORI_TRY(claim_due(database_, names, home, holder_, 1));
    if (jobs.empty()) return first;
    const auto* kind = find(jobs[0].kind);
    auto held = std::make_shared<Held>(std::move(jobs[0]), kind);
    {
      const MutexLock lock(mutex_);
      held_.emplace(held->job.id, held);
    }
    const auto label = held->job.kind + " " + held->job.task.label;
    auto done = work_on(held);
    if (done) continue;
    done.error().problems.push_back({label, done.error().code, done.error().facts});
    if (first) first = std::move(done);
  }
}

void Jobs::finish(Held& held, Result<Done> outcome) {
  auto& job = held.job;
  const auto now = database_.clock().now();
  const auto started = *job.started;
  const bool by_itself = job.task.every.count() > 0;
  job.due = by_itself ? std::optional(std::max(started + job.task.every, now)) : std::nullopt;
  Past past{started, now, job.asked_by, options_.machine, "", {}, {}, ""};
  const bool put_back = !outcome && (held.why() == Why::shutdown || held.why() == Why::lost);
  if (put_back) {
    if (!held.by_hand)
      job.due = now;  // and still asked for by whoever asked
    else if (by_itself)
      job.due = now, job.asked_by.clear();
    else
      job.due.reset(), job.asked_by.clear();
  } else {
    if (outcome) {
      job.failures = 0;
      job.failing_since.reset();
      job.last_success = now;
      past.result = std::move(outcome->result);
      past.note = std::move(outcome->note);
    } else if (held.why() == Why::asked) {
      past.error = "jobs.ended";
    } else {
      past.error = outcome.error().code;
      past.facts = outcome.error().facts;
      ++job.failures;
      if (!job.failing_since) job.failing_since = started;
      if (held.kind && by_itself) job.due = now + later(*held.kind, job);
      log::error(fmt::format("{} {}: {}", job.kind, job.task.label, describe(outcome.error())));
    }
    job.asked_by.clear();
    job.history.insert(job.history.begin(), std::move(past));
    if (job.history.size() > kHistory) job.history.resize(kHistory);
  }
  const auto released = release(database_, job);
  if (!released) {
    held.ended = true;  // the conductor goes on trying
    return;
  }
  if (!*released) log::warning("jobs: " + job.kind + " ended when another had it");
  const MutexLock lock(mutex_);
  held_.erase(job.id);
}

// --- people

Result<std::vector<Job>> Jobs::list(const store::Scope& scope, bool installation) const {
  auto lease = MAMORI_TRY(database_.read());
  return read_jobs(*lease, scope, installation);
}

Result<Job> Jobs::ask(const store::Actor& actor, const store::Scope& scope, const std::string& id) {
  auto transaction = MAMORI_TRY(database_.begin());
  MAMORI_TRY(read_seen(*transaction, scope, id));
  const auto asked =
      MAMORI_TRY(transaction->execute("UPDATE job SET due_at = ?, asked_by = ? WHERE id = ? AND holder = ''",
                                      {to_millis(database_.clock().now()), actor.name, id}));
  auto job = MAMORI_TRY(read_job(*transaction, id));
  if (asked == 0) return Error{ErrorKind::conflict, "jobs.busy", {{"name", job.task.label}}};
  transaction.journal(actor, {job.task.facility, "job", job.kind, "asked", "", "", job.task.label});
  MAMORI_TRY(transaction.commit());
  const MutexLock lock(mutex_);
  woken_ = true;
  wake_.notify_all();
  return job;
}

Result<Job> Jobs::end(const store::Actor& actor, const store::Scope& scope, const std::string& id) {
  auto transaction = MAMORI_TRY(database_.begin());
  MAMORI_TRY(read_seen(*transaction, scope, id));
  MAMORI_TRY(transaction->execute("UPDATE job SET stopping = ? WHERE id = ? AND holder <> ''", {true, id}));
  auto job = MAMORI_TRY(read_job(*transaction, id));
  if (!job.runs()) return Error{ErrorKind::conflict, "jobs.idle", {{"name", job.task.label}}};
  transaction.journal(actor, {job.task.facility, "job", job.kind, "ended", "", "", job.task.label});
  MAMORI_TRY(transaction.commit());
  const MutexLock lock(mutex_);
  if (const auto found = held_.find(id); found != held_.end()) found->second->end(Why::asked);
  return job;
}

Result<json::object> Jobs::now(const store::Actor& actor, const std::string& kind, const Task& task,
                               const std::function<Result<Done>(Turn&)>& work) {
  MAMORI_TRY(begin_beating());
  const auto* known = find(kind);
  const auto home = known && known->here ? options_.home : std::string();
  std::shared_ptr<Held> held;
  {
    const auto now = database_.clock().now();
    auto transaction = MAMORI_TRY(database_.begin());
    MAMORI_TRY(insert_job(*transaction, kind, home, {task.facility, task.subject, task.label, {}, {}}, now));
    const auto row = MAMORI_TRY(find_job(*transaction, kind, home, task));
    if (!row) return Error{ErrorKind::internal, "jobs.missing"};
    held = std::make_shared<Held>(MAMORI_TRY(jobs::claim(*transaction, row->id, holder_, actor.name, now)),
                                  known);
    held->by_hand = true;
    {
      const MutexLock lock(mutex_);
      if (stopping_) return Error{ErrorKind::unavailable, "jobs.stopping"};
      held_.emplace(row->id, held);
    }
    if (auto kept = transaction.commit(); !kept) {
      const MutexLock lock(mutex_);
      held_.erase(row->id);
      return std::move(kept).take_error();
    }
  }
  Turn turn(database_, *held);
  auto outcome = work(turn);
  auto result = outcome ? Result<json::object>(outcome->result) : Result<json::object>(outcome.error());
  const auto why = held->why();
  finish(*held, std::move(outcome));
  if (result || why == Why::none) return result;
  return Error{
      ErrorKind::unavailable, why == Why::asked ? "jobs.ended" : "jobs.stopping", {{"name", task.label}}};
}

json::object to_json(const Job& job) {
  json::array history;
  for (const auto& past : job.history)
    history.push_back(json::object{{"started_at", iso_instant(past.started)},
                                   {"ended_at", iso_instant(past.ended)},
                                   {"by", past.by},
                                   {"server", past.server},
                                   {"result", past.result}});
  json::object out = {{"id", job.id},
                      {"kind", job.kind},
                      {"facility", job.task.facility},
                      {"subject", job.task.subject},
                      {"label", job.task.label},
                      {"every_seconds", job.task.every.count() / 1000},
                      {"runs", job.runs()},
                      {"stopping", job.stopping},
                      {"asked_by", job.asked_by},
                      {"done", job.done},
                      {"whole", job.whole},
                      {"failures", job.failures},
                      {"history", std::move(history)}};
  const auto put = [&](std::string_view name, const std::optional<Instant>& at) {
    out[name] = at ? json::value(iso_instant(*at)) : json::value(nullptr);
  };
  put("due_at", job.due);
  put("started_at", job.started);
  put("last_success_at", job.last_success);
  put("failing_since", job.failing_since);
  return out;
}

}  // namespace mamori::jobs
