// Who sends logs over HTTP.
#pragma once

#include "api/services.h"

namespace mamori::api {

// Whose token the request shows. Errors: collect.log.token, collect.log.refused, store.*.
Result<logs::LogSource> sender_of(const http::Request& request, Services& services);

}  // namespace mamori::api
