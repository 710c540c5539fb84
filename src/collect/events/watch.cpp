// The intake watches itself: the ledger's journal as a stream, measured facts, signed heads, retention, verification, space.
#include <fmt/format.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "collect/events/logs.h"
#include "ledger/observed.h"
#include "store/journal.h"

namespace mamori::collect::events {
namespace {

constexpr std::string_view kObserver = "log archive";
constexpr std::uint64_t kReserve = std::uint64_t{1} << 30;  // bytes of the disk that stay free, or a fiftieth of it

// What cannot be kept whole is kept by its hash: the journal's own chain of hashes holds the rest.
std::string journal_line(const store::JournalEntry& entry) {
  json::object line = {{"sequence", entry.sequence}, {"at", iso_instant(entry.at)}, {"actor", entry.actor.name}, {"actor_id", entry.actor.id}, {"origin", entry.actor.origin}, {"subject", entry.change.subject},
                       {"record", entry.change.record}, {"action", entry.change.action}, {"before", entry.change.before}, {"after", entry.change.after}, {"reason", entry.change.reason}, {"hash", entry.hash}};
  auto text = json::serialize(line);
  if (text.size() <= archive::kLongestRaw) return text;
  for (const auto* part : {"before", "after", "reason"}) line[part] = "sha256:" + sha256_hex(text_of(line, part));
  return json::serialize(line);
}

}  // namespace

Status Logs::feed_journal() {
  if (archive_.read_only()) return {};
  std::vector<std::string> facilities;
  {
    auto lease = MAMORI_TRY(ledger_.database().read());
    MAMORI_TRY(lease->each("SELECT id FROM r_facility", {}, [&](store::Row& row) { facilities.push_back(store::as_text(row[0])); }));
  }
  for (const auto& facility : facilities) {
    auto* stream = MAMORI_TRY(archive_.stream({facility, "journal"}));
    std::int64_t last = -1;
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = fed_.find(facility); found != fed_.end()) last = found->second;
    }
    if (last < 0) {  // after a start: the last entry in the stream says where it was
      last = 0;
      if (stream->size() > stream->first()) {
        const auto newest = MAMORI_TRY(stream->event(stream->size() - 1));
        if (const auto entry = parse_json_object(newest.event.raw)) last = integer_of(*entry, "sequence");
      }
    }
    while (true) {
      std::vector<store::JournalEntry> entries;
      {
        auto lease = MAMORI_TRY(ledger_.database().read());
        entries = MAMORI_TRY(store::read_journal_after(*lease, facility, last, 1000));
      }
      if (entries.empty()) break;
      archive::Arena arena;
      std::vector<archive::Event> events;
      for (const auto& entry : entries) {
        auto& event = events.emplace_back();
        event.raw = arena.keep(journal_line(entry));
        event.time = entry.at;
        event.received = entry.at;
        using archive::Field;
        event[Field::source] = "journal";
        event[Field::kind] = "journal";
        event[Field::user] = arena.keep(entry.actor.name.substr(0, archive::kLongestField));
        event[Field::action] = arena.keep(entry.change.action);
        event[Field::object] = arena.keep(entry.change.subject + (entry.change.record.empty() ? "" : "/" + entry.change.record));
        last = entry.sequence;
      }
      const auto appended = stream->append(events);
      const std::lock_guard lock(mutex_);
      if (!appended) {
        fed_.erase(facility);  // they may stand in the stream all the same: the next time its last entry says so
        return appended.error();
      }
      fed_[facility] = last;
    }
    const std::lock_guard lock(mutex_);
    fed_[facility] = last;
  }
  return {};
}

