#include "report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/process.h"
#include "sheet/table.h"
#include "testing/clock.h"
#include "testing/postgres.h"

namespace mamori::report {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using As = ledger::Printed::As;

const store::Actor kActor{"u1", "試験", "test"};
const std::filesystem::path kSource = MAMORI_SOURCE_DIR;

class Reports : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { crypto_ready(); }
  void SetUp() override {
    make("facility", {{"name", "みなと病院"}, {"kind", "hospital"}, {"beds", 300}});
    other_ = std::exchange(here_, "");
    make("facility", {{"name", "やま医院"}, {"kind", "clinic"}});
    std::swap(here_, other_);
  }

  std::string make(const char* name, const json::object& given) {
    const auto& reg = this->reg(name);
    const auto record = ledger_->create(kActor, reg, here_, {given, ""});
    EXPECT_TRUE(record) << describe(record.error());
    if (here_.empty()) here_ = record->facility;
    return record->id;
  }
  const ledger::Register& reg(std::string_view name) const { return **ledger_->find_register(name); }
  Context context() const { return {*ledger_, *assessor_, texts_}; }
  Request request(Format format, const std::string& language = "ja") const {
    return {here_, store::Scope::door(here_), language, "守田 一", format};
  }
  // Of an XLSX, all rows of its one sheet.
  static std::vector<std::vector<std::string>> rows(const Result<std::string>& bytes) {
    EXPECT_TRUE(bytes) << describe(bytes.error());
    const auto tables = sheet::read_tables(*bytes);
    EXPECT_TRUE(tables) << describe(tables.error());
    EXPECT_EQ(tables->size(), 1u);
    return tables->at(0).rows;
  }
  static std::size_t row_that_begins(const std::vector<std::vector<std::string>>& rows,
                                     const std::string& cell) {
    const auto found = std::find_if(rows.begin(), rows.end(),
                                    [&](const auto& row) { return !row.empty() && row[0] == cell; });
    EXPECT_NE(found, rows.end()) << cell;
    return static_cast<std::size_t>(found - rows.begin());
  }
  std::string text_of_pdf(const Result<std::string>& bytes) {
    EXPECT_TRUE(bytes) << describe(bytes.error());
    const auto file = folder_.path() / "printed.pdf";
    EXPECT_TRUE(os::write_file(file, *bytes));
    const auto read = os::run_process({"pdftotext", "-layout", file, "-"});
    EXPECT_TRUE(read) << describe(read.error());
    auto text = read->out;  // words go on in the next line where a column ends
    std::erase_if(text, [](char c) { return c == ' ' || c == '\n' || c == '\f'; });
    return text;
  }

  TemporaryFolder folder_;
  testing::ManualClock clock_{*parse_instant("2026-11-21T03:00:00Z")};
  testing::FreshDatabase database_{store::Engine::sqlite, clock_};
  ledger::Registers registers_ = std::move(ledger::Registers::load(kSource / "data/registers")).take();
  std::unique_ptr<ledger::Ledger> ledger_ = std::move(ledger::Ledger::open(*database_, registers_)).take();
  Texts texts_ = std::move(Texts::load(kSource / "data/texts")).take();
  catalog::Catalog catalog_ = std::move(catalog::Catalog::load(kSource / "data")).take();
  std::unique_ptr<assess::Assessor> assessor_ =
      std::move(assess::Assessor::open(*ledger_, catalog_, texts_)).take();
  std::string here_, other_;
};

