#include "readers/nmap/nmap.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto reading = mamori::readers::nmap::parse_xml({reinterpret_cast<const char*>(data), size});
  if (reading)
    for (const auto& fact : reading->sets[0].facts) MAMORI_ASSERT(fact.contains("ip"));
  return 0;
}
