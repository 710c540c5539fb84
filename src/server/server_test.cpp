#include <gtest/gtest.h>

#include <thread>

#include "api/first_use.h"
#include "api/problem.h"
#include "api/routes.h"
#include "document/zip.h"
#include "os/file.h"
#include "os/process.h"
#include "report/report.h"
#include "server/serve.h"
#include "testing/clock.h"
#include "testing/postgres.h"

namespace mamori::server {
namespace {

using identity::Role;
const char* const kPassword = "mizu-Umi7 kaze&Tsuki";
const std::filesystem::path kSource = MAMORI_SOURCE_DIR;

class OnBothEngines : public ::testing::TestWithParam<store::Engine> {
 protected:
  testing::ManualClock clock_{*parse_instant("2026-11-21T03:00:00Z")};
  testing::FreshDatabase database_{GetParam(), clock_};
  TemporaryFolder folder_;
  Home home_{kSource / "data", kSource / "web"};
  std::unique_ptr<Installation> installation_ = open();
  api::FirstUseDone first_ = *api::first_use(
      services(), {"みなと病院", "hospital", 300, true, "manager", "企画管理者", Secret(kPassword)}, "test");

  std::unique_ptr<Installation> open() {
    auto opened = Installation::open(
        folder_.path(), GetParam() == store::Engine::sqlite ? "" : database_.url(), "", home_, clock_);
    if (!opened) ADD_FAILURE() << describe(opened.error());
    return std::move(opened).take();
  }
  api::Services& services() { return installation_->services(); }

  http::Request request(http::Method method, const std::string& target, const std::string& cookie = "",
                        const std::string& body = "") {
    http::Request made;
    made.method = method;
    made.path = target.substr(0, target.find('?'));
    if (const auto at = target.find('?'); at != target.npos)
      for (const auto pair : split(std::string_view(target).substr(at + 1), '&'))
        made.query[std::string(pair.substr(0, pair.find('=')))] =
            *http::percent_decode(pair.substr(pair.find('=') + 1), true);
    made.body = body;
    made.remote = "127.0.0.1";
    made.headers["x-mamori"] = "1";
    if (!cookie.empty()) made.headers["cookie"] = std::string(api::kSessionCookie) + "=" + cookie;
    return made;
  }
  http::Reply send(http::Method method, const std::string& target, const std::string& cookie = "",
                   const std::string& body = "") {
    const auto asked = request(method, target, cookie, body);
    auto reply = answer(asked, *installation_);
    // Whatever is asked in these tests is answered as its route says.
    if (const auto* route = api::find_route(method, asked.path))
      for (const auto& problem : api::check_answer(*route, reply))
        ADD_FAILURE() << asked.path << ": " << problem.field << " " << problem.code << " "
                      << reply.body.substr(0, 300);
    return reply;
  }
  std::string user_with(Role role, const std::string& facility) {
    const auto login = "u-" + std::string(identity::name_of(role)) + random_token(4);
    EXPECT_TRUE(services().users.create({"", "t", "test"},
                                        {login, "利用者", Secret(kPassword), {{facility, {role}}}}, {}));
    return services().users.sign_in(login, Secret(kPassword), "", "127.0.0.1", "test")->token.reveal();
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, OnBothEngines,
                         ::testing::Values(store::Engine::sqlite, store::Engine::postgresql),
                         [](const auto& chosen) {
                           return chosen.param == store::Engine::sqlite ? "SQLite" : "PostgreSQL";
                         });

std::string filled(std::string path) {
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"{register}", "asset"},
                                                        {"{framework}", "mhlw-facility-r7"},
                                                        {"{item}", "1(1)"},
                                                        {"{control}", "assets.ledger"}})
    if (const auto at = path.find(name); at != path.npos) path.replace(at, name.size(), value);
  while (path.find('{') != path.npos) path.replace(path.find('{'), path.find('}') - path.find('{') + 1, "x");
  return path;
}

TEST_P(OnBothEngines, ADatabaseThatCannotTellSignsNobodyOut) {
  const auto cookie = user_with(Role::planning_manager, first_.facility);
  const auto rename = [&](const std::string& from, const std::string& to) {
    auto transaction = services().database.begin();
    ASSERT_TRUE((*transaction)->script("ALTER TABLE " + from + " RENAME TO " + to));
    ASSERT_TRUE(transaction->commit());
  };
  rename("sessions", "gone");
  for (const auto* path : {"/api/v1/session", "/api/v1/state"}) {
    const auto reply = send(http::Method::get, path, cookie);
    EXPECT_GE(reply.status, 500) << path << " " << reply.body;
    EXPECT_EQ(reply.body.find("identity.session.none"), std::string::npos);
  }
  rename("gone", "sessions");
  EXPECT_EQ(send(http::Method::get, "/api/v1/session", cookie).status, 200);
}

TEST_P(OnBothEngines, EveryRouteRefusesEveryRoleThatLacksItsPermissionAndAdmitsTheOthers) {
  std::map<Role, std::string> cookies;
  for (const auto role : identity::kRoles) cookies[role] = user_with(role, first_.facility);
  std::size_t checked = 0;
  for (const auto& route : api::routes()) {
    SCOPED_TRACE(std::string(http::name_of(route.method)) + " " + std::string(route.path));
    if (route.permission == identity::Permission::none_needed) {
      EXPECT_NE(
          send(route.method, filled(std::string(route.path)), "", "{}").body.find("identity.session.none") !=
              std::string::npos,
          true);
      EXPECT_LE(admit(request(route.method, filled(std::string(route.path))), *installation_).body,
                api::kStrangersBody)
          << "of a stranger";
      continue;
    }
    EXPECT_EQ(send(route.method, filled(std::string(route.path)), "", "{}").status, 401) << "nobody";
    EXPECT_EQ(send(route.method, filled(std::string(route.path)), "0123", "{}").status, 401)
        << "a made-up session";
    for (const auto* cookie : {"", "0123"}) {
      const auto admission =
          admit(request(route.method, filled(std::string(route.path)), cookie), *installation_);
      EXPECT_EQ(admission.refusal ? admission.refusal->status : 0, 401) << "by the header alone";
      EXPECT_EQ(admission.body, 0u);
    }
    for (const auto role : identity::kRoles) {
      if (route.path == "/api/v1/session" && route.method == http::Method::delete_)
        continue;  // would end the session
      // The package takes seconds: made once on the allowed side.
      if (route.path == "/api/v1/documents/inspection-package" && identity::allows(role, route.permission) &&
          role != Role::inspector)
        continue;
      const auto reply = send(route.method, filled(std::string(route.path)), cookies[role], "{}");
      const auto admission =
          admit(request(route.method, filled(std::string(route.path)), cookies[role]), *installation_);
      EXPECT_EQ(admission.refusal.has_value(), !identity::allows(role, route.permission))
          << "by the header alone: " << identity::name_of(role);
      if (identity::allows(role, route.permission)) {
        const bool by_register =
            route.path.find("{register}") != std::string_view::npos || route.path == "/api/v1/imports" ||
            route.path == "/api/v1/views";  // Register::readers and writers decide further
        if (!by_register) {
          EXPECT_NE(reply.status, 403) << identity::name_of(role) << " " << reply.body;
        }
        EXPECT_NE(reply.status, 401);
        EXPECT_NE(reply.status, 500) << reply.body;
      } else {
        EXPECT_EQ(reply.status, 403) << identity::name_of(role);
      }
      ++checked;
    }
    if (route.method != http::Method::get) {
      auto forged =
          request(route.method, filled(std::string(route.path)), cookies[Role::planning_manager], "{}");
      forged.headers.erase("x-mamori");
      EXPECT_EQ(answer(forged, *installation_).status, 403) << "from a foreign page";
    }
  }
  EXPECT_GT(checked, 300u);
}

