#include "base/crypto.h"
#include "report/log_export.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (mamori::report::is_log_export(bytes)) (void)mamori::report::verify_logs(bytes).has_value();
  return 0;
}
