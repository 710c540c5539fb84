#include "assess/duty.h"

#include <algorithm>
#include <set>

#include "base/crypto.h"

namespace mamori::assess {
namespace {

using namespace std::chrono_literals;

constexpr const char* kJob = "assess.facility";
constexpr auto kEvery = 1h;  // the controls that time alone may change
// Servers' clocks differ, and what was begun earlier may be committed later than what was seen already.
constexpr auto kOverlap = 2min;

// How far a facility is assessed.
struct Cursor {
  std::string catalog;  // another one asks everything anew
  Instant at;
  std::map<std::string, std::int64_t> touched;
  std::set<std::string> again;  // controls that could not be answered in time
};

Cursor cursor_of(const std::string& text) {
  Cursor cursor;
  const auto parsed = parse_json_object(text.empty() ? "{}" : text);
  if (!parsed) return cursor;
  cursor.catalog = text_of(*parsed, "catalog");
  cursor.at = from_millis(integer_of(*parsed, "at"));
  if (const auto* touched = parsed->if_contains("touched"); touched && touched->is_object())
    for (const auto& [reg, version] : touched->get_object())
      if (version.is_int64()) cursor.touched[reg] = version.get_int64();
  if (const auto* again = parsed->if_contains("again"); again && again->is_array())
    for (const auto& control : again->get_array())
      if (control.is_string()) cursor.again.emplace(control.get_string());
  return cursor;
}

std::string text_of(const Cursor& cursor) {
  json::object touched;
  for (const auto& [reg, version] : cursor.touched) touched[reg] = version;
  return json::serialize(json::object{{"catalog", cursor.catalog},
                                      {"at", to_millis(cursor.at)},
                                      {"touched", std::move(touched)},
                                      {"again", json::array(cursor.again.begin(), cursor.again.end())}});
}

// What the catalogue asks, in short: an update may ask otherwise.
std::string edition_of(const catalog::Catalog& catalog) {
  json::array all;
  for (const auto& control : catalog.controls()) {
    const auto& applies = control.applies;
    all.push_back(json::array{
        json::string(control.id), json::string(control.subjects), json::string(control.violations),
        control.at_least, control.fresh_for.count(), static_cast<int>(control.when_empty),
        json::array(control.evidence.begin(), control.evidence.end()),
        json::array(applies.kinds.begin(), applies.kinds.end()), applies.least_beds.value_or(-1),
        applies.needs_vendor, applies.needs_system, json::string(applies.unless_exempt)});
  }
  return sha256_hex(json::serialize(all)).substr(0, 16);
}

Instant midnight(Instant at) { return start_of(date_of(at)); }
bool same_hour(Instant a, Instant b) {
  return std::chrono::floor<std::chrono::hours>(a) == std::chrono::floor<std::chrono::hours>(b);
}

// One facility's turn.
class Turned {
 public:
  Turned(Controls& controls, const Cursor& cursor, const State& state)
      : controls_(controls), cursor_(cursor), state_(state) {}

  bool is_due(const catalog::Control& control, const std::map<std::string, Change>& newest) const {
    const auto known = newest.find(control.id);
    if (known == newest.end() || cursor_.again.contains(control.id)) return true;
    const auto& rests = controls_.rests(control);
    if (is_touched("facility") || is_touched("exemption")) return true;
    if (std::any_of(rests.registers.begin(), rests.registers.end(),
                    [&](const auto& reg) { return is_touched(reg); }))
      return true;
    const bool by_day = rests.time != Rests::Time::never || !control.applies.unless_exempt.empty();
    if (by_day && date_of(cursor_.at) != date_of(state_.now)) return true;
    if (rests.time == Rests::Time::moment && !same_hour(cursor_.at, state_.now)) return true;
    return has_aged(control, known->second.verdict);
  }

  // From when on it is so.
  Instant since(const catalog::Control& control, const ControlResult& result) const {
    if (result.verdict == Verdict::stale) {
      Instant ended = state_.now;
      for (const auto& evidence : result.evidence)
        if (evidence.stale) ended = std::min(ended, *evidence.observed_at + evidence.life);
      return ended;
    }
    std::optional<Instant> changed;
    const auto later = [&](Instant at) { changed = std::max(changed.value_or(at), at); };
    auto registers = controls_.rests(control).registers;
    registers.insert(registers.end(), {"facility", "exemption"});
    for (const auto& reg : registers)
      if (is_touched(reg)) later(state_.touched.at(reg).at);
    for (const auto& name : control.evidence)
      if (const auto found = state_.readings.find(name); found != state_.readings.end())
        for (const auto& reading : found->second)
          if (reading.at > cursor_.at) later(reading.at);
    if (changed) return std::min(*changed, state_.now);
    const auto today = midnight(state_.now);
    const bool by_day = controls_.rests(control).time == Rests::Time::day;
    return by_day && today > cursor_.at ? today : state_.now;
  }

