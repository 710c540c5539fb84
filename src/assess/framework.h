// Official lists: what their items' controls measure beside what was declared, and where the two contradict
// each other.
#pragma once

#include "assess/control.h"
#include "assess/declaration.h"
#include "base/texts.h"

namespace mamori::assess {

enum class Contradiction { none, declared_yes_measured_gap, declared_no_measured_met };
std::string_view name_of(Contradiction contradiction);

struct ItemResult {
  const catalog::Item* item = nullptr;
  Verdict verdict = Verdict::no_evidence;
  std::vector<const ControlResult*> controls;
  std::vector<Declaration> rounds;      // by round; the forms print them beside each other
  std::optional<Declaration> declared;  // the one that counts now: of the latest round
  Contradiction contradiction = Contradiction::none;
  int level = 0;  // reached, of graded lists
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

json::object to_json(const ItemResult& result);

// Threads: all calls may come from several. What it is given outlives it.
class Frameworks {
 public:
  Frameworks(ledger::Ledger& ledger, const catalog::Catalog& catalog, const Texts& texts,
             const Questions& questions, Controls& controls, const Declarations& declarations)
      : ledger_(ledger),
        catalog_(catalog),
        texts_(texts),
        questions_(questions),
        controls_(controls),
        declarations_(declarations) {}

  // Error: assess.framework.unknown.
  Result<FrameworkResult> state(const std::string& facility, const std::string& id,
                                const std::string& vendor = "");

 private:
  // Which reader or register could answer a control that has no evidence yet.
  Words what_would_answer(const ControlResult& result) const;

  ledger::Ledger& ledger_;
  const catalog::Catalog& catalog_;
  const Texts& texts_;
  const Questions& questions_;
  Controls& controls_;
  const Declarations& declarations_;
};

}  // namespace mamori::assess
