// A request that creates may be sent again with the same Idempotency-Key: it is done once, and the answer is
// the first one. For 24 hours, per user.
#pragma once

#include "api/services.h"

namespace mamori::api {

Status migrate_once(store::Database& database);

// What `work` answers, or what it answered before. Without the header: simply what it answers. Errors:
// api.once.key (not a key), api.once.other (the key came with another request), api.once.busy (the first is
// not answered yet), api.once.unknown (the first was never answered: it may have been done).
Result<http::Reply> once(const Call& call, Services& services,
                         const std::function<Result<http::Reply>()>& work);

}  // namespace mamori::api
