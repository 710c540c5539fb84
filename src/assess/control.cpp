#include "assess/control.h"

#include <fmt/format.h>

#include <algorithm>

#include "assess/finding.h"
#include "store/question.h"

namespace mamori::assess {
namespace {

constexpr std::chrono::minutes kKept{1};

}  // namespace

Status Controls::check() const {
  for (const auto& control : catalog_.controls()) {
    for (const auto* sql : {&control.subjects, &control.violations}) {
      if (sql->empty()) continue;
      auto question = store::parse_question(*sql);
      if (!question) {
        question.error().facts.emplace_back("file", control.file);
        return std::move(question).take_error();
      }
    }
    for (const auto& name : control.evidence)
      if (!ledger_.registers().find(name))
        return Error{
            ErrorKind::invalid,
            "base.yaml.bad",
            {{"file", control.file}, {"line", "0"}, {"reason", "unknown evidence register " + name}}};
  }
  for (const auto& line : catalog_.today_lines()) MAMORI_TRY(store::parse_question(line.question));
  return {};
}

Result<std::vector<Evidence>> Controls::evidence_of(const catalog::Control& control,
                                                    const std::string& facility) const {
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
    MAMORI_TRY(lease->each(fmt::format("SELECT source, MAX(observed_at) FROM {} WHERE facility = ? AND "
                                       "retired_at IS NULL GROUP BY source ORDER BY source",
                                       reg->table()),
                           {facility}, [&](store::Row& row) {
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

Result<ControlResult> Controls::run_for(const catalog::Control& control, const Facility& facility,
                                        const std::string& vendor) const {
  ControlResult result;
  result.control = &control;
  if (!applies(control.applies, facility)) {
    result.verdict = Verdict::not_applicable;
    result.why = "assess.why.not_applicable";
    return result;
  }
  const auto subjects = MAMORI_TRY(questions_.ask(control.subjects, facility, vendor));
  result.subjects = subjects.rows.size();
  store::Rows violations;
  if (!control.violations.empty())
    violations = MAMORI_TRY(questions_.ask(control.violations, facility, vendor));
  result.violations = violations.rows.size();
  for (const auto& row : violations.rows) {
    if (result.records.size() == kMostRecords) break;
    result.records.push_back({control.about, store::as_text(row[0]),
                              row.size() > 1 ? store::as_text(row[1]) : "",
                              row.size() > 2 ? store::as_text(row[2]) : ""});
  }
  result.evidence = MAMORI_TRY(evidence_of(control, facility.id));

  const auto any = [&](auto test) {
    return std::any_of(result.evidence.begin(), result.evidence.end(), test);
  };
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

Result<ControlResult> Controls::run(const catalog::Control& control, const std::string& facility,
                                    const std::string& vendor) const {
  const auto found = MAMORI_TRY(questions_.facility(facility));
  return run_for(control, found, vendor);
}

Result<std::shared_ptr<const ControlResults>> Controls::all(const std::string& facility,
                                                            const std::string& vendor) {
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
    if (found != kept_.end() && found->second.sequence == sequence && now - found->second.at < kKept)
      return found->second.results;
  }
  const auto state = MAMORI_TRY(questions_.facility(facility));
  auto results = std::make_shared<ControlResults>();
  for (const auto& control : catalog_.controls()) {
    auto result = run_for(control, state, vendor);
    if (!result && result.error().code == "store.timeout") {  // one slow question must not silence the others
      (*results)[control.id] = {
          .control = &control, .verdict = Verdict::no_evidence, .why = "assess.why.timeout"};
      continue;
    }
    if (!result) {
      result.error().facts.emplace_back("file", control.file);
      return std::move(result).take_error();
    }
    (*results)[control.id] = std::move(result).take();
  }
  if (vendor.empty()) MAMORI_TRY(findings_.remember(facility, *results));
  const std::lock_guard lock(mutex_);
  if (kept_.size() > 64) kept_.clear();
  kept_[key] = {sequence, now, results};
  return std::shared_ptr<const ControlResults>(results);
}

json::object to_json(const ControlResult& result) {
  json::array records, evidence,
      requirements(result.control->requirements.begin(), result.control->requirements.end());
  for (const auto& record : result.records) {
    json::object out = {{"register", record.reg}, {"id", record.id}, {"label", record.label}};
    if (!record.detail.empty()) out["detail"] = record.detail;
    records.push_back(std::move(out));
  }
  for (const auto& fact : result.evidence) {
    json::object out = {{"register", fact.reg},
                        {"stale", fact.stale},
                        {"life_days", static_cast<double>(fact.life.count()) / 86400000.0},
                        {"sources", json::array(fact.sources.begin(), fact.sources.end())}};
    out["observed_at"] =
        fact.observed_at ? json::value(iso_instant(*fact.observed_at)) : json::value(nullptr);
    evidence.push_back(std::move(out));
  }
  json::object out = {{"control", result.control->id},
                      {"title", words_json(result.control->title)},
                      {"verdict", name_of(result.verdict)},
                      {"why", result.why},
                      {"subjects", result.subjects},
                      {"violations", result.violations},
                      {"records", std::move(records)},
                      {"evidence", std::move(evidence)},
                      {"next_step", words_json(result.control->next_step)},
                      {"link", result.control->link},
                      {"requirements", std::move(requirements)},
                      {"about", result.control->about}};
  if (result.since) out["since"] = iso_instant(*result.since);
  return out;
}

}  // namespace mamori::assess
