// Journal entries as the API shows them.
#pragma once

#include "api/services.h"

namespace mamori::api {

json::object to_json(const store::JournalEntry& entry);

}  // namespace mamori::api
