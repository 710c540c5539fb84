#include <fmt/format.h>
#include <xlsxwriter.h>
#include <zip.h>

#include <algorithm>
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
constexpr std::size_t kMostMergedBytes = std::size_t{8} << 20;

Error broken(std::string part) {
  return {ErrorKind::invalid, "sheet.xlsx.broken", {{"part", std::move(part)}}};
}

struct ZipClose {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct ZipFileClose {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

// Part names are compared without regard to case (ISO/IEC 29500-2, 6.2.2); some programs write backslashes,
// "./" or "../".
std::string plain_name(std::string_view name) {
  std::string slashed = to_lower_ascii(name);
  std::replace(slashed.begin(), slashed.end(), '\\', '/');
  std::vector<std::string_view> steps;
  for (const auto step : split(slashed, '/')) {
    if (step.empty() || step == ".") continue;
    if (step != "..")
      steps.push_back(step);
    else if (!steps.empty())
      steps.pop_back();
  }
  std::string out;
  for (const auto step : steps) out += (out.empty() ? "" : "/") + std::string(step);
  return out;
}

// What a relation of the part `from` names.
std::string target_of(std::string_view from, std::string_view target) {
  if (target.starts_with('/') || target.starts_with('\\')) return plain_name(target);
  const auto slash = from.rfind('/');
  return plain_name(std::string(slash == from.npos ? "" : from.substr(0, slash + 1)) + std::string(target));
}

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
    for (zip_int64_t i = 0; i < zip_get_num_entries(handle, 0); ++i)
      if (const char* name = zip_get_name(handle, static_cast<zip_uint64_t>(i), 0))
        package.parts_.emplace(plain_name(name), static_cast<zip_uint64_t>(i));
    return package;
  }

  bool has(std::string_view name) const { return parts_.contains(plain_name(name)); }

