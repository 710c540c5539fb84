#include "readers/sources.h"

#include <fmt/format.h>

#include "base/text.h"
#include "ledger/matching.h"
#include "ledger/observed.h"
#include "os/file.h"

namespace mamori::readers {
namespace {

constexpr store::Migration kSchema[] = {
    {"collect.1",
     "CREATE TABLE source (id {text} PRIMARY KEY, facility {text} NOT NULL, name {text} NOT NULL, kind "
     "{text} NOT NULL, settings {text} NOT NULL, secret {text}, every_minutes BIGINT NOT NULL, enabled "
     "BOOLEAN NOT NULL, last_run_at BIGINT, last_success_at BIGINT, failing_since BIGINT, last_error {text} "
     "NOT NULL, last_facts {text} NOT NULL, UNIQUE (facility, name));"
     "CREATE TABLE source_run (id {text} PRIMARY KEY, source {text} NOT NULL REFERENCES source (id), "
     "started_at BIGINT NOT NULL, finished_at BIGINT NOT NULL, run_by {text} NOT NULL, error {text} NOT "
     "NULL, error_facts {text} NOT NULL, counts {text} NOT NULL, evidence {text} NOT NULL);"
     "CREATE INDEX source_run_source ON source_run (source, started_at);"},
    {"readers.2", "ALTER TABLE source ADD COLUMN retired_at BIGINT;"},
    {"readers.3",
     "ALTER TABLE source_run ADD COLUMN origin {text} NOT NULL DEFAULT '';"
     "ALTER TABLE source_run ADD COLUMN partial BOOLEAN NOT NULL DEFAULT FALSE;"},
};

constexpr std::string_view kColumns =
    "id, facility, name, kind, settings, secret, every_minutes, enabled, last_run_at, last_success_at, "
    "failing_since, last_error, last_facts, (SELECT r.origin FROM source_run r WHERE r.source = source.id "
    "AND "
    "r.error = '' ORDER BY r.started_at DESC, r.id DESC LIMIT 1)";

Facts parse_facts(const std::string& text) {
  const auto object = parse_json_object(text.empty() ? "{}" : text);
  return object ? facts_of(*object) : Facts();
}

Source source_of(const store::Row& row) {
  Source source;
  source.id = store::as_text(row[0]);
  source.facility = store::as_text(row[1]);
  source.name = store::as_text(row[2]);
  source.kind = store::as_text(row[3]);
  if (auto settings = parse_json_object(store::as_text(row[4]))) source.settings = std::move(settings).take();
  source.has_secret = !store::is_null(row[5]);
  source.every_minutes = store::as_integer(row[6]);
  source.enabled = store::as_integer(row[7]) != 0;
  source.last_run_at = store::as_instant(row[8]);
  source.last_success_at = store::as_instant(row[9]);
  source.failing_since = store::as_instant(row[10]);
  source.last_error = store::as_text(row[11]);
  source.last_facts = parse_facts(store::as_text(row[12]));
  source.last_origin = store::is_null(row[13]) ? "" : store::as_text(row[13]);
  return source;
}

constexpr const char* kJob = "sources.read";

// A source that could not be read is a job that failed.
Result<jobs::Done> done_of(const Run& run) {
  if (!run.error.empty()) return Error{ErrorKind::unavailable, run.error, run.error_facts};
  return jobs::Done{.result = run.counts};
}

Error no_source() { return {ErrorKind::not_found, "collect.source.missing"}; }

Error name_taken(const std::string& name) {
  Error taken{ErrorKind::conflict, "collect.source.invalid"};
  taken.problems.push_back({"name", "collect.source.taken", {{"name", name}}});
  return taken;
}

ledger::Observer observer_of(const Source& source) { return {source.id, source.name}; }

json::object run_summary(const Run& run) {
  json::object out = {{"counts", run.counts}};
  if (!run.error.empty()) out["error"] = run.error;
  if (!run.evidence.empty()) out["evidence"] = run.evidence;
  if (!run.origin.empty()) out["origin"] = run.origin;
  if (run.partial) out["partial"] = true;
  return out;
}

// One that this version does not know comes from a later one.
Result<const Reader*> reader_of(const Source& source) {
  if (const auto* reader = find_reader(source.kind)) return reader;
  return Error{ErrorKind::conflict, "collect.source.reader", {{"name", source.name}, {"kind", source.kind}}};
}

Result<Source> read_source(store::Connection& connection, const store::Scope& scope, const std::string& id) {
  store::Row parameters = {id};
  const auto where = scope.where("facility", parameters);
  const auto rows = MAMORI_TRY(connection.query(
      fmt::format("SELECT {} FROM source WHERE id = ? AND retired_at IS NULL AND {}", kColumns, where),
      parameters));
  if (rows.rows.empty()) return no_source();
  return source_of(rows.rows[0]);
}

}  // namespace

// The settings as they are kept, or everything that is wrong with the source.
Result<json::object> Sources::check(const SourceWrite& write, const Source* before) const {
  Error bad{ErrorKind::invalid, "collect.source.invalid"};
  const auto complain = [&](std::string field, std::string code) {
    bad.problems.push_back({std::move(field), "collect.source." + code, {}});
  };
  if (trim(write.name).empty() || length(write.name) > 100) complain("name", "name");
  if (write.every_minutes < 0 || (write.every_minutes > 0 && write.every_minutes < 15) ||
      write.every_minutes > 525600)
    complain("every_minutes", "every");
  if (before && !write.kind.empty() && write.kind != before->kind) complain("kind", "kind-stays");
  const auto& called = before ? before->kind : write.kind;
  const auto kind =
      std::find_if(kinds_.begin(), kinds_.end(), [&](const Kind& one) { return one.name == called; });
  if (kind == kinds_.end()) {
    complain("kind", "kind");
    return bad;
  }
  auto kept = check_settings(*kind, write.settings);
  if (!kept && kept.error().code != "collect.source.invalid") return kept.error();
  const auto more = kept ? find_reader(called)->check(*kept) : std::move(kept.error().problems);
  bad.problems.insert(bad.problems.end(), more.begin(), more.end());
  if (kept && before && before->has_secret && !write.secret && !keeps_secret(*before, *kept))
    complain("secret", "secret-again");
  if (!bad.problems.empty()) return bad;
  return kept;
}

// A kept secret goes where it was meant to go, and nowhere else.
bool Sources::keeps_secret(const Source& before, const json::object& settings) const {
  const auto same = [&](const std::string& name) {
    const auto* old = before.settings.if_contains(name);
    const auto* now = settings.if_contains(name);
    return (old ? *old : json::value()) == (now ? *now : json::value());
  };
  for (const auto& kind : kinds_)
    if (kind.name == before.kind) return std::all_of(kind.secret_for.begin(), kind.secret_for.end(), same);
  return false;
}

Result<std::unique_ptr<Sources>> Sources::open(ledger::Ledger& ledger, const Sealer& sealer,
                                               const os::Blobs& blobs, jobs::Jobs& jobs,
                                               const std::filesystem::path& kinds,
                                               const std::filesystem::path& places) {
  MAMORI_TRY(ledger.database().migrate(kSchema));
  return std::unique_ptr<Sources>(
      new Sources(ledger, sealer, blobs, jobs, MAMORI_TRY(load_kinds(kinds)), places));
}

Result<Source> Sources::create(const store::Actor& actor, const std::string& facility,
                               const SourceWrite& write) {
  const auto settings = MAMORI_TRY(check(write, nullptr));
  const auto id = new_id(to_millis(ledger_.database().clock().now()));
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  const auto made = transaction->execute(
      "INSERT INTO source (id, facility, name, kind, settings, secret, every_minutes, enabled, last_error, "
      "last_facts) VALUES (?,?,?,?,?,?,?,?,'','{}')",
      {id, facility, std::string(trim(write.name)), write.kind, json::serialize(settings),
       write.secret && !write.secret->empty() ? store::Value(sealer_.seal(*write.secret)) : store::Value(),
       write.every_minutes, write.enabled});
  if (!made) return made.error().code == "store.duplicate" ? name_taken(write.name) : made.error();
  transaction.journal(
      actor,
      {facility, "source", id, "created", "",
       json::serialize(json::object{{"name", write.name}, {"kind", write.kind}, {"settings", settings}}),
       ""});
  // Before the commit: after it nothing may fail any more.
  auto source = MAMORI_TRY(read_source(*transaction, store::Scope::job(facility), id));
  MAMORI_TRY(transaction.commit());
  jobs_.changed(kJob);
  return source;
}

Result<Source> Sources::update(const store::Actor& actor, const store::Scope& scope, const std::string& id,
                               const SourceWrite& write) {
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  const auto before = MAMORI_TRY(read_source(*transaction, scope, id));
  const auto settings = MAMORI_TRY(check(write, &before));
  const std::string name(trim(write.name));
  const auto changed = transaction->execute(
      "UPDATE source SET name = ?, settings = ?, every_minutes = ?, enabled = ? WHERE id = ?",
      {name, json::serialize(settings), write.every_minutes, write.enabled, id});
  if (!changed) return changed.error().code == "store.duplicate" ? name_taken(name) : changed.error();
  if (name != before.name)
    MAMORI_TRY(ledger::rename_observer(ledger_, transaction, before.facility, {id, name}));
  if (write.secret)
    MAMORI_TRY(transaction->execute(
        "UPDATE source SET secret = ? WHERE id = ?",
        {write.secret->empty() ? store::Value() : store::Value(sealer_.seal(*write.secret)), id}));
  const auto as_noted = [](const std::string& called, json::object out) {
    out["name"] = called;
    return json::serialize(out);
  };
  transaction.journal(actor, {before.facility, "source", id, "updated",
                              as_noted(before.name, before.settings), as_noted(name, settings), ""});
  auto source = MAMORI_TRY(read_source(*transaction, scope, id));
  MAMORI_TRY(transaction.commit());
  jobs_.changed(kJob);
  return source;
}

Status Sources::retire(const store::Actor& actor, const store::Scope& scope, const std::string& id,
                       const std::string& reason) {
  if (trim(reason).empty() || length(reason) > 500) {
    Error bad{ErrorKind::invalid, "collect.source.invalid"};
    bad.problems.push_back({"reason", "collect.source.reason", {}});
    return bad;
  }
  const auto now = ledger_.database().clock().now();
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  const auto source = MAMORI_TRY(read_source(*transaction, scope, id));
  // Its name is free for another; its runs and what they read stay as they were.
  MAMORI_TRY(transaction->execute(
      "UPDATE source SET retired_at = ?, secret = NULL, failing_since = NULL, name = ? WHERE id = ?",
      {to_millis(now), fmt::format("{} ({})", source.name, iso_instant(now)), id}));
  MAMORI_TRY(ledger::end_observer(ledger_, transaction, source.facility, id, now));
  transaction.journal(
      actor, {source.facility, "source", id, "retired",
              json::serialize(json::object{{"name", source.name}, {"kind", source.kind}}), "", reason});
  MAMORI_TRY(transaction.commit());
  jobs_.changed(kJob);
  return {};
}

Result<Source> Sources::get(const store::Scope& scope, const std::string& id) const {
  auto lease = MAMORI_TRY(ledger_.database().read());
  return read_source(*lease, scope, id);
}

Result<std::vector<Source>> Sources::list(const store::Scope& scope) const {
  store::Row parameters;
  const auto sql = fmt::format("SELECT {} FROM source WHERE retired_at IS NULL AND {} ORDER BY name",
                               kColumns, scope.where("facility", parameters));
  auto lease = MAMORI_TRY(ledger_.database().read());
  std::vector<Source> out;
  MAMORI_TRY(lease->each(sql, parameters, [&](store::Row& row) { out.push_back(source_of(row)); }));
  return out;
}

Result<std::vector<Run>> Sources::runs(const store::Scope& scope, const std::string& id,
                                       std::size_t limit) const {
  MAMORI_TRY(get(scope, id));
  auto lease = MAMORI_TRY(ledger_.database().read());
  std::vector<Run> out;
  MAMORI_TRY(
      lease->each("SELECT id, started_at, finished_at, run_by, error, error_facts, counts, evidence, "
                  "origin, partial FROM source_run WHERE source = ? ORDER BY started_at DESC LIMIT ?",
                  {id, static_cast<std::int64_t>(limit)}, [&](store::Row& row) {
                    Run run{store::as_text(row[0]),
                            from_millis(store::as_integer(row[1])),
                            from_millis(store::as_integer(row[2])),
                            store::as_text(row[3]),
                            store::as_text(row[4]),
                            parse_facts(store::as_text(row[5])),
                            {},
                            store::as_text(row[7]),
                            store::as_text(row[8]),
                            store::as_integer(row[9]) != 0};
                    if (auto counts = parse_json_object(store::as_text(row[6])))
                      run.counts = std::move(counts).take();
                    out.push_back(std::move(run));
                  }));
  return out;
}

Result<Order> Sources::order_of(const Source& source, std::stop_token stop) const {
  Secret secret;
  if (source.has_secret) {
    auto lease = MAMORI_TRY(ledger_.database().read());
    const auto rows = MAMORI_TRY(lease->query("SELECT secret FROM source WHERE id = ?", {source.id}));
    secret = MAMORI_TRY(sealer_.open(store::as_text(rows.rows.at(0)[0])));
  }
  return Order{source.facility,    source.name,     source.settings, std::move(secret),
               ledger_.database(), std::move(stop), places_};
}

Result<Run> Sources::record(const store::Actor& actor, const Source& source, const Result<Reading>& outcome,
                            Instant at) {
  return write(actor, source, outcome, at, nullptr);
}

Result<Run> Sources::write(const store::Actor& actor, const Source& source, const Result<Reading>& outcome,
                           Instant at, jobs::Turn* turn) {
  Run run;
  run.id = new_id(to_millis(at));
  run.started_at = at;
  run.finished_at = std::max(at, ledger_.database().clock().now());
  run.by = actor.name;
  if (outcome && !outcome->raw.empty()) run.evidence = MAMORI_TRY(blobs_.put(outcome->raw));
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  if (turn)
    MAMORI_TRY(
        turn->keep_cursor(transaction, run.id));  // nothing of it is kept where another has the source by now
  if (outcome) {
    run.origin = name_of(outcome->origin);
    run.partial = outcome->partial;
    auto reading = *outcome;
    for (auto& set : reading.sets) {
      const auto* reg = MAMORI_TRY(ledger_.find_register(set.reg));
      if (reg->find("origin"))
        for (auto& fact : set.facts) fact["origin"] = run.origin;
      MAMORI_TRY(ledger::match_facts(*transaction, *reg, source.facility, set.facts));
      const auto counts = MAMORI_TRY(ledger::write_observed(ledger_, transaction, *reg, source.facility,
                                                            observer_of(source), std::move(set.facts), at,
                                                            {reading.origin == Origin::file, run.partial}));
      run.counts[set.reg] =
          json::object{{"fresh", counts.fresh}, {"known", counts.known}, {"gone", counts.gone}};
    }
    if (const auto* reader = find_reader(source.kind))
      MAMORI_TRY(reader->settle(transaction, source.facility, source.id));
  } else {
    run.error = outcome.error().code;
    run.error_facts = outcome.error().facts;
  }
  MAMORI_TRY(transaction->execute("INSERT INTO source_run VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                                  {run.id, source.id, to_millis(run.started_at), to_millis(run.finished_at),
                                   run.by, run.error, json::serialize(facts_json(run.error_facts)),
                                   json::serialize(run.counts), run.evidence, run.origin, run.partial}));
  MAMORI_TRY(transaction->execute(
      "UPDATE source SET last_run_at = ?, last_error = ?, last_facts = ? WHERE id = ?",
      {to_millis(at), run.error, json::serialize(facts_json(run.error_facts)), source.id}));
  if (run.error.empty())
    MAMORI_TRY(
        transaction->execute("UPDATE source SET last_success_at = ?, failing_since = NULL WHERE id = ?",
                             {to_millis(at), source.id}));
  else
    MAMORI_TRY(
        transaction->execute("UPDATE source SET failing_since = COALESCE(failing_since, ?) WHERE id = ?",
                             {to_millis(at), source.id}));
  const auto* action = !run.error.empty() ? "read_failed" : run.origin == "file" ? "read_file" : "read";
  transaction.journal(actor, {source.facility, "source", source.id, action, "",
                              json::serialize(run_summary(run)), source.name});
  MAMORI_TRY(transaction.commit());
  return run;
}

