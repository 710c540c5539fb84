#include "ledger/register.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/yaml.h"

namespace mamori::ledger {
namespace {

constexpr std::array<std::string_view, 16> kTypeNames = {
    "text", "long_text", "integer", "number", "boolean", "date",  "datetime", "choice",
    "ref",  "mac",       "ip",      "cidr",   "email",   "phone", "url",      "file"};

const std::set<std::string_view> kReserved = {
    // columns that every record has
    "id", "facility", "number", "label", "version", "created_at", "updated_at", "retired_at",
    "retired_reason", "search",
    // SQL words of either engine that would need quotes in a control
    "user", "order", "group", "table", "select", "where", "from", "to", "end", "start", "all", "any", "check",
    "column", "default", "limit", "offset", "references", "window", "when", "case", "then", "else", "and",
    "or", "not", "null", "in", "is", "like", "by", "on", "as", "set"};

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 40 && text[0] >= 'a' && text[0] <= 'z' &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == text.npos;
}

Result<Field> parse_field(const std::string& name, const Yaml& yaml) {
  MAMORI_TRY(yaml.only({"type", "label", "help", "to", "choices", "fallback", "keep_in", "headings",
                        "initial", "required", "list", "print", "longest", "min", "max"}));
  Field field;
  field.name = name;
  if (!is_name(name) || kReserved.contains(name)) return yaml.error("field name not allowed: " + name);
  const auto type = yaml["type"].text("text");
  const auto* const found = std::find(kTypeNames.begin(), kTypeNames.end(), type);
  if (found == kTypeNames.end()) return yaml.error("unknown type: " + type);
  field.type = static_cast<FieldType>(found - kTypeNames.begin());
  field.label = yaml["label"].words();
  if (field.label.ja.empty() || field.label.en.empty()) return yaml.error("label needs ja and en: " + name);
  field.help = yaml["help"].words();
  field.to = yaml["to"].text();
  field.fallback = yaml["fallback"].text();
  field.keep_in = yaml["keep_in"].text();
  field.headings = yaml["headings"].texts();
  field.initial = yaml["initial"].text();
  field.required = yaml["required"].boolean(false);
  field.in_list = yaml["list"].boolean(false);
  field.in_print = yaml["print"].boolean(field.in_list);
  field.longest =
      static_cast<std::size_t>(yaml["longest"].integer(field.type == FieldType::long_text ? 4000 : 500));
  if (yaml["min"].present()) field.least = yaml["min"].number(0);
  if (yaml["max"].present()) field.most = yaml["max"].number(0);
  for (const auto& [value, choice] : yaml["choices"].members()) {
    MAMORI_TRY(choice.only({"ja", "en", "also"}));
    auto& added = field.choices.emplace_back(Choice{value, choice.words(), choice["also"].texts(), {}});
    for (const auto* label : {&added.label.ja, &added.label.en}) added.folded.push_back(fold_heading(*label));
    for (const auto& also : added.also) added.folded.push_back(fold_heading(also));
  }
  if ((field.type == FieldType::choice) == field.choices.empty())
    return yaml.error("choices belong to type choice: " + name);
  if ((field.type == FieldType::ref) == field.to.empty())
    return yaml.error("'to' belongs to type ref: " + name);
  return field;
}

Result<Finds> parse_finds(const Yaml& yaml, const Register& reg) {
  MAMORI_TRY(yaml.only({"field", "clues", "retired", "unique", "matched_by", "otherwise"}));
  Finds finds;
  finds.field = MAMORI_TRY(yaml.required_text("field"));
  finds.retired = yaml["retired"].boolean(false);
  finds.unique = yaml["unique"].boolean(false);
  finds.matched_by = yaml["matched_by"].text();
  for (const auto& [name, value] : yaml["otherwise"].members()) finds.otherwise[name] = value.text();
  for (const auto& item : yaml["clues"].items()) {
    MAMORI_TRY(item.only({"name", "fact", "in", "by", "gives", "spaces", "first_label"}));
    Clue clue;
    clue.fact = MAMORI_TRY(item.required_text("fact"));
    clue.name = item["name"].text(clue.fact);
    clue.reg = MAMORI_TRY(item.required_text("in"));
    clue.by = MAMORI_TRY(item.required_text("by"));
    clue.gives = item["gives"].text();
    clue.spaces = item["spaces"].boolean(true);
    clue.first_label = item["first_label"].boolean(false);
    if (!reg.find(clue.fact)) return item.error("unknown field: " + clue.fact);
    finds.clues.push_back(std::move(clue));
  }
  std::vector<std::string> named = {finds.field};
  if (!finds.matched_by.empty()) named.push_back(finds.matched_by);
  for (const auto& [name, value] : finds.otherwise) named.push_back(name);
  for (const auto& name : named)
    if (!reg.find(name)) return yaml.error("unknown field: " + name);
  return finds;
}

Result<Printed> parse_printed(const Yaml& yaml, const Register& reg) {
  MAMORI_TRY(yaml.only({"as", "title", "file", "rows", "columns", "cell", "note"}));
  Printed printed;
  const auto as = yaml["as"].text("list");
  if (as != "list" && as != "matrix") return yaml.error("as is list or matrix");
  printed.title = yaml["title"].words();
  if (printed.title.ja.empty() || printed.title.en.empty()) return yaml.error("title needs ja and en");
  printed.file = yaml["file"].text();
  if (as == "list") return printed;
  printed.as = Printed::As::matrix;
  printed.rows = MAMORI_TRY(yaml.required_text("rows"));
  printed.columns = MAMORI_TRY(yaml.required_text("columns"));
  printed.cell = MAMORI_TRY(yaml.required_text("cell"));
  printed.note = yaml["note"].text();
  for (const auto* name : {&printed.rows, &printed.columns, &printed.cell, &printed.note})
    if (!name->empty() && !reg.find(*name)) return yaml.error("unknown field: " + *name);
  if (reg.find(printed.columns)->to.empty()) return yaml.error("columns is a reference: " + printed.columns);
  return printed;
}

Result<Register> parse_register(const Yaml& yaml) {
  MAMORI_TRY(yaml.only({"register",  "label",  "description", "group",      "requirement", "fields",
                        "called",    "key",    "numbering",   "observed",   "life",        "writers",
                        "readers",   "hint",   "example",     "named_only", "finds",       "keeps",
                        "remembers", "places", "printed",     "alone",      "suite"}));
  Register reg;
  reg.name = MAMORI_TRY(yaml.required_text("register"));
  if (!is_name(reg.name)) return yaml.error("register name not allowed: " + reg.name);
  reg.label = yaml["label"].words();
  if (reg.label.ja.empty() || reg.label.en.empty()) return yaml.error("label needs ja and en");
  reg.description = yaml["description"].words();
  reg.group = yaml["group"].text("other");
  reg.requirements = yaml["requirement"].texts();
  reg.fields = MAMORI_TRY(parse_fields(yaml["fields"]));
  if (reg.fields.empty()) return yaml.error("no fields");
  reg.label_fields = yaml["called"].texts();
  if (reg.label_fields.empty()) reg.label_fields = {reg.fields[0].name};
  reg.key = yaml["key"].texts();
  for (const auto* list : {&reg.label_fields, &reg.key})
    for (const auto& name : *list)
      if (name != "number" && !reg.find(name)) return yaml.error("unknown field: " + name);
  for (const auto& field : reg.fields)
    if (!field.keep_in.empty() && !reg.find(field.keep_in))
      return yaml.error("unknown field: " + field.keep_in);
  if (const auto numbering = yaml["numbering"]; numbering.present()) {
    MAMORI_TRY(numbering.only({"by", "prefixes", "otherwise", "width"}));
    Numbering rule;
    rule.by = numbering["by"].text();
    if (!rule.by.empty() && !reg.find(rule.by)) return numbering.error("unknown field: " + rule.by);
    for (const auto& [value, prefix] : numbering["prefixes"].members()) rule.prefixes[value] = prefix.text();
    rule.otherwise = MAMORI_TRY(numbering.required_text("otherwise"));
    rule.width = static_cast<int>(numbering["width"].integer(3));
    reg.numbering = rule;
  }
  reg.named_only = yaml["named_only"].boolean(false);
  if (reg.named_only && (reg.label_fields.size() != 1 ||
                         std::any_of(reg.fields.begin(), reg.fields.end(), [&](const Field& field) {
                           return field.required && field.name != reg.label_fields[0];
                         })))
    return yaml["named_only"].error("only where the one field of `called` is all that is required");
  reg.observed = yaml["observed"].boolean(false);
  if (const auto life = yaml["life"]; life.present()) {
    const auto duration = parse_duration(life.text());
    if (!duration) return life.error("not an ISO 8601 duration: " + life.text());
    reg.life = *duration;
  }
  if (const auto finds = yaml["finds"]; finds.present()) reg.finds = MAMORI_TRY(parse_finds(finds, reg));
  reg.keeps = yaml["keeps"].texts();
  if (const auto alone = yaml["alone"]; alone.present()) {
    MAMORI_TRY(alone.only({"fields", "but"}));
    reg.alone.fields = alone["fields"].texts();
    for (const auto& [name, value] : alone["but"].members()) {
      reg.alone.but_field = name;
      reg.alone.but_value = value.text();
    }
    auto named = reg.alone.fields;
    if (!reg.alone.but_field.empty()) named.push_back(reg.alone.but_field);
    for (const auto& name : named)
      if (!reg.find(name)) return alone.error("unknown field: " + name);
  }
  if (const auto suite = yaml["suite"]; suite.present()) {
    MAMORI_TRY(suite.only({"marks", "own"}));
    reg.suite_marks = suite["marks"].texts();
    reg.suite_own = suite["own"].texts();
  }
  reg.places = yaml["places"].texts();
  for (const auto& name : reg.places) {
    const auto* field = reg.find(name);
    if (!field || (field->type != FieldType::text && field->type != FieldType::choice))
      return yaml["places"].error("no field with a text or a choice: " + name);
    if (reg.name != "facility") return yaml["places"].error("only facilities have a place in the tree");
  }
  for (const auto& [name, value] : yaml["remembers"].members()) reg.remembers[name] = value.text();
  for (const auto& name : reg.keeps)
    if (!reg.find(name)) return yaml["keeps"].error("unknown field: " + name);
  for (const auto& [name, from] : reg.remembers)
    if (!reg.find(name) || !reg.find(from))
      return yaml["remembers"].error("unknown field: " + name + " or " + from);
  if (!reg.observed && (reg.finds || !reg.keeps.empty() || !reg.remembers.empty()))
    return yaml.error("finds, keeps and remembers belong to observed registers");
  reg.writers = yaml["writers"].texts();
  if (reg.writers.empty() && !reg.observed) reg.writers = {"safety_officer", "planning_manager", "operator"};
  reg.readers = yaml["readers"].texts();
  if (reg.readers.empty())
    reg.readers = {"director", "safety_officer", "planning_manager", "operator", "inspector"};
  for (const auto& one : yaml["printed"].items()) {
    auto printed = MAMORI_TRY(parse_printed(one, reg));
    if (reg.printed_as(printed.as)) return one.error("stands twice");
    reg.printed.push_back(std::move(printed));
  }
  reg.hint = yaml["hint"].words();
  for (const auto& [name, value] : yaml["example"].members()) reg.example[name] = value.text();
  return reg;
}

}  // namespace

