#include <gtest/gtest.h>
#include <zip.h>

#include <chrono>

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
  const std::vector<Cells> rows = {{"=1+A1", "-5", "+81-3", "@x", "'=x"},
                                   {"a\"b", "c,d", "e\nf", "", "値"},
                                   {"＝1+1", "＠SUM(A1)", "－", "＋1", "－2"}};
  const auto text = write_csv(rows);
  EXPECT_NE(text.find("\"'=1+A1\""), text.npos);
  EXPECT_NE(text.find("'＝1+1"), text.npos) << "a full-width sign makes a formula of it in Japanese Excel";
  EXPECT_NE(text.find("'＠SUM"), text.npos);
  EXPECT_EQ(read_csv(text)->rows[2], rows[2]);
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

TEST(Csv, TheSeparatorIsWhatSplitsEvenly) {
  EXPECT_EQ(read_csv("品名\t説明\t数\n机\t白,木,軽い,古い\t2\n椅子\t黒,布\t1\n")->rows[1],
            (Cells{"机", "白,木,軽い,古い", "2"}));
  EXPECT_EQ(read_csv("仕事;時間\n夜間;1,5\n昼;2,25\n")->rows[1], (Cells{"夜間", "1,5"}));
}

TEST(Csv, AQuoteMayFollowSpaces) {
  EXPECT_EQ(read_csv("a,b,c\n1, \"x, y\",z\n")->rows[1], (Cells{"1", "x, y", "z"}));
}

TEST(Csv, MarksWhatTheSpreadsheetLost) {
  const auto table = read_csv("a,b,c\n#N/A,1.23457E+19,\"1.2E+3\"\n");
  ASSERT_EQ(table->flaws.size(), 2u);
  EXPECT_EQ(table->flaws[0].code, "sheet.cell.error");
  EXPECT_EQ(table->flaws[1].code, "sheet.cell.rounded");
  EXPECT_EQ(table->flaws[1].row, 1u);
  EXPECT_EQ(table->flaws[1].column, 1u);
}

TEST(Csv, NamesWhatIsNoTable) {
  const auto format = [](std::string_view bytes) {
    const auto read = read_tables(bytes);
    return !read && read.error().code == "sheet.format" ? read.error().facts[0].second : "";
  };
  EXPECT_EQ(format("\xEF\xBB\xBF\n<html><table><tr><td>x"), "HTML");
  EXPECT_EQ(format("%PDF-1.7\n"), "PDF");
  EXPECT_EQ(
      format("<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\">"),
      "XML Spreadsheet 2003");
  EXPECT_EQ(format(zip_of({{"mimetype", "application/vnd.oasis.opendocument.spreadsheet"}})),
            "OpenDocument (.ods)");
}

TEST(Xlsx, CellsSayWhatTheSheetShows) {
  const auto bytes = workbook_with(
      R"(<worksheet><sheetData><row r="1"><c t="s"/><c t="s"><v>1</v></c><c t="b"><v>true</v></c>)"
      R"(<c t="e"><v>#REF!</v></c><c><f>A1</f></c><c t="str"><f>A1</f><v></v></c></row>)"
      R"(<row r="2"><c s="1"><v>12</v></c><c s="2"><v>4567</v></c><c s="3"><v>9012345678</v></c>)"
      R"(<c s="4"><v>3</v></c><c s="5"><v>45054.999999999</v></c><c s="6"><v>0.375</v></c>)"
      R"(<c><v>12345678901234567890</v></c><c s="5"><v>-3</v></c><c s="5"><v>1</v></c></row></sheetData></worksheet>)",
      R"(<sst><si><t>表題</t></si><si><t>一行_x000D_
二行_x005F_x</t></si></sst>)",
      R"(<styleSheet><numFmts><numFmt numFmtId="170" formatCode="00000"/><numFmt numFmtId="171" formatCode="&quot;SN-&quot;000000"/>)"
      R"(<numFmt numFmtId="172" formatCode="000\-0000\-0000"/><numFmt numFmtId="173" formatCode="0_d"/>)"
      R"(<numFmt numFmtId="174" formatCode="yyyy/m/d"/><numFmt numFmtId="175" formatCode="h:mm"/></numFmts>)"
      R"(<cellXfs><xf numFmtId="0"/><xf numFmtId="170"/><xf numFmtId="171"/><xf numFmtId="172"/><xf numFmtId="173"/>)"
      R"(<xf numFmtId="174"/><xf numFmtId="175"/></cellXfs></styleSheet>)");
  const auto tables = read_tables(bytes);
  ASSERT_TRUE(tables) << describe(tables.error());
  const auto& table = tables->at(0);
  EXPECT_EQ(table.rows[0], (Cells{"", "一行\n二行_x", "TRUE", "#REF!", ""}));
  EXPECT_EQ(table.rows[1], (Cells{"00012", "SN-004567", "090-1234-5678", "3", "2023-05-09", "09:00",
                                  "12345678901234567890", "####", "1900-01-01"}));
  std::vector<std::string> codes;
  for (const auto& flaw : table.flaws) codes.push_back(flaw.code);
  EXPECT_EQ(codes,
            (Cells{"sheet.cell.error", "sheet.cell.formula", "sheet.cell.rounded", "sheet.cell.error"}));
}

TEST(Xlsx, PartsAreFoundAsExcelFindsThem) {
  const auto bytes = zip_of(
      {{"_rels/.rels",
        R"(<Relationships><Relationship Id="a" Type="http://x/officeDocument" Target="xl/buch.xml"/></Relationships>)"},
       {"xl/buch.xml", R"(<workbook xmlns:r="x"><sheets><sheet name="棟" r:id="r1"/></sheets></workbook>)"},
       {"xl/_rels/buch.xml.rels",
        R"(<Relationships><Relationship Id="r1" Type="http://x/worksheet" Target="./Worksheets/S1.xml"/>)"
        R"(<Relationship Id="r2" Type="http://x/sharedStrings" Target="texte.xml"/></Relationships>)"},
       {"xl\\worksheets\\s1.XML",
        R"(<worksheet><sheetData><row><c t="s"><v>0</v></c></row></sheetData></worksheet>)"},
       {"XL/Texte.xml", "<sst><si><t>東</t></si></sst>"}});
  const auto tables = read_tables(bytes);
  ASSERT_TRUE(tables) << describe(tables.error());
  EXPECT_EQ(tables->at(0).rows, (std::vector<Cells>{{"東"}}));
}

TEST(Xlsx, RowsWithoutTextCostNothingAndDoNotCount) {
  const auto tables = read_tables(workbook_with(
      R"(<worksheet><sheetData><row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576" s="1"/></row></sheetData></worksheet>)"));
  ASSERT_TRUE(tables) << describe(tables.error());
  EXPECT_EQ(tables->at(0).rows.size(), 1u);
  EXPECT_EQ(read_tables(
                workbook_with(
                    R"(<worksheet><sheetData><row r="300000"><c><v>1</v></c></row></sheetData></worksheet>)"))
                .error()
                .code,
            "sheet.too-many-rows");
}

TEST(Xlsx, ALongTextIsNotMultipliedByAMergedArea) {
  const auto bytes = workbook_with(
      R"(<worksheet><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>)" + std::string(30'000, 'x') +
      R"(</t></is></c></row><row r="190000"><c r="A190000"><v>1</v></c></row></sheetData>)"
      R"(<mergeCells><mergeCell ref="A1:ZZ190000"/></mergeCells></worksheet>)");
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(read_tables(bytes).error().code, "sheet.xlsx.bomb");
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(1000)) << "under sanitizers";
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
