#include "assess/finding.h"

namespace mamori::assess {
namespace {

Change change_of(const store::Row& row, std::size_t from) {
  return {from_millis(store::as_integer(row[from])), store::as_text(row[from + 1]),
          store::as_integer(row[from + 2]), from_millis(store::as_integer(row[from + 3]))};
}

}  // namespace

Result<std::map<std::string, Change>> Findings::newest(const std::string& facility) const {
  std::map<std::string, Change> out;
  auto lease = MAMORI_TRY(database_.read());
  MAMORI_TRY(lease->each(
      "SELECT control, at, verdict, violations, since FROM finding f WHERE facility = ? AND at = (SELECT "
      "MAX(g.at) FROM finding g WHERE g.facility = f.facility AND g.control = f.control)",
      {facility}, [&](store::Row& row) { out[store::as_text(row[0])] = change_of(row, 1); }));
  return out;
}

Result<std::size_t> Findings::remember(store::Transaction& transaction, const std::string& facility,
                                       const std::map<std::string, Change>& newest,
                                       const std::vector<Found>& found) {
  std::vector<store::Row> fresh;
  for (const auto& [control, verdict, violations, at] : found) {
    const auto known = newest.find(control);
    const std::string name(name_of(verdict));
    const bool same = known != newest.end() && known->second.verdict == name;
    if (same && known->second.violations == violations) continue;
    // In order, whatever clocks did.
    const auto then = known == newest.end() ? at : std::max(at, known->second.at + Duration(1));
    fresh.push_back(
        {facility, control, name, violations, to_millis(then), to_millis(same ? known->second.since : then)});
  }
  MAMORI_TRY(
      transaction->execute_many("INSERT INTO finding (facility, control, verdict, violations, at, since) "
                                "VALUES (?,?,?,?,?,?) ON CONFLICT "
                                "(facility, control, at) DO NOTHING",
                                fresh));
  return fresh.size();
}

Status Findings::date(const std::string& facility, ControlResults& results, Instant now) const {
  const auto known = MAMORI_TRY(newest(facility));
  for (auto& [id, result] : results) {
    const auto found = known.find(id);
    const bool same = found != known.end() && found->second.verdict == name_of(result.verdict);
    result.since = same ? found->second.since : now;
  }
  return {};
}

Result<std::vector<Change>> Findings::history(const std::string& facility, const std::string& control) const {
  auto lease = MAMORI_TRY(database_.read());
  std::vector<Change> out;
  MAMORI_TRY(lease->each(
      "SELECT at, verdict, violations, since FROM finding WHERE facility = ? AND control = ? ORDER BY "
      "at DESC LIMIT 100",
      {facility, control}, [&](store::Row& row) { out.push_back(change_of(row, 0)); }));
  return out;
}

}  // namespace mamori::assess
