#include "api/shape.h"

#include <fmt/format.h>

#include <map>

#include "base/text.h"

namespace mamori::api {
namespace {

constexpr std::string_view kNamed = "#/components/schemas/";
constexpr std::size_t kMostProblems = 50;

// Filled while routes() is made, which happens once and before any request; read without a lock from then on.
json::object& registry() {
  static json::object all;
  return all;
}

const Shape& resolved(const Shape& shape) {
  const auto* name = shape.if_contains("$ref");
  if (!name) return shape;
  return registry().at(std::string_view(name->get_string()).substr(kNamed.size())).get_object();
}

std::string_view type_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "boolean";
    case json::kind::int64:
    case json::kind::uint64: return "integer";
    case json::kind::double_: return "number";
    case json::kind::string: return "string";
    case json::kind::array: return "array";
    case json::kind::object: return "object";
  }
  MAMORI_UNREACHABLE();
}

bool fits(std::string_view type, std::string_view wanted) {
  return type == wanted || (wanted == "number" && type == "integer");
}

class Checker {
 public:
  void check(const Shape& given, const json::value& value, const std::string& path) {
    if (problems.size() >= kMostProblems) return;
    const auto& shape = resolved(given);
    if (const auto* either = shape.if_contains("anyOf")) {  // one of ours: something, or nothing
      if (!value.is_null()) check(either->get_array().at(0).get_object(), value, path);
      return;
    }
    if (!has_type(shape, value, path)) return;
    if (const auto* choices = shape.if_contains("enum")) one_of(choices->get_array(), value, path);
    if (const auto* text = value.if_string())
      if (const auto* most = shape.if_contains("maxLength"))
        if (length(*text) > static_cast<std::size_t>(most->to_number<std::int64_t>()))
          complain(path, "long", {{"limit", std::to_string(most->to_number<std::int64_t>())}});
    in_range(shape, value, path);
    if (const auto* object = value.if_object()) members(shape, *object, path);
    if (const auto* array = value.if_array())
      if (const auto* of = shape.if_contains("items"))
        for (std::size_t i = 0; i < array->size(); ++i)
          check(of->get_object(), (*array)[i], at(path, std::to_string(i)));
  }
  std::vector<Problem> problems;

 private:
  static std::string at(const std::string& path, std::string_view name) {
    return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
  }
  void complain(const std::string& path, std::string_view what, Facts facts = {}) {
    if (problems.size() >= kMostProblems) return;
    facts.emplace_back("field", path);
    problems.push_back({path, fmt::format("api.body.{}", what), std::move(facts)});
  }
  bool has_type(const Shape& shape, const json::value& value, const std::string& path) {
    const auto* wanted = shape.if_contains("type");
    if (!wanted) return true;
    const auto type = type_name(value);
    std::string expected;
    if (const auto* one = wanted->if_string()) {
      if (fits(type, *one)) return true;
      expected = *one;
    } else {
      for (const auto& each : wanted->get_array()) {
        if (fits(type, each.get_string())) return true;
        expected += (expected.empty() ? "" : ", ") + std::string(each.get_string());
      }
    }
    complain(path, "type", {{"expected", expected}});
    return false;
  }
  void one_of(const json::array& choices, const json::value& value, const std::string& path) {
    std::string all;
    for (const auto& choice : choices) {
      if (choice == value) return;
      all += (all.empty() ? "" : ", ") + (choice.is_string() ? std::string(choice.get_string()) : "null");
    }
    complain(path, "choice", {{"choices", all}});
  }
  void in_range(const Shape& shape, const json::value& value, const std::string& path) {
    const auto* least = shape.if_contains("minimum");
    const auto* most = shape.if_contains("maximum");
    if (!least || !most || !value.is_number()) return;
    const auto number = value.to_number<double>();
    if (number < least->to_number<double>() || number > most->to_number<double>())
      complain(path, "range", {{"least", json::serialize(*least)}, {"most", json::serialize(*most)}});
  }
  void members(const Shape& shape, const json::object& object, const std::string& path) {
    const auto* known = shape.if_contains("properties");
    const auto* others = shape.if_contains("additionalProperties");
    for (const auto& [name, value] : object) {
      const auto* of = known ? known->get_object().if_contains(name) : nullptr;
      if (of)
        check(of->get_object(), value, at(path, name));
      else if (others && others->is_object())
        check(others->get_object(), value, at(path, name));
      else if (others && others->is_bool() && !others->get_bool())
        complain(at(path, printable(name, 60)), "unknown");
    }
    if (const auto* required = shape.if_contains("required"))
      for (const auto& name : required->get_array())
        if (!object.contains(name.get_string())) complain(at(path, name.get_string()), "missing");
  }
};

}  // namespace

