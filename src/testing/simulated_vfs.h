// SQLite's files on a SimulatedDisk: every operation that SQLite asks of its file system is one of that disk,
// and fails or is the last as the test says. It behaves as SQLite's own on Unix does, weak places included: a
// folder that cannot be synced after a journal was made is no error to it, and a file that cannot be opened
// for writing is opened for reading. Locks and the index of the write-ahead log are kept in memory: they end
// with the process.
#pragma once

#include "testing/simulated_disk.h"

namespace mamori::testing {

// Threads: connections of several may use it. `disk` outlives it, and it outlives every connection.
class SimulatedVfs {
 public:
  explicit SimulatedVfs(os::Disk& disk);
  ~SimulatedVfs();
  SimulatedVfs(const SimulatedVfs&) = delete;
  SimulatedVfs& operator=(const SimulatedVfs&) = delete;
  // For Database::open(): the database in `file` of that disk.
  std::string url(const std::filesystem::path& file) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mamori::testing
