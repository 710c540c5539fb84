// Stands between a client and a real HTTP server on loopback and does, at one request, what lines and servers
// do on bad days: always at the same request, so that a test can try every fault at every place.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace mamori::testing {

enum class Fault {
  none,
  refuse,       // the connection is reset before anything is read
  cut_before,   // the request is read, but goes nowhere
  cut_within,   // the server gets the first half of the body, then the line breaks on both sides
  cut_after,    // the server does it, nobody hears
  late,         // the request reaches the server only after the client has given up
  slow,         // the server does it at once, the answer comes after the client has given up
  twice,        // the server gets it twice, the client both answers
  error_500,    // nothing is forwarded, the answer is 500
  error_503,    // the same, 503
  done_503,     // the server does it, the answer is 503
  garbage,      // the server does it, the answer is no HTTP
  page,         // nothing is forwarded, the answer is 200 with a page of somebody else
  half_answer,  // the server does it, its answer ends in the middle
  half_header,  // the server does it, its answer ends in the middle of its header
  stop_before,  // `stop` is called instead of forwarding
  stop_after,   // `stop` is called after forwarding, the answer is lost
  held,         // nothing is forwarded before release(); not one of kFaults
};
inline constexpr std::array kFaults = {
    Fault::refuse,      Fault::cut_before,  Fault::cut_within,  Fault::cut_after, Fault::late,    Fault::slow,
    Fault::twice,       Fault::error_500,   Fault::error_503,   Fault::done_503,  Fault::garbage, Fault::page,
    Fault::half_answer, Fault::half_header, Fault::stop_before, Fault::stop_after};
std::string_view name_of(Fault fault);

// Requests are forwarded one by one on connections of their own, each in a thread of its own. Threads: all
// calls may come from several.
class FaultProxy {
 public:
  // `server`: the port of the server on 127.0.0.1. `patience`: longer than the client's.
  FaultProxy(int server, std::chrono::milliseconds patience);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  int port() const { return port_; }
  // From now on requests are counted from 1, and the one with the number `at` has the fault. `stop`: what
  // stops the server. Requests that are held go on.
  void arm(Fault fault, int at, std::function<void()> stop = {});
  void release();
  int requests() const { return requests_; }  // since arm()
  bool happened() const { return happened_; }
  std::size_t answered() const { return answered_; }  // bytes of whole answers since arm()
  // Waits until nothing is on its way to the server any more, late requests included.
  void settle();

 private:
  struct Connection {
    std::thread thread;
    std::atomic<bool> done = false;
  };
  void accept_all();
  void serve(int client);
  std::string forward(std::string_view request) const;  // the answer; "" where the server is away

  const int server_;
  const std::chrono::milliseconds patience_;
  int listener_ = -1, port_ = 0;
  std::atomic<bool> stopping_ = false, happened_ = false;
  std::atomic<int> requests_ = 0;
  std::atomic<std::size_t> answered_ = 0;
  std::mutex mutex_;  // guards what follows
  Fault fault_ = Fault::none;
  int at_ = 0;
  std::condition_variable released_;
  std::uint64_t releases_ = 0;
  std::function<void()> stop_;
  std::list<Connection> connections_;
  std::thread accepting_;
};

}  // namespace mamori::testing
