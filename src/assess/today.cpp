#include "assess/today.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace mamori::assess {
namespace {

// The list whose items the Today page speaks of.
const catalog::Framework* current_for(const catalog::Catalog& catalog, const Facility& facility) {
  const catalog::Framework* first = nullptr;
  for (const auto& framework : catalog.frameworks()) {
    if (!framework.today) continue;
    if (applies(framework.applies, facility)) return &framework;
    if (!first) first = &framework;
  }
  return first;
}

int urgency_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::gap: return 20;
    case Verdict::stale: return 40;
    case Verdict::no_evidence: return 60;
    case Verdict::met:
    case Verdict::not_applicable: return 100;
  }
  MAMORI_UNREACHABLE();
}

Words reason_of(const Texts& texts, const ItemResult& item, Verdict verdict) {
  std::size_t violations = 0;
  for (const auto* control : item.controls)
    if (control->verdict == verdict) violations += control->violations;
  if (verdict == Verdict::gap && violations > 0)
    return texts.both("today.reason.records", {{"count", std::to_string(violations)}});
  return texts.both("today.reason." + std::string(name_of(verdict)));
}

Words joined(const Words& a, std::string_view between, const Words& b) {
  return {a.ja + std::string(between) + b.ja, a.en + std::string(between) + b.en};
}

}  // namespace

Result<std::vector<TodayRow>> Today::rows(const std::string& facility) {
  const auto now = database_.clock().now();
  const auto today = iso_date(date_of(now));
  const auto soon = iso_date(add_days(date_of(now), 60));
  const auto state = MAMORI_TRY(questions_.facility(facility));
  std::vector<TodayRow> rows;

  const auto* framework = current_for(catalog_, state);
  if (framework) {
    const auto& current = framework->id;
    const auto result = MAMORI_TRY(frameworks_.state(facility, current));
    for (const auto& item : result.items) {
      TodayRow row;
      row.key = current + " " + item.item->id;
      row.link = fmt::format("checklists/{}?item={}", current, item.item->id);
      const auto name = joined({item.item->number, item.item->number}, " ", item.item->text);
      const auto about = [&](std::string_view key) {
        return Words{texts_.get(key, "ja", {{"item", name.ja}}), texts_.get(key, "en", {{"item", name.en}})};
      };
      if (item.contradiction == Contradiction::declared_yes_measured_gap) {
        row.kind = "contradiction";
        row.urgency = 0;
        row.text = about("today.contradiction");
        row.reason = joined(texts_.both("today.answered_yes", {{"by", item.declared->by}}), "",
                            reason_of(texts_, item, Verdict::gap));
        rows.push_back(std::move(row));
        continue;
      }
      if (item.declared && item.declared->answer == Answer::no && !item.declared->target_on.empty() &&
          item.declared->target_on <= soon && item.verdict != Verdict::met) {
        const bool past = item.declared->target_on < today;
        TodayRow target = row;
        target.kind = "target";
        target.key += " target";
        target.urgency = past ? 5 : 30;
        target.date = item.declared->target_on;
        target.text = about("today.target");
        target.reason = texts_.both(past ? "today.target.past" : "today.target.soon");
        rows.push_back(std::move(target));
      }
      if (item.verdict == Verdict::met || item.verdict == Verdict::not_applicable) continue;
      row.kind = std::string(name_of(item.verdict));
      row.urgency = urgency_of(item.verdict);
      row.text = item.next_step.ja.empty() ? name : item.next_step;
      row.reason = joined(name, " ― ", reason_of(texts_, item, item.verdict));
      rows.push_back(std::move(row));
    }
  }

  // What has happened is shown whether or not the checklist asks for it, once.
  std::set<const catalog::Control*> shown;
  if (framework)
    for (const auto& item : framework->items)
      for (const auto& id : item.controls) shown.insert(catalog_.find_control(id));
  const auto results = MAMORI_TRY(controls_.all(facility));
  for (const auto& [id, result] : *results) {
    const auto& control = *result.control;
    if (control.today == catalog::Today::as_item || result.verdict != Verdict::gap ||
        shown.contains(&control))
      continue;
    const auto how_many = texts_.both("today.reason.records", {{"count", std::to_string(result.violations)}});
    rows.push_back({.kind = std::string(name_of(result.verdict)),
                    .urgency = control.today == catalog::Today::first ? 2 : 22,
                    .text = control.next_step,
                    .reason = joined(control.title, " ― ", how_many),
                    .date = {},
                    .link = control.link,
                    .key = "control " + id});
  }

  for (const auto& line : catalog_.today_lines()) {
    const auto found = MAMORI_TRY(questions_.ask(line.question, state));
    const auto count = store::as_integer(found.rows[0][0]);
    if (count == 0) continue;
    TodayRow row;
    row.key = row.kind = line.name;
    row.urgency = line.urgency;
    row.text = texts_.both("today." + line.name, {{"count", std::to_string(count)}});
    row.reason = texts_.both("today." + line.name + ".why");
    row.date = found.rows[0].size() > 1 ? store::as_text(found.rows[0][1]) : "";
    row.link = line.link;
    rows.push_back(std::move(row));
  }

  auto lease = MAMORI_TRY(database_.read());
  std::map<std::string, std::string> put_off;
  MAMORI_TRY(lease->each("SELECT row_key, until FROM put_off WHERE facility = ? AND until > ?",
                         {facility, today},
                         [&](store::Row& row) { put_off[store::as_text(row[0])] = store::as_text(row[1]); }));
  std::erase_if(rows, [&](const TodayRow& row) { return put_off.contains(row.key); });
  std::stable_sort(rows.begin(), rows.end(),
                   [](const TodayRow& a, const TodayRow& b) { return a.urgency < b.urgency; });
  return rows;
}

Status Today::put_off(const store::Actor& actor, const std::string& facility, const std::string& key,
                      const std::string& until, const std::string& reason) {
  const auto now = database_.clock().now();
  const auto date = parse_loose_date(until);
  Error bad{ErrorKind::invalid, "assess.put_off.invalid"};
  if (!date || *date <= date_of(now) || days_between(date_of(now), *date) > 92)
    bad.problems.push_back({"until", "assess.put_off.until", {}});
  if (trim(reason).empty()) bad.problems.push_back({"reason", "assess.put_off.reason", {}});
  if (key.empty() || key.size() > 200) bad.problems.push_back({"key", "assess.put_off.key", {}});
  if (!bad.problems.empty()) return bad;
  auto transaction = MAMORI_TRY(database_.begin());
  MAMORI_TRY(transaction->execute(
      "INSERT INTO put_off VALUES (?,?,?,?,?) ON CONFLICT (facility, row_key) DO UPDATE SET until = "
      "excluded.until, reason = excluded.reason, put_off_by = excluded.put_off_by",
      {facility, key, iso_date(*date), reason, actor.name}));
  transaction.journal(actor, {facility, "today", key, "put_off", "",
                              json::serialize(json::object{{"until", iso_date(*date)}}), reason});
  return transaction.commit();
}

json::object to_json(const TodayRow& row) {
  return {{"kind", row.kind},
          {"urgency", row.urgency},
          {"text", words_json(row.text)},
          {"reason", words_json(row.reason)},
          {"date", row.date},
          {"link", row.link},
          {"key", row.key}};
}

}  // namespace mamori::assess