TEST_P(OnBothEngines, ARegistersOwnReadersAndWritersAreKept) {
  const auto staff = user_with(Role::staff, first_.facility),
             inspector = user_with(Role::inspector, first_.facility),
             operator_ = user_with(Role::operator_, first_.facility);
  EXPECT_EQ(send(http::Method::get, "/api/v1/registers/usage_log/records", staff).status, 200);
  EXPECT_EQ(send(http::Method::get, "/api/v1/registers/account/records", staff).status, 403);
  EXPECT_EQ(send(http::Method::post, "/api/v1/registers/asset/records", staff, R"({"fields":{"kind":"pc"}})")
                .status,
            403);
  EXPECT_EQ(send(http::Method::get, "/api/v1/registers/account/records", inspector).status, 200);
  EXPECT_EQ(
      send(http::Method::post, "/api/v1/registers/asset/records", operator_, R"({"fields":{"kind":"pc"}})")
          .status,
      201);
  EXPECT_EQ(send(http::Method::post, "/api/v1/registers/fee_item/records", operator_,
                 R"({"fields":{"code":"FEE-01"}})")
                .status,
            403)
      << "its writers are others";
  EXPECT_EQ(send(http::Method::post, "/api/v1/registers/observed_host/records", operator_,
                 R"({"fields":{"source":"x"}})")
                .status,
            403)
      << "nobody writes measured facts";
  EXPECT_EQ(send(http::Method::post, "/api/v1/registers/facility/records", operator_,
                 R"({"fields":{"name":"x","kind":"clinic"}})")
                .status,
            403);
}

TEST_P(OnBothEngines, AUserOfOneFacilitySeesNothingOfAnother) {
  auto& ledger = services().ledger;
  const auto other = ledger.create({"", "t", "test"}, **ledger.find_register("facility"), "",
                                   {{{"name", "ほか"}, {"kind", "clinic"}}, ""});
  ASSERT_TRUE(other);
  const auto here = user_with(Role::planning_manager, first_.facility),
             there = user_with(Role::planning_manager, other->id);
  const auto made =
      send(http::Method::post, "/api/v1/registers/asset/records", here, R"({"fields":{"kind":"pc"}})");
  const auto id = text_of(*parse_json_object(made.body), "id");
  EXPECT_EQ(send(http::Method::get, "/api/v1/registers/asset/records/" + id, here).status, 200);
  EXPECT_EQ(send(http::Method::get, "/api/v1/registers/asset/records/" + id, there).status, 404);
  EXPECT_EQ(
      integer_of(*parse_json_object(send(http::Method::get, "/api/v1/registers/asset/records", there).body),
                 "total"),
      0);
  EXPECT_EQ(
      send(http::Method::get, "/api/v1/registers/asset/records?facility=" + first_.facility, there).status,
      403);
  for (const auto* path : {"/api/v1/today", "/api/v1/frameworks", "/api/v1/journal", "/api/v1/users",
                           "/api/v1/sources", "/api/v1/documents/registers/asset"})
    EXPECT_EQ(send(http::Method::get, std::string(path) + "?facility=" + first_.facility, there).status, 403)
        << path;
  const auto users = send(http::Method::get, "/api/v1/users", there);
  EXPECT_EQ(users.body.find("\"login\":\"manager\""), std::string::npos);
  EXPECT_EQ(send(http::Method::patch, "/api/v1/users/" + first_.user, there, R"({"enabled":false})").status,
            404);
  EXPECT_EQ(send(http::Method::get, "/api/v1/search?text=PC-001", there).body, R"({"items":[]})");
}

// A role at a group of facilities is a role in each of them, and in no other: every route, from both sides.
TEST_P(OnBothEngines, WhoWasGivenAGroupReachesTheFacilitiesBelowItAndNoOthers) {
  auto& ledger = services().ledger;
  const store::Actor actor{"", "t", "test"};
  const auto facility = [&](const char* name, const char* prefecture) {
    return ledger
        .create(actor, **ledger.find_register("facility"), "",
                {{{"name", name}, {"kind", "clinic"}, {"prefecture", prefecture}}, ""})
        ->id;
  };
  const auto east = facility("東診療所", "13"), west = facility("西診療所", "13"),
             far = facility("ヒミツ診療所", "27");
  for (const auto& [where, name] : {std::pair{east, "東の"}, {far, "ヒミツの"}}) {
    const auto make = [&, in = where](const char* reg, json::object fields) {
      const auto made = ledger.create(actor, **ledger.find_register(reg), in, {std::move(fields), ""});
      ASSERT_TRUE(made) << describe(made.error());
    };
    make("person", {{"name", std::string(name) + "職員"}});
    make("asset", {{"kind", "pc"}, {"place", std::string(name) + "部屋"}});
    make("log_source", {{"name", std::string(name) + "送信元"}, {"stream", "events"}});
    ASSERT_TRUE(
        services().sources.create(actor, where, {std::string(name) + "走査", "network", {}, {}, 0, true}));
  }
  const auto cookie = user_with(Role::planning_manager, "prefecture:13");
  const auto listed = *parse_json_object(send(http::Method::get, "/api/v1/session", cookie).body);
  EXPECT_EQ(listed.at("facilities").as_array().size(), 2u) << json::serialize(listed);
  const auto total = [&](const std::string& query) {
    return integer_of(
        *parse_json_object(send(http::Method::get, "/api/v1/registers/asset/records" + query, cookie).body),
        "total");
  };
  EXPECT_EQ(total(""), 1) << "of both facilities below it";
  EXPECT_EQ(total("?facility=" + east), 1);
  EXPECT_EQ(total("?facility=" + west), 0);
  std::size_t refused = 0;
  for (const auto& route : api::routes()) {
    SCOPED_TRACE(std::string(http::name_of(route.method)) + " " + std::string(route.path));
    if (route.permission == identity::Permission::none_needed || route.path == "/api/v1/session") continue;
    const auto path = filled(std::string(route.path));
    for (const auto& target : {path, path + "?facility=" + far}) {
      // What would be done, were it not refused.
      const auto body = target == path ? "{}" : json::serialize(api::example_of(route.contract.body));
      const auto reply = send(route.method, target, cookie, body);
      EXPECT_EQ(reply.body.find("ヒミツ"), std::string::npos) << target << reply.body.substr(0, 300);
      if (target != path && reply.status == 403) ++refused;
      EXPECT_LT(reply.status, 500) << reply.body.substr(0, 300);
    }
    if (route.method == http::Method::get &&
        route.path.find("inspection-package") == std::string_view::npos) {
      EXPECT_NE(send(route.method, path + "?facility=" + west, cookie).status, 403) << "its own";
    }
  }
  EXPECT_GT(refused, 30u);
  // Whoever has more than one was given is beyond reach.
  ASSERT_TRUE(services().users.set_roles(actor, first_.user, east, {Role::operator_}));
  ASSERT_TRUE(services().users.set_roles(actor, first_.user, "*", {Role::inspector}));
  EXPECT_EQ(send(http::Method::patch, "/api/v1/users/" + first_.user + "?facility=" + east, cookie,
                 R"({"enabled":false})")
                .status,
            403);
  // A facility that moves away is gone at once.
  ASSERT_TRUE(ledger.update(actor, **ledger.find_register("facility"), store::Scope::job(east), east, 1,
                            {{{"prefecture", "27"}}, ""}));
  EXPECT_EQ(send(http::Method::get, "/api/v1/today?facility=" + east, cookie).status, 403);
  EXPECT_EQ(total(""), 0);
}

