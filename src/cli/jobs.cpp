#include "jobs/jobs.h"

#include <fmt/format.h>

#include <cstdio>

#include "cli/command.h"

namespace mamori::cli {
namespace {

struct Given {
  std::string action, kind, label, format = "text";
};

std::string state_of(const jobs::Job& job, const Texts& texts, const std::string& language) {
  const auto percent = job.whole > 0 ? job.done * 100 / job.whole : 0;
  if (job.runs())
    return texts.get(job.stopping ? "cli.jobs.stopping" : "cli.jobs.runs", language,
                     {{"percent", std::to_string(percent)}});
  if (job.failing_since)
    return texts.get("cli.jobs.failing", language, {{"at", local_minute(*job.failing_since)}});
  if (job.due) return texts.get("cli.jobs.due", language, {{"at", local_minute(*job.due)}});
  return texts.get("cli.jobs.by-hand", language);
}

void print(const jobs::Job& job, const Texts& texts, const std::string& language) {
  std::printf("%-16s %-28s %s\n", job.kind.c_str(), job.task.label.c_str(),
              state_of(job, texts, language).c_str());
  if (!job.failing_since || job.history.empty() || job.history[0].error.empty()) return;
  std::printf("  %s\n", texts.get(job.history[0].error, language, job.history[0].facts).c_str());
}

int jobs_now(const Common& common, const Given& given) {
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common);
  auto& services = session->services();
  const auto facility = session->facility(common);
  if (!facility) return fail(facility.error(), common);
  const auto jobs = services.jobs.list(store::Scope::door(*facility), true);
  if (!jobs) return fail(jobs.error(), common);
  json::array items;
  bool found = false;
  for (const auto& job : *jobs) {
    if (!given.kind.empty() && job.kind != given.kind) continue;
    if (!given.label.empty() && job.task.label != given.label) continue;
    found = true;
    auto now = job;
    if (given.action != "list") {
      const bool ask = given.action == "run";
      auto told = ask ? services.jobs.ask(session->actor(), store::Scope::door(*facility), job.id)
                      : services.jobs.end(session->actor(), store::Scope::door(*facility), job.id);
      // Of several of one kind, those that do not run need no stop.
      if (!told && !ask && given.label.empty() && told.error().code == "jobs.idle") continue;
      if (!told) return fail(told.error(), common);
      now = std::move(told).take();
    }
    if (given.format == "json")
      items.push_back(jobs::to_json(now));
    else
      print(now, services.texts, common.language);
  }
  if (given.format == "json") std::printf("%s", pretty(items).c_str());
  if (!found && !(given.kind.empty() && given.label.empty()))
    return fail({ErrorKind::not_found, "jobs.missing"}, common);
  return 0;
}

}  // namespace

void add_jobs(CLI::App& app, Common& common, Runner& run) {
  auto* command = app.add_subcommand("jobs", "what is done by itself: when, how far, how it went");
  command->require_subcommand(1);
  auto given = std::make_shared<Given>();
  const auto add = [&](const char* name, const char* help) {
    auto* sub = command->add_subcommand(name, help);
    sub->add_option("--format", given->format, "text or json")->check(CLI::IsMember({"text", "json"}));
    auto* kind = sub->add_option("kind", given->kind, "as the list names it: logs.verify");
    sub->add_option("label", given->label, "of one of that kind: a source, a stream");
    if (std::string_view(name) != "list") kind->required();
    sub->callback([&common, &run, given, name] {
      given->action = name;
      run = [&common, given] { return jobs_now(common, *given); };
    });
  };
  add("list", "all of it, and what is going on");
  add("run", "as soon as a server has a hand free");
  add("stop", "end what runs");
}

}  // namespace mamori::cli
