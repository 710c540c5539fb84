#include "ledger/ledger.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "base/crypto.h"
#include "ledger/export.h"
#include "ledger/field_value.h"
#include "ledger/pending_import.h"
#include "os/file.h"
#include "testing/clock.h"
#include "testing/postgres.h"

namespace mamori::ledger {
namespace {

const store::Actor kActor{"u1", "試験", "test"};

const Registers& product_registers() {
  static const Registers registers = [] {
    crypto_ready();
    auto loaded = Registers::load(std::filesystem::path(MAMORI_SOURCE_DIR) / "data/registers");
    if (!loaded) ADD_FAILURE() << describe(loaded.error());
    return std::move(loaded).take();
  }();
  return registers;
}

class OnBothEngines : public ::testing::TestWithParam<store::Engine> {
 protected:
  testing::ManualClock clock_;
  testing::FreshDatabase database_{GetParam(), clock_};
  std::unique_ptr<Ledger> ledger_ = [this] {
    auto opened = Ledger::open(*database_, product_registers());
    EXPECT_TRUE(opened) << describe(opened.error());
    return std::move(opened).take();
  }();
  const Register& reg(std::string_view name) { return **ledger_->find_register(name); }
  Record make(std::string_view name, json::object fields, const std::string& facility = "f1") {
    auto made = ledger_->create(kActor, reg(name), facility, {std::move(fields), "test"});
    EXPECT_TRUE(made) << describe(made.error());
    return std::move(made).take();
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, OnBothEngines,
                         ::testing::Values(store::Engine::sqlite, store::Engine::postgresql),
                         [](const auto& chosen) {
                           return chosen.param == store::Engine::sqlite ? "SQLite" : "PostgreSQL";
                         });

TEST_P(OnBothEngines, IssuesControlNumbersByKindAndNeverTwice) {
  EXPECT_EQ(make("asset", {{"kind", "パソコン"}}).number, "PC-001");
  EXPECT_EQ(make("asset", {{"kind", "usb"}}).number, "U-001");
  make("asset", {{"kind", "pc"}, {"number", "PC-041"}});
  const auto next = make("asset", {{"kind", "pc"}});
  EXPECT_EQ(next.number, "PC-042");
  ASSERT_TRUE(ledger_->retire(kActor, reg("asset"), store::Scope::door("f1"), next.id, 1, "廃棄"));
  EXPECT_EQ(make("asset", {{"kind", "pc"}}).number, "PC-043");
  const auto taken =
      ledger_->create(kActor, reg("asset"), "f1", {{{"kind", "pc"}, {"number", "PC-042"}}, ""});
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().problems[0].code, "ledger.number.taken");
  EXPECT_EQ(make("asset", {{"kind", "pc"}}, "f2").number, "PC-001");
}

TEST_P(OnBothEngines, NamesEveryWrongFieldAtOnce) {
  const auto bad = ledger_->create(kActor, reg("asset"), "f1",
                                   {{{"kind", "宇宙船"},
                                     {"mac", "xyz"},
                                     {"ip", "1.2.3"},
                                     {"bought_on", "5/32"},
                                     {"nonsense", 1},
                                     {"vendor", "nobody"}},
                                    ""});
  ASSERT_FALSE(bad);
  std::map<std::string, std::string> codes;
  for (const auto& problem : bad.error().problems) codes[problem.field] = problem.code;
  EXPECT_EQ(codes, (std::map<std::string, std::string>{{"kind", "ledger.field.choice"},
                                                       {"mac", "ledger.field.mac"},
                                                       {"ip", "ledger.field.ip"},
                                                       {"bought_on", "ledger.field.date"},
                                                       {"nonsense", "ledger.field.unknown"},
                                                       {"vendor", "ledger.field.ref"}}));
}

TEST_P(OnBothEngines, KeepsEveryStateAndBringsOneBack) {
  auto record = make(
      "person", {{"name", "田中"}, {"post", "主任"}, {"joined_on", "令和元年5月1日"}, {"outside", "はい"}});
  EXPECT_EQ(text_of(record.fields, "joined_on"), "2019-05-01");
  EXPECT_TRUE(boolean_of(record.fields, "outside"));
  record = *ledger_->update(kActor, reg("person"), store::Scope::door("f1"), record.id, 1,
                            {{{"post", "課長"}}, "昇任"});
  const auto stale = ledger_->update(kActor, reg("person"), store::Scope::door("f1"), record.id, 1,
                                     {{{"post", "部長"}}, ""});
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code, "ledger.record.changed");
  record = *ledger_->retire(kActor, reg("person"), store::Scope::door("f1"), record.id, 2, "退職");
  EXPECT_EQ(ledger_->list(reg("person"), {.scope = store::Scope::door("f1")})->total, 0);
  EXPECT_EQ(
      ledger_->list(reg("person"), {.scope = store::Scope::door("f1"), .retired = Retired::only})->total, 1);
  record = *ledger_->bring_back(kActor, reg("person"), store::Scope::door("f1"), record.id, 3, "復職");
  const auto history = ledger_->history(reg("person"), store::Scope::door("f1"), record.id);
  ASSERT_EQ(history->size(), 4u);
  EXPECT_EQ(history->front().change.action, "restored");
  record = *ledger_->revert(kActor, reg("person"), store::Scope::door("f1"), record.id, 4,
                            history->back().sequence, "戻す");
  EXPECT_EQ(text_of(record.fields, "post"), "主任");
  auto lease = database_->read();
  EXPECT_TRUE(store::verify_journal(**lease));
}

TEST_P(OnBothEngines, AFacilityStandsBelowTheGroupsItNames) {
  const auto home = *ledger_->create(kActor, reg("facility"), "",
                                     {{{"name", "東病院"},
                                       {"kind", "hospital"},
                                       {"prefecture", "東京"},
                                       {"affiliation", "医療法人　みどり会"}},
                                      ""});
  make("person", {{"name", "田中"}}, home.id);
  const auto seen = [&](const std::string& node) {
    return ledger_->list(reg("person"), {.scope = store::Scope::session({node}), .sort = "label"})->total;
  };
  EXPECT_EQ(seen("prefecture:13"), 1);
  EXPECT_EQ(seen("affiliation:" + fold("医療法人　みどり会")), 1);
  EXPECT_EQ(seen("*"), 1);
  EXPECT_EQ(seen("prefecture:27"), 0);
  ASSERT_TRUE(ledger_->update(kActor, reg("facility"), store::Scope::job(home.id), home.id, 1,
                              {{{"prefecture", "27"}, {"affiliation", nullptr}}, "移転"}));
  EXPECT_EQ(seen("prefecture:13"), 0);
  EXPECT_EQ(seen("affiliation:" + fold("医療法人　みどり会")), 0);
  EXPECT_EQ(seen("prefecture:27"), 1);
}

TEST_P(OnBothEngines, AVendorsScopeSeesWhatNamesItAndNothingElse) {
  const auto ours = make("vendor", {{"name", "甲システム"}}),
             other = make("vendor", {{"name", "乙システム"}});
  const auto device = make("asset", {{"kind", "server"}, {"vendor", ours.id}});
  make("asset", {{"kind", "server"}, {"vendor", other.id}});
  make("asset", {{"kind", "pc"}});
  make("person", {{"name", "田中"}});
  const auto scope = store::Scope::door("f1", ours.id);
  const auto assets = *ledger_->list(reg("asset"), {.scope = scope});
  ASSERT_EQ(assets.total, 1);
  EXPECT_EQ(assets.items[0].id, device.id);
  EXPECT_EQ(ledger_->list(reg("vendor"), {.scope = scope, .sort = "label"})->total, 1);
  EXPECT_EQ(ledger_->list(reg("person"), {.scope = scope, .sort = "label"})->total, 0)
      << "it names no vendor";
  EXPECT_EQ(ledger_->get(reg("vendor"), scope, other.id).error().code, "ledger.record.missing");
  EXPECT_EQ(export_table(*ledger_, reg("asset"), {.scope = scope}, ExportColumns::all, "ja")->rows.size(),
            1u);
  EXPECT_EQ(ledger_->list(reg("asset"), {.scope = scope.in("f2")})->total, 0);
}

TEST_P(OnBothEngines, ARecordOfAnotherFacilityDoesNotExist) {
  const auto record = make("person", {{"name", "田中"}}, "f1");
  EXPECT_EQ(ledger_->get(reg("person"), store::Scope::door("f2"), record.id).error().code,
            "ledger.record.missing");
  EXPECT_EQ(
      ledger_->update(kActor, reg("person"), store::Scope::door("f2"), record.id, 1, {{{"name", "x"}}, ""})
          .error()
          .code,
      "ledger.record.missing");
  EXPECT_EQ(ledger_->retire(kActor, reg("person"), store::Scope::door("f2"), record.id, 1, "x").error().code,
            "ledger.record.missing");
  EXPECT_EQ(ledger_->list(reg("person"), {.scope = {}})->total, 0);
  const auto vendor = make("vendor", {{"name", "V社"}}, "f1");
  EXPECT_FALSE(ledger_->create(kActor, reg("asset"), "f2", {{{"kind", "pc"}, {"vendor", vendor.id}}, ""}));
}

TEST_P(OnBothEngines, PagesInOrderWithoutGapOrRepeat) {
  for (int i = 0; i < 23; ++i)
    make("asset", {{"kind", i % 2 ? "pc" : "server"},
                   {"maker", i % 3 ? json::value("富士通") : json::value(nullptr)},
                   {"place", "医事課"}});
  for (const auto* sort : {"number", "maker", "updated_at", "bought_on"}) {
    for (const bool descending : {false, true}) {
      std::vector<std::string> seen;
      ListQuery query{.scope = store::Scope::door("f1"), .sort = sort, .descending = descending, .limit = 5};
      do {
        const auto page = ledger_->list(reg("asset"), query);
        ASSERT_TRUE(page) << describe(page.error());
        EXPECT_EQ(page->total, 23);
        for (const auto& item : page->items) seen.push_back(item.id);
        query.cursor = page->next;
      } while (!query.cursor.empty());
      std::sort(seen.begin(), seen.end());
      EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end());
      EXPECT_EQ(seen.size(), 23u) << sort;
    }
  }
}

