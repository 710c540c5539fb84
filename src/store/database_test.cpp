#include "store/database.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "store/question.h"
#include "testing/clock.h"
#include "testing/postgres.h"
#include "testing/simulated_vfs.h"

namespace mamori::store {
namespace {

class OnBothEngines : public ::testing::TestWithParam<Engine> {
 protected:
  mamori::testing::ManualClock clock_;
  mamori::testing::FreshDatabase database_{GetParam(), clock_};

  Status run(std::string_view sql) {
    auto transaction = MAMORI_TRY(database_->begin());
    MAMORI_TRY(transaction->script(sql));
    return transaction.commit();
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, OnBothEngines, ::testing::Values(Engine::sqlite, Engine::postgresql),
                         [](const auto& chosen) {
                           return chosen.param == Engine::sqlite ? "SQLite" : "PostgreSQL";
                         });

TEST_P(OnBothEngines, GivesBackEveryKindOfValueAsItWasStored) {
  ASSERT_TRUE(run("CREATE TABLE t (a TEXT, b BIGINT, c DOUBLE PRECISION, d BOOLEAN)"));
  auto transaction = database_->begin();
  ASSERT_TRUE(transaction);
  ASSERT_TRUE((*transaction)
                  ->execute("INSERT INTO t VALUES (?,?,?,?)",
                            {std::string("令和'; --"), std::int64_t{1} << 60, 2.5, true}));
  ASSERT_TRUE(
      (*transaction)->execute("INSERT INTO t VALUES (?,?,?,?)", {Value{}, Value{}, Value{}, Value{}}));
  ASSERT_TRUE(transaction->commit());
  auto lease = database_->read();
  const auto rows = (*lease)->query("SELECT a, b, c, d FROM t WHERE d OR d IS NULL ORDER BY b IS NULL");
  ASSERT_TRUE(rows) << describe(rows.error());
  EXPECT_EQ(rows->rows[0], (Row{std::string("令和'; --"), std::int64_t{1} << 60, 2.5, std::int64_t{1}}));
  EXPECT_EQ(rows->rows[1], (Row{Value{}, Value{}, Value{}, Value{}}));
}

TEST_P(OnBothEngines, ATransactionThatIsNotCommittedLeavesNothing) {
  ASSERT_TRUE(run("CREATE TABLE t (a BIGINT PRIMARY KEY)"));
  {
    auto transaction = database_->begin();
    ASSERT_TRUE((*transaction)->execute("INSERT INTO t VALUES (?)", {std::int64_t{1}}));
    transaction->journal({"u", "U", "test"}, {"f", "t", "1", "created", "", "{}", ""});
  }
  auto lease = database_->read();
  EXPECT_EQ((*lease)->query("SELECT a FROM t")->rows.size(), 0u);
  EXPECT_EQ((*lease)->query("SELECT sequence FROM journal")->rows.size(), 0u);
}

TEST_P(OnBothEngines, ManyRowsInOneCallAreAllThereOrNone) {
  ASSERT_TRUE(run("CREATE TABLE t (a BIGINT PRIMARY KEY)"));
  std::vector<Row> rows;
  for (std::int64_t i = 0; i < 1234; ++i) rows.push_back({i});
  {
    auto transaction = database_->begin();
    ASSERT_TRUE((*transaction)->execute_many("INSERT INTO t VALUES (?)", rows));
    ASSERT_TRUE(transaction->commit());
  }
  {
    auto transaction = database_->begin();
    const auto again =
        (*transaction)->execute_many("INSERT INTO t VALUES (?)", {{std::int64_t{5000}}, {std::int64_t{7}}});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, "store.duplicate");
  }
  auto lease = database_->read();
  EXPECT_EQ(as_integer((*lease)->query("SELECT COUNT(*) FROM t")->rows[0][0]), 1234);
}

// What another administrator, or a restart of the server, does to everyone's connections.
void end_connections(const std::string& url) {
  const auto other = open_postgresql(url);
  ASSERT_TRUE(other) << describe(other.error());
  ASSERT_TRUE(
      (*other)->query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                      "current_database() AND pid <> pg_backend_pid()",
                      {}));
  for (int i = 0; i < 600; ++i) {
    const auto left = (*other)->query(
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
        "pg_backend_pid()",
        {});
    if (as_integer(left->rows[0][0]) == 0) return;
    ::usleep(50'000);
  }
  FAIL() << "connections stay";
}

class OnPostgreSql : public ::testing::Test {
 protected:
  mamori::testing::ManualClock clock_;
  mamori::testing::FreshDatabase database_{Engine::postgresql, clock_};
  Status run(std::string_view sql) {
    auto transaction = MAMORI_TRY(database_->begin());
    MAMORI_TRY(transaction->script(sql));
    return transaction.commit();
  }
  std::int64_t count(const std::string& table) {
    auto lease = database_->read();
    const auto rows = (*lease)->query("SELECT COUNT(*) FROM " + table);
    EXPECT_TRUE(rows) << describe(rows.error());
    return rows ? as_integer(rows->rows[0][0]) : -1;
  }
};

TEST_F(OnPostgreSql, TheFirstWriterAfterARestartOfTheServerSucceeds) {
  ASSERT_TRUE(run("CREATE TABLE t (a BIGINT)"));
  end_connections(database_.url());
  const auto written = run("INSERT INTO t VALUES (1)");
  EXPECT_TRUE(written) << describe(written.error());
  EXPECT_EQ(count("t"), 1);
}

TEST_F(OnPostgreSql, AConnectionEndedJustBeforeATransactionIsMadeAnew) {
  auto connection = open_postgresql(database_.url());
  ASSERT_TRUE(connection);
  end_connections(database_.url());
  const auto begun = (*connection)->begin();
  EXPECT_TRUE(begun) << describe(begun.error());
  EXPECT_TRUE((*connection)->commit());
}

TEST_F(OnPostgreSql, AQuestionsConnectionThatIsMadeAnewCanStillOnlyRead) {
  ASSERT_TRUE(run("CREATE TABLE t (a BIGINT)"));
  auto lease = database_->question();
  ASSERT_TRUE(lease);
  end_connections(database_.url());
  static_cast<void>((*lease)->query("SELECT 1"));  // notices that it is gone
  EXPECT_TRUE((*lease)->query("SELECT 1"));
  const auto refused = (*lease)->execute("INSERT INTO t VALUES (1)");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "store.read-only");
}

TEST_F(OnPostgreSql, NothingIsWrittenAfterTheConnectionWasLostWithinATransaction) {
  ASSERT_TRUE(run("CREATE TABLE t (a BIGINT)"));
  {
    auto transaction = database_->begin();
    ASSERT_TRUE((*transaction)->execute("INSERT INTO t VALUES (1)"));
    end_connections(database_.url());
    EXPECT_FALSE((*transaction)->execute("INSERT INTO t VALUES (2)"));
    const auto third = (*transaction)->execute("INSERT INTO t VALUES (3)");
    ASSERT_FALSE(third) << "outside of any transaction it would be kept by itself";
    EXPECT_EQ(third.error().code, "store.rolled-back");
    EXPECT_FALSE(transaction->commit());
  }
  EXPECT_EQ(count("t"), 0);
}

TEST_F(OnPostgreSql, ACommitInWhichSomethingHadFailedIsNoSuccess) {
  ASSERT_TRUE(run("CREATE TABLE t (a BIGINT PRIMARY KEY)"));
  {
    auto transaction = database_->begin();
    ASSERT_TRUE((*transaction)->execute("INSERT INTO t VALUES (1)"));
    EXPECT_FALSE((*transaction)->execute("INSERT INTO t VALUES (1)"));
    const auto committed = transaction->commit();
    ASSERT_FALSE(committed) << "the server rolled back, and said so in one word only";
    EXPECT_EQ(committed.error().code, "store.rolled-back");
  }
  EXPECT_EQ(count("t"), 0);
}

TEST_F(OnPostgreSql, AConnectionLostWhileCommittingLeavesTheOutcomeOpen) {
  ASSERT_TRUE(
      run("CREATE TABLE t (a BIGINT);"
          "CREATE FUNCTION fall() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM "
          "pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';"
          "CREATE CONSTRAINT TRIGGER falls AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
          "EXECUTE FUNCTION fall()"));
  {
    auto transaction = database_->begin();
    ASSERT_TRUE((*transaction)->execute("INSERT INTO t VALUES (1)"));
    const auto committed = transaction->commit();
    ASSERT_FALSE(committed);
    EXPECT_EQ(committed.error().code, "store.outcome-unknown") << describe(committed.error());
  }
  EXPECT_EQ(count("t"), 0) << "and the connection is not used again";
}

TEST_F(OnPostgreSql, AConnectionLostAmongManyRowsIsNotUsedAgain) {
  ASSERT_TRUE(
      run("CREATE TABLE t (a BIGINT);"
          "CREATE FUNCTION fall() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.a = 700 THEN PERFORM "
          "pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END';"
          "CREATE TRIGGER falls BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fall()"));
  std::vector<Row> rows;
  for (std::int64_t i = 0; i < 2000; ++i) rows.push_back({i});
  {
    auto transaction = database_->begin();
    EXPECT_FALSE((*transaction)->execute_many("INSERT INTO t VALUES (?)", rows));
    EXPECT_FALSE((*transaction)->execute("INSERT INTO t VALUES (1)"));
    EXPECT_FALSE(transaction->commit());
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(count("t"), 0);
  EXPECT_TRUE(run("INSERT INTO t VALUES (1)"));
  EXPECT_EQ(count("t"), 1);
}

// Between a client and the server: can take what the client says and let nothing of it through, as a server
// does that lost its power, or froze.
class Tunnel {
 public:
  explicit Tunnel(int server) : server_(server), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const auto any = address(0);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    sockaddr_in mine{};
    socklen_t size = sizeof mine;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&mine), &size);
    port_ = ntohs(mine.sin_port);
    thread_ = std::thread([this] { carry(); });
  }
  ~Tunnel() {
    stopping_ = true;
    thread_.join();
    ::close(listener_);
    for (const auto& [one, other] : pairs_) ::close(one), ::close(other);
  }
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;
  int port() const { return port_; }
  std::atomic<bool> swallows{false};

 private:
  static sockaddr_in address(int port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    out.sin_port = htons(static_cast<std::uint16_t>(port));
    return out;
  }
  void accept_one() {
    const int client = ::accept(listener_, nullptr, nullptr),
              server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto to = address(server_);
    EXPECT_EQ(::connect(server, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    pairs_.emplace_back(client, server);
    pairs_.emplace_back(server, client);
  }
  void carry() {
    char piece[65536];
    while (!stopping_) {
      std::vector<pollfd> files{{listener_, POLLIN, 0}};
      for (const auto& [from, to] : pairs_) files.push_back({from, POLLIN, 0});
      ::poll(files.data(), files.size(), 20);
      for (std::size_t i = 1; i < files.size(); ++i) {
        if (files[i].revents == 0) continue;
        const auto count = ::recv(files[i].fd, piece, sizeof piece, MSG_DONTWAIT);
        if (count > 0 && !swallows)
          static_cast<void>(
              ::send(pairs_[i - 1].second, piece, static_cast<std::size_t>(count), MSG_NOSIGNAL));
        if (count == 0) ::shutdown(pairs_[i - 1].second, SHUT_WR);
      }
      if (files[0].revents != 0) accept_one();
    }
  }

  const int server_;
  int listener_, port_ = 0;
  std::vector<std::pair<int, int>> pairs_;  // from, to
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

class BehindATunnel : public OnPostgreSql {
 protected:
  static std::string port_of(const std::string& url) {
    const auto at = url.rfind(':') + 1;
    return url.substr(at, url.find('/', at) - at);
  }
  std::unique_ptr<Connection> connect(const Patience& patience) {
    auto url = database_.url();
    url.replace(url.rfind(':') + 1, port_of(url).size(), std::to_string(tunnel_.port()));
    auto opened = open_postgresql(url + "?connect_timeout=2", patience);
    EXPECT_TRUE(opened) << describe(opened.error());
    return std::move(opened).take();
  }
  static Status told(const Result<Rows>& rows) { return rows ? Status{} : Status(rows.error()); }
  // Whether it ends soon, and how.
  static std::string code_of(const std::function<Status()>& call) {
    const auto start = std::chrono::steady_clock::now();
    const auto outcome = call();
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
    return outcome ? "ok" : outcome.error().code;
  }

  Tunnel tunnel_{std::stoi(port_of(database_.url()))};
  static constexpr Patience kShort{std::chrono::milliseconds(300), std::chrono::milliseconds(600),
                                   std::chrono::milliseconds(200)};
};

TEST_F(BehindATunnel, AServerThatSaysNothingMoreIsGivenUpAndUsedAgainWhenItIsBack) {
  ASSERT_TRUE(run("CREATE TABLE t (a BIGINT)"));
  const auto connection = connect(kShort);
  const std::vector<Row> many(3000, Row{std::int64_t{1}});
  const std::pair<const char*, std::function<Status()>> calls[] = {
      {"statement", [&] { return told(connection->query("SELECT 1")); }},
      {"script", [&] { return connection->script("SELECT 1"); }},
      {"begin", [&] { return connection->begin(); }},
      {"many", [&] { return connection->execute_many("INSERT INTO t VALUES (?)", many); }},
  };
  for (const auto& [name, call] : calls) {
    SCOPED_TRACE(name);
    const auto fresh = std::string_view(name) == "many" ? nullptr : connection.get();
    tunnel_.swallows = true;
    EXPECT_EQ(code_of(call), "store.unreachable");
    EXPECT_FALSE(connection->is_fit());
    tunnel_.swallows = false;
    if (fresh) {
      EXPECT_TRUE(fresh->query("SELECT 1")) << "connects anew";
    }
  }
}

TEST_F(BehindATunnel, ACommitWithoutAnAnswerLeavesTheOutcomeOpen) {
  ASSERT_TRUE(run("CREATE TABLE t (a BIGINT)"));
  const auto connection = connect(kShort);
  ASSERT_TRUE(connection->begin());
  ASSERT_TRUE(connection->execute("INSERT INTO t VALUES (1)"));
  tunnel_.swallows = true;
  EXPECT_EQ(code_of([&] { return connection->commit(); }), "store.outcome-unknown");
  EXPECT_FALSE(connection->is_fit());
}

TEST_F(BehindATunnel, AQuestionWaitsLittleLongerThanItsLimitAndLongStatementsMayTakeTheirTime) {
  const auto connection =
      connect({std::chrono::seconds(60), std::chrono::seconds(60), std::chrono::milliseconds(200)});
  ASSERT_TRUE(connection->query("SELECT pg_sleep(1)"));
  ASSERT_TRUE(connection->restrict_to_reading(std::chrono::milliseconds(200)));
  tunnel_.swallows = true;
  EXPECT_EQ(code_of([&] { return told(connection->query("SELECT 2")); }), "store.unreachable");
}

TEST_P(OnBothEngines, TextThatAnEngineWouldCutOrChangeIsRefused) {
  ASSERT_TRUE(run("CREATE TABLE t (a TEXT)"));
  auto transaction = database_->begin();
  for (const auto& bad : {std::string("a\0b", 3), std::string("\xE3\x81"), std::string("\x80")}) {
    const auto one = (*transaction)->execute("INSERT INTO t VALUES (?)", {bad});
    ASSERT_FALSE(one);
    EXPECT_EQ(one.error().code, "store.text");
    const auto many =
        (*transaction)->execute_many("INSERT INTO t VALUES (?)", {{std::string("good")}, {bad}});
    ASSERT_FALSE(many);
    EXPECT_EQ(many.error().code, "store.text");
  }
}

TEST_P(OnBothEngines, TheJournalsHashIsAlwaysOverWhatIsStored) {
  const auto write = [&](const std::string& reason) -> Status {
    auto transaction = MAMORI_TRY(database_->begin());
    transaction.journal({"u", "田中", "web"},
                        {"f", "asset", "1", "created", "", R"({"n":1.10,"e":1e300,"s":"\u0000é"})", reason});
    return transaction.commit();
  };
  EXPECT_FALSE(write(std::string("a\0b", 3)))
      << "a hash over what the engine does not keep breaks the chain for good";
  EXPECT_FALSE(write("\xFF"));
  EXPECT_TRUE(write(" a\r\n\tb\\ 'c' $1 ? \xF0\x9F\x98\x80 "));
  auto lease = database_->read();
  const auto state = verify_journal(**lease);
  ASSERT_TRUE(state) << describe(state.error());
  EXPECT_EQ(state->entries, 1);
}

TEST(Sqlite, AFullDiskWithinATransactionLeavesNothingBehind) {
  const testing::ManualClock clock;
  testing::FreshDatabase database(Engine::sqlite, clock);
  {
    auto transaction = database->begin();
    ASSERT_TRUE((*transaction)->script("CREATE TABLE t (a TEXT)"));
    ASSERT_TRUE(transaction->commit());
  }
  {
    auto transaction = database->begin();
    ASSERT_TRUE((*transaction)->execute("INSERT INTO t VALUES ('first')"));
    ASSERT_TRUE((*transaction)->query("PRAGMA max_page_count = 1"));  // no page more than there are
    Status full;
    for (int i = 0; i < 1000 && full; ++i)
      if (auto one = (*transaction)->execute("INSERT INTO t VALUES (?)", {std::string(100'000, 'x')}); !one)
        full = std::move(one).take_error();
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, "store.disk-full");
    ASSERT_TRUE((*transaction)->query("PRAGMA max_page_count = 1000000") || true);
    const auto after = (*transaction)->execute("INSERT INTO t VALUES ('after')");
    const auto committed = transaction->commit();
    EXPECT_EQ(after.has_value(), committed.has_value()) << "either all of it or nothing";
  }
  auto lease = database->read();
  ASSERT_TRUE((*lease)->query("PRAGMA max_page_count = 1000000"));
  const auto rows = (*lease)->query("SELECT a FROM t WHERE a = 'first'");
  const auto others = (*lease)->query("SELECT a FROM t WHERE a = 'after'");
  EXPECT_EQ(rows->rows.size(), others->rows.size());
}

TEST(Sqlite, AnErrorOfTheDiskAtTheCommitIsToldAndTheNextWriterSucceeds) {
  const testing::ManualClock clock;
  testing::FreshDatabase database(Engine::sqlite, clock);
  {
    auto transaction = database->begin();
    ASSERT_TRUE((*transaction)->script("CREATE TABLE t (a TEXT)"));
    ASSERT_TRUE(transaction->commit());
  }
  struct rlimit before {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, SIG_IGN);  // then writing beyond the limit is an error (EFBIG)
  {
    auto transaction = database->begin();
    ASSERT_TRUE((*transaction)->execute("INSERT INTO t VALUES (?)", {std::string(400'000, 'x')}));
    const struct rlimit small { 64u << 10, before.rlim_max };
    ::setrlimit(RLIMIT_FSIZE, &small);
    const auto committed = transaction->commit();
    ::setrlimit(RLIMIT_FSIZE, &before);
    ASSERT_FALSE(committed);
  }
  auto transaction = database->begin();
  ASSERT_TRUE(transaction) << describe(transaction.error());
  ASSERT_TRUE((*transaction)->execute("INSERT INTO t VALUES ('next')"));
  ASSERT_TRUE(transaction->commit());
  auto lease = database->read();
  EXPECT_EQ((*lease)->query("SELECT a FROM t")->rows.size(), 1u);
}

// SQLite opens a log for reading that it cannot open for writing, for want of a descriptor, and stays with
// that.
TEST(Sqlite, AConnectionThatCannotWriteForAMomentsLackOfDescriptorsIsNotUsedAgain) {
  const testing::ManualClock clock;
  for (std::uint64_t at = 0; at < 60; ++at) {
    SCOPED_TRACE(at);
    testing::SimulatedDisk disk;
    const testing::SimulatedVfs vfs(disk);
    ASSERT_TRUE(disk.make_folder("/d", os::Visibility::owner_only));
    const auto opened = Database::open(vfs.url("/d/ledger.db"), clock, disk);
    ASSERT_TRUE(opened) << describe(opened.error());
    auto& database = **opened;
    const auto write = [&](std::string_view sql) -> Status {
      auto transaction = MAMORI_TRY(database.begin());
      MAMORI_TRY(transaction->execute(sql));
      return transaction.commit();
    };
    ASSERT_TRUE(write("CREATE TABLE t (a BIGINT)"));
    const auto held = database.read();  // so that the next one is made anew
    disk.fail_at(disk.operations() + at, testing::Failure::busy);
    const auto first = write("INSERT INTO t VALUES (1)");
    disk.heal();
    if (!first) {
      EXPECT_NE(first.error().kind, ErrorKind::forbidden) << describe(first.error());
    }
    const auto second = write("INSERT INTO t VALUES (2)");
    EXPECT_TRUE(second) << describe(second.error());
  }
}

TEST(Sqlite, AFileThatCannotBeOpenedIsNamed) {
  const testing::ManualClock clock;
  const TemporaryFolder folder;
  const auto missing = (folder.path() / "no-such-folder/ledger.db").string();
  const auto opened = Database::open("sqlite:" + missing, clock);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, "store.file");
  EXPECT_EQ(opened.error().facts[0].second, missing);
}

TEST_P(OnBothEngines, TheJournalNamesTheFirstEntryThatWasTamperedWith) {
  for (int i = 0; i < 5; ++i) {
    auto transaction = database_->begin();
    transaction->journal({"u", "田中", "web"},
                         {"f", "asset", std::to_string(i), "created", "", R"({"a":1})", "なぜ"});
    ASSERT_TRUE(transaction->commit());
  }
  {
    auto lease = database_->read();
    const auto state = verify_journal(**lease);
    ASSERT_TRUE(state) << describe(state.error());
    EXPECT_EQ(state->entries, 5);
  }
  const auto broken_after = [&](std::string_view sql) {
    EXPECT_TRUE(run(sql));
    auto lease = database_->read();
    const auto state = verify_journal(**lease);
    return state ? std::string("whole") : state.error().facts[0].second;
  };
  EXPECT_EQ(broken_after("DELETE FROM journal WHERE sequence = 5"), "5");
  EXPECT_EQ(broken_after("UPDATE journal SET reason = 'x' WHERE sequence = 3"), "3");
}

TEST_P(OnBothEngines, AMigrationRunsOnce) {
  const Migration steps[] = {{"x.1", "CREATE TABLE x (a {text})"}, {"x.2", "INSERT INTO x VALUES ('once')"}};
  ASSERT_TRUE(database_->migrate(steps));
  ASSERT_TRUE(database_->migrate(steps));
  auto lease = database_->read();
  EXPECT_EQ((*lease)->query("SELECT a FROM x")->rows.size(), 1u);
}

TEST_P(OnBothEngines, AQuestionCannotWriteEvenWhereTheTextCheckIsPassedBy) {
  ASSERT_TRUE(run("CREATE TABLE t (a BIGINT)"));
  auto lease = database_->question();
  ASSERT_TRUE(lease);
  for (const auto* sql :
       {"INSERT INTO t VALUES (1)", "DELETE FROM t", "CREATE TABLE u (a BIGINT)", "DROP TABLE t"}) {
    const auto refused = (*lease)->execute(sql);
    ASSERT_FALSE(refused) << sql;
    EXPECT_EQ(refused.error().code, "store.read-only") << sql << " " << describe(refused.error());
  }
}

TEST_P(OnBothEngines, AQuestionThatRunsTooLongIsEnded) {
  ASSERT_TRUE(run("CREATE TABLE t (a BIGINT)"));
  std::vector<Row> rows(400, Row{std::int64_t{1}});
  {
    auto transaction = database_->begin();
    ASSERT_TRUE((*transaction)->execute_many("INSERT INTO t VALUES (?)", rows));
    ASSERT_TRUE(transaction->commit());
  }
  auto lease = database_->question();
  ASSERT_TRUE((*lease)->restrict_to_reading(std::chrono::milliseconds(200)));
  const auto slow =
      (*lease)->query("SELECT COUNT(*) FROM t a, t b, t c, t d WHERE a.a + b.a + c.a + d.a > 4");
  ASSERT_FALSE(slow);
  EXPECT_EQ(slow.error().code, "store.timeout");
  EXPECT_TRUE((*lease)->query("SELECT COUNT(*) FROM t"));
}

TEST(Question, RefusesWhatOneEngineLacksOrWhatDoesMoreThanRead) {
  for (const std::string_view bad :
       {"", "DELETE FROM t", "SELECT 1; DROP TABLE t", "SELECT load_extension('x')", "SELECT a::text FROM t",
        "SELECT a FROM t WHERE a ILIKE 'x'", "SELECT strftime('%s')", "SELECT pg_sleep(9)",
        "SELECT \"a\" FROM t", "SELECT a -- x", "SELECT a /* x */", "SELECT 'x", "SELECT a->'b' FROM t",
        "SELECT a FROM t LIMIT 5", "WITH RECURSIVE r AS (SELECT 1) SELECT 1", "SELECT a FROM t FOR UPDATE",
        "SELECT `a`", "SELECT :"}) {
    EXPECT_FALSE(parse_question(bad)) << bad;
  }
}

TEST(Question, ListsItsParametersAndWords) {
  const auto question = parse_question(
      "SELECT a.id FROM asset a WHERE a.seen < :ago_P7D AND a.kind = ':no' AND a.ended <= :today");
  ASSERT_TRUE(question);
  EXPECT_EQ(question->parameters, (std::vector<std::string>{"ago_P7D", "today"}));
  EXPECT_TRUE(question->words.contains("asset"));
  EXPECT_EQ(question->sql, "SELECT a.id FROM asset a WHERE a.seen < ? AND a.kind = ':no' AND a.ended <= ?");
}

}  // namespace
}  // namespace mamori::store
