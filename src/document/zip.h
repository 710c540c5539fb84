// ZIP files in memory.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace mamori::document {

using ZipFiles = std::vector<std::pair<std::string, std::string>>;  // name, content, in order

Result<std::string> write_zip(const ZipFiles& files);
// Errors: document.zip.broken, document.zip.too-large (unpacked size over `limit` bytes).
Result<ZipFiles> read_zip(std::string_view bytes, std::size_t limit);

}  // namespace mamori::document
