#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mamori {
namespace {

Error file_error(std::string code, const std::filesystem::path& file, int reason) {
  const auto kind = reason == ENOENT ? ErrorKind::not_found : ErrorKind::unavailable;
  return {kind, std::move(code), {{"file", file.string()}, {"reason", std::strerror(reason)}}};
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }

 private:
  int number_;
};

}  // namespace

Result<std::string> read_file(const std::filesystem::path& file, std::size_t limit) {
  const Descriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (in.get() < 0)
    return file_error(errno == ENOENT ? "base.file.missing" : "base.file.unreadable", file, errno);
  struct stat status {};
  if (::fstat(in.get(), &status) != 0) return file_error("base.file.unreadable", file, errno);
  if (S_ISDIR(status.st_mode)) return file_error("base.file.unreadable", file, EISDIR);
  const Error too_large{ErrorKind::exhausted,
                        "base.file.too-large",
                        {{"file", file.string()}, {"limit", std::to_string(limit >> 20)}}};
  if (static_cast<std::size_t>(status.st_size) > limit) return too_large;
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(status.st_size));
  char buffer[65536];
  while (true) {
    const auto count = ::read(in.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_error("base.file.unreadable", file, errno);
    if (count == 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(count));
    if (bytes.size() > limit) return too_large;
  }
}

TemporaryFolder::TemporaryFolder() {
  auto pattern = (std::filesystem::temp_directory_path() / "mamori-XXXXXX").string();
  MAMORI_ASSERT(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace mamori
