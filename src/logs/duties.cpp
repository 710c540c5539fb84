#include "logs/duties.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "jobs/follower.h"

namespace mamori::logs {
namespace {

using jobs::Done;
using jobs::Kind;
using jobs::Task;
using jobs::Turn;
using namespace std::chrono_literals;

archive::StreamName stream_of(const Task& task) { return {task.facility, task.subject}; }

Result<Done> done_of(Status status) {
  if (!status) return std::move(status).take_error();
  return Done{};
}

// A kind with one task for the whole installation.
Kind of_installation(std::string name, Duration every, std::function<Status()> work) {
  Kind kind;
  kind.name = std::move(name);
  kind.again = 1min;
  kind.tasks = [every]() -> Result<std::vector<Task>> { return std::vector<Task>{{"", "", "", every, {}}}; };
  kind.work = [work = std::move(work)](Turn&) { return done_of(work()); };
  return kind;
}

// Those that this installation writes, each a task. One that does not open is tried, and says so.
Result<std::vector<Task>> streams(Logs& logs, Duration every) {
  std::vector<Task> out;
  if (logs.archive().read_only()) return out;
  for (const auto& name : MAMORI_TRY(logs.archive().names())) {
    const auto stream = logs.archive().stream(name);
    if (!stream || (*stream)->writes()) out.push_back({name.facility, name.name, name.name, every, {}});
  }
  return out;
}

Kind journal(jobs::Jobs& jobs, Logs& logs, store::Database& database) {
  Kind kind;
  kind.name = "logs.journal";
  kind.here = true;
  kind.at_start = true;  // what was written while no server ran
  kind.again = 1min;
  kind.tasks = [&logs, &database]() -> Result<std::vector<Task>> {
    std::vector<Task> out;
    if (logs.archive().read_only()) return out;
    auto lease = MAMORI_TRY(database.read());
    MAMORI_TRY(lease->each("SELECT id FROM r_facility", {}, [&](store::Row& row) {
      out.push_back({store::as_text(row[0]), "journal", "journal", 1h, {}});
    }));
    return out;
  };
  // A follower that keeps its mark in what it writes: the stream itself says how far the journal is in it,
  // also where database and archive were put back from copies of different days.
  kind.work = [&jobs, &logs](Turn& turn) -> Result<Done> {
    MAMORI_TRY(logs.journal().feed(turn.job().task.facility));
    if (turn.job().history.empty())  // the stream is new
      for (const auto* next : {"logs.heads", "logs.verify"}) jobs.changed(next);
    return Done{};
  };
  kind.hastens = [tail = std::make_shared<jobs::JournalTail>(
                      database)]() -> Result<std::vector<std::pair<std::string, std::string>>> {
    std::vector<std::pair<std::string, std::string>> out;
    for (auto& facility : MAMORI_TRY(tail->facilities())) out.emplace_back(std::move(facility), "journal");
    return out;
  };
  return kind;
}

Kind heads(Logs& logs) {
  Kind kind;
  kind.name = "logs.heads";
  kind.here = true;
  kind.at_start = true;  // perhaps there is a new place for them
  kind.tasks = [&logs] { return streams(logs, 1h); };
  kind.work = [&logs](Turn& turn) {
    return done_of(logs.keeping().publish_head(stream_of(turn.job().task)));
  };
  return kind;
}

Kind retention(Logs& logs) {
  Kind kind;
  kind.name = "logs.retention";
  kind.pool = jobs::Pool::slow;
  kind.here = true;
  kind.tasks = [&logs]() -> Result<std::vector<Task>> {
    std::vector<Task> out;
    if (logs.archive().read_only()) return out;
    for (const auto& [name, retention] : MAMORI_TRY(logs.keeping().retentions()))
      out.push_back({name.facility, name.name, name.name, 24h, {}});
    return out;
  };
  kind.work = [&logs](Turn& turn) -> Result<Done> {
    const auto name = stream_of(turn.job().task);
    if (!MAMORI_TRY(logs.keeping().clock_is_sure())) return Done{.note = "logs.retention.clock"};
    const auto wanted = MAMORI_TRY(logs.keeping().retentions(&name));
    const auto removed = wanted.empty() ? 0 : MAMORI_TRY(logs.keeping().retain(name, wanted.begin()->second));
    return Done{.result = {{"events", removed}}};
  };
  return kind;
}

Kind measuring(Logs& logs) {
  Kind kind;
  kind.name = "logs.measure";
  kind.again = 1min;
  kind.tasks = [&logs]() -> Result<std::vector<Task>> {
    std::set<std::string> facilities;
    // Reads them anew, for all of these tasks.
    for (const auto& source : MAMORI_TRY(logs.all_sources())) facilities.insert(source.facility);
    std::vector<Task> out;
    for (const auto& facility : facilities) out.push_back({facility, "", "", 1min, {}});
    return out;
  };
  kind.work = [&logs](Turn& turn) -> Result<Done> {
    const auto& facility = turn.job().task.facility;
    return done_of(logs.counting().measure(facility, logs.known_sources(facility)));
  };
  return kind;
}

Kind verification(Logs& logs) {
  Kind kind;
  kind.name = "logs.verify";
  kind.pool = jobs::Pool::slow;
  kind.here = true;
  kind.again = 1h;
  kind.tasks = [&logs]() -> Result<std::vector<Task>> {
    std::vector<Task> out;
    for (const auto& [name, last] : MAMORI_TRY(logs.keeping().verified()))
      out.push_back({name.facility, name.name, name.name, 24h * 7, last});
    return out;
  };
  kind.work = [&logs](Turn& turn) -> Result<Done> {
    const auto verified = logs.keeping().verify_if_there(
        stream_of(turn.job().task), [&](std::uint64_t done, std::uint64_t all) {
          turn.progress(static_cast<std::int64_t>(done), static_cast<std::int64_t>(all));
          return !turn.stopped();
        });
    if (!verified) return verified.error();
    return Done{.result = {{"events", verified->events}}};
  };
  return kind;
}

}  // namespace

void add_duties(jobs::Jobs& jobs, Logs& logs, store::Database& database) {
  auto& keeping = logs.keeping();
  // Before anything is received or signed: what is newest in the archive tells whether the clock was set
  // meanwhile.
  if (const auto looked = keeping.watch_clock(); !looked) log::error("logs: " + describe(looked.error()));
  auto room = of_installation("logs.room", 1min, [&keeping]() -> Status {
    MAMORI_TRY(keeping.watch_clock());
    MAMORI_TRY(keeping.make_room());
    return keeping.record_removals();
  });
  room.here = true;
  auto count = of_installation("logs.count", 1min, [&logs] { return logs.counting().keep(); });
  count.here = true;
  auto space = of_installation("logs.space", 1h, [&keeping] { return keeping.measure_space(); });
  space.here = true;
  for (auto* kind : {&room, &count, &space}) jobs.add(std::move(*kind));
  if (keeping.mails()) {
    auto mail = of_installation("logs.mail", 24h, [&keeping] { return keeping.mail_heads(); });
    mail.here = true;
    mail.again = 10min;
    jobs.add(std::move(mail));
  }
  jobs.add(journal(jobs, logs, database));
  jobs.add(heads(logs));
  jobs.add(retention(logs));
  jobs.add(measuring(logs));
  jobs.add(verification(logs));
}

}  // namespace mamori::logs
