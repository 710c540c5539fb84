#include <fmt/format.h>

#include <charconv>

#include "api/access.h"
#include "api/routes.h"
#include "api/shapes.h"
#include "archive/query.h"
#include "formats/fields.h"
#include "report/log_export.h"

namespace mamori::api {
namespace {

using enum http::Method;
using identity::Permission;

using archive::Field;

std::uint64_t number_of(const std::string& text, std::uint64_t otherwise) {
  std::uint64_t out = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

// Which facility's streams, and of them which: ?facility= ?stream=a,b
struct Asked {
  std::string facility;
  std::vector<archive::Stream*> streams;
  std::vector<archive::Damage> closed;  // streams that do not open
};

bool is_journal(std::string_view stream) { return stream == "journal" || stream.starts_with("journal@"); }

// The journal is the journal also where it stands among the logs.
Status check_journal(const Call& call, Services& services, const std::string& facility) {
  const auto lease = MAMORI_TRY(services.database.read());
  if (MAMORI_TRY(call.user->scope_with(Permission::journal_read).covers(*lease, facility))) return {};
  return Error{ErrorKind::forbidden, "api.forbidden"};
}

Result<Asked> asked_of(const Call& call, Services& services) {
  Asked scope;
  scope.facility = MAMORI_TRY(call.facility());
  std::vector<std::string> wanted;
  const auto named = call.request.parameter("stream");
  for (const auto name : split(named, ','))
    if (!name.empty()) wanted.emplace_back(name);
  if (std::any_of(wanted.begin(), wanted.end(), is_journal))
    MAMORI_TRY(check_journal(call, services, scope.facility));
  auto found = MAMORI_TRY(services.logs.streams(scope.facility, wanted));
  scope.streams = std::move(found.open);
  scope.closed = std::move(found.closed);
  return scope;
}

Result<logs::Question> question_of(const Call& call) {
  return logs::parse_question(call.request.parameter("q"), call.request.parameter("from"),
                              call.request.parameter("to"));
}

// Bytes for the screen: UTF-8 as it is, other Japanese encodings decoded.
json::string shown(std::string_view bytes) { return json::string(archive::decode_text(bytes)); }

// "mamori/FACILITY/STREAM" taken apart.
archive::StreamName name_of_stream(const archive::Stream& stream) {
  const auto& origin = stream.origin();
  const auto first = origin.find('/'), last = origin.rfind('/');
  return {origin.substr(first + 1, last - first - 1), origin.substr(last + 1)};
}
std::string stream_name(const archive::Stream& stream) { return name_of_stream(stream).name; }

json::object event_json(const archive::Event& event, const archive::Stream& stream, proof::LeafIndex index) {
  json::object fields;
  for (const auto field : archive::kFields)
    if (!event[field].empty()) fields[archive::name_of(field)] = shown(event[field]);
  return {{"stream", stream_name(stream)},
          {"index", index},
          {"time", iso_instant(event.time)},
          {"time_millis", to_millis(event.time)},
          {"received", iso_instant(event.received)},
          {"fields", std::move(fields)},
          {"raw", shown(event.raw)}};
}

// Who the users are, for those who may read the ledger's people.
Result<json::object> owners_json(const Call& call, Services& services, const std::string& facility,
                                 const std::set<std::string>& users) {
  json::object out;
  for (const auto* name : {"account", "person"})
    if (users.empty() ||
        !MAMORI_TRY(
            allowed_in(call, services, MAMORI_TRY(services.ledger.find_register(name))->readers, facility)))
      return out;
  for (const auto& [user, owner] : MAMORI_TRY(services.logs.owners(facility, users)))
    out[shown(user)] = json::object{
        {"register", owner.reg}, {"account", owner.account}, {"person", owner.person}, {"name", owner.name}};
  return out;
}

std::string cursor_of(const archive::Position& position) {
  return fmt::format("{}.{}.{}", to_millis(position.time), position.stream, position.index);
}

std::optional<archive::Position> parse_cursor(const std::string& text) {
  const auto parts = split(text, '.');
  if (parts.size() != 3) return std::nullopt;
  std::int64_t time = 0;
  archive::Position position;
  const auto read = [](std::string_view part, auto& out) {
    const auto [end, failure] = std::from_chars(part.data(), part.data() + part.size(), out);
    return failure == std::errc{} && end == part.data() + part.size();
  };
  if (!read(parts[0], time) || !read(parts[1], position.stream) || !read(parts[2], position.index))
    return std::nullopt;
  position.time = from_millis(time);
  return position;
}

std::string asked_stream(const Call& call) {
  return call.path.contains("stream") ? call.at("stream") : call.request.parameter("stream", "events");
}

// One that exists; its heads and proofs tell nothing of what is in it.
Result<archive::Stream*> one_stream(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  const auto name = asked_stream(call);
  for (const auto& known : MAMORI_TRY(services.logs.archive().names(facility)))
    if (known.name == name || known.base() == name) return services.logs.archive().stream({facility, name});
  return Error{ErrorKind::not_found, "archive.stream.missing", {{"name", name}}};
}

// One whose events the caller may read.
Result<archive::Stream*> readable_stream(const Call& call, Services& services) {
  if (is_journal(asked_stream(call))) MAMORI_TRY(check_journal(call, services, MAMORI_TRY(call.facility())));
  return one_stream(call, services);
}

json::object damage_json(const Services& services, const archive::Damage& damage) {
  const Facts facts = {{"file", std::filesystem::path(damage.file).filename().string()},
                       {"first", std::to_string(damage.first)},
                       {"last", std::to_string(damage.last)}};
  return {{"what", words_json(services.texts.both(damage.what, facts))},
          {"file", std::filesystem::path(damage.file).filename().string()},
          {"first", damage.first},
          {"last", damage.last}};
}
json::array damages_json(const Services& services, const std::vector<archive::Damage>& list) {
  json::array out;
  for (const auto& damage : list) out.push_back(damage_json(services, damage));
  return out;
}

json::array hashes_json(const std::vector<proof::Hash>& hashes) {
  json::array out;
  for (const auto& hash : hashes) out.emplace_back(proof::to_base64(hash));
  return out;
}

json::object head_json(Services& services, const archive::Stream& stream, const proof::Head& head) {
  json::object out = {
      {"origin", head.origin},      {"size", head.size}, {"root", proof::to_base64(head.root)},
      {"at", iso_instant(head.at)}, {"note", head.note}, {"stamp", nullptr}};
  if (const auto stamp = services.logs.keeping().stamp_kept(name_of_stream(stream), head); stamp && *stamp)
    out["stamp"] = json::object{{"at", iso_instant((*stamp)->at)},
                                {"authority", (*stamp)->authority},
                                {"token", to_base64((*stamp)->token)}};
  return out;
}

Result<http::Reply> search_logs(const Call& call, Services& services) {
  const auto scope = MAMORI_TRY(asked_of(call, services));
  const auto asked = MAMORI_TRY(question_of(call));
  archive::SearchOptions options;
  options.limit = std::min<std::uint64_t>(number_of(call.request.parameter("limit", "100"), 100), 1000);
  options.statistics = call.request.parameter("statistics") == "true";
  if (const auto before = call.request.parameter("before"); !before.empty()) {
    options.before = parse_cursor(before);
    if (!options.before) return Error{ErrorKind::invalid, "api.logs.cursor"};
  }
  if (options.statistics)
    options.count = {Field::source,  Field::kind,    Field::host,    Field::user,    Field::action,
                     Field::outcome, Field::address, Field::patient, Field::severity};
  const std::vector<const archive::Stream*> streams(scope.streams.begin(), scope.streams.end());
  auto result = MAMORI_TRY(services.logs.search(call.actor(), scope.facility, streams, asked, options));
  result.damage.insert(result.damage.end(), scope.closed.begin(), scope.closed.end());
  json::array items, histogram;
  std::set<std::string> users;
  for (const auto& hit : result.hits) {
    if (!hit.event[Field::user].empty()) users.emplace(hit.event[Field::user]);
    auto item = event_json(hit.event, *streams[hit.at.stream], hit.at.index);
    item["cursor"] = cursor_of(hit.at);
    items.push_back(std::move(item));
  }
  json::object counts;
  for (const auto field : archive::kFields) {
    const auto& of_field = result.counts[static_cast<std::size_t>(field)];
    if (of_field.empty()) continue;
    json::array list;
    for (const auto& entry : of_field)
      list.push_back(json::object{{"value", shown(entry.value)}, {"count", entry.count}});
    counts[archive::name_of(field)] = std::move(list);
  }
  for (const auto& bucket : result.histogram)
    histogram.push_back(json::object{{"from", iso_instant(bucket.from)}, {"count", bucket.count}});
  json::object out = {{"items", std::move(items)},
                      {"more", result.more},
                      {"partial", result.partial},
                      {"blocks", result.blocks},
                      {"blocks_read", result.blocks_read},
                      {"damage", damages_json(services, result.damage)},
                      {"owners", MAMORI_TRY(owners_json(call, services, scope.facility, users))}};
  if (options.statistics) {
    out["total"] = result.total;
    out["histogram"] = std::move(histogram);
    out["counts"] = std::move(counts);
  }
  return http::Reply::json(out);
}

Result<http::Reply> get_log_event(const Call& call, Services& services) {
  auto* stream = MAMORI_TRY(readable_stream(call, services));
  const auto index = number_of(call.at("index"), std::numeric_limits<std::uint64_t>::max());
  auto there = stream->event(index);
  if (!there && there.error().kind == ErrorKind::not_found)
    for (const auto& hole : archive::holes(*stream))
      if (hole.first <= index && index <= hole.last)
        return Error{ErrorKind::corrupt,
                     "archive.block.damaged",
                     {{"file", hole.file},
                      {"first", std::to_string(hole.first)},
                      {"last", std::to_string(hole.last)}}};
  const auto kept = MAMORI_TRY(std::move(there));
  auto out = event_json(kept.event, *stream, index);
  json::array rest;
  for (const auto& [name, value] : formats::all_fields(kept.event.raw))
    rest.push_back(json::object{{"name", shown(name)}, {"value", shown(value)}});
  out["all_fields"] = std::move(rest);
  if (kept.event[Field::kind] == "refused")
    out["refused"] = words_json(services.texts.both(kept.event[Field::action]));
  // Proven against the newest signed head that covers it.
  const auto heads = stream->heads();
  json::object proof = {{"leaf", proof::to_base64(proof::hash_leaf(archive::leaf_of(kept.event)))},
                        {"state", "waiting"}};
  if (!heads.empty() && heads.back().size > index) {
    const auto path = MAMORI_TRY(stream->inclusion(index, heads.back().size));
    const bool holds = proof::verify_inclusion(
        index, heads.back().size, proof::hash_leaf(archive::leaf_of(kept.event)), path, heads.back().root);
    proof["state"] = holds ? "proven" : "broken";
    proof["head"] = head_json(services, *stream, heads.back());
    proof["path"] = hashes_json(path);
  }
  out["proof"] = std::move(proof);
  const auto facility = MAMORI_TRY(call.facility());
  if (!kept.event[Field::patient].empty())
    MAMORI_TRY(services.logs.record_search(call.actor(), facility,
                                           fmt::format("{}/{}", stream_name(*stream), index)));
  if (!kept.event[Field::user].empty())
    out["owners"] = MAMORI_TRY(owners_json(call, services, facility, {std::string(kept.event[Field::user])}));
  const auto sources = MAMORI_TRY(services.logs.sources(facility));
  for (const auto& source : sources)
    if (source.number == kept.event[Field::source])
      out["source"] = json::object{{"id", source.id}, {"name", source.name}, {"asset", source.asset}};
  return http::Reply::json(out);
}

Result<http::Reply> list_log_streams(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  json::array items;
  for (const auto& state : MAMORI_TRY(services.logs.keeping().state(facility))) {
    const auto heads = state.stream ? state.stream->heads() : std::vector<proof::Head>();
    items.push_back(json::object{
        {"stream", state.name.name},
        {"events", state.events},
        {"first", state.first},
        {"waiting", state.waiting},
        {"bytes", state.bytes},
        {"raw_bytes", state.raw_bytes},
        {"damage", damages_json(services, state.damage)},
        {"heads", heads.size()},
        {"head", heads.empty() ? json::value(nullptr)
                               : json::value(head_json(services, *state.stream, heads.back()))}});
  }
  const auto disk = services.logs.keeping().disk();
  return http::Reply::json(
      json::object{{"items", std::move(items)},
                   {"public_key", to_hex(services.signing_key.public_key())},
                   {"disk",
                    {{"free", disk.free},
                     {"total", disk.total},
                     {"days_left", disk.days_left ? json::value(*disk.days_left) : json::value(nullptr)}}}});
}

Result<http::Reply> list_log_heads(const Call& call, Services& services) {
  const auto* stream = MAMORI_TRY(one_stream(call, services));
  auto heads = stream->heads();
  json::array items;
  for (std::size_t i = heads.size(); i-- > 0 && items.size() < 100;)
    items.push_back(head_json(services, *stream, heads[i]));
  return http::Reply::json(json::object{{"items", std::move(items)}, {"total", heads.size()}});
}

Result<http::Reply> get_log_proof(const Call& call, Services& services) {
  const auto* stream = MAMORI_TRY(one_stream(call, services));
  const auto size = number_of(call.request.parameter("size"), stream->size());
  if (const auto index = call.request.parameter("index"); !index.empty()) {
    const auto number = number_of(index, std::numeric_limits<std::uint64_t>::max());
    return http::Reply::json(
        json::object{{"index", number},
                     {"size", size},
                     {"root", proof::to_base64(MAMORI_TRY(stream->root_at(size)))},
                     {"path", hashes_json(MAMORI_TRY(stream->inclusion(number, size)))}});
  }
  const auto from = number_of(call.request.parameter("from"), 0);
  return http::Reply::json(json::object{{"from", from},
                                        {"size", size},
                                        {"from_root", proof::to_base64(MAMORI_TRY(stream->root_at(from)))},
                                        {"root", proof::to_base64(MAMORI_TRY(stream->root_at(size)))},
                                        {"path", hashes_json(MAMORI_TRY(stream->consistency(from, size)))}});
}

Result<http::Reply> verify_log_stream(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  MAMORI_TRY(one_stream(call, services));
  json::array damage;
  const auto verified =
      services.logs.keeping().verify({facility, call.at("stream")}, [&](const archive::Damage& found) {
        if (damage.size() < 100) damage.push_back(damage_json(services, found));
      });
  if (!verified && verified.error().code != "archive.verify.failed") return verified.error();
  json::object out = {{"whole", verified.has_value()}, {"damage", std::move(damage)}};
  if (verified) {
    out["events"] = verified->events;
    out["heads"] = verified->heads;
    out["size"] = verified->size;
    out["root"] = proof::to_base64(verified->root);
  }
  return http::Reply::json(out);
}

Result<http::Reply> publish_log_head(const Call& call, Services& services) {
  auto* stream = MAMORI_TRY(one_stream(call, services));
  const auto head = MAMORI_TRY(stream->publish_head());
  MAMORI_TRY(services.logs.keeping().stamp(name_of_stream(*stream), head));
  return http::Reply::json(head_json(services, *stream, head), 201);
}

Result<http::Reply> list_log_sources(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  const auto* reg = MAMORI_TRY(services.ledger.find_register("log_source"));
  const auto* observed = MAMORI_TRY(services.ledger.find_register("observed_log"));
  std::map<std::string, json::object> facts;
  MAMORI_TRY(services.ledger.each(*observed, {.scope = call.scope.in(facility), .sort = "label"},
                                  [&](const ledger::Record& record) {
                                    facts[text_of(record.fields, "log_source")] = record.fields;
                                    return true;
                                  }));
  json::array items;
  MAMORI_TRY(services.ledger.each(
      *reg, {.scope = call.scope.in(facility), .sort = "number"}, [&](const ledger::Record& record) {
        auto item = ledger::to_json(*reg, record);
        const auto fact = facts.find(record.id);
        item["observed"] = fact == facts.end() ? json::value(nullptr) : json::value(fact->second);
        items.push_back(std::move(item));
        return true;
      }));
  const MutexLock lock(services.mutex);
  return http::Reply::json(json::object{{"items", std::move(items)}, {"receivers", services.receivers}});
}

Result<http::Reply> make_log_token(const Call& call, Services& services) {
  const auto token = MAMORI_TRY(services.logs.make_token(call.actor(), call.scope, call.at("id")));
  auto reply = http::Reply::json(json::object{{"token", token.reveal()}}, 201);
  reply.secret = true;
  return reply;
}

Result<http::Reply> export_logs(const Call& call, Services& services) {
  auto* stream = MAMORI_TRY(readable_stream(call, services));
  const auto facility = MAMORI_TRY(call.facility());
  const auto asked = MAMORI_TRY(question_of(call));
  const auto format = report::parse_log_format(call.request.parameter("format", "jsonl"));
  if (!format) return Error{ErrorKind::invalid, "report.logs.format"};
  report::LogExport request{
      facility,
      stream_name(*stream),
      asked.text,
      call.user->name,
      asked.query,
      asked.from,
      asked.to,
      *format,
      call.language(),
      [&](const proof::Head& head) { return services.logs.keeping().stamp(name_of_stream(*stream), head); }};
  MAMORI_TRY(services.logs.record_use(call.actor(), facility, "exported", asked.text));
  return http::Reply::file(MAMORI_TRY(report::export_logs(*stream, request, services.signing_key,
                                                          services.texts, services.clock.now())),
                           "application/zip", "logs_" + iso_date(date_of(services.clock.now())) + ".zip");
}

}  // namespace

namespace {

Shape damage_shape() {
  using namespace shape;
  return named("Damage",
               object({{"what", words()}, {"file", text()}, {"first", integer()}, {"last", integer()}}));
}
Shape head_shape() {
  using namespace shape;
  const auto stamp =
      named("TimeStamp", object({{"at", instant()}, {"authority", text()}, {"token", text()}}));
  return named("Head", object({{"origin", text()},
                               {"size", integer()},
                               {"root", text()},
                               {"at", instant()},
                               {"note", text()},
                               {"stamp", nullable(stamp)}}));
}
Shape owners_shape() {
  using namespace shape;
  return map(named(
      "LogOwner", object({{"register", text()}, {"account", text()}, {"person", text()}, {"name", text()}})));
}
// An event as a list shows it, and where `more` is given as its own page does.
Shape event_shape(std::string_view name, Members more, Members perhaps) {
  using namespace shape;
  auto out = object({{"stream", text()},
                     {"index", integer()},
                     {"time", instant()},
                     {"time_millis", integer()},
                     {"received", instant()},
                     {"fields", map(text())},
                     {"raw", text()}},
                    perhaps);
  for (const auto& [member, of] : more) {
    out["properties"].get_object()[member] = of;
    out["required"].get_array().emplace_back(member);
  }
  return named(name, std::move(out));
}
Shape search_shape() {
  using namespace shape;
  const auto count = named("LogCount", object({{"value", text()}, {"count", integer()}}));
  const auto bucket = named("LogBucket", object({{"from", instant()}, {"count", integer()}}));
  return named("LogSearch",
               object({{"items", list(event_shape("LogHit", {{"cursor", text()}}, {}))},
                       {"more", boolean()},
                       {"partial", boolean()},
                       {"blocks", integer()},
                       {"blocks_read", integer()},
                       {"damage", list(damage_shape())},
                       {"owners", owners_shape()}},
                      {{"total", integer()}, {"histogram", list(bucket)}, {"counts", map(list(count))}}));
}
Shape log_event_shape() {
  using namespace shape;
  const auto proof =
      named("EventProof", object({{"leaf", text()}, {"state", one_of({"waiting", "proven", "broken"})}},
                                 {{"head", head_shape()}, {"path", list(text())}}));
  const auto source = object({{"id", text()}, {"name", text()}, {"asset", text()}});
  return event_shape("LogEvent",
                     {{"all_fields", list(object({{"name", text()}, {"value", text()}}))}, {"proof", proof}},
                     {{"refused", words()}, {"owners", owners_shape()}, {"source", source}});
}
// The record, with what was measured of it.
Shape log_source_shape() {
  using namespace shape;
  record_shape();
  auto out = named_shapes().at("Record").as_object();
  out["properties"].get_object()["observed"] = nullable(map(value()));
  out["required"].get_array().emplace_back("observed");
  return named("LogSource", std::move(out));
}
Shape receivers_shape() {
  using namespace shape;
  return object({}, {{"address", text()}, {"udp", integer()}, {"tcp", integer()}, {"tls", integer()}});
}
Shape streams_shape() {
  using namespace shape;
  const auto stream = named("LogStream", object({{"stream", text()},
                                                 {"events", integer()},
                                                 {"first", integer()},
                                                 {"waiting", integer()},
                                                 {"bytes", integer()},
                                                 {"raw_bytes", integer()},
                                                 {"damage", list(damage_shape())},
                                                 {"heads", integer()},
                                                 {"head", nullable(head_shape())}}));
  const auto disk = object({{"free", integer()}, {"total", integer()}, {"days_left", nullable(number())}});
  return named("LogStreams", items(stream, {{"public_key", text()}, {"disk", disk}}));
}

}  // namespace

std::vector<Route> log_routes() {
  using namespace shape;
  return {
      Route{get, "/api/v1/logs/search", Permission::logs_read, search_logs, "Find events"}
          .asks({{"q", "the question"},
                 {"from", "not earlier"},
                 {"to", "not later"},
                 {"stream", "of these alone"},
                 {"limit", "how many, at most 1,000"},
                 {"before", "the cursor of the last one seen"},
                 {"statistics", "true: with histogram and counts"}})
          .gives(search_shape()),
      Route{get, "/api/v1/logs/events/{stream}/{index}", Permission::logs_read, get_log_event,
            "One event with all its fields and its proof"}
          .gives(log_event_shape()),
      Route{get, "/api/v1/logs/export", Permission::logs_read, export_logs, "Events with their proof as ZIP"}
          .asks({{"q", "the question"},
                 {"from", "not earlier"},
                 {"to", "not later"},
                 {"stream", "of which"},
                 {"format", "jsonl, csv or xlsx"}})
          .gives_file("application/zip"),
      Route{get, "/api/v1/logs/streams", Permission::logs_read, list_log_streams,
            "Streams, their size and newest head, disk space"}
          .gives(streams_shape()),
      Route{get, "/api/v1/logs/streams/{stream}/heads", Permission::logs_read, list_log_heads,
            "Signed tree heads, newest first"}
          .gives(items(head_shape(), {{"total", integer()}})),
      Route{get, "/api/v1/logs/streams/{stream}/proof", Permission::logs_read, get_log_proof,
            "Inclusion proof (index, size) or consistency proof (from, size)"}
          .asks({{"index", "of an event"}, {"from", "a former size"}, {"size", "of the tree"}})
          .gives(
              named("LogProof", object({{"size", integer()}, {"root", text()}, {"path", list(text())}},
                                       {{"index", integer()}, {"from", integer()}, {"from_root", text()}}))),
      Route{post, "/api/v1/logs/streams/{stream}/verify", Permission::logs_manage, verify_log_stream,
            "Read the stream again and hold it against its tree and heads"}
          .gives(named(
              "LogVerified",
              object({{"whole", boolean()}, {"damage", list(damage_shape())}},
                     {{"events", integer()}, {"heads", integer()}, {"size", integer()}, {"root", text()}}))),
      Route{post, "/api/v1/logs/streams/{stream}/heads", Permission::logs_manage, publish_log_head,
            "Sign the tree as it is now"}
          .gives(head_shape(), 201),
      Route{get, "/api/v1/logs/sources", Permission::sources_read, list_log_sources,
            "Senders of logs with what arrives from them"}
          .gives(items(log_source_shape(), {{"receivers", receivers_shape()}})),
      Route{post, "/api/v1/logs/sources/{id}/token", Permission::logs_manage, make_log_token,
            "A new token for a sender, shown once"}
          .gives(object({{"token", text()}}), 201),
  };
}

}  // namespace mamori::api
