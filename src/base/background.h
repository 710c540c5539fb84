// Long work beside short work on the same processors.
#pragma once

namespace mamori {

// From now on this thread gives way to the others of the machine: what takes minutes must not cost those who
// wait for a page, nor the senders of logs. Never undone: without a privilege a thread cannot rise again.
void work_in_background();

}  // namespace mamori
