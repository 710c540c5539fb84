#include "logs/counting.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ledger/observed.h"

namespace mamori::logs {
namespace {

constexpr store::Migration kSchema[] = {
    {"logs.counting.1",
     "CREATE TABLE log_hour (hour BIGINT NOT NULL, source {text} NOT NULL, events BIGINT NOT NULL, refused "
     "BIGINT NOT NULL, dropped BIGINT NOT NULL, PRIMARY KEY (hour, source));"
     "ALTER TABLE log_usual ADD COLUMN day BIGINT NOT NULL DEFAULT 0;"},
};

constexpr std::string_view kObserver = "log archive";
constexpr std::size_t kMostDrifts = 200;
constexpr std::int64_t kHoursKept = 24 * 31;
constexpr double kFollows = 0.2;  // how much of a new day goes into what is usual
constexpr int kDaysToKnow = 3;    // until what is usual is known
constexpr double kLeastUsual = 50, kOdd = 10;

std::int64_t hour_of(Instant at) {
  return std::chrono::floor<std::chrono::hours>(at).time_since_epoch().count();
}
double number_of(const store::Value& value) { return std::strtod(store::as_text(value).c_str(), nullptr); }

// What the database knows of a sender.
struct Known {
  std::uint64_t events = 0, refused = 0, dropped = 0;  // of the last 24 hours
  double usual = 0;
  std::int64_t days = 0, day = 0;  // how many, and the last of them that went into `usual`
  Instant last_received{};
  std::optional<double> drift;
};

Result<std::map<std::string, Known>> read_known(store::Connection& connection, const std::string& facility,
                                                std::int64_t hour) {
  std::map<std::string, Known> out;
  const std::string theirs = "source IN (SELECT id FROM r_log_source WHERE facility = ?)";
  MAMORI_TRY(connection.each(
      "SELECT source, events, days, last_received_at, drift, day FROM log_usual WHERE " + theirs, {facility},
      [&](store::Row& row) {
        auto& known = out[store::as_text(row[0])];
        known.usual = number_of(row[1]);
        known.days = store::as_integer(row[2]);
        known.last_received = from_millis(store::as_integer(row[3]));
        if (!store::is_null(row[4])) known.drift = number_of(row[4]);
        known.day = store::as_integer(row[5]);
      }));
  MAMORI_TRY(connection.each(
      "SELECT source, SUM(events), SUM(refused), SUM(dropped) FROM log_hour WHERE hour > ? AND " + theirs +
          " GROUP BY source",
      {hour - 24, facility}, [&](store::Row& row) {
        auto& known = out[store::as_text(row[0])];
        known.events = static_cast<std::uint64_t>(store::as_integer(row[1]));
        known.refused = static_cast<std::uint64_t>(store::as_integer(row[2]));
        known.dropped = static_cast<std::uint64_t>(store::as_integer(row[3]));
      }));
  return out;
}

// The days that are over since the last time go into what is usual.
Status follow(store::Connection& connection, const std::string& source, Known& known, std::int64_t today) {
  if (known.day == 0) known.day = today - 1;  // of the first day only a part was seen
  for (auto day = std::max(known.day + 1, today - kHoursKept / 24); day < today; ++day) {
    const auto rows = MAMORI_TRY(
        connection.query("SELECT SUM(events) FROM log_hour WHERE source = ? AND hour >= ? AND hour < ?",
                         {source, day * 24, day * 24 + 24}));
    const auto events = static_cast<double>(store::as_integer(rows.rows.at(0)[0]));
    known.usual = known.days == 0 ? events : known.usual * (1 - kFollows) + events * kFollows;
    ++known.days;
  }
  known.day = std::max(known.day, today - 1);
  MAMORI_TRY(connection.execute("UPDATE log_usual SET events = ?, days = ?, day = ? WHERE source = ?",
                                {known.usual, known.days, known.day, source}));
  return {};
}

}  // namespace

Status Counting::migrate(store::Database& database) { return database.migrate(kSchema); }

void Counting::count(const LogSource& source, std::span<const archive::Event> events, std::size_t refused) {
  const auto good = events.size() - refused;
  accepted_ += good;
  refused_ += refused;
  if (source.id.empty()) return;  // nobody's
  const auto now = events.empty() ? ledger_.database().clock().now() : events.back().received;
  const MutexLock lock(mutex_);
  auto& counters = counters_[source.id];
  auto& hour = counters.fresh[hour_of(now)];
  hour.events += good;
  hour.refused += refused;
  counters.total += good;
  if (!events.empty()) counters.last_received = std::max(counters.last_received, now);
  for (std::size_t i = 0; i < events.size(); i += std::max<std::size_t>(1, events.size() / 16)) {
    if (events[i].time == events[i].received) continue;
    const auto seconds =
        static_cast<float>(static_cast<double>((events[i].received - events[i].time).count()) / 1000.0);
    if (counters.drifts.size() < kMostDrifts)
      counters.drifts.push_back(seconds);
    else
      counters.drifts[counters.total % kMostDrifts] = seconds;
  }
}

void Counting::count_dropped(const std::string& source, std::uint64_t events) {
  dropped_ += events;
  if (source.empty()) return;
  const auto hour = hour_of(ledger_.database().clock().now());
  const MutexLock lock(mutex_);
  counters_[source].fresh[hour].dropped += events;
}

void Counting::count_refused(const std::string& source) {
  ++refused_;
  const auto hour = hour_of(ledger_.database().clock().now());
  const MutexLock lock(mutex_);
  ++counters_[source].fresh[hour].refused;
}

std::optional<double> Counting::Counters::drift() const {
  if (drifts.empty()) return std::nullopt;
  auto sorted = drifts;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2),
                   sorted.end());
  return std::round(static_cast<double>(sorted[sorted.size() / 2]) * 10) / 10;
}

