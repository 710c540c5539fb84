// The program's own log: one line each on standard error. An error is logged once, where it stops travelling.
#pragma once

#include <string_view>

namespace mamori::log {

enum class Level { debug, info, warning, error, off };
void set_level(Level level);
void info(std::string_view message);
void warning(std::string_view message);
void error(std::string_view message);

}  // namespace mamori::log
