// What may go, and when: for its age, for its size, for want of room; each time written down.
#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/log.h"
#include "logs/failures.h"
#include "logs/keeping.h"

namespace mamori::logs {
namespace {

// So much of the disk stays free: 1 GiB, or of a small one a fiftieth.
constexpr std::uint64_t kReserve = std::uint64_t{1} << 30, kReservePart = 50;
constexpr std::uint64_t kRoomAtOnce =
    10;  // at most this part of a stream goes at a time for want of room: one tenth
// Between two rounds, or since what stands in the archive when it is opened: more than this, or backwards, is
// a clock that somebody set.
constexpr auto kJump = std::chrono::hours(1), kJumpAtStart = std::chrono::hours(24 * 30);
constexpr int kRoundsInDoubt = 24 * 60;  // as many minutes nothing goes for its age after such a jump

}  // namespace

Status Keeping::append(archive::Stream& stream, std::span<const archive::Event> events) {
  const auto done = stream.append(events);
  if (done || done.error().code != "os.disk.full") return done ? Status() : Status(done.error());
  if (const auto made = make_room(true); !made) log::error("logs: " + describe(made.error()));
  MAMORI_TRY(stream.append(events));
  return {};
}

Result<std::map<archive::StreamName, archive::Retention>> Keeping::retentions(
    const archive::StreamName* only) {
  std::map<archive::StreamName, archive::Retention> wanted;
  auto lease = MAMORI_TRY(ledger_.database().read());
  std::string sql =
      "SELECT facility, stream, keep_years, keep_gigabytes FROM r_log_stream WHERE retired_at IS NULL";
  if (only) sql += " AND facility = ? AND stream = ?";
  MAMORI_TRY(
      lease->each(sql, only ? store::Row{only->facility, only->name} : store::Row{}, [&](store::Row& row) {
        archive::Retention retention;
        if (!store::is_null(row[2])) retention.age = std::chrono::hours(24 * 366 * store::as_integer(row[2]));
        if (!store::is_null(row[3]))
          retention.bytes = static_cast<std::uint64_t>(store::as_integer(row[3])) << 30;
        wanted[{store::as_text(row[0]), store::as_text(row[1])}] = retention;
      }));
  return wanted;
}

Result<bool> Keeping::clock_is_sure() {
  bool looked = false;
  {
    const MutexLock lock(mutex_);
    looked = last_round_ != Instant{};
  }
  if (!looked) MAMORI_TRY(watch_clock());
  const MutexLock lock(mutex_);
  return rounds_in_doubt_ == 0;
}

Result<std::uint64_t> Keeping::retain(const archive::StreamName& name, const archive::Retention& retention) {
  if (archive_.read_only()) return std::uint64_t{0};
  auto* stream = MAMORI_TRY(archive_.stream(name));
  const auto removed = MAMORI_TRY(stream->retain(retention));
  if (removed > 0) {
    const MutexLock lock(mutex_);
    removals_.push_back({name, removed, stream->first(), ""});
  }
  MAMORI_TRY(record_removals());
  return removed;
}

Status Keeping::make_room(bool full) {
  const MutexLock one(making_room_);
  const auto space = archive_.space();
  const auto reserve = std::min(kReserve, space.total / kReservePart);
  if (archive_.read_only()) return {};
  if (!full && (space.total == 0 || space.free >= reserve)) return {};
  std::vector<archive::StreamName> yielding;
  {
    auto lease = MAMORI_TRY(ledger_.database().read());
    MAMORI_TRY(
        lease->each("SELECT facility, stream FROM r_log_stream WHERE retired_at IS NULL AND when_full = "
                    "'oldest' ORDER BY facility, stream",
                    {}, [&](store::Row& row) {
                      yielding.push_back({store::as_text(row[0]), store::as_text(row[1])});
                    }));
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
    log::warning(
        fmt::format("the disk is nearly full: the {} oldest events of {} went", *removed, label_of(name)));
    const MutexLock lock(mutex_);
    removals_.push_back({name, *removed, (*stream)->first(), "disk full"});
  }
  return failures.status();
}

// Into the journal; what cannot be written now is written at the next round.
Status Keeping::record_removals() {
  MAMORI_TRY(find_unrecorded_removals());
  while (true) {
    Removal removal;
    {
      const MutexLock lock(mutex_);
      if (removals_.empty()) return {};
      removal = removals_.front();
    }
    auto transaction = MAMORI_TRY(ledger_.database().begin());
    transaction.journal(actor(),
                        {removal.name.facility, "logs", removal.name.name, "retention", "",
                         json::serialize(json::object{{"events", removal.events}, {"first", removal.first}}),
                         removal.reason});
    MAMORI_TRY(transaction.commit());
    const MutexLock lock(mutex_);
    removals_.pop_front();
  }
}

// What went while nobody could write it down: a removal that was interrupted and finished at the start, or
// one that is none of ours.
Status Keeping::find_unrecorded_removals() {
  {
    const MutexLock lock(mutex_);
    if (removals_looked_for_ || archive_.read_only()) return {};
  }
  for (const auto& name : MAMORI_TRY(archive_.names())) {
    const auto stream = archive_.stream(name);
    if (!stream || (*stream)->first() == 0) continue;
    const auto first = (*stream)->first();
    std::uint64_t known = 0;
    {
      auto lease = MAMORI_TRY(ledger_.database().read());
      const auto rows =
          MAMORI_TRY(lease->query("SELECT after_json FROM journal WHERE record = ? AND facility = ? AND "
                                  "subject = 'logs' AND action = 'retention' ORDER BY sequence DESC LIMIT 1",
                                  {name.name, name.facility}));
      if (!rows.rows.empty())
        if (const auto entry = parse_json_object(store::as_text(rows.rows[0][0])))
          known = static_cast<std::uint64_t>(integer_of(*entry, "first"));
    }
    if (first <= known) continue;
    log::warning(fmt::format("the {} oldest events of {} went, and the journal did not say so", first - known,
                             label_of(name)));
    const MutexLock lock(mutex_);
    removals_.push_back({name, first - known, first, "found at the start"});
  }
  const MutexLock lock(mutex_);
  removals_looked_for_ = true;
  return {};
}

// Whether time has gone on as it does since the last round; at the first one, since what the archive says was
// its last moment. Where the clock was set, events look older than they are, or younger: for a day nothing
// goes for its age, and somebody may see it.
Status Keeping::watch_clock() {
  const auto now = ledger_.database().clock().now();
  Instant last;
  {
    const MutexLock lock(mutex_);
    last = last_round_;
  }
  const bool first = last == Instant{};
  if (first)
    for (const auto& name : MAMORI_TRY(archive_.names())) {
      const auto stream = archive_.stream(name);
      if (!stream) continue;
      if (const auto heads = (*stream)->heads(); !heads.empty()) last = std::max(last, heads.back().at);
      if ((*stream)->size() == (*stream)->first()) continue;
      if (const auto newest = (*stream)->event((*stream)->size() - 1))
        last = std::max(last, newest->event.received);
    }
  const MutexLock lock(mutex_);
  last_round_ = now;
  const bool jumped =
      last != Instant{} && (now < last - kJump || now > last + (first ? kJumpAtStart : kJump));
  if (jumped) {
    rounds_in_doubt_ = kRoundsInDoubt;
    log::warning(
        fmt::format("the clock went from {} to {}: is it right? For a day nothing is removed for its age",
                    iso_instant(last), iso_instant(now)));
  } else if (rounds_in_doubt_ > 0)
    --rounds_in_doubt_;
  return {};
}

}  // namespace mamori::logs
