// What keeps data beside the archive, on a disk that fails: the ledger's database with two registers of its
// own.
#pragma once

#include "ledger/ledger.h"
#include "testing/clock.h"
#include "testing/simulated_vfs.h"

namespace mamori::fault {

inline constexpr const char* kFolder = "/data";
inline constexpr const char* kFile = "/data/ledger.db";
inline const store::Actor kActor{"u1", "試験", "test"};

// `facility` as the product has it, and `thing`: named, numbered, with a long remark.
const ledger::Registers& registers();

class Installation {
 public:
  Installation(testing::SimulatedDisk& disk, const Clock& clock) : disk_(disk), clock_(clock), vfs_(disk) {}
  // What is not open yet; again after it failed.
  Status open();
  // As small as can be, so that a transaction spills into the log before its end, and the log into the file
  // often.
  Status make_tight();
  store::Database& database() { return *database_; }
  ledger::Ledger& ledger() { return *ledger_; }
  bool is_open() const { return ledger_ != nullptr; }
  void close();

 private:
  testing::SimulatedDisk& disk_;
  const Clock& clock_;
  testing::SimulatedVfs vfs_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<ledger::Ledger> ledger_;
};

// What is wrong with the database in itself: the file, the chain of the journal, records and their history.
// Empty: nothing.
std::string look_into(store::Database& database);

}  // namespace mamori::fault
