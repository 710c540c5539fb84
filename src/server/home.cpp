#include "server/home.h"

#include <cstdlib>

namespace mamori::server {

Result<Home> find_home(const std::filesystem::path& given) {
  std::vector<std::filesystem::path> candidates;
  if (!given.empty()) {
    candidates.push_back(given);
  } else {
    if (const char* variable = std::getenv("MAMORI_HOME")) candidates.emplace_back(variable);
    std::error_code failure;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", failure);
    candidates.push_back(program.parent_path().parent_path() / "share/mamori");  // PREFIX/bin/mamori
    candidates.push_back(
        program.parent_path().parent_path().parent_path().parent_path());  // build/PRESET/bin/mamori
  }
  for (const auto& candidate : candidates) {
    if (!std::filesystem::exists(candidate / "data/registers")) continue;
    return Home{candidate / "data", candidate / "web/dist"};  // what is built, and never its sources
  }
  return Error{ErrorKind::not_found, "server.home.missing", {{"tried", candidates.front().string()}}};
}

}  // namespace mamori::server