Status Logs::measure() {
  const auto now = ledger_.database().clock().now();
  std::map<std::string, std::vector<json::object>> facts;  // by facility
  {
    const std::lock_guard lock(mutex_);
    loaded_sequence_ = -1;
    MAMORI_TRY(load_sources());
    auto lease = MAMORI_TRY(ledger_.database().read());
    std::map<std::string, Instant> remembered;
    MAMORI_TRY(lease->each("SELECT source, events, days, last_received_at, drift FROM log_usual", {}, [&](store::Row& row) {
      const auto id = store::as_text(row[0]);
      remembered[id] = from_millis(store::as_integer(row[3]));
      auto& counters = counters_[id];
      if (!store::is_null(row[4]) && !counters.last_drift) counters.last_drift = std::strtod(store::as_text(row[4]).c_str(), nullptr);
      if (counters.days == 0) {
        counters.usual = std::strtod(store::as_text(row[1]).c_str(), nullptr);
        counters.days = static_cast<int>(store::as_integer(row[2]));
      }
    }));
    for (const auto& source : sources_) {
      auto& counters = counters_[source.id];
      roll(counters, now);
      if (const auto before = remembered.find(source.id); before != remembered.end()) counters.last_received = std::max(counters.last_received, before->second);
      if (counters.last_received == Instant{}) continue;  // nothing has ever come
      const auto sum = [](const auto& hours) {
        std::uint64_t total = 0;
        for (const auto count : hours) total += count;
        return total;
      };
      const auto day = sum(counters.events);
      json::object fact = {{"log_source", source.id}, {"last_received_at", iso_instant(counters.last_received)}, {"silent", now - counters.last_received > std::chrono::hours(source.silent_after_hours)},
                           {"events_day", day}, {"usual_day", static_cast<std::int64_t>(counters.usual)}, {"refused_day", sum(counters.refused)}, {"dropped_day", sum(counters.dropped)}};
      // Ten times as much or as little as usual, once what is usual is known and a whole day has been seen.
      fact["volume_odd"] = now - started_ >= std::chrono::hours(24) && counters.days >= 3 && counters.usual >= 50 && (static_cast<double>(day) > counters.usual * 10 || static_cast<double>(day) < counters.usual / 10);
      if (!source.asset.empty()) fact["asset"] = source.asset;
      if (const auto drift = counters.drift()) fact["drift_seconds"] = *drift;
      facts[source.facility].push_back(std::move(fact));
    }
  }
  if (facts.empty()) return {};
  const auto* reg = MAMORI_TRY(ledger_.find_register("observed_log"));
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  for (auto& [facility, list] : facts) MAMORI_TRY(ledger::write_observed(ledger_, transaction, *reg, facility, std::string(kObserver), std::move(list), now, {}));
  std::vector<store::Row> rows;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, counters] : counters_)
      if (counters.last_received != Instant{}) rows.push_back({id, counters.usual, static_cast<std::int64_t>(counters.days), to_millis(counters.last_received), counters.drift() ? store::Value(*counters.drift()) : store::Value()});
  }
  MAMORI_TRY(transaction->execute_many("INSERT INTO log_usual VALUES (?,?,?,?,?) ON CONFLICT (source) DO UPDATE SET events = excluded.events, days = excluded.days, last_received_at = excluded.last_received_at, drift = excluded.drift", rows));
  return transaction.commit();
}

void Logs::witness(WitnessOptions options, const Texts& texts, std::string language) {
  witness_.emplace(ledger_.database(), std::move(options));
  texts_ = &texts;
  language_ = std::move(language);
}

Status Logs::publish_heads() {
  if (archive_.read_only()) return {};
  Status copied;
  for (const auto& name : MAMORI_TRY(archive_.names())) {
    auto* stream = MAMORI_TRY(archive_.stream(name));
    if (!stream->writes() || stream->size() == 0) continue;
    const auto head = MAMORI_TRY(stream->publish_head());
    // A share or an authority that is away must not keep the other streams from being signed.
    if (!witness_) continue;
    if (auto done = witness_->keep(name, head); !done) copied = std::move(done);
  }
  return copied;
}

