#include <cstdio>

#include "cli/command.h"
#include "ledger/pending_import.h"
#include "os/file.h"

namespace mamori::cli {
namespace {

constexpr std::size_t kLargest = 64u << 20;

struct Given {
  std::string reg, file, rejected, sheet, undo, format = "text";
  std::vector<std::string> mapping;
  std::size_t heading_line = 0;
  bool dry_run = false, all = false, make_none = false;
};

json::object summary(const ledger::ImportPlan& plan) {
  json::object out;
  for (const auto outcome : {ledger::LineOutcome::created, ledger::LineOutcome::changed,
                             ledger::LineOutcome::unchanged, ledger::LineOutcome::rejected})
    out[ledger::name_of(outcome)] = plan.count(outcome);
  return out;
}

// Takes an import back that was done before, from here or from the browser.
int undo(const Common& common, const Given& given) {
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common);
  auto& services = session->services();
  const auto undone = ledger::undo_import(services.ledger, session->actor(), given.undo);
  if (!undone) return fail(undone.error(), common);
  if (given.format == "json") {
    json::array kept;
    for (const auto& one : undone->kept)
      kept.push_back(
          json::object{{"register", one.reg}, {"id", one.id}, {"number", one.number}, {"label", one.label}});
    std::printf("%s", pretty(json::object{{"undone", undone->records}, {"kept", std::move(kept)}}).c_str());
    return 0;
  }
  std::printf(
      "%s\n",
      services.texts.get("cli.import.undone", common.language, {{"count", std::to_string(undone->records)}})
          .c_str());
  for (const auto& one : undone->kept) {
    const auto* reg = services.ledger.registers().find(one.reg);
    std::printf("%s\n", services.texts
                            .get("cli.import.kept", common.language,
                                 {{"register", reg ? reg->label.in(common.language) : one.reg},
                                  {"number", one.number},
                                  {"label", one.label}})
                            .c_str());
  }
  return 0;
}

int import(const Common& common, const Given& given) {
  if (!given.undo.empty()) return undo(common, given);
  if (given.reg.empty() || given.file.empty()) return fail({ErrorKind::invalid, "cli.import.needs"}, common);
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common);
  auto& services = session->services();
  const auto reg = services.ledger.find_register(given.reg);
  if (!reg) return fail(reg.error(), common);
  if ((*reg)->observed || given.reg == "facility")
    return fail({ErrorKind::forbidden, "api.forbidden"}, common);
  const auto facility = session->facility(common);
  if (!facility) return fail(facility.error(), common);
  const auto bytes = read_file(given.file, kLargest);
  if (!bytes) return fail(bytes.error(), common);
  progress("reading", 1, 3);
  const auto tables = sheet::read_tables(*bytes);
  if (!tables) return fail(tables.error(), common);
  ledger::ImportOptions options;
  options.sheet = given.sheet;
  options.heading_line = given.heading_line;
  for (const auto& pair : given.mapping) {
    const auto equals = pair.find('=');
    if (equals == pair.npos)
      return fail({ErrorKind::invalid, "cli.import.mapping", {{"value", pair}}}, common);
    options.mapping[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  if (!given.make_none)
    for (const auto& one : services.ledger.registers().all())
      if (one.named_only) options.make_in.insert(one.name);
  const auto plan = ledger::plan_import(services.ledger, **reg, *facility, *tables, options);
  if (!plan) return fail(plan.error(), common);
  progress("checking", 2, 3);
  const auto sentence = [&](const Problem& problem) {
    return services.texts.get(problem.code, common.language, problem.facts);
  };
  const auto rejected = plan->count(ledger::LineOutcome::rejected);
  if (given.format == "json") {
    auto out = summary(*plan);
    out["dry_run"] = given.dry_run;
    json::array lines;
    for (const auto& line : plan->lines) {
      if (line.outcome != ledger::LineOutcome::rejected && !given.dry_run) continue;
      json::array problems;
      for (const auto& problem : line.problems)
        problems.push_back(
            json::object{{"field", problem.field}, {"code", problem.code}, {"text", sentence(problem)}});
      lines.push_back(
          json::object{{"line", line.line},
                       {"outcome", ledger::name_of(line.outcome)},
                       {"changed", json::array(line.changed_fields.begin(), line.changed_fields.end())},
                       {"problems", std::move(problems)}});
    }
    out["lines"] = std::move(lines);
    json::array made;
    for (const auto& [target, id, name] : plan->made)
      made.push_back(json::object{{"register", target->name}, {"name", name}});
    out["made"] = std::move(made);
    std::printf("%s", pretty(out).c_str());
  } else {
    std::printf("%s\n", services.texts
                            .get("cli.import.summary", common.language,
                                 {{"new", std::to_string(plan->count(ledger::LineOutcome::created))},
                                  {"changed", std::to_string(plan->count(ledger::LineOutcome::changed))},
                                  {"unchanged", std::to_string(plan->count(ledger::LineOutcome::unchanged))},
                                  {"rejected", std::to_string(rejected)}})
                            .c_str());
    for (const auto& [target, id, name] : plan->made)
      std::printf("%s\n", services.texts
                              .get("cli.import.made", common.language,
                                   {{"register", target->label.in(common.language)}, {"name", name}})
                              .c_str());
    for (const auto& line : plan->lines)
      for (const auto& problem : line.problems) {
        const auto column = ledger::column_of(plan->columns, problem.field);
        std::printf("%s:%zu:%s %s\n", given.file.c_str(), line.line,
                    column ? (std::to_string(*column) + ":").c_str() : "", sentence(problem).c_str());
      }
    std::string others;
    for (const auto& name : plan->others) others += (others.empty() ? "" : "・") + name;
    if (!others.empty())
      std::printf("%s\n",
                  services.texts.get("cli.import.others", common.language, {{"sheets", others}}).c_str());
    for (const auto& column : plan->columns)
      if (column.field.empty() && !column.heading.empty())
        std::printf("%s\n",
                    services.texts.get("cli.import.unmapped", common.language, {{"heading", column.heading}})
                        .c_str());
  }
  if (!given.rejected.empty() && rejected > 0) {
    const auto rows =
        ledger::rejected_rows(*plan, services.texts.both("ledger.import.reason"), common.language, sentence);
    const auto written = write_output(given.rejected, sheet::write_csv(rows));
    if (!written) return fail(written.error(), common);
  }
  if (given.dry_run) return rejected > 0 ? 1 : 0;
  if (given.all && rejected > 0)
    return fail({ErrorKind::invalid, "ledger.import.not-all", {{"count", std::to_string(rejected)}}}, common),
           1;
  const auto result = ledger::apply_import(services.ledger, session->actor(), **reg, *facility, *plan,
                                           std::filesystem::path(given.file).filename().string());
  if (!result) return fail(result.error(), common);
  progress("written", 3, 3);
  std::fprintf(stderr, "%s\n",
               services.texts.get("cli.import.id", common.language, {{"id", result->id}}).c_str());
  return rejected > 0 ? 1 : 0;
}

}  // namespace

void add_import(CLI::App& app, Common& common, Runner& run) {
  auto* command = app.add_subcommand("import", "import a CSV or XLSX file into a register");
  auto given = std::make_shared<Given>();
  command->add_option("register", given->reg, "asset, person, account, vendor …");
  command->add_option("file", given->file, "CSV or XLSX");
  command->add_option("--undo", given->undo,
                      "take the import with this id back: what it wrote and nobody has changed since");
  command->add_flag("--dry-run", given->dry_run, "show what would happen, write nothing");
  command->add_flag(
      "--no-new-names", given->make_none,
      "reject lines that name a department, site or vendor that is not there, instead of making it");
  command->add_flag("--all-or-none", given->all, "write nothing where a line is rejected");
  command->add_option("--sheet", given->sheet, "name of the sheet");
  command->add_option("--heading-line", given->heading_line, "line of the headings (default: found)");
  command->add_option("--map", given->mapping, "HEADING=field, several");
  command->add_option("--rejected", given->rejected,
                      "write the rejected lines with their reasons to this CSV file");
  command->add_option("--format", given->format, "text or json")->check(CLI::IsMember({"text", "json"}));
  command->footer("Exit codes: 0 all lines good; 1 some rejected; others as `mamori --help`.");
  command->callback([&common, &run, given] { run = [&common, given] { return import(common, *given); }; });
}

}  // namespace mamori::cli
