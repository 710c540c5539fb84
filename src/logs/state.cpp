// What there is, and how much room.
#include <algorithm>

#include "ledger/observed.h"
#include "logs/keeping.h"
#include "logs/recorded.h"

namespace mamori::logs {

std::string label_of(const archive::StreamName& name) { return name.facility + "/" + name.name; }

archive::Damage damage_of(const archive::StreamName& name, const Error& error) {
  const auto file = std::find_if(error.facts.begin(), error.facts.end(),
                                 [](const auto& fact) { return fact.first == "file"; });
  return {file == error.facts.end() ? name.name : file->second, error.code, 0, 0};
}

Status Keeping::migrate(store::Database& database) {
  MAMORI_TRY(Witness::migrate(database));
  return migrate_recorded(database);
}

Result<std::vector<StreamState>> Keeping::state(const std::string& facility) {
  std::map<archive::StreamName, RecordedHead> noted;
  {
    auto lease = MAMORI_TRY(ledger_.database().read());
    noted = MAMORI_TRY(newest_recorded(*lease, facility));
  }
  std::vector<StreamState> out;
  for (const auto& name : MAMORI_TRY(archive_.names(facility))) {
    const auto opened = archive_.stream(name);
    const auto note = noted.extract(name);
    if (!opened) {  // named as it is; the others are shown beside it
      out.push_back({.name = name, .damage = {damage_of(name, opened.error())}, .stream = nullptr});
      continue;
    }
    const auto* stream = *opened;
    out.push_back({name, stream->size(), stream->first(), stream->waiting(), stream->bytes_on_disk(),
                   stream->raw_bytes(), stream->damage(), stream});
    if (note)
      if (auto other = deviation(note.mapped(), stream)) out.back().damage.push_back(std::move(*other));
  }
  for (const auto& [name, note] : noted)
    out.push_back({.name = name, .damage = {*deviation(note, nullptr)}, .stream = nullptr});
  return out;
}

DiskState Keeping::disk() const {
  DiskState out;
  const auto space = archive_.space();
  out.free = space.free;
  out.total = space.total;
  const MutexLock lock(mutex_);
  if (growth_.size() > 1 && growth_.back().second > growth_.front().second) {
    const auto days =
        static_cast<double>((growth_.back().first - growth_.front().first).count()) / 86'400'000.0;
    const auto per_day =
        static_cast<double>(growth_.back().second - growth_.front().second) / std::max(days, 1.0 / 24);
    if (per_day > 0) out.days_left = static_cast<double>(out.free) / per_day;
  }
  return out;
}

Status Keeping::note_growth(Instant now) {
  std::uint64_t bytes = 0;
  for (const auto& name : MAMORI_TRY(archive_.names()))
    if (auto stream = archive_.stream(name)) bytes += (*stream)->bytes_on_disk();
  const MutexLock lock(mutex_);
  growth_.emplace_back(now, bytes);
  if (growth_.size() > 24 * 14) growth_.erase(growth_.begin());
  return {};
}

Status Keeping::measure_space() {
  MAMORI_TRY(note_growth(ledger_.database().clock().now()));
  const auto space = disk();
  if (space.total == 0) return {};
  const auto now = ledger_.database().clock().now();
  const auto* reg = MAMORI_TRY(ledger_.find_register("observed_log_space"));
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  std::vector<std::string> facilities;
  for (const auto& name : MAMORI_TRY(archive_.names()))
    if (facilities.empty() || facilities.back() != name.facility) facilities.push_back(name.facility);
  for (const auto& facility : facilities) {
    json::object fact = {{"free_gigabytes", static_cast<std::int64_t>(space.free >> 30)},
                         {"free_percent", static_cast<std::int64_t>(space.free * 100 / space.total)}};
    if (space.days_left) fact["days_left"] = static_cast<std::int64_t>(std::min(*space.days_left, 36500.0));
    std::vector<json::object> facts;
    facts.push_back(std::move(fact));
    MAMORI_TRY(ledger::write_observed(ledger_, transaction, *reg, facility, {"log disk", "log disk"},
                                      std::move(facts), now));
  }
  return transaction.commit();
}

}  // namespace mamori::logs
