// What a facility is, what applies to it, and how a question of the catalogue is put to its records.
#pragma once

#include <set>
#include <string>

#include "catalog/catalog.h"
#include "ledger/ledger.h"

namespace mamori::assess {

struct Facility {
  std::string id, kind;
  long long beds = 0;
  bool has_vendor = true, has_system = true;
  std::set<std::string> exemptions;
  std::set<std::string> fee_codes;
};

bool applies(const catalog::Applicability& applicability, const Facility& facility);

// Threads: all calls may come from several. What it is given outlives it.
class Questions {
 public:
  explicit Questions(ledger::Ledger& ledger) : ledger_(ledger) {}

  // Error: ledger.record.missing.
  Result<Facility> facility(const std::string& id) const;
  // A SELECT over the registers' names, which see this facility's records alone (and of them one vendor's,
  // where `vendor` is given); :now, :today, :ago_P7D (an instant), :day_ago_P1Y and :day_in_P30D (days),
  // :fiscal_start, :beds. Errors: store.question.*, store.timeout.
  Result<store::Rows> ask(const std::string& sql, const Facility& facility,
                          const std::string& vendor = "") const;

 private:
  ledger::Ledger& ledger_;
};

}  // namespace mamori::assess
