// Reading on from a mark: a follower has a job of its own, whose cursor says how far it is. It is told
// everything at least once, in order, and never while whoever writes waits for an answer.
#pragma once

#include "jobs/job.h"

namespace mamori::jobs {

// What is followed for one task: takes what comes after `mark`, at most a piece of it, and gives the new
// mark; the same mark: there is no more. Its work must bear being told of the same thing twice.
using Take = std::function<Result<std::int64_t>(const Task& task, std::int64_t mark, std::stop_token stop)>;

// The work of a follower's kind.
std::function<Result<Done>(Turn&)> following(Take take);

// What the journal got lately, for those who follow it: facilities with new entries, each once. Threads: one
// at a time.
class JournalTail {
 public:
  explicit JournalTail(store::Database& database) : database_(database) {}
  // Since the last call; the first one tells of nothing.
  Result<std::vector<std::string>> facilities();

 private:
  store::Database& database_;
  std::int64_t last_ = -1;
};

}  // namespace mamori::jobs
