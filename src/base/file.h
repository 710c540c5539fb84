// Reading what is given to the program: its data files, what a person names. What is kept is written and read
// through os/.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mamori {

// Errors: base.file.missing, base.file.too-large (facts: file, limit), base.file.unreadable.
Result<std::string> read_file(const std::filesystem::path& file, std::size_t limit);

// A folder removed with everything in it when the object goes.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace mamori
