#include "base/text.h"
#include "base/time.h"
#include "readers/backup/backup.h"

// No listing tells of a success to come or of generations without one. A place is written as it was read, and
// nothing of it is an option.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace mamori;
  namespace backup = readers::backup;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto now = from_millis(1795000000000);
  if (const auto reading = backup::parse_listing(text, "r", now)) {
    const auto& fact = reading->sets[0].facts[0];
    const auto count = integer_of(fact, "generations", -1);
    MAMORI_ASSERT(count >= 0);
    if (fact.contains("last_success_at")) {
      const auto at = parse_instant(text_of(fact, "last_success_at"));
      MAMORI_ASSERT(!at || *at <= now + std::chrono::minutes(10));
    } else {
      MAMORI_ASSERT(count == 0);
    }
  }
  if (const auto place = backup::parse_place(text)) {
    const auto again = backup::parse_place(place->text());
    MAMORI_ASSERT(again && again->text() == place->text());
    MAMORI_ASSERT(!place->text().starts_with('-') && !place->host.starts_with('-') &&
                  !place->user.starts_with('-'));
    MAMORI_ASSERT(place->path.starts_with('/') && place->path.find("/../") == std::string::npos &&
                  !place->path.ends_with("/.."));
    MAMORI_ASSERT(backup::is_below(*place, *place));
  }
  return 0;
}
