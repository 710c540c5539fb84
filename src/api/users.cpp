#include "api/passwords.h"
#include "api/routes.h"
#include "api/shapes.h"

namespace mamori::api {
namespace {

using enum http::Method;
using identity::Permission;

Result<std::set<identity::Role>> roles_of(const json::value& value) {
  std::set<identity::Role> roles;
  Error bad{ErrorKind::invalid, "identity.user.invalid"};
  if (const auto* names = value.if_array())
    for (const auto& name : *names) {
      const auto role =
          name.is_string() ? identity::parse_role(std::string_view(name.get_string())) : std::nullopt;
      if (!role)
        bad.problems.push_back({"roles", "identity.role.unknown", {}});
      else
        roles.insert(*role);
    }
  if (bad.problems.empty()) return roles;
  return bad;
}

// A user of another facility does not exist here. Error: identity.user.missing.
Result<identity::User> user_here(const Call& call, Services& services, const std::string& facility) {
  auto user = MAMORI_TRY(services.users.get(call.at("user")));
  if (!user.roles.contains(facility)) return Error{ErrorKind::not_found, "identity.user.missing"};
  return user;
}

Result<http::Reply> list_users(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  json::array items;
  for (const auto& user : MAMORI_TRY(services.users.list(facility))) {
    auto out = identity::to_json(user);
    json::array roles;
    for (const auto role : user.roles.at(facility)) roles.emplace_back(identity::name_of(role));
    out["roles"] = std::move(roles);
    out["self"] = user.id == call.user->id;
    items.push_back(std::move(out));
  }
  return http::Reply::json(json::object{{"items", std::move(items)}});
}

Result<http::Reply> create_user(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  const auto body = MAMORI_TRY(call.body());
  const auto* names = body.if_contains("roles");
  const auto roles = MAMORI_TRY(roles_of(names ? *names : json::value()));
  if (roles.empty()) {
    Error bad{ErrorKind::invalid, "identity.user.invalid"};
    bad.problems.push_back({"roles", "identity.role.needed", {}});
    return bad;
  }
  const auto* reg = MAMORI_TRY(services.ledger.find_register("facility"));
  const auto home = MAMORI_TRY(services.ledger.get(*reg, call.scope, facility));
  const auto user = MAMORI_TRY(services.users.create(
      call.actor(),
      {text_of(body, "login"), text_of(body, "name"), Secret(text_of(body, "password")), {{facility, roles}}},
      {{home.label}}));
  return http::Reply::json(identity::to_json(user), 201);
}

Result<http::Reply> change_user(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  const auto body = MAMORI_TRY(call.body());
  const auto user = MAMORI_TRY(user_here(call, services, facility));
  const bool self = user.id == call.user->id;
  // What counts in every facility (state, password) needs the right in every facility the user has.
  const auto everywhere = [&]() -> Status {
    const auto lease = MAMORI_TRY(services.database.read());
    for (const auto& [node, held] : user.roles)
      if (!MAMORI_TRY(call.scope.reaches(*lease, node))) return Error{ErrorKind::forbidden, "api.forbidden"};
    return {};
  };
  // Whatever may be refused is refused before anything is written.
  const auto* names = body.if_contains("roles");
  const auto roles = MAMORI_TRY(roles_of(names ? *names : json::value()));
  const bool manages = std::any_of(roles.begin(), roles.end(), [](identity::Role role) {
    return identity::allows(role, identity::Permission::users_manage);
  });
  if (self && ((names && !manages) || body.contains("enabled")))
    return Error{ErrorKind::conflict, "identity.user.self"};  // nobody locks himself out
  if (body.contains("enabled") || body.contains("password") || boolean_of(body, "remove_totp") ||
      boolean_of(body, "end_sessions"))
    MAMORI_TRY(everywhere());
  const Secret password(text_of(body, "password"));
  identity::PasswordContext context;
  if (body.contains("password")) {
    context = MAMORI_TRY(password_context(user, services));
    context.names.insert(context.names.end(), {user.login, user.name});
    MAMORI_TRY(identity::check_password(password, context));
  }

  if (names) MAMORI_TRY(services.users.set_roles(call.actor(), user.id, facility, roles));
  if (body.contains("enabled"))
    MAMORI_TRY(services.users.set_enabled(call.actor(), user.id, boolean_of(body, "enabled", true)));
  if (body.contains("password"))
    MAMORI_TRY(services.users.set_password(call.actor(), user.id, password, context));
  if (boolean_of(body, "unlock")) MAMORI_TRY(services.users.unlock(call.actor(), user.id));
  if (boolean_of(body, "remove_totp")) MAMORI_TRY(services.users.remove_totp(call.actor(), user.id));
  if (boolean_of(body, "end_sessions"))
    for (const auto& session : MAMORI_TRY(services.users.sessions(user.id)))
      MAMORI_TRY(services.users.revoke(call.actor(), user.id, session.id));
  return http::Reply::json(identity::to_json(MAMORI_TRY(services.users.get(user.id))));
}

}  // namespace

namespace {

Shape facility_user_shape() {
  using namespace shape;
  return named("FacilityUser", object({{"id", text()},
                                       {"login", text()},
                                       {"name", text()},
                                       {"enabled", boolean()},
                                       {"totp", boolean()},
                                       {"roles", list(text())},
                                       {"self", boolean()}},
                                      {{"locked_until", instant()}, {"last_login_at", instant()}}));
}

}  // namespace

std::vector<Route> user_routes() {
  using namespace shape;
  return {
      Route{get, "/api/v1/users", Permission::users_manage, list_users, "Users of the facility"}.gives(
          items(facility_user_shape())),
      Route{post, "/api/v1/users", Permission::users_manage, create_user, "New user"}
          .takes(object({{"login", text()}, {"name", text()}, {"password", text()}, {"roles", list(text())}}))
          .gives(user_shape(), 201),
      Route{patch, "/api/v1/users/{user}", Permission::users_manage, change_user,
            "Roles, state, password, unlocking, ending sessions"}
          .takes(object({}, {{"roles", list(text())},
                             {"enabled", boolean()},
                             {"password", text()},
                             {"unlock", boolean()},
                             {"remove_totp", boolean()},
                             {"end_sessions", boolean()}}))
          .gives(user_shape()),
  };
}

}  // namespace mamori::api
