// Where a call may read or write a register: the route's permission and the register's own readers and
// writers.
#pragma once

#include "api/services.h"

namespace mamori::api {

enum class Use { read, write };
struct Access {
  const ledger::Register* reg;
  store::Scope scope;  // never empty
};
// The register of the path, or of ?register=. Errors: ledger.register.unknown, api.forbidden.
Result<Access> access(const Call& call, Services& services, Use use);
store::Scope scope_for(const Call& call, const std::vector<std::string>& roles);
// The part of it in this facility. Error: api.forbidden, where it does not reach it.
Result<store::Scope> within(Services& services, const store::Scope& scope, const std::string& facility);
Result<bool> allowed_in(const Call& call, Services& services, const std::vector<std::string>& roles,
                        const std::string& facility);

}  // namespace mamori::api
