#include "store/scope.h"

#include <gtest/gtest.h>

#include <random>

#include "testing/clock.h"
#include "testing/postgres.h"

namespace mamori::store {
namespace {

class Scopes : public ::testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    auto transaction = std::move(database_->begin()).take();
    ASSERT_TRUE(transaction->script("CREATE TABLE thing (facility TEXT NOT NULL)"));
    for (int i = 0; i < 12; ++i) {
      const auto facility = "f" + std::to_string(i);
      ASSERT_TRUE(set_place(*transaction, facility,
                            {"prefecture:" + std::to_string(i % 3), "affiliation:" + std::to_string(i % 4)}));
      ASSERT_TRUE(transaction->execute("INSERT INTO thing VALUES (?)", {facility}));
    }
    ASSERT_TRUE(transaction.commit());
  }
  std::set<std::string> seen(const Scope& scope) {
    Row parameters;
    const auto where = scope.where("facility", parameters);
    auto lease = std::move(database_->read()).take();
    std::set<std::string> out;
    const auto done = lease->each("SELECT facility FROM thing WHERE " + where, parameters,
                                  [&](Row& row) { out.insert(as_text(row[0])); });
    EXPECT_TRUE(done) << describe(done.error());
    return out;
  }
  bool covers(const Scope& scope, const std::string& facility) {
    auto lease = std::move(database_->read()).take();
    return *scope.covers(*lease, facility);
  }

  testing::ManualClock clock_;
  testing::FreshDatabase database_{GetParam(), clock_};
};

INSTANTIATE_TEST_SUITE_P(Engines, Scopes, ::testing::Values(Engine::sqlite, Engine::postgresql),
                         [](const auto& chosen) {
                           return chosen.param == Engine::sqlite ? "SQLite" : "PostgreSQL";
                         });

TEST_P(Scopes, OfNothingSeesNothing) {
  EXPECT_TRUE(seen(Scope()).empty());
  EXPECT_TRUE(seen(Scope::session({})).empty());
  EXPECT_TRUE(seen(Scope().in("f1")).empty());
  EXPECT_FALSE(covers(Scope(), "f1"));
}

TEST_P(Scopes, WhatIsListedAndWhatIsCoveredIsTheSameForAnyGrants) {
  std::mt19937 random(7);
  const std::vector<std::string> nodes = {
      "f0", "f1", "f7",           "f99", "prefecture:0", "prefecture:2", "prefecture:9", "affiliation:1",
      "*",  "",   "f1' OR '1'='1"};
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> granted;
    std::set<std::string> expected;
    for (const auto& node : nodes)
      if (random() % 4 == 0) granted.push_back(node);
    for (int i = 0; i < 12; ++i) {
      const auto facility = "f" + std::to_string(i);
      for (const auto& node : granted)
        if (node == facility || node == "*" || node == "prefecture:" + std::to_string(i % 3) ||
            node == "affiliation:" + std::to_string(i % 4))
          expected.insert(facility);
    }
    const auto scope = Scope::session(granted);
    EXPECT_EQ(seen(scope), expected);
    for (int i = 0; i < 12; ++i) {
      const auto facility = "f" + std::to_string(i);
      EXPECT_EQ(covers(scope, facility), expected.contains(facility));
      const auto here = scope.in(facility);
      EXPECT_EQ(seen(here), expected.contains(facility) ? std::set{facility} : std::set<std::string>());
      EXPECT_EQ(covers(here, facility), expected.contains(facility));
      EXPECT_FALSE(covers(here, "f" + std::to_string((i + 3) % 12))) << "what was narrowed stays narrow";
      EXPECT_TRUE(seen(here.in("f" + std::to_string((i + 3) % 12))).empty());
    }
    if (std::find(granted.begin(), granted.end(), "*") != granted.end()) {
      EXPECT_FALSE(covers(scope, "f98")) << "all are those that are there";
    }
  }
}

TEST_P(Scopes, AGroupIsReachedByWhoWasGivenIt) {
  auto lease = std::move(database_->read()).take();
  const auto reaches = [&](const Scope& scope, const std::string& node) {
    return *scope.reaches(*lease, node);
  };
  EXPECT_TRUE(reaches(Scope::session({"prefecture:0"}), "prefecture:0"));
  EXPECT_TRUE(reaches(Scope::session({"prefecture:0"}), "f0"));
  EXPECT_FALSE(reaches(Scope::session({"prefecture:0"}), "*"));
  EXPECT_FALSE(reaches(Scope::session({"f0", "f3", "f6", "f9"}), "prefecture:0"))
      << "there may be others tomorrow";
  EXPECT_TRUE(reaches(Scope::session({"*"}), "affiliation:1"));
  EXPECT_FALSE(reaches(Scope::session({"*"}).in("f1"), "affiliation:1"));
}

TEST_P(Scopes, NamesTheOnlyFacilityWhereThereIsOne) {
  EXPECT_EQ(Scope::session({"f1"}).only(), "f1");
  EXPECT_EQ(Scope::session({"f1", "f2"}).only(), std::nullopt);
  EXPECT_EQ(Scope::session({"f1", "prefecture:0"}).only(), std::nullopt);
  EXPECT_EQ(Scope::job("f1").only(), "f1");
}

}  // namespace
}  // namespace mamori::store
