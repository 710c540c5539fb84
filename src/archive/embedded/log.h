// The write-ahead log: events that are acknowledged but not yet in a block. One file per block to come, NUMBER.log (NUMBER = first
// leaf); a batch is one record and one sync. docs/formats/archive.md.
#pragma once

#include "archive/embedded/disk.h"
#include "archive/event.h"

namespace mamori::archive {

// The bytes of a record, and views of the events in it that point into them.
std::string encode_record(std::span<const Event> events);
// Views into `bytes`. Error: archive.log.damaged.
Result<std::vector<Event>> decode_record(std::string_view bytes);

struct LogFile {
  LeafIndex first = 0;
  std::uint64_t good = 0;              // bytes up to which it is whole; what follows was never acknowledged
  std::uint64_t lost = 0;              // bytes after that
  std::size_t holes = 0;               // damaged records with whole ones behind them
  std::vector<std::string> records;
  std::vector<Event> events;           // views into records
};
constexpr std::size_t kLogStart = 16;
std::string log_start(LeafIndex first);
// Error: archive.log.damaged where the start is not one.
Result<LogFile> read_log(const std::filesystem::path& file);

}  // namespace mamori::archive
