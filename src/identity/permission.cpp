#include "identity/permission.h"

#include "base/result.h"

namespace mamori::identity {

std::string_view name_of(Role role) {
  switch (role) {
    case Role::director: return "director";
    case Role::safety_officer: return "safety_officer";
    case Role::planning_manager: return "planning_manager";
    case Role::operator_: return "operator";
    case Role::staff: return "staff";
    case Role::vendor: return "vendor";
    case Role::inspector: return "inspector";
  }
  MAMORI_UNREACHABLE();
}

std::optional<Role> parse_role(std::string_view name) {
  for (const auto role : kRoles)
    if (name_of(role) == name) return role;
  return std::nullopt;
}

std::string_view name_of(Permission permission) {
  switch (permission) {
    case Permission::none_needed: return "none_needed";
    case Permission::own_account: return "own_account";
    case Permission::ledger_read: return "ledger_read";
    case Permission::ledger_write: return "ledger_write";
    case Permission::findings_read: return "findings_read";
    case Permission::findings_declare: return "findings_declare";
    case Permission::sources_read: return "sources_read";
    case Permission::sources_manage: return "sources_manage";
    case Permission::documents_make: return "documents_make";
    case Permission::journal_read: return "journal_read";
    case Permission::logs_read: return "logs_read";
    case Permission::logs_manage: return "logs_manage";
    case Permission::users_manage: return "users_manage";
  }
  MAMORI_UNREACHABLE();
}

bool allows(Role role, Permission permission) {
  const bool manager = role == Role::safety_officer || role == Role::planning_manager;
  const bool inside = manager || role == Role::director || role == Role::operator_;
  switch (permission) {
    case Permission::none_needed:
    case Permission::own_account: return true;
    case Permission::ledger_read: return inside || role == Role::inspector || role == Role::staff;
    case Permission::ledger_write:
      return inside || role == Role::staff;  // which registers: Register::writers
    case Permission::findings_read: return inside || role == Role::inspector;
    case Permission::findings_declare: return manager || role == Role::director;
    case Permission::sources_read: return inside || role == Role::inspector;
    case Permission::sources_manage: return manager || role == Role::operator_;
    case Permission::documents_make: return inside || role == Role::inspector;
    case Permission::journal_read: return manager || role == Role::director || role == Role::inspector;
    case Permission::logs_read:
    case Permission::logs_manage: return manager || role == Role::operator_;
    case Permission::users_manage: return manager;
  }
  MAMORI_UNREACHABLE();
}

}  // namespace mamori::identity