Status Counting::keep() {
  const auto now = ledger_.database().clock().now();
  std::map<std::string, std::map<std::int64_t, Hour>> fresh;
  std::vector<store::Row> hours, seen;
  {
    const MutexLock lock(mutex_);
    for (auto& [source, counters] : counters_) {
      if (counters.fresh.empty()) continue;
      for (const auto& [hour, counted] : counters.fresh)
        hours.push_back({hour, source, static_cast<std::int64_t>(counted.events),
                         static_cast<std::int64_t>(counted.refused),
                         static_cast<std::int64_t>(counted.dropped)});
      const auto drift = counters.drift();
      // A time ahead of the clock is of a clock that was wrong.
      if (counters.last_received != Instant{})
        seen.push_back({source, to_millis(std::min(counters.last_received, now)),
                        drift ? store::Value(*drift) : store::Value()});
      fresh.emplace(source, std::exchange(counters.fresh, {}));
    }
  }
  if (hours.empty()) return {};
  const auto write = [&]() -> Status {
    auto transaction = MAMORI_TRY(ledger_.database().begin());
    MAMORI_TRY(transaction->execute_many(
        "INSERT INTO log_hour VALUES (?,?,?,?,?) ON CONFLICT (hour, source) DO UPDATE SET events = "
        "log_hour.events + excluded.events, refused = log_hour.refused + excluded.refused, dropped = "
        "log_hour.dropped + excluded.dropped",
        hours));
    MAMORI_TRY(transaction->execute_many(
        "INSERT INTO log_usual (source, events, days, last_received_at, drift) VALUES (?,0,0,?,?) ON "
        "CONFLICT (source) DO UPDATE SET last_received_at = CASE WHEN excluded.last_received_at > "
        "log_usual.last_received_at THEN excluded.last_received_at ELSE log_usual.last_received_at END, "
        "drift = COALESCE(excluded.drift, log_usual.drift)",
        seen));
    MAMORI_TRY(transaction->execute("DELETE FROM log_hour WHERE hour < ?", {hour_of(now) - kHoursKept}));
    return transaction.commit();
  };
  auto written = write();
  if (written || written.error().code == "store.outcome-unknown")
    return written;  // rather too few than twice
  const MutexLock lock(mutex_);
  for (const auto& [source, back] : fresh)
    for (const auto& [hour, counted] : back) {
      auto& into = counters_[source].fresh[hour];
      into.events += counted.events;
      into.refused += counted.refused;
      into.dropped += counted.dropped;
    }
  return written;
}