  // An absent part is an empty text.
  Result<std::string> part(const std::string& name) {
    const auto entry = parts_.find(plain_name(name));
    if (entry == parts_.end()) return std::string();
    zip_stat_t status;
    if (zip_stat_index(archive_.get(), entry->second, 0, &status) != 0) return broken(name);
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
  std::map<std::string, zip_uint64_t> parts_;  // by plain_name()
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
// "_x000D_" → the character (ECMA-376 22.9.2.19); carriage returns and other control characters go.
std::string unescaped(std::string_view text) {
  std::string out;
  while (true) {
    const auto at = text.find("_x");
    out += text.substr(0, at);
    if (at == text.npos) return out;
    text.remove_prefix(at);
    unsigned code = 0;
    const bool whole = text.size() >= 7 && text[6] == '_' &&
                       std::from_chars(text.data() + 2, text.data() + 6, code, 16).ptr == text.data() + 6;
    if (!whole || (code >= 0xD800 && code <= 0xDFFF)) {
      out += text.substr(0, 2);
      text.remove_prefix(2);
      continue;
    }
    text.remove_prefix(7);
    if (code == '\n' || code == '\t' || (code >= 0x20 && code < 0x7F))
      out += static_cast<char>(code);
    else if (code >= 0x80 && code < 0x800)
      out += {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
    else if (code >= 0x800)
      out += {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
              static_cast<char>(0x80 | (code & 0x3F))};
  }
}

std::string rich_text(const pugi::xml_node& node) {
  std::string text;
  for (const auto part : node) {
    if (local(part) == "t")
      text += unescaped(part.text().get());
    else if (local(part) == "r")
      text += unescaped(child(part, "t").text().get());
  }
  return text;
}

enum class Shows { number, date, time };
struct Format {
  Shows shows = Shows::number;
  std::string code;  // where it adds digits or letters to a whole number: its first section
};

// The characters of a number format that are not texts, paddings or brackets.
template <typename Each>
void each_code(std::string_view code, Each each) {  // each(is_literal, char)
  bool quoted = false, bracketed = false;
  for (std::size_t i = 0; i < code.size(); ++i) {
    const char c = code[i];
    if (quoted) {
      if (c == '"')
        quoted = false;
      else
        each(true, c);
    } else if (bracketed) {
      bracketed = c != ']';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[') {
      bracketed = true;
    } else if (c == '\\') {
      if (++i < code.size()) each(true, code[i]);
    } else if (c == '_' || c == '*') {
      ++i;  // the width of a character, or one that fills the cell
    } else {
      each(false, c);
    }
  }
}

Format format_of(std::string_view code) {
  Format format;
  if (code.find("General") != code.npos) return format;
  bool day = false, clock = code.find("[h") != code.npos || code.find("[m") != code.npos, other = false;
  std::size_t zeros = 0;
  bool prefix = false;
  const auto first = code.substr(0, code.find(';'));
  each_code(first, [&](bool literal, char c) {
    if (literal || c == '-' || c == ' ' || c == '(' || c == ')') {
      if (zeros == 0 && ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) prefix = true;  // not "¥"
      return;
    }
    if (std::string_view("yYdDeE").find(c) != std::string_view::npos && code.find("E+") == code.npos)
      day = true;
    else if (std::string_view("hHsS").find(c) != std::string_view::npos)
      clock = true;
    if (c == '0')
      ++zeros;
    else if (c != '#' && c != '?')
      other = true;
  });
  if (day)
    format.shows = Shows::date;
  else if (clock)
    format.shows = Shows::time;
  else if (!other && (zeros > 1 || (zeros == 1 && prefix)) && first.find('<') == first.npos &&
           first.find('>') == first.npos && first.find('=') == first.npos)
    format.code = first;
  return format;
}

// 12 under "SN-"00000 → SN-00012: what stands on the label of the device, and in the same list as CSV.
std::string formatted(std::string_view code, std::string_view digits) {
  std::size_t places = 0;
  each_code(code, [&](bool literal, char c) { places += !literal && (c == '0' || c == '#' || c == '?'); });
  std::string out;
  std::size_t left = places, at = 0;
  each_code(code, [&](bool literal, char c) {
    if (literal || !(c == '0' || c == '#' || c == '?')) {
      out += c;
      return;
    }
    while (digits.size() - at > left) out += digits[at++];  // more digits than places: before the first
    if (digits.size() - at == left)
      out += digits[at++];
    else if (c == '0')
      out += '0';
    --left;
  });
  return std::string(trim(out));
}

struct Styles {
  std::vector<Format> formats;
};

Styles read_styles(const pugi::xml_node& root) {
  std::map<int, Format> custom;
  for (const auto format : child(root, "numFmts"))
    custom[format.attribute("numFmtId").as_int()] = format_of(format.attribute("formatCode").as_string());
  Styles styles;
  for (const auto xf : child(root, "cellXfs")) {
    const int id = xf.attribute("numFmtId").as_int();
    // 14–22 are dates and times everywhere, 27–36 and 50–58 in Japanese Excel.
    Format built_in;
    if ((id >= 14 && id <= 17) || id == 22 || (id >= 27 && id <= 31) || id == 36 || (id >= 50 && id <= 58))
      built_in.shows = Shows::date;
    else if ((id >= 18 && id <= 21) || (id >= 32 && id <= 35) || (id >= 45 && id <= 47))
      built_in.shows = Shows::time;
    const auto found = custom.find(id);
    styles.formats.push_back(found != custom.end() ? found->second : built_in);
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

struct Shown {
  std::string text;
  const char* flaw = nullptr;  // see Flaw::code
};

Shown number_text(std::string_view raw, const Format& format, bool from_1904) {
  double value = 0;
  const auto [end, failure] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (failure != std::errc{} || end != raw.data() + raw.size() || !std::isfinite(value))
    return {std::string(raw)};
  if (format.shows != Shows::number) {
    using namespace std::chrono;
    constexpr double kEnd = 2'958'466;  // 10000-01-01
    if (value < 0 || value >= kEnd) return {"####", "sheet.cell.error"};
    const auto total = std::llround(value * 86400);
    const auto whole = total / 86400, seconds_of_day = total % 86400;
    const auto clock = fmt::format("{:02}:{:02}", seconds_of_day / 3600, seconds_of_day / 60 % 60);
    if (whole == 0 && !from_1904) {
      if (format.shows == Shows::time || seconds_of_day > 0) return {clock};
      return {"1900-01-00", "sheet.cell.error"};  // an empty cell that a formula took for a number
    }
    if (format.shows == Shows::time && whole < 366)  // a duration, "26:30"
      return {fmt::format("{:02}:{:02}", total / 3600, total / 60 % 60)};
    // Day 60 is a 29 February 1900 that never was: the days before it count from one later.
    const auto shift = from_1904 ? 1462 : whole < 60 ? 1 : 0;
    auto text = iso_date(Date{sys_days{1899y / 12 / 30} + days{whole + shift}});
    if (seconds_of_day > 0) text += " " + clock;
    if (seconds_of_day % 60 > 0) text += fmt::format(":{:02}", seconds_of_day % 60);
    return {text};
  }
  if (value == std::floor(value) && std::fabs(value) < 1e15) {
    const auto digits = fmt::format("{}", static_cast<long long>(value));
    return {value >= 0 && !format.code.empty() ? formatted(format.code, digits) : digits};
  }
  // A spreadsheet keeps 15 digits.
  if (std::fabs(value) >= 1e15) return {std::string(raw), "sheet.cell.rounded"};
  return {fmt::format("{}", value)};
}

struct Book {
  std::vector<std::string> shared;
  Styles styles;
  bool from_1904 = false;
  std::size_t left = 0;  // bytes that the tables may still take

  Status charge(std::size_t bytes) {
    if (bytes > left) return Error{ErrorKind::exhausted, "sheet.xlsx.bomb"};
    left -= bytes;
    return {};
  }
};

// Where `text` goes; the row gets as wide as that.
Status put(Table& table, std::size_t row, std::size_t column, std::string text, Book& book) {
  if (table.rows.size() <= row) {
    MAMORI_TRY(book.charge((row + 1 - table.rows.size()) * sizeof(table.rows[0])));
    table.rows.resize(row + 1);
  }
  auto& cells = table.rows[row];
  std::size_t cost = text.size() > sizeof(std::string) ? text.size() : 0;
  if (cells.size() <= column) cost += (column + 1 - cells.size()) * sizeof(std::string);
  MAMORI_TRY(book.charge(cost));
  if (cells.size() <= column) cells.resize(column + 1);
  cells[column] = std::move(text);
  return {};
}

Status fill_merged(const pugi::xml_node& root, Table& table, Book& book) {
  std::size_t left = kMostMergedBytes;
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
        const auto cost = text.size() + sizeof(std::string);
        if (cost > left) return Error{ErrorKind::exhausted, "sheet.xlsx.bomb"};
        left -= cost;
        MAMORI_TRY(put(table, r, c, text, book));
      }
    }
  }
  return {};
}

Result<Shown> cell_text(const pugi::xml_node& cell, const Book& book) {
  const std::string_view type = cell.attribute("t").as_string();
  const std::string_view raw = child(cell, "v").text().get();
  if (type == "inlineStr") return Shown{rich_text(child(cell, "is"))};
  if (raw.empty()) {
    if (child(cell, "f") && type != "str") return Shown{"", "sheet.cell.formula"};
    return Shown{};
  }
  if (type == "s") {
    std::size_t index = 0;
    const auto [end, failure] = std::from_chars(raw.data(), raw.data() + raw.size(), index);
    if (failure != std::errc{} || end != raw.data() + raw.size() || index >= book.shared.size())
      return broken("sharedStrings.xml");
    return Shown{book.shared[index]};
  }
  if (type == "e") return Shown{std::string(raw), "sheet.cell.error"};
  if (type == "str") return Shown{unescaped(raw), is_error_value(raw) ? "sheet.cell.error" : nullptr};
  if (type == "b") return Shown{raw == "1" || raw == "true" ? "TRUE" : "FALSE"};
  const auto style = cell.attribute("s").as_uint();
  static const Format kPlain;
  return number_text(raw, style < book.styles.formats.size() ? book.styles.formats[style] : kPlain,
                     book.from_1904);
}

Result<Table> read_sheet(const pugi::xml_node& root, std::string name, Book& book, const Limits& limits) {
  Table table;
  table.name = std::move(name);
  table.padded = true;
  std::size_t row_index = 0;
  for (const auto row : child(root, "sheetData")) {
    if (const auto number = row.attribute("r").as_uint(); number > 0) row_index = number - 1;
    std::size_t column = 0;
    for (const auto cell : row) {
      std::size_t named_row, named_column;
      if (parse_cell_name(cell.attribute("r").as_string(), named_row, named_column)) column = named_column;
      if (column >= limits.columns) {  // stray formatting far to the right is common; text there is not
        ++column;
        continue;
      }
      auto [text, flaw] = MAMORI_TRY(cell_text(cell, book));
      if (text.size() > limits.cell) text = std::string(head(text, limits.cell / 4));
      if (flaw) {
        MAMORI_TRY(book.charge(sizeof(Flaw)));
        table.flaws.push_back({row_index, column, flaw, std::string(head(text, 40))});
      }
      if (!text.empty() || flaw) {
        // Rows without text do not count: a format reaches down to the last row of the sheet.
        if (row_index >= limits.rows)
          return Error{ErrorKind::exhausted, "sheet.too-many-rows", {{"limit", std::to_string(limits.rows)}}};
        MAMORI_TRY(put(table, row_index, column, std::move(text), book));
      }
      ++column;
    }
    ++row_index;
  }
  MAMORI_TRY(fill_merged(root, table, book));
  return table;
}

// What a ZIP is that is no XLSX; "" where nothing is known of it.
Result<std::string> other_format(Package& package) {
  const auto mimetype = MAMORI_TRY(package.part("mimetype"));
  if (mimetype.find("opendocument.spreadsheet") != mimetype.npos) return std::string("OpenDocument (.ods)");
  if (mimetype.find("opendocument") != mimetype.npos) return std::string("OpenDocument");
  if (package.has("Index/Document.iwa")) return std::string("Numbers (.numbers)");
  if (package.has("word/document.xml")) return std::string("Word (.docx)");
  if (package.has("ppt/presentation.xml")) return std::string("PowerPoint (.pptx)");
  if (package.has("xl/workbook.bin")) return std::string("Excel (.xlsb)");
  return std::string();
}

struct Relations {
  std::map<std::string, std::string> by_id, by_type;  // by_type: the last step of the type's address
};

Result<Relations> relations_of(Package& package, const std::string& part, bool required) {
  const auto slash = part.rfind('/');
  const auto folder = slash == part.npos ? std::string() : part.substr(0, slash + 1);
  const auto name = slash == part.npos ? part : part.substr(slash + 1);
  pugi::xml_document document;
  MAMORI_TRY(package.xml(folder + "_rels/" + name + ".rels", document, required));
  Relations out;
  for (const auto relation : child(document, "Relationships")) {
    const std::string_view type = relation.attribute("Type").as_string();
    const std::string_view target = relation.attribute("Target").as_string();
    if (target.empty()) continue;
    out.by_id[relation.attribute("Id").as_string()] = target_of(part, target);
    out.by_type.emplace(type.substr(type.rfind('/') + 1), target_of(part, target));
  }
  return out;
}

}  // namespace

Result<std::vector<Table>> read_xlsx(std::string_view bytes, const Limits& limits) {
  auto package = MAMORI_TRY(Package::open(bytes, limits));
  if (const auto other = MAMORI_TRY(other_format(package)); !other.empty())
    return Error{ErrorKind::invalid, "sheet.format", {{"format", other}}};
  const auto named = [](const Relations& relations, const char* type, const char* otherwise) {
    const auto found = relations.by_type.find(type);
    return found == relations.by_type.end() ? std::string(otherwise) : found->second;
  };
  const auto start = named(MAMORI_TRY(relations_of(package, "", false)), "officeDocument", "xl/workbook.xml");
  pugi::xml_document workbook, shared, styles;
  MAMORI_TRY(package.xml(start, workbook, true));
  const auto relations = MAMORI_TRY(relations_of(package, start, true));
  MAMORI_TRY(package.xml(named(relations, "sharedStrings", "xl/sharedStrings.xml"), shared, false));
  MAMORI_TRY(package.xml(named(relations, "styles", "xl/styles.xml"), styles, false));

  Book book;
  book.left = limits.unpacked;
  for (const auto item : child(shared, "sst")) book.shared.push_back(rich_text(item));
  book.styles = read_styles(child(styles, "styleSheet"));
  const auto root = child(workbook, "workbook");
  book.from_1904 = child(root, "workbookPr").attribute("date1904").as_bool();

  std::vector<Table> tables;
  for (const auto entry : child(root, "sheets")) {
    if (std::string_view(entry.attribute("state").as_string()).find("idden") != std::string_view::npos)
      continue;
    std::string id;
    for (const auto attribute : entry.attributes())
      if (std::string_view(attribute.name()).ends_with(":id")) id = attribute.value();
    const auto target = relations.by_id.find(id);
    if (target == relations.by_id.end()) return broken("workbook.xml.rels");
    pugi::xml_document document;
    MAMORI_TRY(package.xml(target->second, document, true));
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