TEST_P(OnBothEngines, AnAttachmentIsReachedThroughItsRecordOnly) {
  auto& ledger = services().ledger;
  const auto other = ledger.create({"", "t", "test"}, **ledger.find_register("facility"), "",
                                   {{{"name", "ほか"}, {"kind", "clinic"}}, ""});
  ASSERT_TRUE(other);
  const auto here = user_with(Role::planning_manager, first_.facility),
             staff = user_with(Role::staff, first_.facility),
             there = user_with(Role::planning_manager, other->id);
  const auto hash =
      text_of(*parse_json_object(send(http::Method::post, "/api/v1/blobs", here, "規程の本文").body), "hash");
  const auto made =
      send(http::Method::post, "/api/v1/registers/document/records", here,
           R"({"fields":{"title":"規程","kind":"rules","document":")" + hash + R"(:kitei.pdf"}})");
  ASSERT_EQ(made.status, 201) << made.body;
  const auto path =
      "/api/v1/registers/document/records/" + text_of(*parse_json_object(made.body), "id") + "/files/";
  const auto reply = send(http::Method::get, path + "document", here);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "規程の本文");
  EXPECT_EQ(send(http::Method::get, path + "document", staff).status, 403);
  EXPECT_EQ(send(http::Method::get, path + "document", there).status, 404);
  EXPECT_EQ(send(http::Method::get, path + "title", here).status, 404) << "not a file";
  EXPECT_EQ(send(http::Method::get, "/api/v1/blobs/" + hash, here).status, 404)
      << "the hash alone opens nothing";
  const auto stolen =
      send(http::Method::post, "/api/v1/registers/document/records", there,
           R"({"fields":{"title":"写し","kind":"rules","document":")" + hash + R"(:kitei.pdf"}})");
  ASSERT_EQ(stolen.status, 201) << stolen.body;
  const auto theirs = "/api/v1/registers/document/records/" + text_of(*parse_json_object(stolen.body), "id") +
                      "/files/document";
  EXPECT_EQ(send(http::Method::get, theirs, there).status, 404) << "nor by a record of one's own";
  EXPECT_EQ(send(http::Method::post, "/api/v1/blobs", there, "規程の本文").status, 201);
  EXPECT_EQ(send(http::Method::get, theirs, there).status, 200) << "who has the file itself may hand it in";
}

TEST_P(OnBothEngines, WhatIsTakenOutAndWhoIsTurnedAwayStandsInTheJournal) {
  const auto manager = user_with(Role::planning_manager, first_.facility),
             staff = user_with(Role::staff, first_.facility);
  const auto told = [&](const std::string& action) {
    const auto lease = *services().database.read();
    std::vector<std::string> out;
    for (const auto& entry :
         *store::read_journal(*lease, {.scope = store::Scope::door(first_.facility), .limit = 500}))
      if (entry.change.action == action) out.push_back(entry.change.reason);
    return out;
  };
  EXPECT_EQ(send(http::Method::get, "/api/v1/registers/person/export?format=xlsx", manager).status, 200);
  EXPECT_EQ(told("exported"), std::vector<std::string>{"GET /api/v1/registers/person/export xlsx"});
  EXPECT_EQ(send(http::Method::get, "/api/v1/documents/registers/asset?format=xlsx", manager).status, 200);
  EXPECT_EQ(told("printed").size(), 1u);
  EXPECT_EQ(send(http::Method::get, "/api/v1/registers/nothing/export", manager).status, 404);
  EXPECT_EQ(told("exported").size(), 1u) << "nothing was given out";

  for (int i = 0; i < 40; ++i) EXPECT_EQ(send(http::Method::get, "/api/v1/users", staff).status, 403);
  const auto some = told("refused").size();
  EXPECT_GE(some, 1u);
  EXPECT_LE(some, 10u) << "whoever knocks again and again does not fill the journal";
  clock_.advance(std::chrono::minutes(2));
  EXPECT_EQ(send(http::Method::get, "/api/v1/users", staff).status, 403);
  EXPECT_EQ(told("refused").size(), some + 1);
  EXPECT_NE(told("refused").front().find("(+35)"), std::string::npos) << told("refused").front();

  EXPECT_EQ(send(http::Method::delete_, "/api/v1/session", staff).status, 204);
  EXPECT_EQ(told("signed_out").size(), 1u);

  for (int i = 0; i < 400; ++i) {  // as many addresses
    auto stranger = request(http::Method::post, "/ingest/lines");
    stranger.remote = "198.51." + std::to_string(i / 200) + "." + std::to_string(i % 200);
    stranger.headers["authorization"] = "Bearer mml_wrong";
    EXPECT_EQ(api::admit(stranger, services()).refusal->status, 401);
  }
  const auto lease = *services().database.read();
  std::size_t strangers = 0;
  for (const auto& entry :
       *store::read_journal(*lease, {.scope = store::Scope::installation(), .limit = 2000}))
    strangers += entry.change.action == "refused" && entry.change.facility.empty() ? 1 : 0;
  EXPECT_GE(strangers, 100u);
  EXPECT_LE(strangers, 200u) << "many who knock do not fill it either";
}

TEST_P(OnBothEngines, TheJournalIsNoLogForWhoMayReadLogsAlone) {
  const auto manager = user_with(Role::planning_manager, first_.facility),
             operator_ = user_with(Role::operator_, first_.facility);
  ASSERT_TRUE(services().logs.journal().feed(first_.facility));  // it becomes a stream
  for (const auto* path : {"/api/v1/logs/search?stream=journal", "/api/v1/logs/search?stream=events,journal",
                           "/api/v1/logs/events/journal/0", "/api/v1/logs/export?stream=journal"}) {
    EXPECT_EQ(send(http::Method::get, path, operator_).status, 403) << path;
    EXPECT_EQ(send(http::Method::get, path, manager).status, 200) << path;
  }
  EXPECT_EQ(send(http::Method::get, "/api/v1/logs/search", operator_).status, 200);
}

