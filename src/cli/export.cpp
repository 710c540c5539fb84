#include <unistd.h>

#include <cstdio>

#include "cli/command.h"
#include "ledger/export.h"
#include "os/file.h"

namespace mamori::cli {
namespace {

struct Given {
  std::string reg, output, format = "csv", text;
  bool retired = false;
};

int export_register(const Common& common, const Given& given) {
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common);
  auto& ledger = session->services().ledger;
  const auto reg = ledger.find_register(given.reg);
  if (!reg) return fail(reg.error(), common);
  const auto facility = session->facility(common);
  if (!facility) return fail(facility.error(), common);
  ledger::ListQuery query{.scope = store::Scope::door(*facility),
                          .text = given.text,
                          .sort = (*reg)->numbering ? "number" : "label",
                          .retired = given.retired ? ledger::Retired::included : ledger::Retired::hidden};
  std::string bytes;
  if (given.format == "json") {
    json::array items;
    const auto status = ledger.each(**reg, query, [&](const ledger::Record& record) {
      items.push_back(ledger::to_json(**reg, record));
      return true;
    });
    if (!status) return fail(status.error(), common);
    bytes = pretty(items);
  } else {
    auto table = ledger::export_table(ledger, **reg, query, ledger::ExportColumns::all, common.language);
    if (!table) return fail(table.error(), common);
    if (given.format == "xlsx") {
      sheet::Page page{(*reg)->label.in(common.language), {}, {}, std::move(table->rows)};
      for (auto& heading : table->headings) page.columns.push_back({std::move(heading)});
      auto made = sheet::write_xlsx({page});
      if (!made) return fail(made.error(), common);
      bytes = std::move(made).take();
    } else {
      table->rows.insert(table->rows.begin(), table->headings);
      bytes = sheet::write_csv(table->rows);
    }
  }
  if (given.output.empty() || given.output == "-") {
    if (given.format == "xlsx" && ::isatty(1)) return fail({ErrorKind::invalid, "cli.export.output"}, common);
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    return 0;
  }
  const auto written = write_output(given.output, bytes);
  return written ? 0 : fail(written.error(), common);
}

}  // namespace

void add_export(CLI::App& app, Common& common, Runner& run) {
  auto* command = app.add_subcommand("export", "export a register as CSV, XLSX or JSON");
  auto given = std::make_shared<Given>();
  command->add_option("register", given->reg, "asset, person, account …")->required();
  command->add_option("-o,--output", given->output, "file (default: standard output)");
  command->add_option("--format", given->format, "csv, xlsx or json")
      ->check(CLI::IsMember({"csv", "xlsx", "json"}));
  command->add_option("--text", given->text, "only records with these words");
  command->add_flag("--retired", given->retired, "retired records too");
  command->callback(
      [&common, &run, given] { run = [&common, given] { return export_register(common, *given); }; });
}

}  // namespace mamori::cli
