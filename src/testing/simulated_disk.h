// A disk in memory that fails and crashes where a test says, and that keeps only what it must: everything
// that was not synced may be lost, torn or kept, each on its own, whatever the order it was written in.
// Deterministic: the same calls and seed, the same disk.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>

#include "os/disk.h"

namespace mamori::testing {

enum class Operation {
  open,
  read,
  write,
  truncate,
  sync,
  size,
  rename,
  remove,
  make_folder,
  sync_folder,
  list,
  exists,
  lock
};
constexpr std::size_t kOperations = static_cast<std::size_t>(Operation::lock) + 1;
const char* name_of(Operation operation);

// How an operation fails.
enum class Failure {
  io,       // EIO; a write does nothing, a sync loses what it should have synced, though it can still be read
  io_gone,  // EIO; a sync loses what it should have synced, and it cannot be read any more either
  full,     // ENOSPC; a write writes half of it
  full_late,  // ENOSPC after everything was done (a file system that finds room only later)
  busy,       // EMFILE and the like: nothing done
};
constexpr std::size_t kFailures = static_cast<std::size_t>(Failure::busy) + 1;

class SimulatedDisk final : public os::Disk {
 public:
  SimulatedDisk();
  ~SimulatedDisk() override;

  // Operations so far, and which they were.
  std::uint64_t operations() const;
  std::vector<Operation> trace() const;
  // Operation number `at` (the first is 0), and `more` behind it that change something, fail.
  void fail_at(std::uint64_t at, Failure failure, std::uint64_t more = 0);
  // From operation `at` on nothing happens any more: the power is gone. Every call fails.
  void crash_at(std::uint64_t at);
  bool crashed() const;
  // Nothing fails any more.
  void heal();
  // Is told of every operation: its number, on what, whether it fails.
  using Tell = std::function<void(std::uint64_t, Operation, const std::filesystem::path&, bool)>;
  void tell(Tell tell);

  // The process ended, not the machine: locks are free, what was written is there, synced or not.
  std::unique_ptr<SimulatedDisk> process_died() const;
  // How many choices a crash has: each thing that was not synced, kept or not.
  std::size_t unsynced() const;
  // The disk after the power came back. `kept` chooses for each unsynced thing, by its number.
  // What becomes of a write: all of it there, nothing, some of its sectors by chance, all but its last or all
  // but its first.
  enum class Fate { kept, lost, torn, without_last, without_first };
  std::unique_ptr<SimulatedDisk> power_lost(const std::function<Fate(std::size_t)>& fate,
                                            std::uint64_t seed) const;
  std::unique_ptr<SimulatedDisk> power_lost(std::uint64_t seed) const;  // fates from the seed

  // Turns bits of a byte of a file, as a disk does in the course of years.
  void turn(const std::string& file, std::size_t at, char bits);

  // For checks: all files and their bytes as they are read now.
  std::map<std::string, std::string> files() const;

  Result<std::unique_ptr<os::File>> open(const std::filesystem::path& file, os::Access access,
                                         os::Visibility visibility) override;
  Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  Status remove(const std::filesystem::path& file) override;
  Status make_folder(const std::filesystem::path& folder, os::Visibility visibility) override;
  Status sync_folder(const std::filesystem::path& folder) override;
  Result<std::vector<std::string>> list(const std::filesystem::path& folder) const override;
  Result<std::uint64_t> size_of(const std::filesystem::path& file) const override;
  Result<bool> exists(const std::filesystem::path& path) const override;
  os::Space space(const std::filesystem::path& path) const override;
  Result<std::unique_ptr<os::Lock>> lock(const std::filesystem::path& file) override;

 private:
  struct State;
  class Handle;
  class Held;
  std::shared_ptr<State> state_;
};

}  // namespace mamori::testing
