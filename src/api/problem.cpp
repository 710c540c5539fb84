#include "api/problem.h"

namespace mamori::api {

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid: return 422;
    case ErrorKind::unauthenticated: return 401;
    case ErrorKind::forbidden: return 403;
    case ErrorKind::not_found: return 404;
    case ErrorKind::conflict: return 409;
    case ErrorKind::exhausted: return 413;
    case ErrorKind::unavailable: return 503;
    case ErrorKind::corrupt:
    case ErrorKind::internal: return 500;
  }
  MAMORI_UNREACHABLE();
}

http::Reply problem_reply(const Error& error, const Texts& texts) {
  // What went wrong inside is for the log, not for the caller.
  Error shown = error;
  if (error.code.starts_with("store.") && error.kind == ErrorKind::internal) shown.facts.clear();
  const auto title = texts.both(shown.code, shown.facts);
  json::array problems;
  for (const auto& problem : shown.problems) {
    auto facts = problem.facts;
    const auto ja = texts.get(problem.code, "ja", facts);
    for (auto& [key, value] : facts)  // labels in the other language
      for (const auto& [other, other_value] : problem.facts)
        if (other == key + "_en") value = other_value;
    problems.push_back(json::object{{"field", problem.field}, {"code", problem.code}, {"ja", ja}, {"en", texts.get(problem.code, "en", facts)}});
  }
  auto reply = http::Reply::json(json::object{{"type", "urn:mamori:" + shown.code}, {"status", status_of(shown.kind)}, {"code", shown.code}, {"title", title.en}, {"title_ja", title.ja}, {"errors", std::move(problems)}},
                                 status_of(shown.kind));
  reply.content_type = "application/problem+json; charset=utf-8";
  return reply;
}

}  // namespace mamori::api
