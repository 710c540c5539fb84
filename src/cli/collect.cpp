#include <cstdio>

#include "cli/command.h"
#include "readers/sources.h"

namespace mamori::cli {
namespace {

struct Given {
  std::string action = "list", name, file, kind, secret_file, reason, format = "text";
  std::vector<std::string> settings;
  long long every = 0;
};

int print_run(const readers::Run& run, const Given& given, const Common& common, const Texts& texts) {
  if (given.format == "json") {
    std::printf("%s", pretty(readers::to_json(run)).c_str());
  } else if (run.error.empty()) {
    for (const auto& [reg, counts] : run.counts)
      std::printf("%s\n", texts
                              .get("cli.collect.counts", common.language,
                                   {{"register", std::string(reg)},
                                    {"fresh", std::to_string(integer_of(counts.as_object(), "fresh"))},
                                    {"known", std::to_string(integer_of(counts.as_object(), "known"))},
                                    {"gone", std::to_string(integer_of(counts.as_object(), "gone"))}})
                              .c_str());
  }
  if (run.error.empty()) return 0;
  std::fprintf(stderr, "mamori: %s\n", texts.get(run.error, common.language, run.error_facts).c_str());
  return 5;
}

int collect_now(const Common& common, const Given& given) {
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common);
  auto& services = session->services();
  const auto facility = session->facility(common);
  if (!facility) return fail(facility.error(), common);
  const auto sources = services.sources.list(store::Scope::door(*facility));
  if (!sources) return fail(sources.error(), common);
  if (given.action == "list") {
    json::array items;
    for (const auto& source : *sources) {
      if (given.format == "json")
        items.push_back(readers::to_json(source));
      else
        std::printf("%-10s %-30s %s %s\n", source.kind.c_str(), source.name.c_str(),
                    source.last_success_at ? local_minute(*source.last_success_at).c_str() : "-",
                    source.last_error.c_str());
    }
    if (given.format == "json") std::printf("%s", pretty(items).c_str());
    return 0;
  }
  if (given.action == "add") {
    readers::SourceWrite write;
    write.name = given.name;
    write.kind = given.kind;
    write.every_minutes = given.every;
    for (const auto& pair : given.settings) {
      const auto equals = pair.find('=');
      if (equals == pair.npos)
        return fail({ErrorKind::invalid, "cli.import.mapping", {{"value", pair}}}, common);
      auto value = pair.substr(equals + 1);
      if (value.starts_with('@')) {
        auto text = read_file(value.substr(1), 1u << 20);
        if (!text) return fail(text.error(), common);
        value = std::move(*text);
      }
      write.settings[pair.substr(0, equals)] = value;
    }
    if (!given.secret_file.empty()) {
      auto text = read_file(given.secret_file, 4096);
      if (!text) return fail(text.error(), common);
      write.secret = Secret(std::string(trim(*text)));
    }
    const auto made = services.sources.create(session->actor(), *facility, write);
    if (!made) return fail(made.error(), common);
    std::printf("%s\n", made->id.c_str());
    return 0;
  }
  int worst = 0;
  bool found = false;
  for (const auto& source : *sources) {
    if (!given.name.empty() && source.name != given.name) continue;
    found = true;
    if (given.action == "file") {
      const auto bytes = read_file(given.file, std::size_t{256} << 20);
      if (!bytes) return fail(bytes.error(), common);
      const auto run =
          services.sources.run_file(session->actor(), store::Scope::door(*facility), source.id, *bytes);
      if (!run) return fail(run.error(), common);
      return print_run(*run, given, common, services.texts);
    }
    if (given.action == "retire") {
      const auto done =
          services.sources.retire(session->actor(), store::Scope::door(*facility), source.id, given.reason);
      return done ? 0 : fail(done.error(), common);
    }
    if (!source.enabled) continue;
    const auto run = services.sources.run(session->actor(), store::Scope::door(*facility), source.id);
    if (!run) return fail(run.error(), common);
    worst = std::max(worst, print_run(*run, given, common, services.texts));
  }
  if (!found) return fail({ErrorKind::not_found, "collect.source.missing"}, common);
  return worst;
}

}  // namespace

void add_collect(CLI::App& app, Common& common, Runner& run) {
  auto* command = app.add_subcommand("collect", "read sources: directory, network scan, backups");
  command->require_subcommand(1);
  auto given = std::make_shared<Given>();
  const auto add = [&](const char* name, const char* help) {
    auto* sub = command->add_subcommand(name, help);
    sub->add_option("--format", given->format, "text or json")->check(CLI::IsMember({"text", "json"}));
    sub->callback([&common, &run, given, name] {
      given->action = name;
      run = [&common, given] { return collect_now(common, *given); };
    });
    return sub;
  };
  add("list", "the sources and when they were read");
  auto* run_command = add("run", "read now: one source, or all");
  run_command->add_option("name", given->name, "the source's name (default: all)");
  auto* file = add("file", "read from a file: LDIF, nmap XML, restic or borg listing");
  file->add_option("name", given->name, "the source's name")->required();
  file->add_option("file", given->file)->required();
  auto* retire = add("retire", "read it no more: what it said counts for nothing any more");
  retire->add_option("name", given->name, "the source's name")->required();
  retire->add_option("--reason", given->reason, "why")->required();
  auto* make = add("add", "register a source");
  make->add_option("kind", given->kind, "directory, network or backup")->required();
  make->add_option("name", given->name)->required();
  make->add_option("--set", given->settings,
                   "KEY=VALUE, or KEY=@FILE for what stands in a file: url, base, bind_dn, ca | targets | "
                   "kind, repository, pattern");
  make->add_option("--secret-file", given->secret_file, "file with the password")->check(CLI::ExistingFile);
  make->add_option("--every", given->every, "minutes between readings (default: by hand)");
}

}  // namespace mamori::cli
