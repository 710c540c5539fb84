#include "api/access.h"
#include "api/first_use.h"
#include "api/routes.h"
#include "http/listener.h"

namespace mamori::api {
namespace {

using enum http::Method;
using identity::Permission;

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
  const MutexLock lock(services.mutex);
  return http::Reply::json(json::object{{"version", services.version},
                                        {"setup", !services.setup_secret.empty()},
                                        {"signed_in", call.user != nullptr}});
}

Result<http::Reply> post_setup(const Call& call, Services& services) {
  const auto body = MAMORI_TRY(call.body());
  const MutexLock lock(services.mutex);
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
  const auto text = call.request.parameter("text"), asked = call.request.parameter("facility");
  json::array hits;
  if (trim(text).empty()) return http::Reply::json(json::object{{"items", hits}});
  for (const auto& reg : services.ledger.registers().all()) {
    if (hits.size() >= kMost) break;
    const auto readable = scope_for(call, reg.readers);
    if (readable.empty()) continue;
    const auto page = MAMORI_TRY(services.ledger.list(
        reg, {.scope = asked.empty() ? readable : MAMORI_TRY(within(services, readable, asked)),
              .text = text,
              .sort = "label",
              .limit = kPerRegister}));
    for (const auto& record : page.items)
      hits.push_back(json::object{{"register", reg.name},
                                  {"register_label", words_json(reg.label)},
                                  {"id", record.id},
                                  {"number", record.number},
                                  {"label", record.label}});
  }
  return http::Reply::json(json::object{{"items", std::move(hits)}});
}

}  // namespace

std::vector<Route> system_routes() {
  using namespace shape;
  return {
      Route{get, "/healthz", Permission::none_needed, get_health,
            "Whether the ledger can be read and written and the disk takes something; 503 where not"}
          .gives(map(any())),
      Route{get, "/metrics", Permission::none_needed, get_metrics,
            "Prometheus metrics (from this machine only)"}
          .gives_file("text/plain"),
      Route{get, "/api/v1/openapi.json", Permission::none_needed, get_openapi, "This document"}.gives(
          map(any())),
      Route{get, "/api/v1/state", Permission::none_needed, get_state,
            "Version, and whether the first-use wizard is open"}
          .gives(object({{"version", text()}, {"setup", boolean()}, {"signed_in", boolean()}})),
      Route{post, "/api/v1/setup", Permission::none_needed, post_setup,
            "First use: facility and first user, with the secret printed at start"}
          .takes(object({{"secret", text()},
                         {"facility_name", text()},
                         {"facility_kind", text()},
                         {"login", text()},
                         {"password", text()}},
                        {{"beds", integer()}, {"has_vendor", boolean()}, {"user_name", text()}}))
          .gives(object({{"facility", text()}}), 201),
      Route{get, "/api/v1/search", Permission::ledger_read, search, "Find records of any register"}
          .asks({{"text", "words that stand in it"}})
          .gives(items(named("SearchHit", object({{"register", text()},
                                                  {"register_label", words()},
                                                  {"id", text()},
                                                  {"number", text()},
                                                  {"label", text()}})))),
  };
}

}  // namespace mamori::api
