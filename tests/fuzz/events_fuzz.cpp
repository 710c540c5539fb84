// Whatever a sender writes: normalised without a crash, its values within the message or the arena, its
// fields shown, its frames whole.
#include "formats/bodies.h"
#include "formats/detail.h"
#include "formats/fields.h"
#include "formats/framing.h"

using namespace mamori;
using namespace mamori::formats;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  archive::Arena arena;
  archive::Event event;
  event.raw = bytes;
  event.received = event.time = from_millis(1'700'000'000'000);
  detail::understand(event, {event.received, "LS-0001", "192.0.2.1"}, arena);
  MAMORI_ASSERT(event.raw == bytes);
  for (const auto value : event.fields) MAMORI_ASSERT(value.size() <= archive::kLongestField);
  std::vector<BulkItem> items;
  switch (data[0] % 8) {
    case 0: (void)parse_fhir(bytes, arena).has_value(); break;
    case 1: (void)parse_bulk(bytes, items, arena).has_value(); break;
    case 2: (void)parse_otlp_json(bytes, arena).has_value(); break;
    case 3: (void)parse_otlp_protobuf(bytes, arena).has_value(); break;
    case 4: (void)all_fields(bytes); break;
    case 5: (void)parse_fhir_xml(bytes).has_value(); break;
    case 6: {  // a mapping, a heading, a record of its file
      const auto first = bytes.find('\n'), second = first == bytes.npos ? first : bytes.find('\n', first + 1);
      if (second == bytes.npos) break;
      auto mapping = parse_mapping(std::string_view(bytes).substr(0, first));
      if (!mapping) break;
      if (!is_numbered(*mapping))
        mapping = with_heading(*mapping, std::string_view(bytes).substr(first + 1, second - first - 1));
      if (!mapping) break;
      const auto record = std::string_view(bytes).substr(second + 1);
      MAMORI_ASSERT(csv_record(record, 4096) <= record.size());
      event = {};
      event.raw = record;
      event.received = event.time = from_millis(1'700'000'000'000);
      detail::understand(event, {event.received, "LS-0001", "", std::chrono::minutes(540), &*mapping}, arena);
      for (const auto value : event.fields) MAMORI_ASSERT(value.size() <= archive::kLongestField);
      break;
    }
    default: {
      // The same frames, whatever the pieces in which they arrive; nothing but line ends is left out.
      Framer whole(4096);
      whole.feed(bytes);
      std::size_t total = 0;
      while (const auto message = whole.next()) total += message->size();
      while (const auto last = whole.finish()) total += last->size();
      MAMORI_ASSERT(total <= bytes.size());
    }
  }
  return 0;
}
