// What an import writes, within the caller's transaction.
#pragma once

#include "ledger/import.h"

namespace mamori::ledger::detail {

Result<ImportResult> write_plan(Ledger& ledger, store::Transaction& transaction, const store::Actor& actor,
                                const Register& reg, const std::string& facility, const ImportPlan& plan,
                                const std::string& file_name);

}  // namespace mamori::ledger::detail
