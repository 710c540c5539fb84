#include "base/json.h"

namespace mamori {
namespace {

void print(std::string& out, const json::value& value, int depth) {
  const std::string indent(static_cast<std::size_t>(depth) * 2, ' ');
  if (const auto* object = value.if_object(); object && !object->empty()) {
    out += "{\n";
    bool first = true;
    for (const auto& [key, member] : *object) {
      if (!first) out += ",\n";
      first = false;
      out += indent + "  " + json::serialize(json::string(key)) + ": ";
      print(out, member, depth + 1);
    }
    out += "\n" + indent + "}";
  } else if (const auto* array = value.if_array(); array && !array->empty()) {
    out += "[\n";
    bool first = true;
    for (const auto& member : *array) {
      if (!first) out += ",\n";
      first = false;
      out += indent + "  ";
      print(out, member, depth + 1);
    }
    out += "\n" + indent + "]";
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

Result<json::value> parse_json(std::string_view text) {
  json::stream_parser parser;
  json::error_code failure;
  std::size_t read = parser.write_some(text.data(), text.size(), failure);
  if (!failure && read == text.size()) parser.finish(failure);
  if (failure || read != text.size() || !parser.done())
    return Error{ErrorKind::invalid, "base.json.bad", {{"offset", std::to_string(read)}}};
  return parser.release();
}

Result<json::object> parse_json_object(std::string_view text) {
  auto value = MAMORI_TRY(parse_json(text));
  if (!value.is_object()) return Error{ErrorKind::invalid, "base.json.bad", {{"offset", "0"}}};
  return std::move(value.get_object());
}

std::string text_of(const json::object& object, std::string_view key, std::string_view otherwise) {
  const auto* found = object.if_contains(key);
  return found && found->is_string() ? std::string(found->get_string()) : std::string(otherwise);
}

std::int64_t integer_of(const json::object& object, std::string_view key, std::int64_t otherwise) {
  const auto* found = object.if_contains(key);
  if (!found) return otherwise;
  if (found->is_int64()) return found->get_int64();
  if (found->is_uint64() && found->get_uint64() <= INT64_MAX)
    return static_cast<std::int64_t>(found->get_uint64());
  return otherwise;
}

bool boolean_of(const json::object& object, std::string_view key, bool otherwise) {
  const auto* found = object.if_contains(key);
  return found && found->is_bool() ? found->get_bool() : otherwise;
}

json::object facts_json(const Facts& facts) {
  json::object out;
  for (const auto& [key, value] : facts) out[key] = value;
  return out;
}

Facts facts_of(const json::object& object) {
  Facts out;
  for (const auto& [key, value] : object)
    if (value.is_string()) out.emplace_back(key, value.get_string());
  return out;
}

json::object words_json(const Words& words) { return {{"ja", words.ja}, {"en", words.en}}; }

std::string pretty(const json::value& value) {
  std::string out;
  print(out, value, 0);
  return out + "\n";
}

}  // namespace mamori
