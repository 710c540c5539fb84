// FHIR AuditEvent as XML: the same resource as in JSON, so it is put into that form and read there.
#include <pugixml.hpp>

#include "base/json.h"
#include "formats/bodies.h"
#include "formats/detail.h"

namespace mamori::formats {
namespace {

constexpr int kDeepest = 24;
constexpr std::size_t kMostEvents = 100'000;

// A primitive is its value attribute; what occurs more than once is a list. Narrative is for people only.
json::value json_of(const pugi::xml_node& node, int depth) {
  json::object out;
  if (depth > kDeepest) return out;
  for (const auto& child : node.children()) {
    if (child.type() != pugi::node_element || std::string_view(child.name()) == "div") continue;
    auto value = json_of(child, depth + 1);
    const std::string_view name = child.name();
    if (auto* known = out.if_contains(name)) {
      if (!known->is_array()) *known = json::array{std::move(*known)};
      known->get_array().push_back(std::move(value));
    } else {
      out[name] = std::move(value);
    }
  }
  const auto value = node.attribute("value");
  if (!value || !out.empty()) return out;
  const std::string_view text = value.value();
  if (text == "true" || text == "false") return text == "true";
  return json::string(text);
}

bool load(pugi::xml_document& document, std::string_view body) {
  return static_cast<bool>(
      document.load_buffer(body.data(), body.size(), pugi::parse_default, pugi::encoding_utf8));
}  // pugixml knows no outside entities

}  // namespace

Result<Bodies> parse_fhir_xml(std::string_view body) {
  const auto bad = [](std::size_t number) {
    return Error{ErrorKind::invalid, "collect.events.fhir",
                 number == 0 ? Facts{} : Facts{{"line", std::to_string(number)}}};
  };
  pugi::xml_document document;
  if (!load(document, body)) return bad(0);
  const auto root = document.document_element();
  Bodies out;
  if (std::string_view(root.name()) == "AuditEvent") {
    out.events.push_back({body, 1});
    return out;
  }
  if (std::string_view(root.name()) != "Bundle") return bad(0);
  out.bundle = root.child("type").attribute("value").value();
  std::size_t number = 0;
  for (const auto& entry : root.children("entry")) {
    if (++number > kMostEvents) return bad(number);
    const auto event = entry.child("resource").child("AuditEvent");
    const auto name_at = event ? event.offset_debug() : -1;
    constexpr std::string_view kEnd = "</AuditEvent>";
    const auto end = name_at > 0 ? body.find(kEnd, static_cast<std::size_t>(name_at)) : body.npos;
    if (end == body.npos) {
      // From this entry's name to the next one's, or to the end of the bundle.
      const auto start = static_cast<std::size_t>(entry.offset_debug()) - 1;
      const auto next = entry.next_sibling();
      const auto stop = next && next.offset_debug() > 0 ? static_cast<std::size_t>(next.offset_debug()) - 1
                                                        : body.rfind("</");
      out.refused.push_back(
          {number, "collect.events.fhir", body.substr(start, std::max(stop, start) - start)});
      continue;
    }
    const auto start = static_cast<std::size_t>(name_at) - 1;
    out.events.push_back({body.substr(start, end + kEnd.size() - start), number});
  }
  return out;
}

namespace detail {

bool read_fhir_xml(std::string_view body, Event& event, const Context& context, Arena& arena) {
  if (body.substr(0, 512).find("<AuditEvent") == body.npos) return false;
  pugi::xml_document document;
  if (!load(document, body) || std::string_view(document.document_element().name()) != "AuditEvent")
    return false;
  auto resource = json_of(document.document_element(), 0);
  if (!resource.is_object()) return false;
  resource.get_object()["resourceType"] = "AuditEvent";
  return read_json(json::serialize(resource), event, context, arena);
}

}  // namespace detail
}  // namespace mamori::formats
