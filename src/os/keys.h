// Keys in files of mode 0600, made at first use and durable before they are used.
#pragma once

#include "base/crypto.h"
#include "os/disk.h"

namespace mamori::os {

// Errors: base.key.damaged (fact: file), os.disk.*.
Result<SigningKey> open_or_make_signing_key(const std::filesystem::path& file, Disk& disk = Disk::real());
Result<Sealer> open_or_make_sealer(const std::filesystem::path& file, Disk& disk = Disk::real());

}  // namespace mamori::os
