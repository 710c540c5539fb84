#include "assess/assessor.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/crypto.h"
#include "store/question.h"

namespace mamori::assess {
namespace {

constexpr std::chrono::minutes kKept{1};

constexpr store::Migration kSchema[] = {
    {"assess.1",
     "CREATE TABLE declaration (facility {text} NOT NULL, framework {text} NOT NULL, item {text} NOT NULL, vendor {text} NOT NULL, answer {text} NOT NULL,"
     " confirmed_on {text} NOT NULL, target_on {text} NOT NULL, remark {text} NOT NULL, declared_by {text} NOT NULL, at BIGINT NOT NULL,"
     " PRIMARY KEY (facility, framework, item, vendor));"
     "CREATE TABLE finding (facility {text} NOT NULL, control {text} NOT NULL, verdict {text} NOT NULL, violations BIGINT NOT NULL, at BIGINT NOT NULL,"
     " PRIMARY KEY (facility, control, at));"
     "CREATE TABLE put_off (facility {text} NOT NULL, row_key {text} NOT NULL, until {text} NOT NULL, reason {text} NOT NULL, put_off_by {text} NOT NULL,"
     " PRIMARY KEY (facility, row_key));"},
    {"assess.2",
     "CREATE TABLE declaration_2 (facility {text} NOT NULL, framework {text} NOT NULL, item {text} NOT NULL, vendor {text} NOT NULL, round BIGINT NOT NULL, answer {text} NOT NULL,"
     " confirmed_on {text} NOT NULL, target_on {text} NOT NULL, remark {text} NOT NULL, declared_by {text} NOT NULL, at BIGINT NOT NULL,"
     " PRIMARY KEY (facility, framework, item, vendor, round));"
     "INSERT INTO declaration_2 SELECT facility, framework, item, vendor, 1, answer, confirmed_on, target_on, remark, declared_by, at FROM declaration;"
     "DROP TABLE declaration;"
     "ALTER TABLE declaration_2 RENAME TO declaration;"},
};

constexpr std::string_view kDeclarationColumns = "framework, item, vendor, answer, confirmed_on, target_on, remark, declared_by, at, round";

// Views of the registers, as a control sees them: this facility's records that are not retired; retired_NAME has the others.
std::string views(const ledger::Registers& registers, const std::set<std::string>& words, const std::string& facility, const std::string& vendor, store::Row& parameters) {
  std::string sql;
  for (const auto& reg : registers.all()) {
    for (const bool retired : {false, true}) {
      const auto view = (retired ? "retired_" : "") + reg.name;
      if (!words.contains(view)) continue;
      sql += fmt::format("{}{} AS NOT MATERIALIZED (SELECT id, number, label, created_at, updated_at", sql.empty() ? "" : ", ", view);
      if (retired) sql += ", retired_at";
      for (const auto& field : reg.fields) sql += ", " + field.name;
      sql += fmt::format(" FROM {} WHERE facility = ? AND retired_at IS {}NULL", reg.table(), retired ? "NOT " : "");
      parameters.emplace_back(facility);
      const auto* of_vendor = reg.find("vendor");
      if (!vendor.empty() && (reg.name == "vendor" || (of_vendor && of_vendor->type == ledger::FieldType::ref))) {
        sql += reg.name == "vendor" ? " AND id = ?" : " AND vendor = ?";
        parameters.emplace_back(vendor);
      }
      sql += ")";
    }
  }
  return sql;
}

// :now, :today, :ago_P7D (an instant), :day_ago_P1Y and :day_in_P30D (days), :fiscal_start.
Result<store::Value> time_parameter(const std::string& name, Instant now) {
  const auto today = date_of(now);
  if (name == "now") return store::Value(to_millis(now));
  if (name == "today") return store::Value(iso_date(today));
  if (name == "fiscal_start") return store::Value(fmt::format("{:04}-04-01", fiscal_year(today)));
  const auto duration_after = [&](std::string_view prefix) -> std::optional<Duration> {
    if (!std::string_view(name).starts_with(prefix)) return std::nullopt;
    return parse_duration(std::string_view(name).substr(prefix.size()));
  };
  if (const auto ago = duration_after("ago_")) return store::Value(to_millis(now - *ago));
  if (const auto ago = duration_after("day_ago_")) return store::Value(iso_date(date_of(now - *ago)));
  if (const auto in = duration_after("day_in_")) return store::Value(iso_date(date_of(now + *in)));
  return Error{ErrorKind::invalid, "store.question.refused", {{"reason", "unknown parameter :" + name}, {"position", "0"}}};
}

Contradiction contradiction_of(const std::optional<Declaration>& declared, Verdict verdict) {
  if (!declared) return Contradiction::none;
  if (declared->answer == Answer::yes && verdict == Verdict::gap) return Contradiction::declared_yes_measured_gap;
  if (declared->answer == Answer::no && verdict == Verdict::met) return Contradiction::declared_no_measured_met;
  return Contradiction::none;
}

Declaration declaration_of(const store::Row& row) {
  Declaration declaration;
  declaration.framework = store::as_text(row[0]);
  declaration.item = store::as_text(row[1]);
  declaration.vendor = store::as_text(row[2]);
  declaration.answer = parse_answer(store::as_text(row[3])).value_or(Answer::no);
  declaration.confirmed_on = store::as_text(row[4]);
  declaration.target_on = store::as_text(row[5]);
  declaration.remark = store::as_text(row[6]);
  declaration.by = store::as_text(row[7]);
  declaration.at = from_millis(store::as_integer(row[8]));
  declaration.round = static_cast<int>(store::as_integer(row[9]));
  return declaration;
}

}  // namespace

std::string_view name_of(Answer answer) {
  switch (answer) {
    case Answer::yes: return "yes";
    case Answer::no: return "no";
    case Answer::not_applicable: return "not_applicable";
  }
  MAMORI_UNREACHABLE();
}

std::optional<Answer> parse_answer(std::string_view name) {
  for (const auto answer : {Answer::yes, Answer::no, Answer::not_applicable})
    if (name_of(answer) == name) return answer;
  return std::nullopt;
}

std::string_view name_of(Contradiction contradiction) {
  switch (contradiction) {
    case Contradiction::none: return "none";
    case Contradiction::declared_yes_measured_gap: return "declared_yes_measured_gap";
    case Contradiction::declared_no_measured_met: return "declared_no_measured_met";
  }
  MAMORI_UNREACHABLE();
}

Result<std::unique_ptr<Assessor>> Assessor::open(ledger::Ledger& ledger, const catalog::Catalog& catalog, const Texts& texts) {
  MAMORI_TRY(ledger.database().migrate(kSchema));
  for (const auto& control : catalog.controls()) {
    for (const auto* sql : {&control.subjects, &control.violations}) {
      if (sql->empty()) continue;
      auto question = store::parse_question(*sql);
      if (!question) {
        question.error().facts.emplace_back("file", control.file);
        return std::move(question).take_error();
      }
    }
    for (const auto& name : control.evidence)
      if (!ledger.registers().find(name))
        return Error{ErrorKind::invalid, "base.yaml.bad", {{"file", control.file}, {"line", "0"}, {"reason", "unknown evidence register " + name}}};
  }
  return std::unique_ptr<Assessor>(new Assessor(ledger, catalog, texts));
}

Result<Assessor::Facility> Assessor::facility_of(const std::string& id) const {
  const auto* reg = MAMORI_TRY(ledger_.find_register("facility"));
  const auto record = MAMORI_TRY(ledger_.get(*reg, {id}, id));
  Facility facility;
  facility.id = id;
  facility.kind = text_of(record.fields, "kind");
  facility.beds = integer_of(record.fields, "beds");
  facility.has_vendor = boolean_of(record.fields, "has_vendor", true);
  facility.has_system = boolean_of(record.fields, "has_system", true);
  auto lease = MAMORI_TRY(ledger_.database().read());
  const auto today = iso_date(date_of(ledger_.database().clock().now()));
  MAMORI_TRY(lease->each("SELECT subject FROM r_exemption WHERE facility = ? AND retired_at IS NULL AND (until IS NULL OR until >= ?)", {id, today},
                         [&](store::Row& row) { facility.exemptions.insert(store::as_text(row[0])); }));
  MAMORI_TRY(lease->each("SELECT code FROM r_fee_item WHERE facility = ? AND retired_at IS NULL AND claimed", {id},
                         [&](store::Row& row) { facility.fee_codes.insert(store::as_text(row[0])); }));
  return facility;
}

bool Assessor::applies(const catalog::Applicability& applicability, const Facility& facility) const {
  if (!applicability.kinds.empty() && !applicability.kinds.contains(facility.kind)) return false;
  if (applicability.least_beds && facility.beds < *applicability.least_beds) return false;
  if (applicability.needs_vendor && !facility.has_vendor) return false;
  if (applicability.needs_system && !facility.has_system) return false;
  return applicability.unless_exempt.empty() || !facility.exemptions.contains(applicability.unless_exempt);
}

Result<store::Rows> Assessor::ask(const std::string& sql, const Facility& facility, const std::string& vendor) const {
  const auto question = MAMORI_TRY(store::parse_question(sql));
  store::Row parameters;
  const auto with = views(ledger_.registers(), question.words, facility.id, vendor, parameters);
  const auto now = ledger_.database().clock().now();
  for (const auto& name : question.parameters) {
    if (name == "beds") parameters.emplace_back(static_cast<std::int64_t>(facility.beds));
    else parameters.push_back(MAMORI_TRY(time_parameter(name, now)));
  }
  std::string text = with.empty() ? "" : "WITH " + with;
  if (question.sql.starts_with("WITH ") || question.sql.starts_with("with ")) text += (with.empty() ? "WITH " : ", ") + question.sql.substr(5);
  else text += " " + question.sql;
  auto lease = MAMORI_TRY(ledger_.database().question());
  return lease->query(text, parameters);
}

Result<std::vector<Evidence>> Assessor::evidence_of(const catalog::Control& control, const std::string& facility) const {
  std::vector<Evidence> out;
  const auto now = ledger_.database().clock().now();
  auto lease = MAMORI_TRY(ledger_.database().read());
  for (const auto& name : control.evidence) {
    const auto* reg = ledger_.registers().find(name);
    Evidence evidence;
    evidence.reg = name;
    evidence.life = control.fresh_for.count() > 0 ? control.fresh_for : reg->life;
    // Per source: one reader that has stopped must not hide behind another that runs.
    std::optional<Instant> oldest;
    MAMORI_TRY(lease->each(fmt::format("SELECT source, MAX(observed_at) FROM {} WHERE facility = ? AND retired_at IS NULL GROUP BY source ORDER BY source", reg->table()), {facility}, [&](store::Row& row) {
      if (store::is_null(row[1])) return;
      const auto at = from_millis(store::as_integer(row[1]));
      evidence.sources.push_back(store::as_text(row[0]));
      if (!oldest || at < *oldest) oldest = at;
    }));
    evidence.observed_at = oldest;
    evidence.stale = oldest && now - *oldest > evidence.life;
    out.push_back(std::move(evidence));
  }
  return out;
}

Result<ControlResult> Assessor::run_for(const catalog::Control& control, const Facility& facility, const std::string& vendor) {
  ControlResult result;
  result.control = &control;
  if (!applies(control.applies, facility)) {
    result.verdict = Verdict::not_applicable;
    result.why = "assess.why.not_applicable";
    return result;
  }
  const auto subjects = MAMORI_TRY(ask(control.subjects, facility, vendor));
  result.subjects = subjects.rows.size();
  store::Rows violations;
  if (!control.violations.empty()) violations = MAMORI_TRY(ask(control.violations, facility, vendor));
  result.violations = violations.rows.size();
  for (const auto& row : violations.rows) {
    if (result.records.size() == kMostRecords) break;
    result.records.push_back({control.about, store::as_text(row[0]), row.size() > 1 ? store::as_text(row[1]) : "", row.size() > 2 ? store::as_text(row[2]) : ""});
  }
  result.evidence = MAMORI_TRY(evidence_of(control, facility.id));

  const auto any = [&](auto test) { return std::any_of(result.evidence.begin(), result.evidence.end(), test); };
  if (any([](const Evidence& evidence) { return !evidence.observed_at; })) {
    result.verdict = Verdict::no_evidence;
    result.why = "assess.why.no_reader";
  } else if (any([](const Evidence& evidence) { return evidence.stale; })) {
    result.verdict = Verdict::stale;
    result.why = "assess.why.stale";
  } else if (result.violations > 0) {
    result.verdict = Verdict::gap;
    result.why = "assess.why.violations";
  } else if (result.subjects < static_cast<std::size_t>(control.at_least)) {
    result.verdict = Verdict::gap;
    result.why = "assess.why.missing";
  } else if (result.subjects == 0) {
    switch (control.when_empty) {
      case catalog::WhenEmpty::met: result.verdict = Verdict::met; break;
      case catalog::WhenEmpty::gap: result.verdict = Verdict::gap; break;
      case catalog::WhenEmpty::not_applicable: result.verdict = Verdict::not_applicable; break;
      case catalog::WhenEmpty::no_evidence: result.verdict = Verdict::no_evidence; break;
    }
    result.why = "assess.why.empty";
  } else {
    result.verdict = Verdict::met;
    result.why = "assess.why.met";
  }
  return result;
}

Result<ControlResult> Assessor::run(const catalog::Control& control, const std::string& facility, const std::string& vendor) {
  const auto found = MAMORI_TRY(facility_of(facility));
  return run_for(control, found, vendor);
}

// Keeps how each verdict changed, so that a finding can show its history and since when it is so.
Status Assessor::remember(const std::string& facility, ControlResults& results) {
  std::map<std::string, std::pair<std::string, std::int64_t>> last;  // control → verdict, at
  std::map<std::string, std::int64_t> last_violations;
  {
    auto lease = MAMORI_TRY(ledger_.database().read());
    MAMORI_TRY(lease->each("SELECT control, verdict, at, violations FROM finding WHERE facility = ? ORDER BY at", {facility}, [&](store::Row& row) {
      const auto control = store::as_text(row[0]);
      const auto verdict = store::as_text(row[1]);
      auto& entry = last[control];
      if (entry.first != verdict) entry = {verdict, store::as_integer(row[2])};
      last_violations[control] = store::as_integer(row[3]);
    }));
  }
  const auto now = ledger_.database().clock().now();
  std::vector<store::Row> fresh;
  for (auto& [id, result] : results) {
    const auto found = last.find(id);
    const std::string verdict(name_of(result.verdict));
    const bool same_verdict = found != last.end() && found->second.first == verdict;
    result.since = same_verdict ? from_millis(found->second.second) : now;
    if (!same_verdict || last_violations[id] != static_cast<std::int64_t>(result.violations))
      fresh.push_back({facility, id, verdict, static_cast<std::int64_t>(result.violations), to_millis(now)});
  }
  if (fresh.empty()) return {};
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  MAMORI_TRY(transaction->execute_many("INSERT INTO finding VALUES (?,?,?,?,?) ON CONFLICT (facility, control, at) DO NOTHING", fresh));
  return transaction.commit();
}

Result<std::shared_ptr<const ControlResults>> Assessor::controls(const std::string& facility, const std::string& vendor) {
  const auto now = ledger_.database().clock().now();
  std::int64_t sequence = 0;
  {
    auto lease = MAMORI_TRY(ledger_.database().read());
    const auto head = MAMORI_TRY(lease->query("SELECT sequence FROM journal_head"));
    if (!head.rows.empty()) sequence = store::as_integer(head.rows[0][0]);
  }
  const auto key = facility + "\n" + vendor;
  {
    const std::lock_guard lock(mutex_);
    const auto found = kept_.find(key);
    if (found != kept_.end() && found->second.sequence == sequence && now - found->second.at < kKept) return found->second.results;
  }
  const auto state = MAMORI_TRY(facility_of(facility));
  auto results = std::make_shared<ControlResults>();
  for (const auto& control : catalog_.controls()) {
    auto result = run_for(control, state, vendor);
    if (!result && result.error().code == "store.timeout") {  // one slow question must not silence the others
      (*results)[control.id] = {.control = &control, .verdict = Verdict::no_evidence, .why = "assess.why.timeout"};
      continue;
    }
    if (!result) {
      result.error().facts.emplace_back("file", control.file);
      return std::move(result).take_error();
    }
    (*results)[control.id] = std::move(result).take();
  }
  if (vendor.empty()) MAMORI_TRY(remember(facility, *results));
  const std::lock_guard lock(mutex_);
  if (kept_.size() > 64) kept_.clear();
  kept_[key] = {sequence, now, results};
  return std::shared_ptr<const ControlResults>(results);
}

Words Assessor::what_would_answer(const ControlResult& result) const {
  const auto* key = result.evidence.empty() ? "assess.fill-first" : "assess.read-first";
  const auto* reg = ledger_.registers().find(result.evidence.empty() ? result.control->about : result.evidence.front().reg);
  if (!reg) return result.control->next_step;
  return {texts_.get(key, "ja", {{"register", reg->label.ja}}), texts_.get(key, "en", {{"register", reg->label.en}})};
}

Result<FrameworkResult> Assessor::framework(const std::string& facility, const std::string& id, const std::string& vendor) {
  const auto* framework = catalog_.find_framework(id);
  if (!framework) return Error{ErrorKind::not_found, "assess.framework.unknown", {{"framework", id}}};
  FrameworkResult out;
  out.framework = framework;
  out.at = ledger_.database().clock().now();
  out.controls = MAMORI_TRY(controls(facility, vendor));
  const auto state = MAMORI_TRY(facility_of(facility));
  std::map<std::string, std::vector<Declaration>> declared;  // by item, rounds in order
  for (auto& declaration : MAMORI_TRY(declarations(facility, id, vendor))) declared[declaration.item].push_back(declaration);

  const bool whole_applies = applies(framework->applies, state);
  for (const auto& item : framework->items) {
    ItemResult result;
    result.item = &item;
    if (const auto found = declared.find(item.id); found != declared.end()) {
      result.rounds = found->second;
      result.declared = result.rounds.back();
    }
    const auto add = [&](const std::string& control) { result.controls.push_back(&out.controls->at(control)); };
    for (const auto& control : item.controls) add(control);
    std::vector<Verdict> verdicts;
    for (const auto* control : result.controls) verdicts.push_back(control->verdict);
    result.verdict = combine(verdicts);
    if (!item.levels.empty()) {
      // A level counts when all its controls and all lower levels hold; a level nothing can measure counts by declaration only.
      Verdict wanted = Verdict::no_evidence;
      bool unbroken = true;
      for (const auto& level : item.levels) {
        std::vector<Verdict> of_level;
        for (const auto& control : level.controls) {
          add(control);
          of_level.push_back(out.controls->at(control).verdict);
        }
        const auto verdict = combine(of_level);
        unbroken = unbroken && (verdict == Verdict::met || verdict == Verdict::not_applicable);
        if (unbroken) result.level = level.number;
        if (level.number <= framework->level_wanted) wanted = level.number == item.levels.front().number ? verdict : combine({wanted, verdict});
      }
      result.verdict = wanted;
    }
    if (!whole_applies || !applies(item.applies, state) || (!item.fee_code.empty() && !state.fee_codes.contains(item.fee_code))) result.verdict = Verdict::not_applicable;
    result.contradiction = contradiction_of(result.declared, result.verdict);
    result.next_step = item.hint;
    for (const auto wanted : {Verdict::gap, Verdict::stale, Verdict::no_evidence}) {
      if (result.verdict != wanted) continue;
      for (const auto* control : result.controls) {
        if (control->verdict != wanted) continue;
        // Old evidence is mended by reading its source again, missing evidence by reading it for the first time or by filling the register.
        if (wanted == Verdict::gap) result.next_step = control->control->next_step;
        else if (wanted == Verdict::stale) result.next_step = texts_.both("assess.read-again");
        else result.next_step = what_would_answer(*control);
        result.link = wanted == Verdict::gap ? control->control->link : control->evidence.empty() ? control->control->link : "sources";
        break;
      }
    }
    if (result.verdict == Verdict::met || result.verdict == Verdict::not_applicable) result.next_step = {};
    out.items.push_back(std::move(result));
  }
  return out;
}

Result<std::vector<Declaration>> Assessor::declarations(const std::string& facility, const std::string& framework, const std::string& vendor) const {
  auto lease = MAMORI_TRY(ledger_.database().read());
  std::vector<Declaration> out;
  MAMORI_TRY(lease->each(fmt::format("SELECT {} FROM declaration WHERE facility = ? AND framework = ? AND vendor = ? ORDER BY item, round", kDeclarationColumns),
                         {facility, framework, vendor}, [&](store::Row& row) { out.push_back(declaration_of(row)); }));
  return out;
}

Result<Declaration> Assessor::declare(const store::Actor& actor, const std::string& facility, Declaration declaration) {
  const auto* framework = catalog_.find_framework(declaration.framework);
  if (!framework || !framework->find(declaration.item)) return Error{ErrorKind::not_found, "assess.item.unknown", {{"item", declaration.item}}};
  const auto now = ledger_.database().clock().now();
  Error bad{ErrorKind::invalid, "assess.declaration.invalid"};
  const auto read_day = [&](std::string& text, const char* field, bool required) -> std::optional<Date> {
    if (trim(text).empty()) {
      if (required) bad.problems.push_back({field, std::string("assess.declaration.") + field, {}});
      return std::nullopt;
    }
    const auto date = parse_loose_date(text);
    if (!date) bad.problems.push_back({field, "assess.declaration.date", {{"value", std::string(head(text, 40))}}});
    else text = iso_date(*date);
    return date;
  };
  if (trim(declaration.confirmed_on).empty()) declaration.confirmed_on = iso_date(date_of(now));
  const auto confirmed = read_day(declaration.confirmed_on, "confirmed_on", true);
  if (confirmed && *confirmed > date_of(now)) bad.problems.push_back({"confirmed_on", "assess.declaration.future", {}});
  const auto target = read_day(declaration.target_on, "target_on", declaration.answer == Answer::no);
  if (target && fiscal_year(*target) > fiscal_year(date_of(now)))
    bad.problems.push_back({"target_on", "assess.declaration.target_year", {{"year_end", fmt::format("{}-03-31", fiscal_year(date_of(now)) + 1)}}});
  if (declaration.round < 1 || declaration.round > kRounds) bad.problems.push_back({"round", "assess.declaration.round", {}});
  if (length(declaration.remark) > 1000) bad.problems.push_back({"remark", "assess.declaration.remark", {}});
  if (!bad.problems.empty()) return bad;
  declaration.by = actor.name;
  declaration.at = now;

  auto transaction = MAMORI_TRY(ledger_.database().begin());
  const auto of_round = [&](int round) {
    return transaction->query(fmt::format("SELECT {} FROM declaration WHERE facility = ? AND framework = ? AND item = ? AND vendor = ? AND round = ?", kDeclarationColumns),
                              {facility, declaration.framework, declaration.item, declaration.vendor, static_cast<std::int64_t>(round)});
  };
  if (declaration.round > 1 && MAMORI_TRY(of_round(declaration.round - 1)).rows.empty()) {
    bad.problems.push_back({"round", "assess.declaration.round_first", {}});
    return bad;
  }
  const auto before = MAMORI_TRY(of_round(declaration.round));
  MAMORI_TRY(transaction->execute("INSERT INTO declaration (facility, framework, item, vendor, answer, confirmed_on, target_on, remark, declared_by, at, round)"
                                  " VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (facility, framework, item, vendor, round) DO UPDATE SET answer = excluded.answer,"
                                  " confirmed_on = excluded.confirmed_on, target_on = excluded.target_on, remark = excluded.remark, declared_by = excluded.declared_by, at = excluded.at",
                                  {facility, declaration.framework, declaration.item, declaration.vendor, std::string(name_of(declaration.answer)), declaration.confirmed_on,
                                   declaration.target_on, declaration.remark, declaration.by, to_millis(now), static_cast<std::int64_t>(declaration.round)}));
  transaction.journal(actor, {facility, "declaration", declaration.framework + " " + declaration.item + (declaration.vendor.empty() ? "" : " " + declaration.vendor), "declared",
                              before.rows.empty() ? "" : json::serialize(to_json(declaration_of(before.rows[0]))), json::serialize(to_json(declaration)), declaration.remark});
  MAMORI_TRY(transaction.commit());
  return declaration;
}

Result<std::vector<Assessor::Change>> Assessor::history(const std::string& facility, const std::string& control) const {
  auto lease = MAMORI_TRY(ledger_.database().read());
  std::vector<Change> out;
  MAMORI_TRY(lease->each("SELECT at, verdict, violations FROM finding WHERE facility = ? AND control = ? ORDER BY at DESC LIMIT 100", {facility, control},
                         [&](store::Row& row) { out.push_back({from_millis(store::as_integer(row[0])), store::as_text(row[1]), store::as_integer(row[2])}); }));
  return out;
}

json::object to_json(const ControlResult& result) {
  json::array records, evidence, requirements(result.control->requirements.begin(), result.control->requirements.end());
  for (const auto& record : result.records) {
    json::object out = {{"register", record.reg}, {"id", record.id}, {"label", record.label}};
    if (!record.detail.empty()) out["detail"] = record.detail;
    records.push_back(std::move(out));
  }
  for (const auto& fact : result.evidence) {
    json::object out = {{"register", fact.reg}, {"stale", fact.stale}, {"life_days", static_cast<double>(fact.life.count()) / 86400000.0}, {"sources", json::array(fact.sources.begin(), fact.sources.end())}};
    out["observed_at"] = fact.observed_at ? json::value(iso_instant(*fact.observed_at)) : json::value(nullptr);
    evidence.push_back(std::move(out));
  }
  json::object out = {{"control", result.control->id}, {"title", words_json(result.control->title)}, {"verdict", name_of(result.verdict)}, {"why", result.why},
                      {"subjects", result.subjects}, {"violations", result.violations}, {"records", std::move(records)}, {"evidence", std::move(evidence)},
                      {"next_step", words_json(result.control->next_step)}, {"link", result.control->link}, {"requirements", std::move(requirements)}, {"about", result.control->about}};
  if (result.since) out["since"] = iso_instant(*result.since);
  return out;
}

json::object to_json(const Declaration& declaration) {
  return {{"answer", name_of(declaration.answer)}, {"confirmed_on", declaration.confirmed_on}, {"target_on", declaration.target_on}, {"remark", declaration.remark},
          {"by", declaration.by}, {"at", iso_instant(declaration.at)}, {"item", declaration.item}, {"vendor", declaration.vendor}, {"round", declaration.round}};
}

json::object to_json(const ItemResult& result) {
  json::array records, evidence, controls, rounds;
  for (const auto& declaration : result.rounds) rounds.push_back(to_json(declaration));
  for (const auto* control : result.controls) {
    auto out = to_json(*control);
    for (const auto& record : out["records"].as_array()) records.push_back(record);
    for (const auto& fact : out["evidence"].as_array())
      if (std::find(evidence.begin(), evidence.end(), fact) == evidence.end()) evidence.push_back(fact);
    controls.push_back(std::move(out));
  }
  json::object out = {{"item", result.item->id}, {"number", result.item->number}, {"object", words_json(result.item->object)}, {"text", words_json(result.item->text)},
                      {"requirements", json::array(result.item->requirements.begin(), result.item->requirements.end())},
                      {"verdict", name_of(result.verdict)}, {"declared", result.declared ? json::value(to_json(*result.declared)) : json::value(nullptr)},
                      {"rounds", std::move(rounds)},
                      {"contradiction", result.contradiction == Contradiction::none ? json::value(nullptr) : json::value(name_of(result.contradiction))},
                      {"records", std::move(records)}, {"evidence", std::move(evidence)}, {"next_step", words_json(result.next_step)}, {"link", result.link}, {"controls", std::move(controls)}};
  if (!result.item->levels.empty()) {
    json::array levels;
    for (const auto& level : result.item->levels) levels.push_back(json::object{{"level", level.number}, {"text", words_json(level.text)}});
    out["levels"] = std::move(levels);
    out["level"] = result.level;
  }
  return out;
}

json::object to_json(const TodayRow& row) {
  return {{"kind", row.kind}, {"urgency", row.urgency}, {"text", words_json(row.text)}, {"reason", words_json(row.reason)}, {"date", row.date}, {"link", row.link}, {"key", row.key}};
}

}  // namespace mamori::assess
