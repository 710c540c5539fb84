#include "api/passwords.h"

namespace mamori::api {

Result<identity::PasswordContext> password_context(const identity::User& user, Services& services) {
  const auto* reg = MAMORI_TRY(services.ledger.find_register("facility"));
  const auto page = MAMORI_TRY(services.ledger.list(
      *reg,
      {.scope = user.scope_of_all(), .sort = "label", .retired = ledger::Retired::included, .limit = 200}));
  identity::PasswordContext context;
  for (const auto& record : page.items) context.names.push_back(record.label);
  return context;
}

}  // namespace mamori::api
