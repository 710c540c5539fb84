// A clock that moves only when told.
#pragma once

#include "base/time.h"

namespace mamori::testing {

class ManualClock final : public Clock {
 public:
  explicit ManualClock(Instant start = *parse_instant("2026-11-21T00:00:00Z")) : now_(start) {}
  Instant now() const override { return now_; }
  void advance(Duration by) { now_ += by; }
  void set(Instant instant) { now_ = instant; }

 private:
  Instant now_;
};

}  // namespace mamori::testing
