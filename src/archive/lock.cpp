#include "archive/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"

namespace mamori::archive {

Result<DirectoryLock> DirectoryLock::take(const std::filesystem::path& directory) {
  MAMORI_TRY(make_directory(directory));
  int file = ::open((directory / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file >= 0 && ::flock(file, LOCK_EX | LOCK_NB) != 0) {
    ::close(file);
    file = -1;
  }
  return DirectoryLock(file);
}

DirectoryLock::~DirectoryLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace mamori::archive