Result<std::optional<archive::TimeStamp>> Logs::stamp(const archive::StreamName& name, const archive::Head& head) {
  if (witness_ && !archive_.read_only())
    if (const auto kept = witness_->keep(name, head); !kept) log::error("witness: " + describe(kept.error()));
  return stamp_of(ledger_.database(), name, head);
}

Status Logs::mail_heads() {
  if (!witness_ || archive_.read_only()) return {};
  std::vector<std::pair<archive::StreamName, archive::Head>> heads;
  for (const auto& name : MAMORI_TRY(archive_.names())) {
    const auto* stream = MAMORI_TRY(archive_.stream(name));
    const auto signed_heads = stream->heads();
    if (stream->writes() && !signed_heads.empty()) heads.emplace_back(name, signed_heads.back());
  }
  return witness_->mail(heads, *texts_, language_, ledger_.database().clock().now());
}

Result<std::vector<NewestHead>> Logs::newest_heads(const std::vector<std::string>& facilities) {
  std::vector<NewestHead> out;
  for (const auto& name : MAMORI_TRY(archive_.names(facilities))) {
    const auto heads = MAMORI_TRY(archive_.stream(name))->heads();
    if (heads.empty()) continue;
    auto stamp = MAMORI_TRY(stamp_kept(name, heads.back()));
    out.push_back({name, heads.back(), std::move(stamp)});
  }
  return out;
}

Status Logs::make_room() {
  const auto space = archive_.space();
  const auto reserve = std::max<std::uint64_t>(kReserve, space.total / 50);
  if (archive_.read_only() || space.total == 0 || space.free >= reserve) return {};
  std::vector<archive::StreamName> yielding;
  {
    auto lease = MAMORI_TRY(ledger_.database().read());
    MAMORI_TRY(lease->each("SELECT facility, stream FROM r_log_stream WHERE retired_at IS NULL AND when_full = 'oldest' ORDER BY facility, stream", {}, [&](store::Row& row) { yielding.push_back({store::as_text(row[0]), store::as_text(row[1])}); }));
  }
  auto missing = reserve - space.free;
  for (const auto& name : yielding) {
    const auto stream = archive_.stream(name);
    if (!stream || missing == 0) continue;
    const auto before = (*stream)->bytes_on_disk();
    const auto removed = MAMORI_TRY((*stream)->retain({.bytes = std::max<std::uint64_t>(1, before - std::min(before, missing))}));
    if (removed == 0) continue;
    missing -= std::min(missing, before - std::min(before, (*stream)->bytes_on_disk()));
    MAMORI_TRY(record_removal(name, **stream, removed, "disk full"));
  }
  return {};
}

Status Logs::record_removal(const archive::StreamName& name, const archive::Stream& stream, std::uint64_t removed, const std::string& reason) {
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  transaction.journal(intake_actor(), {name.facility, "logs", name.name, "retention", "", json::serialize(json::object{{"events", removed}, {"first", stream.first()}}), reason});
  return transaction.commit();
}

Status Logs::retain() {
  if (archive_.read_only()) return {};
  std::map<archive::StreamName, archive::Retention> wanted;
  {
    auto lease = MAMORI_TRY(ledger_.database().read());
    MAMORI_TRY(lease->each("SELECT facility, stream, keep_years, keep_gigabytes FROM r_log_stream WHERE retired_at IS NULL", {}, [&](store::Row& row) {
      auto& retention = wanted[{store::as_text(row[0]), store::as_text(row[1])}];
      if (!store::is_null(row[2])) retention.age = std::chrono::hours(24 * 366 * store::as_integer(row[2]));
      if (!store::is_null(row[3])) retention.bytes = static_cast<std::uint64_t>(store::as_integer(row[3])) << 30;
    }));
  }
  for (const auto& [name, retention] : wanted) {
    auto stream = archive_.stream(name);
    if (!stream) continue;
    const auto removed = MAMORI_TRY((*stream)->retain(retention));
    if (removed == 0) continue;
    MAMORI_TRY(record_removal(name, **stream, removed, ""));
  }
  return {};
}

