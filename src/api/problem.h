// Error → RFC 9457 problem details with a Japanese and an English sentence. The only place where an error
// becomes an answer.
#pragma once

#include "api/services.h"

namespace mamori::api {

int status_of(ErrorKind kind);
// `status`: where a protocol wants another one for what is not ours.
http::Reply problem_reply(const Error& error, const Texts& texts, std::optional<int> status = {});

}  // namespace mamori::api
