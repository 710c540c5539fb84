// Which facilities a call may read or write a register in: the route's permission and the register's own
// readers and writers.
#pragma once

#include "api/services.h"

namespace mamori::api {

enum class Use { read, write };
struct Access {
  const ledger::Register* reg;
  std::vector<std::string> facilities;  // never empty
};
// The register of the path, or of ?register=. Errors: ledger.register.unknown, api.forbidden.
Result<Access> access(const Call& call, Services& services, Use use);
std::vector<std::string> facilities_for(const Call& call, const std::vector<std::string>& roles);
bool allowed_in(const Call& call, const std::vector<std::string>& roles, const std::string& facility);
json::object to_json(const store::JournalEntry& entry);

}  // namespace mamori::api
