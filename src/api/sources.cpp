#include "api/routes.h"
#include "api/shapes.h"
#include "readers/nmap/candidates.h"

namespace mamori::api {
namespace {

using enum http::Method;
using identity::Permission;

// With the sentence of its last error, so that the page shows what happened and what to do.
json::object source_json(const readers::Source& source, const Texts& texts) {
  auto out = readers::to_json(source);
  if (!source.last_error.empty()) {
    const auto words = texts.both(source.last_error, source.last_facts);
    out["last_error_text"] = words_json(words);
  }
  return out;
}

json::object run_json(const readers::Run& run, const Texts& texts) {
  auto out = readers::to_json(run);
  if (!run.error.empty()) {
    const auto words = texts.both(run.error, run.error_facts);
    out["error_text"] = words_json(words);
  }
  return out;
}

readers::SourceWrite write_of(const json::object& body) {
  readers::SourceWrite write;
  write.name = text_of(body, "name");
  write.kind = text_of(body, "kind");
  if (const auto* settings = body.if_contains("settings"); settings && settings->is_object())
    write.settings = settings->get_object();
  if (body.contains("secret")) write.secret = Secret(text_of(body, "secret"));
  write.every_minutes = integer_of(body, "every_minutes");
  write.enabled = boolean_of(body, "enabled", true);
  return write;
}

Result<http::Reply> list_readers(const Call&, Services& services) {
  json::array items;
  for (const auto& kind : services.sources.kinds()) items.push_back(readers::to_json(kind));
  return http::Reply::json(json::object{{"items", std::move(items)}});
}

Result<http::Reply> list_sources(const Call& call, Services& services) {
  json::array items;
  for (const auto& source : MAMORI_TRY(services.sources.list(MAMORI_TRY(call.here()))))
    items.push_back(source_json(source, services.texts));
  return http::Reply::json(json::object{{"items", std::move(items)}});
}

Result<http::Reply> create_source(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  return http::Reply::json(source_json(MAMORI_TRY(services.sources.create(call.actor(), facility,
                                                                          write_of(MAMORI_TRY(call.body())))),
                                       services.texts),
                           201);
}

Result<http::Reply> change_source(const Call& call, Services& services) {
  return http::Reply::json(
      source_json(MAMORI_TRY(services.sources.update(call.actor(), call.scope, call.at("id"),
                                                     write_of(MAMORI_TRY(call.body())))),
                  services.texts));
}

Result<http::Reply> retire_source(const Call& call, Services& services) {
  MAMORI_TRY(services.sources.retire(call.actor(), call.scope, call.at("id"),
                                     text_of(MAMORI_TRY(call.body()), "reason")));
  return http::Reply::nothing();
}

Result<http::Reply> run_source(const Call& call, Services& services) {
  return http::Reply::json(
      run_json(MAMORI_TRY(services.sources.run(call.actor(), call.scope, call.at("id"))), services.texts));
}

Result<http::Reply> read_source_file(const Call& call, Services& services) {
  return http::Reply::json(run_json(
      MAMORI_TRY(services.sources.run_file(call.actor(), call.scope, call.at("id"), call.request.body)),
      services.texts));
}

Result<http::Reply> source_runs(const Call& call, Services& services) {
  json::array items;
  for (const auto& run : MAMORI_TRY(services.sources.runs(call.scope, call.at("id"))))
    items.push_back(run_json(run, services.texts));
  return http::Reply::json(json::object{{"items", std::move(items)}});
}

Result<http::Reply> list_candidates(const Call& call, Services& services) {
  const auto* reg = MAMORI_TRY(services.ledger.find_register("observed_host"));
  const auto page =
      MAMORI_TRY(services.ledger.list(*reg, {.scope = MAMORI_TRY(call.here()),
                                             .conditions = {{"decision", ledger::Comparison::equal, "open"},
                                                            {"present", ledger::Comparison::equal, "true"}},
                                             .sort = "label",
                                             .limit = 200}));
  json::array items;
  for (const auto& record : page.items) items.push_back(ledger::to_json(*reg, record));
  return http::Reply::json(json::object{{"items", std::move(items)}, {"total", page.total}});
}

Result<http::Reply> decide_candidate(const Call& call, Services& services) {
  const auto body = MAMORI_TRY(call.body());
  if (text_of(body, "decision") == "explain") {
    MAMORI_TRY(readers::nmap::explain_candidate(services.ledger, call.actor(), call.scope, call.at("id"),
                                                text_of(body, "reason")));
    return http::Reply::nothing();
  }
  const auto* fields = body.if_contains("fields");
  const auto record = MAMORI_TRY(
      readers::nmap::accept_candidate(services.ledger, call.actor(), call.scope, call.at("id"),
                                      fields && fields->is_object() ? fields->get_object() : json::object{}));
  return http::Reply::json(ledger::to_json(*MAMORI_TRY(services.ledger.find_register("asset")), record), 201);
}

}  // namespace

namespace {

Shape reader_shape() {
  using namespace shape;
  return named(
      "Reader",
      object(
          {{"kind", text()}, {"label", words()}, {"description", words()}, {"fields", list(field_shape())}},
          {{"file", words()}, {"secret", words()}}));
}
Shape source_shape() {
  using namespace shape;
  return named("Source", object({{"id", text()},
                                 {"name", text()},
                                 {"kind", text()},
                                 {"settings", map(value())},
                                 {"has_secret", boolean()},
                                 {"every_minutes", integer()},
                                 {"enabled", boolean()},
                                 {"last_error", text()},
                                 {"last_facts", map(text())},
                                 {"last_origin", text()},
                                 {"last_run_at", nullable(instant())},
                                 {"last_success_at", nullable(instant())},
                                 {"failing_since", nullable(instant())}},
                                {{"last_error_text", words()}}));
}
Shape run_shape() {
  using namespace shape;
  const auto counts = object({{"fresh", integer()}, {"known", integer()}, {"gone", integer()}});
  return named("SourceRun", object({{"id", text()},
                                    {"started_at", instant()},
                                    {"finished_at", instant()},
                                    {"by", text()},
                                    {"error", text()},
                                    {"error_facts", map(text())},
                                    {"counts", map(counts)},
                                    {"evidence", text()},
                                    {"origin", text()},
                                    {"partial", boolean()}},
                                   {{"error_text", words()}}));
}
Shape source_write_shape() {
  using namespace shape;
  return named("SourceWrite", object({{"name", text()}, {"kind", text()}}, {{"settings", map(value())},
                                                                            {"secret", text()},
                                                                            {"every_minutes", integer()},
                                                                            {"enabled", boolean()}}));
}

}  // namespace

std::vector<Route> source_routes() {
  using namespace shape;
  return {
      Route{get, "/api/v1/readers", Permission::sources_read, list_readers,
            "Kinds of sources, and what each needs to be told"}
          .gives(items(reader_shape())),
      Route{get, "/api/v1/sources", Permission::sources_read, list_sources, "Sources and their state"}.gives(
          items(source_shape())),
      Route{post, "/api/v1/sources", Permission::sources_manage, create_source, "New source"}
          .takes(source_write_shape())
          .gives(source_shape(), 201),
      Route{patch, "/api/v1/sources/{id}", Permission::sources_manage, change_source, "Change a source"}
          .takes(source_write_shape())
          .gives(source_shape()),
      Route{post, "/api/v1/sources/{id}/retire", Permission::sources_manage, retire_source,
            "Read it no more; what it said counts for nothing any more"}
          .takes(object({}, {{"reason", text()}}))
          .gives_nothing(),
      Route{post, "/api/v1/sources/{id}/run", Permission::sources_manage, run_source, "Read a source now"}
          .gives(run_shape()),
      Route{post, "/api/v1/sources/{id}/file", Permission::sources_manage, read_source_file,
            "Read from a file", Body::upload}
          .gives(run_shape()),
      Route{get, "/api/v1/sources/{id}/runs", Permission::sources_read, source_runs, "The last runs"}.gives(
          items(run_shape())),
      Route{get, "/api/v1/candidates", Permission::sources_read, list_candidates,
            "Devices that answered and are not in the ledger"}
          .gives(items(record_shape(), {{"total", integer()}})),
      Route{post, "/api/v1/candidates/{id}", Permission::sources_manage, decide_candidate,
            "Accept into the ledger (201, the record), or explain (204)"}
          .takes(object(
              {},
              {{"decision", one_of({"accept", "explain"})}, {"fields", map(value())}, {"reason", text()}}))
          .gives(record_shape(), 201),
  };
}

}  // namespace mamori::api