TEST_P(OnBothEngines, AChangeOfAUserIsDoneWholeOrNotAtAll) {
  const auto manager = user_with(Role::planning_manager, first_.facility);
  const auto made = send(http::Method::post, "/api/v1/users", manager,
                         R"({"login":"sato","name":"佐藤","password":"kumo#Hana9 tori","roles":["staff"]})");
  ASSERT_EQ(made.status, 201) << made.body;
  const auto path = "/api/v1/users/" + text_of(*parse_json_object(made.body), "id");
  const auto roles = [&] { return services().users.find_login("sato")->roles.at(first_.facility); };
  for (const auto* body : {R"({"roles":["inspector"],"password":"weak"})", R"({"roles":"planning_manager"})",
                           R"({"roles":["inspector","nobody"]})", R"({"roles":["inspector"],"enabled":"no"})",
                           R"({"roles":["inspector"],"password":"みなと病院Ab1#xyzw"})",
                           R"({"roles":["inspector"],"admin":true})"})
    EXPECT_EQ(send(http::Method::patch, path, manager, body).status, 422) << body;
  EXPECT_EQ(roles(), std::set<Role>{Role::staff});
  EXPECT_EQ(send(http::Method::patch, path, manager, R"({"roles":["inspector"],"enabled":false})").status,
            200);
  EXPECT_EQ(roles(), std::set<Role>{Role::inspector});
  EXPECT_FALSE(services().users.find_login("sato")->enabled);

  // What counts everywhere needs the right everywhere.
  const auto sato = *services().users.find_login("sato");
  ASSERT_TRUE(services().users.set_roles({"", "t", "test"}, sato.id, "elsewhere", {Role::staff}));
  for (const auto* body :
       {R"({"enabled":true})", R"({"password":"kumo#Hana9 tori2"})", R"({"remove_totp":true})",
        R"({"end_sessions":true})", R"({"roles":["staff"],"enabled":true})"})
    EXPECT_EQ(send(http::Method::patch, path, manager, body).status, 403) << body;
  EXPECT_EQ(roles(), std::set<Role>{Role::inspector});
}

TEST_P(OnBothEngines, APasswordIsNotTheNameOfTheHouseWhereverItIsSet) {
  const auto manager = user_with(Role::planning_manager, first_.facility);
  const std::string weak = "みなと病院-Ab1xyzw#";
  EXPECT_EQ(send(http::Method::post, "/api/v1/account/password", manager,
                 json::serialize(json::object{{"current", kPassword}, {"password", weak}}))
                .status,
            422);
  EXPECT_EQ(send(http::Method::post, "/api/v1/account/password", manager,
                 json::serialize(json::object{{"current", kPassword}, {"password", "Minato2026#wzkq"}}))
                .status,
            422)
      << "nor in Latin letters";
}

TEST_P(OnBothEngines, OverTlsTheSessionsCookieIsOfThisHostAlone) {
  auto asked = request(http::Method::post, "/api/v1/session", "",
                       json::serialize(json::object{{"login", "manager"}, {"password", kPassword}}));
  asked.secure = true;
  const auto reply = answer(asked, *installation_);
  ASSERT_EQ(reply.status, 200) << reply.body;
  std::string cookie;
  for (const auto& [name, value] : reply.headers)
    if (name == "Set-Cookie") cookie = value;
  EXPECT_TRUE(cookie.starts_with("__Host-mamori_session=")) << cookie;
  EXPECT_NE(cookie.find("; Secure"), cookie.npos);
  const auto pair = cookie.substr(0, cookie.find(';'));
  const auto with = [&](const std::string& sent) {
    auto next = request(http::Method::get, "/api/v1/session");
    next.secure = true;
    next.headers["cookie"] = sent;
    return answer(next, *installation_).status;
  };
  EXPECT_EQ(with(pair), 200);
  EXPECT_EQ(with(pair.substr(std::string_view("__Host-").size())), 401)
      << "one that another host may have set";
}

TEST_P(OnBothEngines, ASecondFactorIsNotChangedByAPageThatWasLeftOpen) {
  const auto manager = user_with(Role::planning_manager, first_.facility);
  EXPECT_EQ(send(http::Method::post, "/api/v1/account/totp", manager, R"({"current":"wrong"})").status, 422);
  EXPECT_EQ(send(http::Method::post, "/api/v1/account/totp", manager, R"({})").status, 422);
  EXPECT_EQ(send(http::Method::post, "/api/v1/account/totp/remove", manager,
                 R"({"current":"wrong","code":"123456"})")
                .status,
            422);
  EXPECT_EQ(send(http::Method::delete_, "/api/v1/account/totp", manager).status, 405);
  EXPECT_EQ(send(http::Method::post, "/api/v1/account/totp", manager,
                 json::serialize(json::object{{"current", kPassword}}))
                .status,
            200);
}

TEST_P(OnBothEngines, NoBodyIsReadOfWhoMayNotSendIt) {
  const auto operator_ = user_with(Role::operator_, first_.facility),
             staff = user_with(Role::staff, first_.facility);
  const auto asked = [&](http::Method method, const std::string& target, const std::string& cookie = "") {
    return admit(request(method, target, cookie), *installation_);
  };
  const auto status = [](const http::Admission& admission) {
    return admission.refusal ? admission.refusal->status : 0;
  };
  const auto post = http::Method::post;
  EXPECT_EQ(asked(post, "/api/v1/imports", operator_).body, api::kUpload);
  EXPECT_EQ(asked(post, "/api/v1/imports/x/plan", operator_).body, api::kSmallBody);
  EXPECT_EQ(status(asked(post, "/api/v1/sources/x/file", staff)), 403);
  EXPECT_EQ(status(asked(post, "/api/v1/imports")), 401);
  EXPECT_EQ(status(asked(post, "/api/v1/nothing", operator_)), 404);
  EXPECT_EQ(status(asked(http::Method::put, "/api/v1/today", operator_)), 405);
  EXPECT_EQ(status(asked(post, "/index.html")), 405);
  EXPECT_EQ(status(asked(post, "/ingest/lines")), 401) << "no token";
  auto sender = request(post, "/ingest/lines");
  sender.headers["authorization"] = "Bearer mml_made-up";
  EXPECT_EQ(status(admit(sender, *installation_)), 401);
  const store::Actor actor{"", "t", "test"};
  const auto source =
      *services().ledger.create(actor, **services().ledger.find_register("log_source"), first_.facility,
                                {{{"name", "app"}, {"state", "accepted"}}, ""});
  const auto token = *services().logs.make_token(actor, store::Scope::door(first_.facility), source.id);
  sender.headers["authorization"] = "Bearer " + token.reveal();
  EXPECT_EQ(admit(sender, *installation_).body, api::kUpload);
  EXPECT_EQ(asked(post, "/api/v1/session").body, api::kStrangersBody);
  auto forged = request(post, "/api/v1/imports", operator_);
  forged.headers.erase("x-mamori");
  EXPECT_EQ(status(admit(forged, *installation_)), 403);
}

// What comes over HTTP is kept, or its sender is told so that it keeps it.
TEST_P(OnBothEngines, SendersAreAnsweredAsTheirProtocolsHaveIt) {
  const store::Actor actor{"", "t", "test"};
  const auto source =
      *services().ledger.create(actor, **services().ledger.find_register("log_source"), first_.facility,
                                {{{"name", "app"}, {"state", "accepted"}}, ""});
  const auto token =
      services().logs.make_token(actor, store::Scope::door(first_.facility), source.id)->reveal();
  using Headers = std::map<std::string, std::string>;
  const auto put = [&](http::Method method, const std::string& path, const std::string& body,
                       const Headers& headers = {}) {
    auto made = request(method, path, "", body);
    made.headers["authorization"] = "Bearer " + token;
    for (const auto& [name, value] : headers) made.headers[name] = value;
    return answer(made, *installation_);
  };
  const auto post = [&](const std::string& path, const std::string& body, const Headers& headers = {}) {
    return put(http::Method::post, path, body, headers);
  };
  std::size_t before = 0;
  const auto kept = [&] {  // since the last time
    std::vector<std::string> out;
    auto* stream = *services().logs.archive().stream({first_.facility, "events"});
    const archive::SearchOptions all;
    EXPECT_TRUE(stream->each_match({}, all.from, all.to, before,
                                   [&](proof::LeafIndex, const archive::Event& event) -> Result<bool> {
                                     out.emplace_back(event.raw);
                                     return true;
                                   }));
    before = stream->size();
    return out;
  };
  const auto header = [](const http::Reply& reply, std::string_view name) {
    for (const auto& [key, value] : reply.headers)
      if (key == name) return value;
    return std::string();
  };
  using List = std::vector<std::string>;

  // Codings, in any case; members in a row; what is torn or not known is refused and counted.
  const auto first = *from_base64("H4sIAAAAAAACA0vLLCouUcjJzEvlAgAQ/O+9CwAAAA=="),
             second = *from_base64("H4sIAAAAAAACAytOTc7PS1HIycxL5QIATTNGrQwAAAA=");
  const auto packed_zstd = *from_base64("KLUv/QRYWQAAdGhpcmQgbGluZQoz+r/F"),
             zlib = *from_base64("eJxLyy8tKslQyMnMS+UCAB9DBGs="),
             deflate = *from_base64("S8tMK8lQyMnMS+UCAA==");
  const auto lines = [&](const std::string& body, const std::string& coding) {
    return post("/ingest/lines", body, {{"content-encoding", coding}}).status;
  };
  EXPECT_EQ(lines(first + second + std::string(512, '\0'), "GZIP"), 201);
  EXPECT_EQ(kept(), (List{"first line", "second line"}));
  EXPECT_EQ(lines(packed_zstd + packed_zstd, "zstd"), 201);
  EXPECT_EQ(kept(), (List{"third line", "third line"}));
  EXPECT_EQ(lines(zlib, "deflate"), 201);
  EXPECT_EQ(lines(deflate, "Deflate"), 201);
  EXPECT_EQ(kept(), (List{"fourth line", "fifth line"}));
  EXPECT_EQ(lines("plain", "identity"), 201);
  EXPECT_EQ(kept(), (List{"plain"}));
  const auto counted = [&] {
    const auto text = services().logs.metrics();
    const std::string name = "\nmamori_log_refused_total ";
    return std::stoul(text.substr(text.find(name) + name.size()));
  };
  const auto refused = counted();
  std::size_t tried = 0;
  for (const auto& [body, coding] : std::vector<std::pair<std::string, std::string>>{
           {first.substr(0, first.size() - 3), "gzip"},
           {first + second.substr(0, 12), "gzip"},
           {first + "garbage", "gzip"},
           {packed_zstd.substr(0, packed_zstd.size() - 2), "zstd"},
           {packed_zstd + "x", "zstd"},
           {zlib.substr(0, zlib.size() - 5), "deflate"},
           {"no", "deflate"}}) {
    EXPECT_EQ(lines(body, coding), 422) << coding << tried;
    ++tried;
  }
  for (const auto* coding : {"br", "snappy", "gzip, zstd", "compress"}) {
    const auto reply = post("/ingest/v1/logs", first, {{"content-encoding", coding}});
    EXPECT_EQ(reply.status, 415) << coding;
    EXPECT_EQ(header(reply, "Accept-Encoding"), "gzip, deflate, zstd");
    EXPECT_EQ(parse_json_object(reply.body)->at("status").as_int64(), 415);
    ++tried;
  }
  EXPECT_EQ(kept(), List{});
  EXPECT_EQ(counted(), refused + tried);

  // FHIR.
  const auto audit = [](const std::string& patient) {
    return R"({"resourceType":"AuditEvent","recorded":"2026-11-20T01:00:00Z","entity":[{"what":{"reference":"Patient/)" +
           patient + R"("}}]})";
  };
  auto reply = post("/ingest/fhir/AuditEvent", "\xEF\xBB\xBF" + audit("1"));
  EXPECT_EQ(reply.status, 201) << reply.body;
  EXPECT_TRUE(header(reply, "Location").starts_with("/ingest/fhir/AuditEvent/")) << header(reply, "Location");
  EXPECT_TRUE(reply.content_type.starts_with("application/fhir+json"));
  reply = put(http::Method::put, "/ingest/fhir/AuditEvent/a-1", audit("2"));
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(header(reply, "Location"), "/ingest/fhir/AuditEvent/a-1/_history/1");
  EXPECT_EQ(put(http::Method::put, "/ingest/fhir/AuditEvent/a_1", audit("2")).status, 400);
  EXPECT_EQ(kept(), (List{audit("1"), audit("2")}));
  const auto bundle = [&](const std::string& type, const std::string& entries) {
    return R"({"resourceType":"Bundle","type":")" + type + R"(","entry":[)" + entries + "]}";
  };
  const auto entry = [](const std::string& resource) { return R"({"resource":)" + resource + "}"; };
  const auto mixed =
      entry(audit("3")) + "," + entry(R"({"resourceType":"Patient"})") + "," + entry(audit("4"));
  reply = post("/ingest/fhir", bundle("batch", mixed));
  EXPECT_EQ(reply.status, 200);
  auto answer_of = parse_json_object(reply.body);
  ASSERT_TRUE(answer_of);
  EXPECT_EQ(text_of(*answer_of, "type"), "batch-response");
  List statuses;
  for (const auto& one : answer_of->at("entry").as_array())
    statuses.emplace_back(one.at("response").at("status").as_string());
  EXPECT_EQ(statuses, (List{"201 Created", "422 Unprocessable Entity", "201 Created"}));
  EXPECT_EQ(kept(), (List{audit("3"), audit("4"), R"({"resourceType":"Patient"})"}));
  reply = post("/ingest/fhir", bundle("transaction", mixed));
  EXPECT_EQ(reply.status, 422) << "all or nothing";
  EXPECT_EQ(text_of(*parse_json_object(reply.body), "resourceType"), "OperationOutcome");
  EXPECT_EQ(kept(), (List{bundle("transaction", mixed)})) << "as it came, as refused";
  EXPECT_EQ(post("/ingest/fhir/", bundle("transaction", entry(audit("5")))).status, 200);
  EXPECT_EQ(post("/ingest/fhir/AuditEvent", "<x/>").status, 422);
  (void)kept();
  reply = put(http::Method::get, "/ingest/fhir/metadata", "");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(text_of(*parse_json_object(reply.body), "resourceType"), "CapabilityStatement");
  EXPECT_EQ(text_of(*parse_json_object(reply.body), "fhirVersion"), "4.0.1");

  // Elasticsearch: what Beats ask before they send; OTLP: bad data is 400.
  reply = put(http::Method::get, "/ingest/elastic/_license", "");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(header(reply, "X-Elastic-Product"), "Elasticsearch");
  EXPECT_EQ(parse_json_object(reply.body)->at("license").at("status").as_string(), "active");
  reply = put(http::Method::get, "/ingest/elastic/", "");
  EXPECT_EQ(parse_json_object(reply.body)->at("version").at("number").as_string(), "8.19.0");
  EXPECT_EQ(post("/ingest/elastic/_bulk", "nonsense\n").status, 400);
  EXPECT_EQ(post("/ingest/v1/logs", R"({"resourceLogs":)").status, 400);
  EXPECT_EQ(kept(), (List{"nonsense\n", R"({"resourceLogs":)"}));
  EXPECT_EQ(post("/ingest/lines", R"([{"user":"a"},{"user":"b"}])").status, 201);
  EXPECT_EQ(kept(), (List{R"({"user":"a"})", R"({"user":"b"})"}));
}

