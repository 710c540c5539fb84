#include "report/report.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  MAMORI_ASSERT(!mamori::report::verify_package(
      {reinterpret_cast<const char*>(data), size}));  // nobody guesses a signature
  return 0;
}
