#include "assess/control.h"

#include <algorithm>

#include "assess/finding.h"
#include "store/question.h"

namespace mamori::assess {
namespace {

constexpr std::size_t kMostKept = 64;
constexpr std::chrono::minutes kMoment{1};  // an answer that time changes is good for so long

const std::vector<std::string> kAboutFacility = {"facility", "exemption", "fee_item"};

// Per observer: one that has stopped must not hide behind another that goes on. One that found nothing is
// evidence where nobody found anything: a second directory whose accounts are elsewhere has nothing that
// could grow old.
void note_age(Evidence& evidence, const std::vector<ledger::ReadingAt>& readings) {
  const bool any =
      std::any_of(readings.begin(), readings.end(), [](const auto& one) { return one.facts > 0; });
  for (const auto& reading : readings) {
    if (any && reading.facts == 0) continue;
    evidence.sources.push_back(reading.observer.name);
    if (reading.from_file) evidence.files.push_back(reading.observer.name);
    if (!evidence.observed_at || reading.at < *evidence.observed_at) evidence.observed_at = reading.at;
  }
}

Rests::Time time_of(const std::vector<std::string>& parameters) {
  auto time = Rests::Time::never;
  for (const auto& name : parameters) {
    if (name == "now" || name.starts_with("ago_")) return Rests::Time::moment;
    if (name != "beds") time = Rests::Time::day;
  }
  return time;
}

}  // namespace

Status Controls::check() {
  for (const auto& control : catalog_.controls()) {
    auto& rests = rests_[control.id];
    std::set<std::string> words;
    std::vector<std::string> parameters;
    for (const auto* sql : {&control.subjects, &control.violations}) {
      if (sql->empty()) continue;
      auto question = store::parse_question(*sql);
      if (!question) {
        question.error().facts.emplace_back("file", control.file);
        return std::move(question).take_error();
      }
      words.merge(question->words);
      parameters.insert(parameters.end(), question->parameters.begin(), question->parameters.end());
    }
    for (const auto& reg : ledger_.registers().all())
      if (words.contains(reg.name) || words.contains("retired_" + reg.name))
        rests.registers.push_back(reg.name);
    rests.time = time_of(parameters);
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

const Rests& Controls::rests(const catalog::Control& control) const { return rests_.at(control.id); }

std::vector<std::int64_t> Controls::versions(const std::vector<std::string>& registers,
                                             const State& state) const {
  std::vector<std::int64_t> out;
  out.reserve(registers.size());
  for (const auto& reg : registers) out.push_back(state.version_of(reg));
  return out;
}

std::vector<Evidence> Controls::evidence_of(const catalog::Control& control, const State& state) const {
  std::vector<Evidence> out;
  for (const auto& name : control.evidence) {
    Evidence evidence;
    evidence.reg = name;
    evidence.life = control.fresh_for.count() > 0 ? control.fresh_for : ledger_.registers().find(name)->life;
    if (const auto found = state.readings.find(name); found != state.readings.end())
      note_age(evidence, found->second);
    evidence.stale = evidence.observed_at && state.now - *evidence.observed_at > evidence.life;
    out.push_back(std::move(evidence));
  }
  return out;
}

std::shared_ptr<Controls::Kept> Controls::kept(const std::string& facility, const std::string& vendor) {
  const MutexLock lock(mutex_);
  auto& found = kept_[facility + "\n" + vendor];
  if (!found) found = std::make_shared<Kept>();
  found->used = ++uses_;
  auto out = found;
  if (kept_.size() > kMostKept)
    kept_.erase(std::min_element(kept_.begin(), kept_.end(), [](const auto& a, const auto& b) {
      return a.second->used < b.second->used;
    }));
  return out;
}

Status Controls::know_facility(Kept& kept, const std::string& id, const State& state) {
  auto now_is = versions(kAboutFacility, state);
  // With the day, because an exemption ends.
  if (kept.facility && kept.facility_versions == now_is && date_of(kept.facility_at) == date_of(state.now))
    return {};
  kept.facility = MAMORI_TRY(questions_.facility(id));
  asked_ += 4;
  kept.facility_versions = std::move(now_is);
  kept.facility_at = state.now;
  kept.answers.clear();  // questions ask how many beds it has
  return {};
}

bool Controls::holds(const Answer& answer, const Rests& rests, const State& state) const {
  if (answer.versions != versions(rests.registers, state)) return false;
  switch (rests.time) {
    case Rests::Time::never: return true;
    case Rests::Time::day: return date_of(answer.at) == date_of(state.now);
    case Rests::Time::moment: return answer.at <= state.now && state.now - answer.at < kMoment;
  }
  MAMORI_UNREACHABLE();
}

Result<Controls::Answer> Controls::ask(const catalog::Control& control, const Facility& facility,
                                       const std::string& vendor, const State& state) {
  Answer answer;
  answer.versions = versions(rests(control).registers, state);
  answer.at = state.now;
  ++asked_;
  answer.subjects = MAMORI_TRY(questions_.count(control.subjects, facility, vendor));
  if (control.violations.empty()) return answer;
  ++asked_;
  MAMORI_TRY(questions_.each(control.violations, facility, vendor, [&](store::Row& row) {
    if (++answer.violations > kMostRecords) return;
    const auto text = [&](std::size_t i) { return row.size() > i ? store::as_text(row[i]) : ""; };
    answer.records.push_back({control.about, text(0), text(1), text(2)});
  }));
  return answer;
}

Result<ControlResult> Controls::judge(Kept& kept, const catalog::Control& control, const std::string& vendor,
                                      const State& state) {
  ControlResult result;
  result.control = &control;
  if (!applies(control.applies, *kept.facility)) {
    result.verdict = Verdict::not_applicable;
    result.why = "assess.why.not_applicable";
    return result;
  }
  auto found = kept.answers.find(control.id);
  if (found == kept.answers.end() || !holds(found->second, rests(control), state))
    found = kept.answers.insert_or_assign(control.id, MAMORI_TRY(ask(control, *kept.facility, vendor, state)))
                .first;
  const auto& answer = found->second;
  result.subjects = answer.subjects;
  result.violations = answer.violations;
  result.records = answer.records;
  result.evidence = evidence_of(control, state);

  const auto any = [&](auto test) {
    return std::any_of(result.evidence.begin(), result.evidence.end(), test);
  };
  const auto say = [&](Verdict verdict, const char* why) {
    result.verdict = verdict;
    result.why = why;
  };
  if (any([](const Evidence& evidence) { return !evidence.observed_at; })) {
    say(Verdict::no_evidence, "assess.why.no_reader");
  } else if (any([](const Evidence& evidence) { return evidence.stale; })) {
    say(Verdict::stale, "assess.why.stale");
  } else if (result.violations > 0) {
    say(Verdict::gap, "assess.why.violations");
  } else if (result.subjects < static_cast<std::size_t>(control.at_least)) {
    say(Verdict::gap, "assess.why.missing");
  } else if (result.subjects == 0) {
    switch (control.when_empty) {
      case catalog::WhenEmpty::met: say(Verdict::met, "assess.why.empty"); break;
      case catalog::WhenEmpty::gap: say(Verdict::gap, "assess.why.empty"); break;
      case catalog::WhenEmpty::not_applicable: say(Verdict::not_applicable, "assess.why.empty"); break;
      case catalog::WhenEmpty::no_evidence: say(Verdict::no_evidence, "assess.why.empty"); break;
    }
  } else {
    say(Verdict::met, "assess.why.met");
  }
  return result;
}

Result<ControlResult> Controls::run(const catalog::Control& control, const std::string& facility,
                                    const std::string& vendor, const State& state) {
  const auto kept = this->kept(facility, vendor);
  const MutexLock lock(kept->mutex);
  MAMORI_TRY(know_facility(*kept, facility, state));
  return judge(*kept, control, vendor, state);
}

Result<ControlResult> Controls::run(const catalog::Control& control, const std::string& facility,
                                    const std::string& vendor) {
  return run(control, facility, vendor, MAMORI_TRY(read_state(ledger_.database(), facility)));
}

Result<std::shared_ptr<const ControlResults>> Controls::all(const std::string& facility,
                                                            const std::string& vendor) {
  const auto kept = this->kept(facility, vendor);
  const MutexLock lock(kept->mutex);
  const auto state = MAMORI_TRY(read_state(ledger_.database(), facility));
  MAMORI_TRY(know_facility(*kept, facility, state));
  auto results = std::make_shared<ControlResults>();
  for (const auto& control : catalog_.controls()) {
    auto result = judge(*kept, control, vendor, state);
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
  if (vendor.empty()) MAMORI_TRY(findings_.date(facility, *results, state.now));
  return std::shared_ptr<const ControlResults>(std::move(results));
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
                        {"sources", json::array(fact.sources.begin(), fact.sources.end())},
                        {"files", json::array(fact.files.begin(), fact.files.end())}};
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
