#include "assess/duty.h"

#include <gtest/gtest.h>

#include "base/crypto.h"
#include "testing/clock.h"
#include "testing/postgres.h"

namespace mamori::assess {
namespace {

using namespace std::chrono_literals;

const store::Actor kActor{"u1", "試験", "test"};
const std::filesystem::path kSource = MAMORI_SOURCE_DIR;
const ledger::Observer kDirectory{"01J-directory", "院内 AD"};

// A server with everything but its pages: what is due is done when the test says so.
class Duty : public ::testing::TestWithParam<store::Engine> {
 protected:
  static void SetUpTestSuite() { crypto_ready(); }

  void SetUp() override {
    catalog_ = std::move(catalog::Catalog::load(kSource / "data")).take();
    start_server();
    facility_ = make("facility", {{"name", "東病院"}, {"kind", "hospital"}, {"beds", 120}}).id;
    other_ = make("facility", {{"name", "西医院"}, {"kind", "hospital"}, {"beds", 40}}).id;
  }
  void start_server() {
    jobs_.reset();
    assessor_ = std::move(Assessor::open(*ledger_, catalog_, texts_)).take();
    jobs_ = std::move(jobs::Jobs::open(*database_)).take();
    add_duties(*jobs_, *assessor_, *ledger_);
  }
  ledger::Record make(const char* reg, json::object fields, const std::string& facility = "") {
    auto made = ledger_->create(kActor, *registers_.find(reg), facility, {std::move(fields), ""});
    if (!made) {
      ADD_FAILURE() << describe(made.error());
      return {};
    }
    return std::move(made).take();
  }
  void change(const char* reg, const ledger::Record& record, json::object fields) {
    const auto done = ledger_->update(kActor, *registers_.find(reg), store::Scope::door(record.facility),
                                      record.id, record.version, {std::move(fields), ""});
    ASSERT_TRUE(done) << describe(done.error());
  }
  void read_directory(std::vector<json::object> facts) {
    auto transaction = std::move(database_->begin()).take();
    const auto done = ledger::write_observed(*ledger_, transaction, *registers_.find("observed_account"),
                                             facility_, kDirectory, std::move(facts), clock_.now());
    ASSERT_TRUE(done) << describe(done.error());
    ASSERT_TRUE(transaction.commit());
  }
  void do_due() {
    const auto done = jobs_->do_due("here");
    ASSERT_TRUE(done) << describe(done.error());
  }
  std::vector<Change> history(const char* control) {
    return *assessor_->findings().history(facility_, control);
  }

  testing::ManualClock clock_{*parse_instant("2026-11-21T03:00:00Z")};
  testing::FreshDatabase database_{GetParam(), clock_};
  ledger::Registers registers_ = std::move(ledger::Registers::load(kSource / "data/registers")).take();
  std::unique_ptr<ledger::Ledger> ledger_ = std::move(ledger::Ledger::open(*database_, registers_)).take();
  Texts texts_ = std::move(Texts::load(kSource / "data/texts")).take();
  catalog::Catalog catalog_;
  std::unique_ptr<Assessor> assessor_;
  std::unique_ptr<jobs::Jobs> jobs_;
  std::string facility_, other_;
};

INSTANTIATE_TEST_SUITE_P(Engines, Duty, ::testing::Values(store::Engine::sqlite, store::Engine::postgresql),
                         [](const auto& chosen) {
                           return chosen.param == store::Engine::sqlite ? "SQLite" : "PostgreSQL";
                         });

TEST_P(Duty, AFindingIsOfTheTimeAtWhichTheDataChangedWhoeverLooksAndWhenever) {
  do_due();
  const auto person = make("person", {{"name", "佐藤"}, {"left_on", "2026-11-01"}}, facility_);
  clock_.advance(5s);
  const auto at = clock_.now();
  make("account", {{"login", "sato"}, {"kind", "personal"}, {"person", person.id}}, facility_);
  clock_.advance(10min);
  const auto seen = assessor_->controls().all(facility_);
  ASSERT_TRUE(seen) << describe(seen.error());
  EXPECT_EQ((*seen)->at("accounts.no-leavers").verdict, Verdict::gap) << "whoever looks sees it at once";
  EXPECT_EQ(history("accounts.no-leavers").size(), 1u) << "and looking keeps nothing";
  clock_.advance(10min);
  do_due();
  const auto changes = history("accounts.no-leavers");
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].verdict, "gap");
  EXPECT_EQ(changes[0].at, at);
  clock_.advance(24h);
  do_due();
  EXPECT_EQ(history("accounts.no-leavers").size(), 2u);
  const auto later = assessor_->controls().all(facility_);
  EXPECT_EQ((*later)->at("accounts.no-leavers").since, at);
}

TEST_P(Duty, MoreRecordsOfTheSameVerdictLeaveSinceAsItWas) {
  const auto person = make("person", {{"name", "佐藤"}, {"left_on", "2026-11-01"}}, facility_);
  make("account", {{"login", "sato"}, {"kind", "personal"}, {"person", person.id}}, facility_);
  do_due();
  const auto since = history("accounts.no-leavers")[0].since;
  clock_.advance(1h);
  make("account", {{"login", "sato2"}, {"kind", "personal"}, {"person", person.id}}, facility_);
  do_due();
  const auto changes = history("accounts.no-leavers");
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].violations, 2);
  EXPECT_EQ(changes[0].since, since);
}

