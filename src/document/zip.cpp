#include "document/zip.h"

#include <zip.h>

#include <memory>

#include "base/file.h"

namespace mamori::document {
namespace {

constexpr zip_int64_t kMostFiles = 100'000;

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct Close {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

}  // namespace

Result<std::string> write_zip(const ZipFiles& files) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "out.zip";
  int failure = 0;
  std::unique_ptr<zip_t, Discard> archive(zip_open(path.c_str(), ZIP_CREATE | ZIP_EXCL, &failure));
  const Error unwritable{ErrorKind::exhausted, "document.zip.unwritable"};
  if (!archive) return unwritable;
  for (const auto& [name, content] : files) {
    auto* source = zip_source_buffer(archive.get(), content.data(), content.size(), 0);
    if (!source) return unwritable;
    if (zip_file_add(archive.get(), name.c_str(), source, ZIP_FL_ENC_UTF_8) < 0) {
      MAMORI_ASSERT(zip_error_code_zip(zip_get_error(archive.get())) !=
                    ZIP_ER_EXISTS);  // a name twice is our mistake, no full disk
      zip_source_free(source);
      return unwritable;
    }
  }
  if (zip_close(archive.get()) != 0) return unwritable;
  static_cast<void>(archive.release());
  return read_file(path, std::size_t{2} << 30);
}

Result<ZipFiles> read_zip(std::string_view bytes, std::size_t limit) {
  const Error broken{ErrorKind::corrupt, "document.zip.broken"};
  if (bytes.empty()) return broken;  // libzip reads nothing as an archive without files
  zip_error_t failure;
  zip_error_init(&failure);
  auto* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &failure);
  std::unique_ptr<zip_t, Discard> archive(
      source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &failure) : nullptr);
  if (!archive && source) zip_source_free(source);
  zip_error_fini(&failure);
  if (!archive) return broken;
  const auto count = zip_get_num_entries(archive.get(), 0);
  if (count > kMostFiles) return Error{ErrorKind::exhausted, "document.zip.too-large"};
  ZipFiles files;
  std::size_t total = 0;
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* name = zip_get_name(archive.get(), static_cast<zip_uint64_t>(i), 0);
    const std::unique_ptr<zip_file_t, Close> file(
        zip_fopen_index(archive.get(), static_cast<zip_uint64_t>(i), 0));
    if (!name || !file) return broken;
    std::string content;
    char buffer[65536];
    while (true) {
      const auto read = zip_fread(file.get(), buffer, sizeof buffer);
      if (read < 0) return Error{ErrorKind::corrupt, "document.zip.damaged", {{"file", name}}};
      if (read == 0) break;
      total += static_cast<std::size_t>(read);
      if (total > limit) return Error{ErrorKind::exhausted, "document.zip.too-large"};
      content.append(buffer, static_cast<std::size_t>(read));
    }
    files.emplace_back(name, std::move(content));
  }
  return files;
}

}  // namespace mamori::document
