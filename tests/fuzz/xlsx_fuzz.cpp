#include "sheet/table.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto tables = mamori::sheet::read_xlsx({reinterpret_cast<const char*>(data), size},
                                               {.unpacked = 8u << 20, .rows = 5000});
  if (tables)
    for (const auto& table : *tables) MAMORI_ASSERT(table.rows.size() <= 5000);
  return 0;
}
