// Controls × ledger → findings. The parts, put together; each has its own header.
#pragma once

#include "assess/finding.h"
#include "assess/framework.h"
#include "assess/today.h"

namespace mamori::assess {

// Threads: all calls may come from several. What it is given outlives it.
class Assessor {
 public:
  // Errors: what the catalogue says that is no question, or rests on a register that does not exist.
  static Result<std::unique_ptr<Assessor>> open(ledger::Ledger& ledger, const catalog::Catalog& catalog,
                                                const Texts& texts);

  Controls& controls() { return controls_; }
  Declarations& declarations() { return declarations_; }
  Findings& findings() { return findings_; }
  Frameworks& frameworks() { return frameworks_; }
  Today& today() { return today_; }
  const catalog::Catalog& catalog() const { return catalog_; }

 private:
  Assessor(ledger::Ledger& ledger, const catalog::Catalog& catalog, const Texts& texts);

  const catalog::Catalog& catalog_;
  Questions questions_;
  Findings findings_;
  Declarations declarations_;
  Controls controls_;
  Frameworks frameworks_;
  Today today_;
};

}  // namespace mamori::assess
