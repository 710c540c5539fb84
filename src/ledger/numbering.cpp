#include <fmt/format.h>

#include <charconv>

#include "ledger/detail/numbering.h"

namespace mamori::ledger::detail {
namespace {

constexpr std::int64_t kMostDigits = 9;  // longer ones are serial numbers of somebody else

std::string prefix_of(const Numbering& rule, const json::object& fields) {
  const auto found = rule.prefixes.find(text_of(fields, rule.by));
  return found == rule.prefixes.end() ? rule.otherwise : found->second;
}

// "PC-014" under prefix "PC-" → 14; 0 where it is not of that form, as "PC-2F-014" is not.
std::int64_t serial_of(std::string_view number, std::string_view prefix) {
  if (!number.starts_with(prefix)) return 0;
  number.remove_prefix(prefix.size());
  while (number.starts_with('0')) number.remove_prefix(1);
  if (number.size() > kMostDigits || number.find_first_not_of("0123456789") != number.npos) return 0;
  std::int64_t serial = 0;
  std::from_chars(number.data(), number.data() + number.size(), serial);
  return serial;
}

}  // namespace

Result<NumberIssuer> NumberIssuer::open(store::Connection& connection, const Register& reg,
                                        const std::string& facility) {
  // SQLite has one writer at a time; PostgreSQL is told to have one for these numbers. What it wrote is seen
  // by whoever comes after it.
  if (connection.engine() == store::Engine::postgresql)
    MAMORI_TRY(connection.query("SELECT pg_advisory_xact_lock(hashtextextended(?, 8270643))",
                                {reg.table() + " " + facility}));
  return NumberIssuer(connection, reg, facility);
}

void NumberIssuer::taken(const std::string& number) {
  for (auto& [prefix, highest] : highest_) highest = std::max(highest, serial_of(number, prefix));
  taken_.push_back(number);
}

Result<std::int64_t> NumberIssuer::highest_of(const std::string& prefix) const {
  // Only what is digits behind the prefix: however many numbers of another form there are, they say nothing
  // about the next of this one.
  const auto rest = fmt::format("SUBSTR(number, {})", length(prefix) + 1);
  const auto digits = fmt::format("LTRIM({}, '0')", rest);
  const auto rows = MAMORI_TRY(connection_->query(
      fmt::format("SELECT number FROM {0} WHERE facility = ? AND number >= ? AND number < ? AND RTRIM({1}, "
                  "'0123456789') = '' AND LENGTH({2}) <= {3} ORDER BY LENGTH({2}) DESC, {2} DESC LIMIT 1",
                  reg_->table(), rest, digits, kMostDigits),
      {facility_, prefix, prefix + ":"}));  // ':' comes after the digits
  auto highest = rows.rows.empty() ? 0 : serial_of(store::as_text(rows.rows[0][0]), prefix);
  for (const auto& number : taken_) highest = std::max(highest, serial_of(number, prefix));
  return highest;
}

Result<std::string> NumberIssuer::next(const json::object& fields) {
  const auto prefix = prefix_of(*reg_->numbering, fields);
  if (!highest_.contains(prefix)) highest_[prefix] = MAMORI_TRY(highest_of(prefix));
  const auto number = fmt::format("{}{:0{}}", prefix, ++highest_[prefix], reg_->numbering->width);
  taken(number);  // a prefix may begin with another one
  return number;
}

}  // namespace mamori::ledger::detail
