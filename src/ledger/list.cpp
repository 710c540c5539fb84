// Lists: filter, sort, page by cursor. A cursor is the sort value and id of the last record shown, so that a
// page stays where it was while others write.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <tuple>

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

enum class Kind { integer, fraction, text };

struct SortColumn {
  std::string expression;  // never NULL, so that keyset paging has a total order
  Kind kind;
};

// A place in a sorted list: between the record it names and the next.
struct Position {
  store::Value value;
  std::string id;
};

Error bad(std::string code, std::string value) {
  return {ErrorKind::invalid, std::move(code), {{"value", std::move(value)}}};
}

Kind kind_of(FieldType type) {
  switch (type) {
    case FieldType::integer:
    case FieldType::datetime:
    case FieldType::boolean: return Kind::integer;
    case FieldType::number: return Kind::fraction;
    case FieldType::text:
    case FieldType::long_text:
    case FieldType::date:
    case FieldType::choice:
    case FieldType::ref:
    case FieldType::mac:
    case FieldType::ip:
    case FieldType::cidr:
    case FieldType::email:
    case FieldType::phone:
    case FieldType::url:
    case FieldType::file: return Kind::text;
  }
  MAMORI_UNREACHABLE();
}

Result<SortColumn> sort_column(const Register& reg, const std::string& name, store::Engine engine) {
  if (name == "number" || name == "label") return SortColumn{name, Kind::text};
  if (name == "updated_at" || name == "created_at") return SortColumn{name, Kind::integer};
  const auto* field = reg.find(name);
  if (!field) return bad("ledger.list.sort", name);
  const auto kind = kind_of(field->type);
  const auto column = detail::expression(reg, name);
  if (kind == Kind::text) return SortColumn{fmt::format("COALESCE({}, '')", column), kind};
  if (field->type == FieldType::boolean && engine == store::Engine::postgresql)
    return SortColumn{fmt::format("COALESCE({}::int, -1)", column), kind};
  return SortColumn{fmt::format("COALESCE({}, -9000000000000000)", column), kind};
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
  const auto name = detail::expression(reg, condition.field);
  if (condition.comparison == Comparison::empty || condition.comparison == Comparison::present) {
    sql.where +=
        fmt::format(" AND {} IS {}NULL", name, condition.comparison == Comparison::empty ? "" : "NOT ");
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
  sql.where = " WHERE " + detail::where_of(reg, query.scope, sql.parameters);
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

// Numbers travel as text: a fraction must come back as exactly the one that stands in the row.
std::string make_cursor(const Position& at) {
  return to_base64(json::serialize(json::array{store::as_text(at.value), at.id}));
}

template <class Number>
std::optional<store::Value> number_in(std::string_view text) {
  Number number{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return store::Value(number);
}

Result<Position> parse_cursor(const std::string& cursor, Kind kind) {
  const auto text = from_base64(cursor);
  const auto parts = text ? parse_json(*text) : Result<json::value>(bad("ledger.list.cursor", ""));
  if (!parts || !parts->is_array()) return bad("ledger.list.cursor", cursor);
  const auto& array = parts->get_array();
  if (array.size() != 2 || !array[0].is_string() || !array[1].is_string())
    return bad("ledger.list.cursor", cursor);
  const std::string value(array[0].get_string());
  std::optional<store::Value> at = store::Value(value);
  if (kind == Kind::integer) at = number_in<std::int64_t>(value);
  if (kind == Kind::fraction) at = number_in<double>(value);
  if (!at || (kind == Kind::fraction && !std::isfinite(std::get<double>(*at))))
    return bad("ledger.list.cursor", cursor);
  return Position{std::move(*at), std::string(array[1].get_string())};
}

// The sort value of a row, in the one form that its kind has: an empty fraction's stand-in comes as an
// integer.
store::Value sort_value(const store::Value& column, Kind kind) {
  if (kind == Kind::text) return store::as_text(column);
  if (kind == Kind::integer) return store::as_integer(column);
  const auto* fraction = std::get_if<double>(&column);
  return fraction ? *fraction : static_cast<double>(store::as_integer(column));
}

bool leads_on(const Position& before, const Position& next, bool descending) {
  return descending ? std::tie(next.value, next.id) < std::tie(before.value, before.id)
                    : std::tie(before.value, before.id) < std::tie(next.value, next.id);
}

}  // namespace

Result<RecordPage> Ledger::list(const Register& reg, const ListQuery& query) const {
  auto sql = MAMORI_TRY(where_of(reg, query));
  const auto sort = MAMORI_TRY(sort_column(reg, query.sort, database_.engine()));
  auto lease = MAMORI_TRY(database_.read());
  RecordPage page;
  const auto total =
      MAMORI_TRY(lease->query("SELECT COUNT(*) FROM " + reg.table() + sql.where, sql.parameters));
  page.total = store::as_integer(total.rows[0][0]);

  std::optional<Position> after;
  if (!query.cursor.empty()) {
    after = MAMORI_TRY(parse_cursor(query.cursor, sort.kind));
    sql.where += fmt::format(" AND ({0} {1} ? OR ({0} = ? AND id {1} ?))", sort.expression,
                             query.descending ? "<" : ">");
    sql.parameters.push_back(after->value);
    sql.parameters.push_back(after->value);
    sql.parameters.emplace_back(after->id);
  }
  const auto limit = std::min(std::max<std::size_t>(query.limit, 1), kLargestPage);
  const auto* direction = query.descending ? "DESC" : "ASC";
  sql.parameters.emplace_back(static_cast<std::int64_t>(limit + 1));
  store::Value last;
  bool more = false;
  MAMORI_TRY(
      lease->each(fmt::format("SELECT {}, {} FROM {}{} ORDER BY {} {}, id {} LIMIT ?", detail::selection(reg),
                              sort.expression, reg.table(), sql.where, sort.expression, direction, direction),
                  sql.parameters, [&](store::Row& row) {
                    if (page.items.size() == limit) {
                      more = true;
                      return;
                    }
                    last = row.back();
                    page.items.push_back(detail::record_of(reg, row));
                  }));
  if (more) {
    const Position next{sort_value(last, sort.kind), page.items.back().id};
    // Whoever follows the cursors must come to an end, whatever is wrong with the order.
    if (after && !leads_on(*after, next, query.descending))
      return Error{ErrorKind::internal, "ledger.list.stuck", {{"sort", query.sort}}};
    page.next = make_cursor(next);
  }
  MAMORI_TRY(add_ref_labels(*lease, reg, page.items));
  return page;
}

Status Ledger::each(const Register& reg, ListQuery query,
                    const std::function<bool(const Record&)>& take) const {
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