TEST_P(OnBothEngines, WhatWeHaveRunOutOfIsToldAsSomethingThatPasses) {
  for (const auto& [kind, code] :
       std::vector<std::pair<ErrorKind, std::string>>{{ErrorKind::exhausted, "os.disk.full"},
                                                      {ErrorKind::unavailable, "archive.cluster.unreachable"},
                                                      {ErrorKind::unavailable, "os.disk.failed"},
                                                      {ErrorKind::unavailable, "store.busy"},
                                                      {ErrorKind::exhausted, "store.disk-full"}}) {
    const auto reply = api::problem_reply({kind, code}, services().texts);
    EXPECT_EQ(reply.status, 503) << code;
    EXPECT_TRUE(std::any_of(reply.headers.begin(), reply.headers.end(), [](const auto& header) {
      return header.first == "Retry-After";
    })) << code;
  }
  EXPECT_EQ(api::problem_reply({ErrorKind::exhausted, "sheet.too-large"}, services().texts).status, 413);
}

TEST_P(OnBothEngines, WhatARouteDoesNotKnowIsRefusedWithItsName) {
  const auto cookie = user_with(Role::planning_manager, first_.facility);
  const auto problems = [&](http::Method method, const std::string& target, const std::string& body) {
    const auto reply = send(method, target, cookie, body);
    EXPECT_EQ(reply.status, 422) << reply.body;
    const auto said = *parse_json_object(reply.body);
    std::string out;
    for (const auto& problem : said.at("errors").as_array())
      out += text_of(problem.as_object(), "field") + " " + text_of(problem.as_object(), "code") + ";";
    return out;
  };
  const std::string records = "/api/v1/registers/asset/records";
  EXPECT_EQ(problems(http::Method::post, records, R"({"field":{"kind":"pc"}})"),
            "field api.body.unknown;fields api.body.missing;");
  EXPECT_EQ(problems(http::Method::post, records, R"({"fields":{"kind":["pc"]},"reason":7})"),
            "fields.kind api.body.type;reason api.body.type;");
  EXPECT_EQ(problems(http::Method::post, "/api/v1/users",
                     R"({"login":"x","name":"x","password":"x","role":["director"]})"),
            "role api.body.unknown;roles api.body.missing;");
  EXPECT_EQ(problems(http::Method::post, "/api/v1/jobs/x/run", R"({"now":true})"), "now api.body.unknown;");
  EXPECT_EQ(problems(http::Method::get, "/api/v1/today?facilty=x", ""), "facilty api.query.unknown;");
  EXPECT_EQ(problems(http::Method::post, "/api/v1/imports/x/apply", R"({"mode":"some"})"),
            "mode api.body.choice;");
}

