#include "ledger/observed.h"

#include "ledger/detail/rows.h"
#include "ledger/field_value.h"

namespace mamori::ledger {
namespace {

std::string key_of(const Register& reg, const json::object& fields) {
  std::string key;
  for (const auto& name : reg.key) {
    const auto* value = fields.if_contains(name);
    key += (value && value->is_string() ? std::string(value->get_string()) : "") + "\n";
  }
  return key;
}

std::string label_of(const Register& reg, const json::object& fields) {
  std::string label;
  for (const auto& name : reg.label_fields)
    if (const auto text = text_of(fields, name); !text.empty()) label += (label.empty() ? "" : " ") + text;
  return label;
}

}  // namespace

Result<ObservedCounts> write_observed(Ledger& ledger, store::Transaction& transaction, const Register& reg,
                                      const std::string& facility, const std::string& source,
                                      std::vector<json::object> facts, Instant at) {
  MAMORI_ASSERT(reg.observed);
  std::map<std::string, Record> before;
  MAMORI_TRY(transaction->each(
      "SELECT " + detail::columns(reg) + " FROM " + reg.table() + " WHERE facility = ? AND source = ?",
      {facility, source}, [&](store::Row& row) {
        auto record = detail::record_of(reg, row);
        before[key_of(reg, record.fields)] = std::move(record);
      }));

  ObservedCounts counts;
  std::vector<json::object> fresh;
  std::vector<store::Row> changed;
  const auto update = [&](const Record& record) {
    auto row = detail::row_of(reg, record);
    row.emplace_back(fold(record.label));
    row.emplace_back(record.id);
    row.emplace_back(record.version - 1);
    changed.push_back(std::move(row));
  };
  for (auto& fields : facts) {
    // One odd byte in what a device calls itself must not cost the whole reading.
    for (auto& [name, value] : fields)
      if (const auto* text = value.if_string(); text && (text->find('\0') != text->npos || !is_utf8(*text)))
        value = printable(*text, text->size());
    fields["source"] = source;
    fields["observed_at"] = iso_instant(at);
    if (reg.find("present")) fields["present"] = true;
    const auto found = before.find(key_of(reg, fields));
    if (found == before.end()) {
      if (reg.find("first_seen_at")) fields["first_seen_at"] = iso_instant(at);
      fresh.push_back(std::move(fields));
      ++counts.fresh;
      continue;
    }
    auto record = std::move(found->second);
    before.erase(found);
    for (const auto& name : reg.keeps)
      if (const auto* value = record.fields.if_contains(name)) fields[name] = *value;
    for (const auto& [name, from] : reg.remembers)
      if (const auto* value = record.fields.if_contains(from)) fields[name] = *value;
    record.fields = std::move(fields);
    record.label = label_of(reg, record.fields);
    record.retired_at.reset();
    record.retired_reason.clear();
    ++record.version;
    record.updated_at = at;
    update(record);
    ++counts.known;
  }
  for (auto& [key, record] : before) {
    if (record.retired_at) continue;
    if (reg.find("present")) {
      if (!boolean_of(record.fields, "present")) continue;
      record.fields["present"] = false;
      record.fields["observed_at"] = iso_instant(at);
    } else {
      record.retired_at = at;
      record.retired_reason = "no longer reported by its source";
    }
    ++record.version;
    record.updated_at = at;
    update(record);
    ++counts.gone;
  }
  MAMORI_TRY(transaction->execute_many(detail::update_sql(reg), changed));
  MAMORI_TRY(ledger.create_many(transaction, {}, reg, facility, std::move(fresh), "", nullptr));
  return counts;
}

}  // namespace mamori::ledger
