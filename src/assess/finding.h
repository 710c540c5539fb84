// How verdicts changed: since when something is so, and what it was before. Written by the job that assesses
// (duty.h), whoever looks.
#pragma once

#include "assess/control.h"

namespace mamori::assess {

// A verdict of a control from some moment on, or the same one with other records.
struct Change {
  Instant at;
  std::string verdict;
  std::int64_t violations = 0;
  Instant since;  // of this verdict
};

// What was found of a control at `at`.
struct Found {
  std::string control;
  Verdict verdict;
  std::int64_t violations = 0;
  Instant at;
};

// Threads: all calls may come from several; one at a time writes of one facility.
class Findings {
 public:
  explicit Findings(store::Database& database) : database_(database) {}

  // By control.
  Result<std::map<std::string, Change>> newest(const std::string& facility) const;
  // Keeps what differs from `newest`; how many did.
  Result<std::size_t> remember(store::Transaction& transaction, const std::string& facility,
                               const std::map<std::string, Change>& newest, const std::vector<Found>& found);
  // Fills `since`: where a verdict is newer than what is kept, it is of now.
  Status date(const std::string& facility, ControlResults& results, Instant now) const;
  // Newest first, at most 100.
  Result<std::vector<Change>> history(const std::string& facility, const std::string& control) const;

 private:
  store::Database& database_;
};

}  // namespace mamori::assess
