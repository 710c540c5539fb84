// Error → RFC 9457 problem details with a Japanese and an English sentence. The only place where an error
// becomes an answer.
#pragma once

#include "api/services.h"

namespace mamori::api {

int status_of(ErrorKind kind);
// `status`: where a protocol wants another one for what is not ours.
http::Reply problem_reply(const Error& error, const Texts& texts, std::optional<int> status = {});
// What is refused before any handler is asked.
http::Reply refusal_reply(int status, std::string_view code, const Texts& texts);

}  // namespace mamori::api
