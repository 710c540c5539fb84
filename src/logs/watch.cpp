// The intake watches itself: the ledger's journal as a stream, measured facts, signed heads, retention, verification, space.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "ledger/observed.h"
#include "logs/logs.h"
#include "logs/recorded.h"
#include "store/journal.h"

namespace mamori::logs {
namespace {

constexpr std::string_view kObserver = "log archive";
// So much of the disk stays free: 1 GiB, or of a small one a fiftieth.
constexpr std::uint64_t kReserve = std::uint64_t{1} << 30, kReservePart = 50;
constexpr std::uint64_t kRoomAtOnce = 10;       // at most this part of a stream goes at a time for want of room: one tenth
constexpr auto kAgain = std::chrono::minutes(10);  // until what failed is tried again, where it is due less often than that
// Between two rounds, or since what stands in the archive when it is opened: more than this, or backwards, is a clock that somebody set.
constexpr auto kJump = std::chrono::hours(1), kJumpAtStart = std::chrono::hours(24 * 30);
constexpr int kRoundsInDoubt = 24 * 60;         // as many minutes nothing goes for its age after such a jump

// What failed while the rest went on: the first error, with the others beside it.
class Failures {
 public:
  void add(const std::string& where, const Status& done) {
    if (done) return;
    if (!first_) first_ = done.error();
    first_->problems.push_back({where, done.error().code, done.error().facts});
  }
  Status status() const { return first_ ? Status(*first_) : Status(); }

 private:
  std::optional<Error> first_;
};

std::string label_of(const archive::StreamName& name) { return name.facility + "/" + name.name; }

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
  Failures failures;
  for (const auto& facility : facilities) failures.add(facility + "/journal", feed_journal(facility));
  return failures.status();
}

// The last entry in the stream says how far the journal is in it. Where the database does not have that one, an earlier state of it was put
// back: the journal goes on from the last entry that both have, and says so; what the stream has of before stays there to be compared.
Result<std::int64_t> Logs::fed_until(const std::string& facility, const archive::Stream& stream) {
  const auto in_database = [&](std::int64_t sequence) -> Result<std::string> {
    auto lease = MAMORI_TRY(ledger_.database().read());
    const auto rows = MAMORI_TRY(lease->query("SELECT hash FROM journal WHERE facility = ? AND sequence = ?", {facility, sequence}));
    return rows.rows.empty() ? std::string() : store::as_text(rows.rows[0][0]);
  };
  std::int64_t newest = 0, common = 0;
  for (auto index = stream.size(); index > stream.first() && common == 0; --index) {
    const auto event = stream.event(index - 1);
    if (!event && event.error().kind == ErrorKind::unavailable) return event.error();
    const auto entry = parse_json_object(event ? event->event.raw : std::string_view());
    const auto sequence = entry ? integer_of(*entry, "sequence") : 0;
    if (sequence <= 0) continue;  // its place is empty: damage
    newest = std::max(newest, sequence);
    if (MAMORI_TRY(in_database(sequence)) == text_of(*entry, "hash")) common = sequence;
  }
  if (common == newest) return common;
  log::error(fmt::format("the journal of {} was put back: its stream goes on to entry {}, the database has the same up to {}", facility, newest, common));
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  transaction.journal(intake_actor(), {facility, "logs", "journal", "put_back", json::serialize(json::object{{"sequence", newest}}), json::serialize(json::object{{"sequence", common}}), ""});
  MAMORI_TRY(transaction.commit());
  return common;
}

Status Logs::feed_journal(const std::string& facility) {
  auto* stream = MAMORI_TRY(archive_.stream({facility, "journal"}));
  std::int64_t last = -1;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = fed_.find(facility); found != fed_.end()) last = found->second;
  }
  if (last < 0) last = MAMORI_TRY(fed_until(facility, *stream));  // after a start
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
    const auto appended = append(*stream, events);
    const std::lock_guard lock(mutex_);
    if (!appended) {
      fed_.erase(facility);  // they may stand in the stream all the same: the next time its last entry says so
      return appended.error();
    }
    fed_[facility] = last;
  }
  const std::lock_guard lock(mutex_);
  fed_[facility] = last;
  return {};
}

