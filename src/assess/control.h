// Controls put to a facility's records: what is met, by which evidence, what is missing.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>

#include "assess/question.h"
#include "assess/state.h"
#include "assess/verdict.h"
#include "base/json.h"
#include "base/mutex.h"

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
  std::optional<Instant> observed_at;  // the last reading, of the observer that has not read for longest
  Duration life{};
  bool stale = false;
  std::vector<std::string> sources;  // names of the readers that brought it
  std::vector<std::string> files;    // of those: what somebody brought as a file, not measured by us
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

// What a control asks about: the answer stays while none of it changes.
struct Rests {
  enum class Time { never, day, moment };  // the answer changes by itself: with the day, at any time
  std::vector<std::string> registers;
  Time time = Time::never;
};

// Threads: all calls may come from several. What it is given outlives it. Answers are kept in memory, and
// asked again where what they rest on has changed, or time may have.
class Controls {
 public:
  Controls(ledger::Ledger& ledger, const catalog::Catalog& catalog, const Questions& questions,
           Findings& findings)
      : ledger_(ledger), catalog_(catalog), questions_(questions), findings_(findings) {}
  // Whether every control is a question and rests on registers that exist; before any other call. Error:
  // store.question.*, base.yaml.bad (fact: file).
  Status check();

  // Every control for one facility; restricted to one vendor's records where `vendor` is given. One that
  // takes too long has no evidence, and says so.
  Result<std::shared_ptr<const ControlResults>> all(const std::string& facility,
                                                    const std::string& vendor = "");
  // One of them. Error: store.timeout.
  Result<ControlResult> run(const catalog::Control& control, const std::string& facility,
                            const std::string& vendor = "");
  // The same where the state was read already.
  Result<ControlResult> run(const catalog::Control& control, const std::string& facility,
                            const std::string& vendor, const State& state);
  const Rests& rests(const catalog::Control& control) const;
  std::vector<Evidence> evidence_of(const catalog::Control& control, const State& state) const;
  // How many statements were put to the database so far.
  std::uint64_t asked() const { return asked_; }

 private:
  struct Answer {
    std::vector<std::int64_t> versions;  // of Rests::registers, before it was asked
    Instant at;
    std::size_t subjects = 0, violations = 0;
    std::vector<RecordRef> records;
  };
  struct Kept {   // of one facility, or of one vendor in it
    Mutex mutex;  // held while it asks: who wants the same waits for the answer
    std::optional<Facility> facility GUARDED_BY(mutex);
    std::vector<std::int64_t> facility_versions GUARDED_BY(mutex);
    Instant facility_at GUARDED_BY(mutex);
    std::map<std::string, Answer> answers GUARDED_BY(mutex);  // by control
    std::uint64_t used = 0;  // guarded by Controls::mutex_, which cannot be named from here
  };
  std::shared_ptr<Kept> kept(const std::string& facility, const std::string& vendor);
  Status know_facility(Kept& kept, const std::string& id, const State& state) REQUIRES(kept.mutex);
  std::vector<std::int64_t> versions(const std::vector<std::string>& registers, const State& state) const;
  bool holds(const Answer& answer, const Rests& rests, const State& state) const;
  Result<Answer> ask(const catalog::Control& control, const Facility& facility, const std::string& vendor,
                     const State& state);
  Result<ControlResult> judge(Kept& kept, const catalog::Control& control, const std::string& vendor,
                              const State& state) REQUIRES(kept.mutex);

  ledger::Ledger& ledger_;
  const catalog::Catalog& catalog_;
  const Questions& questions_;
  Findings& findings_;
  std::map<std::string, Rests> rests_;  // by control; not changed after check()
  std::atomic<std::uint64_t> asked_{0};
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<Kept>> kept_ GUARDED_BY(mutex_);
  std::uint64_t uses_ GUARDED_BY(mutex_) = 0;
};

}  // namespace mamori::assess
