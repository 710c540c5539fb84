#include <fmt/format.h>
#include <xlsxwriter.h>
#include <zip.h>

#include <charconv>
#include <cmath>
#include <map>
#include <memory>
#include <pugixml.hpp>

#include "base/file.h"
#include "base/text.h"
#include "base/time.h"
#include "sheet/table.h"

namespace mamori::sheet {
namespace {

constexpr std::size_t kMostParts = 4000;
constexpr std::size_t kMostMergedCells = 100'000;

Error broken(std::string part) {
  return {ErrorKind::invalid, "sheet.xlsx.broken", {{"part", std::move(part)}}};
}

struct ZipClose {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct ZipFileClose {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

// The parts of an XLSX (ISO/IEC 29500), unpacked under a limit for all of them together: a ZIP bomb ends
// here.
class Package {
 public:
  static Result<Package> open(std::string_view bytes, const Limits& limits) {
    zip_error_t failure;
    zip_error_init(&failure);
    auto* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &failure);
    auto* handle = source ? zip_open_from_source(source, ZIP_RDONLY, &failure) : nullptr;
    if (!handle && source) zip_source_free(source);
    zip_error_fini(&failure);
    if (!handle) return broken("zip");
    Package package;
    package.archive_.reset(handle);
    package.left_ = limits.unpacked;
    if (zip_get_num_entries(handle, 0) > static_cast<zip_int64_t>(kMostParts))
      return Error{ErrorKind::exhausted, "sheet.xlsx.bomb"};
    return package;
  }

  // An absent part is an empty text.
  Result<std::string> part(const std::string& name) {
    zip_stat_t status;
    if (zip_stat(archive_.get(), name.c_str(), 0, &status) != 0) return std::string();
    if (status.encryption_method != ZIP_EM_NONE) return Error{ErrorKind::invalid, "sheet.xlsx.encrypted"};
    if (status.size > left_) return Error{ErrorKind::exhausted, "sheet.xlsx.bomb"};
    const std::unique_ptr<zip_file_t, ZipFileClose> file(zip_fopen_index(archive_.get(), status.index, 0));
    if (!file) return broken(name);
    std::string text;
    char buffer[65536];
    while (true) {
      const auto count = zip_fread(file.get(), buffer, sizeof buffer);
      if (count < 0) return broken(name);
      if (count == 0) break;
      if (static_cast<std::size_t>(count) > left_)
        return Error{ErrorKind::exhausted, "sheet.xlsx.bomb"};  // whatever the directory said
      left_ -= static_cast<std::size_t>(count);
      text.append(buffer, static_cast<std::size_t>(count));
    }
    return text;
  }

  Status xml(const std::string& name, pugi::xml_document& document, bool required) {
    const auto text = MAMORI_TRY(part(name));
    if (text.empty()) return required ? Status(broken(name)) : Status();
    if (text.find("<!DOCTYPE") != text.npos || text.find("<!ENTITY") != text.npos)
      return Error{ErrorKind::invalid, "sheet.xlsx.entities", {{"part", name}}};
    if (!document.load_buffer(text.data(), text.size(), pugi::parse_default | pugi::parse_ws_pcdata_single))
      return broken(name);
    return {};
  }

