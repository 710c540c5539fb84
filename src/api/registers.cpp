#include <charconv>

#include "api/access.h"
#include "api/journal.h"
#include "api/routes.h"
#include "api/shapes.h"
#include "ledger/export.h"

namespace mamori::api {
namespace {

using enum http::Method;
using identity::Permission;

std::size_t limit_of(const Call& call) {
  std::size_t limit = 50;
  const auto text = call.request.parameter("limit", "50");
  std::from_chars(text.data(), text.data() + text.size(), limit);
  return limit;
}

// facility, text, sort, descending, retired, cursor, limit; every other parameter is a filter: field or
// field.lt .gt .not .has .empty
Result<ledger::ListQuery> query_of(const Call& call, const ledger::Register& reg, Services& services,
                                   const store::Scope& readable) {
  ledger::ListQuery query;
  const auto& parameters = call.request.query;
  const auto asked = call.request.parameter("facility");
  query.scope = asked.empty() ? readable : MAMORI_TRY(within(services, readable, asked));
  query.text = call.request.parameter("text");
  query.sort = call.request.parameter("sort", reg.numbering ? "number" : "label");
  query.descending = call.request.parameter("descending") == "true";
  const auto retired = call.request.parameter("retired");
  query.retired = retired == "only"       ? ledger::Retired::only
                  : retired == "included" ? ledger::Retired::included
                                          : ledger::Retired::hidden;
  query.cursor = call.request.parameter("cursor");
  query.limit = limit_of(call);
  static const std::set<std::string> kOwn = {"facility", "text",  "sort",   "descending", "retired",
                                             "cursor",   "limit", "format", "language",   "columns"};
  for (const auto& [name, value] : parameters) {
    if (kOwn.contains(name)) continue;
    const auto dot = name.find('.');
    const auto kind = dot == name.npos ? "" : name.substr(dot + 1);
    ledger::Condition condition{name.substr(0, dot), ledger::Comparison::equal, value};
    if (kind == "lt")
      condition.comparison = ledger::Comparison::less;
    else if (kind == "gt")
      condition.comparison = ledger::Comparison::greater;
    else if (kind == "not")
      condition.comparison = ledger::Comparison::not_equal;
    else if (kind == "has")
      condition.comparison = ledger::Comparison::contains;
    else if (kind == "empty")
      condition.comparison = value == "false" ? ledger::Comparison::present : ledger::Comparison::empty;
    else if (!kind.empty())
      return Error{ErrorKind::invalid, "ledger.list.filter", {{"value", name}}};
    query.conditions.push_back(std::move(condition));
  }
  return query;
}

// If-Match: "3". Error: api.version.needed.
Result<std::int64_t> version_of(const Call& call) {
  std::string text = call.request.header("if-match");
  std::erase(text, '"');
  std::int64_t version = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (failure != std::errc{} || end != text.data() + text.size() || version < 1)
    return Error{ErrorKind::invalid, "api.version.needed"};
  return version;
}

http::Reply record_reply(const ledger::Register& reg, const ledger::Record& record, int status = 200) {
  auto reply = http::Reply::json(ledger::to_json(reg, record), status);
  reply.headers.emplace_back("ETag", fmt::format("\"{}\"", record.version));
  return reply;
}

Result<http::Reply> list_registers(const Call& call, Services& services) {
  json::array items;
  for (const auto& reg : services.ledger.registers().all()) {
    if (scope_for(call, reg.readers).empty()) continue;
    auto out = ledger::to_json(reg);
    out["writable"] = !reg.observed && !scope_for(call, reg.writers).empty();
    items.push_back(std::move(out));
  }
  // How many there are in one facility; over many nobody asks, and it would be long to count.
  const auto facility = call.facility();
  if (facility)
    for (auto& item : items) {
      const auto* reg = services.ledger.registers().find(std::string_view(item.at("name").get_string()));
      const auto page = MAMORI_TRY(services.ledger.list(
          *reg, {.scope = scope_for(call, reg->readers).in(*facility), .sort = "label", .limit = 1}));
      item.as_object()["count"] = page.total;
    }
  return http::Reply::json(json::object{{"items", std::move(items)}});
}

Result<http::Reply> list_records(const Call& call, Services& services) {
  const auto to = MAMORI_TRY(access(call, services, Use::read));
  const auto query = MAMORI_TRY(query_of(call, *to.reg, services, to.scope));
  const auto page = MAMORI_TRY(services.ledger.list(*to.reg, query));
  json::array items;
  for (const auto& record : page.items) items.push_back(ledger::to_json(*to.reg, record));
  return http::Reply::json(
      json::object{{"items", std::move(items)}, {"total", page.total}, {"next", page.next}});
}

Result<http::Reply> create_record(const Call& call, Services& services) {
  const auto to = MAMORI_TRY(access(call, services, Use::write));
  const auto facility = MAMORI_TRY(call.facility());
  MAMORI_TRY(within(services, to.scope, facility));
  if (to.reg->name == "facility") return Error{ErrorKind::forbidden, "api.forbidden"};
  const auto body = MAMORI_TRY(call.body());
  const auto* fields = body.if_contains("fields");
  if (!fields || !fields->is_object()) return Error{ErrorKind::invalid, "base.json.bad", {{"offset", "0"}}};
  const auto record = MAMORI_TRY(services.ledger.create(call.actor(), *to.reg, facility,
                                                        {fields->get_object(), text_of(body, "reason")}));
  return record_reply(*to.reg, record, 201);
}

Result<http::Reply> get_record(const Call& call, Services& services) {
  const auto to = MAMORI_TRY(access(call, services, Use::read));
  return record_reply(*to.reg, MAMORI_TRY(services.ledger.get(*to.reg, to.scope, call.at("id"))));
}

Result<http::Reply> change_record(const Call& call, Services& services) {
  const auto to = MAMORI_TRY(access(call, services, Use::write));
  const auto version = MAMORI_TRY(version_of(call));
  const auto body = MAMORI_TRY(call.body());
  const auto* fields = body.if_contains("fields");
  if (!fields || !fields->is_object()) return Error{ErrorKind::invalid, "base.json.bad", {{"offset", "0"}}};
  return record_reply(
      *to.reg, MAMORI_TRY(services.ledger.update(call.actor(), *to.reg, to.scope, call.at("id"), version,
                                                 {fields->get_object(), text_of(body, "reason")})));
}

Result<http::Reply> retire_record(const Call& call, Services& services) {
  const auto to = MAMORI_TRY(access(call, services, Use::write));
  const auto version = MAMORI_TRY(version_of(call));
  if (to.reg->name == "facility") return Error{ErrorKind::forbidden, "api.forbidden"};
  return record_reply(
      *to.reg, MAMORI_TRY(services.ledger.retire(call.actor(), *to.reg, to.scope, call.at("id"), version,
                                                 text_of(MAMORI_TRY(call.body()), "reason"))));
}

Result<http::Reply> bring_back_record(const Call& call, Services& services) {
  const auto to = MAMORI_TRY(access(call, services, Use::write));
  const auto version = MAMORI_TRY(version_of(call));
  return record_reply(
      *to.reg, MAMORI_TRY(services.ledger.bring_back(call.actor(), *to.reg, to.scope, call.at("id"), version,
                                                     text_of(MAMORI_TRY(call.body()), "reason"))));
}

Result<http::Reply> revert_record(const Call& call, Services& services) {
  const auto to = MAMORI_TRY(access(call, services, Use::write));
  const auto version = MAMORI_TRY(version_of(call));
  const auto body = MAMORI_TRY(call.body());
  return record_reply(
      *to.reg, MAMORI_TRY(services.ledger.revert(call.actor(), *to.reg, to.scope, call.at("id"), version,
                                                 integer_of(body, "sequence"), text_of(body, "reason"))));
}

Result<http::Reply> record_history(const Call& call, Services& services) {
  const auto to = MAMORI_TRY(access(call, services, Use::read));
  json::array items;
  for (const auto& entry : MAMORI_TRY(services.ledger.history(*to.reg, to.scope, call.at("id"))))
    items.push_back(to_json(entry));
  return http::Reply::json(json::object{{"items", std::move(items)}});
}

Result<http::Reply> export_records(const Call& call, Services& services) {
  const auto to = MAMORI_TRY(access(call, services, Use::read));
  const auto query = MAMORI_TRY(query_of(call, *to.reg, services, to.scope));
  const auto language = call.language();
  auto table = MAMORI_TRY(ledger::export_table(services.ledger, *to.reg, query,
                                               call.request.parameter("columns") == "printed"
                                                   ? ledger::ExportColumns::printed
                                                   : ledger::ExportColumns::all,
                                               language));
  const auto name = to.reg->label.in(language) + "_" + iso_date(date_of(services.clock.now()));
  if (call.request.parameter("format", "csv") == "xlsx") {
    sheet::Page page{to.reg->label.in(language), {}, {}, std::move(table.rows)};
    for (auto& heading : table.headings) page.columns.push_back({std::move(heading)});
    return http::Reply::file(MAMORI_TRY(sheet::write_xlsx({page})),
                             "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                             name + ".xlsx");
  }
  table.rows.insert(table.rows.begin(), std::move(table.headings));
  return http::Reply::file(sheet::write_csv(table.rows), "text/csv; charset=utf-8", name + ".csv");
}

Result<http::Reply> list_views(const Call& call, Services& services) {
  auto lease = MAMORI_TRY(services.database.read());
  json::array items;
  MAMORI_TRY(lease->each("SELECT id, register, name, query FROM saved_view WHERE user_id = ? ORDER BY name",
                         {call.user->id}, [&](store::Row& row) {
                           items.push_back(json::object{{"id", store::as_text(row[0])},
                                                        {"register", store::as_text(row[1])},
                                                        {"name", store::as_text(row[2])},
                                                        {"query", store::as_text(row[3])}});
                         }));
  return http::Reply::json(json::object{{"items", std::move(items)}});
}

Result<http::Reply> save_view(const Call& call, Services& services) {
  const auto body = MAMORI_TRY(call.body());
  const auto name = text_of(body, "name"), query = text_of(body, "query");
  const auto about = text_of(body, "register");  // or the log search
  if (about != "logs") MAMORI_TRY(services.ledger.find_register(about));
  if (trim(name).empty() || length(name) > 60 || query.size() > 2000)
    return Error{ErrorKind::invalid, "api.view.bad"};
  const auto id = new_id(to_millis(services.clock.now()));
  auto transaction = MAMORI_TRY(services.database.begin());
  MAMORI_TRY(transaction->execute("INSERT INTO saved_view VALUES (?,?,?,?,?)",
                                  {id, call.user->id, about, name, query}));
  MAMORI_TRY(transaction.commit());
  return http::Reply::json(json::object{{"id", id}}, 201);
}

Result<http::Reply> delete_view(const Call& call, Services& services) {
  auto transaction = MAMORI_TRY(services.database.begin());
  if (MAMORI_TRY(transaction->execute("DELETE FROM saved_view WHERE id = ? AND user_id = ?",
                                      {call.at("id"), call.user->id})) == 0)
    return Error{ErrorKind::not_found, "api.not-found"};
  MAMORI_TRY(transaction.commit());
  return http::Reply::nothing();
}

Result<http::Reply> put_blob(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  const auto hash = MAMORI_TRY(services.blobs.put(call.request.body));
  MAMORI_TRY(services.ledger.keep_attachment(call.actor(), facility, hash));
  return http::Reply::json(json::object{{"hash", hash}}, 201);
}

// By way of the record alone, and where its facility has handed the file in: whoever may not read the record
// cannot reach its file, and whoever has the hash in hand does not reach it by a record of their own.
Result<http::Reply> get_attachment(const Call& call, Services& services) {
  const auto to = MAMORI_TRY(access(call, services, Use::read));
  const auto* field = to.reg->find(call.at("field"));
  if (!field || field->type != ledger::FieldType::file) return Error{ErrorKind::not_found, "api.not-found"};
  const auto record = MAMORI_TRY(services.ledger.get(*to.reg, to.scope, call.at("id")));
  const auto value = text_of(record.fields, field->name);  // "SHA-256:name"
  const auto colon = value.find(':');
  if (!MAMORI_TRY(services.ledger.has_attachment(record.facility, value.substr(0, colon))))
    return Error{ErrorKind::not_found, "api.not-found"};
  // As a download only, whatever it is: an uploaded page must never run as ours.
  return http::Reply::file(MAMORI_TRY(services.blobs.get(value.substr(0, colon))), "application/octet-stream",
                           colon == value.npos ? "file" : value.substr(colon + 1));
}

}  // namespace

namespace {

Shape register_shape() {
  using namespace shape;
  const auto printed = object({{"as", one_of({"list", "matrix"})}, {"title", words()}});
  return named("Register", object({{"name", text()},
                                   {"label", words()},
                                   {"description", words()},
                                   {"hint", words()},
                                   {"group", text()},
                                   {"observed", boolean()},
                                   {"numbered", boolean()},
                                   {"writable", boolean()},
                                   {"requirements", list(text())},
                                   {"fields", list(field_shape())},
                                   {"printed", list(printed)},
                                   {"example", map(text())}},
                                  {{"count", integer()}}));
}

Shape write_shape() {
  using namespace shape;
  return named("RecordWrite", object({{"fields", map(value())}}, {{"reason", text()}}));
}

std::vector<Parameter> list_parameters() {
  return {{"text", "words that stand in the record"},
          {"sort", "a field, number, label, updated_at or created_at"},
          {"descending", "true: the last first"},
          {"retired", "only, included or hidden"},
          {"cursor", "`next` of the page before"},
          {"limit", "how many, at most 500"}};
}
std::vector<Parameter> export_parameters() {
  auto out = list_parameters();
  out.push_back({"format", "csv or xlsx"});
  out.push_back({"columns", "printed or all"});
  return out;
}

}  // namespace

std::vector<Route> register_routes() {
  using namespace shape;
  return {
      Route{get, "/api/v1/registers", Permission::ledger_read, list_registers,
            "All registers with their fields"}
          .gives(items(register_shape())),
      Route{get, "/api/v1/registers/{register}/records", Permission::ledger_read, list_records,
            "Records: search, filter, sort, page"}
          .asks(list_parameters())
          .filters()
          .gives(items(record_shape(), {{"total", integer()}, {"next", text()}})),
      Route{post, "/api/v1/registers/{register}/records", Permission::ledger_write, create_record,
            "New record"}
          .takes(write_shape())
          .gives(record_shape(), 201),
      Route{get, "/api/v1/registers/{register}/records/{id}", Permission::ledger_read, get_record,
            "One record"}
          .gives(record_shape()),
      Route{patch, "/api/v1/registers/{register}/records/{id}", Permission::ledger_write, change_record,
            "Change a record (If-Match: version)"}
          .takes(write_shape())
          .gives(record_shape()),
      Route{post, "/api/v1/registers/{register}/records/{id}/retire", Permission::ledger_write, retire_record,
            "Retire a record with a reason"}
          .takes(object({}, {{"reason", text()}}))
          .gives(record_shape()),
      Route{post, "/api/v1/registers/{register}/records/{id}/bring-back", Permission::ledger_write,
            bring_back_record, "Bring a retired record back"}
          .takes(object({}, {{"reason", text()}}))
          .gives(record_shape()),
      Route{post, "/api/v1/registers/{register}/records/{id}/revert", Permission::ledger_write, revert_record,
            "Back to an earlier state"}
          .takes(object({{"sequence", integer()}}, {{"reason", text()}}))
          .gives(record_shape()),
      Route{get, "/api/v1/registers/{register}/records/{id}/files/{field}", Permission::ledger_read,
            get_attachment, "The file attached to a record"}
          .tells("exported")
          .gives_file("application/octet-stream"),
      Route{get, "/api/v1/registers/{register}/records/{id}/history", Permission::ledger_read, record_history,
            "The journal of a record"}
          .gives(items(record_change_shape())),
      Route{get, "/api/v1/registers/{register}/export", Permission::ledger_read, export_records,
            "CSV or XLSX of a list"}
          .tells("exported")
          .asks(export_parameters())
          .filters()
          .gives_file("text/csv"),
      Route{get, "/api/v1/views", Permission::ledger_read, list_views, "My saved views"}.gives(items(named(
          "View", object({{"id", text()}, {"register", text()}, {"name", text()}, {"query", text()}})))),
      Route{post, "/api/v1/views", Permission::ledger_read, save_view, "Save a view"}
          .takes(object({{"register", text()}, {"name", text()}, {"query", text()}}))
          .gives(object({{"id", text()}}), 201),
      Route{delete_, "/api/v1/views/{id}", Permission::ledger_read, delete_view, "Delete a saved view"}
          .gives_nothing(),
      Route{post, "/api/v1/blobs", Permission::ledger_write, put_blob, "Store an attachment", Body::upload}
          .gives(object({{"hash", text()}}), 201),
  };
}

}  // namespace mamori::api
