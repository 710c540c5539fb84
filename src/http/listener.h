// HTTP/1.1 and TLS. Connections are coroutines on two threads; handlers run as plain functions on a pool of
// workers.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "http/message.h"

namespace mamori::http {

struct Limits {
  std::size_t header = 16u << 10;
  std::size_t body = 1u << 20;      // where there is no gate
  std::size_t bodies = 256u << 20;  // of all requests together, until each is answered
  int room_seconds = 10;  // how long one waits for its part of that; then it is told to come again (503)
  std::size_t connections = 512;
  int seconds = 30;  // to send a header, or a body, which gets a second more for each 64 KiB that have come;
                     // an idle connection may stay twice as long
  std::chrono::milliseconds patience{2000};  // stop(): for answers that are on their way
};

// Who works on a request. What waits for a database or an archive that does not answer holds up only its own
// lane.
enum class Lane { health, page, door, quick, intake, slow };
inline constexpr std::size_t kLanes = 6;

struct LaneLimits {
  std::size_t workers;
  std::size_t waiting;  // behind those that are worked on; one more is told to come again (503)
};

struct ListenerOptions {
  std::string address = "127.0.0.1";
  int port = 8080;                         // 0 = any free one
  std::string certificate_file, key_file;  // both: TLS
  std::array<LaneLimits, kLanes> lanes = {{{1, 32}, {2, 128}, {2, 32}, {4, 128}, {4, 128}, {2, 16}}};
  std::function<Lane(const Request& head)> lane = {};  // must not wait for anything; none: all are quick
  Limits limits = {};
  // Asked by a worker about each request that has a body. Whoever is refused is answered, and the connection
  // closed.
  Gate gate = {};
  // What the listener itself answers where nobody else is asked; none: a status and its code.
  std::function<Reply(int status, std::string_view code)> refusal = {};
};

class Listener {
 public:
  // Errors: http.listen.address, http.listen.taken (fact: port), http.listen.plain (beyond loopback TLS is
  // compulsory), http.listen.certificate.
  static Result<std::unique_ptr<Listener>> open(const ListenerOptions& options, Handler handler);
  ~Listener();
  int port() const;
  // Accepts until stop(); returns then. A handler that runs is waited for, one that has not begun is not.
  void run();
  // Ends idle connections and those that are still sending; answers that are on their way get `patience`.
  // Once.
  void stop();

 private:
  struct State;
  explicit Listener(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

bool is_loopback(const std::string& address);

}  // namespace mamori::http
