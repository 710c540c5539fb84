#include "runs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <random>
#include <sstream>
#include <thread>

namespace mamori::fault {
namespace {

constexpr std::size_t kAllOrders = 4;  // so many unsynced things: every choice of them is looked at
constexpr int kLongestRun = 60;        // seconds: after that it hangs
constexpr std::size_t kMostFailures = 5;
constexpr int kPowerGone = -1;
using Fate = SimulatedDisk::Fate;

// One run: which scenario, at which operation, how it fails (or kPowerGone), and what becomes of what was not
// synced.
struct Run {
  std::uint64_t seed = 0, at = 0;
  int failure = kPowerGone;
  std::uint64_t more = 0;  // operations that fail too, or the choice of fates
};

std::string shown(const Run& run) {
  return fmt::format("MAMORI_FAULT='{} {} {} {}'", run.seed, run.at, run.failure, run.more);
}

class Runner {
 public:
  Runner(const char* name, const Make& make, std::size_t fates) : name_(name), make_(make), fates_(fates) {}

  // How many operations a scenario has when nothing fails; it must be well then.
  std::uint64_t length(std::uint64_t seed) {
    const auto scenario = make_(seed);
    SimulatedDisk disk;
    scenario->run(disk);
    const auto count = disk.operations();
    auto wrong = scenario->go_on(disk);
    scenario->close();
    if (wrong.empty()) wrong = scenario->check(*disk.process_died(), false);
    if (!wrong.empty()) tell({seed, ~std::uint64_t{0}, kPowerGone, 0}, "without any fault: " + wrong);
    return count;
  }

  void fails(const Run& run) {
    ++runs;
    started();
    const auto scenario = make_(run.seed);
    SimulatedDisk disk;
    show(disk);
    disk.fail_at(run.at, static_cast<Failure>(run.failure), run.more);
    scenario->run(disk);
    disk.heal();
    auto wrong = scenario->go_on(disk);
    scenario->close();
    // Neither what stands there now may be wrong, nor what a power cut leaves of it.
    if (wrong.empty()) wrong = scenario->check(*disk.process_died(), false);
    const auto all_lost = disk.power_lost([](std::size_t) { return Fate::lost; }, 0);
    if (wrong.empty()) wrong = scenario->check(*all_lost, false);
    if (!wrong.empty()) tell(run, wrong);
  }

  // The power goes at one operation; then every outcome, or some of them.
  void crashes(std::uint64_t seed, std::uint64_t at, std::optional<std::uint64_t> only = {}) {
    started();
    const auto scenario = make_(seed);
    SimulatedDisk disk;
    show(disk);
    disk.crash_at(at);
    scenario->run(disk);
    scenario->close();
    const auto unsynced = disk.unsynced();
    const auto all = unsynced <= kAllOrders ? std::uint64_t{1} << unsynced : 0;
    const auto halves = all + (unsynced == 0 ? 0 : 2);
    const auto choices = halves + (unsynced == 0 ? 0 : fates_);
    for (std::uint64_t choice = 0; choice < choices; ++choice) {
      if (only && *only != choice) continue;
      ++runs;
      const auto fate = [&](std::size_t i) {
        if (choice >= all) return choice == all ? Fate::without_last : Fate::without_first;
        return (choice >> i & 1) != 0 ? Fate::kept : Fate::lost;
      };
      const auto after = choice < halves ? disk.power_lost(fate, choice)
                                         : disk.power_lost(seed * 1'000'003 + at * 1009 + choice);
      const auto as_left = after->process_died();
      auto wrong = scenario->check(*after, false);
      if (wrong.empty() && choice == choices - 1)
        wrong = at_the_next_start(*scenario, *as_left, after->operations(), seed + at);
      if (!wrong.empty()) tell({seed, at, kPowerGone, choice}, wrong);
    }
    // Or only the process died.
    if (!only || *only == choices) {
      // and the power goes when the next has started and gone on.
      ++runs;
      const auto next = disk.process_died();
      auto wrong = scenario->check(*next, false);
      if (wrong.empty())
        wrong = scenario->check(*next->power_lost([](std::size_t) { return Fate::lost; }, 0), true);
      if (!wrong.empty()) tell({seed, at, kPowerGone, choices}, wrong);
    }
  }

  bool enough() const { return failures.load() >= kMostFailures; }

  std::atomic<std::size_t> runs{0}, operations{0}, failures{0};
  std::atomic<std::int64_t> last_start{0};

