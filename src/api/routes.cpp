#include "api/routes.h"

#include "api/handlers.h"
#include "api/problem.h"
#include "base/log.h"

namespace mamori::api {
namespace {

using enum http::Method;
using identity::Permission;

// Splits "/a/{b}" against "/a/x"; the names found go into `out`.
bool matches(std::string_view pattern, std::string_view path, std::map<std::string, std::string>& out) {
  out.clear();
  while (true) {
    const auto pattern_slash = pattern.find('/', 1), path_slash = path.find('/', 1);
    const auto want = pattern.substr(1, pattern_slash == pattern.npos ? pattern.npos : pattern_slash - 1);
    const auto have = path.substr(path.empty() ? 0 : 1, path_slash == path.npos ? path.npos : path_slash - 1);
    if (want.starts_with('{')) {
      if (have.empty()) return false;
      out[std::string(want.substr(1, want.size() - 2))] = have;
    } else if (want != have) {
      return false;
    }
    if (pattern_slash == pattern.npos || path_slash == path.npos) return pattern_slash == path_slash;
    pattern.remove_prefix(pattern_slash);
    path.remove_prefix(path_slash);
  }
}

}  // namespace

const std::vector<Route>& routes() {
  static const std::vector<Route> kRoutes = {
      {get, "/healthz", Permission::none_needed, get_health,
       "Whether the ledger can be read and written and the disk takes something; 503 where not"},
      {get, "/metrics", Permission::none_needed, get_metrics, "Prometheus metrics (from this machine only)"},
      {get, "/api/v1/openapi.json", Permission::none_needed, get_openapi, "This document"},
      {get, "/api/v1/state", Permission::none_needed, get_state,
       "Version, and whether the first-use wizard is open"},
      {post, "/api/v1/setup", Permission::none_needed, post_setup,
       "First use: facility and first user, with the secret printed at start"},
      {post, "/api/v1/session", Permission::none_needed, sign_in, "Sign in"},
      {delete_, "/api/v1/session", Permission::own_account, sign_out, "Sign out"},
      {get, "/api/v1/session", Permission::own_account, get_me,
       "Who is signed in, with roles and facilities"},
      {get, "/api/v1/account/sessions", Permission::own_account, list_sessions, "My sessions"},
      {delete_, "/api/v1/account/sessions/{session}", Permission::own_account, revoke_session,
       "End one of my sessions"},
      {post, "/api/v1/account/password", Permission::own_account, change_password, "Change my password"},
      {post, "/api/v1/password-check", Permission::none_needed, check_password_strength,
       "What the password rule says of a password"},
      {post, "/api/v1/account/totp", Permission::own_account, begin_totp, "Begin a second factor"},
      {post, "/api/v1/account/totp/confirm", Permission::own_account, confirm_totp,
       "Confirm the second factor"},
      {delete_, "/api/v1/account/totp", Permission::own_account, remove_totp, "Remove the second factor"},
      {get, "/api/v1/search", Permission::ledger_read, search, "Find records of any register"},

      {get, "/api/v1/users", Permission::users_manage, list_users, "Users of the facility"},
      {post, "/api/v1/users", Permission::users_manage, create_user, "New user"},
      {patch, "/api/v1/users/{user}", Permission::users_manage, change_user,
       "Roles, state, password, unlocking, ending sessions"},

      {get, "/api/v1/registers", Permission::ledger_read, list_registers, "All registers with their fields"},
      {get, "/api/v1/registers/{register}/records", Permission::ledger_read, list_records,
       "Records: search, filter, sort, page"},
      {post, "/api/v1/registers/{register}/records", Permission::ledger_write, create_record, "New record"},
      {get, "/api/v1/registers/{register}/records/{id}", Permission::ledger_read, get_record, "One record"},
      {patch, "/api/v1/registers/{register}/records/{id}", Permission::ledger_write, change_record,
       "Change a record (If-Match: version)"},
      {post, "/api/v1/registers/{register}/records/{id}/retire", Permission::ledger_write, retire_record,
       "Retire a record with a reason"},
      {post, "/api/v1/registers/{register}/records/{id}/bring-back", Permission::ledger_write,
       bring_back_record, "Bring a retired record back"},
      {post, "/api/v1/registers/{register}/records/{id}/revert", Permission::ledger_write, revert_record,
       "Back to an earlier state"},
      {get, "/api/v1/registers/{register}/records/{id}/files/{field}", Permission::ledger_read,
       get_attachment, "The file attached to a record"},
      {get, "/api/v1/registers/{register}/records/{id}/history", Permission::ledger_read, record_history,
       "The journal of a record"},
      {get, "/api/v1/registers/{register}/export", Permission::ledger_read, export_records,
       "CSV or XLSX of a list"},
      {get, "/api/v1/views", Permission::ledger_read, list_views, "My saved views"},
      {post, "/api/v1/views", Permission::ledger_read, save_view, "Save a view"},
      {delete_, "/api/v1/views/{id}", Permission::ledger_read, delete_view, "Delete a saved view"},
      {post, "/api/v1/blobs", Permission::ledger_write, put_blob, "Store an attachment", Body::upload},

      {post, "/api/v1/imports", Permission::ledger_write, create_import,
       "Upload a sheet: what was understood, line by line; nothing is written", Body::upload},
      {get, "/api/v1/imports", Permission::ledger_write, list_imports,
       "What you have imported, and may take back"},
      {post, "/api/v1/imports/{id}/plan", Permission::ledger_write, plan_import,
       "Plan again with another mapping or sheet"},
      {post, "/api/v1/imports/{id}/apply", Permission::ledger_write, apply_import,
       "Write the good lines, or all or none"},
      {post, "/api/v1/imports/{id}/undo", Permission::ledger_write, undo_import, "Take the import back"},
      {get, "/api/v1/imports/{id}/rejected", Permission::ledger_write, rejected_lines,
       "The rejected lines with their reasons, as CSV"},

      {get, "/api/v1/frameworks", Permission::findings_read, list_frameworks, "Frameworks with their counts"},
      {get, "/api/v1/frameworks/{framework}", Permission::findings_read, get_framework,
       "Every item with its measured and declared answer"},
      {post, "/api/v1/frameworks/{framework}/items/{item}/declaration", Permission::findings_declare,
       declare_item, "Declare an answer"},
      {get, "/api/v1/controls/{control}/history", Permission::findings_read, control_history,
       "How a control's verdict changed"},
      {get, "/api/v1/today", Permission::findings_read, get_today, "What to do, most urgent first"},
      {post, "/api/v1/today/put-off", Permission::findings_declare, put_off_today,
       "Put a row off with a reason"},

      {get, "/api/v1/jobs", Permission::sources_read, list_jobs,
       "Work that is done by itself: when, how far, how it went"},
      {post, "/api/v1/jobs/{id}/run", Permission::sources_manage, ask_job,
       "Do it now, on whichever server has a hand free"},
      {post, "/api/v1/jobs/{id}/stop", Permission::sources_manage, end_job, "End the run that goes on"},

      {get, "/api/v1/sources", Permission::sources_read, list_sources, "Sources and their state"},
      {post, "/api/v1/sources", Permission::sources_manage, create_source, "New source"},
      {patch, "/api/v1/sources/{id}", Permission::sources_manage, change_source, "Change a source"},
      {post, "/api/v1/sources/{id}/retire", Permission::sources_manage, retire_source,
       "Read it no more; what it said counts for nothing any more"},
      {post, "/api/v1/sources/{id}/run", Permission::sources_manage, run_source, "Read a source now"},
      {post, "/api/v1/sources/{id}/file", Permission::sources_manage, read_source_file, "Read from a file",
       Body::upload},
      {get, "/api/v1/sources/{id}/runs", Permission::sources_read, source_runs, "The last runs"},
      {get, "/api/v1/candidates", Permission::sources_read, list_candidates,
       "Devices that answered and are not in the ledger"},
      {post, "/api/v1/candidates/{id}", Permission::sources_manage, decide_candidate,
       "Accept into the ledger, or explain"},

      {get, "/api/v1/logs/search", Permission::logs_read, search_logs,
       "Find events: q, from, to, stream, limit, before, statistics"},
      {get, "/api/v1/logs/events/{stream}/{index}", Permission::logs_read, get_log_event,
       "One event with all its fields and its proof"},
      {get, "/api/v1/logs/export", Permission::logs_read, export_logs,
       "Events with their proof as ZIP: q, from, to, stream, format=jsonl|csv|xlsx"},
      {get, "/api/v1/logs/streams", Permission::logs_read, list_log_streams,
       "Streams, their size and newest head, disk space"},
      {get, "/api/v1/logs/streams/{stream}/heads", Permission::logs_read, list_log_heads,
       "Signed tree heads, newest first"},
      {get, "/api/v1/logs/streams/{stream}/proof", Permission::logs_read, get_log_proof,
       "Inclusion proof (index, size) or consistency proof (from, size)"},
      {post, "/api/v1/logs/streams/{stream}/verify", Permission::logs_manage, verify_log_stream,
       "Read the stream again and hold it against its tree and heads"},
      {post, "/api/v1/logs/streams/{stream}/heads", Permission::logs_manage, publish_log_head,
       "Sign the tree as it is now"},
      {get, "/api/v1/logs/sources", Permission::sources_read, list_log_sources,
       "Senders of logs with what arrives from them"},
      {post, "/api/v1/logs/sources/{id}/token", Permission::logs_manage, make_log_token,
       "A new token for a sender, shown once"},
      {post, "/api/v1/logs/import", Permission::logs_manage, import_logs,
       "A file of lines, as from ?source=", Body::upload},
      {post, "/ingest/fhir", Permission::none_needed, ingest_fhir, "FHIR AuditEvent, single or Bundle",
       Body::upload, Caller::sender},
      {post, "/ingest/v1/logs", Permission::none_needed, ingest_otlp, "OTLP/HTTP logs, JSON or protobuf",
       Body::upload, Caller::sender},
      {post, "/ingest/lines", Permission::none_needed, ingest_lines, "One event a line", Body::upload,
       Caller::sender},
      {get, "/ingest/elastic", Permission::none_needed, ingest_bulk_info,
       "What Elasticsearch clients ask first", Body::small, Caller::sender},
      {get, "/ingest/elastic/", Permission::none_needed, ingest_bulk_info, "The same", Body::small,
       Caller::sender},
      {post, "/ingest/elastic/_bulk", Permission::none_needed, ingest_bulk, "Elasticsearch _bulk",
       Body::upload, Caller::sender},
      {put, "/ingest/elastic/_bulk", Permission::none_needed, ingest_bulk, "The same", Body::upload,
       Caller::sender},
      {post, "/ingest/elastic/{index}/_bulk", Permission::none_needed, ingest_bulk,
       "Elasticsearch _bulk for one index", Body::upload, Caller::sender},

      {get, "/api/v1/documents/checklists/{framework}", Permission::documents_make, get_checklist_document,
       "A checklist as PDF or XLSX"},
      {get, "/api/v1/documents/registers/{register}", Permission::documents_make, get_register_document,
       "A register as PDF or XLSX"},
      {get, "/api/v1/documents/access-rights", Permission::documents_make, get_matrix_document,
       "The access-right matrix as PDF or XLSX"},
      {get, "/api/v1/documents/log-heads", Permission::documents_make, get_log_heads_document,
       "The newest signed heads of the logs as PDF with QR codes"},
      {get, "/api/v1/documents/inspection-package", Permission::documents_make, get_package,
       "The signed inspection package"},
      {get, "/api/v1/journal", Permission::journal_read, list_journal, "The change journal"},
  };
  return kRoutes;
}

std::string Call::language() const {
  const auto asked = request.parameter("language");
  if (asked == "en" || asked == "ja") return asked;
  return request.header("accept-language").starts_with("en") ? "en" : "ja";
}

store::Actor Call::actor() const {
  return {user ? user->id : "", user ? user->name : "", "web " + request.remote};
}

Result<std::string> Call::facility() const {
  const auto asked = request.parameter("facility");
  if (asked.empty()) {
    if (facilities.size() == 1) return facilities[0];
    return Error{ErrorKind::invalid, "api.facility.needed"};
  }
  for (const auto& facility : facilities)
    if (facility == asked) return facility;
  return Error{ErrorKind::forbidden, "api.forbidden"};
}

namespace {

Error text_refused(std::string_view field) {
  Error error{ErrorKind::invalid, "api.text.refused"};
  error.problems.push_back({std::string(field), "api.text.characters", {{"field", std::string(field)}}});
  return error;
}

bool is_storable(std::string_view text) { return text.find('\0') == text.npos && is_utf8(text); }

// The field of a body that holds a text no database keeps as it is; "" is a field's name too where the
// outermost value is none.
std::optional<std::string> refused_field(const json::value& value, std::string_view name) {
  if (const auto* text = value.if_string(); text && !is_storable(*text)) return std::string(name);
  if (const auto* array = value.if_array())
    for (const auto& one : *array)
      if (auto found = refused_field(one, name)) return found;
  if (const auto* object = value.if_object())
    for (const auto& [key, one] : *object) {
      if (!is_storable(key)) return std::string(name);
      if (auto found = refused_field(one, key)) return found;
    }
  return std::nullopt;
}

}  // namespace

Result<json::object> Call::body() const {
  auto object = MAMORI_TRY(parse_json_object(request.body));
  for (const auto& [key, value] : object) {
    if (!is_storable(key)) return text_refused(printable(key, 60));
    if (const auto field = refused_field(value, key)) return text_refused(*field);
  }
  return object;
}

namespace {

struct Asked {
  const Route* route = nullptr;
  std::map<std::string, std::string> names = {};
  std::optional<std::pair<identity::User, identity::Session>> signed_in = {};
  std::vector<std::string> facilities = {};
};

// Fills `asked` from all but the body; or why not.
std::optional<http::Reply> look(const http::Request& request, Services& services, Asked& asked) {
  bool path_known = false;
  for (const auto& candidate : routes()) {
    if (!matches(candidate.path, request.path, asked.names)) continue;
    path_known = true;
    const bool head = request.method == http::Method::head && candidate.method == http::Method::get;
    if (candidate.method == request.method || head) {
      asked.route = &candidate;
      break;
    }
  }
  const auto refuse = [&](ErrorKind kind, std::string code) {
    return problem_reply({kind, std::move(code)}, services.texts);
  };
  const auto* route = asked.route;
  if (!route) {
    auto reply = refuse(ErrorKind::not_found, "api.not-found");
    if (path_known) reply.status = 405;
    return reply;
  }
  const bool writes = route->method != http::Method::get && route->caller == Caller::browser;
  if (writes && request.header(kForgeryHeader).empty()) return refuse(ErrorKind::forbidden, "api.forgery");
  for (const auto& [name, value] : asked.names)
    if (!is_storable(value)) return problem_reply(text_refused(name), services.texts);
  for (const auto& [name, value] : request.query)
    if (!is_storable(name) || !is_storable(value))
      return problem_reply(text_refused(printable(name, 60)), services.texts);
  if (const auto token = request.cookie(kSessionCookie); !token.empty()) {
    auto session = services.users.session(Secret(token));
    // A database that does not answer has not signed anybody out.
    if (!session && session.error().kind != ErrorKind::unauthenticated)
      return problem_reply(session.error(), services.texts);
    if (session) asked.signed_in = std::move(session).take();
  }
  if (asked.signed_in) asked.facilities = asked.signed_in->first.facilities_with(route->permission);
  if (route->permission == Permission::none_needed) return std::nullopt;
  if (!asked.signed_in) return refuse(ErrorKind::unauthenticated, "identity.session.none");
  if (asked.facilities.empty()) return refuse(ErrorKind::forbidden, "api.forbidden");
  return std::nullopt;
}

}  // namespace

http::Lane lane_of(const http::Request& head) {
  const std::string_view path = head.path;
  if (path == "/healthz") return http::Lane::health;
  if (path.starts_with("/ingest/")) return http::Lane::intake;
  const auto last = path.substr(path.rfind('/') + 1);
  const bool many = last == "export" || last == "apply" || last == "undo" || last == "verify" ||
                    path == "/api/v1/logs/import";
  return many || path.starts_with("/api/v1/documents/") ? http::Lane::slow : http::Lane::quick;
}

http::Admission admit(const http::Request& head, Services& services) {
  Asked asked;
  if (auto refusal = look(head, services, asked)) return {0, std::move(refusal)};
  const auto most = asked.route->body == Body::upload ? kUpload : kSmallBody;
  if (asked.route->caller == Caller::sender) {
    const auto sender = sender_of(head, services);
    return sender ? http::Admission{most} : http::Admission{0, problem_reply(sender.error(), services.texts)};
  }
  return {asked.signed_in ? most : kStrangersBody};
}

http::Reply dispatch(const http::Request& request, Services& services) {
  Asked asked;
  if (auto refusal = look(request, services, asked)) return std::move(*refusal);
  const auto* route = asked.route;
  Call call{request, std::move(asked.names)};
  if (asked.signed_in) {
    call.user = &asked.signed_in->first;
    call.session = &asked.signed_in->second;
    call.facilities = std::move(asked.facilities);
  }
  auto reply = route->handler(call, services);
  if (reply) return std::move(reply).take();
  const auto& error = reply.error();
  if (error.kind == ErrorKind::internal || error.kind == ErrorKind::corrupt)
    log::error(fmt::format("{} {}: {} ({}:{})", http::name_of(request.method), request.path, describe(error),
                           error.file, error.line));
  return problem_reply(error, services.texts);
}

json::object openapi(std::string_view version) {
  json::object paths;
  for (const auto& route : routes()) {
    json::array parameters;
    for (std::size_t at = route.path.find('{'); at != route.path.npos; at = route.path.find('{', at + 1)) {
      const auto name = route.path.substr(at + 1, route.path.find('}', at) - at - 1);
      parameters.push_back(
          json::object{{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
    }
    json::object operation = {{"summary", route.summary},
                              {"x-permission", identity::name_of(route.permission)},
                              {"parameters", std::move(parameters)},
                              {"responses",
                               {{"200", {{"description", "OK"}}},
                                {"default",
                                 {{"description", "Problem details (RFC 9457)"},
                                  {"content", {{"application/problem+json", json::object{}}}}}}}}};
    if (route.permission != Permission::none_needed)
      operation["security"] = json::array{json::object{{"session", json::array{}}}};
    std::string method;
    for (const char c : http::name_of(route.method)) method += static_cast<char>(c + 32);
    paths[route.path].is_null() ? void(paths[route.path] = json::object{}) : void();
    paths[route.path].as_object()[method] = std::move(operation);
  }
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "Mamori"},
            {"version", version},
            {"description",
             "Writing requests carry the header X-Mamori with any value. Lists take facility, text, sort, "
             "descending, cursor, limit and field filters such as kind=pc, support_end.lt=2027-01-01."}}},
          {"paths", std::move(paths)},
          {"components",
           {{"securitySchemes",
             {{"session", {{"type", "apiKey"}, {"in", "cookie"}, {"name", kSessionCookie}}}}}}}};
}

}  // namespace mamori::api
