// Error → RFC 9457 problem details with a Japanese and an English sentence. The only place where an error
// becomes an answer.
#pragma once

#include "api/services.h"

namespace mamori::api {

int status_of(ErrorKind kind);
http::Reply problem_reply(const Error& error, const Texts& texts);

}  // namespace mamori::api
