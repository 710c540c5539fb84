#include "assess/state.h"

namespace mamori::assess {

Result<State> read_state(store::Database& database, const std::string& facility) {
  State state;
  state.now = database.clock().now();
  auto lease = MAMORI_TRY(database.read());
  MAMORI_TRY(lease->each("SELECT what, version, at FROM touched WHERE facility = ?", {facility},
                         [&](store::Row& row) {
                           state.touched[store::as_text(row[0])] = {store::as_integer(row[1]),
                                                                    from_millis(store::as_integer(row[2]))};
                         }));
  state.readings = MAMORI_TRY(ledger::read_readings(*lease, facility));
  return state;
}

}  // namespace mamori::assess
