// What a reader brings back: facts for observed registers, and the bytes they were read from.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace mamori::readers {

struct FactSet {
  std::string reg;                  // observed_account, observed_policy, observed_host, observed_backup
  std::vector<json::object> facts;  // kept form of ledger/field_value.h
};

struct Reading {
  std::vector<FactSet> sets;
  std::string raw;       // evidence: kept as a blob
  std::string raw_kind;  // "ldif", "xml", "json"
};

}  // namespace mamori::readers
