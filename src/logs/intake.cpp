// From messages to kept events, and how much of what came from whom.
#include <algorithm>
#include <cmath>

#include "base/log.h"
#include "logs/logs.h"

namespace mamori::logs {
namespace {

constexpr std::size_t kMostDrifts = 200;

std::int64_t hour_of(Instant at) { return std::chrono::floor<std::chrono::hours>(at).time_since_epoch().count(); }

}  // namespace

void Logs::roll(Counters& counters, Instant now) {
  const auto hour = hour_of(now);
  if (counters.hour < 0) counters.hour = hour;
  for (; counters.hour < hour; ++counters.hour) {
    const auto next = static_cast<std::size_t>((counters.hour + 1) % 24);
    if (hour - counters.hour > 24) {
      counters.events = counters.refused = counters.dropped = {};
      counters.hour = hour - 1;
      continue;
    }
    if (next == 0) {  // a day is over: what is usual follows slowly
      std::uint64_t day = 0;
      for (const auto count : counters.events) day += count;
      counters.usual = counters.days == 0 ? static_cast<double>(day) : counters.usual * 0.8 + static_cast<double>(day) * 0.2;
      ++counters.days;
    }
    counters.events[next] = counters.refused[next] = counters.dropped[next] = 0;
  }
}

void Logs::count(const LogSource& source, std::span<const archive::Event> events, std::size_t refused) {
  const auto good = events.size() - refused;
  accepted_ += good;
  refused_ += refused;
  if (source.id.empty()) return;  // nobody's
  const std::lock_guard lock(mutex_);
  auto& counters = counters_[source.id];
  const auto now = events.empty() ? ledger_.database().clock().now() : events.back().received;
  roll(counters, now);
  const auto hour = static_cast<std::size_t>(counters.hour % 24);
  counters.events[hour] += good;
  counters.refused[hour] += refused;
  counters.total += good;
  if (!events.empty()) counters.last_received = std::max(counters.last_received, now);
  for (std::size_t i = 0; i < events.size(); i += std::max<std::size_t>(1, events.size() / 16)) {
    if (events[i].time == events[i].received) continue;
    const auto seconds = static_cast<float>(static_cast<double>((events[i].received - events[i].time).count()) / 1000.0);
    if (counters.drifts.size() < kMostDrifts) counters.drifts.push_back(seconds);
    else counters.drifts[counters.total % kMostDrifts] = seconds;
  }
}

void Logs::count_dropped(const std::string& source, std::uint64_t events) {
  dropped_ += events;
  if (source.empty()) return;
  const std::lock_guard lock(mutex_);
  auto& counters = counters_[source];
  roll(counters, ledger_.database().clock().now());
  counters.dropped[static_cast<std::size_t>(counters.hour % 24)] += events;
}

std::optional<double> Logs::Counters::drift() const {
  if (drifts.empty()) return last_drift;
  auto sorted = drifts;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2), sorted.end());
  return std::round(static_cast<double>(sorted[sorted.size() / 2]) * 10) / 10;
}

Result<Logs::Accepted> Logs::accept(const LogSource& source, std::string_view address, const formats::Bodies& bodies) { return accept(source, address, bodies, ledger_.database().clock().now()); }

Status Logs::append(archive::Stream& stream, std::span<const archive::Event> events) {
  const auto done = stream.append(events);
  if (done || done.error().code != "os.disk.full") return done ? Status() : Status(done.error());
  if (const auto made = make_room(true); !made) log::error("logs: " + describe(made.error()));
  MAMORI_TRY(stream.append(events));
  return {};
}

Result<Logs::Accepted> Logs::accept(const LogSource& source, std::string_view address, const formats::Bodies& bodies, Instant received) {
  auto* stream = MAMORI_TRY(archive_.stream({source.facility, source.stream}));
  Accepted out;
  const formats::Context context{received, source.number, address, source.zone, source.mapping.get()};
  const auto keep = [&](std::span<const archive::Event> events, std::size_t refused) -> Status {
    MAMORI_TRY(append(*stream, events));
    out.events += events.size() - refused;
    count(source, events, refused);
    return {};
  };
  const std::span<const formats::Found> found = bodies.events;
  for (std::size_t start = 0; start < found.size(); start += kAppendedAtOnce) {
    archive::Arena arena;
    std::vector<archive::Event> events;
    const auto some = found.subspan(start, std::min(kAppendedAtOnce, found.size() - start));
    events.reserve(some.size());
    for (const auto& one : some) {
      if (one.raw.size() > archive::kLongestRaw) out.notes.push_back({one.line, "archive.event.cut"});
      auto& event = events.emplace_back();
      event.raw = one.raw.substr(0, archive::kLongestRaw);
      formats::normalise(event, context, arena);
      if (source.shared) event[archive::Field::host] = address;
    }
    MAMORI_TRY(keep(events, 0));
  }
  const std::span<const formats::Refused> refused = bodies.refused;
  for (std::size_t start = 0; start < refused.size(); start += kAppendedAtOnce) {
    std::vector<archive::Event> events;
    for (const auto& one : refused.subspan(start, std::min(kAppendedAtOnce, refused.size() - start))) {
      auto& event = events.emplace_back();
      event.raw = one.raw.substr(0, archive::kLongestRaw);
      event.time = event.received = received;
      event[archive::Field::source] = source.number;
      event[archive::Field::kind] = "refused";
      event[archive::Field::action] = one.code;
      event[archive::Field::address] = address;
    }
    MAMORI_TRY(keep(events, events.size()));
  }
  out.notes.insert(out.notes.end(), bodies.refused.begin(), bodies.refused.end());
  return out;
}

}  // namespace mamori::logs
