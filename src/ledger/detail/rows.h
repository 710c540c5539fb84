// Between a Record and its row. The SQL texts are made from register and field names, which Registers::load
// has checked.
#pragma once

#include "ledger/ledger.h"

namespace mamori::ledger::detail {

constexpr std::string_view kFixedColumns =
    "id, facility, number, label, version, created_at, updated_at, retired_at, retired_reason";
constexpr std::size_t kFixedCount = 9;

std::string columns(const Register& reg);     // the fixed ones, then the fields
std::string insert_sql(const Register& reg);  // parameters: row_of(), search
std::string update_sql(const Register& reg);  // parameters: row_of(), search, id, the version before
store::Row row_of(const Register& reg, const Record& record);
Record record_of(const Register& reg, const store::Row& row);

}  // namespace mamori::ledger::detail
