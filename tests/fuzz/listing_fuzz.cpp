#include "readers/backup/backup.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto reading = mamori::readers::backup::parse_listing({reinterpret_cast<const char*>(data), size},
                                                              "r", mamori::from_millis(1795000000000));
  if (reading) MAMORI_ASSERT(mamori::integer_of(reading->sets[0].facts[0], "generations", -1) >= 0);
  return 0;
}