Result<archive::Verified> Logs::verify(const archive::StreamName& name, const std::function<void(const archive::Damage&)>& report) {
  auto* stream = MAMORI_TRY(archive_.stream(name));
  std::string damage;
  std::size_t told = 0;
  auto verified = stream->verify([&](const archive::Damage& found) {
    if (told++ < 5) damage += fmt::format("{}{} {}–{}", damage.empty() ? "" : "; ", found.what, found.first, found.last);
    report(found);
  });
  if (!archive_.read_only()) {
    const auto now = ledger_.database().clock().now();
    const auto* reg = MAMORI_TRY(ledger_.find_register("observed_archive"));
    json::object fact = {{"stream", name.name}, {"events", static_cast<std::int64_t>(stream->size())}, {"whole", verified.has_value()}};
    if (!damage.empty()) fact["damage"] = damage;
    if (verified) fact["root"] = archive::to_base64(verified->root);
    // One source per stream: a verification of one says nothing about the others.
    auto transaction = MAMORI_TRY(ledger_.database().begin());
    MAMORI_TRY(ledger::write_observed(ledger_, transaction, *reg, name.facility, std::string(kObserver) + " " + name.name, {std::move(fact)}, now, {}));
    MAMORI_TRY(transaction.commit());
  }
  return verified;
}

Result<std::vector<StreamState>> Logs::state(const std::vector<std::string>& facilities) {
  std::vector<StreamState> out;
  for (const auto& name : MAMORI_TRY(archive_.names(facilities))) {
    auto* stream = MAMORI_TRY(archive_.stream(name));
    out.push_back({name, stream->size(), stream->first(), stream->waiting(), stream->bytes_on_disk(), stream->raw_bytes(), stream->damage()});
  }
  return out;
}

DiskState Logs::disk() const {
  DiskState out;
  const auto space = archive_.space();
  out.free = space.free;
  out.total = space.total;
  const std::lock_guard lock(mutex_);
  if (growth_.size() > 1 && growth_.back().second > growth_.front().second) {
    const auto days = static_cast<double>((growth_.back().first - growth_.front().first).count()) / 86'400'000.0;
    const auto per_day = static_cast<double>(growth_.back().second - growth_.front().second) / std::max(days, 1.0 / 24);
    if (per_day > 0) out.days_left = static_cast<double>(out.free) / per_day;
  }
  return out;
}

Status Logs::measure_space() {
  const auto space = disk();
  if (space.total == 0) return {};
  const auto now = ledger_.database().clock().now();
  const auto* reg = MAMORI_TRY(ledger_.find_register("observed_log_space"));
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  std::vector<std::string> facilities;
  for (const auto& name : MAMORI_TRY(archive_.names()))
    if (facilities.empty() || facilities.back() != name.facility) facilities.push_back(name.facility);
  for (const auto& facility : facilities) {
    json::object fact = {{"free_gigabytes", static_cast<std::int64_t>(space.free >> 30)}, {"free_percent", static_cast<std::int64_t>(space.free * 100 / space.total)}};
    if (space.days_left) fact["days_left"] = static_cast<std::int64_t>(std::min(*space.days_left, 36500.0));
    std::vector<json::object> facts;
    facts.push_back(std::move(fact));
    MAMORI_TRY(ledger::write_observed(ledger_, transaction, *reg, facility, "log disk", std::move(facts), now, {}));
  }
  return transaction.commit();
}

