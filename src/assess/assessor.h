// Controls × ledger → findings: what is met, by which evidence, what is missing, what contradicts what was declared.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "assess/verdict.h"
#include "base/json.h"
#include "base/texts.h"
#include "catalog/catalog.h"
#include "ledger/ledger.h"

namespace mamori::assess {

struct RecordRef {
  std::string reg;
  std::string id;
  std::string label;
  std::string detail;  // why, where the control says it
};

// What a measured answer rests on.
struct Evidence {
  std::string reg;                    // the observed register
  std::optional<Instant> observed_at;  // newest fact
  Duration life{};
  bool stale = false;
  std::vector<std::string> sources;   // names of the readers that brought it
};

struct ControlResult {
  const catalog::Control* control = nullptr;
  Verdict verdict = Verdict::no_evidence;
  std::size_t subjects = 0;
  std::size_t violations = 0;
  std::vector<RecordRef> records;     // violations, at most kMostRecords
  std::vector<Evidence> evidence;
  std::string why;                    // key of data/texts assess.why.*
  std::optional<Instant> since;       // of this verdict
};
constexpr std::size_t kMostRecords = 200;

enum class Answer { yes, no, not_applicable };
std::string_view name_of(Answer answer);
std::optional<Answer> parse_answer(std::string_view name);

struct Declaration {
  std::string framework, item, vendor;  // vendor "" = the facility itself
  Answer answer = Answer::no;
  std::string confirmed_on;             // ISO day
  std::string target_on;                // of a "no"
  std::string remark;
  std::string by;
  Instant at;
  int round = 1;                        // the official forms ask twice a year: 1回目, 2回目 (CHK-01)
};
constexpr int kRounds = 2;

enum class Contradiction { none, declared_yes_measured_gap, declared_no_measured_met };
std::string_view name_of(Contradiction contradiction);

struct ItemResult {
  const catalog::Item* item = nullptr;
  Verdict verdict = Verdict::no_evidence;
  std::vector<const ControlResult*> controls;
  std::vector<Declaration> rounds;      // by round; the forms print them beside each other
  std::optional<Declaration> declared;  // the one that counts now: of the latest round
  Contradiction contradiction = Contradiction::none;
  int level = 0;                        // reached, of graded lists
  Words next_step;
  std::string link;
};

// One facility's (or one vendor's) state at one time. Owns what its items point to.
struct FrameworkResult {
  const catalog::Framework* framework = nullptr;
  std::shared_ptr<const std::map<std::string, ControlResult>> controls;
  std::vector<ItemResult> items;
  Instant at;
};

// One line of the Today page.
struct TodayRow {
  std::string kind;     // contradiction, gap, stale, target, support_end, contract_end, takeout, candidate, no_evidence
  int urgency = 0;      // 0 = most urgent
  Words text, reason;
  std::string date;     // ISO day, or ""
  std::string link;
  std::string key;      // stable name, for putting off
};

using ControlResults = std::map<std::string, ControlResult>;

// Threads: all calls may come from several. What it is given outlives it.
class Assessor {
 public:
  static Result<std::unique_ptr<Assessor>> open(ledger::Ledger& ledger, const catalog::Catalog& catalog, const Texts& texts);

  // Every control for one facility; restricted to one vendor's records where `vendor` is given. Kept for a minute while nothing changes.
  Result<std::shared_ptr<const ControlResults>> controls(const std::string& facility, const std::string& vendor = "");
  // Error: assess.framework.unknown.
  Result<FrameworkResult> framework(const std::string& facility, const std::string& id, const std::string& vendor = "");
  Result<ControlResult> run(const catalog::Control& control, const std::string& facility, const std::string& vendor = "");

  // A declaration of a round replaces what was said for the same round; the journal keeps the former.
  // Errors: assess.item.unknown, assess.declaration.invalid (a second round without a first; a "no" needs a target date within the fiscal year; a date that is none).
  Result<Declaration> declare(const store::Actor& actor, const std::string& facility, Declaration declaration);
  Result<std::vector<Declaration>> declarations(const std::string& facility, const std::string& framework, const std::string& vendor) const;
  // How the verdict of a control changed, newest first: (instant, verdict, violations).
  struct Change {
    Instant at;
    std::string verdict;
    std::int64_t violations;
  };
  Result<std::vector<Change>> history(const std::string& facility, const std::string& control) const;

  Result<std::vector<TodayRow>> today(const std::string& facility);
  Status put_off(const store::Actor& actor, const std::string& facility, const std::string& key, const std::string& until, const std::string& reason);

  const catalog::Catalog& catalog() const { return catalog_; }

 private:
  Assessor(ledger::Ledger& ledger, const catalog::Catalog& catalog, const Texts& texts) : ledger_(ledger), catalog_(catalog), texts_(texts) {}
  struct Facility {
    std::string id, kind;
    long long beds = 0;
    bool has_vendor = true, has_system = true;
    std::set<std::string> exemptions;
    std::set<std::string> fee_codes;
  };
  Result<Facility> facility_of(const std::string& id) const;
  bool applies(const catalog::Applicability& applicability, const Facility& facility) const;
  Result<ControlResult> run_for(const catalog::Control& control, const Facility& facility, const std::string& vendor);
  Result<store::Rows> ask(const std::string& sql, const Facility& facility, const std::string& vendor) const;
  Result<std::vector<Evidence>> evidence_of(const catalog::Control& control, const std::string& facility) const;
  // Which reader or register could answer a control that has no evidence yet.
  Words what_would_answer(const ControlResult& result) const;
  Status remember(const std::string& facility, ControlResults& results);

  ledger::Ledger& ledger_;
  const catalog::Catalog& catalog_;
  const Texts& texts_;
  struct Kept {
    std::int64_t sequence = -1;
    Instant at;
    std::shared_ptr<const ControlResults> results;
  };
  std::mutex mutex_;  // guards kept_
  std::map<std::string, Kept> kept_;
};

json::object to_json(const ControlResult& result);
json::object to_json(const ItemResult& result);
json::object to_json(const Declaration& declaration);
json::object to_json(const TodayRow& row);

}  // namespace mamori::assess
