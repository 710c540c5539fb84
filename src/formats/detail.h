// What the readers of the single formats share.
#pragma once

#include "formats/normalise.h"

namespace mamori::formats::detail {

using archive::Arena;
using archive::Event;
using archive::Field;

// normalise() without its net; event.received, event.time and the source are filled in already.
void understand(Event& event, const Context& context, Arena& arena);

// Sets a field that has no value yet, cut to what the archive keeps.
inline void offer(Event& event, Field field, std::string_view value) {
  if (event[field].empty() && !value.empty() && value != "-")
    event[field] = value.substr(0, archive::kLongestField);
}

// What the source has declared of its fields; values stay where they are.
void set_mapped(Event& event, const Mapping::Entry& entry, std::string_view value, const Context& context);

// Each takes the body of a message; false where it is not of this format.
bool read_audit_message(std::string_view body, Event& event, const Context& context,
                        Arena& arena);  // atna.cpp
bool read_windows_event(std::string_view body, Event& event, const Context& context,
                        Arena& arena);  // windows.cpp
bool read_json(std::string_view body, Event& event, const Context& context,
               Arena& arena);  // json.cpp; FHIR and any other
bool read_fhir_xml(std::string_view body, Event& event, const Context& context,
                   Arena& arena);  // fhir_xml.cpp
bool read_pairs(std::string_view body, Event& event, const Context& context,
                Arena& arena);  // pairs.cpp; CEF and key=value
// The header of a syslog message; what follows it. No header: all of `raw`.
std::string_view read_syslog(std::string_view raw, Event& event, const Context& context);  // syslog.cpp

// "success", "failure" or "" for the words and codes that senders use.
std::string_view outcome_word(std::string_view text);
// HL7's composite "12345^^^&1.2.3&ISO", FHIR's "Patient/12345": the number alone.
std::string_view patient_number(std::string_view text);
// &amp; and its like, &#x3042;: decoded into `arena` where there are any.
std::string_view unescape_xml(std::string_view text, Arena& arena);

}  // namespace mamori::formats::detail
