#include <gtest/gtest.h>
#include <liboath/oath.h>

#include <atomic>
#include <thread>

#include "base/crypto.h"
#include "identity/users.h"
#include "os/keys.h"
#include "testing/clock.h"
#include "testing/postgres.h"

namespace mamori::identity {
namespace {

const store::Actor kActor{"u0", "試験", "test"};
const char* const kGood = "mizu-Umi7 kaze&Tsuki";

std::vector<std::string> complaints(const std::string& password) {
  const auto status = check_password(Secret(password), {{"こころ病院", "Koro Hospital", "Koro Taro"}});
  std::vector<std::string> codes;
  if (!status)
    for (const auto& problem : status.error().problems)
      codes.push_back(problem.code.substr(std::string("identity.password.").size()));
  return codes;
}

bool complains(const std::string& password, const std::string& about) {
  const auto codes = complaints(password);
  return std::find(codes.begin(), codes.end(), about) != codes.end();
}

TEST(PasswordRule, KnowsTheDangerousClassesOf2024) {
  EXPECT_TRUE(complains("Administrator1!", "known"));
  EXPECT_TRUE(complains("12345678901234Aa", "sequence"));
  EXPECT_TRUE(complains("pa$$w0rd-2024-X", "known"));
  EXPECT_TRUE(complains("i234567&9i234567&9A", "sequence"));
  EXPECT_TRUE(complains("qwertyuiop7410A!", "sequence"));
  EXPECT_TRUE(complains("KoroTaro-xK27f!q", "name"));
  EXPECT_TRUE(complains("1234", "short"));
  EXPECT_TRUE(complains("aB1!aB1!aB1!aB1!", "repeated"));
  EXPECT_TRUE(complains("kazetsukimizuumi", "kinds"));
  EXPECT_TRUE(complains("Xy7!kumoXy7!kumo", "repeated"));
  EXPECT_TRUE(complains("Kumo-Hana7.Kumo-Hana8", "repeated"));
  EXPECT_TRUE(complains("Winter2027!yukiX", "known"));
  EXPECT_TRUE(complains("Sapporo#2027kQx", "known"));
  EXPECT_TRUE(complains("Kokoro2027#Qxzw", "name")) << "こころ病院 in Latin letters";
}

TEST(PasswordRule, AcceptsLongMixedOnes) {
  for (const auto* good : {kGood, "Rv8#tLq2!xWmZ", "青い空-Kumo9-風車-ame"})
    EXPECT_TRUE(complaints(good).empty()) << good << " " << complaints(good)[0];
}

// The app on a user's phone.
class Authenticator {
 public:
  explicit Authenticator(const std::string& base32) {
    EXPECT_EQ(oath_base32_decode(base32.data(), base32.size(), &secret_, &size_), OATH_OK);
  }
  ~Authenticator() { std::free(secret_); }
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;
  std::string code(Instant at) const {
    char text[8];
    oath_totp_generate(secret_, size_, static_cast<time_t>(to_millis(at) / 1000), 30, 0, 6, text);
    return text;
  }

 private:
  char* secret_ = nullptr;
  std::size_t size_ = 0;
};

class OnBothEngines : public ::testing::TestWithParam<store::Engine> {
 protected:
  static void SetUpTestSuite() { crypto_ready(); }
  testing::ManualClock clock_;
  testing::FreshDatabase database_{GetParam(), clock_};
  TemporaryFolder folder_;
  Sealer sealer_ = *os::open_or_make_sealer(folder_.path() / "seal");
  std::unique_ptr<Users> users_ = std::move(Users::open(*database_, sealer_)).take();
  User user_ =
      *users_->create(kActor, {"tanaka", "田中", Secret(kGood), {{"f1", {Role::planning_manager}}}}, {});

