#include <fmt/format.h>

#include "base/text.h"
#include "ledger/detail/rows.h"
#include "ledger/field_value.h"

namespace mamori::ledger::detail {

std::string where_of(const Register& reg, const store::Scope& scope, store::Row& parameters) {
  const auto before = parameters.size();
  const auto where = scope.where("facility", parameters);
  if (scope.vendor().empty()) return where;
  const auto column = reg.vendor_column();
  if (column.empty()) {
    parameters.resize(before);
    return "1 = 0";
  }
  parameters.emplace_back(scope.vendor());
  return fmt::format("{} AND {} = ?", where, column);
}

std::string columns(const Register& reg) {
  std::string text(kFixedColumns);
  for (const auto& field : reg.fields) text += ", " + field.name;
  return text;
}

std::string expression(const Register& reg, const std::string& name) {
  if (!reg.observed || name != "observed_at") return name;
  return fmt::format(
      "CASE WHEN retired_at IS NOT NULL{1} THEN observed_at ELSE COALESCE((SELECT g.at FROM reading g WHERE "
      "g.facility = {0}.facility AND g.register = '{2}' AND g.observer = {0}.observer), observed_at) END",
      reg.table(), reg.find("present") ? " OR present IS FALSE" : "", reg.name);
}

std::string selection(const Register& reg) {
  std::string text(kFixedColumns);
  for (const auto& field : reg.fields) text += ", " + expression(reg, field.name);
  return text;
}

std::string insert_sql(const Register& reg) {
  std::string marks = "?";
  for (std::size_t i = 1; i < kFixedCount + reg.fields.size() + 1; ++i) marks += ",?";
  return "INSERT INTO " + reg.table() + " (" + columns(reg) + ", search) VALUES (" + marks + ")";
}

std::string update_sql(const Register& reg) {
  const auto names = columns(reg) + ", search";
  std::string sets;
  for (const auto name : split(names, ','))
    sets += (sets.empty() ? "" : ", ") + std::string(trim(name)) + " = ?";
  return "UPDATE " + reg.table() + " SET " + sets + " WHERE id = ? AND version = ?";
}

store::Row row_of(const Register& reg, const Record& record) {
  store::Row row = {record.id,
                    record.facility,
                    record.number,
                    record.label,
                    record.version,
                    to_millis(record.created_at),
                    to_millis(record.updated_at),
                    record.retired_at ? store::Value(to_millis(*record.retired_at)) : store::Value(),
                    record.retired_reason};
  row.reserve(row.size() + reg.fields.size() + 3);
  for (const auto& field : reg.fields) {
    const auto* value = record.fields.if_contains(field.name);
    row.push_back(value ? to_column(field, *value) : store::Value());
  }
  return row;
}

Record record_of(const Register& reg, const store::Row& row) {
  Record record;
  record.id = store::as_text(row[0]);
  record.facility = store::as_text(row[1]);
  record.number = store::as_text(row[2]);
  record.label = store::as_text(row[3]);
  record.version = store::as_integer(row[4]);
  record.created_at = from_millis(store::as_integer(row[5]));
  record.updated_at = from_millis(store::as_integer(row[6]));
  record.retired_at = store::as_instant(row[7]);
  record.retired_reason = store::as_text(row[8]);
  for (std::size_t i = 0; i < reg.fields.size(); ++i)
    if (!store::is_null(row[kFixedCount + i]))
      record.fields[reg.fields[i].name] = from_column(reg.fields[i], row[kFixedCount + i]);
  return record;
}

std::string label_of(const Register& reg, const std::string& number, const json::object& fields) {
  std::string label;
  for (const auto& name : reg.label_fields) {
    std::string part;
    if (name == "number") {
      part = number;
    } else if (const auto* value = fields.if_contains(name); value && !value->is_null()) {
      part = display(*reg.find(name), *value, "ja");
    }
    if (!part.empty()) label += (label.empty() ? "" : " ") + part;
  }
  return label.empty() ? number : label;
}

// What the list's search box looks in.
std::string search_text(const Register& reg, const Record& record) {
  std::string text = record.number + "\n" + record.label;
  for (const auto& field : reg.fields) {
    const auto* value = record.fields.if_contains(field.name);
    if (!value || value->is_null() || field.type == FieldType::ref || field.type == FieldType::file ||
        value->is_bool())
      continue;
    const auto shown = display(field, *value, "ja");
    if (record.label.find(shown) == record.label.npos) text += "\n" + shown;
  }
  return fold(text);
}

}  // namespace mamori::ledger::detail
