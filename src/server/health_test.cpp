// What /healthz says while nothing can be written, while a question hangs, and when it is over.
#include "server/health.h"

#include <gtest/gtest.h>

#include <latch>

#include "base/file.h"
#include "testing/clock.h"
#include "testing/postgres.h"

namespace mamori::server {
namespace {

using namespace std::chrono_literals;

bool comes(const std::function<bool()>& what) {
  for (int i = 0; i < 1000 && !what(); ++i) std::this_thread::sleep_for(10ms);
  return what();
}

class HealthOnBothEngines : public ::testing::TestWithParam<store::Engine> {
 protected:
  testing::ManualClock clock_{*parse_instant("2026-11-21T03:00:00Z")};
  testing::FreshDatabase database_{GetParam(), clock_};
  TemporaryFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Engines, HealthOnBothEngines,
                         ::testing::Values(store::Engine::sqlite, store::Engine::postgresql),
                         [](const auto& chosen) {
                           return chosen.param == store::Engine::sqlite ? "SQLite" : "PostgreSQL";
                         });

TEST_P(HealthOnBothEngines, SaysWhatCannotBeWrittenAndWhenItCanAgain) {
  ASSERT_TRUE(Health::migrate(*database_));
  const Health health(*database_, "one", folder_.path(), 20ms);
  EXPECT_TRUE(comes([&] { return std::filesystem::exists(folder_.path() / "alive"); }));
  const auto says = [&](const json::object& expected) {
    return comes([&] { return health.state() == expected; });
  };
  EXPECT_TRUE(says({{"reads", true}, {"writes", true}, {"disk", true}, {"status", "ok"}}));
  const auto script = [&](const char* sql) {
    auto transaction = database_->begin();
    ASSERT_TRUE((*transaction)->script(sql));
    ASSERT_TRUE(transaction->commit());
  };
  script("ALTER TABLE alive RENAME TO buried");
  EXPECT_TRUE(says({{"reads", true}, {"writes", false}, {"disk", true}, {"status", "failing"}}));
  script("ALTER TABLE buried RENAME TO alive");
  EXPECT_TRUE(says({{"reads", true}, {"writes", true}, {"disk", true}, {"status", "ok"}}));
  {
    const auto busy = database_->begin();  // a long import
    std::this_thread::sleep_for(200ms);
    EXPECT_EQ(health.state().at("writes"), true);
    EXPECT_TRUE(says({{"reads", true}, {"writes", true}, {"disk", true}, {"status", "ok"}}));
  }
  std::filesystem::rename(folder_.path(),
                          folder_.path().string() + ".gone");  // a removal could meet a file being written
  EXPECT_TRUE(says({{"reads", true}, {"writes", true}, {"disk", false}, {"status", "failing"}}));
  std::filesystem::rename(folder_.path().string() + ".gone", folder_.path());
  EXPECT_TRUE(says({{"reads", true}, {"writes", true}, {"disk", true}, {"status", "ok"}}));
}

TEST(Checks, OneThatHangsFailsAndIsWellAgainWhenItAnswers) {
  std::latch go(1);
  std::atomic<int> asked{0};
  const Check check("hangs", {20ms, 300ms}, [&]() -> Status {
    if (++asked == 2) go.wait();
    return {};
  });
  EXPECT_TRUE(comes([&] { return asked == 2 && check.holds(); }));
  EXPECT_TRUE(comes([&] { return !check.holds(); }));
  go.count_down();
  EXPECT_TRUE(comes([&] { return check.holds(); }));
}

}  // namespace
}  // namespace mamori::server
