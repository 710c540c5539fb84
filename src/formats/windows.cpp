// Windows events as XML (the form of Get-WinEvent's ToXml(), winlogbeat's and NXLog's raw XML).
#include "formats/detail.h"

namespace mamori::formats::detail {
namespace {

// What stands between `open` and `close` behind it.
std::string_view between(std::string_view text, std::string_view open, std::string_view close) {
  const auto at = text.find(open);
  if (at == text.npos) return {};
  const auto rest = text.substr(at + open.size());
  const auto end = rest.find(close);
  return end == rest.npos ? std::string_view() : rest.substr(0, end);
}

std::string_view element(std::string_view text, std::string_view open) {
  const auto at = text.find(open);
  if (at == text.npos) return {};
  auto rest = text.substr(at + open.size());
  const auto start = rest.find('>');
  if (start == rest.npos || (start > 0 && rest[start - 1] == '/')) return {};
  rest.remove_prefix(start + 1);
  return rest.substr(0, rest.find('<'));
}

}  // namespace

bool read_windows_event(std::string_view body, Event& event, const Context& context, Arena& arena) {
  if (!body.starts_with("<Event ") && !body.starts_with("<Event>")) return false;
  event[Field::kind] = "windows";
  auto stamp = between(body, "SystemTime=\"", "\"");
  if (stamp.empty()) stamp = between(body, "SystemTime='", "'");
  if (const auto time = parse_time(stamp, context.zone)) event.time = *time;
  event[Field::host] = {};
  offer(event, Field::host, element(body, "<Computer"));
  offer(event, Field::action, element(body, "<EventID"));
  const auto keywords = element(body, "<Keywords");
  if (keywords.starts_with("0x8010"))
    offer(event, Field::outcome, "failure");
  else if (keywords.starts_with("0x8020"))
    offer(event, Field::outcome, "success");
  // <Data Name="TargetUserName">…</Data>, in one walk.
  const auto data_at = body.find("<EventData");
  auto data = data_at == body.npos ? std::string_view() : body.substr(data_at);
  std::string_view target, subject, object, address, station;
  for (auto at = data.find(" Name="); at != data.npos; at = data.find(" Name=", at + 1)) {
    auto rest = data.substr(at + 6);
    if (rest.size() < 3) break;
    const auto quote = rest[0];
    const auto end = rest.find(quote, 1);
    if (end == rest.npos || end + 1 >= rest.size()) break;
    const auto name = rest.substr(1, end - 1);
    if (rest[end + 1] != '>') continue;
    const auto value = rest.substr(end + 2, rest.find('<', end) - end - 2);
    if (name == "TargetUserName")
      target = value;
    else if (name == "SubjectUserName" || name == "User")
      subject = value;
    else if (name == "IpAddress" || name == "SourceIp")
      address = value;
    else if (name == "WorkstationName")
      station = value;
    else if (name == "ObjectName" || name == "Image" || name == "NewProcessName" || name == "ServiceName")
      object = value;
  }
  const auto person = target.empty() || target == "-" ? subject : target;
  offer(event, Field::user, unescape_xml(person, arena));
  offer(event, Field::address, address);
  offer(event, Field::address, station);
  offer(event, Field::object, unescape_xml(object, arena));
  static constexpr std::string_view kLevels[] = {"6", "2", "3", "4",
                                                 "6", "7"};  // Windows: 0 log always, 1 critical … 5 verbose
  const auto level = element(body, "<Level");
  if (level.size() == 1 && level[0] >= '0' && level[0] <= '5')
    event[Field::severity] = level == "1"   ? "2"
                             : level == "2" ? "3"
                             : level == "3" ? "4"
                                            : kLevels[static_cast<std::size_t>(level[0] - '0')];
  return true;
}

}  // namespace mamori::formats::detail
