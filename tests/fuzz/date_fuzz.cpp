#include "base/text.h"
#include "base/time.h"

// A day that was read is a real day, and its ISO form reads as the same day.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto date = mamori::parse_loose_date(text)) {
    MAMORI_ASSERT(date->ok());
    MAMORI_ASSERT(mamori::parse_loose_date(mamori::iso_date(*date)) == date);
  }
  static_cast<void>(mamori::parse_instant(text));
  static_cast<void>(mamori::parse_duration(text));
  if (mamori::is_utf8(text)) static_cast<void>(mamori::fold_heading(text));
  static_cast<void>(mamori::decode_japanese(text).has_value());
  return 0;
}
