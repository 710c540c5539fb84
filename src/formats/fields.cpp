#include "formats/fields.h"

#include <pugixml.hpp>

#include "archive/words.h"
#include "base/json.h"
#include "base/text.h"

namespace mamori::formats {
namespace {

constexpr std::size_t kMost = 400;
using Fields = std::vector<std::pair<std::string, std::string>>;

void add(Fields& out, std::string name, std::string value) {
  if (out.size() < kMost && !value.empty()) out.emplace_back(std::move(name), std::move(value));
}

void from_json(const json::value& value, const std::string& path, Fields& out) {
  if (out.size() >= kMost) return;
  switch (value.kind()) {
    case json::kind::object:
      for (const auto& [name, member] : value.get_object())
        from_json(member, path.empty() ? std::string(name) : path + "." + std::string(name), out);
      break;
    case json::kind::array:
      for (std::size_t i = 0; i < value.get_array().size(); ++i)
        from_json(value.get_array()[i], path + "." + std::to_string(i), out);
      break;
    case json::kind::string: add(out, path, std::string(value.get_string())); break;
    case json::kind::null: break;
    case json::kind::bool_:
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_: add(out, path, json::serialize(value)); break;
  }
}

void from_xml(const pugi::xml_node& node, const std::string& path, Fields& out, int depth) {
  if (out.size() >= kMost || depth > 20) return;
  // <Data Name="TargetUserName">…: the name tells more than the place.
  const std::string name = node.attribute("Name").empty() || node.first_attribute().next_attribute()
                               ? node.name()
                               : node.attribute("Name").value();
  const auto here = path.empty() ? name : path + "/" + name;
  for (const auto& attribute : node.attributes())
    if (std::string_view(attribute.name()).substr(0, 5) != "xmlns" &&
        here.find('/' + std::string(attribute.value())) == here.npos)
      add(out, here + "@" + attribute.name(), attribute.value());
  for (const auto& child : node.children()) {
    if (child.type() == pugi::node_element)
      from_xml(child, here, out, depth + 1);
    else if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata)
      add(out, here, std::string(trim(child.value())));
  }
}

}  // namespace

Fields all_fields(std::string_view raw) {
  const auto text = archive::decode_text(raw);
  Fields out;
  const auto brace = text.find('{');
  if (brace != text.npos && brace < 512) {
    if (const auto value = parse_json(std::string_view(text).substr(brace))) {
      from_json(*value, "", out);
      if (!out.empty()) return out;
    }
  }
  auto xml = text.find("<?xml");
  if (xml == text.npos) xml = text.find("<AuditMessage");
  if (xml == text.npos) xml = text.find("<Event");
  if (xml != text.npos) {
    pugi::xml_document document;  // pugixml knows no outside entities
    if (document.load_buffer(text.data() + xml, text.size() - xml, pugi::parse_default,
                             pugi::encoding_utf8)) {
      from_xml(document.document_element(), "", out, 0);
      return out;
    }
  }
  for (auto equals = text.find('='); equals != text.npos && out.size() < kMost;
       equals = text.find('=', equals + 1)) {
    auto start = equals;
    while (start > 0 && (archive::class_of(text[start - 1]) != archive::kNone || text[start - 1] == '.' ||
                         text[start - 1] == '-'))
      --start;
    if (start == equals) continue;
    auto value = std::string_view(text).substr(equals + 1);
    if (!value.empty() && value[0] == '"')
      value = value.substr(1, value.find('"', 1) - 1);
    else
      value = value.substr(0, value.find_first_of(" ,;\t\r\n)"));
    add(out, text.substr(start, equals - start), std::string(value));
  }
  return out;
}

}  // namespace mamori::formats
