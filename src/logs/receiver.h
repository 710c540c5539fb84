// Syslog from the network: UDP, TCP (RFC 6587) and TLS (RFC 5425). A TCP sender is read no faster than its
// events reach the archive, however long that is away. Datagrams wait in memory, each sender within its
// share; what comes beyond that is counted and dropped.
#pragma once

#include <memory>

#include "logs/logs.h"

namespace mamori::logs {

struct ReceiverOptions {
  std::string address = "127.0.0.1";
  int udp_port = -1, tcp_port = -1, tls_port = -1;  // -1 = off, 0 = any free one
  std::string certificate_file, key_file;           // for TLS
  std::string client_ca_file;  // certificate authority of client certificates; empty: none are asked for
  std::size_t connections = 512;
  std::size_t of_one_address = 128;          // so that one sender leaves room for the others
  int idle_seconds = 3600;                   // a silent connection is closed
  int handshake_seconds = 20;                // one that does not get through TLS
  std::size_t datagram_bytes = 64u << 20;    // of datagrams that wait
  std::chrono::milliseconds patience{3000};  // how long stop() waits for an archive that takes nothing
};

class Receiver {
 public:
  // Errors: collect.receiver.taken (facts: port, reason), collect.receiver.certificate.
  static Result<std::unique_ptr<Receiver>> open(const ReceiverOptions& options, Logs& logs);
  ~Receiver();  // stops
  // Stops listening and reading, then keeps what was read whole: datagrams that lie in the socket too, of
  // connections what came up to now. What the archive does not take within `patience` is counted as dropped,
  // and told in the log.
  void stop();
  // Events that were read and are not kept yet.
  std::uint64_t left() const;
  // Grows while something is being kept.
  std::uint64_t progress() const;
  int udp_port() const;
  int tcp_port() const;
  int tls_port() const;

 private:
  struct State;
  explicit Receiver(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace mamori::logs
