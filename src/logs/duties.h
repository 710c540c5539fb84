// What the logs ask to be done by itself, as jobs: for each stream and each facility its own, so that one
// that fails stops no other.
#pragma once

#include "jobs/jobs.h"
#include "logs/logs.h"

namespace mamori::logs {

// At the start, before anything is received. `logs` outlives `jobs`.
void add_duties(jobs::Jobs& jobs, Logs& logs, store::Database& database);

}  // namespace mamori::logs