TEST_P(OnBothEngines, WhatIsSentAgainWithItsKeyIsDoneOnce) {
  const auto cookie = user_with(Role::planning_manager, first_.facility);
  const auto post = [&](const std::string& path, const std::string& body, const std::string& key,
                        const std::string& by) {
    auto made = request(http::Method::post, path, by, body);
    made.headers["idempotency-key"] = key;
    return answer(made, *installation_);
  };
  const std::string records = "/api/v1/registers/asset/records";
  const auto total = [&] {
    return integer_of(*parse_json_object(send(http::Method::get, records, cookie).body), "total");
  };
  const auto first = post(records, R"({"fields":{"kind":"pc"}})", "key-00000001", cookie);
  const auto again = post(records, R"({"fields":{"kind":"pc"}})", "key-00000001", cookie);
  ASSERT_EQ(first.status, 201) << first.body;
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(total(), 1);
  EXPECT_EQ(post(records, R"({"fields":{"kind":"usb"}})", "key-00000001", cookie).status, 422)
      << "another request";
  EXPECT_EQ(post(records, R"({"fields":{"kind":"pc"}})", "key", cookie).status, 422) << "no key";
  const auto other = user_with(Role::planning_manager, first_.facility);
  EXPECT_EQ(post(records, R"({"fields":{"kind":"pc"}})", "key-00000001", other).status, 201);
  EXPECT_EQ(total(), 2) << "another person's key is another key";
  // What was refused may be mended and sent under the same key.
  EXPECT_EQ(post(records, R"({"fields":{"kind":"toaster"}})", "key-00000002", cookie).status, 422);
  EXPECT_EQ(post(records, R"({"fields":{"kind":"pc"}})", "key-00000002", cookie).status, 201);
  EXPECT_EQ(total(), 3);
  std::vector<std::thread> clicks;
  std::atomic<int> made{0};
  for (int i = 0; i < 4; ++i)
    clicks.emplace_back([&] {
      const auto reply = post(records, R"({"fields":{"kind":"pc"}})", "key-00000003", cookie);
      if (reply.status == 201)
        ++made;
      else
        EXPECT_EQ(reply.status, 409) << reply.body;
    });
  for (auto& click : clicks) click.join();
  EXPECT_GE(made, 1);
  EXPECT_EQ(total(), 4);
  // After a day a key is forgotten.
  clock_.advance(std::chrono::hours(25));
  const auto back =
      services().users.sign_in("manager", Secret(kPassword), "", "127.0.0.1", "test")->token.reveal();
  EXPECT_EQ(post(records, R"({"fields":{"kind":"pc"}})", "key-00000001", back).status, 201);
}

TEST_P(OnBothEngines, ASecretIsNotKeptForTheOneWhoAsksAgain) {
  const auto cookie = user_with(Role::planning_manager, first_.facility);
  const auto source =
      *services().ledger.create({"", "t", "test"}, **services().ledger.find_register("log_source"),
                                first_.facility, {{{"name", "fw"}, {"stream", "events"}}, ""});
  auto asked = request(http::Method::post, "/api/v1/logs/sources/" + source.id + "/token", cookie, "{}");
  asked.headers["idempotency-key"] = "key-00000001";
  const auto first = answer(asked, *installation_), again = answer(asked, *installation_);
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(again.status, 201);
  EXPECT_NE(first.body, again.body) << "a new one: the former is not known any more";
  const auto lease = services().database.read();
  EXPECT_EQ((*lease)->query("SELECT body FROM api_once WHERE body LIKE '%mml_%'")->rows.size(), 0u);
}

TEST_P(OnBothEngines, TheOpenApiDocumentHoldsEveryRoute) {
  const auto document = *parse_json_object(send(http::Method::get, "/api/v1/openapi.json").body);
  const auto& paths = document.at("paths").as_object();
  std::size_t operations = 0;
  for (const auto& [path, methods] : paths) operations += methods.as_object().size();
  EXPECT_EQ(operations, api::routes().size());
  for (const auto& route : api::routes()) EXPECT_TRUE(paths.contains(route.path)) << route.path;
}

