#include "api/access.h"

namespace mamori::api {

store::Scope scope_for(const Call& call, const std::vector<std::string>& roles) {
  return call.user->scope_with(call.permission, roles);
}

Result<store::Scope> within(Services& services, const store::Scope& scope, const std::string& facility) {
  const auto lease = MAMORI_TRY(services.database.read());
  if (!MAMORI_TRY(scope.covers(*lease, facility))) return Error{ErrorKind::forbidden, "api.forbidden"};
  return scope.in(facility);
}

Result<bool> allowed_in(const Call& call, Services& services, const std::vector<std::string>& roles,
                        const std::string& facility) {
  const auto lease = MAMORI_TRY(services.database.read());
  return scope_for(call, roles).covers(*lease, facility);
}

Result<Access> access(const Call& call, Services& services, Use use) {
  const auto* reg = MAMORI_TRY(services.ledger.find_register(
      call.path.contains("register") ? call.at("register") : call.request.parameter("register")));
  Access out{reg, scope_for(call, use == Use::write ? reg->writers : reg->readers)};
  if (out.scope.empty() || (use == Use::write && reg->observed))
    return Error{ErrorKind::forbidden, "api.forbidden"};
  return out;
}

}  // namespace mamori::api
