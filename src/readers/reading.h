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

// Where it came from: the system itself, or a file that somebody brought and could have written.
enum class Origin { system, file };
constexpr std::string_view name_of(Origin origin) { return origin == Origin::file ? "file" : "system"; }

struct Reading {
  std::vector<FactSet> sets;
  std::string raw;       // evidence: kept as a blob
  std::string raw_kind;  // "ldif", "xml", "json"
  Origin origin = Origin::system;
  bool partial = false;  // it ended early: what it does not name may be there all the same
};

}  // namespace mamori::readers
