// Jobs as they stand in the database.
#pragma once

#include "jobs/job.h"

namespace mamori::jobs {

Status migrate_jobs(store::Database& database);

// Its own facility's, or the installation's, which is everybody's.
Result<bool> may_see(store::Connection& connection, const store::Scope& scope, const Job& job);
// Those in the scope, and the installation's own where `installation`; by kind and label.
Result<std::vector<Job>> read_jobs(store::Connection& connection, const store::Scope& scope,
                                   bool installation);
// Error: jobs.missing.
Result<Job> read_job(store::Connection& connection, const std::string& id);
Result<std::optional<Job>> find_job(store::Connection& connection, const std::string& kind,
                                    const std::string& home, const Task& task);

// Makes the rows of a kind those of its tasks; true where anything changed. One that is gone loses its row
// when nobody works on it.
Result<bool> plan(store::Database& database, const std::string& kind, const std::string& home,
                  const std::vector<Task>& tasks);
Status insert_job(store::Connection& connection, const std::string& kind, const std::string& home,
                  const Task& task, Instant now);

// Of these kinds, what is due and nobody does: at most `most`, the longest due first; from now on `holder`'s.
Result<std::vector<Job>> claim_due(store::Database& database, const std::vector<std::string>& kinds,
                                   const std::string& home, const std::string& holder, std::size_t most);
// This one, due or not. Error: jobs.busy.
Result<Job> claim(store::Connection& connection, const std::string& id, const std::string& holder,
                  const std::string& by, Instant now);
// Ends what `job.holder` held: writes due, history, failures as `job` has them; what made it due meanwhile
// counts. False: it was not held any more.
Result<bool> release(store::Database& database, const Job& job);
Result<std::vector<std::string>> held_by(store::Connection& connection, const std::string& holder);
// Due now, and nobody's any more.
Status put_back(store::Connection& connection, const std::string& holder, const std::vector<std::string>& ids,
                Instant now);

}  // namespace mamori::jobs
