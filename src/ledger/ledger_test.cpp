#include "ledger/ledger.h"

#include <gtest/gtest.h>

#include "base/crypto.h"
#include "ledger/export.h"
#include "ledger/field_value.h"
#include "ledger/import.h"
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

INSTANTIATE_TEST_SUITE_P(Engines, OnBothEngines, ::testing::Values(store::Engine::sqlite, store::Engine::postgresql),
                         [](const auto& chosen) { return chosen.param == store::Engine::sqlite ? "SQLite" : "PostgreSQL"; });

TEST_P(OnBothEngines, IssuesControlNumbersByKindAndNeverTwice) {
  EXPECT_EQ(make("asset", {{"kind", "パソコン"}}).number, "PC-001");
  EXPECT_EQ(make("asset", {{"kind", "usb"}}).number, "U-001");
  make("asset", {{"kind", "pc"}, {"number", "PC-041"}});
  const auto next = make("asset", {{"kind", "pc"}});
  EXPECT_EQ(next.number, "PC-042");
  ASSERT_TRUE(ledger_->retire(kActor, reg("asset"), {"f1"}, next.id, 1, "廃棄"));
  EXPECT_EQ(make("asset", {{"kind", "pc"}}).number, "PC-043");
  const auto taken = ledger_->create(kActor, reg("asset"), "f1", {{{"kind", "pc"}, {"number", "PC-042"}}, ""});
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().problems[0].code, "ledger.number.taken");
  EXPECT_EQ(make("asset", {{"kind", "pc"}}, "f2").number, "PC-001");
}

TEST_P(OnBothEngines, NamesEveryWrongFieldAtOnce) {
  const auto bad = ledger_->create(kActor, reg("asset"), "f1", {{{"kind", "宇宙船"}, {"mac", "xyz"}, {"ip", "1.2.3"}, {"bought_on", "5/32"}, {"nonsense", 1}, {"vendor", "nobody"}}, ""});
  ASSERT_FALSE(bad);
  std::map<std::string, std::string> codes;
  for (const auto& problem : bad.error().problems) codes[problem.field] = problem.code;
  EXPECT_EQ(codes, (std::map<std::string, std::string>{{"kind", "ledger.field.choice"}, {"mac", "ledger.field.mac"}, {"ip", "ledger.field.ip"}, {"bought_on", "ledger.field.date"},
                                                       {"nonsense", "ledger.field.unknown"}, {"vendor", "ledger.field.ref"}}));
}

TEST_P(OnBothEngines, KeepsEveryStateAndBringsOneBack) {
  auto record = make("person", {{"name", "田中"}, {"post", "主任"}, {"joined_on", "令和元年5月1日"}, {"outside", "はい"}});
  EXPECT_EQ(text_of(record.fields, "joined_on"), "2019-05-01");
  EXPECT_TRUE(boolean_of(record.fields, "outside"));
  record = *ledger_->update(kActor, reg("person"), {"f1"}, record.id, 1, {{{"post", "課長"}}, "昇任"});
  const auto stale = ledger_->update(kActor, reg("person"), {"f1"}, record.id, 1, {{{"post", "部長"}}, ""});
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code, "ledger.record.changed");
  record = *ledger_->retire(kActor, reg("person"), {"f1"}, record.id, 2, "退職");
  EXPECT_EQ(ledger_->list(reg("person"), {.facilities = {"f1"}})->total, 0);
  EXPECT_EQ(ledger_->list(reg("person"), {.facilities = {"f1"}, .retired = Retired::only})->total, 1);
  record = *ledger_->bring_back(kActor, reg("person"), {"f1"}, record.id, 3, "復職");
  const auto history = ledger_->history(reg("person"), {"f1"}, record.id);
  ASSERT_EQ(history->size(), 4u);
  EXPECT_EQ(history->front().change.action, "restored");
  record = *ledger_->revert(kActor, reg("person"), {"f1"}, record.id, 4, history->back().sequence, "戻す");
  EXPECT_EQ(text_of(record.fields, "post"), "主任");
  auto lease = database_->read();
  EXPECT_TRUE(store::verify_journal(**lease));
}