// A register of one's own, for what the product's do not have.
struct OwnRegister {
  OwnRegister(store::Database& database, const std::string& yaml) {
    EXPECT_TRUE(os::write_file(folder.path() / "x.yaml", yaml));
    registers = *Registers::load(folder.path());
    ledger = *Ledger::open(database, registers);
  }
  const Register& reg(std::string_view name) const { return **ledger->find_register(name); }
  TemporaryFolder folder;
  Registers registers;
  std::unique_ptr<Ledger> ledger;
};

TEST_P(OnBothEngines, EveryKindOfFieldPagesThroughEveryRecordOnceInBothDirections) {
  const OwnRegister own(
      *database_,
      "register: thing\nlabel: {ja: 物, en: Thing}\ncalled: [name]\nfields:\n  name: {label: {ja: 名, en: "
      "Name}}\n"
      "  everywhere: {label: {ja: 共, en: Everywhere}}\n"
      "  count: {type: integer, label: {ja: 数, en: Count}}\n  hours: {type: number, label: {ja: 時, en: "
      "Hours}}\n"
      "  day: {type: date, label: {ja: 日, en: Day}}\n  at: {type: datetime, label: {ja: 時刻, en: At}}\n"
      "  good: {type: boolean, label: {ja: 良, en: Good}}\n");
  const auto& reg = own.reg("thing");
  for (const unsigned seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto one_of = [&](const std::vector<json::value>& values) {
      return values[random() % values.size()];
    };
    std::vector<json::object> records;
    for (int i = 0; i < 60; ++i) {
      json::object fields;
      const auto put = [&](const char* name, json::value value) {
        if (random() % 4 != 0) fields[name] = std::move(value);
      };
      put("name", one_of({"", "あ", "ア", "a", "A", "a\"b", "\\", "zz", "😀", "0", "-1"}));
      fields["everywhere"] = "50%_! 共通";
      put("count", one_of({0, 1, -1, std::int64_t{9'000'000'000'000'000},
                           std::int64_t{-9'000'000'000'000'000}, static_cast<int>(random() % 7)}));
      put("hours", one_of({0.0, 0.1, 1.25, 1.5, 1.75, -0.5, 1e-300, 1e300, -9000000000000000.0, 2.0,
                           static_cast<double>(random()) / 7}));
      put("day", one_of({"2020-01-01", "1999-12-31", "2020-01-02"}));
      put("at", one_of({"2026-01-01T00:00:00Z", "1960-01-01T00:00:00Z", "2026-01-01T00:00:01Z"}));
      put("good", one_of({true, false}));
      records.push_back(std::move(fields));
    }
    const auto facility = "f" + std::to_string(seed);
    for (auto& fields : records)
      ASSERT_TRUE(own.ledger->create(kActor, reg, facility, {std::move(fields), ""}));
    for (const auto* sort :
         {"number", "label", "updated_at", "created_at", "name", "count", "hours", "day", "at", "good"})
      for (const bool descending : {false, true})
        for (const std::size_t limit : {std::size_t{1}, std::size_t{7}}) {
          SCOPED_TRACE(std::string(sort) + (descending ? " descending " : " ") + std::to_string(limit));
          ListQuery query{
              .scope = store::Scope::door(facility), .sort = sort, .descending = descending, .limit = limit};
          std::vector<std::string> in_order;
          for (const auto* text :
               {"", "50%_! 共"}) {  // an index leads the one, every record is asked the other
            std::vector<std::string> ids;
            query.text = text;
            do {
              const auto page = own.ledger->list(reg, query);
              ASSERT_TRUE(page) << describe(page.error());
              EXPECT_EQ(page->total, 60);
              for (const auto& item : page->items) ids.push_back(item.id);
              query.cursor = page->next;
              ASSERT_LE(ids.size(), 60u) << "does not end";
            } while (!query.cursor.empty());
            EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 60u);
            if (in_order.empty()) in_order = ids;
            EXPECT_EQ(ids, in_order) << text;
          }
        }
  }
}

TEST_P(OnBothEngines, AnExportSortedByAFractionEnds) {
  std::vector<json::object> records;
  for (int i = 0; i < 1203; ++i)
    records.push_back(
        {{"name", "系" + std::to_string(i)}, {"kind", "chart"}, {"rto_hours", 0.5 + i % 3 * 0.25}});
  {
    auto transaction = database_->begin();
    ASSERT_TRUE(
        ledger_->create_many(*transaction, kActor, reg("system"), "f1", std::move(records), "", nullptr));
    ASSERT_TRUE(transaction->commit());
  }
  std::size_t count = 0;
  const auto done = ledger_->each(reg("system"), {.scope = store::Scope::door("f1"), .sort = "rto_hours"},
                                  [&](const Record&) { return ++count < 5000; });
  EXPECT_TRUE(done);
  EXPECT_EQ(count, 1203u);
}

TEST_P(OnBothEngines, NumbersOfAnotherFormDoNotStopTheIssue) {
  EXPECT_EQ(make("asset", {{"kind", "pc"}}).number, "PC-001");
  for (int i = 0; i < 25; ++i)
    make("asset", {{"kind", "pc"}, {"number", "PC-2F-" + std::to_string(100 + i)}});
  make("asset", {{"kind", "pc"}, {"number", "PC-12345678901234567890"}});
  EXPECT_EQ(make("asset", {{"kind", "pc"}}).number, "PC-002");
  make("asset", {{"kind", "pc"}, {"number", "PC-0005"}});
  EXPECT_EQ(make("asset", {{"kind", "pc"}}).number, "PC-006");
  std::vector<std::string> ids;
  {
    auto transaction = database_->begin();
    std::vector<json::object> records = {
        {{"kind", "pc"}}, {{"kind", "pc"}, {"number", "PC-009"}}, {{"kind", "usb"}}};
    ASSERT_TRUE(ledger_->create_many(*transaction, kActor, reg("asset"), "f1", std::move(records), "", &ids));
    ASSERT_TRUE(transaction->commit());
  }
  EXPECT_EQ(ledger_->get(reg("asset"), store::Scope::door("f1"), ids[0])->number, "PC-010");
  EXPECT_EQ(make("asset", {{"kind", "pc"}}).number, "PC-011");
}

TEST_P(OnBothEngines, ManyAtOnceGetDifferentNumbers) {
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 6; ++i) {
        if (t % 4 == 0) {
          auto transaction = database_->begin();
          std::vector<json::object> records = {{{"kind", "pc"}}, {{"kind", "pc"}}};
          if (!transaction ||
              !ledger_->create_many(*transaction, kActor, reg("asset"), "f1", std::move(records), "",
                                    nullptr) ||
              !transaction->commit())
            ++failed;
        } else if (!ledger_->create(kActor, reg("asset"), "f1", {{{"kind", "pc"}}, ""})) {
          ++failed;
        }
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(ledger_->list(reg("asset"), {.scope = store::Scope::door("f1")})->total, 2 * 6 * 2 + 6 * 6);
}

TEST_P(OnBothEngines, ANameThatSeveralHaveIsRefusedAndSaysHowToTellThemApart) {
  make("department", {{"name", "看護部"}});
  const auto first =
      make("person", {{"name", "佐藤 ゆう"}, {"staff_number", "101"}, {"department", "看護部"}});
  const auto second = make("person", {{"name", "佐藤 ゆう"}, {"staff_number", "202"}});
  const auto account = [&](const char* text) {
    return ledger_->create(kActor, reg("account"), "f1", {{{"login", "a"}, {"person", text}}, ""});
  };
  const auto refused = account("佐藤 ゆう");
  ASSERT_FALSE(refused) << "the smallest id, silently";
  ASSERT_EQ(refused.error().problems.size(), 1u);
  const auto& problem = refused.error().problems[0];
  EXPECT_EQ(problem.field, "person");
  EXPECT_EQ(problem.code, "ledger.field.ambiguous");
  EXPECT_EQ(problem.facts.back().second, "佐藤 ゆう [101]（看護部）、佐藤 ゆう [202]");
  for (const auto* text : {"202", "佐藤 ゆう [202]", second.id.c_str()}) {
    const auto made = account(text);
    ASSERT_TRUE(made) << text;
    EXPECT_EQ(text_of(made->fields, "person"), second.id) << text;
  }
  EXPECT_FALSE(account("佐藤 ゆう [303]"));
  // In an import the line is rejected, and no third one of the name is made.
  const auto table = sheet::read_csv("ログインID,利用者\nb,佐藤 ゆう\nc,佐藤 ゆう [101]\n");
  const auto plan =
      plan_import(*ledger_, reg("account"), "f1", {*table}, {.make_in = {"person", "department"}});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->lines[0].outcome, LineOutcome::rejected);
  ASSERT_EQ(plan->lines[0].problems.size(), 1u);
  EXPECT_EQ(plan->lines[0].problems[0].code, "ledger.field.ambiguous");
  EXPECT_EQ(plan->lines[1].outcome, LineOutcome::created);
  EXPECT_EQ(text_of(plan->lines[1].fields, "person"), first.id);
  // Of a namesake who has left there is no doubt.
  ASSERT_TRUE(ledger_->retire(kActor, reg("person"), store::Scope::door("f1"), second.id, 1, "退職"));
  EXPECT_EQ(text_of(account("佐藤 ゆう")->fields, "person"), first.id);
}

TEST_P(OnBothEngines, AnExportOfNamesakesMeansTheSamePeopleWhenItIsImported) {
  const auto first = make("person", {{"name", "佐藤 ゆう"}, {"staff_number", "101"}}),
             second = make("person", {{"name", "佐藤 ゆう"}}), third = make("person", {{"name", "黒部"}});
  make("system", {{"name", "電子カルテ"}, {"kind", "chart"}});
  for (const auto* person : {&first, &second, &third})
    make("account", {{"login", "l" + person->id}, {"system", "電子カルテ"}, {"person", person->id}});
  const auto table =
      export_table(*ledger_, reg("account"), {.scope = store::Scope::door("f1"), .sort = "login"},
                   ExportColumns::all, "ja");
  ASSERT_TRUE(table) << describe(table.error());
  auto rows = table->rows;
  rows.insert(rows.begin(), table->headings);
  const auto plan =
      plan_import(*ledger_, reg("account"), "f1", {*sheet::read_csv(sheet::write_csv(rows))}, {});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->count(LineOutcome::unchanged), 3u);
}

TEST_P(OnBothEngines, NumberAndReasonAreCheckedWhereverTheyComeIn) {
  const auto record = make("asset", {{"kind", "pc"}});
  const auto code = [](const auto& result) {
    return result ? std::string("taken")
           : result.error().problems.empty()
               ? result.error().code
               : result.error().problems[0].field + " " + result.error().problems[0].code;
  };
  for (const auto& number :
       {std::string("a\r\nb"), std::string("a\0b", 3), std::string("a\x07 b"), std::string("\xFF")}) {
    EXPECT_EQ(code(ledger_->create(kActor, reg("asset"), "f1", {{{"kind", "pc"}, {"number", number}}, ""})),
              "number ledger.number.bad");
    EXPECT_EQ(code(ledger_->update(kActor, reg("asset"), store::Scope::door("f1"), record.id, 1,
                                   {{{"number", number}}, ""})),
              "number ledger.number.bad");
  }
  EXPECT_EQ(code(ledger_->create(kActor, reg("asset"), "f1", {{{"kind", "pc"}, {"number", 7}}, ""})),
            "number ledger.number.bad")
      << "no other number in its place";
  const std::string lengthy(61, '1');
  EXPECT_EQ(code(ledger_->create(kActor, reg("asset"), "f1", {{{"kind", "pc"}, {"number", lengthy}}, ""})),
            "number ledger.number.too-long");
  EXPECT_EQ(code(ledger_->update(kActor, reg("asset"), store::Scope::door("f1"), record.id, 1,
                                 {{{"number", lengthy}}, ""})),
            "number ledger.number.too-long");
  const auto plan = plan_import(*ledger_, reg("asset"), "f1",
                                {sheet::Table{"s",
                                              {{"種別", "管理番号"},
                                               {"pc", "a\nb"},
                                               {"pc", lengthy},
                                               {"pc", std::string("a\0b", 3)},
                                               {"pc", "ok"}}}},
                                {});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->count(LineOutcome::rejected), 3u);
  for (const auto& [reason, expected] : std::vector<std::pair<std::string, std::string>>{
           {std::string("a\0b", 3), "reason ledger.reason.characters"},
           {"\x1B[2J", "reason ledger.reason.characters"},
           {std::string(1001, 'x'), "reason ledger.reason.too-long"},
           {"一行\n二行", "taken"}}) {
    EXPECT_EQ(code(ledger_->create(kActor, reg("asset"), "f1", {{{"kind", "pc"}}, reason})), expected);
    const auto fresh = make("asset", {{"kind", "pc"}});
    EXPECT_EQ(code(ledger_->update(kActor, reg("asset"), store::Scope::door("f1"), fresh.id, 1,
                                   {{{"kind", "server"}}, reason})),
              expected);
    const auto again = make("asset", {{"kind", "pc"}});
    EXPECT_EQ(code(ledger_->retire(kActor, reg("asset"), store::Scope::door("f1"), again.id, 1, reason)),
              expected);
  }
}

TEST_P(OnBothEngines, SearchesFoldedAndFilters) {
  make("asset",
       {{"kind", "pc"}, {"maker", "ＦＵＪＩＴＳＵ"}, {"place", "医事課"}, {"bought_on", "2020-04-01"}});
  make("asset", {{"kind", "server"}, {"maker", "NEC"}, {"place", "サーバ室"}, {"bought_on", "2024-04-01"}});
  const auto count = [&](ListQuery query) {
    query.scope = store::Scope::door("f1");
    const auto page = ledger_->list(reg("asset"), query);
    EXPECT_TRUE(page) << describe(page.error());
    return page->total;
  };
  EXPECT_EQ(count({.text = "fujitsu"}), 1);
  EXPECT_EQ(count({.text = "さーば"}), 1);
  EXPECT_EQ(count({.text = "医事 pc"}), 1);
  EXPECT_EQ(count({.text = "100%"}), 0);
  EXPECT_EQ(count({.text = "%"}), 0) << "no pattern: what is typed is looked for";
  EXPECT_EQ(count({.conditions = {{"kind", Comparison::equal, "server"}}}), 1);
  EXPECT_EQ(count({.conditions = {{"bought_on", Comparison::less, "2022-01-01"}}}), 1);
  EXPECT_EQ(count({.conditions = {{"serial", Comparison::empty, ""}}}), 2);
  EXPECT_FALSE(
      ledger_->list(reg("asset"), {.scope = store::Scope::door("f1"), .sort = "1; DROP TABLE r_asset"}));
  EXPECT_FALSE(ledger_->list(reg("asset"), {.scope = store::Scope::door("f1"), .cursor = "zzz"}));
}

TEST_P(OnBothEngines, ImportsTheHandbooksLedgerWithItsOddities) {
  const auto table = sheet::read_csv(
      "使用機器一覧表,,,,,\n,,,,,\n種別,管理番号,メーカー,管理場所,管理責任者,備考\nパソコン,PC-001,〇〇,"
      "医事課,医事課長,\nパソコン,PC-002,〇〇,医事課,医事課長,2023/5/8 業者廃棄\n"
      "種別,管理番号,メーカー,管理場所,管理責任者,備考\nUSB,U-001,〇〇,医局,医局長,\nプラネタリウム,X-001,"
      "〇〇,医局,医局長,\nパソコン,PC-001,重複,,,\n:,:,:,:,:,\n");
  const auto plan = plan_import(*ledger_, reg("asset"), "f1", {*table}, {});
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(plan->heading_line, 3u);
  EXPECT_EQ(plan->count(LineOutcome::created), 4u);
  EXPECT_EQ(plan->count(LineOutcome::rejected), 1u);
  EXPECT_EQ(plan->lines.back().problems[0].code, "ledger.import.twice");
  EXPECT_EQ(plan->skipped, 4u);
  const auto result = apply_import(*ledger_, kActor, reg("asset"), "f1", *plan, "台帳.csv");
  ASSERT_TRUE(result) << describe(result.error());
  const auto odd = ledger_->list(reg("asset"), {.scope = store::Scope::door("f1"), .text = "プラネタリウム"});
  ASSERT_EQ(odd->total, 1);
  EXPECT_EQ(text_of(odd->items[0].fields, "kind"), "other");
  EXPECT_EQ(text_of(odd->items[0].fields, "model"), "プラネタリウム");

  const auto again = plan_import(*ledger_, reg("asset"), "f1", {*table}, {});
  EXPECT_EQ(again->count(LineOutcome::created), 0u);
  EXPECT_EQ(again->count(LineOutcome::unchanged), 4u) << "import twice = once";
  EXPECT_EQ(undo_import(*ledger_, kActor, result->id)->records, 4u);
  EXPECT_EQ(ledger_->list(reg("asset"), {.scope = store::Scope::door("f1")})->total, 0);
}

TEST_P(OnBothEngines, WhatASheetOnlyNamesIsMadeWithItWhereThatIsAllowed) {
  make("department", {{"name", "医局"}});
  const auto table = sheet::read_csv(
      "職員番号,氏名,所属,入職日\n1,甲,外来,2020/4/1\n2,乙,医局,2020/4/1\n3,丙,外来,2020/4/1\n4,丁,検査部,4/"
      "32\n");
  EXPECT_EQ(plan_import(*ledger_, reg("person"), "f1", {*table}, {})->count(LineOutcome::created), 1u)
      << "nowhere else by itself";
  const auto plan = plan_import(*ledger_, reg("person"), "f1", {*table}, {.make_in = {"department"}});
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(plan->count(LineOutcome::created), 3u);
  ASSERT_EQ(plan->made.size(), 1u) << "not for a line that is rejected";
  EXPECT_EQ(plan->made[0].name, "外来");
  EXPECT_EQ(ledger_->list(reg("department"), {.scope = store::Scope::door("f1")})->total, 1)
      << "a plan writes nothing";
  const auto result = apply_import(*ledger_, kActor, reg("person"), "f1", *plan, "名簿.csv");
  ASSERT_TRUE(result) << describe(result.error());
  const auto made = ledger_->list(reg("department"), {.scope = store::Scope::door("f1"), .text = "外来"});
  ASSERT_EQ(made->total, 1);
  std::size_t in_it = 0;
  const auto people = ledger_->list(reg("person"), {.scope = store::Scope::door("f1")});
  for (const auto& person : people->items)
    in_it += text_of(person.fields, "department") == made->items[0].id ? 1u : 0u;
  EXPECT_EQ(in_it, 2u);
  // Taken back with the import, but not once something else names it.
  make("person", {{"name", "戊"}, {"department", "外来"}});
  EXPECT_EQ(undo_import(*ledger_, kActor, result->id)->records, 3u);
  EXPECT_EQ(ledger_->list(reg("department"), {.scope = store::Scope::door("f1"), .text = "外来"})->total, 1);
}

TEST_P(OnBothEngines, WhatAnImportMadeGoesWithIt) {
  const auto table = sheet::read_csv("職員番号,氏名,所属\n1,甲,外来\n");
  const auto plan = plan_import(*ledger_, reg("person"), "f1", {*table}, {.make_in = {"department"}});
  const auto result = apply_import(*ledger_, kActor, reg("person"), "f1", *plan, "名簿.csv");
  ASSERT_TRUE(result) << describe(result.error());
  EXPECT_EQ(undo_import(*ledger_, kActor, result->id)->records, 1u);
  EXPECT_EQ(ledger_->list(reg("department"), {.scope = store::Scope::door("f1")})->total, 0);
}

TEST_P(OnBothEngines, AnImportIsAppliedOnceHoweverManyAskForItAtOnce) {
  std::string csv = "種別,型番\n";
  for (int i = 0; i < 100; ++i) csv += "パソコン,型" + std::to_string(i) + "\n";
  const auto id = keep_import(*ledger_, {"", "u1", "f1", "asset", "x.csv"}, csv);
  ASSERT_TRUE(id) << describe(id.error());
  // As many servers on one database.
  const auto url = database_.url();
  std::atomic<int> applied{0}, refused{0}, other{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      const auto database = *store::Database::open(url, clock_);
      const auto ledger = *Ledger::open(*database, product_registers());
      const auto& assets = **ledger->find_register("asset");
      const auto import = find_import(*ledger, *id);
      const auto tables = import_tables(*ledger, *id);
      const auto plan = plan_import(*ledger, assets, "f1", *tables, import->options);
      const auto result = apply_kept_import(*ledger, kActor, assets, *import, *plan);
      ++(result ? applied : result.error().code == "ledger.import.applied" ? refused : other);
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(applied, 1);
  EXPECT_EQ(refused, 3);
  EXPECT_EQ(ledger_->list(reg("asset"), {.scope = store::Scope::door("f1")})->total, 100);
  // Taken back once, too.
  EXPECT_EQ(undo_import(*ledger_, kActor, *id)->records, 100u);
  EXPECT_EQ(undo_import(*ledger_, kActor, *id).error().code, "ledger.import.undone");
  EXPECT_EQ(apply_kept_import(*ledger_, kActor, reg("asset"), *find_import(*ledger_, *id),
                              *plan_import(*ledger_, reg("asset"), "f1", *import_tables(*ledger_, *id), {}))
                .error()
                .code,
            "ledger.import.undone");
  EXPECT_EQ(ledger_->list(reg("asset"), {.scope = store::Scope::door("f1")})->total, 0);
}

TEST_P(OnBothEngines, WhatSomeoneChangedSinceTheImportStaysAndIsNamed) {
  const auto table = sheet::read_csv("種別,管理番号,型番\nパソコン,PC-001,A\nパソコン,PC-002,B\n");
  const auto plan = plan_import(*ledger_, reg("asset"), "f1", {*table}, {});
  const auto result =
      apply_import(*ledger_, {"", "root", "command line"}, reg("asset"), "f1", *plan, "台帳.csv");
  ASSERT_TRUE(result);
  const auto edited = ledger_
                          ->list(reg("asset"), {.scope = store::Scope::door("f1"),
                                                .conditions = {{"number", Comparison::equal, "PC-002"}}})
                          ->items[0];
  ASSERT_TRUE(ledger_->update(kActor, reg("asset"), store::Scope::door("f1"), edited.id, 1,
                              {{{"place", "医局"}}, ""}));
  ASSERT_EQ(list_imports(*ledger_, store::Scope::door("f1"), "", 10)->size(), 1u);
  const auto reopened = *Ledger::open(*database_, product_registers());  // as after a restart
  const auto undone = undo_import(*reopened, kActor, result->id);
  ASSERT_TRUE(undone) << describe(undone.error());
  EXPECT_EQ(undone->records, 1u);
  ASSERT_EQ(undone->kept.size(), 1u);
  EXPECT_EQ(undone->kept[0].number, "PC-002");
  EXPECT_EQ(undone->kept[0].id, edited.id);
}

TEST_P(OnBothEngines, PendingImportsPushOutOnlyTheirOwnersAndNeverRevive) {
  const auto keep = [&](const std::string& user) {
    clock_.advance(std::chrono::milliseconds(1));
    return *keep_import(*ledger_, {"", user, "f1", "asset", "x\n.csv"}, "種別,型番\nパソコン,A\n");
  };
  const auto officers = keep("officer");
  std::vector<std::string> ids;
  for (int i = 0; i < 25; ++i) ids.push_back(keep("staff"));
  EXPECT_TRUE(find_import(*ledger_, officers));
  EXPECT_TRUE(find_import(*ledger_, ids.back()));
  EXPECT_EQ(find_import(*ledger_, ids[0]).error().code, "ledger.import.gone");
  EXPECT_EQ(set_import_options(*ledger_, ids[0], {}).error().code, "ledger.import.gone");
  EXPECT_EQ(find_import(*ledger_, ids[0]).error().code, "ledger.import.gone")
      << "not revived by choosing options";
  ImportOptions options{
      .sheet = "表", .mapping = {{"もの", "kind"}, {"x", ""}}, .heading_line = 3, .make_in = {"department"}};
  ASSERT_TRUE(set_import_options(*ledger_, officers, options));
  const auto kept = find_import(*ledger_, officers);
  EXPECT_EQ(kept->options.mapping, options.mapping);
  EXPECT_EQ(kept->options.make_in, options.make_in);
  EXPECT_EQ(kept->options.heading_line, 3u);
  clock_.advance(kPendingLife + std::chrono::hours(1));
  EXPECT_EQ(find_import(*ledger_, officers).error().code, "ledger.import.expired");
  keep("staff");
  EXPECT_EQ(import_tables(*ledger_, officers).error().code, "ledger.import.expired");
}

TEST_P(OnBothEngines, RemembersAMappingMadeByHand) {
  const auto table = sheet::read_csv("もの,ばしょ,ゆかい\nパソコン,医局,1\n");
  EXPECT_EQ(plan_import(*ledger_, reg("asset"), "f1", {*table}, {}).error().code, "ledger.import.no-heading");
  const auto plan = plan_import(*ledger_, reg("asset"), "f1", {*table},
                                {.mapping = {{"もの", "kind"}, {"ばしょ", "place"}}});
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(plan->columns[2].field, "");
  ASSERT_TRUE(apply_import(*ledger_, kActor, reg("asset"), "f1", *plan, "x.csv"));
  const auto remembered = plan_import(*ledger_, reg("asset"), "f1", {*table}, {});
  ASSERT_TRUE(remembered);
  EXPECT_EQ(remembered->columns[1].field, "place");
}

TEST_P(OnBothEngines, WhatIsExportedCanBeImportedAgain) {
  make("vendor", {{"name", "V社"}});
  make("asset", {{"kind", "pc"},
                 {"vendor", "V社"},
                 {"remark", "=1+1"},
                 {"mac", "aa-bb-cc-dd-ee-ff"},
                 {"patient_data", true},
                 {"bought_on", "R5.5.8"}});
  const auto table =
      export_table(*ledger_, reg("asset"), {.scope = store::Scope::door("f1")}, ExportColumns::all, "ja");
  ASSERT_TRUE(table);
  auto rows = table->rows;
  rows.insert(rows.begin(), table->headings);
  const auto read = sheet::read_csv(sheet::write_csv(rows));
  const auto plan = plan_import(*ledger_, reg("asset"), "f1", {*read}, {});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->count(LineOutcome::unchanged), 1u)
      << (plan->lines.empty() ? "" : json::serialize(plan->lines[0].fields));
}

sheet::Table table_of(const std::string& csv) {
  auto table = sheet::read_csv(csv);
  EXPECT_TRUE(table) << describe(table.error());
  return std::move(table).take();
}

TEST_P(OnBothEngines, ARowThatDoesNotFitItsHeadingsIsNotShifted) {
  const auto plan = plan_import(
      *ledger_, reg("asset"), "f1",
      {table_of("種別,管理番号,型番\nパソコン,PC-1,A, B\nパソコン,PC-2,C,,\nパソコン,PC-3,#N/A\n")}, {});
  ASSERT_TRUE(plan) << describe(plan.error());
  ASSERT_EQ(plan->lines.size(), 3u);
  EXPECT_EQ(plan->lines[0].problems.at(0).code, "ledger.import.ragged");
  EXPECT_EQ(plan->lines[1].outcome, LineOutcome::created)
      << "empty cells behind the last heading say nothing";
  EXPECT_EQ(plan->lines[2].problems.at(0).code, "sheet.cell.error");
  EXPECT_EQ(plan->lines[2].outcome, LineOutcome::rejected);
}

TEST_P(OnBothEngines, ListsArePrintedForPeopleWithDittosTotalsAndPlaceholders) {
  const auto plan = plan_import(*ledger_, reg("asset"), "f1",
                                {table_of("種別,管理番号,メーカー,IPアドレス,購入日\nパソコン,PC-1,空山電機,"
                                          "DHCP,未定\n〃,PC-2,同上,192.0.2.7,－\n合計,2台,,,\n")},
                                {});
  ASSERT_TRUE(plan) << describe(plan.error());
  ASSERT_EQ(plan->lines.size(), 2u);
  for (const auto& line : plan->lines) EXPECT_EQ(line.outcome, LineOutcome::created);
  EXPECT_EQ(plan->lines[0].problems.size(), 2u) << "what was left out is said";
  EXPECT_FALSE(plan->lines[0].fields.contains("ip"));
  EXPECT_EQ(text_of(plan->lines[1].fields, "kind"), "pc");
  EXPECT_EQ(text_of(plan->lines[1].fields, "maker"), text_of(plan->lines[0].fields, "maker"));
}

TEST_P(OnBothEngines, AHeadingMeansWhatItsFamilyOfFilesMeansByIt) {
  const auto fields = [&](const std::string& csv) {
    const auto plan = plan_import(*ledger_, reg("asset"), "f1", {table_of(csv)}, {});
    EXPECT_TRUE(plan) << describe(plan.error());
    std::vector<std::string> out;
    for (const auto& column : plan->columns) out.push_back(column.field);
    return out;
  };
  EXPECT_EQ(fields("管理番号,種別,バージョン,更新日\n1,パソコン,2.0,2026/1/5\n"),
            (std::vector<std::string>{"number", "kind", "firmware", "patched_on"}));
  EXPECT_EQ(fields("登録No,コンピューター名,IPアドレス,バージョン,ステータス,最終更新日\n1,HIGASHI-01,192.0."
                   "2.9,2.0,接続中,2026/1/5\n"),
            (std::vector<std::string>{"", "hostname", "ip", "", "", ""}));
}

TEST_P(OnBothEngines, AnEmptiedCellTakesTheValueAway) {
  make("asset", {{"kind", "pc"}, {"number", "PC-1"}, {"bought_on", "2024-04-01"}, {"maker", "空山電機"}});
  const auto plan =
      plan_import(*ledger_, reg("asset"), "f1", {table_of("種別,管理番号,購入日\nパソコン,PC-1,\n")}, {});
  ASSERT_EQ(plan->lines.at(0).outcome, LineOutcome::changed);
  EXPECT_EQ(plan->lines[0].changed_fields, std::vector<std::string>{"bought_on"});
  EXPECT_EQ(plan->lines[0].problems.at(0).code, "ledger.import.cleared") << "and that is said";
  ASSERT_TRUE(apply_import(*ledger_, kActor, reg("asset"), "f1", *plan, "a.csv"));
  const auto record = ledger_->get(reg("asset"), store::Scope::door("f1"), plan->lines[0].id);
  EXPECT_FALSE(record->fields.contains("bought_on"));
  EXPECT_EQ(text_of(record->fields, "maker"), "空山電機") << "a column that the sheet lacks stays";
}

TEST_P(OnBothEngines, WhatLooksTheSameIsTheSame) {
  make("asset", {{"kind", "pc"}, {"number", "F-5"}});
  const auto department = make("department", {{"name", "イジカ～本館"}});
  for (const auto* number : {"Ｆ－５", "f-5", "F\xE2\x80\x8B-5", "F-5\xC2\xA0", "F−5"}) {
    const auto plan = plan_import(*ledger_, reg("asset"), "f1",
                                  {table_of(std::string("種別,管理番号\nパソコン,") + number + "\n")}, {});
    EXPECT_EQ(plan->count(LineOutcome::unchanged), 1u) << number;
  }
  const auto plan = plan_import(
      *ledger_, reg("person"), "f1",
      {table_of("職員番号,氏名,部署\n1,東 一,ｲｼﾞｶ〜本館\n2,東 二,新館 受付\n3,東 三,新館　受付\n")},
      {.make_in = {"department"}});
  ASSERT_EQ(plan->count(LineOutcome::created), 3u);
  EXPECT_EQ(text_of(plan->lines[0].fields, "department"), department.id);
  EXPECT_EQ(plan->made.size(), 1u);
}

TEST_P(OnBothEngines, LinesWithoutNumberAreNotDoubled) {
  const auto table = table_of("種別,型番,シリアル番号\nパソコン,A,1\nパソコン,B,2\nパソコン,B,2\n");
  const auto plan = plan_import(*ledger_, reg("asset"), "f1", {table}, {});
  ASSERT_EQ(plan->count(LineOutcome::created), 3u);
  ASSERT_TRUE(apply_import(*ledger_, kActor, reg("asset"), "f1", *plan, "a.csv"));
  EXPECT_EQ(plan_import(*ledger_, reg("asset"), "f1", {table}, {})->count(LineOutcome::unchanged), 3u);
}

TEST_P(OnBothEngines, AfterAnUndoTheCorrectedFileComesIn) {
  const auto import = [&](const std::string& csv) {
    const auto plan = plan_import(*ledger_, reg("asset"), "f1", {table_of(csv)}, {});
    EXPECT_EQ(plan->count(LineOutcome::created), 1u);
    auto result = apply_import(*ledger_, kActor, reg("asset"), "f1", *plan, "a.csv");
    EXPECT_TRUE(result) << describe(result.error());
    return result->id;
  };
  const auto first = import("種別,管理番号,型番\nパソコン,PC-9,誤\n");
  EXPECT_EQ(undo_import(*ledger_, kActor, first)->records, 1u);
  const auto second = import("種別,管理番号,型番\nパソコン,PC-9,正\n");
  const auto list = [&] {
    std::vector<std::string> models;
    EXPECT_TRUE(ledger_->each(reg("asset"), {.scope = store::Scope::door("f1")}, [&](const Record& record) {
      if (!record.retired_at) models.push_back(text_of(record.fields, "model"));
      return true;
    }));
    return models;
  };
  EXPECT_EQ(list(), std::vector<std::string>{"正"});
  EXPECT_EQ(undo_import(*ledger_, kActor, second)->records, 1u);
  EXPECT_TRUE(list().empty());
}

TEST_P(OnBothEngines, OnlyWhatWasShownIsApplied) {
  const auto device = make("asset", {{"kind", "pc"}, {"number", "PC-1"}, {"model", "A"}});
  const std::string csv = "種別,管理番号,型番\nパソコン,PC-1,A\nパソコン,PC-2,B\n";
  const auto id = *keep_import(*ledger_, {"", "u1", "f1", "asset", "a.csv"}, csv);
  const auto plan = [&] { return *plan_import(*ledger_, reg("asset"), "f1", {table_of(csv)}, {}); };
  ASSERT_TRUE(keep_shown(*ledger_, id, plan()));
  ASSERT_TRUE(ledger_->update(kActor, reg("asset"), store::Scope::door("f1"), device.id, 1,
                              {{{"model", "C"}}, "moved"}));
  const auto refused = apply_kept_import(*ledger_, kActor, reg("asset"), *find_import(*ledger_, id), plan());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "ledger.import.moved");
  EXPECT_EQ(refused.error().facts.at(0).second, "2");
  ASSERT_TRUE(keep_shown(*ledger_, id, plan()));
  EXPECT_EQ(apply_kept_import(*ledger_, kActor, reg("asset"), *find_import(*ledger_, id), plan())->changed,
            1u);

  // A plan that is written as it is knows the versions it was made of.
  const auto old =
      *plan_import(*ledger_, reg("asset"), "f1", {table_of("種別,管理番号,型番\nパソコン,PC-1,D\n")}, {});
  ASSERT_TRUE(ledger_->update(kActor, reg("asset"), store::Scope::door("f1"), device.id, 3,
                              {{{"model", "E"}}, "again"}));
  EXPECT_EQ(apply_import(*ledger_, kActor, reg("asset"), "f1", old, "a.csv").error().code,
            "ledger.import.moved");
}

