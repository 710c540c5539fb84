// What the marks share: a line each, with the figure, its mark, and the ratio to a peer of the same run.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>

#include "base/result.h"

namespace mamori::bench {

using Steady = std::chrono::steady_clock;

inline double milliseconds(const std::function<void()>& work) {
  const auto start = Steady::now();
  work();
  return std::chrono::duration<double, std::milli>(Steady::now() - start).count();
}

template <class T>
T must(Result<T> result) {
  if (!result) {
    fmt::print(stderr, "{}\n", describe(result.error()));
    std::exit(1);
  }
  return std::move(result).take();
}

inline void must(const Status& status) {
  if (!status) {
    fmt::print(stderr, "{}\n", describe(status.error()));
    std::exit(1);
  }
}

inline void line(const std::string& what, double value, const std::string& unit, double mark,
                 const std::string& peer, double peer_value) {
  fmt::print("{:<58} {:>9.1f} {:<3} mark {:>6.0f} {:<4} {}: {:.1f} {} (ratio {:.1f})\n", what, value, unit,
             mark, value <= mark ? "held" : "MISS", peer, peer_value, unit,
             value / std::max(peer_value, 0.001));
}

// What is due at once on two servers of one PostgreSQL.
void measure_jobs();
// What long answers cost those who send logs and those who ask for short ones. `program`: mamori.
void measure_lanes(const std::string& program);

}  // namespace mamori::bench
