#include "api/first_use.h"

namespace mamori::api {
namespace {

Result<ledger::Record> make_facility(Services& services, store::Transaction& transaction,
                                     const store::Actor& actor, const FirstUse& given) {
  const auto* reg = MAMORI_TRY(services.ledger.find_register("facility"));
  ledger::Write write{
      {{"name", given.facility_name}, {"kind", given.facility_kind}, {"has_vendor", given.has_vendor}},
      "first use"};
  if (given.beds > 0) write.fields["beds"] = given.beds;
  return services.ledger.create_in(transaction, actor, *reg, "", write);
}

}  // namespace

Result<std::string> add_facility(Services& services, const store::Actor& actor, const FirstUse& given) {
  const auto user = MAMORI_TRY(services.users.find_login(given.login));
  auto transaction = MAMORI_TRY(services.database.begin());
  const auto facility = MAMORI_TRY(make_facility(services, transaction, actor, given));
  MAMORI_TRY(services.users.set_roles_in(transaction, actor, user.id, facility.id,
                                         {identity::Role::planning_manager}));
  MAMORI_TRY(transaction.commit());
  return facility.id;
}

// The facility and its first user together or neither: a facility without a user would be there for nobody to
// see.
Result<FirstUseDone> first_use(Services& services, const FirstUse& given, const std::string& origin) {
  auto checked = MAMORI_TRY(
      identity::Users::check({given.login, given.user_name, given.password, {}}, {{given.facility_name}}));
  const store::Actor actor{"", given.user_name, origin};
  auto transaction = MAMORI_TRY(services.database.begin());
  const auto facility = MAMORI_TRY(make_facility(services, transaction, actor, given));
  checked.user.roles = {{facility.id, {identity::Role::planning_manager}}};
  const auto user = MAMORI_TRY(services.users.create_in(transaction, actor, checked));
  MAMORI_TRY(transaction.commit());
  return FirstUseDone{facility.id, user.id};
}

}  // namespace mamori::api
