#include "assess/declaration.h"

#include <fmt/format.h>

namespace mamori::assess {
namespace {

constexpr std::string_view kDeclarationColumns =
    "framework, item, vendor, answer, confirmed_on, target_on, remark, declared_by, at, round";

Declaration declaration_of(const store::Row& row) {
  Declaration declaration;
  declaration.framework = store::as_text(row[0]);
  declaration.item = store::as_text(row[1]);
  declaration.vendor = store::as_text(row[2]);
  declaration.answer = parse_answer(store::as_text(row[3])).value_or(Answer::no);
  declaration.confirmed_on = store::as_text(row[4]);
  declaration.target_on = store::as_text(row[5]);
  declaration.remark = store::as_text(row[6]);
  declaration.by = store::as_text(row[7]);
  declaration.at = from_millis(store::as_integer(row[8]));
  declaration.round = static_cast<int>(store::as_integer(row[9]));
  return declaration;
}

}  // namespace

std::string_view name_of(Answer answer) {
  switch (answer) {
    case Answer::yes: return "yes";
    case Answer::no: return "no";
    case Answer::not_applicable: return "not_applicable";
  }
  MAMORI_UNREACHABLE();
}

std::optional<Answer> parse_answer(std::string_view name) {
  for (const auto answer : {Answer::yes, Answer::no, Answer::not_applicable})
    if (name_of(answer) == name) return answer;
  return std::nullopt;
}

Result<std::vector<Declaration>> Declarations::list(const std::string& facility, const std::string& framework,
                                                    const std::string& vendor) const {
  auto lease = MAMORI_TRY(database_.read());
  std::vector<Declaration> out;
  MAMORI_TRY(lease->each(fmt::format("SELECT {} FROM declaration WHERE facility = ? AND framework = ? AND "
                                     "vendor = ? ORDER BY item, round",
                                     kDeclarationColumns),
                         {facility, framework, vendor},
                         [&](store::Row& row) { out.push_back(declaration_of(row)); }));
  return out;
}

Result<Declaration> Declarations::declare(const store::Actor& actor, const std::string& facility,
                                          Declaration declaration) {
  const auto* framework = catalog_.find_framework(declaration.framework);
  if (!framework || !framework->find(declaration.item))
    return Error{ErrorKind::not_found, "assess.item.unknown", {{"item", declaration.item}}};
  const auto now = database_.clock().now();
  Error bad{ErrorKind::invalid, "assess.declaration.invalid"};
  const auto read_day = [&](std::string& text, const char* field, bool required) -> std::optional<Date> {
    if (trim(text).empty()) {
      if (required) bad.problems.push_back({field, std::string("assess.declaration.") + field, {}});
      return std::nullopt;
    }
    const auto date = parse_loose_date(text);
    if (!date)
      bad.problems.push_back({field, "assess.declaration.date", {{"value", std::string(head(text, 40))}}});
    else
      text = iso_date(*date);
    return date;
  };
  if (trim(declaration.confirmed_on).empty()) declaration.confirmed_on = iso_date(date_of(now));
  const auto confirmed = read_day(declaration.confirmed_on, "confirmed_on", true);
  if (confirmed && *confirmed > date_of(now))
    bad.problems.push_back({"confirmed_on", "assess.declaration.future", {}});
  const auto target = read_day(declaration.target_on, "target_on", declaration.answer == Answer::no);
  if (target && fiscal_year(*target) > fiscal_year(date_of(now)))
    bad.problems.push_back({"target_on",
                            "assess.declaration.target_year",
                            {{"year_end", fmt::format("{}-03-31", fiscal_year(date_of(now)) + 1)}}});
  if (declaration.round < 1 || declaration.round > kRounds)
    bad.problems.push_back({"round", "assess.declaration.round", {}});
  if (length(declaration.remark) > 1000) bad.problems.push_back({"remark", "assess.declaration.remark", {}});
  if (!bad.problems.empty()) return bad;
  declaration.by = actor.name;
  declaration.at = now;

  auto transaction = MAMORI_TRY(database_.begin());
  const auto of_round = [&](int round) {
    return transaction->query(fmt::format("SELECT {} FROM declaration WHERE facility = ? AND framework = ? "
                                          "AND item = ? AND vendor = ? AND round = ?",
                                          kDeclarationColumns),
                              {facility, declaration.framework, declaration.item, declaration.vendor,
                               static_cast<std::int64_t>(round)});
  };
  if (declaration.round > 1 && MAMORI_TRY(of_round(declaration.round - 1)).rows.empty()) {
    bad.problems.push_back({"round", "assess.declaration.round_first", {}});
    return bad;
  }
  const auto before = MAMORI_TRY(of_round(declaration.round));
  MAMORI_TRY(transaction->execute(
      "INSERT INTO declaration (facility, framework, item, vendor, answer, confirmed_on, target_on, remark, "
      "declared_by, at, round)"
      " VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (facility, framework, item, vendor, round) DO UPDATE SET "
      "answer = excluded.answer, confirmed_on = excluded.confirmed_on, target_on = excluded.target_on, "
      "remark = excluded.remark, declared_by = excluded.declared_by, at = excluded.at",
      {facility, declaration.framework, declaration.item, declaration.vendor,
       std::string(name_of(declaration.answer)), declaration.confirmed_on, declaration.target_on,
       declaration.remark, declaration.by, to_millis(now), static_cast<std::int64_t>(declaration.round)}));
  transaction.journal(
      actor, {facility, "declaration",
              declaration.framework + " " + declaration.item +
                  (declaration.vendor.empty() ? "" : " " + declaration.vendor),
              "declared", before.rows.empty() ? "" : json::serialize(to_json(declaration_of(before.rows[0]))),
              json::serialize(to_json(declaration)), declaration.remark});
  MAMORI_TRY(transaction.commit());
  return declaration;
}

json::object to_json(const Declaration& declaration) {
  return {{"answer", name_of(declaration.answer)},
          {"confirmed_on", declaration.confirmed_on},
          {"target_on", declaration.target_on},
          {"remark", declaration.remark},
          {"by", declaration.by},
          {"at", iso_instant(declaration.at)},
          {"item", declaration.item},
          {"vendor", declaration.vendor},
          {"round", declaration.round}};
}

}  // namespace mamori::assess
