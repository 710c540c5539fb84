#include "demo/records.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace mamori::demo {
namespace {

using ledger::FieldType;

constexpr int kMostDays = 36'500;

// "today", "today-30d", "today+400d".
std::optional<Date> relative_date(std::string_view text, Date today) {
  constexpr std::string_view kToday = "today";
  if (!text.starts_with(kToday)) return std::nullopt;
  text.remove_prefix(kToday.size());
  if (text.empty()) return today;
  if (text.size() < 3 || (text[0] != '-' && text[0] != '+') || text.back() != 'd') return std::nullopt;
  const bool before = text[0] == '-';
  text = text.substr(1, text.size() - 2);
  unsigned days = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), days);
  if (failure != std::errc{} || stop != text.data() + text.size() || days > kMostDays) return std::nullopt;
  return add_days(today, before ? -static_cast<int>(days) : static_cast<int>(days));
}

Result<json::value> value_of(const Yaml& yaml, const ledger::Field& field, Date today) {
  if (field.type == FieldType::boolean) return json::value(yaml.boolean(false));
  if (field.type == FieldType::integer) return json::value(yaml.integer(0));
  if (field.type == FieldType::number) return json::value(yaml.number(0));
  const auto text = yaml.text();
  if (field.type != FieldType::date || parse_iso_date(text)) return json::value(text);
  const auto date = relative_date(text, today);
  if (!date)
    return yaml.error("no date: " + text + " (today, today-30d, today+30d or 2026-04-01): " + field.name);
  return json::value(iso_date(*date));
}

Status read_fields(const Yaml& yaml, const ledger::Register& reg, Date today, json::object& out) {
  if (yaml.present() && !yaml.is_map()) return yaml.error("fields with their values expected");
  for (const auto& member : yaml.members()) {
    const auto field = std::find_if(reg.fields.begin(), reg.fields.end(),
                                    [&](const ledger::Field& one) { return one.name == member.first; });
    if (field == reg.fields.end()) return yaml.error("unknown field of " + reg.name + ": " + member.first);
    out[member.first] = MAMORI_TRY(value_of(member.second, *field, today));
  }
  return {};
}

// What is wrong, for the one who writes the file: the field, the problem's code and its facts.
std::string reason_of(const Error& error) {
  std::string out = error.code;
  for (const auto& problem : error.problems) {
    out += "; " + problem.field + ": " + problem.code;
    for (const auto& fact : problem.facts) out += " " + fact.first + "=" + fact.second;
  }
  return out;
}

}  // namespace

Result<std::vector<json::object>> read_records(const Yaml& file, const ledger::Register& reg, Instant now,
                                               const ledger::Ledger::Resolver& resolve) {
  MAMORI_TRY(file.only({"register", "same", "records"}));
  const auto today = date_of(now);
  json::object same;
  for (const auto& field : reg.fields)
    if (!field.initial.empty()) same[field.name] = field.initial;
  MAMORI_TRY(read_fields(file["same"], reg, today, same));
  std::string not_found;  // "vendor: its name"
  const auto look_up = [&](const ledger::Field& field, const std::string& text) {
    auto id = resolve(field, text);
    if (!id) not_found = " (" + field.name + ": " + text + ")";
    return id;
  };
  std::vector<json::object> out;
  for (const auto& record : file["records"].items()) {
    auto fields = same;
    MAMORI_TRY(read_fields(record, reg, today, fields));
    MAMORI_TRY(file.all_read());
    auto checked = ledger::Ledger::check(reg, fields, {}, look_up);
    if (!checked) return record.error(reason_of(checked.error()) + not_found);
    out.push_back(std::move(*checked));
  }
  MAMORI_TRY(file.all_read());
  if (out.empty()) return file.error("missing: records");
  return out;
}

}  // namespace mamori::demo
