// Where senders put logs over HTTP. They show a token of their source; cookies count for nothing here.
#include <zlib.h>

#include "api/routes.h"
#include "api/sender.h"
#include "base/text.h"

namespace mamori::api {
namespace {

using enum http::Method;
using identity::Permission;

constexpr std::size_t kLargestUnpacked = 64u << 20;

// The body, unpacked where it came as gzip. Errors: api.ingest.gzip, http.body.too-large.
Result<std::string> body_of(const http::Request& request) {
  if (request.header("content-encoding").find("gzip") == std::string::npos) return request.body;
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return Error{ErrorKind::internal, "api.ingest.gzip"};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(request.body.data()));
  stream.avail_in = static_cast<uInt>(request.body.size());
  std::string out;
  int state = Z_OK;
  while (state == Z_OK) {
    const auto start = out.size();
    out.resize(start + (256u << 10));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + start);
    stream.avail_out = 256u << 10;
    state = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (out.size() > kLargestUnpacked) {
      inflateEnd(&stream);
      return Error{ErrorKind::exhausted, "http.body.too-large"};
    }
    if (state == Z_BUF_ERROR && stream.avail_in == 0) break;
  }
  inflateEnd(&stream);
  if (state != Z_STREAM_END) return Error{ErrorKind::invalid, "api.ingest.gzip"};
  return out;
}

json::array notes_json(const std::vector<formats::Refused>& notes, const Texts& texts) {
  json::array out;
  for (const auto& one : notes) {
    if (out.size() == 100) break;
    const auto words = texts.both(one.code);
    out.push_back(json::object{{"line", one.line}, {"code", one.code}, {"ja", words.ja}, {"en", words.en}});
  }
  return out;
}

// Keeps what the body holds; a body that cannot be read is kept too, and its sender told why.
Result<logs::Logs::Accepted> keep(const Call& call, Services& services, const logs::LogSource& source,
                                  std::string_view body, const Result<formats::Bodies>& bodies) {
  if (bodies) return services.logs.accept(source, call.request.remote, *bodies);
  formats::Bodies whole;
  if (!body.empty()) whole.refused.push_back({0, "collect.events.unreadable", body});
  MAMORI_TRY(services.logs.accept(source, call.request.remote, whole));
  return bodies.error();
}

Result<http::Reply> ingest_fhir(const Call& call, Services& services) {
  const auto source = MAMORI_TRY(sender_of(call.request, services));
  const auto body = MAMORI_TRY(body_of(call.request));
  archive::Arena arena;
  const auto start = body.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  const auto bodies = start != body.npos && body[start] == '<'
                          ? formats::parse_fhir_xml(std::string_view(body).substr(start))
                          : formats::parse_fhir(body, arena);
  const auto accepted = MAMORI_TRY(keep(call, services, source, body, bodies));
  if (accepted.notes.empty())
    return http::Reply::json(
        json::object{{"resourceType", "OperationOutcome"},
                     {"issue", json::array{json::object{
                                   {"severity", "information"},
                                   {"code", "informational"},
                                   {"diagnostics", fmt::format("{} events kept", accepted.events)}}}}},
        201);
  json::array issues;
  for (const auto& note : accepted.notes)
    issues.push_back(json::object{
        {"severity", "error"},
        {"code", "invalid"},
        {"diagnostics", fmt::format("entry {}: {}", note.line, services.texts.get(note.code, "en"))}});
  return http::Reply::json(json::object{{"resourceType", "OperationOutcome"}, {"issue", std::move(issues)}},
                           accepted.events == 0 ? 422 : 200);
}

Result<http::Reply> ingest_bulk(const Call& call, Services& services) {
  const auto source = MAMORI_TRY(sender_of(call.request, services));
  const auto body = MAMORI_TRY(body_of(call.request));
  archive::Arena arena;
  std::vector<formats::BulkItem> items;
  MAMORI_TRY(keep(call, services, source, body, formats::parse_bulk(body, items, arena)));
  json::array out;
  bool errors = false;
  for (const auto& item : items) {
    json::object answer = {{"_index", item.index}, {"_id", ""}, {"status", item.event ? 201 : 400}};
    if (item.event) {
      answer["result"] = "created";
    } else {
      errors = true;
      answer["error"] =
          json::object{{"type", "illegal_argument_exception"},
                       {"reason", "only create and index of a JSON object are taken: what is logged stays"}};
    }
    out.push_back(json::object{{item.action, std::move(answer)}});
  }
  auto reply = http::Reply::json(json::object{{"took", 0}, {"errors", errors}, {"items", std::move(out)}});
  reply.headers.emplace_back("X-Elastic-Product", "Elasticsearch");
  return reply;
}

Result<http::Reply> ingest_bulk_info(const Call&, Services&) {
  // What clients ask before they send.
  auto reply = http::Reply::json(json::object{{"name", "mamori"},
                                              {"cluster_name", "mamori"},
                                              {"cluster_uuid", "mamori"},
                                              {"version", {{"number", "8.0.0"}, {"build_flavor", "default"}}},
                                              {"tagline", "You Know, for Search"}});
  reply.headers.emplace_back("X-Elastic-Product", "Elasticsearch");
  return reply;
}

Result<http::Reply> ingest_otlp(const Call& call, Services& services) {
  const auto source = MAMORI_TRY(sender_of(call.request, services));
  const auto body = MAMORI_TRY(body_of(call.request));
  const bool protobuf = call.request.header("content-type").find("protobuf") != std::string::npos;
  archive::Arena arena;
  MAMORI_TRY(
      keep(call, services, source, body,
           protobuf ? formats::parse_otlp_protobuf(body, arena) : formats::parse_otlp_json(body, arena)));
  http::Reply reply;
  if (protobuf) {
    reply.content_type = "application/x-protobuf";  // an empty ExportLogsServiceResponse
    return reply;
  }
  return http::Reply::json(json::object());
}

Result<http::Reply> ingest_lines(const Call& call, Services& services) {
  const auto source = MAMORI_TRY(sender_of(call.request, services));
  const auto body = MAMORI_TRY(body_of(call.request));
  const auto accepted =
      MAMORI_TRY(services.logs.accept(source, call.request.remote, formats::parse_lines(body)));
  return http::Reply::json(
      json::object{{"accepted", accepted.events}, {"notes", notes_json(accepted.notes, services.texts)}},
      201);
}

Result<http::Reply> import_logs(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  const auto wanted = call.request.parameter("source");
  for (const auto& source : MAMORI_TRY(services.logs.sources(facility))) {
    if (source.id != wanted) continue;
    MAMORI_TRY(services.logs.record_use(call.actor(), facility, "imported", source.number));
    const auto accepted =
        MAMORI_TRY(services.logs.accept(source, "", formats::parse_lines(call.request.body)));
    return http::Reply::json(
        json::object{{"accepted", accepted.events}, {"notes", notes_json(accepted.notes, services.texts)}},
        201);
  }
  return Error{ErrorKind::not_found, "ledger.record.missing"};
}

}  // namespace

namespace {

Shape taken_shape() {
  using namespace shape;
  return named("LogsTaken", object({{"accepted", integer()}, {"notes", list(map(any()))}}));
}

}  // namespace

std::vector<Route> ingest_routes() {
  return {
      Route{post, "/api/v1/logs/import", Permission::logs_manage, import_logs, "A file of lines",
            Body::upload}
          .asks({{"source", "whose they are"}})
          .gives(taken_shape(), 201),
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
  };
}

}  // namespace mamori::api