Status Logs::measure() {
  const auto now = ledger_.database().clock().now();
  struct Usual {
    double events = 0;
    int days = 0;
    Instant last_received{};
    std::optional<double> drift;
  };
  std::map<std::string, Usual> remembered;
  const auto sources = MAMORI_TRY(senders_.all());
  {
    auto lease = MAMORI_TRY(ledger_.database().read());
    MAMORI_TRY(lease->each("SELECT source, events, days, last_received_at, drift FROM log_usual", {}, [&](store::Row& row) {
      const auto number = [&](std::size_t i) { return std::strtod(store::as_text(row[i]).c_str(), nullptr); };
      auto& usual = remembered[store::as_text(row[0])];
      usual = {number(1), static_cast<int>(store::as_integer(row[2])), from_millis(store::as_integer(row[3])), {}};
      if (!store::is_null(row[4])) usual.drift = number(4);
    }));
  }
  std::map<std::string, std::vector<json::object>> facts;  // by facility
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, usual] : remembered) {
      auto& counters = counters_[id];
      if (usual.drift && !counters.last_drift) counters.last_drift = usual.drift;
      if (counters.days != 0) continue;
      counters.usual = usual.events;
      counters.days = usual.days;
    }
    for (const auto& source : sources) {
      auto& counters = counters_[source.id];
      roll(counters, now);
      if (const auto before = remembered.find(source.id); before != remembered.end()) counters.last_received = std::max(counters.last_received, std::min(before->second.last_received, now));
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
  for (auto& [facility, list] : facts) MAMORI_TRY(ledger::write_observed(ledger_, transaction, *reg, facility, std::string(kObserver), std::move(list), now));
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
  // A stream that does not open, a share or an authority that is away must not keep the other streams from being signed.
  Failures failures;
  std::vector<std::pair<archive::StreamName, proof::Head>> published;
  for (const auto& name : MAMORI_TRY(archive_.names())) failures.add(label_of(name), publish_head(name, published));
  const auto still_holds = [&](const RecordedHead& noted) {
    const auto stream = archive_.stream(noted.name);
    return !stream || !deviation(noted, *stream);
  };
  // So that a stream that is gone, or another, will be missed.
  failures.add("heads", record_heads(ledger_.database(), published, still_holds));
  return failures.status();
}

Status Logs::publish_head(const archive::StreamName& name, std::vector<std::pair<archive::StreamName, proof::Head>>& published) {
  auto* stream = MAMORI_TRY(archive_.stream(name));
  if (!stream->writes() || stream->size() == 0) return {};
  const auto head = MAMORI_TRY(stream->publish_head());
  published.emplace_back(name, head);
  return witness_ ? witness_->keep(name, head) : Status();
}

Result<std::optional<proof::TimeStamp>> Logs::stamp(const archive::StreamName& name, const proof::Head& head) {
  if (witness_ && !archive_.read_only())
    if (const auto kept = witness_->keep(name, head); !kept) log::error("witness: " + describe(kept.error()));
  return stamp_of(ledger_.database(), name, head);
}

Status Logs::mail_heads() {
  if (!witness_ || archive_.read_only()) return {};
  Failures failures;
  std::vector<std::pair<archive::StreamName, proof::Head>> heads;
  for (const auto& name : MAMORI_TRY(archive_.names())) {
    const auto stream = archive_.stream(name);
    if (!stream) {
      failures.add(label_of(name), stream.error());
      continue;
    }
    const auto signed_heads = (*stream)->heads();
    if ((*stream)->writes() && !signed_heads.empty()) heads.emplace_back(name, signed_heads.back());
  }
  failures.add("mail", witness_->mail(heads, *texts_, language_, ledger_.database().clock().now()));
  return failures.status();
}

Result<std::vector<NewestHead>> Logs::newest_heads(const std::vector<std::string>& facilities) {
  std::vector<NewestHead> out;
  for (const auto& name : MAMORI_TRY(archive_.names(facilities))) {
    const auto stream = archive_.stream(name);
    const auto heads = stream ? (*stream)->heads() : std::vector<proof::Head>();
    if (heads.empty()) continue;
    auto stamp = MAMORI_TRY(stamp_kept(name, heads.back()));
    out.push_back({name, heads.back(), std::move(stamp)});
  }
  return out;
}

