// What a facility is, what applies to it, and how a question of the catalogue is put to its records.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "catalog/catalog.h"
#include "ledger/ledger.h"

namespace mamori::assess {

struct Facility {
  std::string id, kind;
  long long beds = 0;
  bool has_vendor = true, has_system = true;
  bool among_few = false;  // much of what the installation holds is its own
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
  // :fiscal_start, :beds. Calls `take` for each row as it comes. Errors: store.question.*, store.timeout.
  Status each(const std::string& sql, const Facility& facility, const std::string& vendor,
              const std::function<void(store::Row&)>& take) const;
  Result<store::Rows> ask(const std::string& sql, const Facility& facility,
                          const std::string& vendor = "") const;
  // How many rows it has, which are not fetched for it.
  Result<std::size_t> count(const std::string& sql, const Facility& facility,
                            const std::string& vendor = "") const;

 private:
  struct Statement {
    std::string with, sql;  // `with`: "WITH …", or empty
    store::Row parameters;
  };
  Result<Statement> statement(const std::string& sql, const Facility& facility,
                              const std::string& vendor) const;

  ledger::Ledger& ledger_;
};

}  // namespace mamori::assess
