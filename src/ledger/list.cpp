// Lists: filter, sort, page by cursor. A cursor is the sort value and id of the last record shown, so that a page stays where it was
// while others write.
#include <fmt/format.h>

#include "base/crypto.h"
#include "ledger/detail/rows.h"
#include "ledger/field_value.h"
#include "ledger/ledger.h"

namespace mamori::ledger {
namespace {

constexpr std::size_t kLargestPage = 500;

struct Sql {
  std::string where;
  store::Row parameters;
};

struct SortColumn {
  std::string expression;  // never NULL, so that keyset paging has a total order
  bool numeric;
};

Error bad(std::string code, std::string value) { return {ErrorKind::invalid, std::move(code), {{"value", std::move(value)}}}; }

bool is_numeric(FieldType type) {
  return type == FieldType::integer || type == FieldType::number || type == FieldType::datetime || type == FieldType::boolean;
}

Result<SortColumn> sort_column(const Register& reg, const std::string& name, store::Engine engine) {
  if (name == "number" || name == "label") return SortColumn{name, false};
  if (name == "updated_at" || name == "created_at") return SortColumn{name, true};
  const auto* field = reg.find(name);
  if (!field) return bad("ledger.list.sort", name);
  if (field->type == FieldType::boolean && engine == store::Engine::postgresql) return SortColumn{fmt::format("COALESCE({}::int, -1)", name), true};
  if (is_numeric(field->type)) return SortColumn{fmt::format("COALESCE({}, -9000000000000000)", name), true};
  return SortColumn{fmt::format("COALESCE({}, '')", name), false};
}

std::string like_pattern(std::string_view word) {
  std::string pattern = "%";
  for (const char c : word) {
    if (c == '%' || c == '_' || c == '!') pattern += '!';
    pattern += c;
  }
  return pattern + "%";
}

Status add_condition(Sql& sql, const Register& reg, const Condition& condition) {
  const auto* field = reg.find(condition.field);
  const bool fixed = condition.field == "number" || condition.field == "label" || condition.field == "id";
  if (!field && !fixed) return bad("ledger.list.filter", condition.field);
  const auto& name = condition.field;
  if (condition.comparison == Comparison::empty || condition.comparison == Comparison::present) {
    sql.where += fmt::format(" AND {} IS {}NULL", name, condition.comparison == Comparison::empty ? "" : "NOT ");
    return {};
  }
  if (condition.comparison == Comparison::contains) {
    sql.where += fmt::format(" AND {} LIKE ? ESCAPE '!'", name);
    sql.parameters.emplace_back(like_pattern(condition.value));
    return {};
  }
  store::Value value = condition.value;
  if (field) {
    const auto kept = MAMORI_TRY(normalise(*field, json::value(condition.value)));
    value = to_column(*field, kept);
  }
  const char* sign = "=";
  if (condition.comparison == Comparison::less) sign = "<";
  if (condition.comparison == Comparison::greater) sign = ">";
  if (condition.comparison == Comparison::not_equal) {
    sql.where += fmt::format(" AND ({0} IS NULL OR {0} <> ?)", name);
  } else {
    sql.where += fmt::format(" AND {} {} ?", name, sign);
  }
  sql.parameters.push_back(std::move(value));
  return {};
}

Result<Sql> where_of(const Register& reg, const ListQuery& query) {
  Sql sql;
  std::string marks;
  for (const auto& facility : query.facilities) {
    marks += marks.empty() ? "?" : ",?";
    sql.parameters.emplace_back(facility);
  }
  sql.where = marks.empty() ? " WHERE 1 = 0" : " WHERE facility IN (" + marks + ")";
  if (query.retired == Retired::hidden) sql.where += " AND retired_at IS NULL";
  if (query.retired == Retired::only) sql.where += " AND retired_at IS NOT NULL";
  const auto folded = fold(query.text);
  for (const auto word : split(folded, ' ')) {
    if (trim(word).empty()) continue;
    sql.where += " AND search LIKE ? ESCAPE '!'";
    sql.parameters.emplace_back(like_pattern(trim(word)));
  }
  for (const auto& condition : query.conditions) MAMORI_TRY(add_condition(sql, reg, condition));
  return sql;
}

std::string make_cursor(const store::Value& value, const std::string& id, bool numeric) {
  json::array parts;
  if (numeric) parts.emplace_back(store::as_integer(value));
  else parts.emplace_back(store::as_text(value));
  parts.emplace_back(id);
  return to_base64(json::serialize(parts));
}

}  // namespace

Result<RecordPage> Ledger::list(const Register& reg, const ListQuery& query) const {
  auto sql = MAMORI_TRY(where_of(reg, query));
  const auto sort = MAMORI_TRY(sort_column(reg, query.sort, database_.engine()));
  auto lease = MAMORI_TRY(database_.read());
  RecordPage page;
  const auto total = MAMORI_TRY(lease->query("SELECT COUNT(*) FROM " + reg.table() + sql.where, sql.parameters));
  page.total = store::as_integer(total.rows[0][0]);

  if (!query.cursor.empty()) {
    const auto text = from_base64(query.cursor);
    const auto parts = text ? parse_json(*text) : Result<json::value>(bad("ledger.list.cursor", ""));
    if (!parts || !parts->is_array() || parts->get_array().size() != 2 || !parts->get_array()[1].is_string()) return bad("ledger.list.cursor", query.cursor);
    const auto& value = parts->get_array()[0];
    sql.where += fmt::format(" AND ({0} {1} ? OR ({0} = ? AND id {1} ?))", sort.expression, query.descending ? "<" : ">");
    store::Value at;
    if (sort.numeric && value.is_int64()) at = value.get_int64();
    else if (!sort.numeric && value.is_string()) at = std::string(value.get_string());
    else return bad("ledger.list.cursor", query.cursor);
    sql.parameters.push_back(at);
    sql.parameters.push_back(at);
    sql.parameters.emplace_back(std::string(parts->get_array()[1].get_string()));
  }
  const auto limit = std::min(std::max<std::size_t>(query.limit, 1), kLargestPage);
  const auto* direction = query.descending ? "DESC" : "ASC";
  sql.parameters.emplace_back(static_cast<std::int64_t>(limit + 1));
  store::Value last;
  bool more = false;
  MAMORI_TRY(lease->each(fmt::format("SELECT {}, {} FROM {}{} ORDER BY {} {}, id {} LIMIT ?", detail::columns(reg), sort.expression, reg.table(), sql.where, sort.expression, direction, direction),
                         sql.parameters, [&](store::Row& row) {
                           if (page.items.size() == limit) {
                             more = true;
                             return;
                           }
                           last = row.back();
                           page.items.push_back(detail::record_of(reg, row));
                         }));
  if (more) page.next = make_cursor(last, page.items.back().id, sort.numeric);
  MAMORI_TRY(add_ref_labels(*lease, reg, page.items));
  return page;
}

Status Ledger::each(const Register& reg, ListQuery query, const std::function<bool(const Record&)>& take) const {
  query.limit = kLargestPage;
  query.cursor.clear();
  while (true) {
    const auto page = MAMORI_TRY(list(reg, query));
    for (const auto& record : page.items)
      if (!take(record)) return {};
    if (page.next.empty()) return {};
    query.cursor = page.next;
  }
}

}  // namespace mamori::ledger
