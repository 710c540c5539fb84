// A job that this process holds.
#pragma once

#include <atomic>

#include "jobs/job.h"

namespace mamori::jobs {

enum class Why { none, asked, shutdown, lost };  // it was told to stop

class Held {
 public:
  bool by_hand = false;  // somebody waits for it, and asks again where it did not end well

  Held(Job taken, const Kind* of) : kind(of), job(std::move(taken)) {}
  const Kind* const kind;  // none: of now()
  Job job;                 // of the thread that works, until it has ended
  std::atomic<std::int64_t> done{0}, whole{0};
  std::int64_t told_done = 0, told_whole = 0;  // of the conductor
  std::stop_source stop;
  std::atomic<bool> ended{false};  // what is written in `job` waits to be written in its row

  void end(Why why) {
    auto none = Why::none;
    why_.compare_exchange_strong(none, why);
    stop.request_stop();
  }
  Why why() const { return why_; }

 private:
  std::atomic<Why> why_{Why::none};
};

}  // namespace mamori::jobs