TEST_P(OnBothEngines, AnImportSentTwiceAtOnceIsWrittenOnceAndLivesOnAfterARestart) {
  const auto manager = user_with(Role::planning_manager, first_.facility);
  std::string csv = "種別,型番\n";
  for (int i = 0; i < 50; ++i) csv += "パソコン,型" + std::to_string(i) + "\n";
  const auto made = send(http::Method::post, "/api/v1/imports?register=asset&file=x.csv", manager, csv);
  ASSERT_EQ(made.status, 201) << made.body;
  const auto id = text_of(*parse_json_object(made.body), "id");
  installation_.reset();
  installation_ = open();
  std::vector<int> statuses(4);
  std::vector<std::thread> threads;
  for (auto& status : statuses)
    threads.emplace_back(
        [&] { status = send(http::Method::post, "/api/v1/imports/" + id + "/apply", manager, "{}").status; });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(std::count(statuses.begin(), statuses.end(), 200), 1);
  EXPECT_EQ(std::count(statuses.begin(), statuses.end(), 409), 3);
  const auto total = [&] {
    return integer_of(
        *parse_json_object(send(http::Method::get, "/api/v1/registers/asset/records?limit=1", manager).body),
        "total");
  };
  EXPECT_EQ(total(), 50);
  const auto page =
      *parse_json_object(send(http::Method::get, "/api/v1/registers/asset/records?limit=1", manager).body);
  auto edit = request(http::Method::patch,
                      "/api/v1/registers/asset/records/" + text_of(page.at("items").at(0).as_object(), "id"),
                      manager, R"({"fields":{"place":"医局"}})");
  edit.headers["if-match"] = "\"1\"";
  ASSERT_EQ(answer(edit, *installation_).status, 200);
  installation_.reset();
  installation_ = open();
  const auto listed = *parse_json_object(send(http::Method::get, "/api/v1/imports", manager).body);
  EXPECT_EQ(text_of(listed.at("items").at(0).as_object(), "id"), id);
  const auto undone = send(http::Method::post, "/api/v1/imports/" + id + "/undo", manager, "{}");
  ASSERT_EQ(undone.status, 200) << undone.body;
  EXPECT_EQ(integer_of(*parse_json_object(undone.body), "undone"), 49);
  EXPECT_EQ(parse_json_object(undone.body)->at("kept").as_array().size(), 1u);
  EXPECT_EQ(total(), 1);
  EXPECT_EQ(send(http::Method::post, "/api/v1/imports/" + id + "/undo", manager, "{}").status, 409);
}

TEST_P(OnBothEngines, TheZeroCharacterIsRefusedWithTheFieldsName) {
  const auto manager = user_with(Role::planning_manager, first_.facility);
  const std::string zero = "\\u0000";
  for (const auto& [body, field] : std::vector<std::pair<std::string, std::string>>{
           {R"({"fields":{"title":"a)" + zero + R"(b","kind":"policy"}})", "title"},
           {R"({"fields":{"title":"x","kind":"policy"},"reason":"a)" + zero + R"(b"})", "reason"},
           {R"({"fields":{"title":"x","kind":"policy","number":"a)" + zero + R"("}})", "number"}}) {
    const auto reply = send(http::Method::post, "/api/v1/registers/document/records", manager, body);
    EXPECT_EQ(reply.status, 422) << body;
    const auto problem = *parse_json_object(reply.body);
    ASSERT_EQ(problem.at("errors").as_array().size(), 1u) << reply.body;
    EXPECT_EQ(text_of(problem.at("errors").at(0).as_object(), "field"), field);
  }
  EXPECT_EQ(send(http::Method::post, "/api/v1/views", manager,
                 R"({"register":"asset","name":"a)" + zero + R"(","query":""})")
                .status,
            422);
  EXPECT_EQ(send(http::Method::post, "/api/v1/session", "", R"({"login":"a)" + zero + R"(","password":"x"})")
                .status,
            422);
  for (const auto& text :
       {std::string("a\0b", 3), std::string("\xFF")}) {  // the listener refuses some of it before
    auto asked = request(http::Method::get, "/api/v1/registers/asset/records", manager);
    asked.query["text"] = text;
    EXPECT_EQ(answer(asked, *installation_).status, 422);
  }
  const auto import = send(http::Method::post, "/api/v1/imports?register=asset&file=x.csv", manager,
                           std::string("種別,管理番号,型番\nパソコン,A-1,a\0b\n", 43));
  EXPECT_NE(import.status, 500) << import.body;
  auto odd = request(http::Method::post, "/api/v1/session", "",
                     R"({"login":"manager","password":")" + std::string(kPassword) + R"("})");
  odd.headers["user-agent"] = "\xFF odd";
  EXPECT_LT(answer(odd, *installation_).status, 300);
  auto lease = services().database.read();
  EXPECT_TRUE(store::verify_journal(**lease));
}

TEST_P(OnBothEngines, AFailedFirstSetUpLeavesNothing) {
  const auto count = [&](const char* table) {
    auto lease = services().database.read();
    return store::as_integer((*lease)->query(std::string("SELECT COUNT(*) FROM ") + table)->rows[0][0]);
  };
  const auto before = count("journal");
  for (const auto& given :
       {api::FirstUse{"別の病院", "hospital", 0, true, "a b", "名前", Secret(kPassword)},
        api::FirstUse{"別の病院", "hospital", 0, true, "manager", "名前", Secret(kPassword)},
        api::FirstUse{"別の病院", "no such kind", 0, true, "other", "名前", Secret(kPassword)},
        api::FirstUse{"", "hospital", 0, true, "other", "名前", Secret(kPassword)}})
    EXPECT_FALSE(api::first_use(services(), given, "test"));
  EXPECT_EQ(count("r_facility"), 1);
  EXPECT_EQ(count("users"), 1);
  EXPECT_EQ(count("journal"), before);
}

TEST_P(OnBothEngines, AnUnknownSendersMessagesGoToAFacilityThatSomebodyLooksAfter) {
  // As an earlier set-up may have left it: older than the one in use, and nobody's.
  {
    auto transaction = services().database.begin();
    ASSERT_TRUE((*transaction)
                    ->execute("INSERT INTO r_facility (id, facility, number, label, version, created_at, "
                              "updated_at, retired_reason, search, name, kind) VALUES "
                              "('0orphan','0orphan','','x',1,0,0,'','x','x','clinic')"));
    ASSERT_TRUE(transaction->commit());
  }
  const auto source = services().logs.source_of({.address = "127.0.0.9"});
  ASSERT_TRUE(source) << describe(source.error());
  EXPECT_EQ(source->facility, first_.facility);
}

