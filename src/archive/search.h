// Search over streams: one page of events, newest first, and on demand how many there are, when, and what
// their fields say.
#pragma once

#include <array>
#include <limits>

#include "archive/stream.h"

namespace mamori::archive {

struct Position {
  Instant time;
  std::size_t stream = 0;  // in the order given to search()
  LeafIndex index = 0;
  auto operator<=>(const Position&) const = default;
};

struct SearchOptions {
  Instant from = from_millis(std::numeric_limits<std::int64_t>::min());  // including
  Instant to = from_millis(std::numeric_limits<std::int64_t>::max());    // excluding
  std::size_t limit = 100;
  std::optional<Position> before;  // the last one of the page before
  bool statistics = false;         // total, histogram and counts: all matching blocks are read
  std::size_t buckets = 40;
  std::vector<Field> count = {};  // which fields to count
  std::size_t threads = 2;
  std::chrono::milliseconds limit_time{15000};
};

constexpr std::size_t kMostCounted = 12;  // values of a field

struct Hit {
  Position at;
  Event event;
  std::shared_ptr<const void> holds;  // what the event points to
};

struct Bucket {
  Instant from;
  std::uint64_t count = 0;
};

struct FieldCount {
  std::string value;
  std::uint64_t count = 0;
};

struct SearchResult {
  std::vector<Hit> hits;
  bool more = false;        // the page is full
  bool partial = false;     // the time was up: totals are lower bounds
  std::uint64_t total = 0;  // with statistics
  std::vector<Bucket> histogram;
  std::array<std::vector<FieldCount>, kFieldCount> counts;  // most frequent first, at most kMostCounted
  std::uint64_t blocks = 0, blocks_read = 0;
  std::vector<Damage> damage;  // blocks that could not be read: named, the rest is answered
};

// Whether one event answers the question.
bool matches(const Query& query, const Event& event);

}  // namespace mamori::archive
