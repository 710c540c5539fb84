// A clock that moves only when told.
#pragma once

#include <atomic>

#include "base/time.h"

namespace mamori::testing {

class ManualClock final : public Clock {
 public:
  explicit ManualClock(Instant start = *parse_instant("2026-11-21T00:00:00Z")) : now_(start) {}
  Instant now() const override { return now_; }
  void advance(Duration by) { now_ = now_.load() + by; }
  void set(Instant instant) { now_ = instant; }

 private:
  std::atomic<Instant> now_;
};

}  // namespace mamori::testing
