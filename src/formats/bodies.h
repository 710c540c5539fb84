// Events out of the bodies of HTTP requests and of files.
#pragma once

#include "formats/normalise.h"

namespace mamori::formats {

// One event found in a body: its bytes exactly as they stand there, which view into it or into the arena.
struct Found {
  std::string_view raw;
  std::size_t line = 0;  // from 1, in line-wise bodies
};
// What is no event of its format. It is kept all the same, as it came (Logs::accept).
struct Refused {
  std::size_t line = 0;  // or number of the entry, from 1; 0 = the body
  std::string code;      // of data/texts
  std::string_view raw = {};
};
struct Bodies {
  std::vector<Found> events;
  std::vector<Refused> refused;
  std::string bundle = {};  // FHIR: its type, where it is a Bundle (batch, transaction, collection)
};

// FHIR: an AuditEvent or a Bundle of them (batch, transaction, collection). Error: collect.events.fhir.
Result<Bodies> parse_fhir(std::string_view body, archive::Arena& arena);
// The same as XML; events view into `body`. Error: collect.events.fhir.
Result<Bodies> parse_fhir_xml(std::string_view body);
// Elasticsearch _bulk: pairs of lines, action and document; only create and index carry an event. Refused
// ones keep their place, since the answer names every item. Error: collect.events.bulk (fact: line).
struct BulkItem {
  std::string action;  // create or index
  std::string index;
  std::optional<std::size_t> event;  // which of bodies.events; none = refused
};
Result<Bodies> parse_bulk(std::string_view body, std::vector<BulkItem>& items, archive::Arena& arena);
// OTLP/HTTP logs (opentelemetry-proto 1.x), JSON and protobuf. The event's bytes are
// {"resource":…,"scope":…,"log":…} with what the sender wrote in each place; protobuf is put into OTLP's JSON
// form first. Error: collect.events.otlp.
Result<Bodies> parse_otlp_json(std::string_view body, archive::Arena& arena);
Result<Bodies> parse_otlp_protobuf(std::string_view body, archive::Arena& arena);
// One event a line; of a JSON array of objects (the whole body, or a line of it) each element; a body that is
// one JSON object, over however many lines. Events view into `body`.
Bodies parse_lines(std::string_view body);

}  // namespace mamori::formats
