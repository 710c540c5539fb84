// How verdicts changed: since when something is so, and what it was before.
#pragma once

#include "assess/control.h"

namespace mamori::assess {

// A verdict of a control from some moment on.
struct Change {
  Instant at;
  std::string verdict;
  std::int64_t violations;
};

// Threads: all calls may come from several. What it is given outlives it.
class Findings {
 public:
  explicit Findings(store::Database& database) : database_(database) {}

  // Keeps what differs from the newest that is known, and fills `since`.
  Status remember(const std::string& facility, ControlResults& results);
  // Newest first, at most 100.
  Result<std::vector<Change>> history(const std::string& facility, const std::string& control) const;

 private:
  store::Database& database_;
};

}  // namespace mamori::assess
