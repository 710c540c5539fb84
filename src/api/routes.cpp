#include "api/routes.h"

#include "api/once.h"
#include "api/problem.h"
#include "api/sender.h"
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
  static const std::vector<Route> kRoutes = [] {
    std::vector<Route> all;
    for (const auto& of :
         {system_routes, account_routes, user_routes, register_routes, import_routes, framework_routes,
          job_routes, source_routes, log_routes, ingest_routes, document_routes, journal_routes})
      for (auto& route : of()) all.push_back(std::move(route));
    return all;
  }();
  return kRoutes;
}

const Route* find_route(http::Method method, std::string_view path) {
  std::map<std::string, std::string> names;
  for (const auto& route : routes())
    if (route.method == method && matches(route.path, path, names)) return &route;
  return nullptr;
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
    if (auto only = scope.only()) return std::move(*only);
    return Error{ErrorKind::invalid, "api.facility.needed"};
  }
  if (reaches_asked) return asked;
  return Error{ErrorKind::forbidden, "api.forbidden"};
}

Result<store::Scope> Call::here() const { return scope.in(MAMORI_TRY(facility())); }

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
  store::Scope scope = {};
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
  if (const auto token = request.cookie(session_cookie(request.secure)); !token.empty()) {
    auto session = services.users.session(Secret(token));
    // A database that does not answer has not signed anybody out.
    if (!session && session.error().kind != ErrorKind::unauthenticated)
      return problem_reply(session.error(), services.texts);
    if (session) asked.signed_in = std::move(session).take();
  }
  if (asked.signed_in) asked.scope = asked.signed_in->first.scope_with(route->permission);
  if (route->permission == Permission::none_needed) return std::nullopt;
  if (!asked.signed_in) return refuse(ErrorKind::unauthenticated, "identity.session.none");
  if (asked.scope.empty()) return refuse(ErrorKind::forbidden, "api.forbidden");
  return std::nullopt;
}

// A right that somebody signed in does not have; of strangers nothing is known.
void note_refusal(const http::Reply& refusal, const http::Request& request, const Asked& asked,
                  Services& services) {
  if (refusal.status == 403 && asked.signed_in)
    services.trace.refused(request, &asked.signed_in->first, services);
}

}  // namespace

http::Lane lane_of(const http::Request& head) {
  const std::string_view path = head.path;
  if (path == "/healthz") return http::Lane::health;
  if (path.starts_with("/ingest/")) return http::Lane::intake;
  // Where passwords are tried: that takes its time, and must take nobody else's.
  if (head.method == http::Method::post &&
      (path == "/api/v1/session" || path == "/api/v1/setup" || path.starts_with("/api/v1/account/")))
    return http::Lane::door;
  const auto last = path.substr(path.rfind('/') + 1);
  const bool many = last == "export" || last == "apply" || last == "undo" || last == "verify" ||
                    path == "/api/v1/logs/import";
  return many || path.starts_with("/api/v1/documents/") ? http::Lane::slow : http::Lane::quick;
}

http::Admission admit(const http::Request& head, Services& services) {
  Asked asked;
  if (auto refusal = look(head, services, asked)) {
    note_refusal(*refusal, head, asked, services);
    return {0, std::move(refusal)};
  }
  const auto most = asked.route->body == Body::upload ? kUpload : kSmallBody;
  if (asked.route->caller == Caller::sender) {
    const auto sender = sender_of(head, services);
    if (sender) return http::Admission{most};
    if (sender.error().kind == ErrorKind::unauthenticated || sender.error().kind == ErrorKind::forbidden)
      services.trace.refused(head, nullptr, services);
    return http::Admission{0, problem_reply(sender.error(), services.texts)};
  }
  return {asked.signed_in ? most : kStrangersBody};
}

http::Reply dispatch(const http::Request& request, Services& services) {
  Asked asked;
  if (auto refusal = look(request, services, asked)) {
    note_refusal(*refusal, request, asked, services);
    return std::move(*refusal);
  }
  const auto* route = asked.route;
  Call call{request, std::move(asked.names)};
  if (asked.signed_in) {
    call.user = &asked.signed_in->first;
    call.session = &asked.signed_in->second;
    call.permission = route->permission;
    call.scope = std::move(asked.scope);
    if (const auto facility = request.parameter("facility"); !facility.empty()) {
      const auto covered = [&]() -> Result<bool> {
        const auto lease = MAMORI_TRY(services.database.read());
        return call.scope.covers(*lease, facility);
      }();
      if (!covered) return problem_reply(covered.error(), services.texts);
      call.reaches_asked = *covered;
    }
  }
  // Texts that no database keeps are told as such, whatever else is wrong.
  if (!request.body.empty() && route->body == Body::small && route->caller == Caller::browser)
    if (const auto body = call.body(); !body) return problem_reply(body.error(), services.texts);
  if (auto wrong = check_request(*route, request); !wrong)
    return problem_reply(wrong.error(), services.texts);
  auto reply = once(call, services, [&] { return route->handler(call, services); });
  if (reply) {
    if (!route->told.empty() && reply->status < 300) Trace::taken(call, *route, services);
    return std::move(reply).take();
  }
  const auto& error = reply.error();
  if (error.kind == ErrorKind::forbidden && call.user) services.trace.refused(request, call.user, services);
  if (error.kind == ErrorKind::internal || error.kind == ErrorKind::corrupt)
    log::error(fmt::format("{} {}: {} ({}:{})", http::name_of(request.method), request.path, describe(error),
                           error.file, error.line));
  return problem_reply(error, services.texts);
}

}  // namespace mamori::api
