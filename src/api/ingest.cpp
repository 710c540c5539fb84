// Where senders put logs over HTTP. They show a token of their source; cookies count for nothing here.
#include <zlib.h>
#include <zstd.h>

#include "api/problem.h"
#include "api/routes.h"
#include "api/sender.h"
#include "base/crypto.h"
#include "base/text.h"

namespace mamori::api {
namespace {

using enum http::Method;
using identity::Permission;

constexpr std::size_t kLargestUnpacked = 64u << 20;

// zlib's `window`: 31 gzip, 15 deflate as RFC 9110 has it, -15 as some send it. Of gzip all members, one
// behind the other (RFC 1952, 2.2), and zeros behind the last. Errors: api.ingest.unpack,
// http.body.too-large.
Result<std::string> inflated(std::string_view packed, int window) {
  const Error broken{ErrorKind::invalid, "api.ingest.unpack"};
  z_stream stream{};
  if (inflateInit2(&stream, window) != Z_OK) return Error{ErrorKind::unavailable, "api.ingest.unpack"};
  const std::unique_ptr<z_stream, int (*)(z_stream*)> ends(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  while (true) {
    const auto start = out.size();
    out.resize(start + (256u << 10));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + start);
    stream.avail_out = 256u << 10;
    const auto state = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (out.size() > kLargestUnpacked) return Error{ErrorKind::exhausted, "http.body.too-large"};
    if (state == Z_STREAM_END) {
      const auto rest = packed.substr(packed.size() - stream.avail_in);
      if (rest.find_first_not_of('\0') == rest.npos) return out;
      if (window != 31 || inflateReset(&stream) != Z_OK) return broken;
    } else if (state != Z_OK) {
      return broken;  // also where it ends too early: no progress is possible
    }
  }
}

// All frames. Errors: as of inflated().
Result<std::string> unpacked_zstd(std::string_view packed) {
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (!context) return Error{ErrorKind::unavailable, "api.ingest.unpack"};
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, 26);  // kLargestUnpacked
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  std::string out;
  while (true) {
    const auto start = out.size();
    out.resize(start + (256u << 10));
    ZSTD_outBuffer into{out.data() + start, 256u << 10, 0};
    const auto left = ZSTD_decompressStream(context.get(), &into, &in);
    out.resize(start + into.pos);
    if (ZSTD_isError(left)) return Error{ErrorKind::invalid, "api.ingest.unpack"};
    if (out.size() > kLargestUnpacked) return Error{ErrorKind::exhausted, "http.body.too-large"};
    if (left == 0 && in.pos == in.size) return out;  // the end of a frame, and nothing behind it
    if (in.pos == in.size && into.pos < into.size) return Error{ErrorKind::invalid, "api.ingest.unpack"};
  }
}

// The body as it was before it was packed. Errors: api.ingest.encoding (none of kEncodings), and those of
// inflated().
constexpr const char* kEncodings = "gzip, deflate, zstd";
Result<std::string> body_of(const http::Request& request) {
  const auto header = request.header("content-encoding");
  const auto coding = to_lower_ascii(trim(header));
  const std::string_view body = request.body;
  if (coding.empty() || coding == "identity") return request.body;
  const bool gzip = coding == "gzip" || coding == "x-gzip";
  if (!gzip && coding != "deflate" && coding != "zstd")
    return Error{ErrorKind::invalid,
                 "api.ingest.encoding",
                 {{"encoding", printable(coding, 60)}, {"known", kEncodings}}};
  if (body.empty()) return std::string();
  if (gzip) return inflated(body, 31);
  if (coding == "zstd") return unpacked_zstd(body);
  // A zlib header says so: deflate, and a multiple of 31.
  const auto first = static_cast<unsigned char>(body[0]);
  const auto second = body.size() > 1 ? static_cast<unsigned char>(body[1]) : 0u;
  return inflated(body, (first & 0x0F) == 8 && (first * 256u + second) % 31 == 0 ? 15 : -15);
}

// Nothing of it is kept; its sender is told so, and it is counted.
http::Reply turn_away(Services& services, const logs::LogSource& source, const Error& error) {
  services.logs.counting().count_refused(source.id);
  const bool unknown = error.code == "api.ingest.encoding";
  auto reply = problem_reply(error, services.texts, unknown ? std::optional(415) : std::nullopt);
  if (unknown) reply.headers.emplace_back("Accept-Encoding", kEncodings);
  return reply;
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

json::object outcome(const char* severity, const char* code, const std::string& diagnostics) {
  return {{"resourceType", "OperationOutcome"},
          {"issue",
           json::array{json::object{{"severity", severity}, {"code", code}, {"diagnostics", diagnostics}}}}};
}

http::Reply fhir_reply(const json::object& resource, int status) {
  auto reply = http::Reply::json(resource, status);
  reply.content_type = "application/fhir+json; charset=utf-8";
  return reply;
}

// What the entries of a batch became, in their order (FHIR R4 3.1.0.11.2).
json::object batch_response(const Services& services, const formats::Bodies& bodies) {
  std::map<std::size_t, json::object> entries;
  for (const auto& event : bodies.events)
    entries[event.line] = json::object{
        {"response",
         {{"status", "201 Created"}, {"location", "AuditEvent/" + new_id(to_millis(services.logs.now()))}}}};
  for (const auto& one : bodies.refused)
    entries[one.line] = json::object{
        {"response",
         {{"status", "422 Unprocessable Entity"},
          {"outcome", outcome("error", "invalid",
                              fmt::format("entry {}: {}", one.line, services.texts.get(one.code, "en")))}}}};
  json::array list;
  for (auto& [number, entry] : entries) list.push_back(std::move(entry));
  return {{"resourceType", "Bundle"}, {"type", bodies.bundle + "-response"}, {"entry", std::move(list)}};
}

// `id`: what the sender calls its event; "": none.
Result<http::Reply> keep_fhir(const Call& call, Services& services, const std::string& id, bool typed) {
  const auto source = MAMORI_TRY(sender_of(call.request, services));
  const auto unpacked = body_of(call.request);
  if (!unpacked) return turn_away(services, source, unpacked.error());
  auto body = std::string_view(*unpacked);
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);
  archive::Arena arena;
  const auto start = body.find_first_not_of(" \t\r\n");
  auto bodies = start != body.npos && body[start] == '<' ? formats::parse_fhir_xml(body.substr(start))
                                                         : formats::parse_fhir(body, arena);
  // All or nothing is what a transaction asks for; a bundle is no AuditEvent.
  if (bodies &&
      ((bodies->bundle == "transaction" && !bodies->refused.empty()) || (typed && !bodies->bundle.empty())))
    bodies = Error{ErrorKind::invalid, "collect.events.fhir"};
  const auto accepted = keep(call, services, source, body, bodies);
  if (!accepted) {
    if (accepted.error().code != "collect.events.fhir") return accepted.error();
    return fhir_reply(outcome("error", "invalid", services.texts.get("collect.events.fhir", "en")), 422);
  }
  if (bodies->bundle == "batch" || bodies->bundle == "transaction")
    return fhir_reply(batch_response(services, *bodies), 200);
  if (bodies->bundle.empty()) {
    auto reply = fhir_reply(outcome("information", "informational", "1 event kept"), 201);
    const auto given = id.empty() ? new_id(to_millis(services.logs.now())) : id;
    reply.headers.emplace_back("Location", "/ingest/fhir/AuditEvent/" + given + "/_history/1");
    return reply;
  }
  if (bodies->refused.empty())
    return fhir_reply(
        outcome("information", "informational", fmt::format("{} events kept", accepted->events)), 201);
  json::array issues;
  for (const auto& note : bodies->refused)
    issues.push_back(json::object{
        {"severity", "error"},
        {"code", "invalid"},
        {"diagnostics", fmt::format("entry {}: {}", note.line, services.texts.get(note.code, "en"))}});
  return fhir_reply({{"resourceType", "OperationOutcome"}, {"issue", std::move(issues)}},
                    accepted->events == 0 ? 422 : 200);
}

Result<http::Reply> ingest_fhir(const Call& call, Services& services) {
  return keep_fhir(call, services, "", false);
}

Result<http::Reply> create_fhir(const Call& call, Services& services) {
  return keep_fhir(call, services, "", true);
}

// Nothing that was logged is changed: an update is one more event.
Result<http::Reply> update_fhir(const Call& call, Services& services) {
  const auto& id = call.at("id");
  const bool good = id.size() <= 64 && std::all_of(id.begin(), id.end(), [](unsigned char c) {
                      return (c < 0x80 && std::isalnum(c)) || c == '-' || c == '.';
                    });
  if (!good) return fhir_reply(outcome("error", "value", "an id is of A-Z a-z 0-9 - . and at most 64"), 400);
  return keep_fhir(call, services, id, true);
}

// What clients ask before they send (FHIR R4, capabilities; IHE ITI-20).
Result<http::Reply> fhir_metadata(const Call&, Services& services) {
  const auto code = [](const char* value) { return json::object{{"code", value}}; };
  return fhir_reply(
      {{"resourceType", "CapabilityStatement"},
       {"status", "active"},
       {"date", iso_instant(services.logs.now())},
       {"kind", "instance"},
       {"software", {{"name", "Mamori"}}},
       {"implementation", {{"description", "Audit record repository"}}},
       {"fhirVersion", "4.0.1"},
       {"format", json::array{"application/fhir+json", "application/fhir+xml"}},
       {"rest", json::array{json::object{
                    {"mode", "server"},
                    {"resource",
                     json::array{json::object{{"type", "AuditEvent"},
                                              {"interaction", json::array{code("create"), code("update")}},
                                              {"updateCreate", true},
                                              {"readHistory", false}}}},
                    {"interaction", json::array{code("batch"), code("transaction")}}}}}},
      200);
}

// 400, as these protocols have it for what can never be taken.
http::Reply told_bad(Services& services, const Error& error) {
  return problem_reply(error, services.texts,
                       error.kind == ErrorKind::invalid ? std::optional(400) : std::nullopt);
}

http::Reply elastic(const json::object& answer) {
  auto reply = http::Reply::json(answer);
  reply.headers.emplace_back("X-Elastic-Product", "Elasticsearch");  // clients refuse to go on without it
  return reply;
}

Result<http::Reply> ingest_bulk(const Call& call, Services& services) {
  const auto source = MAMORI_TRY(sender_of(call.request, services));
  const auto body = body_of(call.request);
  if (!body) return turn_away(services, source, body.error());
  archive::Arena arena;
  std::vector<formats::BulkItem> items;
  if (const auto kept = keep(call, services, source, *body, formats::parse_bulk(*body, items, arena)); !kept)
    return told_bad(services, kept.error());
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
  return elastic({{"took", 0}, {"errors", errors}, {"items", std::move(out)}});
}

// What clients ask before they send. Beats refuse a server that is older than they are.
Result<http::Reply> ingest_bulk_info(const Call&, Services&) {
  return elastic({{"name", "mamori"},
                  {"cluster_name", "mamori"},
                  {"cluster_uuid", "mamori"},
                  {"version",
                   {{"number", "8.19.0"},
                    {"build_flavor", "default"},
                    {"minimum_wire_compatibility_version", "7.17.0"},
                    {"minimum_index_compatibility_version", "7.0.0"}}},
                  {"tagline", "You Know, for Search"}});
}

// Beats and Logstash go on only where there is one that is active.
Result<http::Reply> ingest_bulk_license(const Call&, Services&) {
  return elastic(
      {{"license", {{"status", "active"}, {"uid", "mamori"}, {"type", "basic"}, {"mode", "basic"}}}});
}

Result<http::Reply> ingest_otlp(const Call& call, Services& services) {
  const auto source = MAMORI_TRY(sender_of(call.request, services));
  const auto body = body_of(call.request);
  if (!body) return turn_away(services, source, body.error());
  const bool protobuf = call.request.header("content-type").find("protobuf") != std::string::npos;
  archive::Arena arena;
  const auto kept =
      keep(call, services, source, *body,
           protobuf ? formats::parse_otlp_protobuf(*body, arena) : formats::parse_otlp_json(*body, arena));
  if (!kept) return told_bad(services, kept.error());
  http::Reply reply;
  if (protobuf) {
    reply.content_type = "application/x-protobuf";  // an empty ExportLogsServiceResponse
    return reply;
  }
  return http::Reply::json(json::object());
}

Result<http::Reply> ingest_lines(const Call& call, Services& services) {
  const auto source = MAMORI_TRY(sender_of(call.request, services));
  const auto body = body_of(call.request);
  if (!body) return turn_away(services, source, body.error());
  const auto accepted =
      MAMORI_TRY(services.logs.accept(source, call.request.remote, formats::parse_lines(*body)));
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
      {post, "/ingest/fhir/", Permission::none_needed, ingest_fhir, "The same", Body::upload, Caller::sender},
      {post, "/ingest/fhir/AuditEvent", Permission::none_needed, create_fhir, "FHIR create", Body::upload,
       Caller::sender},
      {put, "/ingest/fhir/AuditEvent/{id}", Permission::none_needed, update_fhir,
       "FHIR update: one more event", Body::upload, Caller::sender},
      {get, "/ingest/fhir/metadata", Permission::none_needed, fhir_metadata,
       "FHIR CapabilityStatement: what clients ask first", Body::small, Caller::sender},
      {post, "/ingest/v1/logs", Permission::none_needed, ingest_otlp, "OTLP/HTTP logs, JSON or protobuf",
       Body::upload, Caller::sender},
      {post, "/ingest/lines", Permission::none_needed, ingest_lines, "One event a line", Body::upload,
       Caller::sender},
      {get, "/ingest/elastic", Permission::none_needed, ingest_bulk_info,
       "What Elasticsearch clients ask first", Body::small, Caller::sender},
      {get, "/ingest/elastic/", Permission::none_needed, ingest_bulk_info, "The same", Body::small,
       Caller::sender},
      {get, "/ingest/elastic/_license", Permission::none_needed, ingest_bulk_license,
       "What Beats and Logstash ask first", Body::small, Caller::sender},
      {post, "/ingest/elastic/_bulk", Permission::none_needed, ingest_bulk, "Elasticsearch _bulk",
       Body::upload, Caller::sender},
      {put, "/ingest/elastic/_bulk", Permission::none_needed, ingest_bulk, "The same", Body::upload,
       Caller::sender},
      {post, "/ingest/elastic/{index}/_bulk", Permission::none_needed, ingest_bulk,
       "Elasticsearch _bulk for one index", Body::upload, Caller::sender},
  };
}

}  // namespace mamori::api
