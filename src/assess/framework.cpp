#include "assess/framework.h"

#include <algorithm>

namespace mamori::assess {
namespace {

Contradiction contradiction_of(const std::optional<Declaration>& declared, Verdict verdict) {
  if (!declared) return Contradiction::none;
  if (declared->answer == Answer::yes && verdict == Verdict::gap)
    return Contradiction::declared_yes_measured_gap;
  if (declared->answer == Answer::no && verdict == Verdict::met)
    return Contradiction::declared_no_measured_met;
  return Contradiction::none;
}

}  // namespace

std::string_view name_of(Contradiction contradiction) {
  switch (contradiction) {
    case Contradiction::none: return "none";
    case Contradiction::declared_yes_measured_gap: return "declared_yes_measured_gap";
    case Contradiction::declared_no_measured_met: return "declared_no_measured_met";
  }
  MAMORI_UNREACHABLE();
}

Words Frameworks::what_would_answer(const ControlResult& result) const {
  const auto* key = result.evidence.empty() ? "assess.fill-first" : "assess.read-first";
  const auto* reg =
      ledger_.registers().find(result.evidence.empty() ? result.control->about : result.evidence.front().reg);
  if (!reg) return result.control->next_step;
  return {texts_.get(key, "ja", {{"register", reg->label.ja}}),
          texts_.get(key, "en", {{"register", reg->label.en}})};
}

Result<FrameworkResult> Frameworks::state(const std::string& facility, const std::string& id,
                                          const std::string& vendor) {
  const auto* framework = catalog_.find_framework(id);
  if (!framework) return Error{ErrorKind::not_found, "assess.framework.unknown", {{"framework", id}}};
  FrameworkResult out;
  out.framework = framework;
  out.at = ledger_.database().clock().now();
  out.controls = MAMORI_TRY(controls_.all(facility, vendor));
  const auto state = MAMORI_TRY(questions_.facility(facility));
  std::map<std::string, std::vector<Declaration>> declared;  // by item, rounds in order
  for (auto& declaration : MAMORI_TRY(declarations_.list(facility, id, vendor)))
    declared[declaration.item].push_back(declaration);

  const bool whole_applies = applies(framework->applies, state);
  for (const auto& item : framework->items) {
    ItemResult result;
    result.item = &item;
    if (const auto found = declared.find(item.id); found != declared.end()) {
      result.rounds = found->second;
      result.declared = result.rounds.back();
    }
    const auto add = [&](const std::string& control) {
      result.controls.push_back(&out.controls->at(control));
    };
    for (const auto& control : item.controls) add(control);
    std::vector<Verdict> verdicts;
    for (const auto* control : result.controls) verdicts.push_back(control->verdict);
    result.verdict = combine(verdicts);
    if (!item.levels.empty()) {
      // A level counts when all its controls and all lower levels hold; a level nothing can measure counts by
      // declaration only.
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
        if (level.number <= framework->level_wanted)
          wanted = level.number == item.levels.front().number ? verdict : combine({wanted, verdict});
      }
      result.verdict = wanted;
    }
    if (!whole_applies || !applies(item.applies, state) ||
        (!item.fee_code.empty() && !state.fee_codes.contains(item.fee_code)))
      result.verdict = Verdict::not_applicable;
    result.contradiction = contradiction_of(result.declared, result.verdict);
    result.next_step = item.hint;
    for (const auto wanted : {Verdict::gap, Verdict::stale, Verdict::no_evidence}) {
      if (result.verdict != wanted) continue;
      for (const auto* control : result.controls) {
        if (control->verdict != wanted) continue;
        // Old evidence is mended by reading its source again, missing evidence by reading it for the first
        // time or by filling the register.
        if (wanted == Verdict::gap)
          result.next_step = control->control->next_step;
        else if (wanted == Verdict::stale)
          result.next_step = texts_.both("assess.read-again");
        else
          result.next_step = what_would_answer(*control);
        result.link = wanted == Verdict::gap      ? control->control->link
                      : control->evidence.empty() ? control->control->link
                                                  : "sources";
        break;
      }
    }
    if (result.verdict == Verdict::met || result.verdict == Verdict::not_applicable) result.next_step = {};
    out.items.push_back(std::move(result));
  }
  return out;
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
  json::object out = {
      {"item", result.item->id},
      {"number", result.item->number},
      {"object", words_json(result.item->object)},
      {"text", words_json(result.item->text)},
      {"requirements", json::array(result.item->requirements.begin(), result.item->requirements.end())},
      {"verdict", name_of(result.verdict)},
      {"declared", result.declared ? json::value(to_json(*result.declared)) : json::value(nullptr)},
      {"rounds", std::move(rounds)},
      {"contradiction", result.contradiction == Contradiction::none
                            ? json::value(nullptr)
                            : json::value(name_of(result.contradiction))},
      {"records", std::move(records)},
      {"evidence", std::move(evidence)},
      {"next_step", words_json(result.next_step)},
      {"link", result.link},
      {"controls", std::move(controls)}};
  if (!result.item->levels.empty()) {
    json::array levels;
    for (const auto& level : result.item->levels)
      levels.push_back(json::object{{"level", level.number}, {"text", words_json(level.text)}});
    out["levels"] = std::move(levels);
    out["level"] = result.level;
  }
  return out;
}

}  // namespace mamori::assess
