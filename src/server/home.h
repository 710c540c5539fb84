// Where Mamori finds its own data files (registers, controls, texts) and the built web pages.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace mamori::server {

struct Home {
  std::filesystem::path data;  // registers/ controls/ frameworks/ texts/
  std::filesystem::path web;   // index.html …; may be absent (API only)
};

// `given`, else $MAMORI_HOME, else beside the program (an installed prefix or a build tree). Error:
// server.home.missing.
Result<Home> find_home(const std::filesystem::path& given);

}  // namespace mamori::server
