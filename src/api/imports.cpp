#include "api/access.h"
#include "api/routes.h"
#include "base/crypto.h"

namespace mamori::api {
namespace {

using enum http::Method;
using identity::Permission;

constexpr std::size_t kLinesShown = 500;
constexpr std::size_t kListed = 50;

// `columns`: of the sheet, so that a person finds the cell; column 1 is the first.
json::array problems_json(const std::vector<Problem>& problems,
                          const std::vector<ledger::ImportColumn>& columns, const Texts& texts) {
  json::array out;
  for (const auto& problem : problems) {
    auto english = problem.facts;
    for (auto& [key, value] : english)
      for (const auto& [other, other_value] : problem.facts)
        if (other == key + "_en") value = other_value;
    json::object shown = {{"field", problem.field},
                          {"code", problem.code},
                          {"ja", texts.get(problem.code, "ja", problem.facts)},
                          {"en", texts.get(problem.code, "en", english)}};
    if (const auto column = ledger::column_of(columns, problem.field)) shown["column"] = *column;
    out.push_back(std::move(shown));
  }
  return out;
}

json::object plan_json(const std::string& id, const ledger::ImportPlan& plan, const Texts& texts) {
  json::array columns, lines;
  for (const auto& column : plan.columns)
    columns.push_back(json::object{{"heading", column.heading},
                                   {"field", column.field},
                                   {"samples", json::array(column.samples.begin(), column.samples.end())}});
  // Rejected lines first: they are what a person has to look at.
  for (const bool rejected : {true, false}) {
    for (const auto& line : plan.lines) {
      if ((line.outcome == ledger::LineOutcome::rejected) != rejected || lines.size() >= kLinesShown)
        continue;
      lines.push_back(
          json::object{{"line", line.line},
                       {"outcome", ledger::name_of(line.outcome)},
                       {"cells", json::array(line.cells.begin(), line.cells.end())},
                       {"changed", json::array(line.changed_fields.begin(), line.changed_fields.end())},
                       {"problems", problems_json(line.problems, plan.columns, texts)}});
    }
  }
  json::object counts;
  for (const auto outcome : {ledger::LineOutcome::created, ledger::LineOutcome::changed,
                             ledger::LineOutcome::unchanged, ledger::LineOutcome::rejected})
    counts[ledger::name_of(outcome)] = plan.count(outcome);
  json::array made;
  for (const auto& [reg, made_id, name] : plan.made)
    made.push_back(json::object{{"register", reg->name}, {"label", words_json(reg->label)}, {"name", name}});
  return {{"id", id},
          {"made", std::move(made)},
          {"sheet", plan.sheet},
          {"sheets", json::array(plan.sheets.begin(), plan.sheets.end())},
          {"heading_line", plan.heading_line},
          {"skipped", plan.skipped},
          {"counts", std::move(counts)},
          {"columns", std::move(columns)},
          {"lines", std::move(lines)}};
}

// The import of this user. Errors: ledger.import.gone, ledger.import.expired.
Result<ledger::PendingImport> import_of(const Call& call, Services& services) {
  auto import = MAMORI_TRY(ledger::find_import(services.ledger, call.at("id")));
  if (import.user != call.user->id) return Error{ErrorKind::not_found, "ledger.import.gone"};
  return import;
}

Result<const ledger::Register*> still_allowed(const Call& call, Services& services,
                                              const ledger::PendingImport& pending) {
  const auto* reg = MAMORI_TRY(services.ledger.find_register(pending.reg));
  if (reg->observed || !MAMORI_TRY(allowed_in(call, services, reg->writers, pending.facility)))
    return Error{ErrorKind::forbidden, "api.forbidden"};
  return reg;
}

// Where this user may make a record of its name alone.
Result<std::set<std::string>> may_make(const Call& call, Services& services, const std::string& facility) {
  std::set<std::string> out;
  for (const auto& reg : services.ledger.registers().all())
    if (reg.named_only && MAMORI_TRY(allowed_in(call, services, reg.writers, facility))) out.insert(reg.name);
  return out;
}

Result<ledger::ImportOptions> options_of(const Call& call, Services& services, const std::string& facility,
                                         const json::object& body) {
  ledger::ImportOptions options;
  if (const auto* make = body.if_contains("make"); !make || (make->is_bool() && make->get_bool()))
    options.make_in = MAMORI_TRY(may_make(call, services, facility));
  options.sheet = text_of(body, "sheet");
  options.heading_line =
      static_cast<std::size_t>(std::max<std::int64_t>(0, integer_of(body, "heading_line")));
  if (const auto* mapping = body.if_contains("mapping"); mapping && mapping->is_object())
    for (const auto& [heading, field] : mapping->get_object())
      if (field.is_string()) options.mapping[heading] = std::string(field.get_string());
  return options;
}

Result<http::Reply> create_import(const Call& call, Services& services) {
  const auto to = MAMORI_TRY(access(call, services, Use::write));
  const auto facility = MAMORI_TRY(call.facility());
  MAMORI_TRY(within(services, to.scope, facility));
  if (to.reg->name == "facility") return Error{ErrorKind::forbidden, "api.forbidden"};
  ledger::PendingImport pending{"", call.user->id, facility, to.reg->name,
                                call.request.parameter("file", "sheet")};
  const auto tables = MAMORI_TRY(sheet::read_tables(call.request.body));
  // A file whose headings are not recognised can still be mapped by hand: the first line that has cells
  // stands for the headings.
  pending.options.make_in = MAMORI_TRY(may_make(call, services, facility));
  auto plan = ledger::plan_import(services.ledger, *to.reg, facility, tables, pending.options);
  bool guessed = false;
  if (!plan && plan.error().code == "ledger.import.no-heading") {
    std::size_t line = 0;
    const auto& rows = tables[0].rows;
    while (line < rows.size() &&
           std::count_if(rows[line].begin(), rows[line].end(),
                         [](const std::string& cell) { return !trim(cell).empty(); }) < 2)
      ++line;
    if (line == rows.size()) return std::move(plan).take_error();
    pending.options.heading_line = line + 1;
    plan = ledger::plan_import(services.ledger, *to.reg, facility, tables, pending.options);
    guessed = true;
  }
  const auto made = MAMORI_TRY(std::move(plan));
  const auto id = MAMORI_TRY(ledger::keep_import(services.ledger, pending, call.request.body));
  MAMORI_TRY(ledger::keep_shown(services.ledger, id, made));
  auto reply = plan_json(id, made, services.texts);
  reply["recognised"] = !guessed;
  return http::Reply::json(reply, 201);
}

Result<http::Reply> plan_import(const Call& call, Services& services) {
  auto pending = MAMORI_TRY(import_of(call, services));
  const auto* reg = MAMORI_TRY(still_allowed(call, services, pending));
  pending.options = MAMORI_TRY(options_of(call, services, pending.facility, MAMORI_TRY(call.body())));
  const auto tables = MAMORI_TRY(ledger::import_tables(services.ledger, pending.id));
  const auto plan =
      MAMORI_TRY(ledger::plan_import(services.ledger, *reg, pending.facility, tables, pending.options));
  MAMORI_TRY(ledger::set_import_options(services.ledger, pending.id, pending.options));
  MAMORI_TRY(ledger::keep_shown(services.ledger, pending.id, plan));
  return http::Reply::json(plan_json(pending.id, plan, services.texts));
}

Result<http::Reply> apply_import(const Call& call, Services& services) {
  const auto pending = MAMORI_TRY(import_of(call, services));
  const auto* reg = MAMORI_TRY(still_allowed(call, services, pending));
  const auto body = MAMORI_TRY(call.body());
  if (pending.state == ledger::ImportState::applied)
    return Error{ErrorKind::conflict, "ledger.import.applied"};
  if (pending.state == ledger::ImportState::undone) return Error{ErrorKind::conflict, "ledger.import.undone"};
  const auto tables = MAMORI_TRY(ledger::import_tables(services.ledger, pending.id));
  const auto plan =
      MAMORI_TRY(ledger::plan_import(services.ledger, *reg, pending.facility, tables, pending.options));
  const auto rejected = plan.count(ledger::LineOutcome::rejected);
  if (text_of(body, "mode", "good") == "all" && rejected > 0)
    return Error{ErrorKind::invalid, "ledger.import.not-all", {{"count", std::to_string(rejected)}}};
  // Whoever asked at the same moment is refused there: the state above was only looked at.
  const auto result =
      MAMORI_TRY(ledger::apply_kept_import(services.ledger, call.actor(), *reg, pending, plan));
  return http::Reply::json(json::object{{"created", result.created},
                                        {"made", result.made.size()},
                                        {"changed", result.changed},
                                        {"unchanged", plan.count(ledger::LineOutcome::unchanged)},
                                        {"rejected", rejected}});
}

Result<http::Reply> undo_import(const Call& call, Services& services) {
  const auto pending = MAMORI_TRY(import_of(call, services));
  MAMORI_TRY(still_allowed(call, services, pending));
  const auto undone = MAMORI_TRY(ledger::undo_import(services.ledger, call.actor(), pending.id));
  json::array kept;
  for (const auto& one : undone.kept)
    kept.push_back(
        json::object{{"register", one.reg}, {"id", one.id}, {"number", one.number}, {"label", one.label}});
  return http::Reply::json(json::object{{"undone", undone.records}, {"kept", std::move(kept)}});
}

// GET /api/v1/imports: what this user has imported, newest first, so that it can still be taken back later.
Result<http::Reply> list_imports(const Call& call, Services& services) {
  json::array items;
  for (const auto& one :
       MAMORI_TRY(ledger::list_imports(services.ledger, call.scope, call.user->id, kListed)))
    items.push_back(json::object{{"id", one.id},
                                 {"facility", one.facility},
                                 {"register", one.reg},
                                 {"file", one.file_name},
                                 {"at", iso_instant(one.at)},
                                 {"state", ledger::name_of(one.state)},
                                 {"created", one.created},
                                 {"changed", one.changed}});
  return http::Reply::json(json::object{{"items", std::move(items)}});
}

Result<http::Reply> rejected_lines(const Call& call, Services& services) {
  const auto pending = MAMORI_TRY(import_of(call, services));
  const auto* reg = MAMORI_TRY(still_allowed(call, services, pending));
  const auto tables = MAMORI_TRY(ledger::import_tables(services.ledger, pending.id));
  const auto plan =
      MAMORI_TRY(ledger::plan_import(services.ledger, *reg, pending.facility, tables, pending.options));
  const auto language = call.language();
  const auto rows = ledger::rejected_rows(
      plan, services.texts.both("ledger.import.reason"), language,
      [&](const Problem& problem) { return services.texts.get(problem.code, language, problem.facts); });
  return http::Reply::file(sheet::write_csv(rows), "text/csv; charset=utf-8",
                           "rejected_" + pending.file_name + ".csv");
}

}  // namespace

namespace {

Shape plan_shape() {
  using namespace shape;
  const auto problem = named(
      "LineProblem",
      object({{"field", text()}, {"code", text()}, {"ja", text()}, {"en", text()}}, {{"column", integer()}}));
  const auto line =
      named("ImportLine", object({{"line", integer()},
                                  {"outcome", one_of({"new", "changed", "unchanged", "rejected"})},
                                  {"cells", list(text())},
                                  {"changed", list(text())},
                                  {"problems", list(problem)}}));
  const auto column =
      named("ImportColumn", object({{"heading", text()}, {"field", text()}, {"samples", list(text())}}));
  const auto made = named("ImportMade", object({{"register", text()}, {"label", words()}, {"name", text()}}));
  return named("ImportPlan", object({{"id", text()},
                                     {"made", list(made)},
                                     {"sheet", text()},
                                     {"sheets", list(text())},
                                     {"heading_line", integer()},
                                     {"skipped", integer()},
                                     {"counts", map(integer())},
                                     {"columns", list(column)},
                                     {"lines", list(line)}},
                                    {{"recognised", boolean()}}));
}
Shape import_shape() {
  using namespace shape;
  return named("Import", object({{"id", text()},
                                 {"facility", text()},
                                 {"register", text()},
                                 {"file", text()},
                                 {"at", instant()},
                                 {"state", one_of({"pending", "applied", "undone"})},
                                 {"created", integer()},
                                 {"changed", integer()}}));
}
Shape applied_shape() {
  using namespace shape;
  return named("ImportApplied", object({{"created", integer()},
                                        {"made", integer()},
                                        {"changed", integer()},
                                        {"unchanged", integer()},
                                        {"rejected", integer()}}));
}
Shape undone_shape() {
  using namespace shape;
  const auto kept = object({{"register", text()}, {"id", text()}, {"number", text()}, {"label", text()}});
  return named("ImportUndone", object({{"undone", integer()}, {"kept", list(kept)}}));
}

}  // namespace

std::vector<Route> import_routes() {
  using namespace shape;
  return {
      Route{post, "/api/v1/imports", Permission::ledger_write, create_import,
            "Upload a sheet: what was understood, line by line; nothing is written", Body::upload}
          .asks({{"register", "into which"}, {"file", "its name"}})
          .gives(plan_shape(), 201),
      Route{get, "/api/v1/imports", Permission::ledger_write, list_imports,
            "What you have imported, and may take back"}
          .gives(items(import_shape())),
      Route{post, "/api/v1/imports/{id}/plan", Permission::ledger_write, plan_import,
            "Plan again with another mapping or sheet"}
          .takes(object({}, {{"mapping", map(text())},
                             {"make", boolean()},
                             {"sheet", text()},
                             {"heading_line", integer()}}))
          .gives(plan_shape()),
      Route{post, "/api/v1/imports/{id}/apply", Permission::ledger_write, apply_import,
            "Write the good lines, or all or none"}
          .takes(object({}, {{"mode", one_of({"good", "all"})}}))
          .gives(applied_shape()),
      Route{post, "/api/v1/imports/{id}/undo", Permission::ledger_write, undo_import, "Take the import back"}
          .gives(undone_shape()),
      Route{get, "/api/v1/imports/{id}/rejected", Permission::ledger_write, rejected_lines,
            "The rejected lines with their reasons, as CSV"}
          .gives_file("text/csv"),
  };
}

}  // namespace mamori::api