TEST_F(Reports, AListHoldsTheFacilitysOwnRecordsUnderItsNameDateAndPrinter) {
  make("asset", {{"kind", "pc"}, {"number", "PC-007"}, {"maker", "富士通"}, {"place", "医事課"}});
  std::swap(here_, other_);
  make("asset", {{"kind", "pc"}, {"number", "PC-900"}, {"maker", "他院"}});
  std::swap(here_, other_);
  const auto table = rows(register_document(context(), request(Format::xlsx), reg("asset"), As::list));
  EXPECT_EQ(table[0][0], "みなと病院");
  bool printed = false, own = false, others = false;
  for (const auto& row : table)
    for (const auto& cell : row) {
      printed = printed || (cell.find("2026年11月21日") != cell.npos && cell.find("守田 一") != cell.npos);
      own = own || cell == "PC-007";
      others = others || cell.find("PC-900") != cell.npos || cell.find("他院") != cell.npos;
    }
  EXPECT_TRUE(printed);
  EXPECT_TRUE(own);
  EXPECT_FALSE(others);

  const auto text = text_of_pdf(register_document(context(), request(Format::pdf), reg("asset"), As::list));
  EXPECT_THAT(text, HasSubstr("みなと病院"));
  EXPECT_THAT(text, HasSubstr("PC-007"));
  EXPECT_EQ(text.find("PC-900"), text.npos);
}

TEST_F(Reports, AnEmptyRegisterSaysSo) {
  const auto none = texts_.get("report.none", "ja");
  ASSERT_FALSE(none.empty());
  EXPECT_THAT(text_of_pdf(register_document(context(), request(Format::pdf), reg("asset"), As::list)),
              HasSubstr(none));
}

TEST_F(Reports, AMatrixCrossesTwoFieldsAndJoinsWhatMeetsInOneCell) {
  const auto chart = make("information_class", {{"name", "診療録"}, {"importance", "高"}});
  make("information_class", {{"name", "会計"}, {"importance", "低"}});
  make("access_right", {{"job", "看護師"}, {"information_class", chart}, {"level", "write"}});
  make("access_right",
       {{"job", "看護師"}, {"duty", "病棟"}, {"information_class", chart}, {"level", "admin"}});
  make("access_right", {{"job", "事務"}, {"information_class", chart}, {"level", "read"}});
  const auto table =
      rows(register_document(context(), request(Format::xlsx), reg("access_right"), As::matrix));
  const auto heading = row_that_begins(table, "職種");
  ASSERT_EQ(table[heading].size(), 3u);
  const std::size_t of_chart = table[heading][1] == "診療録" ? 1 : 2;
  EXPECT_EQ(table[heading][of_chart], "診療録");
  const auto& nurse = table[row_that_begins(table, "看護師")];
  EXPECT_THAT(nurse[of_chart], HasSubstr("閲覧・入力"));
  EXPECT_THAT(nurse[of_chart], HasSubstr("管理（病棟）"));
  EXPECT_EQ(nurse[3 - of_chart], "－") << "nothing is said of it";

  EXPECT_EQ(register_document(context(), request(Format::xlsx), reg("asset"), As::matrix).error().code,
            "report.printed.none");
}

TEST_F(Reports, EveryChecklistHasARowForEachItemInBothLanguages) {
  for (const auto& framework : catalog_.frameworks()) {
    SCOPED_TRACE(framework.id);
    for (const auto* language : {"ja", "en"}) {
      const bool of_vendor = framework.id.find("vendor") != framework.id.npos;
      const auto vendor = of_vendor ? make("vendor", {{"name", "保守会社 " + framework.id + language}}) : "";
      const auto document = checklist(context(), request(Format::xlsx, language), framework.id, vendor);
      const auto table = rows(document);
      std::set<std::string> numbers;
      for (const auto& row : table)
        if (!row.empty()) numbers.insert(row[0]);
      for (const auto& item : framework.items)
        EXPECT_TRUE(numbers.contains(item.number)) << item.number << " is missing";
    }
  }
}

TEST_F(Reports, WhoeverMayNotSeeTheFacilityGetsNoPageOfIt) {
  auto foreign = request(Format::xlsx);
  foreign.scope = store::Scope::door(other_).in(here_);
  EXPECT_FALSE(register_document(context(), foreign, reg("asset"), As::list));
  EXPECT_FALSE(checklist(context(), foreign, catalog_.frameworks().front().id, ""));
}

}  // namespace
}  // namespace mamori::report
