#include <cstdio>
#include <thread>

#include "archive/query.h"
#include "cli/command.h"
#include "os/file.h"
#include "report/log_export.h"

namespace mamori::cli {
namespace {

using archive::Field;

constexpr std::size_t kMostHits = 100'000;

struct Given {
  std::string action, question, from, to, file, output, source, stream, format = "text";
  std::size_t limit = 100;
};

Result<logs::Question> question_of(const Given& given) {
  return logs::parse_question(given.question, given.from, given.to);
}

void print_event(const Given& given, const archive::Stream& stream, proof::LeafIndex index,
                 const archive::Event& event) {
  if (given.format == "json") {
    json::object fields;
    for (const auto field : archive::kFields)
      if (!event[field].empty())
        fields[archive::name_of(field)] = json::string(archive::decode_text(event[field]));
    std::printf("%s\n", json::serialize(json::object{{"stream", stream.origin()},
                                                     {"index", index},
                                                     {"time", iso_instant(event.time)},
                                                     {"received", iso_instant(event.received)},
                                                     {"fields", std::move(fields)},
                                                     {"raw", json::string(archive::decode_text(event.raw))}})
                            .c_str());
    return;
  }
  std::printf("%s%s %-8s %s\n", local_minute(event.time).c_str(),
              iso_instant(event.time).substr(16, 3).c_str(), for_terminal(event[Field::source]).c_str(),
              for_terminal(archive::decode_text(event.raw)).c_str());
}

Result<logs::Logs::Streams> streams_of(Session& session, const Common& common, const Given& given) {
  const auto facility = MAMORI_TRY(session.facility(common));
  std::vector<std::string> wanted;
  if (!given.stream.empty()) wanted.push_back(given.stream);
  return session.services().logs.streams(facility, wanted);
}

// What could not be looked at is said, and is no success.
int tell_damage(Session& session, const Common& common, const std::vector<archive::Damage>& list) {
  for (const auto& damage : list) {
    const auto first = std::to_string(damage.first), last = std::to_string(damage.last);
    const auto text = session.services().texts.get(
        damage.what, common.language,
        {{"file", damage.file}, {"first", first}, {"last", last}, {"name", damage.file}});
    std::fprintf(stderr, "mamori: %s %s (%s–%s)\n", text.c_str(), damage.file.c_str(), first.c_str(),
                 last.c_str());
  }
  return list.empty() ? 0 : 6;
}

int search(Session& session, const Common& common, const Given& given) {
  const auto streams = streams_of(session, common, given);
  if (!streams) return fail(streams.error(), common);
  const auto asked = question_of(given);
  if (!asked) return fail(asked.error(), common);
  archive::SearchOptions options;
  options.limit = given.limit;
  const bool counts = given.action == "stats";
  if (counts) {
    options.limit = 0;
    options.statistics = true;
    options.count.assign(archive::kFields.begin(), archive::kFields.end());
  }
  options.limit_time = std::chrono::minutes(10);
  const std::vector<const archive::Stream*> list(streams->open.begin(), streams->open.end());
  auto result =
      session.services().logs.search(session.actor(), *session.facility(common), list, *asked, options);
  if (!result) return fail(result.error(), common);
  result->damage.insert(result->damage.end(), streams->closed.begin(), streams->closed.end());
  if (counts) {
    json::object out = {{"total", result->total}};
    json::object by_field;
    for (const auto field : archive::kFields) {
      json::array values;
      for (const auto& entry : result->counts[static_cast<std::size_t>(field)])
        values.push_back(
            json::object{{"value", json::string(archive::decode_text(entry.value))}, {"count", entry.count}});
      if (!values.empty()) by_field[archive::name_of(field)] = std::move(values);
    }
    if (given.format == "json") {
      out["counts"] = std::move(by_field);
      std::printf("%s", pretty(out).c_str());
      return tell_damage(session, common, result->damage);
    }
    std::printf("%llu\n", static_cast<unsigned long long>(result->total));
    for (const auto& bucket : result->histogram)
      if (bucket.count != 0)
        std::printf("  %s %10llu\n", local_minute(bucket.from).c_str(),
                    static_cast<unsigned long long>(bucket.count));
    for (const auto& [name, values] : by_field) {
      std::printf("%s\n", std::string(name).c_str());
      for (const auto& value : values.as_array())
        std::printf("  %10lld %s\n", static_cast<long long>(value.at("count").to_number<std::int64_t>()),
                    for_terminal(value.at("value").get_string()).c_str());
    }
    return tell_damage(session, common, result->damage);
  }
  for (auto hit = result->hits.rbegin(); hit != result->hits.rend(); ++hit)
    print_event(given, *list[hit->at.stream], hit->at.index,
                hit->event);  // the newest last, as in a terminal
  return tell_damage(session, common, result->damage);
}

// Follows a running server: the directory is opened again for each look, since it belongs to the other
// process.
int tail(const Common& common, const Given& given) {
  std::map<std::string, proof::LeafIndex> seen;
  bool first = true, noted = false;
  while (true) {
    auto session = Session::open(common);
    if (!session) return fail(session.error(), common);
    const auto streams = streams_of(*session, common, given);
    if (!streams) return fail(streams.error(), common);
    const auto asked = question_of(given);
    if (!asked) return fail(asked.error(), common);
    for (const auto* stream : streams->open) {
      auto& next = seen[stream->origin()];
      const auto size = stream->size();
      if (first) next = size > given.limit ? std::max(size - given.limit, stream->first()) : stream->first();
      const auto shown =
          stream->each_match(asked->query, asked->from, asked->to, next,
                             [&](proof::LeafIndex index, const archive::Event& event) -> Result<bool> {
                               if (index >= size) return false;
                               if (!noted && (asked->about_patient() || !event[Field::patient].empty())) {
                                 MAMORI_TRY(session->services().logs.record_search(
                                     session->actor(), *session->facility(common), given.question));
                                 noted = true;
                               }
                               print_event(given, *stream, index, event);
                               return true;
                             });
      if (!shown) return fail(shown.error(), common);
      next = size;
    }
    std::fflush(stdout);
    first = false;
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

int import(Session& session, const Common& common, const Given& given) {
  const auto facility = session.facility(common);
  if (!facility) return fail(facility.error(), common);
  auto& services = session.services();
  const auto source = services.logs.source_called(*facility, given.source);
  if (!source) return fail(source.error(), common);
  // Written down before anything is kept: what failed behind it could not take the events back.
  const auto noted = services.logs.record_use(session.actor(), *facility, "imported", given.file);
  if (!noted) return fail(noted.error(), common);
  const auto result = services.logs.import_file(
      *source, given.file, [&](std::uint64_t done, std::uint64_t all) { progress(given.file, done, all); });
  if (!result) return fail(result.error(), common);
  if (given.format == "json")
    std::printf("%s", pretty(json::object{{"events", result->events},
                                          {"bytes", result->bytes},
                                          {"notes", result->notes.size()}})
                          .c_str());
  else
    std::printf("%s\n", services.texts
                            .get("cli.logs.imported", common.language,
                                 {{"events", std::to_string(result->events)}, {"source", source->number}})
                            .c_str());
  for (const auto& note : result->notes)
    std::fprintf(stderr, "%s:%zu: %s\n", given.file.c_str(), note.line,
                 services.texts.get(note.code, common.language).c_str());
  return result->notes.empty() ? 0 : 1;
}

int export_events(Session& session, const Common& common, const Given& given) {
  const auto facility = session.facility(common);
  if (!facility) return fail(facility.error(), common);
  auto& services = session.services();
  const auto asked = question_of(given);
  if (!asked) return fail(asked.error(), common);
  const auto name = given.stream.empty() ? "events" : given.stream;
  auto stream = services.logs.archive().stream({*facility, name});
  if (!stream) return fail(stream.error(), common);
  const auto format = report::parse_log_format(given.format == "text" ? "jsonl" : given.format);
  if (!format) return fail({ErrorKind::invalid, "report.logs.format"}, common);
  const auto noted = services.logs.record_use(session.actor(), *facility, "exported", given.question);
  if (!noted) return fail(noted.error(), common);
  const auto bytes = report::export_logs(**stream,
                                         {*facility, name, given.question, session.actor().name, asked->query,
                                          asked->from, asked->to, *format, common.language,
                                          [&](const proof::Head& head) {
                                            return services.logs.keeping().stamp({*facility, name}, head);
                                          }},
                                         services.signing_key, services.texts, services.clock.now());
  if (!bytes) return fail(bytes.error(), common);
  const auto written = write_output(given.output, *bytes, os::Visibility::owner_only);
  if (!written) return fail(written.error(), common);
  std::printf("%s\n", given.output.c_str());
  return 0;
}

int list_streams(Session& session, const Common& common, const Given& given) {
  const auto facility = session.facility(common);
  if (!facility) return fail(facility.error(), common);
  const auto states = session.services().logs.keeping().state(*facility);
  if (!states) return fail(states.error(), common);
  json::array items;
  std::vector<archive::Damage> damage;
  for (const auto& state : *states) {
    damage.insert(damage.end(), state.damage.begin(), state.damage.end());
    if (given.format == "json")
      items.push_back(json::object{{"stream", state.name.name},
                                   {"events", state.events},
                                   {"first", state.first},
                                   {"bytes", state.bytes},
                                   {"raw_bytes", state.raw_bytes},
                                   {"whole", state.damage.empty()}});
    else
      std::printf(
          "%-10s %14llu  %12llu bytes  1/%.1f\n", state.name.name.c_str(),
          static_cast<unsigned long long>(state.events), static_cast<unsigned long long>(state.bytes),
          state.bytes ? static_cast<double>(state.raw_bytes) / static_cast<double>(state.bytes) : 0.0);
  }
  if (given.format == "json") std::printf("%s", pretty(items).c_str());
  return tell_damage(session, common, damage);
}

int run_logs(const Common& common, const Given& given) {
  if (given.action == "tail") return tail(common, given);
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common);
  if (given.action == "import") return import(*session, common, given);
  if (given.action == "export") return export_events(*session, common, given);
  if (given.action == "streams") return list_streams(*session, common, given);
  if (given.action == "token") {
    const auto facility = session->facility(common);
    if (!facility) return fail(facility.error(), common);
    const auto source = session->services().logs.source_called(*facility, given.source);
    if (!source) return fail(source.error(), common);
    const auto token =
        session->services().logs.make_token(session->actor(), store::Scope::door(*facility), source->id);
    if (!token) return fail(token.error(), common);
    std::printf("%s\n", token->reveal().c_str());
    return 0;
  }
  return search(*session, common, given);
}

}  // namespace

void add_logs(CLI::App& app, Common& common, Runner& run) {
  auto* command = app.add_subcommand("logs", "search, follow, import and export logs");
  command->require_subcommand(1);
  auto given = std::make_shared<Given>();
  const auto add = [&](const char* name, const char* help) {
    auto* sub = command->add_subcommand(name, help);
    sub->callback([&common, &run, given, name] {
      given->action = name;
      run = [&common, given] { return run_logs(common, *given); };
    });
    return sub;
  };
  const auto ask = [&](CLI::App* sub) {
    sub->add_option("question", given->question,
                    "e.g. 'user:tanaka AND patient:001234', '\"failed password\" NOT root', 'サーバ*'");
    sub->add_option("--from", given->from, "from this time on: 2026-11-20, '2026-11-20 18:00', RFC 3339");
    sub->add_option("--to", given->to, "before this time");
    sub->add_option("--stream", given->stream,
                    "events, access, network or journal (default: all but the journal)");
  };
  const auto text_or_json = [&](CLI::App* sub) {
    sub->add_option("--format", given->format, "text or json")->check(CLI::IsMember({"text", "json"}));
  };
  auto* search = add("search", "find events, newest last");
  ask(search);
  text_or_json(search);
  search->add_option("--limit", given->limit, "how many at most (default 100)")
      ->check(CLI::Range(std::size_t{1}, kMostHits));
  auto* stats = add("stats", "how many, when, and what their fields say");
  ask(stats);
  text_or_json(stats);
  auto* tail = add("tail", "follow what arrives, until interrupted");
  ask(tail);
  text_or_json(tail);
  tail->add_option("--limit", given->limit, "how many of the past first");
  auto* import = add("import", "a file of log lines, as from a registered source");
  import->add_option("file", given->file)->required()->check(CLI::ExistingFile);
  import->add_option("--source", given->source, "number or name of the source (LS-0001)")->required();
  text_or_json(import);
  auto* out = add("export", "events with their proof, as ZIP");
  ask(out);
  out->add_option("--output", given->output, "file to write")->required();
  out->add_option("--format", given->format, "jsonl (default), csv or xlsx")
      ->check(CLI::IsMember({"text", "jsonl", "csv", "xlsx"}));
  text_or_json(add("streams", "the streams and their size"));
  add("token", "a new token for a source that sends over HTTP")
      ->add_option("source", given->source, "number or name of the source")
      ->required();
}

}  // namespace mamori::cli
