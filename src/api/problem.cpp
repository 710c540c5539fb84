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

namespace {

// What we have run out of, not what the caller has sent too much of: another time it goes.
bool passes(const Error& error) {
  if (error.kind == ErrorKind::unavailable) return true;
  if (error.kind != ErrorKind::exhausted) return false;
  for (const auto* ours : {"archive.", "store.", "os.disk.", "base.process.", "identity.password.memory"})
    if (error.code.starts_with(ours)) return true;
  return false;
}

http::Reply reply_of(int status, std::string_view code, const Words& title, json::array problems) {
  auto reply = http::Reply::json(json::object{{"type", fmt::format("urn:mamori:{}", code)},
                                              {"status", status},
                                              {"code", code},
                                              {"title", title.en},
                                              {"title_ja", title.ja},
                                              {"errors", std::move(problems)}},
                                 status);
  reply.content_type = "application/problem+json; charset=utf-8";
  return reply;
}

}  // namespace

http::Reply refusal_reply(int status, std::string_view code, const Texts& texts) {
  return reply_of(status, code, texts.both(std::string(code), {}), {});
}

http::Reply problem_reply(const Error& error, const Texts& texts, std::optional<int> given) {
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
    problems.push_back(json::object{{"field", problem.field},
                                    {"code", problem.code},
                                    {"ja", ja},
                                    {"en", texts.get(problem.code, "en", facts)}});
  }
  const auto status = passes(shown) ? 503 : given.value_or(status_of(shown.kind));
  auto reply = reply_of(status, shown.code, title, std::move(problems));
  if (status == 503)
    reply.headers.emplace_back("Retry-After", "5");  // senders of logs keep what was not kept here
  return reply;
}

}  // namespace mamori::api
