#include "store/scope.h"

#include <fmt/format.h>

#include <algorithm>

namespace mamori::store {
namespace {

std::string marks(const std::vector<std::string>& values, Row& parameters) {
  std::string out;
  for (const auto& value : values) {
    out += out.empty() ? "?" : ",?";
    parameters.emplace_back(value);
  }
  return out;
}

bool holds(const std::vector<std::string>& values, std::string_view value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

bool is_group(std::string_view node) { return node == kEverywhere || node.find(':') != node.npos; }

Scope Scope::session(const std::vector<std::string>& nodes) {
  Scope scope;
  for (const auto& node : nodes) (is_group(node) ? scope.groups_ : scope.facilities_).push_back(node);
  return scope;
}

Scope Scope::door(std::string facility, std::string vendor) {
  auto scope = job(std::move(facility));
  scope.vendor_ = std::move(vendor);
  return scope;
}

Scope Scope::job(std::string facility) {
  Scope scope;
  scope.facilities_.push_back(std::move(facility));
  return scope;
}

Scope Scope::installation() {
  Scope scope;
  scope.installation_ = true;
  return scope;
}

Scope Scope::in(std::string facility) const {
  auto scope = *this;
  if (in_ && *in_ != facility) return {};
  scope.in_ = std::move(facility);
  return scope;
}

std::optional<std::string> Scope::only() const {
  if (in_) return in_;
  if (!installation_ && groups_.empty() && facilities_.size() == 1) return facilities_[0];
  return std::nullopt;
}

std::string Scope::where(std::string_view column, Row& parameters) const {
  if (empty()) return "1 = 0";
  std::string here;
  if (in_) {
    here = fmt::format("{} = ?", column);
    parameters.emplace_back(*in_);
    if (installation_ || holds(facilities_, *in_)) return here;
    here += " AND ";
  } else if (installation_ || holds(groups_, kEverywhere)) {
    return "1 = 1";
  }
  std::string any;
  if (facilities_.size() == 1) {
    any = fmt::format("{} = ?", column);
    parameters.emplace_back(facilities_[0]);
  } else if (!facilities_.empty()) {
    any = fmt::format("{} IN ({})", column, marks(facilities_, parameters));
  }
  if (!groups_.empty())
    any += fmt::format("{}{} IN (SELECT facility FROM facility_tree WHERE node IN ({}))",
                       any.empty() ? "" : " OR ", column, marks(groups_, parameters));
  return fmt::format("{}({})", here, any);
}

Result<bool> Scope::covers(Connection& connection, const std::string& facility) const {
  if (in_ && *in_ != facility) return false;
  if (installation_ || holds(facilities_, facility)) return true;
  if (groups_.empty()) return false;
  Row parameters = {facility};
  const auto found = MAMORI_TRY(connection.query(
      fmt::format("SELECT node FROM facility_tree WHERE facility = ? AND node IN ({}) LIMIT 1",
                  marks(groups_, parameters)),
      parameters));
  return !found.rows.empty();
}

Result<bool> Scope::reaches(Connection& connection, const std::string& node) const {
  if (!is_group(node)) return covers(connection, node);
  return !in_ && (installation_ || holds(groups_, kEverywhere) || holds(groups_, node));
}

Status set_place(Connection& connection, const std::string& facility,
                 const std::vector<std::string>& groups) {
  MAMORI_TRY(connection.execute("DELETE FROM facility_tree WHERE facility = ?", {facility}));
  std::vector<Row> rows = {{std::string(kEverywhere), facility}};
  for (const auto& group : groups) rows.push_back({group, facility});
  return connection.execute_many(
      "INSERT INTO facility_tree VALUES (?,?) ON CONFLICT (node, facility) DO NOTHING", rows);
}

}  // namespace mamori::store