  bool covers(const store::Scope& scope, const std::string& facility) {
    const auto lease = *database_->read();
    return *scope.covers(*lease, facility);
  }
  std::string code_of(const Result<SignedIn>& result) { return result ? "ok" : result.error().code; }
  std::string sign_in(const std::string& password, const std::string& totp = "") {
    return from("127.0.0.1", password, totp);
  }
  std::string from(const std::string& address, const std::string& password, const std::string& totp = "") {
    return code_of(users_->sign_in("tanaka", Secret(password), totp, address, "test"));
  }
  // How often the journals of a facility tell of something.
  std::size_t told(const std::string& facility, const std::string& action) {
    const auto lease = *database_->read();
    std::size_t count = 0;
    for (const auto& entry : *store::read_journal(
             *lease, {.scope = facility.empty() ? store::Scope::installation() : store::Scope::door(facility),
                     .limit = 500}))
      count += entry.change.action == action && entry.change.facility == facility ? 1 : 0;
    return count;
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, OnBothEngines,
                         ::testing::Values(store::Engine::sqlite, store::Engine::postgresql),
                         [](const auto& chosen) {
                           return chosen.param == store::Engine::sqlite ? "SQLite" : "PostgreSQL";
                         });

TEST_P(OnBothEngines, LocksAfterFiveFailuresForAQuarterOfAnHour) {
  for (int i = 0; i < kFailuresBeforeLock; ++i) EXPECT_EQ(sign_in("wrong"), "identity.login.failed");
  EXPECT_EQ(sign_in("wrong"), "identity.login.failed");
  EXPECT_EQ(sign_in(kGood), "identity.login.failed") << "whether it is right is nobody's to learn now";
  EXPECT_TRUE(users_->get(user_.id)->locked_until);
  clock_.advance(kLockTime);
  EXPECT_FALSE(users_->get(user_.id)->locked_until);
  EXPECT_EQ(sign_in(kGood), "ok");
}

TEST_P(OnBothEngines, WhoGuessesShutsOutNobodyElse) {
  ASSERT_EQ(from("10.0.0.7", kGood), "ok");
  for (int i = 0; i < 3 * kFailuresOfStrangers; ++i) from("192.0.2." + std::to_string(i), "wrong");
  EXPECT_EQ(from("10.0.0.7", kGood), "ok") << "from where it is always used";
  EXPECT_EQ(from("10.9.9.9", kGood), "identity.login.failed") << "a stranger, while strangers guess";
  ASSERT_TRUE(users_->unlock(kActor, user_.id));
  EXPECT_EQ(from("10.9.9.9", kGood), "ok");
}

TEST_P(OnBothEngines, OneAddressThatTriesManyNamesIsShutOut) {
  const auto try_name = [&](const std::string& login, const std::string& password) {
    return code_of(users_->sign_in(login, Secret(password), "", "2001:db8:1:2::1", "test"));
  };
  for (int i = 0; i < kFailuresOfAddress; ++i) try_name("name" + std::to_string(i), "wrong");
  EXPECT_EQ(try_name("tanaka", kGood), "identity.login.failed");
  EXPECT_EQ(from("2001:db8:1:2:ffff::9", kGood), "identity.login.failed") << "the same line of IPv6";
  EXPECT_EQ(from("2001:db8:1:3::1", kGood), "ok") << "another";
  EXPECT_EQ(told("", "sign_in_failed"), static_cast<std::size_t>(kFailuresOfAddress));
  EXPECT_EQ(told("", "locked"), 1u);
}

TEST_P(OnBothEngines, OldFailuresCountNoMore) {
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < kFailuresBeforeLock - 1; ++i) sign_in("wrong");
    clock_.advance(kLockTime);
  }
  EXPECT_EQ(sign_in(kGood), "ok");
}

TEST_P(OnBothEngines, ManyAtOnceAreNoWayAroundTheCount) {
  std::vector<std::thread> guesses;
  std::atomic<int> right{0};
  for (int i = 0; i < 12; ++i)
    guesses.emplace_back([&, i] { right += sign_in("wrong" + std::to_string(i)) == "ok" ? 1 : 0; });
  for (auto& guess : guesses) guess.join();
  EXPECT_EQ(right, 0);
  EXPECT_EQ(sign_in(kGood), "identity.login.failed");
}

TEST_P(OnBothEngines, WhatConcernsAUserStandsInEveryFacilityOfHis) {
  ASSERT_TRUE(users_->set_roles(kActor, user_.id, "f2", {Role::staff}));
  sign_in("wrong");
  const auto in = users_->sign_in("tanaka", Secret(kGood), "", "127.0.0.1", "test");
  ASSERT_TRUE(in);
  ASSERT_TRUE(users_->sign_out(kActor, in->session));
  for (const auto* facility : {"f1", "f2"}) {
    for (const auto* action : {"sign_in_failed", "signed_in", "signed_out"})
      EXPECT_EQ(told(facility, action), 1u) << facility << " " << action;
  }
  for (int i = 0; i < 4 * kFailuresBeforeLock; ++i) sign_in("wrong");
  EXPECT_LE(told("f2", "sign_in_failed"), static_cast<std::size_t>(kFailuresBeforeLock) + 1)
      << "a flood writes no more than it takes to be shut out";
}

TEST_P(OnBothEngines, WhoSitsThereIsAskedForThePasswordAndTheCode) {
  const auto prove = [&](const std::string& password, const std::string& code) {
    const auto proven = users_->prove(kActor, user_.id, Secret(password), code, true, "127.0.0.1");
    return proven ? std::string("ok") : proven.error().problems.at(0).field;
  };
  EXPECT_EQ(prove("wrong", ""), "current");
  EXPECT_EQ(prove(kGood, ""), "ok") << "no second factor yet";
  const auto base32 = users_->begin_totp(user_.id);
  const Authenticator authenticator(*base32);
  const auto code = [&] { return authenticator.code(clock_.now()); };
  ASSERT_TRUE(users_->confirm_totp(kActor, user_.id, code()));
  EXPECT_EQ(prove(kGood, ""), "code");
  EXPECT_EQ(prove(kGood, code()), "code") << "already used";
  clock_.advance(std::chrono::seconds(30));
  EXPECT_EQ(prove("wrong", code()), "current");
  EXPECT_EQ(prove(kGood, code()), "ok");
  for (int i = 0; i < kFailuresBeforeLock; ++i) EXPECT_EQ(prove("wrong", ""), "current");
  EXPECT_EQ(prove(kGood, code()), "current") << "guessing at a page left open ends like guessing at the door";
}

TEST_P(OnBothEngines, AnUnknownNameLooksLikeAWrongPassword) {
  EXPECT_EQ(code_of(users_->sign_in("nobody", Secret(kGood), "", "", "")), "identity.login.failed");
}

TEST_P(OnBothEngines, ASessionEndsByTimeRevocationAndDisabling) {
  auto first = users_->sign_in("tanaka", Secret(kGood), "", "10.0.0.1", "Firefox");
  auto second = users_->sign_in("tanaka", Secret(kGood), "", "10.0.0.2", "Chrome");
  ASSERT_TRUE(users_->session(first->token));
  EXPECT_EQ(users_->sessions(user_.id)->size(), 2u);
  EXPECT_FALSE(users_->revoke(kActor, "someone else", first->session.id));
  ASSERT_TRUE(users_->revoke(kActor, user_.id, first->session.id));
  EXPECT_FALSE(users_->session(first->token));
  ASSERT_TRUE(users_->session(second->token));
  clock_.advance(std::chrono::minutes(59));
  ASSERT_TRUE(users_->session(second->token));
  clock_.advance(std::chrono::minutes(61));
  EXPECT_FALSE(users_->session(second->token));
  auto third = users_->sign_in("tanaka", Secret(kGood), "", "", "");
  ASSERT_TRUE(users_->set_enabled(kActor, user_.id, false));
  EXPECT_FALSE(users_->session(third->token));
  EXPECT_EQ(sign_in(kGood), "identity.login.failed");
  EXPECT_FALSE(users_->session(Secret("")));
}

TEST_P(OnBothEngines, ASessionLivesOnWhereNothingCanBeWritten) {
  const auto signed_in = users_->sign_in("tanaka", Secret(kGood), "", "", "");
  ASSERT_TRUE(signed_in);
  {
    auto transaction = database_->begin();
    ASSERT_TRUE((*transaction)
                    ->script(GetParam() == store::Engine::sqlite
                                 ? "CREATE TRIGGER full BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, "
                                   "'no room'); END"
                                 : "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN "
                                   "RAISE EXCEPTION ''no room''; END';"
                                   "CREATE TRIGGER no_room BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE "
                                   "FUNCTION no_room()"));
    ASSERT_TRUE(transaction->commit());
  }
  clock_.advance(std::chrono::minutes(5));
  const auto session = users_->session(signed_in->token);
  EXPECT_TRUE(session) << describe(session.error());
}

TEST_P(OnBothEngines, ASecondFactorIsAskedForAndEachCodeCountsOnce) {
  const auto base32 = users_->begin_totp(user_.id);
  ASSERT_TRUE(base32);
  EXPECT_EQ(sign_in(kGood), "ok") << "not before it is confirmed";
  const Authenticator authenticator(*base32);
  const auto code = [&] { return authenticator.code(clock_.now()); };
  EXPECT_FALSE(users_->confirm_totp(kActor, user_.id, "000000"));
  ASSERT_TRUE(users_->confirm_totp(kActor, user_.id, code()));
  EXPECT_EQ(sign_in(kGood), "identity.totp.needed");
  EXPECT_EQ(sign_in(kGood, code()), "identity.totp.wrong") << "already used";
  clock_.advance(std::chrono::seconds(30));
  EXPECT_EQ(sign_in(kGood, code()), "ok");
  EXPECT_EQ(sign_in(kGood, code()), "identity.totp.wrong");
}

TEST_P(OnBothEngines, RolesCountInTheirFacilityOnly) {
  ASSERT_TRUE(users_->set_roles(kActor, user_.id, "f2", {Role::inspector}));
  const auto user = users_->get(user_.id);
  EXPECT_TRUE(covers(user->scope_with(Permission::findings_declare), "f1"));
  EXPECT_FALSE(covers(user->scope_with(Permission::findings_declare), "f2"));
  EXPECT_TRUE(covers(user->scope_with(Permission::findings_read), "f2"));
  EXPECT_FALSE(covers(user->scope_with(Permission::findings_read), "f3"));
  EXPECT_FALSE(covers(user->scope_with(Permission::findings_read, {"planning_manager"}), "f2"))
      << "one role's name and another's right do not add up";
  EXPECT_EQ(users_->list("f3")->size(), 0u);
}

TEST_P(OnBothEngines, ARoleAtAGroupCountsInTheFacilitiesBelowIt) {
  {
    auto transaction = *database_->begin();
    for (const auto& [facility, group] :
         {std::pair{"f1", "prefecture:13"}, {"f2", "prefecture:13"}, {"f3", "prefecture:27"}})
      ASSERT_TRUE(store::set_place(*transaction, facility, {group}));
    ASSERT_TRUE(transaction.commit());
  }
  const auto officer =
      *users_->create(kActor, {"to", "都", Secret(kGood), {{"prefecture:13", {Role::inspector}}}}, {});
  auto scope = officer.scope_with(Permission::findings_read);
  EXPECT_TRUE(covers(scope, "f1"));
  EXPECT_TRUE(covers(scope, "f2"));
  EXPECT_FALSE(covers(scope, "f3"));
  EXPECT_FALSE(covers(scope, "f9")) << "one that is not there";
  EXPECT_FALSE(covers(officer.scope_with(Permission::users_manage), "f1"));
  ASSERT_TRUE(users_->set_roles(kActor, officer.id, "f3", {Role::operator_}));
  const auto both = *users_->get(officer.id);
  const auto roles = *users_->roles_in(both, {"f1", "f2", "f3"});
  EXPECT_EQ(roles.at("f1"), std::set<Role>{Role::inspector});
  EXPECT_EQ(roles.at("f3"), std::set<Role>{Role::operator_});

  ASSERT_TRUE(users_->set_roles(kActor, officer.id, "*", {Role::inspector}));
  scope = users_->get(officer.id)->scope_with(Permission::findings_read);
  EXPECT_TRUE(covers(scope, "f3"));
  EXPECT_FALSE(covers(scope, "f9"));
  // A facility that moves away is seen no more.
  ASSERT_TRUE(users_->set_roles(kActor, officer.id, "*", {}));
  {
    auto transaction = *database_->begin();
    ASSERT_TRUE(store::set_place(*transaction, "f2", {"prefecture:27"}));
    ASSERT_TRUE(transaction.commit());
  }
  EXPECT_FALSE(covers(users_->get(officer.id)->scope_with(Permission::findings_read), "f2"));
  for (const auto* bad : {":13", "prefecture:", "Prefecture:13", "a b:c"})
    EXPECT_EQ(users_->set_roles(kActor, officer.id, bad, {Role::inspector}).error().code, "identity.node.bad")
        << bad;
  EXPECT_TRUE(users_->set_roles(kActor, officer.id, "affiliation:医療法人　みどり会", {Role::inspector}));
  EXPECT_TRUE(users_->get(officer.id)->roles.contains("affiliation:" + fold("医療法人　みどり会")));
}

TEST_P(OnBothEngines, ALoginIsTakenOnce) {
  const auto again = users_->create(kActor, {"tanaka", "別人", Secret(kGood), {}}, {});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().problems[0].code, "identity.login.taken");
}

}  // namespace
}  // namespace mamori::identity