 private:
  static std::int64_t now() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  // The start after a crash meets a fault itself, or another crash.
  std::string at_the_next_start(Scenario& scenario, const SimulatedDisk& as_left, std::uint64_t length,
                                std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (const bool power : {true, false}) {
      ++runs;
      const auto disk = as_left.process_died();
      const auto at = random() % length;
      if (power)
        disk->crash_at(at);
      else
        disk->fail_at(at, static_cast<Failure>(random() % testing::kFailures), random() % 3);
      (void)scenario.check(*disk, false);  // what it was told is kept before must be there afterwards
      disk->heal();
      auto wrong = scenario.check(power ? *disk->power_lost(random()) : *disk->process_died(), true);
      if (!wrong.empty())
        return fmt::format("{} at operation {} of the next start: {}", power ? "the power goes" : "a failure",
                           at, wrong);
    }
    return {};
  }

  // Where one run is looked at, all that it asks of the disk.
  void show(SimulatedDisk& disk) const {
    if (!std::getenv("MAMORI_FAULT")) return;
    disk.tell([](std::uint64_t number, testing::Operation operation, const std::filesystem::path& path,
                 bool fails) {
      std::printf("%6zu %-11s %s%s\n", static_cast<std::size_t>(number), testing::name_of(operation),
                  path.filename().c_str(), fails ? "  FAILS" : "");
    });
  }
  void started() { last_start = now(); }
  void tell(const Run& run, const std::string& wrong) {
    const auto how =
        run.failure == kPowerGone ? std::string("the power goes") : fmt::format("failure {}", run.failure);
    if (++failures <= kMostFailures)
      ADD_FAILURE() << name_ << ", seed " << run.seed << ", operation " << run.at << ", " << how << ": "
                    << wrong << "\n  again with " << shown(run);
  }

  const char* name_;
  const Make& make_;
  std::size_t fates_;
};

// Ends the program where a run hangs: nothing else could tell which.
class Watch {
 public:
  explicit Watch(const Runner& runner)
      : thread_([this, &runner] {
          std::unique_lock lock(mutex_);
          while (!wake_.wait_for(lock, std::chrono::seconds(5), [this] { return done_; })) {
            const auto now = std::chrono::duration_cast<std::chrono::seconds>(
                                 std::chrono::steady_clock::now().time_since_epoch())
                                 .count();
            if (runner.last_start == 0 || now - runner.last_start < kLongestRun) continue;
            std::fprintf(stderr, "[  FAILED  ] a run hangs (after %zu runs)\n", runner.runs.load());
            std::abort();
          }
        }) {}
  ~Watch() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace

Count run_all(const char* name, const Make& make, std::size_t seeds, std::size_t fates) {
  if (const char* many = std::getenv("MAMORI_FAULT_FATES")) fates = std::strtoull(many, nullptr, 10);
  Runner runner(name, make, fates);
  const Watch watch(runner);
  if (const char* one = std::getenv("MAMORI_FAULT")) {
    Run run;
    std::istringstream(one) >> run.seed >> run.at >> run.failure >> run.more;
    if (run.failure == kPowerGone)
      runner.crashes(run.seed, run.at,
                     std::getenv("MAMORI_FAULT_FATES") ? std::nullopt : std::optional(run.more));
    else
      runner.fails(run);
    return {1, 1};
  }
  if (const char* many = std::getenv("MAMORI_FAULT_SEEDS")) seeds = std::strtoull(many, nullptr, 10);

  struct Work {
    std::uint64_t seed, at;
  };
  std::vector<Work> work;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const auto length = runner.length(seed);
    runner.operations += length;
    for (std::uint64_t at = 0; at < length; ++at) work.push_back({seed, at});
  }
  std::atomic<std::size_t> next{0};
  const auto take = [&] {
    for (auto i = next++; i < work.size() && !runner.enough(); i = next++) {
      const auto [seed, at] = work[i];
      for (int failure = 0; failure < static_cast<int>(testing::kFailures); ++failure)
        runner.fails({seed, at, failure, 0});
      // A disk that stays full for a while.
      runner.fails({seed, at, static_cast<int>(Failure::full), 12});
      runner.crashes(seed, at);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) threads.emplace_back(take);
  for (auto& thread : threads) thread.join();
  std::printf("[ fault runs ] %s: %zu runs, %zu operations, %zu scenarios\n", name, runner.runs.load(),
              runner.operations.load(), seeds);
  return {runner.runs, runner.operations};
}

}  // namespace mamori::fault
