// Control numbers such as PC-014: the prefix by the register's rule, then one more than the highest there is.
// The one place that issues them.
#pragma once

#include "ledger/ledger.h"

namespace mamori::ledger::detail {

// Lives within one transaction. From open() on nobody else issues numbers of this register and facility until
// the transaction ends, so that two at once never get the same. `connection` and `reg` outlive it.
class NumberIssuer {
 public:
  static Result<NumberIssuer> open(store::Connection& connection, const Register& reg,
                                   const std::string& facility);

  // A number that somebody chose, now or a moment ago.
  void taken(const std::string& number);
  // Requires: reg.numbering.
  Result<std::string> next(const json::object& fields);

 private:
  NumberIssuer(store::Connection& connection, const Register& reg, std::string facility)
      : connection_(&connection), reg_(&reg), facility_(std::move(facility)) {}
  Result<std::int64_t> highest_of(const std::string& prefix) const;

  store::Connection* connection_;
  const Register* reg_;
  std::string facility_;
  std::vector<std::string> taken_;
  std::map<std::string, std::int64_t> highest_;  // by prefix
};

}  // namespace mamori::ledger::detail
