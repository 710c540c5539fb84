// Runs of one scenario under every fault: the machinery, whatever it is that keeps data.
//
// A scenario does its work on a disk and remembers what it was told is kept. A fault is an operation of that
// disk that fails, or after which the power is gone. After each, check() opens what is left and says what is
// wrong with it.
//
//   MAMORI_FAULT_SEEDS=N  that many scenarios of each kind instead of the few of ./test (some hundred take an
//   hour) MAMORI_FAULT_FATES=N  that many outcomes of each power cut by chance (with MAMORI_FAULT: of that
//   one) MAMORI_FAULT='S K F X'  only this run, as a failure prints it
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "testing/simulated_disk.h"

namespace mamori::fault {

using testing::Failure;
using testing::SimulatedDisk;

class Scenario {
 public:
  virtual ~Scenario() = default;
  // Does everything, whatever fails; what it is told after the crash counts for nothing (disk.crashed()).
  virtual void run(SimulatedDisk& disk) = 0;
  // In the living process, when nothing fails any more: everything must work again. What is wrong; empty:
  // nothing.
  virtual std::string go_on(SimulatedDisk& disk) = 0;
  // Lets go of everything that is open.
  virtual void close() = 0;
  // What is wrong with what a new process finds on `disk`, and it goes on there; empty: nothing. `again`: the
  // disk is what was left of that of the last check, whose own work must be there too.
  virtual std::string check(SimulatedDisk& disk, bool again) = 0;
};
// The scenario of this seed: the same seed, the same operations.
using Make = std::function<std::unique_ptr<Scenario>(std::uint64_t seed)>;

struct Count {
  std::size_t runs = 0, operations = 0;
};
// All of them. Fails the test with the first few runs that went wrong. `fates`: how many outcomes of a crash
// are looked at where they are too many to look at all.
Count run_all(const char* name, const Make& make, std::size_t seeds, std::size_t fates);

}  // namespace mamori::fault