std::string_view name_of(FieldType type) { return kTypeNames[static_cast<std::size_t>(type)]; }

std::string Register::vendor_column() const {
  if (name == "vendor") return "id";
  const auto* field = find("vendor");
  return field && field->type == FieldType::ref && field->to == "vendor" ? field->name : "";
}

const Printed* Register::printed_as(Printed::As as) const {
  for (const auto& one : printed)
    if (one.as == as) return &one;
  return nullptr;
}

Result<std::vector<Field>> parse_fields(const Yaml& fields) {
  std::vector<Field> out;
  for (const auto& [name, field] : fields.members()) {
    if (std::any_of(out.begin(), out.end(), [&name = name](const Field& one) { return one.name == name; }))
      return field.error("field stands twice: " + name);
    out.push_back(MAMORI_TRY(parse_field(name, field)));
  }
  return out;
}

const Field* Register::find(std::string_view field) const {
  for (const auto& candidate : fields)
    if (candidate.name == field) return &candidate;
  return nullptr;
}

Result<Registers> Registers::load(const std::filesystem::path& directory) {
  Registers registers;
  for (const auto& yaml : MAMORI_TRY(load_yaml_folder(directory))) {
    auto reg = MAMORI_TRY(parse_register(yaml));
    MAMORI_TRY(yaml.all_read());
    if (registers.index_.contains(reg.name)) return yaml.error("register stands twice: " + reg.name);
    registers.index_[reg.name] = registers.registers_.size();
    registers.registers_.push_back(std::move(reg));
  }
  MAMORI_TRY(registers.check());
  return registers;
}