TEST_P(Duty, EvidenceIsStaleFromTheMomentAtWhichItsLifeEnded) {
  read_directory({{{"login", "suzuki"}, {"enabled", true}}});
  const auto read_at = clock_.now();
  do_due();
  EXPECT_EQ(history("accounts.directory-leavers")[0].verdict, "met");
  clock_.advance(24h * 9);
  do_due();
  auto changes = history("accounts.directory-leavers");
  EXPECT_EQ(changes[0].verdict, "stale");
  EXPECT_EQ(changes[0].at, read_at + 24h * 7);
  // The same facts again: nothing but the reading is newer.
  clock_.advance(1h);
  read_directory({{{"login", "suzuki"}, {"enabled", true}}});
  const auto again_at = clock_.now();
  clock_.advance(1h);
  do_due();
  changes = history("accounts.directory-leavers");
  EXPECT_EQ(changes[0].verdict, "met");
  EXPECT_EQ(changes[0].at, again_at);
}

TEST_P(Duty, WhatADayEndsIsFoundWithoutAChange) {
  const auto person = make("person", {{"name", "佐藤"}, {"left_on", "2026-11-23"}}, facility_);
  make("account", {{"login", "sato"}, {"kind", "personal"}, {"person", person.id}}, facility_);
  do_due();
  EXPECT_EQ(history("accounts.no-leavers")[0].verdict, "met");
  clock_.set(*parse_instant("2026-11-22T16:30:00Z"));  // 1:30 on the 23rd in Japan
  do_due();
  const auto changes = history("accounts.no-leavers");
  EXPECT_EQ(changes[0].verdict, "gap");
  EXPECT_EQ(changes[0].at, *parse_instant("2026-11-22T15:00:00Z")) << "at midnight";
}

TEST_P(Duty, OneChangeAsksWhatRestsOnItAndOfItsFacilityAlone) {
  const auto person = make("person", {{"name", "佐藤"}}, facility_);
  const auto account =
      make("account", {{"login", "sato"}, {"kind", "personal"}, {"person", person.id}}, facility_);
  make("account", {{"login", "x"}, {"kind", "shared"}}, other_);
  do_due();
  const auto asked = [&](auto work) {
    const auto before = assessor_->controls().asked();
    work();
    return assessor_->controls().asked() - before;
  };
  EXPECT_EQ(asked([&] { ASSERT_TRUE(assessor_->controls().all(facility_)); }), 0u) << "known from the job";
  change("account", account, {{"login", "sato2"}});
  const auto by_job = asked([&] { do_due(); });
  EXPECT_GT(by_job, 0u);
  std::uint64_t rest = 0;
  for (const auto& control : catalog_.controls()) {
    const auto& registers = assessor_->controls().rests(control).registers;
    if (std::find(registers.begin(), registers.end(), "account") != registers.end())
      rest += control.violations.empty() ? 1 : 2;
  }
  EXPECT_LE(by_job, rest);
  EXPECT_LT(rest, catalog_.controls().size() / 4) << "or this shows nothing";
  EXPECT_EQ(asked([&] { ASSERT_TRUE(assessor_->controls().all(facility_)); }), 0u);
  EXPECT_EQ(asked([&] { ASSERT_TRUE(assessor_->controls().all(other_)); }), 0u);
}

TEST_P(Duty, AServerThatStartsAsksOnlyWhatHasChangedMeanwhile) {
  const auto person = make("person", {{"name", "佐藤"}, {"left_on", "2026-11-01"}}, facility_);
  do_due();
  start_server();
  make("account", {{"login", "sato"}, {"kind", "personal"}, {"person", person.id}}, facility_);
  const auto before = assessor_->controls().asked();
  do_due();
  EXPECT_EQ(history("accounts.no-leavers")[0].verdict, "gap");
  EXPECT_LT(assessor_->controls().asked() - before, catalog_.controls().size() / 4);
}

TEST_P(Duty, AnExemptionCountsAtOnceAndEndsWithItsDay) {
  read_directory({{{"login", "suzuki"}, {"enabled", true}}});
  do_due();
  make("exemption",
       {{"subject", "directory"},
        {"reason", "院内に AD がない"},
        {"decided_by", "院長"},
        {"decided_on", "2026-11-20"},
        {"until", "2026-11-25"}},
       facility_);
  do_due();
  EXPECT_EQ(history("accounts.directory-leavers")[0].verdict, "not_applicable");
  clock_.set(*parse_instant("2026-11-25T15:10:00Z"));
  do_due();
  EXPECT_NE(history("accounts.directory-leavers")[0].verdict, "not_applicable");
}

TEST_P(Duty, WhatAnObserverSaidCountsNoMoreWhenItHasEnded) {
  const auto person = make("person", {{"name", "佐藤"}, {"left_on", "2026-11-01"}}, facility_);
  read_directory({{{"login", "sato"}, {"enabled", true}, {"person", person.id}}});
  do_due();
  EXPECT_EQ(history("accounts.directory-leavers")[0].verdict, "gap");
  clock_.advance(1h);
  {
    auto transaction = std::move(database_->begin()).take();
    ASSERT_TRUE(ledger::end_observer(*ledger_, transaction, facility_, kDirectory.id, clock_.now()));
    ASSERT_TRUE(transaction.commit());
  }
  do_due();
  EXPECT_EQ(history("accounts.directory-leavers")[0].verdict, "no_evidence");
}

}  // namespace
}  // namespace mamori::assess
