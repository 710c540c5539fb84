#include "readers/kind.h"

#include <algorithm>

#include "base/yaml.h"
#include "ledger/ledger.h"
#include "readers/reader.h"

namespace mamori::readers {
namespace {

Result<Kind> parse_kind(const Yaml& yaml) {
  MAMORI_TRY(yaml.only({"reader", "label", "description", "file", "secret", "secret_for", "fields"}));
  Kind kind;
  kind.name = MAMORI_TRY(yaml.required_text("reader"));
  if (!find_reader(kind.name)) return yaml.error("no reader of this name: " + kind.name);
  kind.label = yaml["label"].words();
  if (kind.label.ja.empty() || kind.label.en.empty()) return yaml.error("label needs ja and en");
  kind.description = yaml["description"].words();
  kind.file = yaml["file"].words();
  kind.secret = yaml["secret"].words();
  kind.fields = MAMORI_TRY(ledger::parse_fields(yaml["fields"]));
  for (const auto& field : kind.fields)
    if (field.type == ledger::FieldType::ref || field.type == ledger::FieldType::file)
      return yaml.error("a setting is no reference and no file: " + field.name);
  kind.secret_for = yaml["secret_for"].texts();
  for (const auto& name : kind.secret_for)
    if (std::none_of(kind.fields.begin(), kind.fields.end(),
                     [&](const ledger::Field& field) { return field.name == name; }))
      return yaml.error("secret_for names no field: " + name);
  return kind;
}

}  // namespace

Result<std::vector<Kind>> load_kinds(const std::filesystem::path& directory) {
  std::vector<Kind> kinds;
  for (const auto& yaml : MAMORI_TRY(load_yaml_folder(directory))) {
    kinds.push_back(MAMORI_TRY(parse_kind(yaml)));
    MAMORI_TRY(yaml.all_read());
  }
  std::vector<Kind> out;
  for (const auto name : reader_names()) {
    const auto found =
        std::find_if(kinds.begin(), kinds.end(), [&](const Kind& kind) { return kind.name == name; });
    if (found == kinds.end())
      return Error{ErrorKind::invalid,
                   "base.yaml.bad",
                   {{"file", (directory / (std::string(name) + ".yaml")).string()},
                    {"line", "0"},
                    {"reason", "missing: what this reader needs to be told"}}};
    out.push_back(std::move(*found));
  }
  return out;
}

Result<json::object> check_settings(const Kind& kind, const json::object& given) {
  ledger::Register reg;
  reg.name = kind.name;
  reg.fields = kind.fields;
  auto kept = ledger::Ledger::check(reg, given, {}, [](const ledger::Field&, const std::string& text) {
    return Result<std::string>(text);
  });
  if (kept) return kept;
  if (kept.error().code != "ledger.record.invalid") return kept.error();
  Error bad{ErrorKind::invalid, "collect.source.invalid"};
  bad.problems = std::move(kept.error().problems);
  return bad;
}

json::object to_json(const Kind& kind) {
  json::object out = {{"kind", kind.name},
                      {"label", words_json(kind.label)},
                      {"description", words_json(kind.description)},
                      {"fields", ledger::to_json(kind.fields)}};
  if (!kind.file.ja.empty()) out["file"] = words_json(kind.file);
  if (!kind.secret.ja.empty()) out["secret"] = words_json(kind.secret);
  return out;
}

}  // namespace mamori::readers
