#include "sheet/table.h"

// What was read, written and read again is the same table.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto table = mamori::sheet::read_csv({reinterpret_cast<const char*>(data), size});
  if (!table) return 0;
  const auto once = mamori::sheet::read_csv(mamori::sheet::write_csv(table->rows));
  if (!once) return 0;  // all cells empty: an empty file
  const auto twice = mamori::sheet::read_csv(mamori::sheet::write_csv(once->rows));
  MAMORI_ASSERT(twice && twice->rows.size() == once->rows.size());
  return 0;
}