Status Counting::measure(const std::string& facility, const std::vector<LogSource>& sources) {
  const auto now = ledger_.database().clock().now();
  const auto hour = hour_of(now);
  const auto* reg = MAMORI_TRY(ledger_.find_register("observed_log"));
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  auto all = MAMORI_TRY(read_known(*transaction, facility, hour));
  std::vector<json::object> facts;
  for (const auto& source : sources) {
    const auto found = all.find(source.id);
    if (source.facility != facility || found == all.end() || found->second.last_received == Instant{})
      continue;  // nothing has ever come
    auto& known = found->second;
    if (known.day < hour / 24 - 1 || known.day == 0)
      MAMORI_TRY(follow(*transaction, source.id, known, hour / 24));
    const auto events = static_cast<double>(known.events);
    const bool odd = known.days >= kDaysToKnow && known.usual >= kLeastUsual &&
                     (events > known.usual * kOdd || events < known.usual / kOdd);
    json::object fact = {
        {"log_source", source.id},
        {"last_received_at", iso_instant(known.last_received)},
        {"silent", now - known.last_received > std::chrono::hours(source.silent_after_hours)},
        {"events_day", known.events},
        {"usual_day", static_cast<std::int64_t>(known.usual)},
        {"refused_day", known.refused},
        {"dropped_day", known.dropped},
        {"volume_odd", odd}};
    if (!source.asset.empty()) fact["asset"] = source.asset;
    if (known.drift) fact["drift_seconds"] = *known.drift;
    facts.push_back(std::move(fact));
  }
  if (facts.empty()) return {};
  MAMORI_TRY(ledger::write_observed(ledger_, transaction, *reg, facility,
                                    {std::string(kObserver), std::string(kObserver)}, std::move(facts), now));
  return transaction.commit();
}

std::string Counting::totals() const {
  std::string out;
  const auto counter = [&](std::string_view name, const std::atomic<std::uint64_t>& value) {
    out += fmt::format("# TYPE mamori_log_{0}_total counter\nmamori_log_{0}_total {1}\n", name, value.load());
  };
  counter("events", accepted_);
  counter("refused", refused_);
  counter("dropped", dropped_);
  counter("overflow", overflow_);
  counter("turned_away", turned_away_);
  counter("cut", cut_);
  return out + fmt::format("# TYPE mamori_log_waiting_events gauge\nmamori_log_waiting_events {}\n",
                           waiting_.load());
}

std::string Counting::by_source() const {
  const auto sources = senders_.known();
  std::string lag = "# TYPE mamori_log_source_drift_seconds gauge\n",
              last = "# TYPE mamori_log_source_last_received_seconds gauge\n";
  const MutexLock lock(mutex_);
  for (const auto& source : sources) {
    const auto counters = counters_.find(source.id);
    if (counters == counters_.end() || counters->second.last_received == Instant{}) continue;
    last += fmt::format("mamori_log_source_last_received_seconds{{source=\"{}\"}} {}\n", source.number,
                        to_millis(counters->second.last_received) / 1000);
    if (const auto drift = counters->second.drift())
      lag += fmt::format("mamori_log_source_drift_seconds{{source=\"{}\"}} {}\n", source.number, *drift);
  }
  return last + lag;
}

}  // namespace mamori::logs
