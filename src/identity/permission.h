// Roles and what each may do. Rights are given per facility: the same user may be planning manager in one and
// inspector in another.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace mamori::identity {

enum class Role { director, safety_officer, planning_manager, operator_, staff, vendor, inspector };
inline constexpr std::array kRoles = {Role::director,  Role::safety_officer, Role::planning_manager,
                                      Role::operator_, Role::staff,          Role::vendor,
                                      Role::inspector};
std::string_view name_of(Role role);  // "operator" for operator_
std::optional<Role> parse_role(std::string_view name);

enum class Permission {
  none_needed,   // reachable without a session: log-in, the first-use wizard, health
  own_account,   // any signed-in user, about himself
  ledger_read,   // registers, as far as each register names the role as reader
  ledger_write,  // as far as each register names the role as writer
  findings_read,
  findings_declare,
  sources_read,
  sources_manage,
  documents_make,
  journal_read,
  logs_read,    // search, events, exports: patients' numbers stand in them
  logs_manage,  // senders' tokens, imports, verification
  users_manage,
};
inline constexpr std::array kPermissions = {
    Permission::none_needed,  Permission::own_account,    Permission::ledger_read,
    Permission::ledger_write, Permission::findings_read,  Permission::findings_declare,
    Permission::sources_read, Permission::sources_manage, Permission::documents_make,
    Permission::journal_read, Permission::logs_read,      Permission::logs_manage,
    Permission::users_manage};
std::string_view name_of(Permission permission);

bool allows(Role role, Permission permission);

}  // namespace mamori::identity
