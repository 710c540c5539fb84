// The write-ahead log: events that are acknowledged but not yet in a block. One file per block to come,
// NUMBER.log (NUMBER = first leaf); a batch is one record and one sync. docs/formats/archive.md.
#pragma once

#include "archive/event.h"
#include "os/file.h"

namespace mamori::archive {

constexpr std::size_t kRecordStart = 40;  // magic, length of the body, first leaf, durable leaves, check
// A record for `events`; it may be written when seal_record() has said where it stands.
std::string encode_record(std::span<const Event> events);
// `first`: the leaf of its first event. `durable`: how many leaves of the stream were on the disk for good
// when it was written. A leaf below it that is missing later is damage; one that no later record vouches for
// was perhaps never acknowledged.
void seal_record(std::string& record, LeafIndex first, TreeSize durable);
// Views into `bytes`, a record whether sealed or not: its check is read_log()'s business. Error:
// archive.log.damaged.
Result<std::vector<Event>> decode_record(std::string_view bytes);

struct LogRecord {
  LeafIndex first = 0;
  std::size_t count = 0;
  std::string bytes;
};
struct LogFile {
  LeafIndex first = 0;
  std::uint64_t good = 0;          // bytes up to the end of the last whole record
  TreeSize durable = 0;            // the most that any of its records vouches for
  bool version1 = false;           // its records do not say where they stand
  bool ragged = false;             // something between its records cannot be read
  bool unread = false;             // bytes that are no record, and none whole behind them
  std::vector<LogRecord> records;  // whole ones, in order, each behind the one before
};
constexpr std::size_t kLogStart = 16;
std::string log_start(LeafIndex first);
// Error: archive.log.damaged where the start is not one; os.disk.*.
Result<LogFile> read_log(const std::filesystem::path& file, os::Disk& disk = os::Disk::real());

}  // namespace mamori::archive
