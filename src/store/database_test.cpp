#include "store/database.h"

#include <gtest/gtest.h>

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
