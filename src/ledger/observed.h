// Facts that collectors bring: written to observed registers, one set per source, without history of each
// value.
#pragma once

#include "ledger/ledger.h"

namespace mamori::ledger {

struct ObservedCounts {
  std::size_t fresh = 0, known = 0, gone = 0;
};

// Writes `facts` (kept form, without source and observed_at) as what `source` says at `at`. A fact with the
// same key (Register::key) keeps its id and the fields that the register keeps (what people decided about
// it). Facts of the source that no longer appear get present = false where the register has that field; where
// it has not, they are retired.
Result<ObservedCounts> write_observed(Ledger& ledger, store::Transaction& transaction, const Register& reg,
                                      const std::string& facility, const std::string& source,
                                      std::vector<json::object> facts, Instant at);

}  // namespace mamori::ledger