TEST_P(OnBothEngines, ARecordOfAnotherFacilityDoesNotExist) {
  const auto record = make("person", {{"name", "田中"}}, "f1");
  EXPECT_EQ(ledger_->get(reg("person"), {"f2"}, record.id).error().code, "ledger.record.missing");
  EXPECT_EQ(ledger_->update(kActor, reg("person"), {"f2"}, record.id, 1, {{{"name", "x"}}, ""}).error().code, "ledger.record.missing");
  EXPECT_EQ(ledger_->retire(kActor, reg("person"), {"f2"}, record.id, 1, "x").error().code, "ledger.record.missing");
  EXPECT_EQ(ledger_->list(reg("person"), {.facilities = {}})->total, 0);
  const auto vendor = make("vendor", {{"name", "V社"}}, "f1");
  EXPECT_FALSE(ledger_->create(kActor, reg("asset"), "f2", {{{"kind", "pc"}, {"vendor", vendor.id}}, ""}));
}

TEST_P(OnBothEngines, PagesInOrderWithoutGapOrRepeat) {
  for (int i = 0; i < 23; ++i) make("asset", {{"kind", i % 2 ? "pc" : "server"}, {"maker", i % 3 ? json::value("富士通") : json::value(nullptr)}, {"place", "医事課"}});
  for (const auto* sort : {"number", "maker", "updated_at", "bought_on"}) {
    for (const bool descending : {false, true}) {
      std::vector<std::string> seen;
      ListQuery query{.facilities = {"f1"}, .sort = sort, .descending = descending, .limit = 5};
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

TEST_P(OnBothEngines, SearchesFoldedAndFilters) {
  make("asset", {{"kind", "pc"}, {"maker", "ＦＵＪＩＴＳＵ"}, {"place", "医事課"}, {"bought_on", "2020-04-01"}});
  make("asset", {{"kind", "server"}, {"maker", "NEC"}, {"place", "サーバ室"}, {"bought_on", "2024-04-01"}});
  const auto count = [&](ListQuery query) {
    query.facilities = {"f1"};
    const auto page = ledger_->list(reg("asset"), query);
    EXPECT_TRUE(page) << describe(page.error());
    return page->total;
  };
  EXPECT_EQ(count({.text = "fujitsu"}), 1);
  EXPECT_EQ(count({.text = "さーば"}), 1);
  EXPECT_EQ(count({.text = "医事 pc"}), 1);
  EXPECT_EQ(count({.text = "100%"}), 0);
  EXPECT_EQ(count({.conditions = {{"kind", Comparison::equal, "server"}}}), 1);
  EXPECT_EQ(count({.conditions = {{"bought_on", Comparison::less, "2022-01-01"}}}), 1);
  EXPECT_EQ(count({.conditions = {{"serial", Comparison::empty, ""}}}), 2);
  EXPECT_FALSE(ledger_->list(reg("asset"), {.facilities = {"f1"}, .sort = "1; DROP TABLE r_asset"}));
  EXPECT_FALSE(ledger_->list(reg("asset"), {.facilities = {"f1"}, .cursor = "zzz"}));
}

TEST_P(OnBothEngines, ImportsTheHandbooksLedgerWithItsOddities) {
  const auto table = sheet::read_csv("使用機器一覧表,,,,,\n,,,,,\n種別,管理番号,メーカー,管理場所,管理責任者,備考\nパソコン,PC-001,〇〇,医事課,医事課長,\nパソコン,PC-002,〇〇,医事課,医事課長,2023/5/8 業者廃棄\n"
                                     "種別,管理番号,メーカー,管理場所,管理責任者,備考\nUSB,U-001,〇〇,医局,医局長,\nプラネタリウム,X-001,〇〇,医局,医局長,\nパソコン,PC-001,重複,,,\n:,:,:,:,:,\n");
  const auto plan = plan_import(*ledger_, reg("asset"), "f1", {*table}, {});
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(plan->heading_line, 3u);
  EXPECT_EQ(plan->count(LineOutcome::created), 4u);
  EXPECT_EQ(plan->count(LineOutcome::rejected), 1u);
  EXPECT_EQ(plan->lines.back().problems[0].code, "ledger.import.twice");
  EXPECT_EQ(plan->skipped, 4u);
  const auto result = apply_import(*ledger_, kActor, reg("asset"), "f1", *plan, "台帳.csv");
  ASSERT_TRUE(result) << describe(result.error());
  const auto odd = ledger_->list(reg("asset"), {.facilities = {"f1"}, .text = "プラネタリウム"});
  ASSERT_EQ(odd->total, 1);
  EXPECT_EQ(text_of(odd->items[0].fields, "kind"), "other");
  EXPECT_EQ(text_of(odd->items[0].fields, "model"), "プラネタリウム");

  const auto again = plan_import(*ledger_, reg("asset"), "f1", {*table}, {});
  EXPECT_EQ(again->count(LineOutcome::created), 0u);
  EXPECT_EQ(again->count(LineOutcome::unchanged), 4u) << "import twice = once";
  EXPECT_EQ(*undo_import(*ledger_, kActor, reg("asset"), "f1", *result, "やり直し"), 4u);
  EXPECT_EQ(ledger_->list(reg("asset"), {.facilities = {"f1"}})->total, 0);
}

TEST_P(OnBothEngines, WhatASheetOnlyNamesIsMadeWithItWhereThatIsAllowed) {
  make("department", {{"name", "医局"}});
  const auto table = sheet::read_csv("職員番号,氏名,所属,入職日\n1,甲,外来,2020/4/1\n2,乙,医局,2020/4/1\n3,丙,外来,2020/4/1\n4,丁,検査部,4/32\n");
  EXPECT_EQ(plan_import(*ledger_, reg("person"), "f1", {*table}, {})->count(LineOutcome::created), 1u) << "nowhere else by itself";
  const auto plan = plan_import(*ledger_, reg("person"), "f1", {*table}, {.make_in = {"department"}});
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(plan->count(LineOutcome::created), 3u);
  ASSERT_EQ(plan->made.size(), 1u) << "not for a line that is rejected";
  EXPECT_EQ(plan->made[0].name, "外来");
  EXPECT_EQ(ledger_->list(reg("department"), {.facilities = {"f1"}})->total, 1) << "a plan writes nothing";
  const auto result = apply_import(*ledger_, kActor, reg("person"), "f1", *plan, "名簿.csv");
  ASSERT_TRUE(result) << describe(result.error());
  const auto made = ledger_->list(reg("department"), {.facilities = {"f1"}, .text = "外来"});
  ASSERT_EQ(made->total, 1);
  std::size_t in_it = 0;
  const auto people = ledger_->list(reg("person"), {.facilities = {"f1"}});
  for (const auto& person : people->items) in_it += text_of(person.fields, "department") == made->items[0].id ? 1u : 0u;
  EXPECT_EQ(in_it, 2u);
  // Taken back with the import, but not once something else names it.
  make("person", {{"name", "戊"}, {"department", "外来"}});
  EXPECT_EQ(*undo_import(*ledger_, kActor, reg("person"), "f1", *result, "やり直し"), 3u);
  EXPECT_EQ(ledger_->list(reg("department"), {.facilities = {"f1"}, .text = "外来"})->total, 1);
}

TEST_P(OnBothEngines, WhatAnImportMadeGoesWithIt) {
  const auto table = sheet::read_csv("職員番号,氏名,所属\n1,甲,外来\n");
  const auto plan = plan_import(*ledger_, reg("person"), "f1", {*table}, {.make_in = {"department"}});
  const auto result = apply_import(*ledger_, kActor, reg("person"), "f1", *plan, "名簿.csv");
  ASSERT_TRUE(result) << describe(result.error());
  EXPECT_EQ(*undo_import(*ledger_, kActor, reg("person"), "f1", *result, "やり直し"), 1u);
  EXPECT_EQ(ledger_->list(reg("department"), {.facilities = {"f1"}})->total, 0);
}

TEST_P(OnBothEngines, RemembersAMappingMadeByHand) {
  const auto table = sheet::read_csv("もの,ばしょ,ゆかい\nパソコン,医局,1\n");
  EXPECT_EQ(plan_import(*ledger_, reg("asset"), "f1", {*table}, {}).error().code, "ledger.import.no-heading");
  const auto plan = plan_import(*ledger_, reg("asset"), "f1", {*table}, {.mapping = {{"もの", "kind"}, {"ばしょ", "place"}}});
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(plan->columns[2].field, "");
  ASSERT_TRUE(apply_import(*ledger_, kActor, reg("asset"), "f1", *plan, "x.csv"));
  const auto remembered = plan_import(*ledger_, reg("asset"), "f1", {*table}, {});
  ASSERT_TRUE(remembered);
  EXPECT_EQ(remembered->columns[1].field, "place");
}

TEST_P(OnBothEngines, WhatIsExportedCanBeImportedAgain) {
  make("vendor", {{"name", "V社"}});
  make("asset", {{"kind", "pc"}, {"vendor", "V社"}, {"remark", "=1+1"}, {"mac", "aa-bb-cc-dd-ee-ff"}, {"patient_data", true}, {"bought_on", "R5.5.8"}});
  const auto table = export_table(*ledger_, reg("asset"), {.facilities = {"f1"}}, ExportColumns::all, "ja");
  ASSERT_TRUE(table);
  auto rows = table->rows;
  rows.insert(rows.begin(), table->headings);
  const auto read = sheet::read_csv(sheet::write_csv(rows));
  const auto plan = plan_import(*ledger_, reg("asset"), "f1", {*read}, {});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->count(LineOutcome::unchanged), 1u) << (plan->lines.empty() ? "" : json::serialize(plan->lines[0].fields));
}

TEST_P(OnBothEngines, ANewRegisterIsOneFile) {
  const TemporaryFolder folder;
  ASSERT_TRUE(os::write_file(folder.path() / "key_cabinet.yaml",
                         "register: key_cabinet\nlabel: {ja: 鍵, en: Key}\ncalled: [name]\nnumbering: {otherwise: KEY-}\n"
                         "fields:\n  name: {required: true, list: true, label: {ja: 名前, en: Name}}\n  held_until: {type: date, label: {ja: 期限, en: Until}}\n"));
  const auto registers = Registers::load(folder.path());
  ASSERT_TRUE(registers) << describe(registers.error());
  const auto ledger = Ledger::open(*database_, *registers);
  ASSERT_TRUE(ledger) << describe(ledger.error());
  const auto& cabinet = **(*ledger)->find_register("key_cabinet");
  EXPECT_EQ((*ledger)->create(kActor, cabinet, "f1", {{{"name", "サーバ室"}, {"held_until", "R9.1.1"}}, ""})->number, "KEY-001");
  ASSERT_TRUE(os::write_file(folder.path() / "key_cabinet.yaml", "register: key_cabinet\nlabel: {ja: 鍵, en: Key}\ncalled: [name]\nfields:\n  name: {label: {ja: 名前, en: Name}}\n  colour: {label: {ja: 色, en: Colour}}\n"));
  const auto grown = Registers::load(folder.path());
  const auto reopened = Ledger::open(*database_, *grown);
  ASSERT_TRUE(reopened) << describe(reopened.error());
  EXPECT_EQ((*reopened)->list(**(*reopened)->find_register("key_cabinet"), {.facilities = {"f1"}})->total, 1);
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
  EXPECT_NE(load(head + "  a: {tpye: text, label: {ja: あ, en: a}}\n").find("unknown key: tpye"), std::string::npos);
  EXPECT_NE(load(head + "  a: {type: ref, to: nowhere, label: {ja: あ, en: a}}\n").find("unknown register nowhere"), std::string::npos);
  EXPECT_NE(load(head + "  a: {type: wish, label: {ja: あ, en: a}}\n").find("unknown type: wish"), std::string::npos);
  EXPECT_NE(load(head + "  a: {label: {ja: あ}}\n").find("needs ja and en"), std::string::npos);
}

}  // namespace
}  // namespace mamori::ledger
