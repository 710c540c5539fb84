#include <algorithm>
#include <array>

#include "base/text.h"
#include "sheet/table.h"

namespace mamori::sheet {
namespace {

constexpr std::string_view kFormulaStarts = "=+-@\t\r";

bool looks_like_formula(std::string_view cell) {
  if (cell.empty() || kFormulaStarts.find(cell[0]) == cell.npos) return false;
  // "-12.5" and "+81-3-…" typed as plain numbers are harmless
  return cell.find_first_not_of("+-0123456789. ") != cell.npos;
}

char find_separator(std::string_view text) {
  std::array<std::size_t, 3> counts{};
  constexpr std::array<char, 3> kSeparators = {',', '\t', ';'};
  bool quoted = false;
  int lines = 0;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '\n' && ++lines == 20) break;
    for (std::size_t i = 0; i < counts.size(); ++i)
      if (c == kSeparators[i]) ++counts[i];
  }
  return kSeparators[static_cast<std::size_t>(std::max_element(counts.begin(), counts.end()) -
                                              counts.begin())];
}

}  // namespace

Result<Table> read_csv(std::string_view bytes, const Limits& limits) {
  if (bytes.size() > limits.bytes)
    return Error{ErrorKind::exhausted, "sheet.too-large", {{"limit", std::to_string(limits.bytes >> 20)}}};
  if (std::count(bytes.begin(),
                 bytes.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(bytes.size(), 4096)),
                 '\0') > 0 &&
      !bytes.starts_with("\xFF\xFE") && !bytes.starts_with("\xFE\xFF"))
    return Error{ErrorKind::invalid, "sheet.binary"};
  const auto decoded = MAMORI_TRY(decode_japanese(bytes));
  const std::string_view text = decoded.text;
  const char separator = find_separator(text);

  Table table;
  std::vector<std::string> row;
  std::string cell;
  std::size_t line = 1, quote_line = 0;
  bool quoted = false, was_quoted = false;
  const auto end_cell = [&] {
    if (cell.size() > 1 && cell[0] == '\'' && looks_like_formula(std::string_view(cell).substr(1)))
      cell.erase(0, 1);
    row.push_back(std::move(cell));
    cell.clear();
    was_quoted = false;
  };
  const auto end_row = [&]() -> Status {
    end_cell();
    if (row.size() > limits.columns)
      return Error{ErrorKind::invalid,
                   "sheet.too-wide",
                   {{"line", std::to_string(line)}, {"limit", std::to_string(limits.columns)}}};
    table.rows.push_back(std::move(row));
    row.clear();
    if (table.rows.size() > limits.rows)
      return Error{ErrorKind::exhausted, "sheet.too-many-rows", {{"limit", std::to_string(limits.rows)}}};
    return {};
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') ++line;
    if (quoted) {
      if (c != '"')
        cell += c;
      else if (i + 1 < text.size() && text[i + 1] == '"')
        cell += text[++i];
      else
        quoted = false;
    } else if (c == '"' && cell.empty() && !was_quoted) {
      quoted = was_quoted = true;
      quote_line = line;
    } else if (c == separator) {
      end_cell();
    } else if (c == '\n') {
      MAMORI_TRY(end_row());
    } else if (c == '\r') {
      if (i + 1 >= text.size() || text[i + 1] != '\n') {
        ++line;
        MAMORI_TRY(end_row());
      }
    } else {
      cell += c;
    }
    if (cell.size() > limits.cell)
      return Error{
          ErrorKind::invalid, "sheet.cell-too-long", {{"line", std::to_string(quoted ? quote_line : line)}}};
  }
  if (quoted) return Error{ErrorKind::invalid, "sheet.csv.quote", {{"line", std::to_string(quote_line)}}};
  if (!cell.empty() || !row.empty()) MAMORI_TRY(end_row());
  if (table.rows.empty()) return Error{ErrorKind::invalid, "sheet.empty"};
  return table;
}

Result<std::vector<Table>> read_tables(std::string_view bytes, const Limits& limits) {
  if (bytes.size() > limits.bytes)
    return Error{ErrorKind::exhausted, "sheet.too-large", {{"limit", std::to_string(limits.bytes >> 20)}}};
  if (bytes.starts_with("PK\x03\x04")) return read_xlsx(bytes, limits);
  // The compound file of Excel 97–2003, and of an XLSX under a password.
  if (bytes.starts_with("\xD0\xCF\x11\xE0")) return Error{ErrorKind::invalid, "sheet.xls"};
  auto table = MAMORI_TRY(read_csv(bytes, limits));
  std::vector<Table> tables;
  tables.push_back(std::move(table));
  return tables;
}

std::string write_csv(const std::vector<std::vector<std::string>>& rows) {
  std::string out = "\xEF\xBB\xBF";
  for (const auto& row : rows) {
    bool first = true;
    for (const auto& cell : row) {
      if (!first) out += ',';
      first = false;
      const bool formula = looks_like_formula(cell);
      if (formula || cell.find_first_of(",\"\r\n") != cell.npos) {
        out += '"';
        if (formula) out += '\'';
        for (const char c : cell) {
          if (c == '"') out += '"';
          out += c;
        }
        out += '"';
      } else {
        out += cell;
      }
    }
    out += "\r\n";
  }
  return out;
}

}  // namespace mamori::sheet
