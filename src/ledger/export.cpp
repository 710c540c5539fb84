#include "ledger/export.h"

#include <fmt/format.h>

#include "ledger/field_value.h"

namespace mamori::ledger {

Result<ExportTable> export_table(const Ledger& ledger, const Register& reg, const ListQuery& query,
                                 ExportColumns columns, std::string_view language) {
  ExportTable table;
  std::vector<const Field*> fields;
  for (const auto& field : reg.fields)
    if (columns == ExportColumns::all || field.in_print) fields.push_back(&field);
  const bool numbered = reg.numbering.has_value();
  // The handbook's ledger (article 5) starts with the kind, then the control number.
  std::size_t number_at = 0;
  if (numbered && !fields.empty() && fields[0]->type == FieldType::choice) number_at = 1;
  for (std::size_t i = 0; i <= fields.size(); ++i) {
    if (numbered && i == number_at)
      table.headings.push_back(language == "en" ? "Control number" : "管理番号");
    if (i < fields.size()) table.headings.push_back(fields[i]->label.in(language));
  }
  // What may be imported again must mean the same record then; on paper the name is enough.
  std::map<std::string, std::string> distinct;  // by id
  for (const auto* field : fields)
    if (columns == ExportColumns::all && field->type == FieldType::ref)
      distinct.merge(
          MAMORI_TRY(ledger.distinct_names(*MAMORI_TRY(ledger.find_register(field->to)), query.scope)));
  MAMORI_TRY(ledger.each(reg, query, [&](const Record& record) {
    std::vector<std::string> row;
    for (std::size_t i = 0; i <= fields.size(); ++i) {
      if (numbered && i == number_at) row.push_back(record.number);
      if (i == fields.size()) break;
      const auto& field = *fields[i];
      if (field.type == FieldType::ref) {
        const auto label = record.ref_labels.find(field.name);
        const auto alone = distinct.find(text_of(record.fields, field.name));
        row.push_back(alone != distinct.end()            ? alone->second
                      : label == record.ref_labels.end() ? ""
                                                         : label->second);
      } else {
        const auto* value = record.fields.if_contains(field.name);
        std::string shown = value ? display(field, *value, language) : "";
        // A file that may be imported again loses no seconds.
        if (columns == ExportColumns::all && value && value->is_string() && field.type == FieldType::datetime)
          if (const auto instant = parse_instant(std::string_view(value->get_string())))
            if (const auto seconds = to_millis(*instant) / 1000 % 60; seconds > 0)
              shown += fmt::format(":{:02}", seconds);
        // Paper shows the era beside the western year; files that may be imported again keep ISO days.
        if (columns == ExportColumns::printed && field.type == FieldType::date && language != "en")
          if (const auto date = parse_iso_date(shown)) shown = japanese_date(*date);
        row.push_back(std::move(shown));
      }
    }
    table.rows.push_back(std::move(row));
    return true;
  }));
  return table;
}

}  // namespace mamori::ledger
