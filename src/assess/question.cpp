#include "assess/question.h"

#include <fmt/format.h>

#include "store/question.h"

namespace mamori::assess {
namespace {

constexpr std::int64_t kFew = 4;  // facilities

// Views of the registers, as a control sees them: this facility's records that are not retired; retired_NAME
// has the others. `through`: tables are read from end to end, which is ten times as quick as by an index that
// leads to nearly every row. The signs keep SQLite from that index, and say nothing else.
std::string views(const ledger::Registers& registers, const std::set<std::string>& words,
                  const std::string& facility, bool through, const std::string& vendor,
                  store::Row& parameters) {
  std::string sql;
  for (const auto& reg : registers.all()) {
    for (const bool retired : {false, true}) {
      const auto view = (retired ? "retired_" : "") + reg.name;
      if (!words.contains(view)) continue;
      sql += fmt::format("{}{} AS NOT MATERIALIZED (SELECT id, number, label, created_at, updated_at",
                         sql.empty() ? "" : ", ", view);
      if (retired) sql += ", retired_at";
      for (const auto& field : reg.fields) sql += ", " + field.name;
      sql += fmt::format(" FROM {0} WHERE {1}facility = ? AND {1}retired_at IS {2}NULL", reg.table(),
                         through ? "+" : "", retired ? "NOT " : "");
      parameters.emplace_back(facility);
      const auto* of_vendor = reg.find("vendor");
      if (!vendor.empty() &&
          (reg.name == "vendor" || (of_vendor && of_vendor->type == ledger::FieldType::ref))) {
        sql += reg.name == "vendor" ? " AND id = ?" : " AND vendor = ?";
        parameters.emplace_back(vendor);
      }
      sql += ")";
    }
  }
  return sql;
}

Result<store::Value> time_parameter(const std::string& name, Instant now) {
  const auto today = date_of(now);
  if (name == "now") return store::Value(to_millis(now));
  if (name == "today") return store::Value(iso_date(today));
  if (name == "fiscal_start") return store::Value(fmt::format("{:04}-04-01", fiscal_year(today)));
  const auto duration_after = [&](std::string_view prefix) -> std::optional<Duration> {
    if (!std::string_view(name).starts_with(prefix)) return std::nullopt;
    return parse_duration(std::string_view(name).substr(prefix.size()));
  };
  if (const auto ago = duration_after("ago_")) return store::Value(to_millis(now - *ago));
  if (const auto ago = duration_after("day_ago_")) return store::Value(iso_date(date_of(now - *ago)));
  if (const auto in = duration_after("day_in_")) return store::Value(iso_date(date_of(now + *in)));
  return Error{ErrorKind::invalid,
               "store.question.refused",
               {{"reason", "unknown parameter :" + name}, {"position", "0"}}};
}

}  // namespace

bool applies(const catalog::Applicability& applicability, const Facility& facility) {
  if (!applicability.kinds.empty() && !applicability.kinds.contains(facility.kind)) return false;
  if (applicability.least_beds && facility.beds < *applicability.least_beds) return false;
  if (applicability.needs_vendor && !facility.has_vendor) return false;
  if (applicability.needs_system && !facility.has_system) return false;
  return applicability.unless_exempt.empty() || !facility.exemptions.contains(applicability.unless_exempt);
}

Result<Facility> Questions::facility(const std::string& id) const {
  const auto* reg = MAMORI_TRY(ledger_.find_register("facility"));
  const auto record = MAMORI_TRY(ledger_.get(*reg, store::Scope::job(id), id));
  Facility out;
  out.id = id;
  out.kind = text_of(record.fields, "kind");
  out.beds = integer_of(record.fields, "beds");
  out.has_vendor = boolean_of(record.fields, "has_vendor", true);
  out.has_system = boolean_of(record.fields, "has_system", true);
  auto lease = MAMORI_TRY(ledger_.database().read());
  const auto today = iso_date(date_of(ledger_.database().clock().now()));
  MAMORI_TRY(
      lease->each("SELECT subject FROM r_exemption WHERE facility = ? AND retired_at IS NULL AND (until IS "
                  "NULL OR until >= ?)",
                  {id, today}, [&](store::Row& row) { out.exemptions.insert(store::as_text(row[0])); }));
  MAMORI_TRY(lease->each("SELECT code FROM r_fee_item WHERE facility = ? AND retired_at IS NULL AND claimed",
                         {id}, [&](store::Row& row) { out.fee_codes.insert(store::as_text(row[0])); }));
  const auto others = MAMORI_TRY(
      lease->query("SELECT COUNT(*) FROM (SELECT id FROM r_facility LIMIT ?) AS counted", {kFew + 1}));
  out.among_few = store::as_integer(others.rows[0][0]) <= kFew;
  return out;
}

Result<Questions::Statement> Questions::statement(const std::string& sql, const Facility& facility,
                                                  const std::string& vendor) const {
  auto question = MAMORI_TRY(store::parse_question(sql));
  Statement out;
  const bool through = facility.among_few && ledger_.database().engine() == store::Engine::sqlite;
  out.with = views(ledger_.registers(), question.words, facility.id, through, vendor, out.parameters);
  if (!out.with.empty()) out.with.insert(0, "WITH ");
  const auto now = ledger_.database().clock().now();
  for (const auto& name : question.parameters) {
    if (name == "beds")
      out.parameters.emplace_back(static_cast<std::int64_t>(facility.beds));
    else
      out.parameters.push_back(MAMORI_TRY(time_parameter(name, now)));
  }
  out.sql = std::move(question.sql);
  return out;
}

Status Questions::each(const std::string& sql, const Facility& facility, const std::string& vendor,
                       const std::function<void(store::Row&)>& take) const {
  const auto asked = MAMORI_TRY(statement(sql, facility, vendor));
  // A question that begins with names of its own goes on with the views'.
  const bool goes_on = !asked.with.empty() && to_lower_ascii(asked.sql.substr(0, 5)) == "with ";
  auto lease = MAMORI_TRY(ledger_.database().question());
  return lease->each(asked.with + (goes_on ? "," + asked.sql.substr(4) : " " + asked.sql), asked.parameters,
                     take);
}

Result<store::Rows> Questions::ask(const std::string& sql, const Facility& facility,
                                   const std::string& vendor) const {
  store::Rows rows;
  MAMORI_TRY(each(sql, facility, vendor, [&](store::Row& row) { rows.rows.push_back(std::move(row)); }));
  return rows;
}

Result<std::size_t> Questions::count(const std::string& sql, const Facility& facility,
                                     const std::string& vendor) const {
  const auto asked = MAMORI_TRY(statement(sql, facility, vendor));
  auto lease = MAMORI_TRY(ledger_.database().question());
  const auto rows = MAMORI_TRY(
      lease->query(asked.with + " SELECT COUNT(*) FROM (" + asked.sql + ") AS counted", asked.parameters));
  return static_cast<std::size_t>(store::as_integer(rows.rows[0][0]));
}

}  // namespace mamori::assess
