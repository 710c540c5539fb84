// CEF (ArcSight's Common Event Format), key=value payloads of firewalls and Unix programs, and the sentences
// of sshd.
#include "base/text.h"
#include "formats/detail.h"

namespace mamori::formats::detail {
namespace {

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

// Keys of FortiGate, CEF, Linux audit and PAM, Apache, SKYSEA and the like.
std::optional<Field> field_of(std::string_view key) {
  switch (key.size()) {
    case 2:
      if (key == "ip") return Field::address;
      break;
    case 3:
      if (key == "usr" || key == "uid") return key == "usr" ? std::optional(Field::user) : std::nullopt;
      if (key == "act") return Field::action;
      if (key == "src") return Field::address;
      break;
    case 4:
      if (key == "user" || key == "acct") return Field::user;
      break;
    case 5:
      if (key == "duser" || key == "suser" || key == "login") return Field::user;
      if (key == "srcip" || key == "rhost" || key == "raddr") return Field::address;
      if (key == "dhost" || key == "shost") return Field::host;
      break;
    case 6:
      if (key == "action") return Field::action;
      if (key == "result" || key == "status") return Field::outcome;
      if (key == "object") return Field::object;
      break;
    case 7:
      if (key == "devname" || key == "dvchost") return Field::host;
      if (key == "outcome") return Field::outcome;
      if (key == "patient") return Field::patient;
      if (key == "purpose") return Field::purpose;
      break;
    case 8:
      if (key == "username") return Field::user;
      if (key == "hostname") return Field::host;
      break;
    case 9:
      if (key == "patientid" || key == "PatientID" || key == "patientId") return Field::patient;
      break;
    case 10:
      if (key == "patient_id") return Field::patient;
      if (key == "terminalid") return Field::host;
      break;
    default: break;
  }
  return std::nullopt;
}

void set(Event& event, Field field, std::string_view value) {
  if (field == Field::outcome)
    value = outcome_word(value);
  else if (field == Field::patient)
    value = patient_number(value);
  offer(event, field, value);
}

// "for NAME from ADDRESS port …" and its kind.
void read_sshd(std::string_view body, Event& event) {
  const bool failed = body.find("Failed ") != body.npos || body.find("authentication failure") != body.npos ||
                      body.find("Invalid user") != body.npos || body.find("invalid user") != body.npos;
  const bool accepted = body.find("Accepted ") != body.npos || body.find("session opened") != body.npos;
  if (failed)
    offer(event, Field::outcome, "failure");
  else if (accepted)
    offer(event, Field::outcome, "success");
  if (failed || accepted) offer(event, Field::action, "login");
  static constexpr std::string_view kMarks[] = {"for invalid user ", "for user ", " for ", "nvalid user "};
  for (const auto mark : kMarks) {
    if (!failed && !accepted) break;
    const auto at = body.find(mark);
    if (at == body.npos) continue;
    const auto rest = body.substr(at + mark.size());
    const auto name = rest.substr(0, rest.find_first_of(" ;,"));
    if (name.find_first_of("[(") == name.npos && name.size() < 64) offer(event, Field::user, name);
    break;
  }
  if (const auto at = body.find(" from "); at != body.npos) {
    const auto rest = body.substr(at + 6);
    auto address = rest.substr(0, rest.find_first_of(" ;,"));
    if (address.ends_with(':')) address.remove_suffix(1);
    if (address.find_first_of(".:") != address.npos) offer(event, Field::address, address);
  }
}

// CEF:0|Vendor|Product|Version|Class|Name|Severity|extension
bool read_cef(std::string_view body, Event& event) {
  if (!body.starts_with("CEF:")) return false;
  std::size_t at = 4;
  std::string_view parts[7];
  for (auto& part : parts) {
    const auto start = at;
    while (at < body.size() && body[at] != '|') at += body[at] == '\\' ? 2 : 1;
    if (at >= body.size()) return false;
    part = body.substr(start, at - start);
    ++at;
  }
  event[Field::kind] = "cef";
  offer(event, Field::object, parts[5]);
  return true;
}

}  // namespace

bool read_pairs(std::string_view body, Event& event, const Context& context, Arena&) {
  const bool cef = read_cef(body, event);
  bool any = cef;
  std::string_view day, clock;
  for (auto equals = body.find('='); equals != body.npos; equals = body.find('=', equals + 1)) {
    auto start = equals;
    while (start > 0 && is_name(body[start - 1])) --start;
    const auto key = body.substr(start, equals - start);
    if (key.empty()) continue;
    const auto field = field_of(key);
    const bool date = key == "date" || key == "time" || key == "rt";
    if (!field && !date) continue;
    auto value = body.substr(equals + 1);
    if (!value.empty() && (value[0] == '"' || value[0] == '\''))
      value = value.substr(1, value.find(value[0], 1) - 1);
    else
      value = value.substr(0, value.find_first_of(" ,;\t\r\n)]"));
    if (field) {
      set(event, *field, value);
      any = true;
    } else if (key == "date") {
      day = value;
    } else if (key == "time") {
      clock = value;
    }
  }
  if (!day.empty() && !clock.empty() && day.size() + clock.size() < 40) {  // FortiGate
    if (const auto time = parse_time(std::string(day) + "T" + std::string(clock), context.zone))
      event.time = *time;
  }
  if (any && !cef && (event[Field::kind].empty() || !day.empty())) event[Field::kind] = "pairs";
  if (body.starts_with("sshd") || body.starts_with("Failed ") || body.starts_with("Accepted ") ||
      body.starts_with("Invalid user "))
    read_sshd(body, event);
  return any;
}

}  // namespace mamori::formats::detail
