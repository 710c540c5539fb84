#include "api/access.h"
#include "api/handlers.h"
#include "base/crypto.h"

namespace mamori::api {
namespace {

constexpr std::size_t kLinesShown = 500;
constexpr std::size_t kMostPending = 20;
constexpr std::chrono::hours kPendingLife{4};

json::array problems_json(const std::vector<Problem>& problems, const Texts& texts) {
  json::array out;
  for (const auto& problem : problems) {
    auto english = problem.facts;
    for (auto& [key, value] : english)
      for (const auto& [other, other_value] : problem.facts)
        if (other == key + "_en") value = other_value;
    out.push_back(json::object{{"field", problem.field}, {"code", problem.code}, {"ja", texts.get(problem.code, "ja", problem.facts)}, {"en", texts.get(problem.code, "en", english)}});
  }
  return out;
}

json::object plan_json(const std::string& id, const ledger::ImportPlan& plan, const Texts& texts) {
  json::array columns, lines;
  for (const auto& column : plan.columns)
    columns.push_back(json::object{{"heading", column.heading}, {"field", column.field}, {"samples", json::array(column.samples.begin(), column.samples.end())}});
  // Rejected lines first: they are what a person has to look at.
  for (const bool rejected : {true, false}) {
    for (const auto& line : plan.lines) {
      if ((line.outcome == ledger::LineOutcome::rejected) != rejected || lines.size() >= kLinesShown) continue;
      lines.push_back(json::object{{"line", line.line}, {"outcome", ledger::name_of(line.outcome)}, {"cells", json::array(line.cells.begin(), line.cells.end())}, {"changed", json::array(line.changed_fields.begin(), line.changed_fields.end())},
                                   {"problems", problems_json(line.problems, texts)}});
    }
  }
  json::object counts;
  for (const auto outcome : {ledger::LineOutcome::created, ledger::LineOutcome::changed, ledger::LineOutcome::unchanged, ledger::LineOutcome::rejected}) counts[ledger::name_of(outcome)] = plan.count(outcome);
  json::array made;
  for (const auto& [reg, made_id, name] : plan.made) made.push_back(json::object{{"register", reg->name}, {"label", words_json(reg->label)}, {"name", name}});
  return {{"id", id}, {"made", std::move(made)}, {"sheet", plan.sheet}, {"sheets", json::array(plan.sheets.begin(), plan.sheets.end())}, {"heading_line", plan.heading_line}, {"skipped", plan.skipped}, {"counts", std::move(counts)}, {"columns", std::move(columns)}, {"lines", std::move(lines)}};
}

// The pending import of this user, copied out so that no lock is held while it is worked on.
Result<PendingImport> pending_of(const Call& call, Services& services) {
  const std::lock_guard lock(services.mutex);
  const auto found = services.imports.find(call.at("id"));
  if (found == services.imports.end() || found->second.user != call.user->id) return Error{ErrorKind::not_found, "ledger.import.gone"};
  return found->second;
}

Result<const ledger::Register*> still_allowed(const Call& call, Services& services, const PendingImport& pending) {
  const auto* reg = MAMORI_TRY(services.ledger.find_register(pending.reg));
  if (reg->observed || !allowed_in(call, reg->writers, pending.facility)) return Error{ErrorKind::forbidden, "api.forbidden"};
  return reg;
}

// Where this user may make a record of its name alone.
std::set<std::string> may_make(const Call& call, Services& services, const std::string& facility) {
  std::set<std::string> out;
  for (const auto& reg : services.ledger.registers().all())
    if (reg.named_only && allowed_in(call, reg.writers, facility)) out.insert(reg.name);
  return out;
}

ledger::ImportOptions options_of(const Call& call, Services& services, const std::string& facility, const json::object& body) {
  ledger::ImportOptions options;
  if (const auto* make = body.if_contains("make"); !make || (make->is_bool() && make->get_bool())) options.make_in = may_make(call, services, facility);
  options.sheet = text_of(body, "sheet");
  options.heading_line = static_cast<std::size_t>(std::max<std::int64_t>(0, integer_of(body, "heading_line")));
  if (const auto* mapping = body.if_contains("mapping"); mapping && mapping->is_object())
    for (const auto& [heading, field] : mapping->get_object())
      if (field.is_string()) options.mapping[heading] = std::string(field.get_string());
  return options;
}

}  // namespace

Result<http::Reply> create_import(const Call& call, Services& services) {
  const auto to = MAMORI_TRY(access(call, services, Use::write));
  const auto facility = MAMORI_TRY(call.facility());
  if (std::find(to.facilities.begin(), to.facilities.end(), facility) == to.facilities.end() || to.reg->name == "facility") return Error{ErrorKind::forbidden, "api.forbidden"};
  PendingImport pending{call.user->id, facility, to.reg->name, call.request.parameter("file", "sheet"), {}, {}, {}, services.clock.now()};
  pending.tables = MAMORI_TRY(sheet::read_tables(call.request.body));
  const auto id = new_id(to_millis(pending.at));
  // A file whose headings are not recognised can still be mapped by hand: the first line that has cells stands for the headings.
  pending.options.make_in = may_make(call, services, facility);
  auto plan = ledger::plan_import(services.ledger, *to.reg, facility, pending.tables, pending.options);
  bool guessed = false;
  if (!plan && plan.error().code == "ledger.import.no-heading") {
    std::size_t line = 0;
    const auto& rows = pending.tables[0].rows;
    while (line < rows.size() && std::count_if(rows[line].begin(), rows[line].end(), [](const std::string& cell) { return !trim(cell).empty(); }) < 2) ++line;
    if (line == rows.size()) return std::move(plan).take_error();
    pending.options.heading_line = line + 1;
    plan = ledger::plan_import(services.ledger, *to.reg, facility, pending.tables, pending.options);
    guessed = true;
  }
  auto reply = plan_json(id, MAMORI_TRY(std::move(plan)), services.texts);
  reply["recognised"] = !guessed;
  const std::lock_guard lock(services.mutex);
  std::erase_if(services.imports, [&](const auto& entry) { return pending.at - entry.second.at > kPendingLife; });
  while (services.imports.size() >= kMostPending) services.imports.erase(services.imports.begin());  // ids sort by time: the oldest goes
  services.imports[id] = std::move(pending);
  return http::Reply::json(reply, 201);
}

Result<http::Reply> plan_import(const Call& call, Services& services) {
  auto pending = MAMORI_TRY(pending_of(call, services));
  const auto* reg = MAMORI_TRY(still_allowed(call, services, pending));
  pending.options = options_of(call, services, pending.facility, MAMORI_TRY(call.body()));
  const auto plan = MAMORI_TRY(ledger::plan_import(services.ledger, *reg, pending.facility, pending.tables, pending.options));
  {
    const std::lock_guard lock(services.mutex);
    services.imports[call.at("id")].options = pending.options;
  }
  return http::Reply::json(plan_json(call.at("id"), plan, services.texts));
}

Result<http::Reply> apply_import(const Call& call, Services& services) {
  const auto pending = MAMORI_TRY(pending_of(call, services));
  const auto* reg = MAMORI_TRY(still_allowed(call, services, pending));
  if (pending.applied) return Error{ErrorKind::conflict, "ledger.import.applied"};
  const auto plan = MAMORI_TRY(ledger::plan_import(services.ledger, *reg, pending.facility, pending.tables, pending.options));
  if (text_of(MAMORI_TRY(call.body()), "mode", "good") == "all" && plan.count(ledger::LineOutcome::rejected) > 0)
    return Error{ErrorKind::invalid, "ledger.import.not-all", {{"count", std::to_string(plan.count(ledger::LineOutcome::rejected))}}};
  auto actor = call.actor();
  const auto result = MAMORI_TRY(ledger::apply_import(services.ledger, actor, *reg, pending.facility, plan, pending.file_name));
  {
    const std::lock_guard lock(services.mutex);
    services.imports[call.at("id")].applied = result;
  }
  return http::Reply::json(json::object{{"created", result.created}, {"made", result.made.size()}, {"changed", result.changed}, {"unchanged", plan.count(ledger::LineOutcome::unchanged)}, {"rejected", plan.count(ledger::LineOutcome::rejected)}});
}

Result<http::Reply> undo_import(const Call& call, Services& services) {
  const auto pending = MAMORI_TRY(pending_of(call, services));
  const auto* reg = MAMORI_TRY(still_allowed(call, services, pending));
  if (!pending.applied) return Error{ErrorKind::conflict, "ledger.import.gone"};
  const auto undone = MAMORI_TRY(ledger::undo_import(services.ledger, call.actor(), *reg, pending.facility, *pending.applied, "undo import: " + pending.file_name));
  const std::lock_guard lock(services.mutex);
  services.imports.erase(call.at("id"));
  return http::Reply::json(json::object{{"undone", undone}});
}

Result<http::Reply> rejected_lines(const Call& call, Services& services) {
  const auto pending = MAMORI_TRY(pending_of(call, services));
  const auto* reg = MAMORI_TRY(still_allowed(call, services, pending));
  const auto plan = MAMORI_TRY(ledger::plan_import(services.ledger, *reg, pending.facility, pending.tables, pending.options));
  const auto language = call.language();
  const auto rows = ledger::rejected_rows(plan, services.texts.both("ledger.import.reason"), language, [&](const Problem& problem) { return services.texts.get(problem.code, language, problem.facts); });
  return http::Reply::file(sheet::write_csv(rows), "text/csv; charset=utf-8", "rejected_" + pending.file_name + ".csv");
}

}  // namespace mamori::api