Status Registers::check() const {
  for (const auto& reg : registers_) {
    const auto bad = [&](std::string reason) {
      return Error{ErrorKind::invalid,
                   "base.yaml.bad",
                   {{"file", reg.name}, {"line", "0"}, {"reason", std::move(reason)}}};
    };
    for (const auto& field : reg.fields)
      if (field.type == FieldType::ref && !find(field.to))
        return bad(field.name + " points to the unknown register " + field.to);
    for (const auto& clue : reg.finds ? reg.finds->clues : std::vector<Clue>()) {
      const auto* in = find(clue.reg);
      const bool known = in && in->find(clue.by) && (clue.gives.empty() || in->find(clue.gives));
      if (!known) return bad("a clue looks for what does not exist: " + clue.reg + "." + clue.by);
    }
  }
  return {};
}

const Register* Registers::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &registers_[found->second];
}

json::array to_json(const std::vector<Field>& all) {
  json::array fields;
  for (const auto& field : all) {
    json::object out = {{"name", field.name},
                        {"type", name_of(field.type)},
                        {"label", words_json(field.label)},
                        {"required", field.required},
                        {"list", field.in_list}};
    if (!field.help.ja.empty()) out["help"] = words_json(field.help);
    if (!field.to.empty()) out["to"] = field.to;
    if (!field.initial.empty()) out["initial"] = field.initial;
    out["longest"] = field.longest;
    if (!field.choices.empty()) {
      json::array choices;
      for (const auto& choice : field.choices)
        choices.push_back(json::object{{"value", choice.value}, {"label", words_json(choice.label)}});
      out["choices"] = std::move(choices);
    }
    fields.push_back(std::move(out));
  }
  return fields;
}

json::object to_json(const Register& reg) {
  json::object example;
  for (const auto& [name, value] : reg.example) example[name] = value;
  json::array printed;
  for (const auto& one : reg.printed)
    printed.push_back(json::object{{"as", one.as == Printed::As::matrix ? "matrix" : "list"},
                                   {"title", words_json(one.title)}});
  json::array requirements(reg.requirements.begin(), reg.requirements.end());
  return {{"name", reg.name},
          {"label", words_json(reg.label)},
          {"description", words_json(reg.description)},
          {"hint", words_json(reg.hint)},
          {"group", reg.group},
          {"observed", reg.observed},
          {"numbered", reg.numbering.has_value()},
          {"requirements", std::move(requirements)},
          {"fields", to_json(reg.fields)},
          {"printed", std::move(printed)},
          {"example", std::move(example)}};
}

}  // namespace mamori::ledger
