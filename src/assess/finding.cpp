#include "assess/finding.h"

namespace mamori::assess {
Status Findings::remember(const std::string& facility, ControlResults& results) {
  std::map<std::string, std::pair<std::string, std::int64_t>> last;  // control → verdict, at
  std::map<std::string, std::int64_t> last_violations;
  {
    auto lease = MAMORI_TRY(database_.read());
    MAMORI_TRY(
        lease->each("SELECT control, verdict, at, violations FROM finding WHERE facility = ? ORDER BY at",
                    {facility}, [&](store::Row& row) {
                      const auto control = store::as_text(row[0]);
                      const auto verdict = store::as_text(row[1]);
                      auto& entry = last[control];
                      if (entry.first != verdict) entry = {verdict, store::as_integer(row[2])};
                      last_violations[control] = store::as_integer(row[3]);
                    }));
  }
  const auto now = database_.clock().now();
  std::vector<store::Row> fresh;
  for (auto& [id, result] : results) {
    const auto found = last.find(id);
    const std::string verdict(name_of(result.verdict));
    const bool same_verdict = found != last.end() && found->second.first == verdict;
    result.since = same_verdict ? from_millis(found->second.second) : now;
    if (!same_verdict || last_violations[id] != static_cast<std::int64_t>(result.violations))
      fresh.push_back({facility, id, verdict, static_cast<std::int64_t>(result.violations), to_millis(now)});
  }
  if (fresh.empty()) return {};
  auto transaction = MAMORI_TRY(database_.begin());
  MAMORI_TRY(transaction->execute_many(
      "INSERT INTO finding VALUES (?,?,?,?,?) ON CONFLICT (facility, control, at) DO NOTHING", fresh));
  return transaction.commit();
}

Result<std::vector<Change>> Findings::history(const std::string& facility, const std::string& control) const {
  auto lease = MAMORI_TRY(database_.read());
  std::vector<Change> out;
  MAMORI_TRY(
      lease->each("SELECT at, verdict, violations FROM finding WHERE facility = ? AND control = ? ORDER BY "
                  "at DESC LIMIT 100",
                  {facility, control}, [&](store::Row& row) {
                    out.push_back({from_millis(store::as_integer(row[0])), store::as_text(row[1]),
                                   store::as_integer(row[2])});
                  }));
  return out;
}

}  // namespace mamori::assess