Result<Run> Sources::read(const store::Actor& actor, const Source& source, jobs::Turn& turn) {
  const auto started = ledger_.database().clock().now();
  const auto ask = [&]() -> Result<Reading> {
    return MAMORI_TRY(reader_of(source))->read(MAMORI_TRY(order_of(source, turn.stop())));
  };
  const auto reading = ask();
  if (!reading && turn.stopped()) return reading.error();
  return write(actor, source, reading, started, &turn);
}

Result<Run> Sources::run(const store::Actor& actor, const store::Scope& scope, const std::string& id) {
  const auto source = MAMORI_TRY(get(scope, id));
  std::optional<Run> run;
  const auto done = jobs_.now(actor, kJob, {source.facility, source.id, source.name, {}, {}},
                              [&](jobs::Turn& turn) -> Result<jobs::Done> {
                                run = MAMORI_TRY(read(actor, source, turn));
                                return done_of(*run);
                              });
  if (run) return std::move(*run);
  return done.error();
}

void Sources::add_duties() {
  jobs::Kind kind;
  kind.name = kJob;
  kind.pool = jobs::Pool::slow;
  kind.again =
      std::chrono::hours(24 * 366);  // at its next turn: nothing is asked more often than somebody allowed
  kind.tasks = [this]() -> Result<std::vector<jobs::Task>> {
    std::vector<jobs::Task> out;
    auto lease = MAMORI_TRY(ledger_.database().read());
    MAMORI_TRY(lease->each(
        fmt::format("SELECT {} FROM source WHERE retired_at IS NULL", kColumns), {}, [&](store::Row& row) {
          auto source = source_of(row);
          const auto every = std::chrono::minutes(source.enabled ? source.every_minutes : 0);
          out.push_back({source.facility, source.id, source.name, every, source.last_run_at});
        }));
    return out;
  };
  kind.work = [this](jobs::Turn& turn) -> Result<jobs::Done> {
    const auto& task = turn.job().task;
    const auto source = MAMORI_TRY(get(store::Scope::job(task.facility), task.subject));
    const auto& by = turn.job().asked_by;
    return done_of(MAMORI_TRY(read({"", by.empty() ? "schedule" : by, "schedule"}, source, turn)));
  };
  jobs_.add(std::move(kind));
}

