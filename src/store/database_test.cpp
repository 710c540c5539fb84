#include "store/database.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "store/question.h"
#include "testing/clock.h"
#include "testing/postgres.h"

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
                         [](const auto& chosen) { return chosen.param == Engine::sqlite ? "SQLite" : "PostgreSQL"; });

TEST_P(OnBothEngines, GivesBackEveryKindOfValueAsItWasStored) {
  ASSERT_TRUE(run("CREATE TABLE t (a TEXT, b BIGINT, c DOUBLE PRECISION, d BOOLEAN)"));
  auto transaction = database_->begin();
  ASSERT_TRUE(transaction);
  ASSERT_TRUE((*transaction)->execute("INSERT INTO t VALUES (?,?,?,?)", {std::string("令和'; --"), std::int64_t{1} << 60, 2.5, true}));
  ASSERT_TRUE((*transaction)->execute("INSERT INTO t VALUES (?,?,?,?)", {Value{}, Value{}, Value{}, Value{}}));
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
    const auto again = (*transaction)->execute_many("INSERT INTO t VALUES (?)", {{std::int64_t{5000}}, {std::int64_t{7}}});
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
  ASSERT_TRUE((*other)->query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()", {}));
  for (int i = 0; i < 600; ++i) {
    const auto left = (*other)->query("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()", {});
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
  ASSERT_TRUE(run("CREATE TABLE t (a BIGINT);"
                  "CREATE FUNCTION fall() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';"
                  "CREATE CONSTRAINT TRIGGER falls AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fall()"));
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
  ASSERT_TRUE(run("CREATE TABLE t (a BIGINT);"
                  "CREATE FUNCTION fall() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.a = 700 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END';"
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

TEST_P(OnBothEngines, TextThatAnEngineWouldCutOrChangeIsRefused) {
  ASSERT_TRUE(run("CREATE TABLE t (a TEXT)"));
  auto transaction = database_->begin();
  for (const auto& bad : {std::string("a\0b", 3), std::string("\xE3\x81"), std::string("\x80")}) {
    const auto one = (*transaction)->execute("INSERT INTO t VALUES (?)", {bad});
    ASSERT_FALSE(one);
    EXPECT_EQ(one.error().code, "store.text");
    const auto many = (*transaction)->execute_many("INSERT INTO t VALUES (?)", {{std::string("good")}, {bad}});
    ASSERT_FALSE(many);
    EXPECT_EQ(many.error().code, "store.text");
  }
}

TEST_P(OnBothEngines, TheJournalsHashIsAlwaysOverWhatIsStored) {
  const auto write = [&](const std::string& reason) -> Status {
    auto transaction = MAMORI_TRY(database_->begin());
    transaction.journal({"u", "田中", "web"}, {"f", "asset", "1", "created", "", R"({"n":1.10,"e":1e300,"s":"\u0000é"})", reason});
    return transaction.commit();
  };
  EXPECT_FALSE(write(std::string("a\0b", 3))) << "a hash over what the engine does not keep breaks the chain for good";
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
      if (auto one = (*transaction)->execute("INSERT INTO t VALUES (?)", {std::string(100'000, 'x')}); !one) full = std::move(one).take_error();
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
    const struct rlimit small {64u << 10, before.rlim_max};
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
    transaction->journal({"u", "田中", "web"}, {"f", "asset", std::to_string(i), "created", "", R"({"a":1})", "なぜ"});
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
  for (const auto* sql : {"INSERT INTO t VALUES (1)", "DELETE FROM t", "CREATE TABLE u (a BIGINT)", "DROP TABLE t"}) {
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
  const auto slow = (*lease)->query("SELECT COUNT(*) FROM t a, t b, t c, t d WHERE a.a + b.a + c.a + d.a > 4");
  ASSERT_FALSE(slow);
  EXPECT_EQ(slow.error().code, "store.timeout");
  EXPECT_TRUE((*lease)->query("SELECT COUNT(*) FROM t"));
}

TEST(Question, RefusesWhatOneEngineLacksOrWhatDoesMoreThanRead) {
  for (const std::string_view bad :
       {"", "DELETE FROM t", "SELECT 1; DROP TABLE t", "SELECT load_extension('x')", "SELECT a::text FROM t", "SELECT a FROM t WHERE a ILIKE 'x'",
        "SELECT strftime('%s')", "SELECT pg_sleep(9)", "SELECT \"a\" FROM t", "SELECT a -- x", "SELECT a /* x */", "SELECT 'x",
        "SELECT a->'b' FROM t", "SELECT a FROM t LIMIT 5", "WITH RECURSIVE r AS (SELECT 1) SELECT 1", "SELECT a FROM t FOR UPDATE", "SELECT `a`", "SELECT :"}) {
    EXPECT_FALSE(parse_question(bad)) << bad;
  }
}

TEST(Question, ListsItsParametersAndWords) {
  const auto question = parse_question("SELECT a.id FROM asset a WHERE a.seen < :ago_P7D AND a.kind = ':no' AND a.ended <= :today");
  ASSERT_TRUE(question);
  EXPECT_EQ(question->parameters, (std::vector<std::string>{"ago_P7D", "today"}));
  EXPECT_TRUE(question->words.contains("asset"));
  EXPECT_EQ(question->sql, "SELECT a.id FROM asset a WHERE a.seen < ? AND a.kind = ':no' AND a.ended <= ?");
}

}  // namespace
}  // namespace mamori::store
