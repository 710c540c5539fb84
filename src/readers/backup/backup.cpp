#include "readers/backup/backup.h"

#include <fnmatch.h>

#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "os/process.h"

namespace mamori::readers::backup {
namespace {

constexpr std::chrono::minutes kClocksDiffer{10};
// How a machine may be named in a list of them, and how many are named.
constexpr std::size_t kLongestHost = 100, kMostHosts = 50;

// What ssh does for borg and restic is to reach a host: nothing that its settings could start, no question.
constexpr const char* kSsh =
    "ssh -oBatchMode=yes -oProxyCommand=none -oPermitLocalCommand=no -oClearAllForwardings=yes";

// Of one machine.
struct Series {
  std::int64_t count = 0;
  std::optional<Instant> newest, oldest;
};

struct Generations {
  Instant now;
  std::map<std::string, Series> hosts = {};
  std::int64_t ahead = 0;  // of a time that has not come: made by a wrong clock, and no success
  std::optional<std::int64_t> bytes = {};
  std::optional<bool> encrypted = {};

  void add(const std::string& host, Instant at) {
    auto& series = hosts[host];
    if (at > now + kClocksDiffer) {
      ++ahead;
      return;
    }
    ++series.count;
    if (!series.newest || at > *series.newest) series.newest = at;
    if (!series.oldest || at < *series.oldest) series.oldest = at;
  }
  bool any() const { return !hosts.empty(); }
};

// A repository of several machines is as good as the one that is worst off: a fresh one must not hide one
// that has stopped.
void put_worst(json::object& fact, const Generations& generations) {
  std::int64_t fewest = 0;
  std::optional<Instant> newest, oldest;
  bool all = true, first = true;
  std::string list;
  std::size_t named = 0;
  for (const auto& [host, series] : generations.hosts) {
    fewest = first ? series.count : std::min(fewest, series.count);
    first = false;
    all = all && series.newest;
    if (series.newest && (!newest || *series.newest < *newest)) newest = series.newest;
    if (series.oldest && (!oldest || *series.oldest < *oldest)) oldest = series.oldest;
    if (++named <= kMostHosts)
      list += (list.empty() ? "" : ", ") + printable(host.empty() ? "?" : host, kLongestHost) + " " +
              (series.newest ? local_minute(*series.newest) : "-");
  }
  fact["generations"] = fewest;
  if (newest && all) fact["last_success_at"] = iso_instant(*newest);
  if (oldest) fact["oldest_at"] = iso_instant(*oldest);
  if (generations.hosts.size() > 1) fact["hosts"] = list;
  if (generations.ahead > 0) fact["ahead"] = generations.ahead;
}

Reading reading_of(const Generations& generations, std::string_view kind, const std::string& name,
                   bool append_only, std::string raw) {
  json::object fact = {{"repository", name}, {"kind", kind}, {"append_only", append_only}};
  put_worst(fact, generations);
  if (generations.bytes) fact["size_bytes"] = *generations.bytes;
  if (generations.encrypted) fact["encrypted"] = *generations.encrypted;
  Reading reading;
  reading.sets.push_back({"observed_backup", {std::move(fact)}});
  reading.raw = std::move(raw);
  reading.raw_kind = "json";
  return reading;
}

Error damaged(const std::string& repository, std::string reason) {
  return {ErrorKind::corrupt,
          "collect.backup.damaged",
          {{"repository", repository}, {"reason", std::move(reason)}}};
}

// "2026-11-20T03:00:00.123456789+09:00" (restic, Go) and "2026-11-20T03:00:00.000000" (borg 1: the local time
// of where it ran).
std::optional<Instant> parse_time(const std::string& text, std::string_view zone_where_unsaid) {
  const bool zoned = text.ends_with('Z') || text.find('+', 10) != text.npos || text.rfind('-') > 9;
  return parse_instant(zoned ? text : text + std::string(zone_where_unsaid));
}

// An interrupted backup is none: NAME.checkpoint, NAME.checkpoint.2 (borg).
bool is_checkpoint(std::string_view name) {
  const auto last = name.find_last_not_of("0123456789");
  if (last != name.npos && last + 1 < name.size() && name[last] == '.') name = name.substr(0, last);
  return name.ends_with(".checkpoint");
}

Result<Generations> from_restic(const json::value& value, Instant now) {
  Generations generations{now};
  generations.encrypted = true;             // every restic repository is
  if (value.is_null()) return generations;  // an empty one, before restic 0.11
  if (!value.is_array()) return Error{ErrorKind::invalid, "collect.backup.file"};
  const auto add = [&](const json::value& item) -> Status {
    const auto* object = item.if_object();
    const auto at = object ? parse_time(text_of(*object, "time"), "Z") : std::nullopt;
    if (!at) return Error{ErrorKind::invalid, "collect.backup.file"};
    generations.add(text_of(*object, "hostname"), *at);
    return {};
  };
  for (const auto& item : value.get_array()) {
    const auto* group = item.is_object() ? item.get_object().if_contains("snapshots") : nullptr;
    if (!group) {
      MAMORI_TRY(add(item));
    } else if (!group->is_array()) {  // --group-by: lists of them
      return Error{ErrorKind::invalid, "collect.backup.file"};
    } else {
      for (const auto& one : group->get_array()) MAMORI_TRY(add(one));
    }
  }
  return generations;
}

Result<Generations> from_borg(const json::object& object, Instant now, std::string_view zone_where_unsaid) {
  const auto* archives = object.if_contains("archives");
  if (!archives || !archives->is_array()) return Error{ErrorKind::invalid, "collect.backup.file"};
  Generations generations{now};
  if (const auto* encryption = object.if_contains("encryption"); encryption && encryption->is_object())
    generations.encrypted = text_of(encryption->get_object(), "mode") != "none";
  for (const auto& item : archives->get_array()) {
    if (!item.is_object()) return Error{ErrorKind::invalid, "collect.backup.file"};
    if (is_checkpoint(text_of(item.get_object(), "name"))) continue;
    const auto at = parse_time(text_of(item.get_object(), "time"), zone_where_unsaid);
    if (!at) return Error{ErrorKind::invalid, "collect.backup.file"};
    generations.add(text_of(item.get_object(), "hostname"), *at);
  }
  return generations;
}

Error failure_of(const os::ProcessResult& run, const Settings& settings) {
  const auto text = fold(is_utf8(run.err) ? run.err : "");
  const Facts facts = {{"repository", settings.name},
                       {"reason", std::string(head(is_utf8(run.err) ? trim(run.err) : "", 300))}};
  const auto says = [&](std::string_view part) { return text.find(part) != text.npos; };
  if (says("wrong password") || says("passphrase supplied") || says("incorrect") || says("no password") ||
      says("an empty password"))
    return {ErrorKind::unavailable, "collect.backup.password", facts};
  if (says("locked") || says("lock exists") || says("failed to create/acquire the lock"))
    return {ErrorKind::unavailable, "collect.backup.locked", facts};
  if (says("does not exist") || says("no such file") || says("is there a repository") ||
      says("not a valid repository") || says("unable to open config"))
    return {ErrorKind::not_found, "collect.backup.not-found", facts};
  if (says("integrity") || says("corrupt") || says("inconsisten") || says("damaged") ||
      says("hash does not match") || says("ciphertext verification failed") || says("invalid data") ||
      says("segment entry") || says("panic: "))
    return {ErrorKind::corrupt, "collect.backup.damaged", facts};
  return {ErrorKind::unavailable, "collect.backup.failed", facts};
}

Result<std::string> run(const std::vector<std::string>& words,
                        const std::map<std::string, std::string>& environment, const Settings& settings) {
  auto result =
      os::run_process(words, {.environment = environment, .limit = settings.limit, .stop = settings.stop});
  if (!result)
    return result.error().code == "base.process.missing"
               ? Error{ErrorKind::unavailable, "collect.backup.missing", {{"program", words[0]}}}
               : result.error();
  if (result->exit_code != 0) return failure_of(*result, settings);
  // restic lists what it can read and says the rest on standard error, with exit code 0.
  if (result->err.find("could not load") != std::string::npos)
    return damaged(settings.name, std::string(head(is_utf8(result->err) ? trim(result->err) : "", 300)));
  return std::move(result->out);
}

Result<Reading> read_restic(const Settings& settings, const Place& place) {
  const std::map<std::string, std::string> environment = {{"RESTIC_PASSWORD", settings.password.reveal()}};
  const auto call = [&](std::vector<std::string> command) {
    std::vector<std::string> words = {"restic", "-r", place.text(), "--no-lock", "--no-cache", "--json"};
    if (place.way == Place::Way::sftp) {
      auto ssh = std::string(kSsh);
      if (place.port) ssh += " -p " + std::to_string(place.port);
      if (!place.user.empty()) ssh += " -l " + place.user;
      words.insert(words.end(), {"-o", "sftp.command=" + ssh + " " + place.host + " -s sftp"});
    }
    words.insert(words.end(), command.begin(), command.end());
    return run(words, environment, settings);
  };
  const auto listing = MAMORI_TRY(call({"snapshots"}));
  const auto value = parse_json(listing);
  if (!value) return damaged(settings.name, "snapshots");
  auto generations = MAMORI_TRY(from_restic(*value, settings.now));
  if (generations.any()) {
    const auto stats = parse_json_object(MAMORI_TRY(call({"stats", "--mode", "raw-data"})));
    if (!stats) return damaged(settings.name, "stats");
    generations.bytes = integer_of(*stats, "total_size");
  }
  return reading_of(generations, "restic", settings.name, settings.append_only, listing);
}

// A folder in which borg finds the repository and may write: links to what is there, and its settings as a
// copy. False where there is no repository.
bool stand_in(const std::filesystem::path& repository, const std::filesystem::path& folder) {
  std::error_code failure;
  if (!std::filesystem::is_regular_file(repository / "config", failure)) return false;
  std::filesystem::create_directory(folder, failure);
  for (const auto& entry : std::filesystem::directory_iterator(repository, failure)) {
    const auto name = entry.path().filename();
    if (name == "lock.exclusive" || name == "lock.roster") continue;
    if (name == "config")
      std::filesystem::copy_file(entry.path(), folder / name, failure);
    else
      std::filesystem::create_symlink(entry.path(), folder / name, failure);
    if (failure) return false;
  }
  return !failure;
}

Result<Reading> read_borg(const Settings& settings, const Place& place) {
  const TemporaryFolder state;
  auto repository = place.text();
  if (place.way == Place::Way::path) {
    const auto folder = state.path() / "repository";
    if (stand_in(repository, folder)) repository = folder.string();
  }
  const std::map<std::string, std::string> environment = {
      {"BORG_PASSPHRASE", settings.password.reveal()},
      {"BORG_BASE_DIR", (state.path() / "state").string()},
      {"BORG_RSH", kSsh},
      {"TZ", "UTC"},
      {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes"},
      {"BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes"}};
  const auto listing =
      MAMORI_TRY(run({"borg", "--bypass-lock", "list", "--json", "--format", "{hostname}{time}", repository},
                     environment, settings));
  const auto value = parse_json_object(listing);
  if (!value) return damaged(settings.name, "list");
  auto generations = MAMORI_TRY(from_borg(*value, settings.now, "Z"));
  if (generations.any()) {
    const auto info = parse_json_object(
        MAMORI_TRY(run({"borg", "--bypass-lock", "info", "--json", repository}, environment, settings)));
    if (!info) return damaged(settings.name, "info");
    if (const auto* cache = info->if_contains("cache"); cache && cache->is_object())
      if (const auto* stats = cache->get_object().if_contains("stats"); stats && stats->is_object())
        generations.bytes = integer_of(stats->get_object(), "unique_csize");
  }
  return reading_of(generations, "borg", settings.name, settings.append_only, listing);
}

// What is still being written.
bool is_unfinished(std::string_view name) {
  return name.ends_with(".tmp") || name.ends_with(".part") || name.ends_with(".partial") ||
         name.ends_with(".filepart");
}

Result<Reading> read_folder(const Settings& settings, const Place& place) {
  std::error_code failure;
  Generations generations{settings.now};
  std::int64_t bytes = 0;
  json::array listing;
  auto walk = std::filesystem::directory_iterator(place.path, failure);
  if (failure)
    return Error{ErrorKind::not_found,
                 "collect.backup.not-found",
                 {{"repository", settings.name}, {"reason", failure.message()}}};
  for (const auto& entry : walk) {
    const auto name = entry.path().filename().string();
    // A link to the newest is no generation, and might lead out of here.
    if (entry.is_symlink(failure) || !entry.is_regular_file(failure) || is_unfinished(name) ||
        fnmatch(settings.pattern.c_str(), name.c_str(), FNM_PERIOD) != 0)
      continue;
    const auto size = static_cast<std::int64_t>(entry.file_size(failure));
    if (failure || size == 0) continue;  // an empty dump is a failed one
    const auto changed = entry.last_write_time(failure);
    if (failure) continue;
    const auto at = std::chrono::floor<std::chrono::milliseconds>(std::chrono::file_clock::to_sys(changed));
    generations.add("", at);
    bytes += size;
    listing.push_back(
        json::object{{"name", is_utf8(name) ? name : "?"}, {"size", size}, {"time", iso_instant(at)}});
  }
  generations.bytes = bytes;
  return reading_of(generations, "folder", settings.name, settings.append_only, json::serialize(listing));
}

}  // namespace

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::restic: return "restic";
    case Kind::borg: return "borg";
    case Kind::folder: return "folder";
  }
  MAMORI_UNREACHABLE();
}