Status Logs::make_room(bool full) {
  const std::lock_guard one(making_room_);
  const auto space = archive_.space();
  const auto reserve = std::min(kReserve, space.total / kReservePart);
  if (archive_.read_only()) return {};
  if (!full && (space.total == 0 || space.free >= reserve)) return {};
  std::vector<archive::StreamName> yielding;
  {
    auto lease = MAMORI_TRY(ledger_.database().read());
    MAMORI_TRY(lease->each("SELECT facility, stream FROM r_log_stream WHERE retired_at IS NULL AND when_full = 'oldest' ORDER BY facility, stream", {}, [&](store::Row& row) { yielding.push_back({store::as_text(row[0]), store::as_text(row[1])}); }));
  }
  // Where the disk says that there is room and takes nothing all the same (a quota), a part goes at a time.
  const bool odd = full && (space.total == 0 || space.free >= reserve);
  auto missing = odd ? std::uint64_t{1} : reserve - space.free;
  Failures failures;
  for (const auto& name : yielding) {
    if (missing == 0) break;
    const auto stream = archive_.stream(name);
    if (!stream) {
      failures.add(label_of(name), stream.error());
      continue;
    }
    const auto before = (*stream)->bytes_on_disk();
    const auto wanted = odd ? before / kRoomAtOnce : std::min(before / kRoomAtOnce, missing);
    const auto removed = (*stream)->retain({.bytes = std::max<std::uint64_t>(1, before - wanted)});
    if (!removed) failures.add(label_of(name), removed.error());
    if (!removed || *removed == 0) continue;
    missing -= std::min(missing, before - std::min(before, (*stream)->bytes_on_disk()));
    log::warning(fmt::format("the disk is nearly full: the {} oldest events of {} went", *removed, label_of(name)));
    const std::lock_guard lock(mutex_);
    removals_.push_back({name, *removed, (*stream)->first(), "disk full"});
  }
  return failures.status();
}

// Into the journal; what cannot be written now is written at the next round.
Status Logs::record_removals() {
  while (true) {
    Removal removal;
    {
      const std::lock_guard lock(mutex_);
      if (removals_.empty()) return {};
      removal = removals_.front();
    }
    auto transaction = MAMORI_TRY(ledger_.database().begin());
    transaction.journal(intake_actor(), {removal.name.facility, "logs", removal.name.name, "retention", "", json::serialize(json::object{{"events", removal.events}, {"first", removal.first}}), removal.reason});
    MAMORI_TRY(transaction.commit());
    const std::lock_guard lock(mutex_);
    removals_.pop_front();
  }
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
  Failures failures;
  for (const auto& [name, retention] : wanted) {
    const auto stream = archive_.stream(name);
    const auto removed = stream ? (*stream)->retain(retention) : Result<std::uint64_t>(stream.error());
    if (!removed) failures.add(label_of(name), removed.error());
    if (!removed || *removed == 0) continue;
    const std::lock_guard lock(mutex_);
    removals_.push_back({name, *removed, (*stream)->first(), ""});
  }
  failures.add("journal", record_removals());
  return failures.status();
}

Result<archive::Verified> Logs::verify(const archive::StreamName& name, const std::function<void(const archive::Damage&)>& report) {
  auto* stream = MAMORI_TRY(archive_.stream(name));
  std::string damage;
  std::size_t told = 0;
  auto verified = stream->verify([&](const archive::Damage& found) {
    if (told++ < 5) damage += fmt::format("{}{} {}–{}", damage.empty() ? "" : "; ", found.what, found.first, found.last);
    report(found);
  });
  if (const auto other = MAMORI_TRY(against_note(name, stream)); other && verified) {
    damage = fmt::format("{} {}–{}", other->what, other->first, other->last);
    report(*other);
    verified = Error{ErrorKind::corrupt, "archive.verify.failed", {{"file", other->file}, {"what", other->what}, {"first", std::to_string(other->first)}, {"last", std::to_string(other->last)}}};
  }
  if (!archive_.read_only()) {
    json::object fact = {{"stream", name.name}, {"events", static_cast<std::int64_t>(stream->size())}, {"whole", verified.has_value()}};
    if (!damage.empty()) fact["damage"] = damage;
    if (verified) fact["root"] = proof::to_base64(verified->root);
    MAMORI_TRY(keep_verdict(name, std::move(fact)));
  }
  return verified;
}

Result<std::optional<archive::Damage>> Logs::against_note(const archive::StreamName& name, const archive::Stream* stream) {
  auto lease = MAMORI_TRY(ledger_.database().read());
  const auto noted = MAMORI_TRY(newest_recorded(*lease, {name.facility}));
  const auto found = noted.find(name);
  return found == noted.end() ? std::nullopt : deviation(found->second, stream);
}

// One source per stream: a verification of one says nothing about the others.
Status Logs::keep_verdict(const archive::StreamName& name, json::object fact) {
  const auto* reg = MAMORI_TRY(ledger_.find_register("observed_archive"));
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  MAMORI_TRY(ledger::write_observed(ledger_, transaction, *reg, name.facility, std::string(kObserver) + " " + name.name, {std::move(fact)},
                                    ledger_.database().clock().now()));
  return transaction.commit();
}

