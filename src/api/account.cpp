#include "api/handlers.h"
#include "api/routes.h"

namespace mamori::api {
namespace {

std::string cookie(const std::string& value, bool secure, bool clear) {
  return fmt::format("{}={}; Path=/; HttpOnly; SameSite=Strict{}{}", kSessionCookie, value,
                     secure ? "; Secure" : "", clear ? "; Max-Age=0" : "");
}

}  // namespace

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
  MAMORI_TRY(services.users.sign_out(call.session->id));
  auto reply = http::Reply::nothing();
  reply.headers.emplace_back("Set-Cookie", cookie("", call.request.secure, true));
  return reply;
}

Result<http::Reply> get_me(const Call& call, Services& services) {
  auto user = identity::to_json(*call.user);
  json::array facilities;
  const auto* reg = MAMORI_TRY(services.ledger.find_register("facility"));
  for (const auto& [facility, roles] : call.user->roles) {
    json::array permissions;
    for (const auto permission : identity::kPermissions)
      if (call.user->may(permission, facility)) permissions.emplace_back(identity::name_of(permission));
    const auto record = services.ledger.get(*reg, {facility}, facility);
    json::object out = {{"id", facility},
                        {"name", record ? record->label : facility},
                        {"permissions", std::move(permissions)}};
    if (record) out["kind"] = text_of(record->fields, "kind");
    facilities.push_back(std::move(out));
  }
  user["facilities"] = std::move(facilities);
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

Result<http::Reply> change_password(const Call& call, Services& services) {
  const auto body = MAMORI_TRY(call.body());
  if (!MAMORI_TRY(services.users.password_is(call.user->id, Secret(text_of(body, "current"))))) {
    Error wrong{ErrorKind::invalid, "identity.user.invalid"};
    wrong.problems.push_back({"current", "identity.password.current", {}});
    return wrong;
  }
  MAMORI_TRY(services.users.set_password(call.actor(), call.user->id, Secret(text_of(body, "password")), {}));
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
  MAMORI_TRY(services.users.remove_totp(call.actor(), call.user->id));
  return http::Reply::nothing();
}

}  // namespace mamori::api
