// Where a repository is, in a grammar so narrow that nothing of it can become an option, a command or a
// pattern of the program that gets it; and which of them an installation lets its sources read.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace mamori::readers::backup {

enum class Kind { restic, borg, folder };

// /absolute/path                        all kinds
// ssh://[user@]host[:port]/path         borg
// sftp://[user@]host[:port]//path       restic (one slash: below the account's home)
// rest:http[s]://[user[:password]@]host[:port]/path  restic
struct Place {
  enum class Way { path, ssh, sftp, rest };
  Way way = Way::path;
  std::string scheme;  // of rest: http or https
  std::string user, password, host;
  int port = 0;      // 0: the usual one
  std::string path;  // absolute; without ".", ".." and a slash at the end

  std::string text() const;  // as the programs take it
};

std::optional<Place> parse_place(std::string_view text);
// Whether repositories of this kind can be there.
bool fits(Kind kind, const Place& place);
// The same account of the same host, and the same path or one below.
bool is_below(const Place& place, const Place& allowed);

// One in each line; empty lines and what follows a # count for nothing. No file: none. Errors:
// collect.backup.places (facts: file, line).
Result<std::vector<Place>> load_places(const std::filesystem::path& file);

// The place to read, links of this machine resolved, where it is one of `allowed` or below. Error:
// collect.backup.place (fact: repository).
Result<Place> allowed_place(const Place& wanted, const std::vector<Place>& allowed);

}  // namespace mamori::readers::backup
