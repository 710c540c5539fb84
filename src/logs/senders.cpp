#include "logs/senders.h"

#include <algorithm>

#include "base/crypto.h"
#include "base/log.h"
#include "base/text.h"

namespace mamori::logs {
namespace {

using Steady = std::chrono::steady_clock;

constexpr store::Migration kSchema[] = {
    {"senders.1", "CREATE TABLE log_collecting (facility {text} PRIMARY KEY, source {text} NOT NULL);"},
};
constexpr std::chrono::milliseconds kFresh{500};  // how old what is known of the ledger may be
constexpr std::size_t kMostWaiting = 1000;
constexpr std::chrono::seconds kFullFor{2};  // then it is looked again whether there is room
const char* const kCollecting = "その他の未承認の送信元 (other unknown senders)";

const store::Actor kActor = {"", "log intake", "logs"};

Error refused() { return {ErrorKind::forbidden, "collect.log.refused"}; }

LogSource source_in(const store::Row& row) {
  LogSource source;
  source.id = store::as_text(row[0]);
  source.facility = store::as_text(row[1]);
  source.number = store::as_text(row[2]);
  source.name = store::as_text(row[3]);
  source.stream = store::is_null(row[4]) ? "events" : store::as_text(row[4]);
  source.state = store::as_text(row[5]);
  source.asset = store::as_text(row[6]);
  if (!store::is_null(row[7])) source.zone = std::chrono::minutes(store::as_integer(row[7]));
  if (!store::is_null(row[8])) source.silent_after_hours = static_cast<int>(store::as_integer(row[8]));
  const auto text = store::is_null(row[11]) ? std::string() : store::as_text(row[11]);
  if (trim(text).empty()) return source;
  auto mapping = formats::parse_mapping(text);
  if (mapping)
    source.mapping = std::make_shared<const formats::Mapping>(std::move(mapping).take());
  else
    source.mapping_problem = mapping.error().facts.front().second;
  return source;
}

}  // namespace

Status Senders::migrate(store::Database& database) { return database.migrate(kSchema); }

std::shared_ptr<const Senders::Table> Senders::table() const {
  const MutexLock lock(mutex_);
  return table_;
}

void Senders::changed() {
  const MutexLock lock(mutex_);
  sequence_ = -1;
}

// The oldest facility that somebody looks after; where nobody has a role anywhere, the oldest: kept all the
// same. Empty: there is none.
Result<std::string> Senders::default_facility(store::Connection& connection) const {
  const auto seen = looked_after_ ? MAMORI_TRY(looked_after_()) : std::set<std::string>();
  const auto rows = MAMORI_TRY(
      connection.query("SELECT id FROM r_facility WHERE retired_at IS NULL ORDER BY created_at, id"));
  for (const auto& row : rows.rows)
    if (seen.contains(store::as_text(row[0]))) return store::as_text(row[0]);
  return rows.rows.empty() ? std::string() : store::as_text(rows.rows[0][0]);
}

Status Senders::load() {
  const MutexLock one(loading_);
  const auto now = Steady::now();
  std::int64_t before = -1;
  {
    const MutexLock lock(mutex_);
    before = table_ ? sequence_ : -1;
    if (before >= 0 && now - loaded_ < kFresh) return {};
  }
  auto lease = MAMORI_TRY(ledger_.database().read());
  const auto head = MAMORI_TRY(lease->query("SELECT sequence FROM journal_head"));
  const auto sequence = head.rows.empty() ? 0 : store::as_integer(head.rows[0][0]);
  if (sequence == before) {
    const MutexLock lock(mutex_);
    loaded_ = now;
    return {};
  }
  auto made = std::make_shared<Table>();
  std::map<std::string, std::size_t> by_id;
  MAMORI_TRY(lease->each(
      "SELECT id, facility, number, name, stream, state, asset, utc_offset_minutes, silent_after_hours, "
      "address, certificate, mapping FROM r_log_source WHERE retired_at IS NULL ORDER BY id",
      {}, [&](store::Row& row) {
        const auto index = made->sources.size();
        auto source = source_in(row);
        by_id[source.id] = index;
        if (source.state == "unknown") ++made->unknown;
        made->sources.push_back(std::move(source));
        if (!store::is_null(row[9])) made->claim(made->by_address, store::as_text(row[9]), index);
        if (!store::is_null(row[10]))
          made->claim(made->by_certificate, to_lower_ascii(store::as_text(row[10])), index);
      }));
  MAMORI_TRY(lease->each("SELECT source, hash FROM log_token", {}, [&](store::Row& row) {
    if (const auto found = by_id.find(store::as_text(row[0])); found != by_id.end())
      made->by_token[store::as_text(row[1])] = found->second;
  }));
  made->facility = MAMORI_TRY(default_facility(*lease));
  MAMORI_TRY(lease->each("SELECT source FROM log_collecting WHERE facility = ?", {made->facility},
                         [&](store::Row& row) {
                           if (const auto found = by_id.find(store::as_text(row[0])); found != by_id.end())
                             made->collecting = found->second;
                         }));
  if (made->collecting) made->sources[*made->collecting].shared = true;
  const MutexLock lock(mutex_);
  table_ = std::move(made);
  // Where it was said meanwhile that something changed, the next look reads again.
  sequence_ = before >= 0 && sequence_ < 0 ? -1 : sequence;
  loaded_ = now;
  return {};
}

// Nobody takes another facility's sender away by entering it too: who had it first keeps it. What nobody has
// decided about yet keeps nothing. Within a facility the newest counts.
void Senders::Table::claim(std::map<std::string, std::size_t>& index, const std::string& key,
                           std::size_t newer) const {
  const auto [entry, fresh] = index.emplace(key, newer);
  if (fresh) return;
  const auto& has = sources[entry->second];
  const auto& wants = sources[newer];
  if (has.facility == wants.facility || has.state == "unknown") entry->second = newer;
}

const LogSource* Senders::Table::find(const Sender& sender) const {
  const auto in = [&](const std::map<std::string, std::size_t>& index, const std::string& key) {
    const auto entry = index.find(key);
    return entry == index.end() ? nullptr : &sources[entry->second];
  };
  if (!sender.token.empty())
    return in(by_token,
              sha256_hex(sender.token));  // by its hash: how long that takes says nothing about the token
  if (!sender.certificate.empty())
    if (const auto* found = in(by_certificate, sender.certificate)) return found;
  return in(by_address, sender.address);
}

Result<std::optional<LogSource>> Senders::find(const Sender& sender) {
  const auto now_known = table();
  if (now_known) {
    if (const auto* found = now_known->find(sender)) {
      if (found->state == "refused") return refused();
      return std::optional(*found);
    }
    if (!sender.token.empty()) return Error{ErrorKind::unauthenticated, "collect.log.token"};
  }
  if (sender.address.empty() && sender.token.empty()) return refused();
  const MutexLock lock(mutex_);
  if (sender.token.empty() && waiting_.size() < kMostWaiting) waiting_.insert(sender);
  if (!now_known || !now_known->collecting || !full_) return std::optional<LogSource>();
  const auto& collecting = now_known->sources[*now_known->collecting];
  if (collecting.state == "refused") return refused();
  return std::optional(collecting);
}

Result<LogSource> Senders::find_or_admit(const Sender& sender) {
  MAMORI_TRY(load());
  if (auto found = MAMORI_TRY(find(sender))) return *std::move(found);
  MAMORI_TRY(admit());
  if (auto found = MAMORI_TRY(find(sender))) return *std::move(found);
  return refused();
}

std::optional<LogSource> Senders::nameless(const std::string& address) const {
  const auto known = table();
  if (!known || known->facility.empty()) return std::nullopt;
  LogSource source;
  source.facility = known->facility;
  source.name = address;
  source.stream = "events";
  source.state = "unknown";
  source.shared = true;
  return source;
}

Result<std::vector<LogSource>> Senders::all() {
  changed();
  MAMORI_TRY(load());
  return known();
}

std::vector<LogSource> Senders::known() const {
  const auto now = table();
  return now ? now->sources : std::vector<LogSource>();
}

bool Senders::may_take_one() {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(Steady::now() - refilled_);
  at_once_ = std::min(kNewAtOnce, at_once_ + static_cast<std::size_t>(seconds.count()));
  refilled_ += seconds;
  return at_once_ != 0;
}

Status Senders::admit() {
  const MutexLock one(admitting_);
  MAMORI_TRY(load());
  std::set<Sender> waiting;
  {
    const MutexLock lock(mutex_);
    waiting = waiting_;
    if (full_ && Steady::now() - *full_ > kFullFor) full_.reset();
  }
  bool full = false;
  for (const auto& sender : waiting) {
    if (const auto done = admit(sender, full); !done) {
      // One that the ledger does not take must not keep the others out.
      if (done.error().kind == ErrorKind::unavailable || done.error().kind == ErrorKind::exhausted)
        return done.error();
      log::error("log sender " + sender.address + ": " + describe(done.error()));
      full = true;
    }
    const MutexLock lock(mutex_);
    waiting_.erase(sender);
  }
  if (waiting.empty()) return {};
  if (full) {
    if (const auto now = table(); !now->collecting) MAMORI_TRY(make_collecting(now->facility));
    const MutexLock lock(mutex_);
    full_ = Steady::now();
  }
  changed();
  return load();
}

Status Senders::admit(const Sender& sender, bool& full) {
  const auto now = table();
  if (now->find(sender)) return {};
  if (now->facility.empty()) return Error{ErrorKind::unavailable, "collect.log.no-facility"};
  // The device of the ledger with this address, if there is one, is offered at once.
  std::string asset;
  std::size_t unknown = 0;
  {
    auto lease = MAMORI_TRY(ledger_.database().read());
    const auto assets =
        MAMORI_TRY(lease->query("SELECT id FROM r_asset WHERE facility = ? AND ip = ? AND retired_at IS NULL",
                                {now->facility, sender.address}));
    if (assets.rows.size() == 1) asset = store::as_text(assets.rows[0][0]);
    const auto count = MAMORI_TRY(
        lease->query("SELECT COUNT(*) FROM r_log_source WHERE state = 'unknown' AND retired_at IS NULL"));
    unknown = static_cast<std::size_t>(store::as_integer(count.rows.at(0)[0]));
  }
  if (asset.empty()) {
    const bool room = may_take_one() && (unknown < kMostUnknown || MAMORI_TRY(forget_one(now->facility)));
    if (!room) {
      full = true;
      return {};
    }
  }
  json::object fields = {{"name", sender.address}, {"address", sender.address}, {"state", "unknown"},
                         {"stream", "events"},     {"silent_after_hours", 24},  {"utc_offset_minutes", 540}};
  if (!sender.certificate.empty()) fields["certificate"] = sender.certificate;
  if (!asset.empty()) fields["asset"] = asset;
  const auto* reg = MAMORI_TRY(ledger_.find_register("log_source"));
  MAMORI_TRY(ledger_.create(kActor, *reg, now->facility, {std::move(fields), "first message"}));
  if (asset.empty()) --at_once_;
  return {};
}

// Of those that a person has changed or taken in, none.
Result<bool> Senders::forget_one(const std::string& facility) {
  std::string id;
  {
    const auto before = to_millis(ledger_.database().clock().now() - kForgotten);
    auto lease = MAMORI_TRY(ledger_.database().read());
    const auto found = MAMORI_TRY(lease->query(
        "SELECT s.id FROM r_log_source s LEFT JOIN log_usual u ON u.source = s.id LEFT JOIN log_collecting c "
        "ON c.source = s.id WHERE s.facility = ? AND s.state = 'unknown' AND s.retired_at IS NULL AND "
        "s.version = 1 AND c.source IS NULL AND s.created_at < ? AND COALESCE(u.last_received_at, 0) < ? "
        "ORDER BY COALESCE(u.last_received_at, s.created_at), s.id LIMIT 1",
        {facility, before, before}));
    if (found.rows.empty()) return false;
    id = store::as_text(found.rows[0][0]);
  }
  const auto* reg = MAMORI_TRY(ledger_.find_register("log_source"));
  MAMORI_TRY(ledger_.retire(kActor, *reg, store::Scope::job(facility), id, 1,
                            "silent, makes room for another unknown sender"));
  return true;
}

Status Senders::make_collecting(const std::string& facility) {
  const auto* reg = MAMORI_TRY(ledger_.find_register("log_source"));
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  const json::object fields = {{"name", kCollecting},
                               {"state", "unknown"},
                               {"stream", "events"},
                               {"silent_after_hours", 8760},
                               {"utc_offset_minutes", 540}};
  const auto made = MAMORI_TRY(ledger_.create_in(transaction, kActor, *reg, facility,
                                                 {fields, "more unknown senders than are listed"}));
  MAMORI_TRY(transaction->execute(
      "INSERT INTO log_collecting VALUES (?,?) ON CONFLICT (facility) DO UPDATE SET source = excluded.source",
      {facility, made.id}));
  return transaction.commit();
}

}  // namespace mamori::logs
