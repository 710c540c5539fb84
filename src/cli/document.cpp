#include <cstdio>

#include "cli/command.h"
#include "os/file.h"
#include "report/log_export.h"
#include "report/report.h"

namespace mamori::cli {
namespace {

struct Given {
  std::string kind, name, output, format = "pdf", vendor, as = "list";
};

int make_document(const Common& common, const Given& given) {
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common);
  auto& services = session->services();
  const auto facility = session->facility(common);
  if (!facility) return fail(facility.error(), common);
  report::Request request{*facility, store::Scope::door(*facility), common.language, session->actor().name,
                          given.format == "xlsx" ? report::Format::xlsx : report::Format::pdf};
  const report::Context context{services.ledger, services.assessor, services.texts};
  Result<std::string> made = Error{ErrorKind::invalid, "cli.document.kind"};
  if (given.kind == "checklist") {
    const auto vendor = session->vendor(*facility, given.vendor);
    if (!vendor) return fail(vendor.error(), common);
    made = report::checklist(context, request, given.name, *vendor);
  } else if (given.kind == "register") {
    const auto reg = services.ledger.find_register(given.name);
    if (!reg) return fail(reg.error(), common);
    made = report::register_document(
        context, request, **reg,
        given.as == "matrix" ? ledger::Printed::As::matrix : ledger::Printed::As::list);
  } else if (given.kind == "log-heads") {
    report::DayOfLogs day;
    const auto newest = services.logs.keeping().newest_heads(*facility);
    if (!newest) return fail(newest.error(), common);
    for (const auto& [name, head, stamp] : *newest) day.heads.push_back({name.name, head, stamp});
    const auto states = services.logs.keeping().state(*facility);
    if (!states) return fail(states.error(), common);
    for (const auto& state : *states)
      for (const auto& damage : state.damage) day.damage.emplace_back(state.name.name, damage);
    made = report::log_heads(context, request, day, services.signing_key);
  } else if (given.kind == "inspection-package") {
    report::PackageRequest package;
    package.request = request;
    package.key = &services.signing_key;
    package.blobs = &services.blobs;
    package.progress = [](int done, int all) {
      progress("inspection package", static_cast<std::size_t>(done), static_cast<std::size_t>(all));
    };
    made = report::inspection_package(context, package);
  }
  if (!made) return fail(made.error(), common);
  const auto written = write_output(given.output, *made);
  return written ? 0 : fail(written.error(), common);
}

}  // namespace

void add_document(CLI::App& app, Common& common, Runner& run) {
  auto* command = app.add_subcommand(
      "document", "make a checklist, a register, the heads of the logs or the inspection package");
  auto given = std::make_shared<Given>();
  command->add_option("kind", given->kind, "checklist, register, log-heads or inspection-package")
      ->required()
      ->check(CLI::IsMember({"checklist", "register", "log-heads", "inspection-package"}));
  command->add_option("name", given->name, "framework id, or register");
  command->add_option("-o,--output", given->output, "file")->required();
  command->add_option("--format", given->format, "pdf or xlsx")->check(CLI::IsMember({"pdf", "xlsx"}));
  command->add_option("--as", given->as, "a register as its list, or as the matrix that it declares")
      ->check(CLI::IsMember({"list", "matrix"}));
  command->add_option("--vendor", given->vendor, "vendor number, for vendor forms");
  command->callback(
      [&common, &run, given] { run = [&common, given] { return make_document(common, *given); }; });
}

}  // namespace mamori::cli
