#include <set>

#include "readers/nmap/nmap.h"

// Every host has an address, and none is named twice.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto reading = mamori::readers::nmap::parse_xml({reinterpret_cast<const char*>(data), size});
  if (!reading) return 0;
  std::set<std::pair<std::string, std::string>> seen;
  for (const auto& fact : reading->sets[0].facts) {
    MAMORI_ASSERT(!mamori::text_of(fact, "ip").empty());
    MAMORI_ASSERT(seen.emplace(mamori::text_of(fact, "ip"), mamori::text_of(fact, "mac")).second);
  }
  return 0;
}
