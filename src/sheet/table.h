// Tables in files that people send: CSV and XLSX in and out. Knows no hospital.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mamori::sheet {

// Rows of cells as text, in the order of the file: rows[0] is line 1. Rows may differ in length. Dates of
// XLSX cells stand as ISO 8601 days, cells of a merged area all carry its text.
struct Table {
  std::string name;
  std::vector<std::vector<std::string>> rows;
};

struct Limits {
  std::size_t bytes = 64u << 20;      // the file
  std::size_t unpacked = 256u << 20;  // all parts of an XLSX together
  std::size_t rows = 200'000;
  std::size_t columns = 512;
  std::size_t cell = 32'767;  // bytes of one cell, Excel's own limit in characters
};

// By content, not by name: a ZIP is XLSX, anything else CSV (comma, semicolon or tab, whichever separates the
// first lines most evenly; UTF-8 with or without mark, UTF-16 with mark, CP932). Errors: sheet.too-large
// (facts: limit), sheet.empty, sheet.xls (the old binary format), sheet.xlsx.broken (fact: part),
// sheet.xlsx.bomb, sheet.xlsx.entities, sheet.xlsx.encrypted, sheet.csv.quote (fact: line),
// sheet.too-many-rows, sheet.too-wide, base.text.encoding.
Result<std::vector<Table>> read_tables(std::string_view bytes, const Limits& limits = {});
Result<Table> read_csv(std::string_view bytes, const Limits& limits = {});
Result<std::vector<Table>> read_xlsx(std::string_view bytes, const Limits& limits = {});

// RFC 4180 with CRLF and a UTF-8 mark, so that Excel opens it as UTF-8. A text that a spreadsheet would take
// for a formula gets an apostrophe before it; reading takes it away again.
std::string write_csv(const std::vector<std::vector<std::string>>& rows);

struct Column {
  std::string heading;
  double width = 14;  // in characters
};
struct Page {
  std::string name;                      // of the sheet; shortened to Excel's 31 characters
  std::vector<std::string> title_lines;  // above the headings
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};
// A4 landscape, repeated heading row, borders, frozen headings. Error: sheet.xlsx.unwritable.
Result<std::string> write_xlsx(const std::vector<Page>& pages);

}  // namespace mamori::sheet