TEST_P(OnBothEngines, ErrorsSpeakBothLanguagesAndNameTheField) {
  const auto manager = user_with(Role::planning_manager, first_.facility);
  const auto reply = send(http::Method::post, "/api/v1/registers/asset/records", manager,
                          R"({"fields":{"kind":"pc","bought_on":"5/32"}})");
  EXPECT_EQ(reply.status, 422);
  const auto problem = *parse_json_object(reply.body);
  const auto& error = problem.at("errors").as_array().at(0).as_object();
  EXPECT_EQ(text_of(error, "field"), "bought_on");
  EXPECT_EQ(
      text_of(error, "ja"),
      "「購入日」の「5/32」は日付として読めません。2023/5/31 や 令和5年5月31日 のように直してください。");
  EXPECT_EQ(text_of(error, "en"), "Bought: 5/32 is not a date. Write it like 2023/5/31.");
  EXPECT_EQ(send(http::Method::post, "/api/v1/registers/asset/records", manager, "{").status, 422);
  EXPECT_EQ(
      send(http::Method::patch, "/api/v1/registers/asset/records/x", manager, R"({"fields":{}})").status, 422)
      << "without If-Match";
  EXPECT_EQ(send(http::Method::get, "/api/v1/nothing", manager).status, 404);
  EXPECT_EQ(send(http::Method::put, "/api/v1/today", manager).status, 405);
  EXPECT_EQ(send(http::Method::get, "/../../etc/passwd").status, 404);
}

TEST_P(OnBothEngines, TheInspectionPackageVerifiesAndNamesTheFirstAlteredFile) {
  // Two sources whose readings are the same, byte for byte.
  const store::Actor actor{"", "t", "test"};
  for (const auto* name : {"走査1", "走査2"}) {
    const auto source = services().sources.create(
        actor, first_.facility,
        {.name = name, .kind = "network", .settings = {{"targets", "10.9.0.0/24"}}, .secret = {}});
    ASSERT_TRUE(source) << describe(source.error());
    const auto run = services().sources.run_file(
        actor, store::Scope::door(first_.facility), source->id,
        R"(<?xml version="1.0"?><nmaprun scanner="nmap" start="1795230000"><host><status state="up"/><address addr="10.9.0.7" addrtype="ipv4"/></host><runstats><finished time="1795230010"/></runstats></nmaprun>)");
    ASSERT_TRUE(run) << describe(run.error());
    ASSERT_EQ(run->error, "");
  }
  report::PackageRequest package;
  package.request = {first_.facility, store::Scope::door(first_.facility), "ja", "試験"};
  package.frameworks = {"minimum-measures-2024"};
  package.key = &services().signing_key;
  package.blobs = &services().blobs;
  const auto bytes =
      report::inspection_package({services().ledger, services().assessor, services().texts}, package);
  ASSERT_TRUE(bytes) << describe(bytes.error());
  const auto verified = report::verify_package(*bytes);
  ASSERT_TRUE(verified) << describe(verified.error());
  EXPECT_EQ(verified->facility, "みなと病院");
  const auto files = *document::read_zip(*bytes, 1u << 30);
  // What somebody brought as a file says so, in the package and where an answer rests on it.
  const auto index = std::find_if(files.begin(), files.end(),
                                  [](const auto& file) { return file.first == "evidence/index.json"; });
  ASSERT_NE(index, files.end());
  const auto entries = parse_json(index->second);
  ASSERT_TRUE(entries && entries->is_array());
  ASSERT_EQ(entries->get_array().size(), 2u);
  for (const auto& entry : entries->get_array()) EXPECT_EQ(text_of(entry.as_object(), "origin"), "file");
  const auto answers = services().assessor.controls().all(first_.facility);
  ASSERT_TRUE(answers) << describe(answers.error());
  EXPECT_EQ((*answers)->at("assets.discovered").evidence.at(0).files,
            (std::vector<std::string>{"走査1", "走査2"}));
  const auto outcome = [&](const std::function<void(document::ZipFiles&)>& change) {
    auto copy = files;
    change(copy);
    const auto result = report::verify_package(*document::write_zip(copy));
    return result ? std::string("whole")
                  : result.error().code + " " +
                        (result.error().facts.empty() ? "" : result.error().facts[0].second);
  };
  EXPECT_EQ(outcome([](auto&) {}), "whole");
  for (std::size_t i = 0; i + 2 < files.size(); ++i) {
    EXPECT_EQ(outcome([&](auto& copy) { copy[i].second += " "; }), "report.verify.altered " + files[i].first);
    EXPECT_EQ(outcome([&](auto& copy) { copy.erase(copy.begin() + static_cast<std::ptrdiff_t>(i)); }),
              "report.verify.missing " + files[i].first);
  }
  EXPECT_EQ(outcome([](auto& copy) { copy.emplace_back("extra.txt", "x"); }),
            "report.verify.added extra.txt");
  EXPECT_EQ(outcome([&](auto& copy) { copy[files.size() - 2].second += " "; }), "report.verify.signature ");
  EXPECT_EQ(report::verify_package(*bytes, std::string(64, '0')).error().code, "report.verify.key");
  EXPECT_EQ(report::verify_package("no zip").error().code, "document.zip.broken");
}

TEST_P(OnBothEngines, ThePackageHasTheFormsOfVendorsThatAnswered) {
  const store::Actor actor{"", "t", "test"};
  const auto& vendors = **services().ledger.find_register("vendor");
  const auto answered =
      *services().ledger.create(actor, vendors, first_.facility, {{{"name", "答えた事業者"}}, ""});
  ASSERT_TRUE(services().ledger.create(actor, vendors, first_.facility, {{{"name", "まだの事業者"}}, ""}));
  ASSERT_TRUE(services().assessor.declarations().declare(
      actor, first_.facility,
      {.framework = "mhlw-vendor-r7", .item = "1(1)", .vendor = answered.id, .answer = assess::Answer::yes}));
  report::PackageRequest package;
  package.request = {first_.facility, store::Scope::door(first_.facility), "ja", "試験"};
  package.key = &services().signing_key;
  const auto bytes =
      report::inspection_package({services().ledger, services().assessor, services().texts}, package);
  ASSERT_TRUE(bytes) << describe(bytes.error());
  std::set<std::string> forms;
  const auto files = *document::read_zip(*bytes, 1u << 30);
  for (const auto& [name, content] : files)
    if (name.find("mhlw-vendor") != name.npos && name.ends_with(".pdf")) forms.insert(name);
  EXPECT_EQ(forms, std::set<std::string>{"checklists/mhlw-vendor-r7-" + answered.number + ".pdf"});
}

TEST(Texts, EveryCodeInTheSourceHasItsSentencesInBothLanguages) {
  const auto texts = *Texts::load(kSource / "data/texts");
  for (const auto& [key, words] : texts.all()) {
    EXPECT_FALSE(words.ja.empty()) << key;
    EXPECT_FALSE(words.en.empty()) << key;
  }
  const std::set<std::string> modules = {"base",     "store",   "sheet", "ledger",  "identity",
                                         "assess",   "collect", "logs",  "archive", "report",
                                         "document", "api",     "http",  "server",  "cli"};
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kSource / "src")) {
    if (entry.path().extension() != ".cpp" || entry.path().string().ends_with("_test.cpp")) continue;
    const auto source = *read_file(entry.path(), 1u << 20);
    for (std::size_t at = source.find("Error{ErrorKind::"); at != source.npos;
         at = source.find("Error{ErrorKind::", at + 1)) {
      const auto quote = source.find('"', at), end = source.find('"', quote + 1);
      if (quote == source.npos || quote > source.find('\n', at)) continue;
      const auto code = source.substr(quote + 1, end - quote - 1);
      if (modules.contains(code.substr(0, code.find('.'))) && !code.ends_with('.')) {
        EXPECT_TRUE(texts.has(code)) << entry.path().filename() << " " << code;
      }
    }
  }
}

}  // namespace
}  // namespace mamori::server
