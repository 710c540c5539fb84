#include "archive/embedded/log.h"

#include <cstring>

#include "archive/embedded/columns.h"

namespace mamori::archive {
namespace {

using detail::put_number;
using detail::take_bytes;
using detail::take_number;

constexpr std::string_view kMagic = "MMLOG001";
constexpr std::size_t kRecordStart = 16;  // length of the body, check
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
  put_fixed(out.data(), out.size() - kRecordStart);
  put_fixed(out.data() + 8, checksum(std::string_view(out).substr(kRecordStart)));
  return out;
}

Result<std::vector<Event>> decode_record(std::string_view bytes) {
  if (bytes.size() < kRecordStart || fixed_at(bytes, 0) != bytes.size() - kRecordStart) return damaged();
  auto in = bytes.substr(kRecordStart);
  if (checksum(in) != fixed_at(bytes, 8)) return damaged();
  std::uint64_t count = 0;
  if (!take_number(in, count) || count > in.size()) return damaged();
  std::vector<Event> events(count);
  for (auto& event : events) {
    std::uint64_t received = 0, time = 0, present = 0, length = 0;
    if (!take_number(in, received) || !take_number(in, time) || !take_number(in, present) || present >> kFieldCount != 0) return damaged();
    event.received = from_millis(static_cast<std::int64_t>(received));
    event.time = from_millis(static_cast<std::int64_t>(time));
    for (std::size_t i = 0; i < kFieldCount; ++i)
      if ((present >> i & 1) != 0 && (!take_number(in, length) || !take_bytes(in, length, event.fields[i]))) return damaged();
    if (!take_number(in, length) || !take_bytes(in, length, event.raw)) return damaged();
  }
  if (!in.empty()) return damaged();
  return events;
}

Result<LogFile> read_log(const std::filesystem::path& path) {
  const auto bytes = MAMORI_TRY(read_file(path, kLargestLog));
  Error bad = damaged();
  bad.facts.emplace_back("file", path.string());
  LogFile log;
  if (bytes.size() < kLogStart || !bytes.starts_with(kMagic)) return bad;
  log.first = fixed_at(bytes, 8);
  log.good = kLogStart;
  std::string_view rest = std::string_view(bytes).substr(kLogStart);
  while (rest.size() >= kRecordStart) {
    const auto length = fixed_at(rest, 0);
    if (length > rest.size() - kRecordStart) break;
    std::string record(rest.substr(0, kRecordStart + length));
    if (!decode_record(record)) {
      // The last record may be torn by a crash; one with a whole one behind it was acknowledged once.
      const auto behind = rest.substr(record.size());
      const auto next = behind.size() < kRecordStart ? 0 : fixed_at(behind, 0);
      if (behind.size() < kRecordStart || next > behind.size() - kRecordStart || !decode_record(behind.substr(0, kRecordStart + next))) break;
      ++log.holes;
      log.good += record.size();
      rest.remove_prefix(record.size());
      continue;
    }
    rest.remove_prefix(record.size());
    log.good += record.size();
    log.records.push_back(std::move(record));
  }
  log.lost = bytes.size() - log.good;
  for (const auto& record : log.records) {
    auto events = MAMORI_TRY(decode_record(record));
    log.events.insert(log.events.end(), events.begin(), events.end());
  }
  return log;
}

}  // namespace mamori::archive
