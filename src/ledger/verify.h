// Holds every record against the journal: its present state must be the one that its last entry left.
#pragma once

#include "ledger/ledger.h"

namespace mamori::ledger {

struct Deviation {
  const Register* reg = nullptr;
  std::string id, number, label;
  std::string field;  // "" where it is not about one
  std::string what;   // code of data/texts: ledger.verify.*
};

struct VerifiedRecords {
  std::size_t records = 0, attachments = 0;
  std::size_t deviations = 0;
};

// Reports records that were edited (each field), renumbered, retired or brought back, moved to another
// facility, slipped in or deleted without an entry. Measured facts are not in the journal and are left out.
// `connection`: a snapshot, else what is written meanwhile looks like a deviation. `is_whole`: whether the
// attachment with this hash is there and unaltered; one that a record names and that is not is reported too.
Result<VerifiedRecords> verify_records(store::Connection& connection, const Registers& registers,
                                       const std::function<void(const Deviation&)>& report,
                                       const std::function<bool(std::string_view hash)>& is_whole);

}  // namespace mamori::ledger
