#include "catalog/catalog.h"

#include <algorithm>
#include <charconv>

#include "base/yaml.h"

namespace mamori::catalog {
namespace {

Result<Applicability> parse_applicability(const Yaml& yaml) {
  Applicability applies;
  if (!yaml.present()) return applies;
  MAMORI_TRY(yaml.only({"kinds", "beds", "vendor", "system", "unless_exempt"}));
  for (auto& kind : yaml["kinds"].texts()) applies.kinds.insert(std::move(kind));
  if (yaml["beds"].present()) applies.least_beds = yaml["beds"].integer(0);
  applies.needs_vendor = yaml["vendor"].boolean(false);
  applies.needs_system = yaml["system"].boolean(true);
  applies.unless_exempt = yaml["unless_exempt"].text();
  return applies;
}

Result<Control> parse_control(const Yaml& yaml) {
  MAMORI_TRY(yaml.only({"control", "title", "requirement", "about", "subjects", "violations", "at_least",
                        "evidence", "when_empty", "applies", "next_step", "link", "today"}));
  Control control;
  control.file = yaml.file();
  control.id = MAMORI_TRY(yaml.required_text("control"));
  control.title = yaml["title"].words();
  control.next_step = yaml["next_step"].words();
  if (control.title.ja.empty() || control.title.en.empty()) return yaml.error("title needs ja and en");
  if (control.next_step.ja.empty() || control.next_step.en.empty())
    return yaml.error("next_step needs ja and en");
  control.requirements = yaml["requirement"].texts();
  if (control.requirements.empty()) return yaml.error("requirement is missing");
  control.about = MAMORI_TRY(yaml.required_text("about"));
  control.subjects = MAMORI_TRY(yaml.required_text("subjects"));
  control.violations = yaml["violations"].text();
  control.at_least = yaml["at_least"].integer(0);
  if (control.violations.empty() && control.at_least == 0)
    return yaml.error("violations or at_least is needed");
  control.link = MAMORI_TRY(yaml.required_text("link"));
  if (const auto evidence = yaml["evidence"]; evidence.present()) {
    MAMORI_TRY(evidence.only({"from", "fresh_for"}));
    control.evidence = evidence["from"].texts();
    if (const auto life = evidence["fresh_for"].text(); !life.empty()) {
      const auto duration = parse_duration(life);
      if (!duration) return evidence.error("not an ISO 8601 duration: " + life);
      control.fresh_for = *duration;
    }
  }
  const auto today = yaml["today"].text("as_item");
  if (today == "as_item")
    control.today = Today::as_item;
  else if (today == "always")
    control.today = Today::always;
  else if (today == "first")
    control.today = Today::first;
  else
    return yaml["today"].error("as_item, always or first");
  const auto empty = yaml["when_empty"].text("no_evidence");
  if (empty == "no_evidence")
    control.when_empty = WhenEmpty::no_evidence;
  else if (empty == "met")
    control.when_empty = WhenEmpty::met;
  else if (empty == "gap")
    control.when_empty = WhenEmpty::gap;
  else if (empty == "not_applicable")
    control.when_empty = WhenEmpty::not_applicable;
  else
    return yaml["when_empty"].error("unknown: " + empty);
  control.applies = MAMORI_TRY(parse_applicability(yaml["applies"]));
  return control;
}

Result<Item> parse_item(const Yaml& yaml) {
  MAMORI_TRY(yaml.only(
      {"item", "id", "object", "text", "requirement", "controls", "levels", "applies", "fee", "hint"}));
  Item item;
  item.number = MAMORI_TRY(yaml.required_text("item"));
  item.id = yaml["id"].text(item.number);
  item.object = yaml["object"].words();
  item.text = yaml["text"].words();
  if (item.text.ja.empty() || item.text.en.empty()) return yaml.error("text needs ja and en");
  item.requirements = yaml["requirement"].texts();
  item.controls = yaml["controls"].texts();
  item.fee_code = yaml["fee"].text();
  item.hint = yaml["hint"].words();
  for (const auto& [number, level] : yaml["levels"].members()) {
    MAMORI_TRY(level.only({"ja", "en", "controls"}));
    const auto digits = std::string_view(number).substr(number.starts_with("lv") ? 2 : 0);
    int rank = 0;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
    if (failure != std::errc{} || end != digits.data() + digits.size() || rank < 1)
      return level.error("a level is lv1, lv2 …: " + number);
    item.levels.push_back({rank, level.words(), level["controls"].texts()});
  }
  item.applies = MAMORI_TRY(parse_applicability(yaml["applies"]));
  if (item.controls.empty() && item.levels.empty() && item.hint.ja.empty())
    return yaml.error("an item without controls needs a hint that says what would answer it");
  return item;
}

Result<Framework> parse_framework(const Yaml& yaml) {
  MAMORI_TRY(yaml.only({"framework", "title", "source", "edition", "per_vendor", "level_wanted", "today",
                        "applies", "items"}));
  Framework framework;
  framework.id = MAMORI_TRY(yaml.required_text("framework"));
  framework.title = yaml["title"].words();
  framework.source = yaml["source"].words();
  framework.edition = yaml["edition"].text();
  framework.per_vendor = yaml["per_vendor"].boolean(false);
  framework.level_wanted = static_cast<int>(yaml["level_wanted"].integer(0));
  framework.today = yaml["today"].boolean(false);
  framework.applies = MAMORI_TRY(parse_applicability(yaml["applies"]));
  for (const auto& item : yaml["items"].items()) {
    auto parsed = MAMORI_TRY(parse_item(item));
    if (framework.find(parsed.id)) return item.error("item stands twice: " + parsed.id);
    framework.items.push_back(std::move(parsed));
  }
  return framework;
}

Result<TodayLine> parse_today_line(const Yaml& yaml) {
  MAMORI_TRY(yaml.only({"line", "urgency", "question", "link"}));
  TodayLine line;
  line.name = MAMORI_TRY(yaml.required_text("line"));
  line.urgency = static_cast<int>(yaml["urgency"].integer(100));
  line.question = MAMORI_TRY(yaml.required_text("question"));
  line.link = MAMORI_TRY(yaml.required_text("link"));
  return line;
}

}  // namespace

const Item* Framework::find(std::string_view item) const {
  for (const auto& candidate : items)
    if (candidate.id == item) return &candidate;
  return nullptr;
}

Result<Catalog> Catalog::load(const std::filesystem::path& data) {
  Catalog catalog;
  for (const auto& yaml : MAMORI_TRY(load_yaml_folder(data / "controls"))) {
    auto control = MAMORI_TRY(parse_control(yaml));
    MAMORI_TRY(yaml.all_read());
    if (catalog.find_control(control.id)) return yaml.error("control stands twice: " + control.id);
    catalog.controls_.push_back(std::move(control));
  }
  for (const auto& yaml : MAMORI_TRY(load_yaml_folder(data / "frameworks"))) {
    auto framework = MAMORI_TRY(parse_framework(yaml));
    MAMORI_TRY(yaml.all_read());
    if (catalog.find_framework(framework.id)) return yaml.error("framework stands twice: " + framework.id);
    for (const auto& item : framework.items) {
      auto names = item.controls;
      for (const auto& level : item.levels)
        names.insert(names.end(), level.controls.begin(), level.controls.end());
      for (const auto& name : names)
        if (!catalog.find_control(name))
          return yaml.error("item " + item.id + " names an unknown control: " + name);
    }
    catalog.frameworks_.push_back(std::move(framework));
  }
  for (const auto& yaml : MAMORI_TRY(load_yaml_folder(data / "today"))) {
    auto line = MAMORI_TRY(parse_today_line(yaml));
    MAMORI_TRY(yaml.all_read());
    catalog.today_lines_.push_back(std::move(line));
  }
  return catalog;
}

const Control* Catalog::find_control(std::string_view id) const {
  for (const auto& control : controls_)
    if (control.id == id) return &control;
  return nullptr;
}

const Framework* Catalog::find_framework(std::string_view id) const {
  for (const auto& framework : frameworks_)
    if (framework.id == id) return &framework;
  return nullptr;
}

}  // namespace mamori::catalog
