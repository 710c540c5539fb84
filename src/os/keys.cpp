#include "os/keys.h"

#include "os/file.h"

namespace mamori::os {
namespace {

// The secret in `file`, or a new one of `size` bytes written there.
Result<std::string> secret_in(const std::filesystem::path& file, std::size_t size, Disk& disk) {
  // Stands beside a key whose name may not be durable: whoever made it ended too early, or its folder could
  // not be synced, and then a later sync of the folder is not to be believed. What is signed or sealed with
  // it must be so for good, so it is written once more.
  auto unsure = file;
  unsure += ".unsure";
  const auto hex = read_file(file, 4096, disk);
  if (hex) {
    const auto bytes = from_hex(std::string_view(*hex).substr(0, hex->find('\n')));
    if (!bytes || bytes->size() != size)
      return Error{ErrorKind::corrupt, "base.key.damaged", {{"file", file.string()}}};
    if (MAMORI_TRY(disk.exists(unsure))) {
      MAMORI_TRY(write_file(file, *hex, Visibility::owner_only, disk));
      MAMORI_TRY(disk.remove(unsure));
    }
    return bytes;
  }
  if (hex.error().kind != ErrorKind::not_found) return hex.error();
  auto bytes = random_bytes(size);
  MAMORI_TRY(disk.open(unsure, Access::write));
  MAMORI_TRY(write_file(file, to_hex(bytes) + "\n", Visibility::owner_only, disk));
  MAMORI_TRY(disk.remove(unsure));
  return bytes;
}

}  // namespace

Result<SigningKey> open_or_make_signing_key(const std::filesystem::path& file, Disk& disk) {
  return SigningKey(Secret(MAMORI_TRY(secret_in(file, SigningKey::kSeed, disk))));
}

Result<Sealer> open_or_make_sealer(const std::filesystem::path& file, Disk& disk) {
  return Sealer(Secret(MAMORI_TRY(secret_in(file, Sealer::kKey, disk))));
}

}  // namespace mamori::os
