#include "formats/bodies.h"

#include <simdjson.h>

#include <cmath>

#include "base/crypto.h"
#include "base/json.h"

namespace mamori::formats {
namespace {

constexpr std::size_t kMostEvents = 100'000;
constexpr int kDeepest = 24;

Error bad(std::string code, std::size_t place = 0) {
  Error error{ErrorKind::invalid, std::move(code)};
  if (place != 0) error.facts.emplace_back("line", std::to_string(place));
  return error;
}

namespace ondemand = simdjson::ondemand;

// The exact text of a JSON value.
bool raw_json(ondemand::value& value, std::string_view& out) {
  ondemand::json_type type;
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  if (type == ondemand::json_type::object) {
    ondemand::object object;
    return value.get_object().get(object) == simdjson::SUCCESS &&
           object.raw_json().get(out) == simdjson::SUCCESS;
  }
  if (type == ondemand::json_type::array) {
    ondemand::array array;
    return value.get_array().get(array) == simdjson::SUCCESS &&
           array.raw_json().get(out) == simdjson::SUCCESS;
  }
  out = value.raw_json_token();
  return true;
}

class Document {
 public:
  bool open(std::string_view body) {
    padded_ = simdjson::padded_string(body);
    // The whole is checked before a part of it is taken: half a document is none.
    simdjson::dom::parser whole;
    if (whole.parse(padded_).error() != simdjson::SUCCESS) return false;
    return parser_.iterate(padded_).get(document) == simdjson::SUCCESS;
  }
  ondemand::document document;

 private:
  simdjson::padded_string padded_;
  ondemand::parser parser_;
};

}  // namespace

Result<Bodies> parse_fhir(std::string_view body, archive::Arena& arena) {
  Bodies out;
  // What it is, from the whole; then the exact bytes of each part.
  Document whole;
  if (!whole.open(body)) return bad("collect.events.fhir");
  ondemand::object root;
  if (whole.document.get_object().get(root) != simdjson::SUCCESS) return bad("collect.events.fhir");
  std::string_view type;
  if (root.find_field_unordered("resourceType").get_string().get(type) != simdjson::SUCCESS)
    return bad("collect.events.fhir");
  if (type == "AuditEvent") {
    out.events.push_back({body, 1});
    return out;
  }
  if (type != "Bundle") return bad("collect.events.fhir");
  std::string_view kind;
  if (root.find_field_unordered("type").get_string().get(kind) == simdjson::SUCCESS)
    out.bundle = std::string(kind);
  ondemand::array entries;
  if (root.find_field_unordered("entry").get_array().get(entries) != simdjson::SUCCESS) return out;
  std::size_t number = 0;
  for (auto entry : entries) {
    ++number;
    ondemand::object holder, resource;
    std::string_view raw;
    if (number > kMostEvents || entry.get_object().get(holder) != simdjson::SUCCESS)
      return bad("collect.events.fhir", number);
    if (holder.find_field_unordered("resource").get_object().get(resource) != simdjson::SUCCESS ||
        resource.raw_json().get(raw) != simdjson::SUCCESS) {
      std::string_view all;
      if (holder.reset().error() != simdjson::SUCCESS || holder.raw_json().get(all) != simdjson::SUCCESS)
        return bad("collect.events.fhir", number);
      out.refused.push_back({number, "collect.events.fhir", arena.keep(all)});
      continue;
    }
    const auto of_type = parse_json_object(raw);
    if (!of_type || text_of(*of_type, "resourceType") != "AuditEvent")
      out.refused.push_back({number, "collect.events.fhir", arena.keep(raw)});
    else
      out.events.push_back({arena.keep(raw), number});
  }
  return out;
}

namespace {

// The parts of a JSON array, as they stand in `text`; none where it is no whole array, or one without an
// object in it (a text in brackets).
std::optional<std::vector<std::string_view>> elements(std::string_view text) {
  Document whole;
  if (!whole.open(text)) return std::nullopt;
  ondemand::array array;
  std::string_view all;
  // The copy that was parsed says where in the text a part stands.
  if (whole.document.get_array().get(array) != simdjson::SUCCESS ||
      array.raw_json().get(all) != simdjson::SUCCESS)
    return std::nullopt;
  const auto* const begin = all.data() - text.find('[');
  std::vector<std::string_view> out;
  bool objects = false;
  if (array.reset().error() != simdjson::SUCCESS) return std::nullopt;
  for (auto element : array) {
    ondemand::value value;
    ondemand::json_type type;
    std::string_view raw;
    if (element.get(value) != simdjson::SUCCESS || value.type().get(type) != simdjson::SUCCESS ||
        !raw_json(value, raw))
      return std::nullopt;
    objects = objects || type == ondemand::json_type::object;
    while (!raw.empty() && static_cast<unsigned char>(raw.back()) <= ' ') raw.remove_suffix(1);
    out.push_back(text.substr(static_cast<std::size_t>(raw.data() - begin), raw.size()));
  }
  if (!objects && !out.empty()) return std::nullopt;
  return out;
}

bool is_object(std::string_view text) {
  Document whole;
  ondemand::object object;
  return whole.open(text) && whole.document.get_object().get(object) == simdjson::SUCCESS;
}

}  // namespace

Bodies parse_lines(std::string_view body) {
  Bodies out;
  const auto begin = body.find_first_not_of(" \t\r\n\xEF\xBB\xBF"), end = body.find_last_not_of(" \t\r\n");
  if (begin == body.npos || end < begin) return out;
  const auto whole = body.substr(begin, end + 1 - begin);
  const auto take = [&](const std::vector<std::string_view>& parts, std::size_t line) {
    for (const auto& part : parts) out.events.push_back({part, line != 0 ? line : out.events.size() + 1});
  };
  if (whole.front() == '[')
    if (const auto parts = elements(whole)) {
      take(*parts, 0);
      return out;
    }
  if (whole.front() == '{' && whole.find('\n') != whole.npos && is_object(whole)) {
    out.events.push_back({whole, 1});
    return out;
  }
  std::size_t line = 0;
  while (!body.empty()) {
    const auto stop = body.find('\n');
    auto text = body.substr(0, stop);
    body.remove_prefix(stop == body.npos ? body.size() : stop + 1);
    ++line;
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.find_first_not_of(" \t") == text.npos) continue;
    if (text.starts_with("[{"))
      if (const auto parts = elements(text)) {
        take(*parts, line);
        continue;
      }
    out.events.push_back({text, line});
  }
  return out;
}