Result<Run> Sources::run_file(const store::Actor& actor, const store::Scope& scope, const std::string& id,
                              std::string_view bytes) {
  const auto source = MAMORI_TRY(get(scope, id));
  auto reading =
      MAMORI_TRY(MAMORI_TRY(reader_of(source))
                     ->parse(bytes, {source.facility,
                                     source.name,
                                     source.settings,
                                     {},
                                     ledger_.database(),
                                     {},
                                     {}}));  // a bad file is the sender's error, not a failure of the source
  reading.origin = Origin::file;
  return record(actor, source, std::move(reading), ledger_.database().clock().now());
}

json::object to_json(const Source& source) {
  json::object out = {{"id", source.id},
                      {"name", source.name},
                      {"kind", source.kind},
                      {"settings", source.settings},
                      {"has_secret", source.has_secret},
                      {"every_minutes", source.every_minutes},
                      {"enabled", source.enabled},
                      {"last_error", source.last_error},
                      {"last_facts", facts_json(source.last_facts)},
                      {"last_origin", source.last_origin}};
  const auto put = [&](std::string_view name, const std::optional<Instant>& at) {
    out[name] = at ? json::value(iso_instant(*at)) : json::value(nullptr);
  };
  put("last_run_at", source.last_run_at);
  put("last_success_at", source.last_success_at);
  put("failing_since", source.failing_since);
  return out;
}

json::object to_json(const Run& run) {
  return {{"id", run.id},
          {"started_at", iso_instant(run.started_at)},
          {"finished_at", iso_instant(run.finished_at)},
          {"by", run.by},
          {"error", run.error},
          {"error_facts", facts_json(run.error_facts)},
          {"counts", run.counts},
          {"evidence", run.evidence},
          {"origin", run.origin},
          {"partial", run.partial}};
}

}  // namespace mamori::readers
