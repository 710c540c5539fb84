// Audit messages of DICOM (PS3.15 A.5) and RFC 3881, as IHE ATNA sends them. Read with a scanner of elements
// and attributes that never looks outside the text it was given: no entities are defined, no schema is
// fetched.
#include "base/text.h"
#include "formats/detail.h"

namespace mamori::formats::detail {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// The next start tag: its name without prefix, and its attributes as text. False at the end.
class Elements {
 public:
  explicit Elements(std::string_view text) : text_(text) {}
  bool next() {
    while (true) {
      const auto open = text_.find('<', at_);
      if (open == text_.npos || open + 1 >= text_.size()) return false;
      if (text_.substr(open).starts_with("<!--")) {
        const auto end = text_.find("-->", open);
        if (end == text_.npos) return false;
        at_ = end + 3;
        continue;
      }
      closing = text_[open + 1] == '/';
      if (text_[open + 1] == '?' || text_[open + 1] == '!') {
        at_ = open + 2;
        continue;
      }
      auto i = open + (closing ? 2 : 1);
      const auto start = i;
      while (i < text_.size() && !is_space(text_[i]) && text_[i] != '>' && text_[i] != '/') ++i;
      name = text_.substr(start, i - start);
      if (const auto colon = name.find(':'); colon != name.npos) name.remove_prefix(colon + 1);
      // A '>' inside quotes does not end the tag.
      const auto attributes_start = i;
      char quote = 0;
      for (; i < text_.size() && (quote != 0 || text_[i] != '>'); ++i) {
        if (quote != 0)
          quote = text_[i] == quote ? '\0' : quote;
        else if (text_[i] == '"' || text_[i] == '\'')
          quote = text_[i];
      }
      if (i == text_.size()) return false;
      attributes = text_.substr(attributes_start, i - attributes_start);
      empty = attributes.ends_with('/');
      at_ = i + 1;
      return true;
    }
  }
  std::string_view attribute(std::string_view wanted) const {
    for (auto at = attributes.find(wanted); at != attributes.npos; at = attributes.find(wanted, at + 1)) {
      if (at == 0 || !is_space(attributes[at - 1])) continue;
      auto i = at + wanted.size();
      while (i < attributes.size() && is_space(attributes[i])) ++i;
      if (i >= attributes.size() || attributes[i] != '=') continue;
      ++i;
      while (i < attributes.size() && is_space(attributes[i])) ++i;
      if (i >= attributes.size() || (attributes[i] != '"' && attributes[i] != '\'')) continue;
      const auto end = attributes.find(attributes[i], i + 1);
      if (end == attributes.npos) return {};
      return attributes.substr(i + 1, end - i - 1);
    }
    return {};
  }
  // Coded values: DICOM since 2012 csd-code and originalText, RFC 3881 code and displayName.
  std::string_view code() const {
    const auto csd = attribute("csd-code");
    return csd.empty() ? attribute("code") : csd;
  }
  std::string_view meaning() const {
    const auto display = attribute("displayName");
    return display.empty() ? attribute("originalText") : display;
  }

  std::string_view name, attributes;
  bool closing = false, empty = false;

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

std::string_view verb(std::string_view code) {
  if (code == "C") return "create";
  if (code == "R") return "read";
  if (code == "U") return "update";
  if (code == "D") return "delete";
  if (code == "E") return "execute";
  return {};
}

}  // namespace

bool read_audit_message(std::string_view body, Event& event, const Context& context, Arena& arena) {
  const auto start = body.substr(0, 2048).find("AuditMessage");
  if (start == body.npos) return false;
  Elements in(body);
  if (!in.next() || in.name != "AuditMessage") return false;
  event[Field::kind] = "atna";
  std::string_view action, event_meaning, type_meaning, type_code, user, first_user, address, patient, object,
      purpose;
  bool in_object = false, object_is_patient = false, in_purpose = false;
  while (in.next()) {
    if (in.closing) {
      if (in.name == "ParticipantObjectIdentification") in_object = false;
      if (in.name == "EventIdentification") in_purpose = false;
      continue;
    }
    if (in.name == "EventIdentification") {
      action = verb(in.attribute("EventActionCode"));
      if (const auto time = parse_time(in.attribute("EventDateTime"), context.zone)) event.time = *time;
      event[Field::outcome] = {};
      offer(event, Field::outcome, outcome_word(in.attribute("EventOutcomeIndicator")));
      in_purpose = !in.empty;
    } else if (in.name == "EventID") {
      event_meaning = in.meaning();
      if (event_meaning.empty()) event_meaning = in.code();
    } else if (in.name == "EventTypeCode") {
      type_code = in.code();
      type_meaning = in.meaning();
    } else if (in.name == "PurposeOfUse") {
      if (purpose.empty()) purpose = in.meaning().empty() ? in.code() : in.meaning();
    } else if (in.name == "ActiveParticipant") {
      const auto id = in.attribute("UserID");
      if (first_user.empty()) first_user = id;
      if (in.attribute("UserIsRequestor") == "true" && user.empty()) {
        user = id;
        address = in.attribute("NetworkAccessPointID");
      }
    } else if (in.name == "AuditSourceIdentification") {
      offer(event, Field::host, unescape_xml(in.attribute("AuditSourceID"), arena));
    } else if (in.name == "ParticipantObjectIdentification") {
      in_object = !in.empty;
      const auto id = in.attribute("ParticipantObjectID");
      // Type 1 person in role 1 patient; some senders say the role alone.
      object_is_patient = in.attribute("ParticipantObjectTypeCodeRole") == "1" &&
                          in.attribute("ParticipantObjectTypeCode") != "2";
      if (object_is_patient && patient.empty())
        patient = id;
      else if (!object_is_patient && object.empty())
        object = id;
    } else if (in.name == "ParticipantObjectIDTypeCode" && in_object && patient.empty()) {
      // RFC 3881 id type 2 is the patient number.
      if (in.code() == "2" &&
          (in.attribute("codeSystemName") == "RFC-3881" || in.meaning() == "Patient Number") &&
          !object.empty())
        patient = object;
    }
  }
  (void)in_purpose;
  // 110122 Login, 110123 Logout: the words that people search for.
  if (type_code == "110122")
    action = "login";
  else if (type_code == "110123")
    action = "logout";
  offer(event, Field::action, action);
  offer(event, Field::action, unescape_xml(event_meaning, arena));
  offer(event, Field::user, unescape_xml(user.empty() ? first_user : user, arena));
  offer(event, Field::address, unescape_xml(address, arena));
  offer(event, Field::patient, patient_number(unescape_xml(patient, arena)));
  if (patient == object) object = {};
  offer(event, Field::object, unescape_xml(object, arena));
  offer(event, Field::object, unescape_xml(type_meaning.empty() ? event_meaning : type_meaning, arena));
  offer(event, Field::purpose, unescape_xml(purpose, arena));
  return true;
}

}  // namespace mamori::formats::detail
