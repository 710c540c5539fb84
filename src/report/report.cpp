#include "report/report.h"

#include <fmt/format.h>

#include <array>

#include "document/pdf.h"
#include "ledger/export.h"
#include "ledger/field_value.h"
#include "sheet/table.h"

namespace mamori::report {
namespace {

struct TableDocument {
  std::string title;
  std::vector<std::string> subtitle;
  std::vector<document::PdfColumn> columns;
  std::vector<std::vector<std::string>> rows;
  document::Orientation orientation = document::Orientation::landscape;
};

std::string both_dates(const std::string& iso) {
  const auto date = parse_iso_date(iso);
  return date ? japanese_date(*date) : iso;
}

std::string shown_date(const std::string& iso, const std::string& language) {
  return language == "en" ? iso : both_dates(iso);
}

// The short hash lets a reader see whether two printed pages come from the same content.
std::string content_hash(const TableDocument& table) {
  Sha256 hash;
  hash.add(table.title);
  for (const auto& row : table.rows)
    for (const auto& cell : row) {
      hash.add(cell);
      hash.add("\x1f");
    }
  return hash.finish_hex().substr(0, 16);
}

Result<std::string> render(const Context& context, const Request& request, TableDocument table) {
  const auto facility = MAMORI_TRY(facility_name(context, request));
  const auto printed = printed_line(context, request);
  if (table.rows.empty()) {
    std::vector<std::string> none(table.columns.size());
    if (!none.empty()) none[0] = context.texts.get("report.none", request.language);
    table.rows.push_back(std::move(none));
  }
  if (request.format == Format::xlsx) {
    sheet::Page page;
    page.name = table.title;
    page.title_lines = {facility, table.title};
    page.title_lines.insert(page.title_lines.end(), table.subtitle.begin(), table.subtitle.end());
    page.title_lines.push_back(printed);
    for (const auto& column : table.columns) page.columns.push_back({column.heading, 8 + column.weight * 7});
    page.rows = std::move(table.rows);
    return sheet::write_xlsx({page});
  }
  document::PdfDocument pdf;
  pdf.facility = facility;
  pdf.title = table.title;
  pdf.subtitle = table.subtitle;
  pdf.footer = printed;
  pdf.check = content_hash(table);
  pdf.orientation = table.orientation;
  document::PdfSection section;
  section.table.columns = std::move(table.columns);
  section.table.rows = std::move(table.rows);
  pdf.sections.push_back(std::move(section));
  return document::draw_pdf(pdf);
}

std::string measured_text(const Context& context, const assess::ItemResult& item,
                          const std::string& language) {
  std::string text = std::string(assess::sign_of(item.verdict)) + " " +
                     context.texts.get("verdict." + std::string(assess::name_of(item.verdict)), language);
  if (!item.item->levels.empty()) text += fmt::format(" (Lv{})", item.level);
  if (item.contradiction != assess::Contradiction::none)
    text = "⚠ " +
           context.texts.get("contradiction." + std::string(assess::name_of(item.contradiction)), language) +
           "\n" + text;
  return text;
}

std::string evidence_text(const Context& context, const assess::ItemResult& item,
                          const std::string& language) {
  std::string text;
  if (item.declared && !item.declared->remark.empty()) text += item.declared->remark + "\n";
  for (const auto* control : item.controls) {
    if (control->verdict == assess::Verdict::not_applicable) continue;
    std::string line =
        std::string(assess::sign_of(control->verdict)) + " " + control->control->title.in(language);
    if (control->violations > 0)
      line +=
          context.texts.get("report.violations", language, {{"count", std::to_string(control->violations)}});
    for (const auto& evidence : control->evidence)
      if (evidence.observed_at)
        line += context.texts.get(evidence.files.empty() ? "report.observed" : "report.observed-file",
                                  language, {{"at", local_minute(*evidence.observed_at)}});
    text += line + "\n";
  }
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

Result<std::string> facility_name(const Context& context, const Request& request) {
  const auto* reg = MAMORI_TRY(context.ledger.find_register("facility"));
  const auto record = MAMORI_TRY(context.ledger.get(*reg, request.scope, request.facility));
  return record.label;
}

std::string printed_line(const Context& context, const Request& request) {
  const auto now = context.ledger.database().clock().now();
  const auto at = request.language == "en" ? local_minute(now)
                                           : japanese_date(date_of(now)) + " " + local_minute(now).substr(11);
  return context.texts.get("report.printed", request.language, {{"at", at}, {"by", request.printed_by}});
}

Result<std::string> checklist(const Context& context, const Request& request, const std::string& framework,
                              const std::string& vendor) {
  const auto result = MAMORI_TRY(context.assessor.frameworks().state(request.facility, framework, vendor));
  const auto& language = request.language;
  const auto heading = [&](std::string_view key) {
    return context.texts.get("report.checklist." + std::string(key), language);
  };
  TableDocument table;
  table.title = result.framework->title.in(language);
  table.subtitle = {result.framework->source.in(language)};
  if (!vendor.empty()) {
    const auto* reg = MAMORI_TRY(context.ledger.find_register("vendor"));
    table.subtitle.push_back(
        context.texts.get("report.vendor", language,
                          {{"vendor", MAMORI_TRY(context.ledger.get(*reg, request.scope, vendor)).label}}));
  }
  table.columns = {{heading("number"), 0.7},   {heading("object"), 0.9}, {heading("item"), 3.2},
                   {heading("first"), 1.2},    {heading("target"), 1.1}, {heading("second"), 1.2},
                   {heading("measured"), 1.2}, {heading("remark"), 4.0}};
  for (const auto& item : result.items) {
    std::array<std::string, assess::kRounds> answers;
    std::string target;
    for (const auto& declared : item.rounds) {
      answers[static_cast<std::size_t>(declared.round - 1)] =
          context.texts.get("answer." + std::string(assess::name_of(declared.answer)), language) + "\n" +
          shown_date(declared.confirmed_on, language) + "\n" + declared.by;
      if (!declared.target_on.empty()) target = shown_date(declared.target_on, language);
    }
    table.rows.push_back({item.item->number, item.item->object.in(language), item.item->text.in(language),
                          answers[0], target, answers[1], measured_text(context, item, language),
                          evidence_text(context, item, language)});
  }
  return render(context, request, std::move(table));
}

namespace {

Result<TableDocument> list_of(const Context& context, const Request& request, const ledger::Register& reg) {
  const auto exported = MAMORI_TRY(ledger::export_table(
      context.ledger, reg, {.scope = request.scope, .sort = reg.numbering ? "number" : "label"},
      ledger::ExportColumns::printed, request.language));
  TableDocument table;
  table.subtitle = {
      context.texts.get("report.count", request.language, {{"count", std::to_string(exported.rows.size())}})};
  for (const auto& heading : exported.headings) table.columns.push_back({heading, 1});
  table.rows = exported.rows;
  return table;
}

Result<TableDocument> matrix_of(const Context& context, const Request& request, const ledger::Register& reg,
                                const ledger::Printed& matrix) {
  const auto* across = MAMORI_TRY(context.ledger.find_register(reg.find(matrix.columns)->to));
  std::vector<std::pair<std::string, std::string>> columns;  // id, label
  MAMORI_TRY(context.ledger.each(*across, {.scope = request.scope, .sort = "label"},
                                 [&](const ledger::Record& record) {
                                   columns.emplace_back(record.id, record.label);
                                   return true;
                                 }));
  std::map<std::string, std::map<std::string, std::string>> cells;  // row → column → what stands there
  const auto shown = [&](const ledger::Record& record, const std::string& name) {
    const auto* value = record.fields.if_contains(name);
    return value ? ledger::display(*reg.find(name), *value, request.language) : "";
  };
  MAMORI_TRY(
      context.ledger.each(reg, {.scope = request.scope, .sort = "label"}, [&](const ledger::Record& record) {
        auto& cell = cells[shown(record, matrix.rows)][text_of(record.fields, matrix.columns)];
        if (!cell.empty()) cell += "\n";
        cell += shown(record, matrix.cell);
        const auto note = matrix.note.empty() ? "" : shown(record, matrix.note);
        if (!note.empty()) cell += "（" + note + "）";
        return true;
      }));
  TableDocument table;
  table.columns.push_back({reg.find(matrix.rows)->label.in(request.language), 1.4});
  for (const auto& [id, label] : columns) table.columns.push_back({label, 1});
  for (const auto& [name, by_column] : cells) {
    std::vector<std::string> row = {name};
    for (const auto& [id, label] : columns) {
      const auto found = by_column.find(id);
      row.push_back(found == by_column.end() ? "－" : found->second);
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace

Result<std::string> register_document(const Context& context, const Request& request,
                                      const ledger::Register& reg, ledger::Printed::As as) {
  const auto* printed = reg.printed_as(as);
  const bool matrix = as == ledger::Printed::As::matrix;
  if (matrix && !printed)
    return Error{ErrorKind::not_found,
                 "report.printed.none",
                 {{"register", reg.label.ja}, {"register_en", reg.label.en}}};
  auto table =
      MAMORI_TRY(matrix ? matrix_of(context, request, reg, *printed) : list_of(context, request, reg));
  table.title = printed ? printed->title.in(request.language) : reg.label.in(request.language);
  return render(context, request, std::move(table));
}

}  // namespace mamori::report
