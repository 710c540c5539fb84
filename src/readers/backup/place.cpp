#include "readers/backup/place.h"

#include "base/file.h"
#include "base/text.h"
#include "readers/host.h"

namespace mamori::readers::backup {
namespace {

bool is_segment(std::string_view text) { return !text.empty() && text != "." && text != ".."; }

// Without what borg fills in ({now}) and takes for an archive (::).
std::optional<std::string> parse_path(std::string_view text, bool of_url) {
  if (!text.starts_with('/') || !is_utf8(text) || text.find("::") != text.npos) return std::nullopt;
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\' || c == '{' || c == '}')
      return std::nullopt;
  if (of_url && (text.find_first_of(" ?#%@\"'`$;&|<>()*!") != text.npos || text.starts_with("/~")))
    return std::nullopt;
  while (text.size() > 1 && text.ends_with('/')) text.remove_suffix(1);
  if (text != "/")
    for (const auto segment : split(text.substr(1), '/'))
      if (!is_segment(segment)) return std::nullopt;
  return std::string(text);
}

}  // namespace

std::string Place::text() const {
  if (way == Way::path) return path;
  std::string out = way == Way::ssh ? "ssh://" : way == Way::sftp ? "sftp://" : "rest:" + scheme + "://";
  if (!user.empty()) out += user + (password.empty() ? "" : ":" + password) + "@";
  out += host;
  if (port) out += ":" + std::to_string(port);
  return out + path;
}

std::optional<Place> parse_place(std::string_view text) {
  Place place;
  if (text.starts_with('/')) {
    auto path = parse_path(text, false);
    if (!path) return std::nullopt;
    place.path = std::move(*path);
    return place;
  }
  if (text.starts_with("rest:")) {
    place.way = Place::Way::rest;
    text.remove_prefix(5);
    place.scheme = text.starts_with("https://") ? "https" : "http";
  } else {
    place.way = text.starts_with("sftp://") ? Place::Way::sftp : Place::Way::ssh;
  }
  const std::string prefix = (place.way == Place::Way::rest   ? place.scheme
                              : place.way == Place::Way::sftp ? "sftp"
                                                              : "ssh") +
                             "://";
  if (!text.starts_with(prefix)) return std::nullopt;
  text.remove_prefix(prefix.size());
  const auto slash = text.find('/');
  if (slash == text.npos) return std::nullopt;
  auto server = text.substr(0, slash);
  auto rest = text.substr(slash);
  if (const auto at = server.find('@'); at != server.npos) {
    auto user = server.substr(0, at);
    server.remove_prefix(at + 1);
    if (const auto colon = user.find(':'); colon != user.npos) {
      place.password = user.substr(colon + 1);
      user = user.substr(0, colon);
      if (place.way != Place::Way::rest || !is_name(place.password, "-._~%")) return std::nullopt;
    }
    if (!is_name(user, "-._")) return std::nullopt;
    place.user = user;
  }
  if (const auto colon = server.find(':'); colon != server.npos) {
    const auto port = parse_port(server.substr(colon + 1));
    if (!port) return std::nullopt;
    place.port = *port;
    server = server.substr(0, colon);
  }
  if (!is_host(server)) return std::nullopt;
  place.host = to_lower_ascii(server);
  const bool from_root = place.way == Place::Way::sftp && rest.starts_with("//");
  auto path = parse_path(from_root ? rest.substr(1) : rest, true);
  if (!path) return std::nullopt;
  place.path = (from_root ? "/" : "") + *path;
  return place;
}

bool fits(Kind kind, const Place& place) {
  switch (place.way) {
    case Place::Way::path: return true;
    case Place::Way::ssh: return kind == Kind::borg;
    case Place::Way::sftp:
    case Place::Way::rest: return kind == Kind::restic;
  }
  MAMORI_UNREACHABLE();
}

bool is_below(const Place& place, const Place& allowed) {
  if (place.way != allowed.way || place.scheme != allowed.scheme || place.user != allowed.user ||
      place.host != allowed.host || place.port != allowed.port)
    return false;
  if (place.path.starts_with("//") != allowed.path.starts_with("//")) return false;  // sftp: root and home
  auto root = allowed.path;
  while (root.ends_with('/')) root.pop_back();
  return place.path == allowed.path || place.path.starts_with(root + "/");
}

Result<std::vector<Place>> load_places(const std::filesystem::path& file) {
  auto text = read_file(file, 1u << 20);
  if (!text) {
    if (text.error().code == "base.file.missing") return std::vector<Place>{};
    return text.error();
  }
  std::vector<Place> out;
  std::size_t number = 0;
  for (auto line : split(*text, '\n')) {
    ++number;
    line = trim(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    auto place = parse_place(line);
    if (!place)
      return Error{ErrorKind::invalid,
                   "collect.backup.places",
                   {{"file", file.string()}, {"line", std::to_string(number)}}};
    out.push_back(std::move(*place));
  }
  return out;
}

Result<Place> allowed_place(const Place& wanted, const std::vector<Place>& allowed) {
  auto place = wanted;
  const auto resolve = [](Place& one) {
    if (one.way != Place::Way::path) return true;
    std::error_code failure;
    auto path = std::filesystem::weakly_canonical(one.path, failure);
    if (failure) return false;
    one.path = path.string();
    return parse_place(one.path).has_value();
  };
  if (resolve(place))
    for (auto one : allowed)
      if (resolve(one) && is_below(place, one)) return place;
  return Error{ErrorKind::forbidden, "collect.backup.place", {{"repository", wanted.text()}}};
}

}  // namespace mamori::readers::backup
