#include <gtest/gtest.h>

#include "assess/assessor.h"
#include "base/crypto.h"
#include "base/yaml.h"
#include "testing/clock.h"
#include "testing/postgres.h"

namespace mamori::assess {
namespace {

const store::Actor kActor{"u1", "試験", "test"};
const std::filesystem::path kSource = MAMORI_SOURCE_DIR;

class OnBothEngines : public ::testing::TestWithParam<store::Engine> {
 protected:
  static void SetUpTestSuite() { crypto_ready(); }
  testing::ManualClock clock_{*parse_instant("2026-11-21T03:00:00Z")};
  testing::FreshDatabase database_{GetParam(), clock_};
  ledger::Registers registers_ = std::move(ledger::Registers::load(kSource / "data/registers")).take();
  std::unique_ptr<ledger::Ledger> ledger_ = std::move(ledger::Ledger::open(*database_, registers_)).take();
  Texts texts_ = std::move(Texts::load(kSource / "data/texts")).take();
  catalog::Catalog catalog_ = load_catalog();
  std::unique_ptr<Assessor> assessor_ = open_assessor();

  static catalog::Catalog load_catalog() {
    auto catalog = catalog::Catalog::load(kSource / "data");
    if (!catalog) ADD_FAILURE() << describe(catalog.error());
    return std::move(catalog).take();
  }
  std::unique_ptr<Assessor> open_assessor() {
    auto opened = Assessor::open(*ledger_, catalog_, texts_);
    if (!opened) ADD_FAILURE() << describe(opened.error());
    return std::move(opened).take();
  }

  // Facts are as old as the newest of their source.
  static void put_readings(store::Transaction& transaction, const ledger::Register& reg,
                           const std::string& facility, const Yaml& records) {
    std::map<std::string, Instant> newest;
    for (const auto& record : records.items()) {
      if (!record["observed_at"].present() || record["retired"].boolean(false)) continue;
      auto& at = newest[record["source"].text()];
      at = std::max(at, *parse_instant(record["observed_at"].text()));
    }
    for (const auto& [source, at] : newest)
      EXPECT_TRUE(ledger::note_reading(*transaction, reg, facility, {{source, source}, at, 1}));
  }

