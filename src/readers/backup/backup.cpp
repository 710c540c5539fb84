#include "readers/backup/backup.h"

#include <fnmatch.h>

#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "os/process.h"

namespace mamori::readers::backup {
namespace {

struct Generations {
  std::size_t count = 0;
  std::optional<Instant> newest, oldest;
  std::optional<std::int64_t> bytes;
  std::optional<bool> encrypted;

  void add(Instant at) {
    ++count;
    if (!newest || at > *newest) newest = at;
    if (!oldest || at < *oldest) oldest = at;
  }
};

Reading reading_of(const Generations& generations, std::string_view kind, const std::string& name,
                   bool append_only, std::string raw) {
  json::object fact = {{"repository", name},
                       {"kind", kind},
                       {"generations", static_cast<std::int64_t>(generations.count)},
                       {"append_only", append_only}};
  if (generations.newest) fact["last_success_at"] = iso_instant(*generations.newest);
  if (generations.oldest) fact["oldest_at"] = iso_instant(*generations.oldest);
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

// "2026-11-20T03:00:00.123456789+09:00" (restic, Go) and "2026-11-20T03:00:00.000000" (borg, local time of
// the machine: UTC here).
std::optional<Instant> parse_time(const std::string& text, bool utc_where_unsaid) {
  const bool zoned = text.ends_with('Z') || text.find('+', 10) != text.npos || text.rfind('-') > 9;
  return parse_instant(zoned || !utc_where_unsaid ? text : text + "Z");
}

Result<Generations> from_restic(const json::value& value) {
  if (!value.is_array()) return Error{ErrorKind::invalid, "collect.backup.file"};
  Generations generations;
  generations.encrypted = true;  // every restic repository is
  for (const auto& item : value.get_array()) {
    if (!item.is_object()) return Error{ErrorKind::invalid, "collect.backup.file"};
    const auto at = parse_time(text_of(item.get_object(), "time"), false);
    if (!at) return Error{ErrorKind::invalid, "collect.backup.file"};
    generations.add(*at);
  }
  return generations;
}

Result<Generations> from_borg(const json::object& object) {
  const auto* archives = object.if_contains("archives");
  if (!archives || !archives->is_array()) return Error{ErrorKind::invalid, "collect.backup.file"};
  Generations generations;
  if (const auto* encryption = object.if_contains("encryption"); encryption && encryption->is_object())
    generations.encrypted = text_of(encryption->get_object(), "mode") != "none";
  for (const auto& item : archives->get_array()) {
    if (!item.is_object()) return Error{ErrorKind::invalid, "collect.backup.file"};
    const auto name = text_of(item.get_object(), "name");
    if (name.ends_with(".checkpoint")) continue;  // an interrupted backup is none
    const auto at = parse_time(text_of(item.get_object(), "time"), true);
    if (!at) return Error{ErrorKind::invalid, "collect.backup.file"};
    generations.add(*at);
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
  if (says("integrity") || says("corrupt") || says("inconsistent") || says("damaged") ||
      says("hash does not match") || says("ciphertext verification failed") || says("invalid data") ||
      says("segment entry"))
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

Result<Reading> read_restic(const Settings& settings) {
  const std::map<std::string, std::string> environment = {{"RESTIC_PASSWORD", settings.password.reveal()}};
  const auto call = [&](std::vector<std::string> command) {
    std::vector<std::string> words = {"restic",    "-r",         settings.repository,
                                      "--no-lock", "--no-cache", "--json"};
    words.insert(words.end(), command.begin(), command.end());
    return run(words, environment, settings);
  };
  const auto listing = MAMORI_TRY(call({"snapshots"}));
  const auto value = parse_json(listing);
  if (!value) return damaged(settings.name, "snapshots");
  auto generations = MAMORI_TRY(from_restic(*value));
  if (generations.count > 0) {
    const auto stats = parse_json_object(MAMORI_TRY(call({"stats", "--mode", "raw-data"})));
    if (!stats) return damaged(settings.name, "stats");
    generations.bytes = integer_of(*stats, "total_size");
  }
  return reading_of(generations, "restic", settings.name, settings.append_only, listing);
}

Result<Reading> read_borg(const Settings& settings) {
  const TemporaryFolder state;
  const std::map<std::string, std::string> environment = {
      {"BORG_PASSPHRASE", settings.password.reveal()},
      {"BORG_BASE_DIR", state.path().string()},
      {"TZ", "UTC"},
      {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes"},
      {"BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes"}};
  const auto listing = MAMORI_TRY(
      run({"borg", "--bypass-lock", "list", "--json", settings.repository}, environment, settings));
  const auto value = parse_json_object(listing);
  if (!value) return damaged(settings.name, "list");
  auto generations = MAMORI_TRY(from_borg(*value));
  if (generations.count > 0) {
    const auto info = parse_json_object(MAMORI_TRY(
        run({"borg", "--bypass-lock", "info", "--json", settings.repository}, environment, settings)));
    if (!info) return damaged(settings.name, "info");
    if (const auto* cache = info->if_contains("cache"); cache && cache->is_object())
      if (const auto* stats = cache->get_object().if_contains("stats"); stats && stats->is_object())
        generations.bytes = integer_of(stats->get_object(), "unique_csize");
  }
  return reading_of(generations, "borg", settings.name, settings.append_only, listing);
}

Result<Reading> read_folder(const Settings& settings) {
  std::error_code failure;
  Generations generations;
  std::int64_t bytes = 0;
  json::array listing;
  auto walk = std::filesystem::directory_iterator(settings.repository, failure);
  if (failure)
    return Error{ErrorKind::not_found,
                 "collect.backup.not-found",
                 {{"repository", settings.name}, {"reason", failure.message()}}};
  for (const auto& entry : walk) {
    const auto name = entry.path().filename().string();
    if (!entry.is_regular_file(failure) || fnmatch(settings.pattern.c_str(), name.c_str(), FNM_PERIOD) != 0)
      continue;
    const auto size = static_cast<std::int64_t>(entry.file_size(failure));
    if (failure || size == 0) continue;  // an empty dump is a failed one
    const auto changed = entry.last_write_time(failure);
    if (failure) continue;
    const auto at = std::chrono::floor<std::chrono::milliseconds>(std::chrono::file_clock::to_sys(changed));
    generations.add(at);
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
  if (settings.repository.empty() || settings.repository.starts_with('-'))
    return Error{ErrorKind::not_found,
                 "collect.backup.not-found",
                 {{"repository", settings.repository}, {"reason", ""}}};
  switch (settings.kind) {
    case Kind::restic: return read_restic(settings);
    case Kind::borg: return read_borg(settings);
    case Kind::folder: return read_folder(settings);
  }
  MAMORI_UNREACHABLE();
}

Result<Reading> parse_listing(std::string_view text, const std::string& name) {
  const auto value = parse_json(text);
  if (!value) return Error{ErrorKind::invalid, "collect.backup.file"};
  if (value->is_array()) {
    const auto generations = MAMORI_TRY(from_restic(*value));
    return reading_of(generations, "restic", name, false, std::string(text));
  }
  if (!value->is_object()) return Error{ErrorKind::invalid, "collect.backup.file"};
  const auto generations = MAMORI_TRY(from_borg(value->get_object()));
  return reading_of(generations, "borg", name, false, std::string(text));
}

}  // namespace mamori::readers::backup
