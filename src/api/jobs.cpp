#include "jobs/jobs.h"
#include "api/routes.h"

namespace mamori::api {
namespace {

using enum http::Method;
using identity::Permission;

// With its title, and the sentence of what went wrong.
json::object job_json(const jobs::Job& job, const Texts& texts) {
  auto out = jobs::to_json(job);
  out["title"] = words_json(texts.both("jobs.kind." + job.kind));
  auto& history = out["history"].as_array();
  for (std::size_t i = 0; i < history.size(); ++i) {
    const auto& past = job.history[i];
    if (!past.error.empty()) history[i].as_object()["error"] = words_json(texts.both(past.error, past.facts));
    if (!past.note.empty()) history[i].as_object()["note"] = words_json(texts.both(past.note));
  }
  return out;
}

Result<http::Reply> list_jobs(const Call& call, Services& services) {
  json::array items;
  for (const auto& job : MAMORI_TRY(services.jobs.list(MAMORI_TRY(call.here()), true)))
    items.push_back(job_json(job, services.texts));
  return http::Reply::json(json::object{{"items", std::move(items)}});
}

Result<http::Reply> ask_job(const Call& call, Services& services) {
  return http::Reply::json(
      job_json(MAMORI_TRY(services.jobs.ask(call.actor(), call.scope, call.at("id"))), services.texts), 202);
}

Result<http::Reply> end_job(const Call& call, Services& services) {
  return http::Reply::json(
      job_json(MAMORI_TRY(services.jobs.end(call.actor(), call.scope, call.at("id"))), services.texts), 202);
}

}  // namespace

namespace {

Shape job_shape() {
  using namespace shape;
  const auto past = named("JobRun", object({{"started_at", instant()},
                                            {"ended_at", instant()},
                                            {"by", text()},
                                            {"server", text()},
                                            {"result", map(any())}},
                                           {{"error", words()}, {"note", words()}}));
  return named("Job", object({{"id", text()},
                              {"kind", text()},
                              {"title", words()},
                              {"facility", text()},
                              {"subject", text()},
                              {"label", text()},
                              {"every_seconds", integer()},
                              {"runs", boolean()},
                              {"stopping", boolean()},
                              {"asked_by", text()},
                              {"done", integer()},
                              {"whole", integer()},
                              {"failures", integer()},
                              {"history", list(past)},
                              {"due_at", nullable(instant())},
                              {"started_at", nullable(instant())},
                              {"last_success_at", nullable(instant())},
                              {"failing_since", nullable(instant())}}));
}

}  // namespace

std::vector<Route> job_routes() {
  using namespace shape;
  return {
      Route{get, "/api/v1/jobs", Permission::sources_read, list_jobs,
            "Work that is done by itself: when, how far, how it went"}
          .gives(items(job_shape())),
      Route{post, "/api/v1/jobs/{id}/run", Permission::sources_manage, ask_job,
            "Do it now, on whichever server has a hand free"}
          .gives(job_shape(), 202),
      Route{post, "/api/v1/jobs/{id}/stop", Permission::sources_manage, end_job, "End the run that goes on"}
          .gives(job_shape(), 202),
  };
}

}  // namespace mamori::api
