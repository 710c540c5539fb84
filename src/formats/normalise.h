// From what a sender wrote to the normalised view (archive/event.h). Nothing here fails: what is not
// understood stays as it came, with the kind "text", and is found by its words. Formats: syslog (RFC 5424,
// RFC 3164 and what devices make of it), DICOM and IHE audit messages (PS3.15 A.5, RFC 3881), FHIR AuditEvent
// (DSTU2 to R5, JSON and XML), Windows events in XML, CEF, key=value, JSON; CSV and JSON whose fields the
// source has declared.
#pragma once

#include "archive/event.h"
#include "formats/mapping.h"

namespace mamori::formats {

struct Context {
  Instant received;
  std::string_view source;            // lives as long as the event
  std::string_view address;           // of the sender, where it came over the network; likewise
  std::chrono::minutes zone{9 * 60};  // of times that do not name theirs: Japan
  const Mapping* mapping = nullptr;   // what the source says of its fields; likewise
};

// Fills in everything but event.raw, which is given. Values point into event.raw or `arena`.
void normalise(archive::Event& event, const Context& context, archive::Arena& arena);

// Which version of the readers this is: another one where their source is another.
std::string_view reader_version();

// RFC 3339 and its relatives (blank for T, comma for point, +0900, no zone: `zone`), which must be the whole
// text. Fast.
std::optional<Instant> parse_time(std::string_view text, std::chrono::minutes zone);

}  // namespace mamori::formats