Result<std::vector<StreamState>> Logs::state(const std::vector<std::string>& facilities) {
  std::map<archive::StreamName, RecordedHead> noted;
  {
    auto lease = MAMORI_TRY(ledger_.database().read());
    noted = MAMORI_TRY(newest_recorded(*lease, facilities));
  }
  std::vector<StreamState> out;
  for (const auto& name : MAMORI_TRY(archive_.names(facilities))) {
    const auto opened = archive_.stream(name);
    const auto note = noted.extract(name);
    if (!opened) {  // named as it is; the others are shown beside it
      out.push_back({.name = name, .damage = {damage_of(name, opened.error())}, .stream = nullptr});
      continue;
    }
    const auto* stream = *opened;
    out.push_back({name, stream->size(), stream->first(), stream->waiting(), stream->bytes_on_disk(), stream->raw_bytes(), stream->damage(), stream});
    if (note)
      if (auto other = deviation(note.mapped(), stream)) out.back().damage.push_back(std::move(*other));
  }
  for (const auto& [name, note] : noted) out.push_back({.name = name, .damage = {*deviation(note, nullptr)}, .stream = nullptr});
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
    MAMORI_TRY(ledger::write_observed(ledger_, transaction, *reg, facility, "log disk", std::move(facts), now));
  }
  return transaction.commit();
}

// Whether time has gone on as it does since the last round; at the first one, since what the archive says was its last moment. Where the
// clock was set, events look older than they are, or younger: for a day nothing goes for its age, and somebody may see it.
Result<bool> Logs::clock_is_steady(Instant now) {
  auto last = last_round_;
  const bool first = last == Instant{};
  if (first)
    for (const auto& name : MAMORI_TRY(archive_.names())) {
      const auto stream = archive_.stream(name);
      if (!stream) continue;
      if (const auto heads = (*stream)->heads(); !heads.empty()) last = std::max(last, heads.back().at);
      if ((*stream)->size() == (*stream)->first()) continue;
      if (const auto newest = (*stream)->event((*stream)->size() - 1)) last = std::max(last, newest->event.received);
    }
  last_round_ = now;
  const bool jumped = last != Instant{} && (now < last - kJump || now > last + (first ? kJumpAtStart : kJump));
  if (jumped) {
    rounds_in_doubt_ = kRoundsInDoubt;
    log::warning(fmt::format("the clock went from {} to {}: is it right? For a day nothing is removed for its age",
                             iso_instant(last), iso_instant(now)));
  }
  return rounds_in_doubt_ == 0 || --rounds_in_doubt_ == 0;
}

// What went while nobody could write it down: a removal that was interrupted and finished at the start, or one that is none of ours.
Status Logs::find_unrecorded_removals() {
  if (removals_looked_for_ || archive_.read_only()) return {};
  for (const auto& name : MAMORI_TRY(archive_.names())) {
    const auto stream = archive_.stream(name);
    if (!stream || (*stream)->first() == 0) continue;
    const auto first = (*stream)->first();
    std::uint64_t known = 0;
    {
      auto lease = MAMORI_TRY(ledger_.database().read());
      const auto rows = MAMORI_TRY(lease->query("SELECT after_json FROM journal WHERE record = ? AND facility = ? AND subject = 'logs' AND"
                                                " action = 'retention' ORDER BY sequence DESC LIMIT 1", {name.name, name.facility}));
      if (!rows.rows.empty())
        if (const auto entry = parse_json_object(store::as_text(rows.rows[0][0]))) known = static_cast<std::uint64_t>(integer_of(*entry, "first"));
    }
    if (first <= known) continue;
    log::warning(fmt::format("the {} oldest events of {} went, and the journal did not say so", first - known, label_of(name)));
    const std::lock_guard lock(mutex_);
    removals_.push_back({name, first - known, first, "found at the start"});
  }
  removals_looked_for_ = true;
  return {};
}

