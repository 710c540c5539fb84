#include "archive/embedded/log.h"

#include <cstring>

#include "archive/embedded/checksum.h"
#include "archive/embedded/columns.h"

namespace mamori::archive {
namespace {

using detail::put_number;
using detail::take_bytes;
using detail::take_number;

constexpr std::string_view kMagic = "MMLOG002", kMagic1 = "MMLOG001";
constexpr std::string_view kRecordMagic = "MMRECRD2";
constexpr std::size_t kRecordStart1 = 16;  // of version 1: length of the body, check of the body
constexpr std::size_t kLargestLog = std::size_t{4} << 30;

Error damaged() { return {ErrorKind::corrupt, "archive.log.damaged"}; }

void put_fixed(char* to, std::uint64_t value) { std::memcpy(to, &value, 8); }
std::uint64_t fixed_at(std::string_view bytes, std::size_t at) {
  std::uint64_t value;
  std::memcpy(&value, bytes.data() + at, 8);
  return value;
}

}  // namespace

std::string log_start(LeafIndex first) {
  std::string out(kMagic);
  out.resize(kLogStart);
  put_fixed(out.data() + 8, first);
  return out;
}

std::string encode_record(std::span<const Event> events) {
  std::string out(kRecordStart, '\0');
  std::size_t total = kRecordStart + 16;
  for (const auto& event : events) total += event.raw.size() + 96;
  out.reserve(total);
  put_number(out, events.size());
  for (const auto& event : events) {
    put_number(out, static_cast<std::uint64_t>(to_millis(event.received)));
    put_number(out, static_cast<std::uint64_t>(to_millis(event.time)));
    std::uint64_t present = 0;
    for (std::size_t i = 0; i < kFieldCount; ++i) present |= std::uint64_t{!event.fields[i].empty()} << i;
    put_number(out, present);
    for (const auto field : event.fields) {
      if (field.empty()) continue;
      const auto value = field.substr(0, kLongestField);
      put_number(out, value.size());
      out += value;
    }
    put_number(out, event.raw.size());
    out += event.raw;
  }
  kRecordMagic.copy(out.data(), kRecordMagic.size());
  put_fixed(out.data() + 8, out.size() - kRecordStart);
  put_fixed(out.data() + 32, checksum(std::string_view(out).substr(kRecordStart)));
  return out;
}

void seal_record(std::string& record, LeafIndex first, TreeSize durable) {
  put_fixed(record.data() + 16, first);
  put_fixed(record.data() + 24, durable);
  const std::string_view whole = record;
  put_fixed(record.data() + 32, checksum(whole.substr(8, 24), checksum(whole.substr(kRecordStart))));
}

namespace {

Result<std::vector<Event>> decode_body(std::string_view in) {
  std::uint64_t count = 0;
  if (!take_number(in, count) || count > in.size()) return damaged();
  std::vector<Event> events(count);
  for (auto& event : events) {
    std::uint64_t received = 0, time = 0, present = 0, length = 0;
    if (!take_number(in, received) || !take_number(in, time) || !take_number(in, present) ||
        present >> kFieldCount != 0)
      return damaged();
    event.received = from_millis(static_cast<std::int64_t>(received));
    event.time = from_millis(static_cast<std::int64_t>(time));
    for (std::size_t i = 0; i < kFieldCount; ++i)
      if ((present >> i & 1) != 0 && (!take_number(in, length) || !take_bytes(in, length, event.fields[i])))
        return damaged();
    if (!take_number(in, length) || !take_bytes(in, length, event.raw)) return damaged();
  }
  if (!in.empty()) return damaged();
  return events;
}

// The whole record at the beginning of `in`, or empty.
std::string_view record_at(std::string_view in) {
  if (in.size() < kRecordStart || !in.starts_with(kRecordMagic)) return {};
  const auto length = fixed_at(in, 8);
  if (length > in.size() - kRecordStart) return {};
  const auto record = in.substr(0, kRecordStart + length);
  const auto check = checksum(record.substr(8, 24), checksum(record.substr(kRecordStart)));
  return check == fixed_at(record, 32) ? record : std::string_view();
}

// Version 1, whose records do not say where they stand.
Status read_version_1(std::string_view rest, LogFile& log) {
  auto next = log.first;
  bool torn = false;  // damage, where something whole follows
  while (rest.size() >= kRecordStart1) {
    const auto length = fixed_at(rest, 0);
    if (length > rest.size() - kRecordStart1) break;
    const auto check = fixed_at(rest, 8);
    const auto body = rest.substr(kRecordStart1, length);
    rest.remove_prefix(kRecordStart1 + length);
    const auto events = decode_body(body);
    if (checksum(body) != check || !events) {
      torn = true;
      continue;
    }
    log.ragged = log.ragged || torn;
    auto bytes = encode_record(*events);
    seal_record(bytes, next, next);
    log.records.push_back({next, events->size(), std::move(bytes)});
    next += events->size();
  }
  return {};
}

}  // namespace

Result<std::vector<Event>> decode_record(std::string_view bytes) {
  if (bytes.size() < kRecordStart || fixed_at(bytes, 8) != bytes.size() - kRecordStart) return damaged();
  return decode_body(bytes.substr(kRecordStart));
}

Result<LogFile> read_log(const std::filesystem::path& path, os::Disk& disk) {
  const auto bytes = MAMORI_TRY(os::read_file(path, kLargestLog, disk));
  Error bad = damaged();
  bad.facts.emplace_back("file", path.string());
  const std::string_view whole = bytes;
  LogFile log;
  const bool started = whole.size() >= kLogStart && (whole.starts_with(kMagic) || whole.starts_with(kMagic1));
  // Its name says it too, and is not under the bits that turn.
  const auto stem = path.stem().string();
  const bool named = stem.size() == 20 && stem.find_first_not_of("0123456789") == stem.npos;
  log.first = named ? std::strtoull(stem.c_str(), nullptr, 10) : started ? fixed_at(whole, 8) : 0;
  log.good = kLogStart;
  log.ragged = !started || fixed_at(whole, 8) != log.first;  // its records say themselves where they stand
  if (whole.starts_with(kMagic1)) {
    log.version1 = true;
    MAMORI_TRY(read_version_1(whole.substr(kLogStart), log));
    return log;
  }
  LeafIndex next = 0;
  for (auto at = started ? kLogStart : 0; at < whole.size();) {
    const auto record = record_at(whole.substr(at));
    const auto events =
        record.empty() ? Result<std::vector<Event>>(damaged()) : decode_body(record.substr(kRecordStart));
    if (!events || fixed_at(record, 16) < next) {
      // Torn by a crash, or damaged: the next whole one is looked for.
      at = whole.find(kRecordMagic, at + 1);
      if (at == whole.npos) break;
      continue;
    }
    log.ragged =
        log.ragged || at != log.good || fixed_at(record, 16) != (log.records.empty() ? log.first : next);
    log.records.push_back({fixed_at(record, 16), events->size(), std::string(record)});
    log.durable = std::max(log.durable, fixed_at(record, 24));
    next = log.records.back().first + events->size();
    at += record.size();
    log.good = at;
  }
  if (!started && log.records.empty()) return bad;
  log.unread = log.good < whole.size();
  return log;
}

}  // namespace mamori::archive