Result<Bodies> parse_bulk(std::string_view body, std::vector<BulkItem>& items, archive::Arena&) {
  Bodies out;
  std::size_t line = 0;
  const auto take_line = [&](std::string_view& text) {
    if (body.empty()) return false;
    const auto end = body.find('\n');
    text = body.substr(0, end);
    body.remove_prefix(end == body.npos ? body.size() : end + 1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    ++line;
    return true;
  };
  std::string_view text;
  while (take_line(text)) {
    if (text.empty()) continue;
    const auto action = parse_json_object(text);
    if (!action || action->size() != 1) return bad("collect.events.bulk", line);
    BulkItem item{std::string(action->begin()->key()), "", std::nullopt};
    if (action->begin()->value().is_object())
      item.index = text_of(action->begin()->value().get_object(), "_index");
    if (item.action == "delete") {
      out.refused.push_back({line, "collect.events.bulk-action", text});
      items.push_back(std::move(item));
      continue;
    }
    if (item.action != "create" && item.action != "index" && item.action != "update")
      return bad("collect.events.bulk", line);
    if (!take_line(text)) return bad("collect.events.bulk", line + 1);
    if (item.action == "update") {
      out.refused.push_back({line, "collect.events.bulk-action", text});
    } else if (!parse_json_object(text)) {
      out.refused.push_back({line, "collect.events.bulk-json", text});
    } else {
      item.event = out.events.size();
      out.events.push_back({text, line});
    }
    items.push_back(std::move(item));
    if (items.size() > kMostEvents) return bad("collect.events.bulk", line);
  }
  return out;
}

Result<Bodies> parse_otlp_json(std::string_view body, archive::Arena& arena) {
  Document whole;
  ondemand::object root;
  if (!whole.open(body) || whole.document.get_object().get(root) != simdjson::SUCCESS)
    return bad("collect.events.otlp");
  Bodies out;
  ondemand::array resources;
  if (root.find_field_unordered("resourceLogs").get_array().get(resources) != simdjson::SUCCESS) return out;
  for (auto of_resource : resources) {
    ondemand::object holder;
    if (of_resource.get_object().get(holder) != simdjson::SUCCESS) return bad("collect.events.otlp");
    std::string_view resource = "{}", scopes_json;
    ondemand::value value;
    if (holder.find_field_unordered("resource").get(value) == simdjson::SUCCESS && !raw_json(value, resource))
      return bad("collect.events.otlp");
    if (holder.reset().error() != simdjson::SUCCESS ||
        holder.find_field_unordered("scopeLogs").get(value) != simdjson::SUCCESS)
      continue;
    if (!raw_json(value, scopes_json)) return bad("collect.events.otlp");
    Document scopes;
    ondemand::array list;
    if (!scopes.open(scopes_json) || scopes.document.get_array().get(list) != simdjson::SUCCESS)
      return bad("collect.events.otlp");
    for (auto of_scope : list) {
      ondemand::object scope_holder;
      if (of_scope.get_object().get(scope_holder) != simdjson::SUCCESS) return bad("collect.events.otlp");
      std::string_view scope = "{}";
      if (scope_holder.find_field_unordered("scope").get(value) == simdjson::SUCCESS &&
          !raw_json(value, scope))
        return bad("collect.events.otlp");
      ondemand::array records;
      if (scope_holder.reset().error() != simdjson::SUCCESS ||
          scope_holder.find_field_unordered("logRecords").get_array().get(records) != simdjson::SUCCESS)
        continue;
      for (auto record : records) {
        ondemand::value log_value;
        std::string_view log;
        if (record.get(log_value) != simdjson::SUCCESS || !raw_json(log_value, log))
          return bad("collect.events.otlp");
        std::string raw = "{\"resource\":";
        raw.append(resource).append(",\"scope\":").append(scope).append(",\"log\":").append(log).append("}");
        out.events.push_back({arena.keep(raw), out.events.size() + 1});
        if (out.events.size() > kMostEvents) return bad("collect.events.otlp");
      }
    }
  }
  return out;
}

// --- protobuf: the wire format of fields, as far as opentelemetry/proto/logs/v1 uses it

namespace {

struct Wire {
  std::uint32_t field = 0;
  int type = 0;
  std::uint64_t number = 0;
  std::string_view bytes;
};

bool take_varint(std::string_view& in, std::uint64_t& out) {
  out = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (in.empty()) return false;
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    out |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool take_wire(std::string_view& in, Wire& out) {
  std::uint64_t key = 0;
  if (!take_varint(in, key) || key >> 3 == 0 || key >> 3 > 0x1FFFFFFF) return false;
  out.field = static_cast<std::uint32_t>(key >> 3);
  out.type = static_cast<int>(key & 7);
  const auto fixed = [&](std::size_t count) {
    if (in.size() < count) return false;
    out.number = 0;
    for (std::size_t i = 0; i < count; ++i)
      out.number |= static_cast<std::uint64_t>(static_cast<unsigned char>(in[i])) << (8 * i);
    in.remove_prefix(count);
    return true;
  };
  switch (out.type) {
    case 0: return take_varint(in, out.number);
    case 1: return fixed(8);
    case 5: return fixed(4);
    case 2: {
      std::uint64_t length = 0;
      if (!take_varint(in, length) || length > in.size()) return false;
      out.bytes = in.substr(0, length);
      in.remove_prefix(length);
      return true;
    }
    default: return false;
  }
}

// Calls `take` for every field; false where the bytes are no message.
template <class Take>
bool each_field(std::string_view in, Take take) {
  Wire wire;
  while (!in.empty())
    if (!take_wire(in, wire) || !take(wire)) return false;
  return true;
}

bool any_value(std::string_view in, int depth, json::value& out);

bool key_values(std::string_view in, int depth, json::array& out) {  // one KeyValue
  json::object pair;
  json::value value = nullptr;
  const bool good = each_field(in, [&](const Wire& wire) {
    if (wire.field == 1 && wire.type == 2)
      pair["key"] = json::string(wire.bytes);
    else if (wire.field == 2 && wire.type == 2)
      return any_value(wire.bytes, depth + 1, value);
    return true;
  });
  pair["value"] = std::move(value);
  out.push_back(std::move(pair));
  return good;
}

bool any_value(std::string_view in, int depth, json::value& out) {
  if (depth > kDeepest) return false;
  json::object object;
  const bool good = each_field(in, [&](const Wire& wire) {
    switch (wire.field) {
      case 1: object["stringValue"] = json::string(wire.bytes); break;
      case 2: object["boolValue"] = wire.number != 0; break;
      case 3: object["intValue"] = std::to_string(static_cast<std::int64_t>(wire.number)); break;
      case 4: {
        double number = 0;
        std::memcpy(&number, &wire.number, 8);
        if (std::isfinite(number)) object["doubleValue"] = number;
        break;
      }
      case 5: {  // ArrayValue
        json::array values;
        if (!each_field(wire.bytes, [&](const Wire& item) {
              json::value value;
              if (item.type != 2 || !any_value(item.bytes, depth + 1, value)) return false;
              values.push_back(std::move(value));
              return true;
            }))
          return false;
        object["arrayValue"] = json::object{{"values", std::move(values)}};
        break;
      }
      case 6: {  // KeyValueList
        json::array values;
        if (!each_field(wire.bytes, [&](const Wire& item) {
              return item.type == 2 && depth < kDeepest && key_values(item.bytes, depth + 1, values);
            }))
          return false;
        object["kvlistValue"] = json::object{{"values", std::move(values)}};
        break;
      }
      case 7: object["bytesValue"] = to_base64(wire.bytes); break;
      default: break;
    }
    return true;
  });
  out = std::move(object);
  return good;
}

bool attributes_of(const Wire& wire, json::object& into) {
  if (!into.contains("attributes")) into["attributes"] = json::array{};
  return key_values(wire.bytes, 0, into["attributes"].as_array());
}

bool log_record(std::string_view in, json::object& out) {
  return each_field(in, [&](const Wire& wire) {
    switch (wire.field) {
      case 1: out["timeUnixNano"] = std::to_string(wire.number); break;
      case 11: out["observedTimeUnixNano"] = std::to_string(wire.number); break;
      case 2: out["severityNumber"] = wire.number; break;
      case 3: out["severityText"] = json::string(wire.bytes); break;
      case 5: {
        json::value body;
        if (!any_value(wire.bytes, 0, body)) return false;
        out["body"] = std::move(body);
        break;
      }
      case 6: return attributes_of(wire, out);
      case 9: out["traceId"] = to_hex(wire.bytes); break;
      case 10: out["spanId"] = to_hex(wire.bytes); break;
      case 12: out["eventName"] = json::string(wire.bytes); break;
      default: break;
    }
    return true;
  });
}

}  // namespace

Result<Bodies> parse_otlp_protobuf(std::string_view body, archive::Arena& arena) {
  Bodies out;
  const auto add = [&](const json::object& resource, const json::object& scope, json::object log) {
    const auto raw =
        json::serialize(json::object{{"resource", resource}, {"scope", scope}, {"log", std::move(log)}});
    out.events.push_back({arena.keep(raw), out.events.size() + 1});
    return out.events.size() <= kMostEvents;
  };
  const bool good = each_field(body, [&](const Wire& resource_logs) {
    if (resource_logs.field != 1) return true;
    if (resource_logs.type != 2) return false;
    json::object resource;
    std::vector<std::string_view> scopes;
    return each_field(resource_logs.bytes,
                      [&](const Wire& wire) {
                        if (wire.field == 1)
                          return each_field(wire.bytes, [&](const Wire& field) {
                            return field.field != 1 || attributes_of(field, resource);
                          });
                        if (wire.field == 2) scopes.push_back(wire.bytes);
                        return true;
                      }) &&
           std::all_of(scopes.begin(), scopes.end(), [&](std::string_view bytes) {
             json::object scope;
             std::vector<std::string_view> records;
             return each_field(bytes,
                               [&](const Wire& wire) {
                                 if (wire.field == 1)
                                   return each_field(wire.bytes, [&](const Wire& field) {
                                     if (field.field == 1)
                                       scope["name"] = json::string(field.bytes);
                                     else if (field.field == 2)
                                       scope["version"] = json::string(field.bytes);
                                     return true;
                                   });
                                 if (wire.field == 2) records.push_back(wire.bytes);
                                 return true;
                               }) &&
                    std::all_of(records.begin(), records.end(), [&](std::string_view record) {
                      json::object log;
                      return log_record(record, log) && add(resource, scope, std::move(log));
                    });
           });
  });
  if (!good) return bad("collect.events.otlp");
  return out;
}

}  // namespace mamori::formats
