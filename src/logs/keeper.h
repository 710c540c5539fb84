// Between the network and the archive: what was read waits here until it is kept, in the order it came from
// each sender. Only these threads wait for the disk or the database. What cannot be kept now (the disk is
// full, ClickHouse is away, the sender is not yet in the ledger) is tried again until it can, and others go
// on meanwhile.
#pragma once

#include <deque>
#include <functional>
#include <thread>

#include "base/mutex.h"
#include "logs/logs.h"

namespace mamori::logs {

// Threads: all calls may come from several. `logs` outlives it.
class Keeper {
 public:
  struct Options {
    std::size_t threads = 4;
    std::size_t bytes = 64u << 20;  // of what nobody can be asked to hold back: room()
  };
  enum class Outcome { kept, refused, lost };
  // Whether its sender is made to wait (TCP), or what it sends has to find room (UDP).
  enum class Flow { waits, comes };
  using Done = std::function<void(Outcome)>;

  // A sender's messages, one behind the other.
  class Lane {
   public:
    Lane(Sender given, Flow given_flow) : sender(std::move(given)), flow(given_flow) {}
    const Sender sender;
    const Flow flow;
    // Bytes that wait in it.
    std::size_t waiting() const { return waiting_; }

   private:
    friend class Keeper;
    struct Batch {
      std::vector<std::string> messages;
      std::size_t kept = 0;  // of them, from the first
      Done done;
    };
    enum class State { idle, ready, running, later };
    std::atomic<std::size_t> waiting_{0};
    // Guarded by Keeper::mutex_, which the analysis cannot be told from here.
    std::deque<Batch> batches_;
    State state_ = State::idle;
    int tries_ = 0;
    // The same messages and time of receipt are offered until they are kept: the archive knows them again,
    // and has them once.
    std::size_t trying_ = 0;
    Instant received_;
    bool asks_ = false;                             // waits for its sender to be taken in
    std::chrono::steady_clock::time_point told_{};  // when the log last heard of its trouble
  };
  using LanePtr = std::shared_ptr<Lane>;  // shared by who reads the sender and by what still waits when the
                                          // sender has left

  Keeper(Logs& logs, const Options& options);
  ~Keeper();

  static LanePtr lane(Sender sender, Flow flow) { return std::make_shared<Lane>(std::move(sender), flow); }
  // `done` is called once, by a thread of the keeper, when all of them are kept or will never be. Not after
  // stop() has begun.
  void put(const LanePtr& lane, std::vector<std::string> messages, Done done = {});
  // Whether `bytes` more may wait in the lane beside `gathered` that are on their way: each sender may take
  // as much as is left for the others, so that one alone cannot take all.
  bool room(const Lane& lane, std::size_t bytes, std::size_t gathered) const;

  // From now on what still cannot be kept when `patience` is over is counted as dropped, and told in the log.
  void hurry(std::chrono::milliseconds patience);
  // Keeps what is there and ends. Nothing may come any more.
  void stop();
  // Events that were put and are neither kept nor given up.
  std::size_t left() const {
    const MutexLock lock(mutex_);
    return events_;
  }
  // Grows while something is being kept.
  std::uint64_t progress() const { return progress_; }

  static std::size_t weight(const std::vector<std::string>& messages);
  static std::size_t weight(std::string_view message) {
    return message.size() + 96;
  }  // with its share of the lane

 private:
  using Steady = std::chrono::steady_clock;
  void work();
  void take_in();
  void run(const LanePtr& lane) REQUIRES(mutex_);
  // How it went, of the first `count` messages of the lane.
  void finish(Lane& lane, std::size_t count, Outcome outcome, std::vector<std::pair<Done, Outcome>>& told)
      REQUIRES(mutex_);
  bool patient();

  Logs& logs_;
  const Options options_;
  std::atomic<std::size_t> waiting_{0};  // bytes in all lanes of Flow::comes
  std::atomic<std::uint64_t> progress_{0};
  mutable Mutex mutex_;  // guards the lanes too
  CondVar wake_, wake_taker_;
  std::deque<LanePtr> ready_ GUARDED_BY(mutex_);
  std::multimap<Steady::time_point, LanePtr> later_ GUARDED_BY(mutex_);
  std::size_t events_ GUARDED_BY(mutex_) = 0;  // waiting
  std::size_t busy_ GUARDED_BY(mutex_) = 0;    // lanes that are not idle
  bool ending_ GUARDED_BY(mutex_) = false, ended_ GUARDED_BY(mutex_) = false,
               asked_ GUARDED_BY(mutex_) = false;
  std::optional<Steady::time_point> end_ GUARDED_BY(mutex_);  // of patience
  std::vector<std::thread> threads_;
  std::thread taker_;
};

}  // namespace mamori::logs
