// Documents as whoever opens them sees them: text by pdftotext, pages by pdfinfo, archives by unzip.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "base/file.h"
#include "document/pdf.h"
#include "document/zip.h"
#include "os/file.h"

namespace mamori::document {
namespace {

std::string output_of(const std::string& command) {
  std::string out;
  auto* pipe = ::popen(command.c_str(), "r");
  EXPECT_TRUE(pipe);
  char buffer[4096];
  while (const auto read = std::fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, read);
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return out;
}

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) ++found;
  return found;
}

class Pdf : public testing::Test {
 protected:
  std::string text_of(const PdfDocument& document) {
    const auto bytes = draw_pdf(document);
    EXPECT_TRUE(bytes) << describe(bytes.error());
    EXPECT_TRUE(os::write_file(folder_.path() / "x.pdf", *bytes));
    return output_of("pdftotext -layout " + (folder_.path() / "x.pdf").string() + " -");
  }
  int pages() {
    const auto info = output_of("pdfinfo " + (folder_.path() / "x.pdf").string());
    return std::stoi(info.substr(info.find("Pages:") + 6));
  }
  TemporaryFolder folder_;
};

TEST_F(Pdf, JapaneseIsTextAndHeadingsStandOnEveryPage) {
  PdfDocument document;
  document.facility = "みなと総合病院";
  document.title = "使用機器一覧表";
  document.subtitle = {"件数 200"};
  document.footer = "印刷 令和8年11月27日";
  document.check = "0123456789abcdef";
  PdfSection section;
  section.table.columns = {{"管理番号", 1}, {"設置場所", 2}};
  for (int i = 0; i < 200; ++i)
    section.table.rows.push_back({fmt::format("PC-{:03}", i), "髙橋﨑の第２病棟 ～①"});
  document.sections = {section};
  const auto text = text_of(document);
  ASSERT_GT(pages(), 2);
  EXPECT_EQ(count(text, "管理番号"), static_cast<std::size_t>(pages()));
  EXPECT_GE(count(text, "みなと総合病院"), 1u);
  EXPECT_GE(count(text, "印刷 令和8年11月27日"), static_cast<std::size_t>(pages()));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(count(text, fmt::format("PC-{:03}", i)), 1u) << i;
  EXPECT_EQ(count(text, "髙橋﨑の第２病棟"), 200u);
}

TEST_F(Pdf, NothingIsCutOffOrTakenForMarkup) {
  PdfDocument document;
  document.title = "<b>A & B</b>";
  PdfSection section;
  section.table.columns = {{"a", 1}, {"b", 1}, {"c", 1}};
  std::string longest;
  for (int i = 0; i < 400; ++i) longest += fmt::format("n{:03} ", i);
  section.table.rows = {{"<i>x</i> &amp;", longest, std::string(300, 'W')}, {"last", "", ""}};
  document.sections = {section};
  const auto text = text_of(document);
  EXPECT_GE(count(text, "<b>A & B</b>"), 1u);
  EXPECT_GE(count(text, "&amp;"), 1u);
  for (int i = 0; i < 400; ++i) EXPECT_EQ(count(text, fmt::format("n{:03}", i)), 1u) << i;
  EXPECT_EQ(count(text, "W"), 300u);
  EXPECT_EQ(count(text, "last"), 1u);
}

TEST_F(Pdf, OddBytesAreNoReasonToFail) {
  PdfDocument document;
  document.title = std::string("a\0b", 3) + "\xFF\xFE" + "c";
  PdfSection section;
  section.paragraphs = {"\x1b[31m \u202e x"};
  section.table.columns = {{"h", 1}};
  section.table.rows = {{}, {"x"}};  // fewer cells than columns
  document.sections = {section};
  EXPECT_NE(text_of(document).find("c"), std::string::npos);
}

TEST(Zip, WhatIsWrittenIsReadHereAndElsewhere) {
  const TemporaryFolder folder;
  const ZipFiles files = {
      {"README.txt", "よめ"}, {"台帳/機器.csv", std::string(1 << 20, 'x')}, {"empty", ""}};
  const auto bytes = write_zip(files);
  ASSERT_TRUE(bytes) << describe(bytes.error());
  const auto read = read_zip(*bytes, 2 << 20);
  ASSERT_TRUE(read) << describe(read.error());
  EXPECT_EQ(*read, files);
  ASSERT_TRUE(os::write_file(folder.path() / "x.zip", *bytes));
  EXPECT_EQ(output_of("python3 -c 'import "
                      "zipfile,sys;print(len(zipfile.ZipFile(sys.argv[1]).read(\"台帳/機器.csv\")))' " +
                      (folder.path() / "x.zip").string()),
            "1048576\n");
}

TEST(Zip, LimitsAndDamageAreNamed) {
  const ZipFiles files = {{"a", std::string(1 << 20, 'x')}};
  const auto bytes = write_zip(files);
  ASSERT_TRUE(bytes);
  EXPECT_LT(bytes->size(), 10'000u);
  EXPECT_EQ(read_zip(*bytes, 1000).error().code, "document.zip.too-large");
  EXPECT_EQ(read_zip("PK", 1000).error().code, "document.zip.broken");
  EXPECT_EQ(read_zip("", 1000).error().code, "document.zip.broken");
  EXPECT_FALSE(read_zip(std::string_view(*bytes).substr(0, bytes->size() / 2), 2 << 20));
  for (std::size_t i = 0; i < bytes->size(); ++i) {  // whatever bit is turned: refused, or the same content
    auto odd = *bytes;
    odd[i] = static_cast<char>(odd[i] ^ 1);
    const auto read = read_zip(odd, 2 << 20);
    for (const auto& [name, content] : read ? *read : ZipFiles()) EXPECT_EQ(content, files[0].second) << i;
  }
}

}  // namespace
}  // namespace mamori::document
