// From what people and files write to the one form in which a value is kept.
#pragma once

#include "base/json.h"
#include "ledger/register.h"
#include "store/value.h"

namespace mamori::ledger {

// The kept form: text, integer, number or boolean in JSON; days as ISO 8601, instants as UTC
// "2026-11-21T04:31:54Z", MAC addresses as AA:BB:CC:DD:EE:FF, choices by their value; null for nothing.
// References pass through: only the ledger knows what exists. Accepts text for every type, choices by value,
// label or known other spelling, dates as parse_loose_date reads them. Error: one Problem for the field,
// ledger.field.* (facts: field, value and what would be right).
Result<json::value> normalise(const Field& field, const json::value& given);

// Between the kept form and the column.
store::Value to_column(const Field& field, const json::value& kept);
json::value from_column(const Field& field, const store::Value& column);
// For people: choice labels, era-free dates, ○ and － for booleans.
std::string display(const Field& field, const json::value& kept, std::string_view language);
std::string_view column_type(FieldType type);

}  // namespace mamori::ledger