  // The records of a case file's `given`, in a facility of their own.
  std::string make(const Yaml& given, const std::string& prefix) {
    auto transaction = std::move(database_->begin()).take();
    const std::string facility = prefix + "facility";
    const auto put = [&](const ledger::Register& reg, const std::string& id, const Yaml& record) {
      json::object fields;
      for (const auto& [name, value] : record.members()) {
        if (name == "id" || name == "retired" || !value.present()) continue;
        const auto* field = reg.find(name);
        const auto text = value.text();
        fields[name] = field && field->type == ledger::FieldType::ref ? prefix + text : text;
      }
      for (const auto& field : reg.fields)
        if (!field.initial.empty() && !fields.contains(field.name)) fields[field.name] = field.initial;
      auto checked = ledger::Ledger::check(
          reg, fields, {},
          [](const ledger::Field&, const std::string& text) -> Result<std::string> { return text; });
      ASSERT_TRUE(checked) << describe(checked.error());
      std::vector<std::string> ids = {prefix + id};
      const auto made = ledger_->create_many(transaction, kActor, reg, facility, {*checked}, "case", &ids);
      ASSERT_TRUE(made) << describe(made.error());
      if (record["retired"].boolean(false)) {
        const auto before = ledger_->get_in(*transaction, reg, store::Scope::door(facility), prefix + id);
        ASSERT_TRUE(ledger_->retire_in(transaction, kActor, reg, *before, "case"));
      }
    };
    const auto home = given["facility"];
    {
      json::object fields = {{"name", "試験病院"},
                             {"kind", "hospital"},
                             {"beds", 300},
                             {"has_vendor", true},
                             {"has_system", true}};
      for (const auto& [name, value] : home.members()) fields[name] = value.text();
      auto checked = ledger::Ledger::check(
          *registers_.find("facility"), fields, {},
          [](const ledger::Field&, const std::string& text) -> Result<std::string> { return text; });
      EXPECT_TRUE(checked) << describe(checked.error());
      std::vector<std::string> ids = {facility};
      EXPECT_TRUE(ledger_->create_many(transaction, kActor, *registers_.find("facility"), facility,
                                       {*checked}, "case", &ids));
    }
    for (const auto& [name, records] : given.members()) {
      if (name == "facility") continue;
      const auto* reg = registers_.find(name);
      EXPECT_NE(reg, nullptr) << name;
      if (!reg) continue;
      for (const auto& record : records.items()) put(*reg, record["id"].text(), record);
      if (reg->observed) put_readings(transaction, *reg, facility, records);
    }
    EXPECT_TRUE(transaction.commit());
    return facility;
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, OnBothEngines,
                         ::testing::Values(store::Engine::sqlite, store::Engine::postgresql),
                         [](const auto& chosen) {
                           return chosen.param == store::Engine::sqlite ? "SQLite" : "PostgreSQL";
                         });

TEST_P(OnBothEngines, EveryControlAnswersItsCases) {
  std::set<std::string> with_case;
  int number = 0;
  for (const auto& yaml : *load_yaml_folder(kSource / "tests/cases/controls")) {
    const auto* control = catalog_.find_control(yaml["control"].text());
    ASSERT_NE(control, nullptr) << yaml.file();
    with_case.insert(control->id);
    for (const auto& item : yaml["cases"].items()) {
      SCOPED_TRACE(yaml.file() + ": " + item["case"].text());
      const auto prefix = "k" + std::to_string(++number) + "-";
      const auto facility = make(item["given"], prefix);
      if (HasFatalFailure()) return;
      const auto result = assessor_->controls().run(*control, facility);
      ASSERT_TRUE(result) << describe(result.error());
      EXPECT_EQ(name_of(result->verdict), item["expect"]["verdict"].text());
      std::set<std::string> expected, found;
      for (const auto& id : item["expect"]["violations"].texts()) expected.insert(prefix + id);
      for (const auto& record : result->records) found.insert(record.id);
      EXPECT_EQ(found, expected);
    }
  }
  for (const auto& control : catalog_.controls())
    EXPECT_TRUE(with_case.contains(control.id)) << control.id << " has no case";
  EXPECT_GE(catalog_.controls().size(), 60u);
}

TEST_P(OnBothEngines, ADeclaredYesThatTheDataContradictIsShown) {
  const auto facility = make(*Yaml::parse("person: [{id: p1, name: a, left_on: 2026-01-01}]\naccount: [{id: "
                                          "a1, login: x, kind: personal, person: p1}]",
                                          "case"),
                             "d-");
  ASSERT_TRUE(assessor_->declarations().declare(
      kActor, facility,
      {.framework = "mhlw-facility-r7", .item = "2(5)", .vendor = "", .answer = Answer::yes}));
  const auto result = assessor_->frameworks().state(facility, "mhlw-facility-r7");
  ASSERT_TRUE(result) << describe(result.error());
  const auto item = std::find_if(result->items.begin(), result->items.end(),
                                 [](const ItemResult& i) { return i.item->id == "2(5)"; });
  ASSERT_NE(item, result->items.end());
  EXPECT_EQ(item->verdict, Verdict::gap);
  EXPECT_EQ(item->contradiction, Contradiction::declared_yes_measured_gap);
  const auto today = assessor_->today().rows(facility);
  ASSERT_TRUE(today) << describe(today.error());
  ASSERT_FALSE(today->empty());
  EXPECT_EQ(today->front().kind, "contradiction");
  ASSERT_TRUE(assessor_->today().put_off(kActor, facility, today->front().key, "2026-12-01", "年末に実施"));
  EXPECT_NE(assessor_->today().rows(facility)->front().key, today->front().key);
  clock_.set(*parse_instant("2026-12-02T03:00:00Z"));
  EXPECT_EQ(assessor_->today().rows(facility)->front().key, today->front().key);
}

TEST_P(OnBothEngines, WhatHasHappenedStandsOnTodayWhateverTheChecklistAsks) {
  const auto facility =
      make(*Yaml::parse("asset: [{id: a1, kind: vpn, logs_expected: true, state: in_use}]\nobserved_archive: "
                        "[{id: w1, source: log archive, stream: events, whole: false, damage: leaf 321, "
                        "observed_at: \"2026-11-21T00:00:00Z\"}]",
                        "case"),
           "t-");
  const auto today = assessor_->today().rows(facility);
  ASSERT_TRUE(today) << describe(today.error());
  ASSERT_FALSE(today->empty());
  EXPECT_EQ(today->front().key, "control logs.proof") << "altered logs come before everything";
  const auto row = std::find_if(today->begin(), today->end(),
                                [](const TodayRow& r) { return r.key == "control logs.coverage"; });
  ASSERT_NE(row, today->end());
  EXPECT_EQ(row->kind, "gap");
  EXPECT_EQ(row->link, "logs/sources");
  EXPECT_NE(row->reason.ja.find("1件"), std::string::npos);
}

TEST_P(OnBothEngines, ANoNeedsATargetWithinTheFiscalYear) {
  const auto facility = make(*Yaml::parse("{}", "case"), "n-");
  const auto code_of = [&](Declaration declaration) {
    declaration.framework = "mhlw-facility-r7";
    declaration.item = "1(1)";
    const auto made = assessor_->declarations().declare(kActor, facility, declaration);
    return made ? std::string("ok") : made.error().problems[0].code;
  };
  EXPECT_EQ(code_of({.answer = Answer::no}), "assess.declaration.target_on");
  EXPECT_EQ(code_of({.answer = Answer::no, .target_on = "2027-04-01"}), "assess.declaration.target_year");
  EXPECT_EQ(code_of({.answer = Answer::no, .target_on = "2027-03-31"}), "ok");
  EXPECT_EQ(code_of({.answer = Answer::yes, .confirmed_on = "2026-12-01"}), "assess.declaration.future");
  EXPECT_EQ(code_of({.answer = Answer::yes, .confirmed_on = "きのう"}), "assess.declaration.date");
}

TEST_P(OnBothEngines, TheSecondAnswerStandsBesideTheFirst) {  // CHK-01
  const auto facility = make(*Yaml::parse("{}", "case"), "r-");
  const auto declare = [&](Answer answer, int round, const std::string& target) {
    return assessor_->declarations().declare(kActor, facility,
                                             {.framework = "mhlw-facility-r7",
                                              .item = "1(1)",
                                              .vendor = "",
                                              .answer = answer,
                                              .target_on = target,
                                              .round = round});
  };
  EXPECT_EQ(declare(Answer::yes, 2, "").error().problems[0].code, "assess.declaration.round_first");
  EXPECT_EQ(declare(Answer::yes, 3, "").error().problems[0].code, "assess.declaration.round");
  ASSERT_TRUE(declare(Answer::no, 1, "2027-03-31"));
  ASSERT_TRUE(declare(Answer::yes, 2, ""));
  const auto item = assessor_->frameworks().state(facility, "mhlw-facility-r7")->items.front();
  ASSERT_EQ(item.rounds.size(), 2u);
  EXPECT_EQ(item.rounds[0].answer, Answer::no);
  EXPECT_EQ(item.rounds[0].target_on, "2027-03-31");
  EXPECT_EQ(item.rounds[1].answer, Answer::yes);
  EXPECT_EQ(item.declared->round, 2);
}

TEST_P(OnBothEngines, OneVendorSeesItsOwnRecordsOnly) {
  const auto facility =
      make(*Yaml::parse(
               "vendor: [{id: v1, name: A}, {id: v2, name: B}]\nasset:\n  - {id: a1, kind: network, vendor: "
               "v1, patched_on: 2020-01-01}\n  - {id: a2, kind: network, vendor: v2, patched_on: 2026-11-01}",
               "case"),
           "v-");
  const auto& control = *catalog_.find_control("patches.network");
  EXPECT_EQ(assessor_->controls().run(control, facility, "v-v1")->verdict, Verdict::gap);
  EXPECT_EQ(assessor_->controls().run(control, facility, "v-v2")->verdict, Verdict::met);
}

TEST(Verdicts, CombineToTheWorstThatCounts) {
  using enum Verdict;
  EXPECT_EQ(combine({met, stale, gap}), gap);
  EXPECT_EQ(combine({met, stale}), stale);
  EXPECT_EQ(combine({met, no_evidence}), no_evidence);
  EXPECT_EQ(combine({met, not_applicable}), met);
  EXPECT_EQ(combine({not_applicable}), not_applicable);
  EXPECT_EQ(combine({}), no_evidence);
}

TEST(Requirements, EveryIdInTheDataIsWellFormed) {
  const auto catalog = catalog::Catalog::load(kSource / "data");
  ASSERT_TRUE(catalog) << describe(catalog.error());
  const auto well_formed = [](const std::string& id) {
    return id.size() >= 6 && id.size() <= 8 && id[3] == '-' &&
           id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3 &&
           std::isdigit(static_cast<unsigned char>(id[4]));
  };
  for (const auto& control : catalog->controls())
    for (const auto& id : control.requirements) EXPECT_TRUE(well_formed(id)) << control.id << " " << id;
  for (const auto& framework : catalog->frameworks())
    for (const auto& item : framework.items)
      for (const auto& id : item.requirements) EXPECT_TRUE(well_formed(id)) << framework.id << " " << id;
}

}  // namespace
}  // namespace mamori::assess