Status Logs::tick() {
  const auto now = ledger_.database().clock().now();
  MAMORI_TRY(feed_journal());
  MAMORI_TRY(measure());
  const auto due = [&](Instant& last, std::chrono::hours every) {
    const std::lock_guard lock(mutex_);
    if (now - last < every) return false;
    last = now;
    return true;
  };
  Status published;
  bool measured = false;
  if (due(last_heads_, std::chrono::hours(1))) {
    published = publish_heads();
    std::uint64_t bytes = 0;
    for (const auto& name : MAMORI_TRY(archive_.names()))
      if (auto stream = archive_.stream(name)) bytes += (*stream)->bytes_on_disk();
    const std::lock_guard lock(mutex_);
    growth_.emplace_back(now, bytes);
    if (growth_.size() > 24 * 14) growth_.erase(growth_.begin());
    measured = true;
  }
  if (measured) MAMORI_TRY(measure_space());
  if (due(last_mail_, std::chrono::hours(24)))
    if (auto mailed = mail_heads(); !mailed) published = std::move(mailed);
  if (due(last_retention_, std::chrono::hours(24))) MAMORI_TRY(retain());
  // One stream a minute at most; the newest results are in the ledger.
  for (const auto& name : MAMORI_TRY(archive_.names())) {
    Instant last{};
    {
      auto lease = MAMORI_TRY(ledger_.database().read());
      const auto rows = MAMORI_TRY(lease->query("SELECT MAX(observed_at) FROM r_observed_archive WHERE facility = ? AND stream = ? AND retired_at IS NULL", {name.facility, name.name}));
      if (!rows.rows.empty() && !store::is_null(rows.rows[0][0])) last = from_millis(store::as_integer(rows.rows[0][0]));
    }
    if (now - last < std::chrono::hours(24 * 7)) continue;
    (void)verify(name).has_value();  // its result is the fact it writes
    break;
  }
  return published;
}

std::string Logs::metrics() {
  std::string out = fmt::format("# TYPE mamori_log_events_total counter\nmamori_log_events_total {}\n# TYPE mamori_log_refused_total counter\nmamori_log_refused_total {}\n# TYPE mamori_log_dropped_total counter\nmamori_log_dropped_total {}\n# TYPE mamori_log_overflow_total counter\nmamori_log_overflow_total {}\n", accepted_.load(), refused_.load(), dropped_.load(), overflow_.load());
  out += "# TYPE mamori_log_stream_events gauge\n";
  std::string waiting = "# TYPE mamori_log_stream_waiting gauge\n", bytes = "# TYPE mamori_log_stream_bytes gauge\n";
  const auto names = archive_.names();
  out += fmt::format("# TYPE mamori_log_archive_up gauge\nmamori_log_archive_up {}\n", names ? 1 : 0);
  for (const auto& name : names ? *names : std::vector<archive::StreamName>()) {
    const auto stream = archive_.stream(name);
    if (!stream) continue;
    const auto label = fmt::format("{{facility=\"{}\",stream=\"{}\"}}", name.facility, name.name);
    out += fmt::format("mamori_log_stream_events{} {}\n", label, (*stream)->size());
    waiting += fmt::format("mamori_log_stream_waiting{} {}\n", label, (*stream)->waiting());
    bytes += fmt::format("mamori_log_stream_bytes{} {}\n", label, (*stream)->bytes_on_disk());
  }
  const auto space = disk();
  out += waiting + bytes + fmt::format("# TYPE mamori_log_disk_free_bytes gauge\nmamori_log_disk_free_bytes {}\n", space.free);
  const std::lock_guard lock(mutex_);
  std::string lag = "# TYPE mamori_log_source_drift_seconds gauge\n", last = "# TYPE mamori_log_source_last_received_seconds gauge\n";
  for (const auto& source : sources_) {
    const auto counters = counters_.find(source.id);
    if (counters == counters_.end() || counters->second.last_received == Instant{}) continue;
    last += fmt::format("mamori_log_source_last_received_seconds{{source=\"{}\"}} {}\n", source.number, to_millis(counters->second.last_received) / 1000);
    if (const auto drift = counters->second.drift()) lag += fmt::format("mamori_log_source_drift_seconds{{source=\"{}\"}} {}\n", source.number, *drift);
  }
  return out + last + lag;
}

}  // namespace mamori::collect::events