namespace shape {

Shape text(std::size_t longest) {
  Shape out = {{"type", "string"}};
  if (longest > 0) out["maxLength"] = longest;
  return out;
}
Shape day() { return {{"type", "string"}, {"maxLength", 40}}; }
Shape instant() { return {{"type", "string"}, {"format", "date-time"}}; }
Shape integer() { return {{"type", "integer"}}; }
Shape integer(std::int64_t least, std::int64_t most) {
  return {{"type", "integer"}, {"minimum", least}, {"maximum", most}};
}
Shape number() { return {{"type", "number"}}; }
Shape boolean() { return {{"type", "boolean"}}; }
Shape value() { return {{"type", json::array{"string", "number", "boolean", "null"}}}; }
Shape any() { return {}; }
Shape one_of(std::initializer_list<std::string_view> values) {
  json::array all;
  for (const auto one : values) all.emplace_back(one);
  return {{"type", "string"}, {"enum", std::move(all)}};
}
Shape list(Shape of) { return {{"type", "array"}, {"items", std::move(of)}}; }
Shape map(Shape of) { return {{"type", "object"}, {"additionalProperties", std::move(of)}}; }

Shape object(Members required, Members optional) {
  json::object properties;
  json::array needed;
  for (const auto& [name, of] : required) {
    properties[name] = of;
    needed.emplace_back(name);
  }
  for (const auto& [name, of] : optional) properties[name] = of;
  Shape out = {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!needed.empty()) out["required"] = std::move(needed);
  return out;
}

Shape nullable(Shape of) {
  if (of.contains("$ref")) return {{"anyOf", json::array{std::move(of), json::object{{"type", "null"}}}}};
  auto& type = of["type"];
  type = json::array{type, "null"};
  if (auto* choices = of.if_contains("enum")) choices->get_array().emplace_back(nullptr);
  return of;
}

Shape words() { return named("Words", object({{"ja", text()}, {"en", text()}})); }

Shape named(std::string_view name, Shape shape) {
  auto& all = registry();
  if (!all.contains(name)) all[name] = std::move(shape);
  return {{"$ref", std::string(kNamed) + std::string(name)}};
}

Shape items(Shape of, Members more) {
  auto out = object({{"items", list(std::move(of))}});
  for (const auto& [name, each] : more) {
    out["properties"].get_object()[name] = each;
    out["required"].get_array().emplace_back(name);
  }
  return out;
}

}  // namespace shape

std::vector<Problem> check(const Shape& shape, const json::value& value) {
  Checker checker;
  checker.check(shape, value, "");
  return std::move(checker.problems);
}

json::value example_of(const Shape& given) {
  const auto& shape = resolved(given);
  if (shape.contains("anyOf")) return nullptr;  // nothing fits too
  const auto* type = shape.if_contains("type");
  if (!type) return json::object();
  if (type->is_array()) {
    const auto& all = type->get_array();
    if (all.back() == "null") return nullptr;
  }
  const auto& name = type->is_array() ? type->get_array().front().get_string() : type->get_string();
  if (name == "object") {
    json::object out;
    if (const auto* required = shape.if_contains("required"))
      for (const auto& each : required->get_array()) {
        const auto& member = each.get_string();
        out[member] = example_of(shape.at("properties").at(member).get_object());
      }
    return out;
  }
  if (name == "array") return json::array{example_of(shape.at("items").get_object())};
  if (const auto* choices = shape.if_contains("enum")) return choices->get_array().front();
  if (name == "boolean") return true;
  if (const auto* least = shape.if_contains("minimum")) return *least;
  if (name == "integer" || name == "number") return 1;
  return shape.contains("format") ? "2026-11-21T03:00:00Z" : "text";
}

const json::object& named_shapes() { return registry(); }

}  // namespace mamori::api
