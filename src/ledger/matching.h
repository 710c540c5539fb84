// Which records measured facts are about: as the register of the facts declares (`finds`).
#pragma once

#include "ledger/register.h"
#include "store/connection.h"

namespace mamori::ledger {

// Fills, in facts of an observed register, what its file declares: the record each is about, by which clue,
// or what stands there where none is found.
Status match_facts(store::Connection& connection, const Register& reg, const std::string& facility,
                   std::vector<json::object>& facts);

}  // namespace mamori::ledger