 private:
  std::unique_ptr<zip_t, ZipClose> archive_;
  std::size_t left_ = 0;
};

// "x:sheet" and "sheet" are the same element: some programs write a prefix.
std::string_view local(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  const auto colon = name.find(':');
  return colon == name.npos ? name : name.substr(colon + 1);
}

pugi::xml_node child(const pugi::xml_node& parent, std::string_view name) {
  for (const auto node : parent)
    if (local(node) == name) return node;
  return {};
}

// Text of <si> or <is>: its <t> and its runs' <t>, without the furigana (<rPh>).
std::string rich_text(const pugi::xml_node& node) {
  std::string text;
  for (const auto part : node) {
    if (local(part) == "t")
      text += part.text().get();
    else if (local(part) == "r")
      text += child(part, "t").text().get();
  }
  return text;
}

bool is_date_format(std::string_view code) {
  bool quoted = false, bracketed = false;
  for (std::size_t i = 0; i < code.size(); ++i) {
    const char c = code[i];
    if (c == '\\')
      ++i;
    else if (c == '"')
      quoted = !quoted;
    else if (quoted)
      continue;
    else if (c == '[')
      bracketed = true;
    else if (c == ']')
      bracketed = false;
    else if (!bracketed && (c == 'y' || c == 'd' || c == 'e' || c == 'Y' || c == 'D'))
      return code.find("E+") == code.npos && code.find("General") == code.npos;
  }
  return false;
}

struct Styles {
  std::vector<bool> is_date;
};

Styles read_styles(const pugi::xml_node& root) {
  std::map<int, bool> custom;
  for (const auto format : child(root, "numFmts"))
    custom[format.attribute("numFmtId").as_int()] =
        is_date_format(format.attribute("formatCode").as_string());
  Styles styles;
  for (const auto xf : child(root, "cellXfs")) {
    const int id = xf.attribute("numFmtId").as_int();
    // 14–22 are dates everywhere, 27–36 and 50–58 in Japanese Excel.
    const bool built_in =
        (id >= 14 && id <= 17) || id == 22 || (id >= 27 && id <= 36) || (id >= 50 && id <= 58);
    const auto found = custom.find(id);
    styles.is_date.push_back(found != custom.end() ? found->second : built_in);
  }
  return styles;
}

// "AB12" → row 11, column 27 (from 0).
bool parse_cell_name(std::string_view name, std::size_t& row, std::size_t& column) {
  std::size_t i = 0;
  column = 0;
  for (; i < name.size() && name[i] >= 'A' && name[i] <= 'Z' && i < 4; ++i)
    column = column * 26 + static_cast<std::size_t>(name[i] - 'A' + 1);
  if (i == 0 || i == name.size()) return false;
  const auto [end, failure] = std::from_chars(name.data() + i, name.data() + name.size(), row);
  if (failure != std::errc{} || end != name.data() + name.size() || row == 0) return false;
  --row;
  --column;
  return true;
}

std::string number_text(std::string_view raw, bool date, bool from_1904) {
  double value = 0;
  const auto [end, failure] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (failure != std::errc{} || end != raw.data() + raw.size() || !std::isfinite(value))
    return std::string(raw);
  if (date && value >= 1 && value < 200'000) {
    using namespace std::chrono;
    const auto whole = static_cast<int>(value);
    const sys_days day = sys_days{1899y / 12 / 30} + days{whole + (from_1904 ? 1462 : 0)};
    const auto seconds_of_day = static_cast<int>(std::lround((value - whole) * 86400));
    std::string text = iso_date(Date{day});
    if (seconds_of_day > 0)
      text += fmt::format(" {:02}:{:02}", seconds_of_day / 3600, seconds_of_day / 60 % 60);
    return text;
  }
  if (value == std::floor(value) && std::fabs(value) < 1e15)
    return fmt::format("{}", static_cast<long long>(value));
  return fmt::format("{}", value);
}

struct Book {
  std::vector<std::string> shared;
  Styles styles;
  bool from_1904 = false;
};

Status fill_merged(const pugi::xml_node& root, Table& table) {
  std::size_t filled = 0;
  for (const auto merge : child(root, "mergeCells")) {
    const std::string_view range = merge.attribute("ref").as_string();
    const auto colon = range.find(':');
    std::size_t r1, c1, r2, c2;
    if (colon == range.npos || !parse_cell_name(range.substr(0, colon), r1, c1) ||
        !parse_cell_name(range.substr(colon + 1), r2, c2))
      continue;
    if (r1 >= table.rows.size() || c1 >= table.rows[r1].size()) continue;
    const std::string text = table.rows[r1][c1];
    if (text.empty()) continue;
    for (auto r = r1; r <= r2 && r < table.rows.size(); ++r) {
      for (auto c = c1; c <= c2 && c < 512; ++c) {
        if (++filled > kMostMergedCells) return Error{ErrorKind::exhausted, "sheet.xlsx.bomb"};
        if (table.rows[r].size() <= c) table.rows[r].resize(c + 1);
        table.rows[r][c] = text;
      }
    }
  }
  return {};
}

Result<Table> read_sheet(const pugi::xml_node& root, std::string name, const Book& book,
                         const Limits& limits) {
  Table table;
  table.name = std::move(name);
  std::size_t row_index = 0;
  for (const auto row : child(root, "sheetData")) {
    if (const auto number = row.attribute("r").as_uint(); number > 0) row_index = number - 1;
    if (row_index >= limits.rows)
      return Error{ErrorKind::exhausted, "sheet.too-many-rows", {{"limit", std::to_string(limits.rows)}}};
    if (table.rows.size() <= row_index) table.rows.resize(row_index + 1);
    auto& cells = table.rows[row_index];
    std::size_t column = 0;
    for (const auto cell : row) {
      std::size_t named_row, named_column;
      if (parse_cell_name(cell.attribute("r").as_string(), named_row, named_column)) column = named_column;
      if (column >= limits.columns) {  // stray formatting far to the right is common; text there is not
        ++column;
        continue;
      }
      const std::string_view type = cell.attribute("t").as_string();
      const std::string_view raw = child(cell, "v").text().get();
      std::string text;
      if (type == "s") {
        std::size_t index = 0;
        std::from_chars(raw.data(), raw.data() + raw.size(), index);
        if (index >= book.shared.size()) return broken("sharedStrings.xml");
        text = book.shared[index];
      } else if (type == "inlineStr") {
        text = rich_text(child(cell, "is"));
      } else if (type == "str" || type == "e") {
        text = raw;
      } else if (type == "b") {
        text = raw == "1" ? "TRUE" : "FALSE";
      } else if (!raw.empty()) {
        const auto style = cell.attribute("s").as_uint();
        text = number_text(raw, style < book.styles.is_date.size() && book.styles.is_date[style],
                           book.from_1904);
      }
      if (text.size() > limits.cell) text = std::string(head(text, limits.cell / 4));
      if (!text.empty()) {
        if (cells.size() <= column) cells.resize(column + 1);
        cells[column] = std::move(text);
      }
      ++column;
    }
    ++row_index;
  }
  MAMORI_TRY(fill_merged(root, table));
  return table;
}

}  // namespace

Result<std::vector<Table>> read_xlsx(std::string_view bytes, const Limits& limits) {
  auto package = MAMORI_TRY(Package::open(bytes, limits));
  pugi::xml_document workbook, relations, shared, styles;
  MAMORI_TRY(package.xml("xl/workbook.xml", workbook, true));
  MAMORI_TRY(package.xml("xl/_rels/workbook.xml.rels", relations, true));
  MAMORI_TRY(package.xml("xl/sharedStrings.xml", shared, false));
  MAMORI_TRY(package.xml("xl/styles.xml", styles, false));

  Book book;
  for (const auto item : child(shared, "sst")) book.shared.push_back(rich_text(item));
  book.styles = read_styles(child(styles, "styleSheet"));
  const auto root = child(workbook, "workbook");
  book.from_1904 = child(root, "workbookPr").attribute("date1904").as_bool();

  std::map<std::string, std::string> targets;
  for (const auto relation : child(relations, "Relationships"))
    targets[relation.attribute("Id").as_string()] = relation.attribute("Target").as_string();

  std::vector<Table> tables;
  for (const auto entry : child(root, "sheets")) {
    if (std::string_view(entry.attribute("state").as_string()).find("idden") != std::string_view::npos)
      continue;
    std::string id;
    for (const auto attribute : entry.attributes())
      if (std::string_view(attribute.name()).ends_with(":id")) id = attribute.value();
    auto target = targets[id];
    if (target.empty()) return broken("workbook.xml.rels");
    target = target.starts_with("/") ? target.substr(1) : "xl/" + target;
    pugi::xml_document document;
    MAMORI_TRY(package.xml(target, document, true));
    auto table = MAMORI_TRY(
        read_sheet(child(document, "worksheet"), entry.attribute("name").as_string(), book, limits));
    if (!table.rows.empty()) tables.push_back(std::move(table));
  }
  if (tables.empty()) return Error{ErrorKind::invalid, "sheet.empty"};
  return tables;
}

Result<std::string> write_xlsx(const std::vector<Page>& pages) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "out.xlsx";
  const auto scratch = folder.path().string();
  lxw_workbook_options options{};
  options.constant_memory = LXW_FALSE;
  options.tmpdir = const_cast<char*>(scratch.c_str());
  auto* book = workbook_new_opt(file.c_str(), &options);
  if (!book) return Error{ErrorKind::exhausted, "sheet.xlsx.unwritable"};
  auto* title = workbook_add_format(book);
  format_set_bold(title);
  format_set_font_size(title, 13);
  auto* heading = workbook_add_format(book);
  format_set_bold(heading);
  format_set_border(heading, LXW_BORDER_THIN);
  format_set_bg_color(heading, 0xE8F1FE);
  format_set_text_wrap(heading);
  format_set_align(heading, LXW_ALIGN_VERTICAL_CENTER);
  auto* body = workbook_add_format(book);
  format_set_border(body, LXW_BORDER_THIN);
  format_set_text_wrap(body);
  format_set_align(body, LXW_ALIGN_VERTICAL_TOP);

