// Controls put to a facility's records: what is met, by which evidence, what is missing.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "assess/question.h"
#include "assess/verdict.h"
#include "base/json.h"

namespace mamori::assess {

class Findings;

struct RecordRef {
  std::string reg;
  std::string id;
  std::string label;
  std::string detail;  // why, where the control says it
};

// What a measured answer rests on.
struct Evidence {
  std::string reg;                     // the observed register
  std::optional<Instant> observed_at;  // newest fact
  Duration life{};
  bool stale = false;
  std::vector<std::string> sources;  // names of the readers that brought it
};

struct ControlResult {
  const catalog::Control* control = nullptr;
  Verdict verdict = Verdict::no_evidence;
  std::size_t subjects = 0;
  std::size_t violations = 0;
  std::vector<RecordRef> records;  // violations, at most kMostRecords
  std::vector<Evidence> evidence;
  std::string why;               // key of data/texts assess.why.*
  std::optional<Instant> since;  // of this verdict
};
constexpr std::size_t kMostRecords = 200;

using ControlResults = std::map<std::string, ControlResult>;
json::object to_json(const ControlResult& result);

// Threads: all calls may come from several. What it is given outlives it.
class Controls {
 public:
  Controls(ledger::Ledger& ledger, const catalog::Catalog& catalog, const Questions& questions,
           Findings& findings)
      : ledger_(ledger), catalog_(catalog), questions_(questions), findings_(findings) {}
  // Whether every control is a question and rests on registers that exist. Error: store.question.*,
  // base.yaml.bad (fact: file).
  Status check() const;

  // Every control for one facility; restricted to one vendor's records where `vendor` is given. Kept for a
  // minute while nothing changes.
  Result<std::shared_ptr<const ControlResults>> all(const std::string& facility,
                                                    const std::string& vendor = "");
  Result<ControlResult> run(const catalog::Control& control, const std::string& facility,
                            const std::string& vendor = "") const;

 private:
  Result<ControlResult> run_for(const catalog::Control& control, const Facility& facility,
                                const std::string& vendor) const;
  Result<std::vector<Evidence>> evidence_of(const catalog::Control& control,
                                            const std::string& facility) const;

  ledger::Ledger& ledger_;
  const catalog::Catalog& catalog_;
  const Questions& questions_;
  Findings& findings_;
  struct Kept {
    std::int64_t sequence = -1;
    Instant at;
    std::shared_ptr<const ControlResults> results;
  };
  std::mutex mutex_;  // guards kept_
  std::map<std::string, Kept> kept_;
};

}  // namespace mamori::assess
