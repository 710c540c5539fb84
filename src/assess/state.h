// What a facility's answers rest on, at one moment: cheap to read, to see whether anything must be asked
// again.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ledger/observed.h"

namespace mamori::assess {

struct Touched {
  std::int64_t version = 0;
  Instant at;
};

struct State {
  Instant now;
  std::map<std::string, Touched> touched;                          // by register
  std::map<std::string, std::vector<ledger::ReadingAt>> readings;  // by observed register

  std::int64_t version_of(const std::string& reg) const {
    const auto found = touched.find(reg);
    return found == touched.end() ? 0 : found->second.version;
  }
};

Result<State> read_state(store::Database& database, const std::string& facility);

}  // namespace mamori::assess
