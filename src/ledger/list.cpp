// Lists: filter, sort, page by cursor. A cursor is the sort value and id of the last record shown, so that a
// page stays where it was while others write.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <span>
#include <tuple>

#include "base/crypto.h"
#include "ledger/detail/rows.h"
#include "ledger/field_value.h"
#include "ledger/ledger.h"

namespace mamori::ledger {
namespace {

constexpr std::size_t kLargestPage = 500;
constexpr std::size_t kMostCounted = 4096;  // registers of facilities whose count is kept

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
    // Of a number or a yes, as its column writes it.
    const bool text = !field || kind_of(field->type) == Kind::text;
    sql.where += fmt::format(" AND {} LIKE ? ESCAPE '!'", text ? name : "CAST(" + name + " AS TEXT)");
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

Result<Sql> where_of(const Register& reg, const ListQuery& query, store::Engine engine) {
  Sql sql;
  sql.where = " WHERE " + detail::where_of(reg, query.scope, sql.parameters);
  if (query.retired == Retired::hidden) sql.where += " AND retired_at IS NULL";
  if (query.retired == Retired::only) sql.where += " AND retired_at IS NOT NULL";
  const auto folded = fold(query.text);
  for (const auto word : split(folded, ' ')) {
    if (trim(word).empty()) continue;
    sql.where += engine == store::Engine::sqlite ? " AND INSTR(search, ?) > 0" : " AND STRPOS(search, ?) > 0";
    sql.parameters.emplace_back(std::string(trim(word)));
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

// Which records a page holds, in order, and the first of the next page.
struct Places {
  std::vector<Position> at;
  std::optional<std::int64_t> total;
};

struct Search {
  const Register& reg;
  const SortColumn& sort;
  const std::optional<Position>& after;
  bool descending;
  std::size_t most;
};

Position position_of(const store::Row& row, Kind kind) {
  return {sort_value(row[0], kind), store::as_text(row[1])};
}

// What words ask for stands in no index: every record is looked at, once for the page and the count.
Result<Places> look_through(store::Connection& connection, const Search& search, const Sql& sql) {
  const auto earlier = [&](const Position& a, const Position& b) {
    return leads_on(a, b, search.descending);
  };
  Places places{.total = 0};
  auto& at = places.at;  // a heap with the last on top
  MAMORI_TRY(connection.each(
      fmt::format("SELECT {}, id FROM {}{}", search.sort.expression, search.reg.table(), sql.where),
      sql.parameters, [&](store::Row& row) {
        ++*places.total;
        auto here = position_of(row, search.sort.kind);
        if (search.after && !earlier(*search.after, here)) return;
        if (at.size() == search.most) {
          if (!earlier(here, at.front())) return;
          std::pop_heap(at.begin(), at.end(), earlier);
          at.pop_back();
        }
        at.push_back(std::move(here));
        std::push_heap(at.begin(), at.end(), earlier);
      }));
  std::sort_heap(at.begin(), at.end(), earlier);
  return places;
}

// In the order of an index, as far as the page goes.
Result<Places> walk(store::Connection& connection, const Search& search, Sql sql) {
  if (search.after) {
    sql.where += fmt::format(" AND ({0} {1} ? OR ({0} = ? AND id {1} ?))", search.sort.expression,
                             search.descending ? "<" : ">");
    sql.parameters.push_back(search.after->value);
    sql.parameters.push_back(search.after->value);
    sql.parameters.emplace_back(search.after->id);
  }
  sql.parameters.emplace_back(static_cast<std::int64_t>(search.most));
  Places places;
  MAMORI_TRY(connection.each(
      fmt::format("SELECT {0}, id FROM {1}{2} ORDER BY {0} {3}, id {3} LIMIT ?", search.sort.expression,
                  search.reg.table(), sql.where, search.descending ? "DESC" : "ASC"),
      sql.parameters, [&](store::Row& row) { places.at.push_back(position_of(row, search.sort.kind)); }));
  return places;
}

// In the order of `places`. `marks`: one statement for all pages of this size.
Result<std::vector<Record>> records_at(store::Connection& connection, const Register& reg,
                                       std::span<const Position> places, std::size_t marks) {
  std::vector<Record> records(places.size());
  if (places.empty()) return records;
  std::map<std::string_view, std::size_t> order;
  store::Row ids;
  for (const auto& place : places) {
    order.emplace(place.id, order.size());
    ids.emplace_back(place.id);
  }
  ids.resize(std::max(marks, ids.size()), ids.back());
  std::string list = "?";
  for (std::size_t i = 1; i < ids.size(); ++i) list += ",?";
  MAMORI_TRY(connection.each(
      fmt::format("SELECT {} FROM {} WHERE id IN ({})", detail::selection(reg), reg.table(), list), ids,
      [&](store::Row& row) {
        auto record = detail::record_of(reg, row);
        const auto place = order.at(record.id);
        records[place] = std::move(record);
      }));
  std::erase_if(records, [](const Record& record) { return record.id.empty(); });  // gone in between
  return records;
}

}  // namespace

Result<RecordPage> Ledger::list(const Register& reg, const ListQuery& query) const {
  return page_of(reg, query, true);
}

Result<RecordPage> Ledger::page_of(const Register& reg, const ListQuery& query, bool counted) const {
  const auto sql = MAMORI_TRY(where_of(reg, query, database_.engine()));
  const auto sort = MAMORI_TRY(sort_column(reg, query.sort, database_.engine()));
  std::optional<Position> after;
  if (!query.cursor.empty()) after = MAMORI_TRY(parse_cursor(query.cursor, sort.kind));
  const auto limit = std::min(std::max<std::size_t>(query.limit, 1), kLargestPage);
  const Search search{reg, sort, after, query.descending, limit + 1};

  auto lease = MAMORI_TRY(database_.read());
  const bool by_words = !trim(query.text).empty();
  auto places = MAMORI_TRY(by_words ? look_through(*lease, search, sql) : walk(*lease, search, sql));
  RecordPage page;
  const auto alone = query.scope.only();
  const bool whole = alone && query.scope.vendor().empty() && query.conditions.empty() &&
                     query.retired == Retired::hidden;  // all that the facility uses
  if (places.total) {
    page.total = *places.total;
  } else if (counted && whole && MAMORI_TRY(query.scope.covers(*lease, *alone))) {
    page.total = MAMORI_TRY(live_count(*lease, reg, *alone));
  } else if (counted) {
    const auto total =
        MAMORI_TRY(lease->query("SELECT COUNT(*) FROM " + reg.table() + sql.where, sql.parameters));
    page.total = store::as_integer(total.rows[0][0]);
  }
  const bool more = places.at.size() > limit;
  if (more) {
    places.at.pop_back();
    const auto& last = places.at.back();
    // Whoever follows the cursors must come to an end, whatever is wrong with the order.
    if (after && !leads_on(*after, last, query.descending))
      return Error{ErrorKind::internal, "ledger.list.stuck", {{"sort", query.sort}}};
    page.next = make_cursor(last);
  }
  page.items = MAMORI_TRY(records_at(*lease, reg, places.at, limit));
  MAMORI_TRY(add_ref_labels(*lease, reg, page.items));
  return page;
}

Result<std::int64_t> Ledger::live_count(store::Connection& connection, const Register& reg,
                                        const std::string& facility) const {
  const auto touched = MAMORI_TRY(
      connection.query("SELECT version FROM touched WHERE facility = ? AND what = ?", {facility, reg.name}));
  const auto version = touched.rows.empty() ? 0 : store::as_integer(touched.rows[0][0]);
  const std::pair key(reg.name, facility);
  {
    const MutexLock lock(counting_);
    const auto found = counted_.find(key);
    if (found != counted_.end() && found->second.version == version) return found->second.count;
  }
  const auto rows = MAMORI_TRY(connection.query(
      "SELECT COUNT(*) FROM " + reg.table() + " WHERE facility = ? AND retired_at IS NULL", {facility}));
  const auto count = store::as_integer(rows.rows[0][0]);
  const MutexLock lock(counting_);
  if (counted_.size() >= kMostCounted) counted_.clear();
  counted_[key] = {version, count};
  return count;
}

Status Ledger::each(const Register& reg, ListQuery query,
                    const std::function<bool(const Record&)>& take) const {
  query.limit = kLargestPage;
  query.cursor.clear();
  while (true) {
    const auto page = MAMORI_TRY(page_of(reg, query, false));
    for (const auto& record : page.items)
      if (!take(record)) return {};
    if (page.next.empty()) return {};
    query.cursor = page.next;
  }
}

}  // namespace mamori::ledger
