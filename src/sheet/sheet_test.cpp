#include <gtest/gtest.h>
#include <zip.h>

#include "base/crypto.h"
#include "base/file.h"
#include "base/text.h"
#include "sheet/table.h"

namespace mamori::sheet {
namespace {

using Cells = std::vector<std::string>;

std::string zip_of(const std::vector<std::pair<std::string, std::string>>& parts) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "a.zip";
  int failure = 0;
  auto* archive = zip_open(file.c_str(), ZIP_CREATE, &failure);
  for (const auto& [name, text] : parts)
    zip_file_add(archive, name.c_str(), zip_source_buffer(archive, text.data(), text.size(), 0),
                 ZIP_FL_ENC_UTF_8);
  EXPECT_EQ(zip_close(archive), 0);
  return *read_file(file, 1u << 30);
}

std::string workbook_with(const std::string& sheet, const std::string& shared = "",
                          const std::string& styles = "") {
  std::vector<std::pair<std::string, std::string>> parts = {
      {"xl/workbook.xml",
       R"(<workbook xmlns:r="x"><sheets><sheet name="機器" r:id="rId1"/></sheets></workbook>)"},
      {"xl/_rels/workbook.xml.rels",
       R"(<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>)"},
      {"xl/worksheets/sheet1.xml", sheet}};
  if (!shared.empty()) parts.emplace_back("xl/sharedStrings.xml", shared);
  if (!styles.empty()) parts.emplace_back("xl/styles.xml", styles);
  return zip_of(parts);
}

TEST(Csv, ReadsQuotesLineBreaksAndEmptyCells) {
  const auto table = read_csv("a,\"b,\"\"c\"\"\nd\",\r\n,x\n");
  ASSERT_TRUE(table);
  EXPECT_EQ(table->rows, (std::vector<Cells>{{"a", "b,\"c\"\nd", ""}, {"", "x"}}));
}

TEST(Csv, FindsTheSeparatorAndTheEncoding) {
  EXPECT_EQ(read_csv("種別;番号\nPC;1\n")->rows[1], (Cells{"PC", "1"}));
  EXPECT_EQ(read_csv("種別\t番号\nPC\t1\n")->rows[1], (Cells{"PC", "1"}));
  EXPECT_EQ(read_csv(*encode_cp932("種別,番号\r\nノートＰＣ,1\r\n"))->rows[1], (Cells{"ノートＰＣ", "1"}));
  EXPECT_EQ(read_csv("\xEF\xBB\xBF種別\n")->rows[0], (Cells{"種別"}));
}

TEST(Csv, NamesTheLineOfAQuoteThatIsNeverClosed) {
  const auto table = read_csv("a,b\nc,\"d\ne,f\n");
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, "sheet.csv.quote");
  EXPECT_EQ(table.error().facts[0].second, "2");
}

TEST(Csv, WrittenAndReadAgainIsTheSame) {
  const std::vector<Cells> rows = {{"=1+A1", "-5", "+81-3", "@x", "'=x"}, {"a\"b", "c,d", "e\nf", "", "値"}};
  const auto text = write_csv(rows);
  EXPECT_NE(text.find("\"'=1+A1\""), text.npos);
  EXPECT_EQ(read_csv(text)->rows[0], (Cells{"=1+A1", "-5", "+81-3", "@x", "=x"}));
  EXPECT_EQ(read_csv(text)->rows[1], rows[1]);
}

TEST(Csv, LimitsAreKept) {
  EXPECT_EQ(read_csv("a\nb\nc\n", {.rows = 2}).error().code, "sheet.too-many-rows");
  EXPECT_EQ(read_csv("a,b,c\n", {.columns = 2}).error().code, "sheet.too-wide");
  EXPECT_EQ(read_csv("aaaa\n", {.bytes = 2}).error().code, "sheet.too-large");
  EXPECT_EQ(read_csv(std::string_view("a\0b", 3)).error().code, "sheet.binary");
  EXPECT_EQ(read_csv("").error().code, "sheet.empty");
}

TEST(Xlsx, WrittenAndReadAgainIsTheSame) {
  const auto bytes =
      write_xlsx({{"台帳", {"機器台帳"}, {{"種別"}, {"管理番号"}}, {{"PC", "PC-001"}, {"USB", "U-001"}}}});
  ASSERT_TRUE(bytes);
  const auto tables = read_tables(*bytes);
  ASSERT_TRUE(tables) << describe(tables.error());
  EXPECT_EQ((*tables)[0].name, "台帳");
  EXPECT_EQ((*tables)[0].rows,
            (std::vector<Cells>{{"機器台帳"}, {"種別", "管理番号"}, {"PC", "PC-001"}, {"USB", "U-001"}}));
}

TEST(Xlsx, ReadsDatesMergedCellsAndSkipsFurigana) {
  const auto bytes = workbook_with(
      R"(<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" s="1"><v>45054</v></c></row>)"
      R"(<row r="3"><c r="A3" t="inlineStr"><is><t>x</t></is></c><c r="B3"><v>12</v></c><c r="C3"><v>1.5</v></c></row></sheetData>)"
      R"(<mergeCells><mergeCell ref="A1:B1"/></mergeCells></worksheet>)",
      R"(<sst><si><t>医事課</t><rPh><t>イジカ</t></rPh></si></sst>)",
      R"(<styleSheet><numFmts><numFmt numFmtId="176" formatCode="[$-411]ggge&quot;年&quot;m&quot;月&quot;d"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="176"/></cellXfs></styleSheet>)");
  const auto tables = read_tables(bytes);
  ASSERT_TRUE(tables) << describe(tables.error());
  EXPECT_EQ((*tables)[0].rows[0], (Cells{"医事課", "医事課", "2023-05-08"}));
  EXPECT_TRUE((*tables)[0].rows[1].empty());
  EXPECT_EQ((*tables)[0].rows[2], (Cells{"x", "12", "1.5"}));
}

TEST(Xlsx, RefusesHostileAndBrokenFilesWithTheirReason) {
  EXPECT_EQ(read_tables("PK\x03\x04 nonsense").error().code, "sheet.xlsx.broken");
  EXPECT_EQ(read_tables("\xD0\xCF\x11\xE0....").error().code, "sheet.xls");
  EXPECT_EQ(read_tables(workbook_with("<!DOCTYPE a [<!ENTITY b \"c\">]><worksheet/>")).error().code,
            "sheet.xlsx.entities");
  EXPECT_EQ(read_tables(workbook_with("<worksheet><sheetData>")).error().code, "sheet.xlsx.broken");
  EXPECT_EQ(read_tables(zip_of({{"a.txt", "b"}})).error().code, "sheet.xlsx.broken");
  const auto bomb = workbook_with("<worksheet>" + std::string(3u << 20, ' ') + "</worksheet>");
  EXPECT_LT(bomb.size(), 20'000u);
  EXPECT_EQ(read_tables(bomb, {.unpacked = 1u << 20}).error().code, "sheet.xlsx.bomb");
}

}  // namespace
}  // namespace mamori::sheet
