#include "api/passwords.h"
#include "api/routes.h"
#include "api/shapes.h"

namespace mamori::api {
namespace {

using enum http::Method;
using identity::Permission;

std::string cookie(const std::string& value, bool secure, bool clear) {
  return fmt::format("{}={}; Path=/; HttpOnly; SameSite=Strict{}{}", session_cookie(secure), value,
                     secure ? "; Secure" : "", clear ? "; Max-Age=0" : "");
}

Result<http::Reply> sign_in(const Call& call, Services& services) {
  const auto body = MAMORI_TRY(call.body());
  const auto signed_in = MAMORI_TRY(
      services.users.sign_in(text_of(body, "login"), Secret(text_of(body, "password")), text_of(body, "totp"),
                             call.request.remote, printable(call.request.header("user-agent"), 400)));
  const auto user = MAMORI_TRY(services.users.get(signed_in.session.user));
  auto reply = http::Reply::json(identity::to_json(user));
  reply.headers.emplace_back("Set-Cookie", cookie(signed_in.token.reveal(), call.request.secure, false));
  return reply;
}

Result<http::Reply> sign_out(const Call& call, Services& services) {
  MAMORI_TRY(services.users.sign_out(call.actor(), *call.session));
  auto reply = http::Reply::nothing();
  reply.headers.emplace_back("Set-Cookie", cookie("", call.request.secure, true));
  return reply;
}

struct Facilities {
  json::array items;
  std::int64_t total = 0, shown = 0;
};

// By name; with what the user may do in each.
Result<Facilities> facilities_of(const identity::User& user, Services& services, const std::string& text,
                                 const std::string& id = "") {
  constexpr std::size_t kShown = 100;
  const auto* reg = MAMORI_TRY(services.ledger.find_register("facility"));
  const auto scope = user.scope_of_all();
  const auto page = MAMORI_TRY(services.ledger.list(*reg, {.scope = id.empty() ? scope : scope.in(id),
                                                           .text = text,
                                                           .sort = "label",
                                                           .retired = ledger::Retired::included,
                                                           .limit = kShown}));
  std::vector<std::string> ids;
  for (const auto& record : page.items) ids.push_back(record.facility);
  const auto roles = MAMORI_TRY(services.users.roles_in(user, ids));
  Facilities out{{}, page.total, static_cast<std::int64_t>(page.items.size())};
  for (const auto& record : page.items) {
    json::array permissions;
    const auto held = roles.find(record.facility);
    for (const auto permission : identity::kPermissions)
      if (held != roles.end() &&
          std::any_of(held->second.begin(), held->second.end(),
                      [&](identity::Role role) { return identity::allows(role, permission); }))
        permissions.emplace_back(identity::name_of(permission));
    out.items.push_back(json::object{{"id", record.facility},
                                     {"name", record.label},
                                     {"kind", text_of(record.fields, "kind")},
                                     {"permissions", std::move(permissions)}});
  }
  return out;
}

Result<http::Reply> list_facilities(const Call& call, Services& services) {
  auto page = MAMORI_TRY(
      facilities_of(*call.user, services, call.request.parameter("text"), call.request.parameter("id")));
  return http::Reply::json(json::object{{"items", std::move(page.items)}, {"total", page.total}});
}

Result<http::Reply> get_me(const Call& call, Services& services) {
  auto user = identity::to_json(*call.user);
  // Who looks after many finds the others by name: GET /api/v1/facilities.
  auto page = MAMORI_TRY(facilities_of(*call.user, services, ""));
  user["facilities"] = std::move(page.items);
  user["more_facilities"] = page.total > page.shown;
  user["session"] = call.session->id;
  return http::Reply::json(user);
}

Result<http::Reply> list_sessions(const Call& call, Services& services) {
  json::array items;
  for (const auto& session : MAMORI_TRY(services.users.sessions(call.user->id))) {
    auto out = identity::to_json(session);
    out["current"] = session.id == call.session->id;
    items.push_back(std::move(out));
  }
  return http::Reply::json(json::object{{"items", std::move(items)}});
}

Result<http::Reply> revoke_session(const Call& call, Services& services) {
  MAMORI_TRY(services.users.revoke(call.actor(), call.user->id, call.at("session")));
  return http::Reply::nothing();
}

// That it is the user, and not whoever found the page open.
Status prove(const Call& call, Services& services, const json::object& body, bool with_code) {
  return services.users.prove(call.actor(), call.user->id, Secret(text_of(body, "current")),
                              text_of(body, "code"), with_code, call.request.remote);
}

Result<http::Reply> change_password(const Call& call, Services& services) {
  const auto body = MAMORI_TRY(call.body());
  MAMORI_TRY(prove(call, services, body, false));
  MAMORI_TRY(services.users.set_password(call.actor(), call.user->id, Secret(text_of(body, "password")),
                                         MAMORI_TRY(password_context(*call.user, services))));
  return http::Reply::nothing();
}

Result<http::Reply> check_password_strength(const Call& call, Services& services) {
  const auto body = MAMORI_TRY(call.body());
  const auto status = identity::check_password(
      Secret(text_of(body, "password")),
      {{text_of(body, "facility_name"), text_of(body, "login"), text_of(body, "user_name")}});
  json::array problems;
  if (!status)
    for (const auto& problem : status.error().problems) {
      const auto words = services.texts.both(problem.code, problem.facts);
      problems.push_back(json::object{{"code", problem.code}, {"ja", words.ja}, {"en", words.en}});
    }
  return http::Reply::json(json::object{{"problems", std::move(problems)}});
}

Result<http::Reply> begin_totp(const Call& call, Services& services) {
  MAMORI_TRY(prove(call, services, MAMORI_TRY(call.body()), true));
  const auto secret = MAMORI_TRY(services.users.begin_totp(call.user->id));
  return http::Reply::json(json::object{
      {"secret", secret},
      {"uri", "otpauth://totp/Mamori:" + call.user->login + "?secret=" + secret + "&issuer=Mamori"}});
}

Result<http::Reply> confirm_totp(const Call& call, Services& services) {
  MAMORI_TRY(
      services.users.confirm_totp(call.actor(), call.user->id, text_of(MAMORI_TRY(call.body()), "code")));
  return http::Reply::nothing();
}

Result<http::Reply> remove_totp(const Call& call, Services& services) {
  MAMORI_TRY(prove(call, services, MAMORI_TRY(call.body()), true));
  MAMORI_TRY(services.users.remove_totp(call.actor(), call.user->id));
  return http::Reply::nothing();
}

}  // namespace

namespace {

Shape facility_shape() {
  using namespace shape;
  return named("Facility",
               object({{"id", text()}, {"name", text()}, {"kind", text()}, {"permissions", list(text())}}));
}
Shape me_shape() {
  using namespace shape;
  return named("Me", object({{"id", text()},
                             {"login", text()},
                             {"name", text()},
                             {"enabled", boolean()},
                             {"totp", boolean()},
                             {"roles", map(list(text()))},
                             {"facilities", list(facility_shape())},
                             {"more_facilities", boolean()},
                             {"session", text()}},
                            {{"locked_until", instant()}, {"last_login_at", instant()}}));
}
Shape session_shape() {
  using namespace shape;
  return named("Session", object({{"id", text()},
                                  {"started_at", instant()},
                                  {"last_seen_at", instant()},
                                  {"address", text()},
                                  {"agent", text()},
                                  {"current", boolean()}}));
}

}  // namespace

std::vector<Route> account_routes() {
  using namespace shape;
  return {
      Route{post, "/api/v1/session", Permission::none_needed, sign_in, "Sign in"}
          .takes(object({{"login", text()}, {"password", text()}}, {{"totp", text()}}))
          .gives(user_shape()),
      Route{delete_, "/api/v1/session", Permission::own_account, sign_out, "Sign out"}.gives_nothing(),
      Route{get, "/api/v1/session", Permission::own_account, get_me,
            "Who is signed in, with roles and facilities"}
          .gives(me_shape()),
      Route{get, "/api/v1/facilities", Permission::own_account, list_facilities,
            "The facilities in which the user has a role, by name"}
          .asks({{"text", "words of the name"}, {"id", "this one alone"}})
          .gives(items(facility_shape(), {{"total", integer()}})),
      Route{get, "/api/v1/account/sessions", Permission::own_account, list_sessions, "My sessions"}.gives(
          items(session_shape())),
      Route{delete_, "/api/v1/account/sessions/{session}", Permission::own_account, revoke_session,
            "End one of my sessions"}
          .gives_nothing(),
      Route{post, "/api/v1/account/password", Permission::own_account, change_password, "Change my password"}
          .takes(object({{"current", text()}, {"password", text()}}))
          .gives_nothing(),
      Route{post, "/api/v1/password-check", Permission::none_needed, check_password_strength,
            "What the password rule says of a password"}
          .takes(object({{"password", text()}},
                        {{"facility_name", text()}, {"login", text()}, {"user_name", text()}}))
          .gives(object({{"problems", list(object({{"code", text()}, {"ja", text()}, {"en", text()}}))}})),
      Route{post, "/api/v1/account/totp", Permission::own_account, begin_totp, "Begin a second factor"}
          .takes(object({{"current", text()}}, {{"code", text(20)}}))
          .gives(object({{"secret", text()}, {"uri", text()}})),
      Route{post, "/api/v1/account/totp/confirm", Permission::own_account, confirm_totp,
            "Confirm the second factor"}
          .takes(object({{"code", text(20)}}))
          .gives_nothing(),
      Route{post, "/api/v1/account/totp/remove", Permission::own_account, remove_totp,
            "Remove the second factor"}
          .takes(object({{"current", text()}, {"code", text(20)}}))
          .gives_nothing(),
  };
}

}  // namespace mamori::api