 private:
  bool is_touched(const std::string& reg) const {
    const auto found = cursor_.touched.find(reg);
    return state_.version_of(reg) != (found == cursor_.touched.end() ? 0 : found->second);
  }
  // Evidence grew old, or came anew.
  bool has_aged(const catalog::Control& control, const std::string& verdict) const {
    if (verdict == name_of(Verdict::not_applicable)) return false;
    const auto evidence = controls_.evidence_of(control, state_);
    const auto any = [&](auto test) { return std::any_of(evidence.begin(), evidence.end(), test); };
    if (any([](const Evidence& e) { return !e.observed_at; }))
      return verdict != name_of(Verdict::no_evidence);
    if (any([](const Evidence& e) { return e.stale; })) return verdict != name_of(Verdict::stale);
    const bool lacked = verdict == name_of(Verdict::stale) || verdict == name_of(Verdict::no_evidence);
    return lacked && any([&](const Evidence& e) { return *e.observed_at > cursor_.at; });
  }

  Controls& controls_;
  const Cursor& cursor_;
  const State& state_;
};

// Which facilities were touched lately. Threads: one at a time.
class Tail {
 public:
  Tail(store::Database& database, const ledger::Registers& registers)
      : database_(database), registers_(registers) {}

  // Since the last call; the first one tells of what may have come while no server ran.
  Result<std::vector<std::pair<std::string, std::string>>> touched() {
    const auto now = database_.clock().now();
    const auto from = last_ ? *last_ - kOverlap : now - 2 * kEvery;
    std::map<std::pair<std::string, std::string>, std::int64_t> seen;
    std::set<std::string> facilities;
    auto lease = MAMORI_TRY(database_.read());
    MAMORI_TRY(lease->each(
        "SELECT facility, what, version FROM touched WHERE at > ?", {to_millis(from)}, [&](store::Row& row) {
          std::pair what(store::as_text(row[0]), store::as_text(row[1]));
          const auto version = store::as_integer(row[2]);
          const auto known = seen_.find(what);
          if (registers_.find(what.second) && (known == seen_.end() || known->second != version))
            facilities.insert(what.first);
          seen[std::move(what)] = version;
        }));
    seen_ = std::move(seen);
    last_ = now;
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& facility : facilities) out.emplace_back(facility, "");
    return out;
  }

 private:
  store::Database& database_;
  const ledger::Registers& registers_;
  std::optional<Instant> last_;
  std::map<std::pair<std::string, std::string>, std::int64_t> seen_;
};

Result<jobs::Done> assess(Assessor& assessor, store::Database& database, const std::string& edition,
                          jobs::Turn& turn) {
  const auto& facility = turn.job().task.facility;
  auto cursor = cursor_of(turn.cursor());
  const auto state = MAMORI_TRY(read_state(database, facility));
  auto newest = MAMORI_TRY(assessor.findings().newest(facility));
  const Turned turned(assessor.controls(), cursor, state);
  const bool anew = cursor.catalog != edition;
  std::vector<Found> found;
  Cursor next{edition, state.now, {}, {}};
  for (const auto& [reg, touched] : state.touched) next.touched[reg] = touched.version;
  const auto& controls = assessor.catalog().controls();
  for (std::size_t i = 0; i < controls.size(); ++i) {
    const auto& control = controls[i];
    if (turn.stopped()) return jobs::Done{};  // nothing is kept: the next turn does it
    turn.progress(static_cast<std::int64_t>(i), static_cast<std::int64_t>(controls.size()));
    if (!anew && !turned.is_due(control, newest)) continue;
    auto result = assessor.controls().run(control, facility, "", state);
    if (!result && result.error().code == "store.timeout") {
      next.again.insert(control.id);
      continue;
    }
    if (!result) {
      result.error().facts.emplace_back("file", control.file);
      return std::move(result).take_error();
    }
    found.push_back({control.id, result->verdict, static_cast<std::int64_t>(result->violations),
                     turned.since(control, *result)});
  }
  auto transaction = MAMORI_TRY(database.begin());
  const auto changed = MAMORI_TRY(assessor.findings().remember(transaction, facility, newest, found));
  MAMORI_TRY(turn.keep_cursor(transaction, text_of(next)));
  MAMORI_TRY(transaction.commit());
  return jobs::Done{.result = {{"asked", found.size()}, {"changed", changed}}};
}

}  // namespace

void add_duties(jobs::Jobs& jobs, Assessor& assessor, ledger::Ledger& ledger) {
  auto& database = ledger.database();
  jobs::Kind kind;
  kind.name = kJob;
  kind.again = 1min;
  kind.tasks = [&database]() -> Result<std::vector<jobs::Task>> {
    std::vector<jobs::Task> out;
    auto lease = MAMORI_TRY(database.read());
    MAMORI_TRY(lease->each("SELECT id FROM r_facility WHERE retired_at IS NULL", {}, [&](store::Row& row) {
      out.push_back({store::as_text(row[0]), "", "", kEvery, {}});
    }));
    return out;
  };
  kind.work = [&assessor, &database, edition = edition_of(assessor.catalog())](jobs::Turn& turn) {
    return assess(assessor, database, edition, turn);
  };
  kind.hastens = [tail = std::make_shared<Tail>(database, ledger.registers())] { return tail->touched(); };
  jobs.add(std::move(kind));
}

}  // namespace mamori::assess
