// Records of the demonstration hospital as people write them: data/demo/records/REGISTER.yaml. What may stand
// there: docs/howto/change-the-demonstration.md.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/time.h"
#include "base/yaml.h"
#include "ledger/ledger.h"

namespace mamori::demo {

// The checked fields of each record, in file order. Dates follow `now`; what references name is looked up
// through `resolve`. Error: base.yaml.bad with file, line and reason.
Result<std::vector<json::object>> read_records(const Yaml& file, const ledger::Register& reg, Instant now,
                                               const ledger::Ledger::Resolver& resolve);

}  // namespace mamori::demo
