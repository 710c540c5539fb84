#include "base/log.h"

#include "base/result.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace mamori::log {
namespace {

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = spdlog::stderr_logger_mt("mamori");
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    return made;
  }();
  return *instance;
}

}  // namespace

void set_level(Level level) {
  switch (level) {
    case Level::debug: logger().set_level(spdlog::level::debug); return;
    case Level::info: logger().set_level(spdlog::level::info); return;
    case Level::warning: logger().set_level(spdlog::level::warn); return;
    case Level::error: logger().set_level(spdlog::level::err); return;
    case Level::off: logger().set_level(spdlog::level::off); return;
  }
  MAMORI_UNREACHABLE();
}

void info(std::string_view message) { logger().info("{}", message); }
void warning(std::string_view message) { logger().warn("{}", message); }
void error(std::string_view message) { logger().error("{}", message); }

}  // namespace mamori::log