TEST_P(OnBothEngines, CommasGroupThreeDigitsAndTimesKeepTheirClock) {
  const auto& hours = *reg("backup_job").find("interval_hours");
  EXPECT_EQ(normalise(hours, json::value("1,5")).error().problems.at(0).code, "ledger.field.number");
  Field price = hours;
  price.most.reset();
  EXPECT_EQ(normalise(price, json::value("１，２３４"))->to_number<double>(), 1234);
  EXPECT_EQ(normalise(price, json::value("12,34")).error().problems.at(0).code, "ledger.field.number");
  Field when;
  when.name = "at";
  when.type = FieldType::datetime;
  EXPECT_EQ(*normalise(when, json::value("2026/11/20 09:30")), json::value("2026-11-20T00:30:00Z"));
  EXPECT_FALSE(normalise(when, json::value("2026/11/20 夕方")));
}

TEST_P(OnBothEngines, ANewRegisterIsOneFile) {
  const TemporaryFolder folder;
  ASSERT_TRUE(os::write_file(
      folder.path() / "key_cabinet.yaml",
      "register: key_cabinet\nlabel: {ja: 鍵, en: Key}\ncalled: [name]\nnumbering: {otherwise: KEY-}\n"
      "fields:\n  name: {required: true, list: true, label: {ja: 名前, en: Name}}\n  held_until: {type: "
      "date, label: {ja: 期限, en: Until}}\n"));
  const auto registers = Registers::load(folder.path());
  ASSERT_TRUE(registers) << describe(registers.error());
  const auto ledger = Ledger::open(*database_, *registers);
  ASSERT_TRUE(ledger) << describe(ledger.error());
  const auto& cabinet = **(*ledger)->find_register("key_cabinet");
  EXPECT_EQ((*ledger)
                ->create(kActor, cabinet, "f1", {{{"name", "サーバ室"}, {"held_until", "R9.1.1"}}, ""})
                ->number,
            "KEY-001");
  ASSERT_TRUE(
      os::write_file(folder.path() / "key_cabinet.yaml",
                     "register: key_cabinet\nlabel: {ja: 鍵, en: Key}\ncalled: [name]\nfields:\n  name: "
                     "{label: {ja: 名前, en: Name}}\n  colour: {label: {ja: 色, en: Colour}}\n"));
  const auto grown = Registers::load(folder.path());
  const auto reopened = Ledger::open(*database_, *grown);
  ASSERT_TRUE(reopened) << describe(reopened.error());
  EXPECT_EQ((*reopened)
                ->list(**(*reopened)->find_register("key_cabinet"), {.scope = store::Scope::door("f1")})
                ->total,
            1);
}

TEST(RegisterFiles, AMistakeIsNamedWithFileAndLine) {
  const auto load = [](const std::string& text) {
    const TemporaryFolder folder;
    EXPECT_TRUE(os::write_file(folder.path() / "x.yaml", text));
    const auto loaded = Registers::load(folder.path());
    return loaded ? std::string("loaded") : describe(loaded.error());
  };
  const std::string head = "register: x\nlabel: {ja: あ, en: a}\nfields:\n";
  EXPECT_NE(load(head + "  order: {label: {ja: あ, en: a}}\n").find("line=4"), std::string::npos);
  EXPECT_NE(load(head + "  a: {tpye: text, label: {ja: あ, en: a}}\n").find("unknown key: tpye"),
            std::string::npos);
  EXPECT_NE(
      load(head + "  a: {type: ref, to: nowhere, label: {ja: あ, en: a}}\n").find("unknown register nowhere"),
      std::string::npos);
  EXPECT_NE(load(head + "  a: {type: wish, label: {ja: あ, en: a}}\n").find("unknown type: wish"),
            std::string::npos);
  EXPECT_NE(load(head + "  a: {label: {ja: あ}}\n").find("needs ja and en"), std::string::npos);
}

}  // namespace
}  // namespace mamori::ledger
