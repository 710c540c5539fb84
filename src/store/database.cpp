#include "store/database.h"

#include "base/texts.h"

namespace mamori::store {
namespace {

constexpr std::size_t kIdleKept = 4;

constexpr Migration kJournalSchema[] = {
    {"store.1",
     "CREATE TABLE journal (sequence BIGINT PRIMARY KEY, at BIGINT NOT NULL, actor {text} NOT NULL, "
     "actor_name {text} NOT NULL, origin {text} NOT NULL, facility {text} NOT NULL, subject {text} NOT NULL, "
     "record {text} NOT NULL, action {text} NOT NULL, before_json {text} NOT NULL, after_json {text} NOT "
     "NULL, reason {text} NOT NULL, hash {text} NOT NULL);"
     "CREATE INDEX journal_record ON journal (record, sequence);"
     "CREATE TABLE journal_head (sequence BIGINT NOT NULL, hash {text} NOT NULL);"
     "INSERT INTO journal_head VALUES (0, '');"},
    {"store.2", "CREATE INDEX journal_facility ON journal (facility, sequence);"},
    {"store.3",
     "CREATE TABLE touched (facility {text} NOT NULL, what {text} NOT NULL, version BIGINT NOT NULL, at "
     "BIGINT "
     "NOT NULL, PRIMARY KEY (facility, what));"
     "CREATE INDEX touched_at ON touched (at);"},
    {"store.4",
     "CREATE TABLE facility_tree (node {text} NOT NULL, facility {text} NOT NULL, PRIMARY KEY (node, "
     "facility));"
     "CREATE INDEX facility_tree_facility ON facility_tree (facility);"},
};

}  // namespace

std::string_view text_type(Engine engine) { return engine == Engine::sqlite ? "TEXT" : "TEXT COLLATE \"C\""; }

Lease::Lease(Database& database, bool restricted, std::unique_ptr<Connection> connection)
    : database_(&database), restricted_(restricted), connection_(std::move(connection)) {}
Lease::Lease(Lease&&) noexcept = default;
Lease::~Lease() {
  if (!connection_ || !connection_->is_fit()) return;
  const MutexLock lock(database_->mutex_);
  auto& home = database_->home(restricted_);
  if (home.size() < kIdleKept) home.push_back(std::move(connection_));
}

Snapshot::~Snapshot() {
  if (lease_.holds()) lease_->rollback();
}

Transaction::Transaction(Database& database, std::unique_lock<Mutex> writer, Lease lease)
    : database_(&database), writer_(std::move(writer)), lease_(std::move(lease)) {}
Transaction::Transaction(Transaction&& other) noexcept
    : database_(other.database_),
      writer_(std::move(other.writer_)),
      lease_(std::move(other.lease_)),
      entries_(std::move(other.entries_)),
      touched_(std::move(other.touched_)),
      open_(std::exchange(other.open_, false)) {}
Transaction::~Transaction() {
  if (open_) lease_->rollback();
}

void Transaction::journal(const Actor& actor, Change change) {
  touch(change.facility, change.subject);
  JournalEntry entry;
  entry.actor = actor;
  entry.change = std::move(change);
  entries_.push_back(std::move(entry));
}

Status Transaction::write_journal() {
  if (entries_.empty()) return {};
  const bool server = lease_->engine() == Engine::postgresql;  // SQLite's write lock is already held
  const auto head = MAMORI_TRY(lease_->query(server ? "SELECT sequence, hash FROM journal_head FOR UPDATE"
                                                    : "SELECT sequence, hash FROM journal_head"));
  if (head.rows.size() != 1) return Error{ErrorKind::corrupt, "store.journal.broken", {{"sequence", "0"}}};
  auto sequence = as_integer(head.rows[0][0]);
  auto hash = as_text(head.rows[0][1]);
  const auto now = database_->clock().now();
  std::vector<Row> rows;
  rows.reserve(entries_.size());
  for (auto& entry : entries_) {
    entry.sequence = ++sequence;
    entry.at = now;
    hash = journal_hash(hash, entry);
    auto& change = entry.change;
    rows.push_back({sequence, to_millis(now), entry.actor.id, entry.actor.name, entry.actor.origin,
                    std::move(change.facility), std::move(change.subject), std::move(change.record),
                    std::move(change.action), std::move(change.before), std::move(change.after),
                    std::move(change.reason), hash});
  }
  entries_.clear();
  MAMORI_TRY(lease_->execute_many("INSERT INTO journal VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", rows));
  MAMORI_TRY(lease_->execute("UPDATE journal_head SET sequence = ?, hash = ?", {sequence, hash}));
  return {};
}

Status Transaction::write_touched() {
  if (touched_.empty()) return {};
  const auto now = to_millis(database_->clock().now());
  std::vector<Row> rows;
  rows.reserve(touched_.size());
  for (const auto& [facility, what] : touched_) rows.push_back({facility, what, now});
  touched_.clear();
  return lease_->execute_many(
      "INSERT INTO touched VALUES (?,?,1,?) ON CONFLICT (facility, what) DO UPDATE SET version = "
      "touched.version + 1, at = CASE WHEN excluded.at > touched.at THEN excluded.at ELSE touched.at END",
      rows);
}

Status Transaction::commit() {
  MAMORI_ASSERT(open_);
  MAMORI_TRY(write_journal());
  MAMORI_TRY(write_touched());
  MAMORI_TRY(lease_->commit());
  open_ = false;
  return {};
}

Result<std::unique_ptr<Database>> Database::open(const std::string& url, const Clock& clock, os::Disk& disk) {
  const auto engine = url.starts_with("postgresql://") || url.starts_with("postgres://") ? Engine::postgresql
                                                                                         : Engine::sqlite;
  if (engine == Engine::sqlite && !url.starts_with("sqlite:"))
    return Error{ErrorKind::invalid, "store.url", {}};
  std::unique_ptr<Database> database(new Database(url, engine, clock, disk));
  MAMORI_TRY(database->read());  // tells at once whether it can be reached
  if (engine == Engine::sqlite) MAMORI_TRY(database->make_durable());
  MAMORI_TRY(database->migrate(kJournalSchema));
  return database;
}

// A process that ended in its commit left a transaction in the log that is complete, and read as such, but
// perhaps not on the disk. Whoever tells others of it, as the archive is told of the journal, must not be
// ahead of what a power cut leaves.
Status Database::make_durable() {
  const auto lease = MAMORI_TRY(read());
  // Syncs the log, then the file. A full disk fails it only behind the first, and what is there must still be
  // readable.
  const auto done = lease->query("PRAGMA wal_checkpoint(PASSIVE)");
  if (done || done.error().code == "store.disk-full") return {};
  return done.error();
}

Result<std::unique_ptr<Connection>> Database::connect() const {
  return engine_ == Engine::sqlite ? open_sqlite(url_.substr(std::string_view("sqlite:").size()), disk_)
                                   : open_postgresql(url_);
}

Result<Lease> Database::lend(bool restricted) {
  while (true) {
    std::unique_ptr<Connection> connection;
    {
      const MutexLock lock(mutex_);
      auto& idle = home(restricted);
      if (idle.empty()) break;
      connection = std::move(idle.back());
      idle.pop_back();
    }
    // The server may have been restarted while it lay idle: then it is closed, and a new one made.
    if (connection->is_fit()) return Lease(*this, restricted, std::move(connection));
  }
  auto connection = MAMORI_TRY(connect());
  if (restricted) MAMORI_TRY(connection->restrict_to_reading(kQuestionLimit));
  return Lease(*this, restricted, std::move(connection));
}

Result<Lease> Database::read() { return lend(false); }
Result<Lease> Database::question() { return lend(true); }

Result<Transaction> Database::begin() {
  std::unique_lock<Mutex> writer;
  if (engine_ == Engine::sqlite) writer = std::unique_lock(writer_);
  auto lease = MAMORI_TRY(lend(false));
  MAMORI_TRY(lease->begin());
  return Transaction(*this, std::move(writer), std::move(lease));
}

Result<Snapshot> Database::snapshot() {
  auto lease = MAMORI_TRY(lend(false));
  MAMORI_TRY(lease->execute(engine_ == Engine::sqlite ? "BEGIN"
                                                      : "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"));
  return Snapshot(std::move(lease));
}

Status Database::migrate(std::span<const Migration> migrations) {
  const Facts types = {{"text", std::string(text_type(engine_))}};
  auto transaction = MAMORI_TRY(begin());
  if (engine_ == Engine::postgresql)
    MAMORI_TRY(
        transaction->script("SELECT pg_advisory_xact_lock(8270641)"));  // several servers may start at once
  MAMORI_TRY(transaction->script(fill(
      "CREATE TABLE IF NOT EXISTS schema_migration (name {text} PRIMARY KEY, at BIGINT NOT NULL)", types)));
  for (const auto& migration : migrations) {
    const auto done = MAMORI_TRY(transaction->query("SELECT name FROM schema_migration WHERE name = ?",
                                                    {std::string(migration.name)}));
    if (!done.rows.empty()) continue;
    MAMORI_TRY(transaction->script(fill(migration.sql, types)));
    MAMORI_TRY(transaction->execute("INSERT INTO schema_migration VALUES (?, ?)",
                                    {std::string(migration.name), to_millis(clock_.now())}));
  }
  return transaction.commit();
}

}  // namespace mamori::store
