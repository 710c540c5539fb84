#include "api/handlers.h"
#include "api/routes.h"
#include "http/listener.h"

namespace mamori::api {

Result<http::Reply> get_health(const Call&, Services& services) {
  const auto state = services.health();
  return http::Reply::json(state, state.at("status").as_string() == "ok" ? 200 : 503);
}

Result<http::Reply> get_metrics(const Call& call, Services& services) {
  if (!http::is_loopback(call.request.remote)) return Error{ErrorKind::forbidden, "api.forbidden"};
  auto lease = MAMORI_TRY(services.database.read());
  const auto rows =
      MAMORI_TRY(lease->query("SELECT (SELECT sequence FROM journal_head), (SELECT COUNT(*) FROM sessions), "
                              "(SELECT COUNT(*) FROM source WHERE failing_since IS NOT NULL)"));
  const auto& row = rows.rows.at(0);
  http::Reply reply;
  reply.content_type = "text/plain; version=0.0.4";
  reply.body = fmt::format(
      "# TYPE mamori_journal_entries counter\nmamori_journal_entries {}\n# TYPE mamori_sessions "
      "gauge\nmamori_sessions {}\n# TYPE mamori_sources_failing gauge\nmamori_sources_failing {}\n",
      store::as_integer(row[0]), store::as_integer(row[1]), store::as_integer(row[2]));
  reply.body += services.logs.metrics();
  return reply;
}

Result<http::Reply> get_openapi(const Call&, Services& services) {
  return http::Reply::json(openapi(services.version));
}

Result<http::Reply> get_state(const Call& call, Services& services) {
  const std::lock_guard lock(services.mutex);
  return http::Reply::json(json::object{{"version", services.version},
                                        {"setup", !services.setup_secret.empty()},
                                        {"signed_in", call.user != nullptr}});
}

namespace {

Result<ledger::Record> make_facility(Services& services, store::Transaction& transaction,
                                     const store::Actor& actor, const FirstUse& given) {
  const auto* reg = MAMORI_TRY(services.ledger.find_register("facility"));
  ledger::Write write{
      {{"name", given.facility_name}, {"kind", given.facility_kind}, {"has_vendor", given.has_vendor}},
      "first use"};
  if (given.beds > 0) write.fields["beds"] = given.beds;
  return services.ledger.create_in(transaction, actor, *reg, "", write);
}

}  // namespace

Result<std::string> add_facility(Services& services, const store::Actor& actor, const FirstUse& given) {
  const auto user = MAMORI_TRY(services.users.find_login(given.login));
  auto transaction = MAMORI_TRY(services.database.begin());
  const auto facility = MAMORI_TRY(make_facility(services, transaction, actor, given));
  MAMORI_TRY(services.users.set_roles_in(transaction, actor, user.id, facility.id,
                                         {identity::Role::planning_manager}));
  MAMORI_TRY(transaction.commit());
  return facility.id;
}

// The facility and its first user together or neither: a facility without a user would be there for nobody to
// see.
Result<FirstUseDone> first_use(Services& services, const FirstUse& given, const std::string& origin) {
  auto checked = MAMORI_TRY(
      identity::Users::check({given.login, given.user_name, given.password, {}}, {{given.facility_name}}));
  const store::Actor actor{"", given.user_name, origin};
  auto transaction = MAMORI_TRY(services.database.begin());
  const auto facility = MAMORI_TRY(make_facility(services, transaction, actor, given));
  checked.user.roles = {{facility.id, {identity::Role::planning_manager}}};
  const auto user = MAMORI_TRY(services.users.create_in(transaction, actor, checked));
  MAMORI_TRY(transaction.commit());
  return FirstUseDone{facility.id, user.id};
}

Result<http::Reply> post_setup(const Call& call, Services& services) {
  const auto body = MAMORI_TRY(call.body());
  const std::lock_guard lock(services.mutex);
  if (services.setup_secret.empty()) return Error{ErrorKind::conflict, "api.setup.done"};
  if (!equal_constant_time(sha256_hex(text_of(body, "secret")), sha256_hex(services.setup_secret)))
    return Error{ErrorKind::forbidden, "api.setup.secret"};
  FirstUse given{text_of(body, "facility_name"),   text_of(body, "facility_kind"),
                 integer_of(body, "beds"),         boolean_of(body, "has_vendor", true),
                 text_of(body, "login"),           text_of(body, "user_name"),
                 Secret(text_of(body, "password"))};
  const auto done = MAMORI_TRY(first_use(services, given, "web " + call.request.remote));
  services.setup_secret.clear();
  return http::Reply::json(json::object{{"facility", done.facility}}, 201);
}

Result<http::Reply> search(const Call& call, Services& services) {
  constexpr std::size_t kPerRegister = 5, kMost = 30;
  const auto text = call.request.parameter("text");
  json::array hits;
  if (trim(text).empty()) return http::Reply::json(json::object{{"items", hits}});
  for (const auto& reg : services.ledger.registers().all()) {
    if (hits.size() >= kMost) break;
    std::vector<std::string> readable;
    for (const auto& facility : call.facilities)
      for (const auto role : call.user->roles.at(facility))
        if (std::find(reg.readers.begin(), reg.readers.end(), identity::name_of(role)) != reg.readers.end()) {
          readable.push_back(facility);
          break;
        }
    if (readable.empty()) continue;
    const auto page = MAMORI_TRY(services.ledger.list(
        reg, {.facilities = readable, .text = text, .sort = "label", .limit = kPerRegister}));
    for (const auto& record : page.items)
      hits.push_back(json::object{{"register", reg.name},
                                  {"register_label", words_json(reg.label)},
                                  {"id", record.id},
                                  {"number", record.number},
                                  {"label", record.label}});
  }
  return http::Reply::json(json::object{{"items", std::move(hits)}});
}

}  // namespace mamori::api
