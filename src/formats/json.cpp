// FHIR AuditEvent (DSTU2, STU3, R4, R5) and JSON lines of any program, among them the Elastic Common Schema.
#include <simdjson.h>

#include "formats/detail.h"

namespace mamori::formats::detail {
namespace {

using simdjson::dom::element;

// A member by path "a.b.0.c"; nothing where it is absent.
element none() { return {}; }
bool find(element from, std::string_view path, element& out) {
  out = from;
  while (!path.empty()) {
    const auto dot = path.find('.');
    const auto step = path.substr(0, dot);
    path.remove_prefix(dot == path.npos ? path.size() : dot + 1);
    if (step == "0" && !out.is_array()) continue;  // from XML a list of one is the thing itself
    if (out.is_array()) {
      if (step.size() != 1 || step[0] < '0' || step[0] > '9') return false;
      const auto index = static_cast<std::size_t>(step[0] - '0');
      if (out.get_array().at(index).get(out) != simdjson::SUCCESS) return false;
    } else if (out.is_object()) {
      if (out.get_object().at_key(step).get(out) != simdjson::SUCCESS) return false;
    } else {
      return false;
    }
  }
  return true;
}

// As text; numbers and booleans are written into the arena.
std::string_view text(element value, Arena& arena) {
  std::string_view out;
  if (value.get_string().get(out) == simdjson::SUCCESS) return arena.keep(out);
  std::int64_t number = 0;
  if (value.get_int64().get(number) == simdjson::SUCCESS) return arena.keep(std::to_string(number));
  bool truth = false;
  if (value.get_bool().get(truth) == simdjson::SUCCESS) return truth ? "true" : "false";
  return {};
}

std::string_view first_of(element from, std::initializer_list<std::string_view> paths, Arena& arena) {
  for (const auto path : paths) {
    element found = none();
    if (!find(from, path, found)) continue;
    const auto out = text(found, arena);
    if (!out.empty()) return out;
  }
  return {};
}

template <class Visit>
void each(element from, std::string_view path, Visit visit) {
  element list = none();
  if (!find(from, path, list)) return;
  simdjson::dom::array items;
  if (list.get_array().get(items) == simdjson::SUCCESS) {
    for (const auto item : items) visit(item);
  } else {
    visit(list);
  }
}

void read_fhir(element resource, Event& event, const Context& context, Arena& arena) {
  event[Field::kind] = "fhir";
  if (const auto time = parse_time(
          first_of(resource, {"recorded", "event.dateTime", "occurredDateTime"}, arena), context.zone))
    event.time = *time;
  const auto code = first_of(resource, {"action", "event.action"}, arena);
  std::string_view action = code == "C"   ? "create"
                            : code == "R" ? "read"
                            : code == "U" ? "update"
                            : code == "D" ? "delete"
                            : code == "E" ? "execute"
                                          : "";
  const auto subtype =
      first_of(resource, {"subtype.0.code", "event.subtype.0.code", "code.coding.0.code"}, arena);
  if (subtype == "110122")
    action = "login";
  else if (subtype == "110123")
    action = "logout";
  offer(event, Field::action, action);
  const auto type = first_of(resource,
                             {"type.display", "event.type.display", "category.0.coding.0.display",
                              "type.code", "event.type.code", "category.0.coding.0.code"},
                             arena);
  offer(event, Field::action, type);
  offer(event, Field::outcome,
        outcome_word(first_of(resource, {"outcome.code.code", "outcome", "event.outcome"}, arena)));
  offer(
      event, Field::purpose,
      first_of(resource,
               {"purposeOfEvent.0.coding.0.display", "purposeOfEvent.0.coding.0.code",
                "event.purposeOfEvent.0.display", "event.purposeOfEvent.0.code",
                "authorization.0.coding.0.display", "authorization.0.coding.0.code", "authorization.0.text"},
               arena));
  offer(event, Field::host,
        first_of(resource,
                 {"source.observer.display", "source.observer.identifier.value", "source.identifier.value",
                  "source.observer.reference", "source.site"},
                 arena));
  // The agent that asked; else the first.
  const auto agent = [&](element item) {
    offer(event, Field::user,
          first_of(item,
                   {"who.identifier.value", "userId.value", "altId", "who.display", "reference.display",
                    "who.reference", "reference.reference", "name"},
                   arena));
    offer(event, Field::address,
          first_of(item, {"network.address", "networkString", "networkUri", "networkReference.reference"},
                   arena));
    offer(event, Field::purpose,
          first_of(item,
                   {"purposeOfUse.0.coding.0.display", "purposeOfUse.0.coding.0.code",
                    "purposeOfUse.0.display", "purposeOfUse.0.code"},
                   arena));
  };
  for (const auto* path : {"agent", "participant"}) {
    each(resource, path, [&](element item) {
      bool requestor = false;
      element found = none();
      if (find(item, "requestor", found) && found.get_bool().get(requestor) == simdjson::SUCCESS && requestor)
        agent(item);
    });
    each(resource, path, agent);
  }
  std::string_view object;
  const auto entity = [&](element item) {
    const auto reference = first_of(item, {"what.reference", "reference.reference"}, arena);
    const auto role = first_of(item, {"role.code", "role.coding.0.code"}, arena);
    const auto identifier = first_of(item, {"what.identifier.value", "identifier.value"}, arena);
    if (role == "1" || reference.starts_with("Patient/") || reference.find("/Patient/") != reference.npos) {
      const bool is_reference = reference.find("Patient/") != reference.npos;
      offer(event, Field::patient,
            patient_number(is_reference         ? reference
                           : identifier.empty() ? reference
                                                : identifier));
    } else if (object.empty()) {
      object = reference.empty() ? identifier : reference;
      if (object.empty()) object = first_of(item, {"name", "what.display"}, arena);
    }
  };
  each(resource, "entity", entity);
  each(resource, "object", entity);
  offer(event, Field::patient,
        patient_number(first_of(resource, {"patient.reference", "patient.identifier.value"}, arena)));
  offer(event, Field::object, object);
  offer(event, Field::object, type);
}

// {"resource":…,"scope":…,"log":…}, as parse_otlp_*() makes it: attributes are lists of {key, value:
// {stringValue | intValue …}}.
void read_otlp(element root, Event& event, Arena& arena) {
  event[Field::kind] = "otlp";
  for (const auto* name : {"log.timeUnixNano", "log.observedTimeUnixNano"}) {
    const auto nanos = first_of(root, {name}, arena);
    if (nanos.size() < 10 || nanos.size() > 19 || nanos.find_first_not_of("0123456789") != nanos.npos)
      continue;
    event.time = from_millis(
        static_cast<std::int64_t>(std::strtoull(std::string(nanos).c_str(), nullptr, 10) / 1000000));
    break;
  }
  const auto attribute = [&](element pair) {
    const auto key = first_of(pair, {"key"}, arena);
    const auto value = first_of(pair, {"value.stringValue", "value.intValue", "value.boolValue"}, arena);
    if (key == "host.name")
      offer(event, Field::host, value);
    else if (key == "service.name")
      offer(event, Field::object, value);
    else if (key == "enduser.id" || key == "user.name" || key == "user.id" || key == "user")
      offer(event, Field::user, value);
    else if (key == "client.address" || key == "source.address" || key == "net.peer.ip")
      offer(event, Field::address, value);
    else if (key == "event.action" || key == "action" || key == "event.name")
      offer(event, Field::action, value);
    else if (key == "event.outcome" || key == "outcome")
      offer(event, Field::outcome, outcome_word(value));
    else if (key == "patient.id" || key == "patient")
      offer(event, Field::patient, patient_number(value));
  };
  each(root, "log.attributes", attribute);
  each(root, "resource.attributes", attribute);
  offer(event, Field::action, first_of(root, {"log.eventName"}, arena));
  // OpenTelemetry's numbers: 1–4 trace, 5–8 debug, 9–12 info, 13–16 warn, 17–20 error, 21–24 fatal.
  const auto number = first_of(root, {"log.severityNumber"}, arena);
  if (!number.empty() && number.size() <= 2) {
    const auto level = std::strtol(std::string(number).c_str(), nullptr, 10);
    event[Field::severity] = level >= 21   ? "2"
                             : level >= 17 ? "3"
                             : level >= 13 ? "4"
                             : level >= 9  ? "6"
                                           : "7";
  }
}

void read_any(element object, Event& event, const Context& context, Arena& arena) {
  event[Field::kind] = "json";
  const auto stamp =
      first_of(object, {"@timestamp", "timestamp", "time", "Timestamp", "eventTime", "ts", "date"}, arena);
  if (const auto time = parse_time(stamp, context.zone)) event.time = *time;
  offer(event, Field::user,
        first_of(object,
                 {"user.name", "user", "username", "userName", "user_id", "userId",
                  "winlog.event_data.TargetUserName", "winlog.event_data.SubjectUserName", "actor"},
                 arena));
  offer(event, Field::host,
        first_of(object,
                 {"host.name", "host.hostname", "host", "hostname", "computer_name", "winlog.computer_name",
                  "Computer"},
                 arena));
  offer(event, Field::action,
        first_of(object, {"event.action", "action", "event.code", "winlog.event_id", "EventID", "operation"},
                 arena));
  offer(event, Field::outcome,
        outcome_word(first_of(object, {"event.outcome", "outcome", "result", "status"}, arena)));
  offer(event, Field::address,
        first_of(object,
                 {"source.ip", "client.ip", "src_ip", "srcip", "remote_addr", "remoteAddress", "ip",
                  "winlog.event_data.IpAddress"},
                 arena));
  offer(event, Field::patient,
        patient_number(
            first_of(object, {"patient.id", "patient", "patient_id", "patientId", "PatientID"}, arena)));
  offer(event, Field::object,
        first_of(object, {"object", "file.path", "url.path", "process.name", "target"}, arena));
  offer(event, Field::purpose, first_of(object, {"purpose"}, arena));
}

}  // namespace

bool read_json(std::string_view body, Event& event, const Context& context, Arena& arena) {
  thread_local simdjson::dom::parser parser(archive::kLongestRaw + 1024);
  thread_local std::string padded;
  padded.assign(body);
  padded.append(simdjson::SIMDJSON_PADDING, '\0');
  element root = none();
  if (parser.parse(padded.data(), body.size(), false).get(root) != simdjson::SUCCESS || !root.is_object())
    return false;
  std::string_view type;
  if (root.get_object().at_key("resourceType").get_string().get(type) == simdjson::SUCCESS &&
      type == "AuditEvent")
    read_fhir(root, event, context, arena);
  else if (element log = none(), resource = none(); find(root, "log", log) &&
                                                    find(root, "resource", resource) && log.is_object() &&
                                                    resource.is_object())
    read_otlp(root, event, arena);
  else
    read_any(root, event, context, arena);
  if (context.mapping)
    for (const auto& entry : context.mapping->entries)
      set_mapped(event, entry, first_of(root, {entry.name}, arena), context);
  return true;
}

}  // namespace mamori::formats::detail
