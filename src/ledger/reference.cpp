// What a reference's text means: a record is named by its id, its control number, its label, or by its label
// and what tells it apart from others of that name, "佐藤 ゆう [10231]".
#include <fmt/format.h>

#include <algorithm>

#include "ledger/detail/rows.h"
#include "ledger/ledger.h"

namespace mamori::ledger {
namespace {

constexpr std::size_t kMostNamed = 5;  // of those that may be meant

// A field that identifies a record by itself beside its label, as the staff number does; null where there is
// none.
const Field* handle_field(const Register& reg) {
  if (reg.key.size() != 1) return nullptr;
  const auto* field = reg.find(reg.key[0]);
  const bool in_label =
      std::find(reg.label_fields.begin(), reg.label_fields.end(), reg.key[0]) != reg.label_fields.end();
  return field && field->type == FieldType::text && !in_label ? field : nullptr;
}

struct Candidate {
  std::string id, number, label, handle;
  bool retired = false;
};

std::string select_candidates(const Register& reg, std::string_view where = "facility = ?") {
  const auto* field = handle_field(reg);
  return fmt::format(
      "SELECT id, number, label, CASE WHEN retired_at IS NULL THEN 0 ELSE 1 END, {} FROM {} WHERE {}",
      field ? field->name : "NULL", reg.table(), where);
}

Candidate candidate_of(const store::Row& row) {
  return {store::as_text(row[0]), store::as_text(row[1]), store::as_text(row[2]), store::as_text(row[4]),
          store::as_integer(row[3]) != 0};
}

// Those that are in use; where there are none, the retired ones.
std::vector<Candidate> in_use(std::vector<Candidate> all) {
  const auto live = std::count_if(all.begin(), all.end(), [](const Candidate& one) { return !one.retired; });
  if (live > 0) std::erase_if(all, [](const Candidate& one) { return one.retired; });
  return all;
}

std::string distinct_name(const Candidate& one) {
  const auto& handle = !one.number.empty() ? one.number : !one.handle.empty() ? one.handle : one.id;
  return one.label + " [" + handle + "]";
}

Error refused(const Field& field, const Register& target, const std::string& text, const char* code,
              Facts more) {
  Error error{ErrorKind::invalid, "ledger.record.invalid"};
  Facts facts = {{"field", field.label.ja},
                 {"field_en", field.label.en},
                 {"value", std::string(head(text, 60))},
                 {"register", target.label.ja},
                 {"register_en", target.label.en}};
  facts.insert(facts.end(), more.begin(), more.end());
  error.problems.push_back({field.name, code, std::move(facts)});
  return error;
}

}  // namespace

Result<std::string> Ledger::resolve(store::Connection& connection, const std::string& facility,
                                    const Field& field, const std::string& text, FoldedNames* names) const {
  const auto* target = registers_.find(field.to);
  const auto* by_handle = handle_field(*target);
  const auto find = [&](const std::string& condition,
                        store::Row parameters) -> Result<std::vector<Candidate>> {
    parameters.insert(parameters.begin(), facility);
    std::vector<Candidate> out;
    MAMORI_TRY(connection.each(select_candidates(*target) + " AND (" + condition + ") ORDER BY id",
                               parameters, [&](store::Row& row) { out.push_back(candidate_of(row)); }));
    return out;
  };
  auto found = MAMORI_TRY(find("id = ? OR number = ? OR label = ?", {text, text, text}));
  for (const auto& one : found)
    if (one.id == text) return one.id;
  for (const auto& one : found)
    if (one.number == text) return one.id;
  found = in_use(std::move(found));
  if (found.empty() && by_handle) found = in_use(MAMORI_TRY(find(by_handle->name + " = ?", {text})));
  if (const auto open = text.rfind(" ["); found.empty() && open != text.npos && text.ends_with(']')) {
    const auto label = text.substr(0, open), handle = text.substr(open + 2, text.size() - open - 3);
    found = MAMORI_TRY(find("label = ?", {label}));
    std::erase_if(found, [&](const Candidate& one) {
      return one.id != handle && one.number != handle && one.handle != handle;
    });
  }
  if (found.empty()) {
    FoldedNames once;
    auto& kept = names ? *names : once;
    if (!kept.contains(target->name)) {
      auto& by_name = kept[target->name];
      for (const auto& one : MAMORI_TRY(find("1 = 1", {})))
        for (const auto& name : {one.number, one.label, one.handle})
          if (auto folded = fold_name(name); !folded.empty()) {
            auto& ids = by_name[std::move(folded)];
            if (ids.empty() || ids.back() != one.id) ids.push_back(one.id);
          }
    }
    const auto& by_name = kept[target->name];
    if (const auto alike = by_name.find(fold_name(text)); alike != by_name.end())
      for (const auto& id : alike->second)
        for (auto& one : MAMORI_TRY(find("id = ?", {id}))) found.push_back(std::move(one));
    found = in_use(std::move(found));
  }
  if (found.size() == 1) return found[0].id;
  if (found.empty()) return refused(field, *target, text, "ledger.field.ref", {});

  std::sort(found.begin(), found.end(),
            [](const Candidate& a, const Candidate& b) { return distinct_name(a) < distinct_name(b); });
  std::string choices;
  for (std::size_t i = 0; i < std::min(found.size(), kMostNamed); ++i) {
    choices += (choices.empty() ? "" : "、") + distinct_name(found[i]);
    // The department of a person, the vendor of a device: what people tell them apart by.
    const auto record = MAMORI_TRY(get_in(connection, *target, store::Scope::job(facility), found[i].id));
    for (const auto& other : target->fields) {
      const auto label = record.ref_labels.find(other.name);
      if (!other.in_list || label == record.ref_labels.end()) continue;
      choices += "（" + label->second + "）";
      break;
    }
  }
  if (found.size() > kMostNamed) choices += "…";
  return refused(field, *target, text, "ledger.field.ambiguous",
                 {{"count", std::to_string(found.size())}, {"choices", choices}});
}

Result<std::map<std::string, std::string>> Ledger::distinct_names(const Register& reg,
                                                                  const store::Scope& scope) const {
  std::map<std::string, std::string> out;
  store::Row parameters;
  const auto where = detail::where_of(reg, scope, parameters);
  auto lease = MAMORI_TRY(database_.read());
  const auto twice = fmt::format(
      " AND (facility, label) IN (SELECT facility, label FROM {} WHERE {} GROUP BY facility, label HAVING "
      "COUNT(*) > 1)",
      reg.table(), where);
  const auto once = parameters;
  parameters.insert(parameters.end(), once.begin(), once.end());
  MAMORI_TRY(lease->each(select_candidates(reg, where) + twice, parameters, [&](store::Row& row) {
    const auto one = candidate_of(row);
    out[one.id] = distinct_name(one);
  }));
  return out;
}

Result<bool> Ledger::is_named(store::Connection& connection, const Register& reg, const std::string& facility,
                              const std::string& id) const {
  for (const auto& other : registers_.all())
    for (const auto& field : other.fields) {
      if (field.type != FieldType::ref || field.to != reg.name) continue;
      const auto found = MAMORI_TRY(connection.query(
          fmt::format("SELECT id FROM {} WHERE facility = ? AND retired_at IS NULL AND {} = ? LIMIT 1",
                      other.table(), field.name),
          {facility, id}));
      if (!found.rows.empty()) return true;
    }
  return false;
}

}  // namespace mamori::ledger
