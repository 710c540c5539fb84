#include "archive/archive.h"

#include <algorithm>

namespace mamori::archive {

std::vector<Damage> holes(const Stream& stream) {
  auto out = stream.damage();
  const auto only_beside = [](const Damage& one) {
    return one.what == "archive.damage.file" || one.what == "archive.damage.head" ||
           one.what == "archive.damage.filter" || one.what == "archive.damage.away";
  };
  std::erase_if(out, only_beside);
  return out;
}

bool is_stream_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

Result<std::vector<StreamName>> Archive::names(const std::string& facility) const {
  auto out = MAMORI_TRY(names());
  std::erase_if(out, [&](const StreamName& name) { return name.facility != facility; });
  return out;
}

}  // namespace mamori::archive
