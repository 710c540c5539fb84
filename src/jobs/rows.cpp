#include "jobs/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/crypto.h"

namespace mamori::jobs {
namespace {

constexpr store::Migration kSchema[] = {
    {"jobs.1",
     "CREATE TABLE job (id {text} PRIMARY KEY, kind {text} NOT NULL, home {text} NOT NULL, facility {text} "
     "NOT NULL, subject {text} NOT NULL, label {text} NOT NULL, every BIGINT NOT NULL, due_at BIGINT, holder "
     "{text} NOT NULL, started_at BIGINT, asked_by {text} NOT NULL, stopping BOOLEAN NOT NULL, done BIGINT "
     "NOT NULL, whole BIGINT NOT NULL, failures BIGINT NOT NULL, last_success_at BIGINT, failing_since "
     "BIGINT, cursor_text {text} NOT NULL, history {text} NOT NULL, UNIQUE (kind, home, facility, subject));"
     "CREATE INDEX job_due ON job (due_at);"
     "CREATE INDEX job_holder ON job (holder);"
     "CREATE TABLE job_server (holder {text} PRIMARY KEY, home {text} NOT NULL, machine {text} NOT NULL, "
     "beat BIGINT NOT NULL);"},
};

constexpr std::string_view kColumns =
    "id, kind, home, facility, subject, label, every, due_at, holder, started_at, asked_by, stopping, done, "
    "whole,"
    " failures, last_success_at, failing_since, cursor_text, history";

json::object json_of(const Past& past) {
  return {{"started_at", to_millis(past.started)},
          {"ended_at", to_millis(past.ended)},
          {"by", past.by},
          {"server", past.server},
          {"error", past.error},
          {"facts", facts_json(past.facts)},
          {"result", past.result},
          {"note", past.note}};
}

std::string history_text(const std::vector<Past>& history) {
  json::array out;
  for (const auto& past : history) out.push_back(json_of(past));
  return json::serialize(out);
}

std::vector<Past> history_of(const std::string& text) {
  std::vector<Past> out;
  const auto parsed = parse_json(text);
  if (!parsed || !parsed->is_array()) return out;
  for (const auto& value : parsed->get_array()) {
    if (!value.is_object()) continue;
    const auto& one = value.get_object();
    Past past{from_millis(integer_of(one, "started_at")),
              from_millis(integer_of(one, "ended_at")),
              text_of(one, "by"),
              text_of(one, "server"),
              text_of(one, "error"),
              {},
              {},
              text_of(one, "note")};
    if (const auto* facts = one.if_contains("facts"); facts && facts->is_object())
      past.facts = facts_of(facts->get_object());
    if (const auto* result = one.if_contains("result"); result && result->is_object())
      past.result = result->get_object();
    out.push_back(std::move(past));
  }
  return out;
}

Job job_of(const store::Row& row) {
  const auto text = [&](std::size_t i) { return store::as_text(row[i]); };
  Job job;
  job.id = text(0);
  job.kind = text(1);
  job.home = text(2);
  job.task = {text(3), text(4), text(5), Duration(store::as_integer(row[6])), {}};
  job.due = store::as_instant(row[7]);
  job.holder = text(8);
  job.started = store::as_instant(row[9]);
  job.asked_by = text(10);
  job.stopping = store::as_integer(row[11]) != 0;
  job.done = store::as_integer(row[12]);
  job.whole = store::as_integer(row[13]);
  job.failures = store::as_integer(row[14]);
  job.last_success = store::as_instant(row[15]);
  job.failing_since = store::as_instant(row[16]);
  job.cursor = text(17);
  job.history = history_of(text(18));
  return job;
}

Result<std::vector<Job>> select(store::Connection& connection, const std::string& rest,
                                const store::Row& parameters) {
  std::vector<Job> out;
  MAMORI_TRY(connection.each(fmt::format("SELECT {} FROM job {}", kColumns, rest), parameters,
                             [&](store::Row& row) { out.push_back(job_of(row)); }));
  return out;
}

std::string marks(std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += i == 0 ? "?" : ",?";
  return out;
}

// A job as a look at the table shows it, without all that it carries.
struct Seen {
  std::string id;
  std::optional<Instant> due;
  std::string asked_by;
};

// Only where its turn is still the one that was seen: between the look and this it may have been done. What
// makes it due while it is done stands in its row, where it has none till then.
Result<std::optional<Job>> take(store::Connection& connection, const Seen& seen, const std::string& holder,
                                const std::string& by, Instant now) {
  store::Row parameters = {holder, to_millis(now), by, false, seen.id};
  if (seen.due) parameters.emplace_back(to_millis(*seen.due));
  const auto taken = MAMORI_TRY(connection.execute(
      fmt::format("UPDATE job SET holder = ?, started_at = ?, asked_by = ?, stopping = ?, due_at = NULL, "
                  "done = 0, whole = 0 WHERE id = ? AND holder = '' AND due_at {}",
                  seen.due ? "= ?" : "IS NULL"),
      parameters));
  if (taken == 0) return std::optional<Job>();
  return std::optional(MAMORI_TRY(read_job(connection, seen.id)));
}

}  // namespace

Status migrate_jobs(store::Database& database) { return database.migrate(kSchema); }

Result<bool> may_see(store::Connection& connection, const store::Scope& scope, const Job& job) {
  const auto& facility = job.task.facility;
  return facility.empty() ? Result<bool>(true) : scope.covers(connection, facility);
}

Result<std::vector<Job>> read_jobs(store::Connection& connection, const store::Scope& scope,
                                   bool installation) {
  store::Row parameters = {installation};
  const auto where = scope.where("facility", parameters);
  return select(
      connection,
      fmt::format("WHERE (facility = '' AND ?) OR (facility <> '' AND {}) ORDER BY kind, label, subject",
                  where),
      parameters);
}

Result<Job> read_job(store::Connection& connection, const std::string& id) {
  auto found = MAMORI_TRY(select(connection, "WHERE id = ?", {id}));
  if (found.empty()) return Error{ErrorKind::not_found, "jobs.missing"};
  return std::move(found[0]);
}

Result<std::optional<Job>> find_job(store::Connection& connection, const std::string& kind,
                                    const std::string& home, const Task& task) {
  auto found = MAMORI_TRY(select(connection, "WHERE kind = ? AND home = ? AND facility = ? AND subject = ?",
                                 {kind, home, task.facility, task.subject}));
  return found.empty() ? std::nullopt : std::optional(std::move(found[0]));
}

Status insert_job(store::Connection& connection, const std::string& kind, const std::string& home,
                  const Task& task, Instant now) {
  std::optional<Instant> due;
  if (task.every.count() > 0) due = task.last && *task.last <= now ? *task.last + task.every : now;
  MAMORI_TRY(connection.execute(
      "INSERT INTO job VALUES (?,?,?,?,?,?,?,?,'',NULL,'',?,0,0,0,NULL,NULL,'','[]')"
      " ON CONFLICT (kind, home, facility, subject) DO NOTHING",
      {new_id(to_millis(now)), kind, home, task.facility, task.subject, task.label,
       static_cast<std::int64_t>(task.every.count()), store::instant_or_null(due), false}));
  return {};
}

Result<bool> plan(store::Database& database, const std::string& kind, const std::string& home,
                  const std::vector<Task>& tasks) {
  const auto now = database.clock().now();
  // Not what they carry: there are many, and mostly nothing is new.
  struct Planned {
    std::string id, label;
    Duration every{};
    std::optional<Instant> due;
    bool asked = false, held = false;
  };
  std::map<std::pair<std::string, std::string>, Planned> rows;
  {
    auto lease = MAMORI_TRY(database.read());
    MAMORI_TRY(
        lease->each("SELECT facility, subject, id, label, every, due_at, asked_by, holder FROM job WHERE "
                    "kind = ? AND home = ?",
                    {kind, home}, [&](store::Row& row) {
                      const auto text = [&](std::size_t i) { return store::as_text(row[i]); };
                      rows[{text(0), text(1)}] = {text(2),
                                                  text(3),
                                                  Duration(store::as_integer(row[4])),
                                                  store::as_instant(row[5]),
                                                  !text(6).empty(),
                                                  !text(7).empty()};
                    }));
  }
  std::vector<const Task*> fresh;
  std::vector<std::pair<const Task*, Planned>> changed;
  for (const auto& task : tasks) {
    const auto found = rows.find({task.facility, task.subject});
    if (found == rows.end()) {
      fresh.push_back(&task);
      continue;
    }
    const auto& row = found->second;
    // One far in the future was written by a clock that was wrong.
    const bool odd = row.due && *row.due > now + task.every && task.every == row.every;
    if (!row.held && (task.label != row.label || task.every != row.every || odd))
      changed.emplace_back(&task, row);
    rows.erase(found);
  }
  std::vector<store::Row> gone;
  for (const auto& [key, row] : rows)
    if (!row.held) gone.push_back({row.id});
  if (fresh.empty() && changed.empty() && gone.empty()) return false;
  auto transaction = MAMORI_TRY(database.begin());
  for (const auto* task : fresh) MAMORI_TRY(insert_job(*transaction, kind, home, *task, now));
  for (auto& [task, row] : changed) {
    if (task->every != row.every && !row.asked) {
      const auto job = MAMORI_TRY(read_job(*transaction, row.id));
      const auto last = job.history.empty() ? task->last : std::optional(job.history[0].started);
      row.due = task->every.count() == 0 ? std::nullopt : std::optional(last ? *last + task->every : now);
    }
    if (row.due && *row.due > now + task->every) row.due = now;
    MAMORI_TRY(
        transaction->execute("UPDATE job SET label = ?, every = ?, due_at = ? WHERE id = ? AND holder = ''",
                             {task->label, static_cast<std::int64_t>(task->every.count()),
                              store::instant_or_null(row.due), row.id}));
  }
  MAMORI_TRY(transaction->execute_many("DELETE FROM job WHERE id = ? AND holder = ''", gone));
  MAMORI_TRY(transaction.commit());
  return true;
}

Result<std::vector<Job>> claim_due(store::Database& database, const std::vector<std::string>& kinds,
                                   const std::string& home, const std::string& holder, std::size_t most) {
  std::vector<Job> out;
  if (kinds.empty() || most == 0) return out;
  const auto now = database.clock().now();
  store::Row parameters = {to_millis(now), home};
  for (const auto& kind : kinds) parameters.emplace_back(kind);
  parameters.emplace_back(static_cast<std::int64_t>(most));
  std::vector<Seen> due;
  {
    auto lease = MAMORI_TRY(database.read());
    const auto look = fmt::format(
        "SELECT id, due_at, asked_by FROM job WHERE due_at <= ? AND holder = '' AND home IN ('', ?)"
        " AND kind IN ({}) ORDER BY due_at LIMIT ?",
        marks(kinds.size()));
    MAMORI_TRY(lease->each(look, parameters, [&](store::Row& row) {
      due.push_back({store::as_text(row[0]), store::as_instant(row[1]), store::as_text(row[2])});
    }));
  }
  if (due.empty()) return out;
  auto transaction = MAMORI_TRY(database.begin());
  for (const auto& job : due)
    if (auto taken = MAMORI_TRY(take(*transaction, job, holder, job.asked_by, now)))
      out.push_back(std::move(*taken));
  MAMORI_TRY(transaction.commit());
  return out;
}

Result<Job> claim(store::Connection& connection, const std::string& id, const std::string& holder,
                  const std::string& by, Instant now) {
  const auto seen = MAMORI_TRY(read_job(connection, id));
  auto taken = seen.runs()
                   ? std::optional<Job>()
                   : MAMORI_TRY(take(connection, {seen.id, seen.due, seen.asked_by}, holder, by, now));
  if (!taken) return Error{ErrorKind::conflict, "jobs.busy", {{"name", seen.task.label}}};
  return std::move(*taken);
}

Result<bool> release(store::Database& database, const Job& job) {
  auto transaction = MAMORI_TRY(database.begin());
  const auto released = MAMORI_TRY(transaction->execute(
      "UPDATE job SET holder = '', started_at = NULL, asked_by = ?, stopping = ?, done = 0, whole = 0, "
      "due_at = COALESCE(due_at, ?), failures = ?, last_success_at = ?, failing_since = ?, cursor_text = ?, "
      "history = ? WHERE id = ? AND holder = ?",
      {job.asked_by, false, store::instant_or_null(job.due), job.failures,
       store::instant_or_null(job.last_success), store::instant_or_null(job.failing_since), job.cursor,
       history_text(job.history), job.id, job.holder}));
  MAMORI_TRY(transaction.commit());
  return released == 1;
}

Result<std::vector<std::string>> held_by(store::Connection& connection, const std::string& holder) {
  std::vector<std::string> out;
  MAMORI_TRY(connection.each("SELECT id FROM job WHERE holder = ?", {holder},
                             [&](store::Row& row) { out.push_back(store::as_text(row[0])); }));
  return out;
}

Status put_back(store::Connection& connection, const std::string& holder, const std::vector<std::string>& ids,
                Instant now) {
  std::vector<store::Row> rows;
  for (const auto& id : ids) rows.push_back({to_millis(now), false, id, holder});
  return connection.execute_many(
      "UPDATE job SET holder = '', started_at = NULL, due_at = ?, stopping = ? WHERE id = ? AND holder = ?",
      rows);
}

}  // namespace mamori::jobs
