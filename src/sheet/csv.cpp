#include <algorithm>
#include <array>
#include <map>

#include "base/text.h"
#include "sheet/table.h"

namespace mamori::sheet {
namespace {

constexpr std::string_view kFormulaStarts = "=+-@\t\r";
constexpr std::string_view kWideStarts[] = {"＝", "＋", "－",
                                            "＠"};  // a Japanese spreadsheet takes them as well

bool looks_like_formula(std::string_view cell) {
  if (std::any_of(std::begin(kWideStarts), std::end(kWideStarts),
                  [&](std::string_view wide) { return cell.starts_with(wide) && cell.size() > wide.size(); }))
    return true;
  if (cell.empty() || kFormulaStarts.find(cell[0]) == cell.npos) return false;
  // "-12.5" and "+81-3-…" typed as plain numbers are harmless
  return cell.find_first_not_of("+-0123456789. ") != cell.npos;
}

// The one that as many of the first lines as possible have equally often: texts full of commas, and decimal
// commas, do not split evenly.
char find_separator(std::string_view text) {
  constexpr std::array<char, 3> kSeparators = {',', '\t', ';'};
  constexpr std::size_t kLines = 50;
  using Counts = std::array<std::size_t, 3>;
  std::vector<Counts> lines(1);
  bool quoted = false, any = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '\n' || c == '\r') {
      if (lines.size() == kLines) break;
      if (any) lines.emplace_back();
      any = false;
      continue;
    }
    any = true;
    for (std::size_t i = 0; i < kSeparators.size(); ++i)
      if (c == kSeparators[i]) ++lines.back()[i];
  }
  char best = ',';
  std::pair<std::size_t, std::size_t> most{0, 0};  // lines that agree, separators in each
  for (std::size_t i = 0; i < kSeparators.size(); ++i) {
    std::map<std::size_t, std::size_t> alike;
    for (const auto& counts : lines)
      if (counts[i] > 0) ++alike[counts[i]];
    for (const auto& [count, agreeing] : alike) {
      if (const std::pair score{agreeing, count}; score > most) {
        most = score;
        best = kSeparators[i];
      }
    }
  }
  return best;
}

// "1.23457E+19": what a spreadsheet writes of a number that is too long for it.
bool is_shortened(std::string_view text) {
  const auto e = text.find("E+");
  return e != text.npos && e > 0 && e + 2 < text.size() &&
         text.substr(0, e).find_first_not_of("0123456789.") == text.npos &&
         text.substr(e + 2).find_first_not_of("0123456789") == text.npos;
}

bool is_blank(std::string_view text) { return trim(text).empty(); }

std::string_view head_of_bytes(std::string_view bytes) { return trim(bytes.substr(0, 2048)); }

// What a file that is no table is called by people; "" where nothing is known of it.
std::string_view known_format(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  const auto start = head_of_bytes(bytes);
  if (start.starts_with("%PDF")) return "PDF";
  if (start.starts_with("{\\rtf")) return "RTF";
  if (!start.starts_with("<")) return "";
  const auto lower = to_lower_ascii(start);
  if (lower.find("schemas-microsoft-com:office:spreadsheet") != lower.npos && lower.starts_with("<?xml"))
    return "XML Spreadsheet 2003";
  if (lower.find("<html") != lower.npos || lower.find("<table") != lower.npos ||
      lower.find("<!doctype html") != lower.npos)
    return "HTML";
  return lower.starts_with("<?xml") ? "XML" : "";
}

}  // namespace

bool is_error_value(std::string_view text) {
  static constexpr std::string_view kErrors[] = {
      "#N/A",    "#REF!",   "#NAME?", "#VALUE!",   "#DIV/0!",   "#NUM!",         "#NULL!",   "#CALC!",
      "#SPILL!", "#FIELD!", "#BUSY!", "#BLOCKED!", "#CONNECT!", "#GETTING_DATA", "#UNKNOWN!"};
  return std::find(std::begin(kErrors), std::end(kErrors), trim(text)) != std::end(kErrors);
}

Result<Table> read_csv(std::string_view bytes, const Limits& limits) {
  if (bytes.size() > limits.bytes)
    return Error{ErrorKind::exhausted, "sheet.too-large", {{"limit", std::to_string(limits.bytes >> 20)}}};
  auto decoding = decode_japanese(bytes);
  // What cannot be read and has zeros is no text at all, in whatever encoding.
  if (!decoding && bytes.substr(0, 4096).find('\0') != bytes.npos)
    return Error{ErrorKind::invalid, "sheet.binary"};
  const auto decoded = MAMORI_TRY(std::move(decoding));
  const std::string_view text = decoded.text;
  if (text.substr(0, 4096).find('\0') != text.npos) return Error{ErrorKind::invalid, "sheet.binary"};
  const char separator = find_separator(text);

  Table table;
  std::vector<std::string> row;
  std::string cell;
  std::size_t line = 1, quote_line = 0;
  bool quoted = false, was_quoted = false;
  const auto end_cell = [&] {
    if (cell.size() > 1 && cell[0] == '\'' && looks_like_formula(std::string_view(cell).substr(1)))
      cell.erase(0, 1);
    if (!was_quoted && is_shortened(trim(cell)))
      table.flaws.push_back({table.rows.size(), row.size(), "sheet.cell.rounded", cell});
    else if (is_error_value(cell))
      table.flaws.push_back({table.rows.size(), row.size(), "sheet.cell.error", cell});
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
    } else if (c == '"' && !was_quoted && is_blank(cell)) {  // some programs put a space before it
      cell.clear();
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
  if (const auto format = known_format(bytes); !format.empty())
    return Error{ErrorKind::invalid, "sheet.format", {{"format", std::string(format)}}};
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
