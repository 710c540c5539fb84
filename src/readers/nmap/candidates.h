// Unknown devices that answered a scan: into the ledger, or explained.
#pragma once

#include "ledger/ledger.h"

namespace mamori::readers::nmap {

// `host`: id in observed_host; `fields` of the new asset, which gets address and name from what was seen.
// Errors: those of writing records.
Result<ledger::Record> accept_candidate(ledger::Ledger& ledger, const store::Actor& actor,
                                        const store::Scope& scope, const std::string& host,
                                        const json::object& fields);
// Error: collect.candidate.reason.
Status explain_candidate(ledger::Ledger& ledger, const store::Actor& actor, const store::Scope& scope,
                         const std::string& host, const std::string& reason);

}  // namespace mamori::readers::nmap
