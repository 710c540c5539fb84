#include "archive/embedded/columns.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "archive/samples_test.h"

namespace mamori::archive {
namespace {

TEST(Columns, WhatIsTakenApartIsPutTogetherByteForByte) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 20; ++round) {
    Arena arena;
    std::vector<Event> events;
    const auto texts = samples();
    const auto count = 1 + random() % 400;
    for (std::size_t i = 0; i < count; ++i) {
      Event event;
      auto text = texts[random() % texts.size()];
      for (auto& c : text)
        if (random() % 40 == 0) c = static_cast<char>(random());
      event.raw = arena.keep(text);
      events.push_back(event);
    }
    detail::WordSet words;
    auto parts = detail::take_apart(events, words);
    const auto text = detail::Text::open(os::Bytes(parts.shapes), os::Bytes(parts.variables), events.size());
    ASSERT_TRUE(text) << round;
    std::string bytes;
    std::vector<std::size_t> ends;
    ASSERT_TRUE(text->put_together(bytes, ends));
    ASSERT_EQ(ends.size(), events.size());
    for (std::size_t i = 0; i < events.size(); ++i) {
      const auto start = i == 0 ? 0 : ends[i - 1];
      ASSERT_EQ(std::string_view(bytes).substr(start, ends[i] - start), events[i].raw);
      ASSERT_EQ(*text->raw(i), events[i].raw);
    }
    // Nothing that stands in an event is missing from the index.
    const std::set<WordHash> all(words.words().begin(), words.words().end());
    for (const auto& event : events) {
      std::vector<WordHash> expected;
      index_words(event.raw, expected);
      for (const auto word : expected) ASSERT_TRUE(all.contains(word)) << event.raw;
    }
  }
}

}  // namespace
}  // namespace mamori::archive
