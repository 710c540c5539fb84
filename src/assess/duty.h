// Assessing as a job: each facility's controls are asked again when what they rest on changes or time passes,
// and what is found otherwise than before is kept with the time from which it was so.
#pragma once

#include "assess/assessor.h"
#include "jobs/jobs.h"

namespace mamori::assess {

// Before the jobs start.
void add_duties(jobs::Jobs& jobs, Assessor& assessor, ledger::Ledger& ledger);

}  // namespace mamori::assess
