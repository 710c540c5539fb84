// Backup repositories, read only: restic, borg, plain folders of dumps.
#pragma once

#include <stop_token>

#include "base/crypto.h"
#include "base/time.h"
#include "readers/backup/place.h"
#include "readers/reading.h"

namespace mamori::readers::backup {

std::string_view name_of(Kind kind);
std::optional<Kind> parse_kind(std::string_view name);

struct Settings {
  Kind kind = Kind::folder;
  std::string repository;  // see place.h
  std::string name;        // as the ledger's backup jobs call it
  Secret password;
  std::string pattern = "*";  // folder: which files are dumps
  bool append_only = false;   // recorded by the user: the repository refuses deletion
  std::chrono::seconds limit{300};
  std::stop_token stop = {};
  std::vector<Place> places = {};  // that may be read
  Instant now;                     // a snapshot of later was made by a wrong clock
};

// Nothing is written to the repository: no locks (--no-lock, --bypass-lock), caches and borg's state in a
// temporary folder; what borg would write beside its segments (a missing index) goes there too, where the
// repository is on this machine. Errors: collect.backup.address, collect.backup.place,
// collect.backup.missing (the program), collect.backup.not-found, collect.backup.password,
// collect.backup.locked, collect.backup.damaged, collect.backup.failed (facts: repository, reason).
Result<Reading> read_repository(const Settings& settings);

// The output of `restic snapshots --json` or `borg list --json`, carried here as a file; borg's times without
// a zone are those of a machine in Japan. Error: collect.backup.file.
Result<Reading> parse_listing(std::string_view text, const std::string& name, Instant now);

}  // namespace mamori::readers::backup
