#include <set>

#include "base/text.h"
#include "readers/ldap/entry.h"

namespace mamori::readers::ldap {
namespace {

constexpr std::size_t kMostLines = 20'000'000;

bool needs_base64(std::string_view value) {
  if (value.empty()) return false;
  if (value.front() == ' ' || value.front() == ':' || value.front() == '<' || value.back() == ' ')
    return true;
  for (const char c : value)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7E) return true;
  return false;
}

void write_line(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += needs_base64(value) ? ":: " + to_base64(value) : ": " + std::string(value);
  out += '\n';
}

// What ldapsearch writes below the entries, unless it was told not to (-LLL).
const std::set<std::string_view> kOfSearch = {"search",       "result",    "ref", "control",
                                              "pagedresults", "matcheddn", "text"};

// "0 Success"
bool is_success(std::string_view result) { return result == "0" || result.starts_with("0 "); }

}  // namespace

std::string Entry::first(const std::string& name) const {
  const auto found = attributes.find(name);
  return found == attributes.end() || found->second.empty() ? "" : found->second[0];
}

bool Entry::has_class(std::string_view name) const {
  const auto found = attributes.find("objectclass");
  if (found == attributes.end()) return false;
  for (const auto& value : found->second)
    if (to_lower_ascii(value) == to_lower_ascii(name)) return true;
  return false;
}

std::string sid_text(std::string_view value) {
  const auto byte = [&](std::size_t i) -> std::uint32_t { return static_cast<unsigned char>(value[i]); };
  if (value.size() < 8 || byte(0) != 1 || value.size() != 8 + 4u * byte(1)) return std::string(value);
  std::uint64_t authority = 0;
  for (std::size_t i = 2; i < 8; ++i) authority = authority << 8 | byte(i);
  std::string out = "S-1-" + std::to_string(authority);
  for (std::size_t i = 8; i < value.size(); i += 4)
    out += "-" + std::to_string(byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24);
  return out;
}

Result<Directory> parse_ldif(std::string_view bytes) {
  // PowerShell and Notepad put marks before it, or write UTF-16.
  std::string converted;
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF")) {
    auto decoded = decode_japanese(bytes);
    if (!decoded) return Error{ErrorKind::invalid, "collect.ldif.bad", {{"line", "1"}}};
    converted = std::move(decoded->text);
  }
  std::string_view text = converted.empty() ? bytes : converted;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Directory directory;
  const auto bad = [](std::size_t line) {
    return Error{ErrorKind::invalid, "collect.ldif.bad", {{"line", std::to_string(line)}}};
  };
  Entry entry;
  std::string logical;
  std::size_t line_number = 0, logical_line = 0;
  const auto finish_entry = [&] {
    if (!entry.dn.empty()) directory.entries.push_back(std::move(entry));
    entry = {};
  };
  const auto finish_line = [&]() -> Status {
    if (logical.empty()) return {};
    const std::string line = std::exchange(logical, {});
    if (line[0] == '#') return {};
    const auto colon = line.find(':');
    if (colon == line.npos || colon == 0) return bad(logical_line);
    auto name = to_lower_ascii(std::string_view(line).substr(0, colon));
    name = name.substr(0, name.find(';'));
    // RFC 4512 2.5: a name or an OID
    if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") != name.npos)
      return bad(logical_line);
    std::string_view rest = std::string_view(line).substr(colon + 1);
    std::string value;
    if (rest.starts_with(":")) {
      auto decoded = from_base64(trim(rest.substr(1)));
      if (!decoded) return bad(logical_line);
      value = std::move(decoded).take();
    } else if (rest.starts_with("<")) {
      return bad(logical_line);  // a URL to fetch: never
    } else {
      value = std::string(trim(rest));
    }
    if (name == "objectsid") value = sid_text(value);
    if (!is_utf8(value)) return {};  // binary attributes (objectGUID, photos) are of no use here
    if (name == "dn") {
      if (!entry.dn.empty()) return bad(logical_line);
      entry.dn = value;
    } else if (name != "version" || !entry.dn.empty()) {
      if (entry.dn.empty() && !kOfSearch.contains(name)) return bad(logical_line);
      if (entry.dn.empty()) {
        if (name == "result" && !is_success(value))
          return Error{ErrorKind::invalid, "collect.ldif.result", {{"result", printable(value, 200)}}};
        return {};
      }
      entry.attributes[name].push_back(std::move(value));
    }
    return {};
  };
  for (const auto raw : split(text, '\n')) {
    if (++line_number > kMostLines) return bad(line_number);
    auto line = raw;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with(' ')) {
      if (logical.empty()) return bad(line_number);
      logical += line.substr(1);
      continue;
    }
    MAMORI_TRY(finish_line());
    if (line.empty()) {
      finish_entry();
      continue;
    }
    logical = line;
    logical_line = line_number;
  }
  MAMORI_TRY(finish_line());
  finish_entry();
  if (directory.entries.empty()) return bad(1);
  return directory;
}

std::string write_ldif(const Directory& directory) {
  std::string out = "version: 1\n";
  for (const auto& entry : directory.entries) {
    out += '\n';
    write_line(out, "dn", entry.dn);
    for (const auto& [name, values] : entry.attributes) {
      if (name.find("password") != name.npos || name == "unicodepwd") continue;
      for (const auto& value : values) write_line(out, name, value);
    }
  }
  return out;
}

}  // namespace mamori::readers::ldap
