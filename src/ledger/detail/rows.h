// Between a Record and its row. The SQL texts are made from register and field names, which Registers::load
// has checked.
#pragma once

#include "ledger/ledger.h"

namespace mamori::ledger::detail {

constexpr std::string_view kFixedColumns =
    "id, facility, number, label, version, created_at, updated_at, retired_at, retired_reason";
constexpr std::size_t kFixedCount = 9;

// Which of a register's rows are in a scope: by facility, and where the scope is one vendor's, those that
// name it.
std::string where_of(const Register& reg, const store::Scope& scope, store::Row& parameters);
std::string columns(const Register& reg);  // the fixed ones, then the fields
// A field's value as people see it, in SQL over the register's table: when a fact was observed is when its
// observer last read, not when the row was last written.
std::string expression(const Register& reg, const std::string& field);
std::string selection(const Register& reg);   // columns() as expressions
std::string insert_sql(const Register& reg);  // parameters: row_of(), search
std::string update_sql(const Register& reg);  // parameters: row_of(), search, id, the version before
store::Row row_of(const Register& reg, const Record& record);
Record record_of(const Register& reg, const store::Row& row);
std::string label_of(const Register& reg, const std::string& number, const json::object& fields);
// What the list's search box looks in.
std::string search_text(const Register& reg, const Record& record);
// The column that says which observer an observed register's row is from. Rows of before have it from their
// source's name.
Status add_observer(store::Connection& connection, const Register& reg, const Facts& types);

}  // namespace mamori::ledger::detail