Status Logs::tick() {
  const auto now = ledger_.database().clock().now();
  // Each duty for itself: what fails is told at the end, and tried again soon.
  Failures failures;
  const auto when_due = [&](Instant& last, std::chrono::hours every, const std::function<Status()>& work) {
    {
      const std::lock_guard lock(mutex_);
      if (last <= now && now - last < every) return;  // one in the future is of a clock that was wrong
      last = now;
    }
    if (work()) return;
    const std::lock_guard lock(mutex_);
    last = now - every + kAgain;
  };
  const auto told = [&](const std::string& name, Status done) {
    failures.add(name, done);
    return done;
  };
  const auto steady = clock_is_steady(now);
  if (!steady) failures.add("clock", steady.error());
  const auto recorded = record_removals();
  failures.add("retention", recorded ? find_unrecorded_removals() : recorded);
  failures.add("room", make_room());
  failures.add("retention", record_removals());
  failures.add("journal", feed_journal());
  failures.add("measure", measure());
  when_due(last_heads_, std::chrono::hours(1), [&] {
    failures.add("growth", note_growth(now));
    failures.add("space", measure_space());
    return told("heads", publish_heads());
  });
  when_due(last_mail_, std::chrono::hours(24), [&] { return told("mail", mail_heads()); });
  if (steady && *steady) when_due(last_retention_, std::chrono::hours(24), [&] { return told("retention", retain()); });
  failures.add("verify", verify_next(now));
  return failures.status();
}

Status Logs::note_growth(Instant now) {
  std::uint64_t bytes = 0;
  for (const auto& name : MAMORI_TRY(archive_.names()))
    if (auto stream = archive_.stream(name)) bytes += (*stream)->bytes_on_disk();
  const std::lock_guard lock(mutex_);
  growth_.emplace_back(now, bytes);
  if (growth_.size() > 24 * 14) growth_.erase(growth_.begin());
  return {};
}

// One stream a minute at most; the newest results are in the ledger. What was signed once and is not there has its turn too.
Status Logs::verify_next(Instant now) {
  Failures failures;
  const auto there = MAMORI_TRY(archive_.names());
  std::set<archive::StreamName> all(there.begin(), there.end());
  {
    auto lease = MAMORI_TRY(ledger_.database().read());
    for (const auto& [name, note] : MAMORI_TRY(newest_recorded(*lease))) all.insert(name);
  }
  for (const auto& name : all) {
    Instant last{};
    {
      auto lease = MAMORI_TRY(ledger_.database().read());
      const auto rows = MAMORI_TRY(lease->query("SELECT MAX(observed_at) FROM r_observed_archive WHERE facility = ? AND stream = ? AND retired_at IS NULL", {name.facility, name.name}));
      if (!rows.rows.empty() && !store::is_null(rows.rows[0][0])) last = from_millis(store::as_integer(rows.rows[0][0]));
    }
    if (last <= now && now - last < std::chrono::hours(24 * 7)) continue;
    if (!std::binary_search(there.begin(), there.end(), name)) {
      const auto gone = MAMORI_TRY(against_note(name, nullptr));
      log::error(fmt::format("{} was signed once and is not there any more", label_of(name)));
      MAMORI_TRY(keep_verdict(name, {{"stream", name.name}, {"events", 0}, {"whole", false}, {"damage", gone ? fmt::format("{} {}–{}", gone->what, gone->first, gone->last) : ""}}));
      break;
    }
    const auto verified = verify(name);
    // Damage is the fact it has written; what kept it from being read or written is told, and the next stream has its turn.
    if (verified || verified.error().code == "archive.verify.failed") break;
    failures.add(label_of(name), verified.error());
  }
  return failures.status();
}

std::string Logs::metrics() {
  std::string out = fmt::format("# TYPE mamori_log_events_total counter\nmamori_log_events_total {}\n# TYPE mamori_log_refused_total counter\nmamori_log_refused_total {}\n# TYPE mamori_log_dropped_total counter\nmamori_log_dropped_total {}\n# TYPE mamori_log_overflow_total counter\nmamori_log_overflow_total {}\n", accepted_.load(), refused_.load(), dropped_.load(), overflow_.load());
  out += fmt::format("# TYPE mamori_log_turned_away_total counter\nmamori_log_turned_away_total {}\n", turned_away_.load());
  out += fmt::format("# TYPE mamori_log_waiting_events gauge\nmamori_log_waiting_events {}\n", waiting_.load());
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
  const auto sources = senders_.known();
  const std::lock_guard lock(mutex_);
  std::string lag = "# TYPE mamori_log_source_drift_seconds gauge\n", last = "# TYPE mamori_log_source_last_received_seconds gauge\n";
  for (const auto& source : sources) {
    const auto counters = counters_.find(source.id);
    if (counters == counters_.end() || counters->second.last_received == Instant{}) continue;
    last += fmt::format("mamori_log_source_last_received_seconds{{source=\"{}\"}} {}\n", source.number, to_millis(counters->second.last_received) / 1000);
    if (const auto drift = counters->second.drift()) lag += fmt::format("mamori_log_source_drift_seconds{{source=\"{}\"}} {}\n", source.number, *drift);
  }
  return out + last + lag;
}

}  // namespace mamori::logs