  for (const auto& page : pages) {
    std::string name;
    for (const char c : page.name)
      name += std::string_view("[]:*?/\\'").find(c) == std::string_view::npos ? c : '-';
    auto* sheet = workbook_add_worksheet(book, std::string(head(name, 31)).c_str());
    if (!sheet) {
      workbook_close(book);
      return Error{ErrorKind::internal, "sheet.xlsx.unwritable"};
    }
    worksheet_set_landscape(sheet);
    worksheet_set_paper(sheet, 9);  // A4
    worksheet_fit_to_pages(sheet, 1, 0);
    worksheet_set_footer(sheet, "&C&P / &N");
    lxw_row_t row = 0;
    for (const auto& line : page.title_lines) {
      worksheet_write_string(sheet, row, 0, line.c_str(), row == 0 ? title : nullptr);
      ++row;
    }
    lxw_col_t column = 0;
    for (const auto& spec : page.columns) {
      worksheet_set_column(sheet, column, column, spec.width, nullptr);
      worksheet_write_string(sheet, row, column++, spec.heading.c_str(), heading);
    }
    worksheet_repeat_rows(sheet, row, row);
    worksheet_freeze_panes(sheet, row + 1, 0);
    for (const auto& cells : page.rows) {
      ++row;
      column = 0;
      for (const auto& cell : cells) worksheet_write_string(sheet, row, column++, cell.c_str(), body);
    }
  }
  if (workbook_close(book) != LXW_NO_ERROR) return Error{ErrorKind::exhausted, "sheet.xlsx.unwritable"};
  return read_file(file, std::size_t{1} << 30);
}

}  // namespace mamori::sheet