std::optional<Kind> parse_kind(std::string_view name) {
  for (const auto kind : {Kind::restic, Kind::borg, Kind::folder})
    if (name_of(kind) == name) return kind;
  return std::nullopt;
}

Result<Reading> read_repository(const Settings& settings) {
  const auto wanted = parse_place(settings.repository);
  if (!wanted || !fits(settings.kind, *wanted))
    return Error{ErrorKind::invalid, "collect.backup.address", {{"repository", settings.name}}};
  const auto place = MAMORI_TRY(allowed_place(*wanted, settings.places));
  switch (settings.kind) {
    case Kind::restic: return read_restic(settings, place);
    case Kind::borg: return read_borg(settings, place);
    case Kind::folder: return read_folder(settings, place);
  }
  MAMORI_UNREACHABLE();
}

Result<Reading> parse_listing(std::string_view bytes, const std::string& name, Instant now) {
  const auto decoded = decode_japanese(bytes);
  if (!decoded) return Error{ErrorKind::invalid, "collect.backup.file"};
  const auto value = parse_json(decoded->text);
  if (!value) return Error{ErrorKind::invalid, "collect.backup.file"};
  if (value->is_array() || value->is_null()) {
    const auto generations = MAMORI_TRY(from_restic(*value, now));
    return reading_of(generations, "restic", name, false, std::string(bytes));
  }
  if (!value->is_object()) return Error{ErrorKind::invalid, "collect.backup.file"};
  const auto generations = MAMORI_TRY(from_borg(value->get_object(), now, "+09:00"));
  return reading_of(generations, "borg", name, false, std::string(bytes));
}

}  // namespace mamori::readers::backup
