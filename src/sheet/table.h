// Tables in files that people send: CSV and XLSX in and out. Knows no hospital.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mamori::sheet {

// Rows of cells as text, in the order of the file: rows[0] is line 1. Rows may differ in length. Dates of
// XLSX cells stand as ISO 8601 days, numbers as their number format shows them where it adds digits or
// letters (00012, SN-0045), cells of a merged area all carry its text. A cell that does not say what its
// keeper means. `code`: sheet.cell.error (#N/A, a date out of range), sheet.cell.formula (a formula whose
// result was never stored), sheet.cell.rounded (a number of more digits than a spreadsheet keeps).
struct Flaw {
  std::size_t row = 0, column = 0;  // from 0
  std::string code;
  std::string shown;
};
struct Table {
  std::string name;
  std::vector<std::vector<std::string>> rows;
  std::vector<Flaw> flaws;  // by row
  bool padded = false;      // a row ends with its last text: what is missing behind it are empty cells
};

struct Limits {
  std::size_t bytes = 64u << 20;      // the file
  std::size_t unpacked = 256u << 20;  // all parts of an XLSX together
  std::size_t rows = 200'000;
  std::size_t columns = 512;
  std::size_t cell = 32'767;  // bytes of one cell, Excel's own limit in characters
};

// By content, not by name: a ZIP is XLSX, anything else CSV (comma, semicolon or tab, whichever separates the
// first lines most evenly; UTF-8 with or without mark, UTF-16, CP932, ISO-2022-JP). Errors: sheet.too-large
// (facts: limit), sheet.empty, sheet.xls (the old binary format), sheet.format (fact: format; HTML, PDF,
// OpenDocument … whatever the file's name says), sheet.xlsx.broken (fact: part),
// sheet.xlsx.bomb, sheet.xlsx.entities, sheet.xlsx.encrypted, sheet.csv.quote (fact: line),
// sheet.too-many-rows, sheet.too-wide, base.text.encoding.
Result<std::vector<Table>> read_tables(std::string_view bytes, const Limits& limits = {});
Result<Table> read_csv(std::string_view bytes, const Limits& limits = {});
Result<std::vector<Table>> read_xlsx(std::string_view bytes, const Limits& limits = {});

// "#N/A", "#REF!" …: what a spreadsheet shows where it has no value.
bool is_error_value(std::string_view text);

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
