#include "testing/fault_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>

#include "base/result.h"

namespace mamori::testing {
namespace {

constexpr std::string_view kEndOfHeader = "\r\n\r\n";

sockaddr_in loopback(int port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  out.sin_port = htons(static_cast<std::uint16_t>(port));
  return out;
}

bool send_all(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto some = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (some <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(some));
  }
  return true;
}

bool receive_some(int from, std::string& into) {
  char some[65536];
  const auto count = ::recv(from, some, sizeof some, 0);
  if (count <= 0) return false;
  into.append(some, static_cast<std::size_t>(count));
  return true;
}

std::size_t body_size(std::string_view header) {
  constexpr std::string_view name = "\r\nContent-Length:";
  for (std::size_t i = 0; i + name.size() < header.size(); ++i) {
    if (::strncasecmp(header.data() + i, name.data(), name.size()) != 0) continue;
    auto from = header.data() + i + name.size();
    while (*from == ' ') ++from;
    std::size_t out = 0;
    std::from_chars(from, header.data() + header.size(), out);
    return out;
  }
  return 0;
}

// A whole request, or what came of it before the client went away.
std::string receive_request(int client) {
  std::string out;
  while (out.find(kEndOfHeader) == out.npos)
    if (!receive_some(client, out)) return out;
  const auto header = out.find(kEndOfHeader) + kEndOfHeader.size();
  const auto whole = header + body_size(std::string_view(out).substr(0, header));
  while (out.size() < whole)
    if (!receive_some(client, out)) return out;
  return out;
}

void reset(int connection) {
  const linger now{1, 0};
  ::setsockopt(connection, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

std::string answer(std::string_view status, std::string_view type, std::string_view body) {
  std::string out = "HTTP/1.1 ";
  out += status;
  out += "\r\nConnection: close\r\nContent-Type: ";
  out += type;
  out += "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  out += body;
  return out;
}

}  // namespace

std::string_view name_of(Fault fault) {
  switch (fault) {
    case Fault::none: return "none";
    case Fault::refuse: return "refuse";
    case Fault::cut_before: return "cut_before";
    case Fault::cut_within: return "cut_within";
    case Fault::cut_after: return "cut_after";
    case Fault::late: return "late";
    case Fault::slow: return "slow";
    case Fault::twice: return "twice";
    case Fault::error_500: return "error_500";
    case Fault::error_503: return "error_503";
    case Fault::done_503: return "done_503";
    case Fault::garbage: return "garbage";
    case Fault::page: return "page";
    case Fault::half_answer: return "half_answer";
    case Fault::half_header: return "half_header";
    case Fault::stop_before: return "stop_before";
    case Fault::stop_after: return "stop_after";
    case Fault::held: return "held";
  }
  MAMORI_UNREACHABLE();
}

FaultProxy::FaultProxy(int server, std::chrono::milliseconds patience)
    : server_(server), patience_(patience) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  socklen_t size = sizeof address;
  MAMORI_ASSERT(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  MAMORI_ASSERT(::listen(listener_, 128) == 0);
  MAMORI_ASSERT(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  accepting_ = std::thread([this] { accept_all(); });
}

FaultProxy::~FaultProxy() {
  stopping_ = true;
  release();
  accepting_.join();
  ::close(listener_);
  for (auto& connection : connections_) connection.thread.join();
}

void FaultProxy::arm(Fault fault, int at, std::function<void()> stop) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  at_ = at;
  stop_ = std::move(stop);
  requests_ = 0;
  answered_ = 0;
  happened_ = false;
  ++releases_;
  released_.notify_all();
}

void FaultProxy::release() {
  const std::lock_guard lock(mutex_);
  ++releases_;
  released_.notify_all();
}

void FaultProxy::settle() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(connections_, [](Connection& one) {
        if (one.done) one.thread.join();
        return one.done.load();
      });
      if (connections_.empty()) return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void FaultProxy::accept_all() {
  while (!stopping_) {
    pollfd ready{listener_, POLLIN, 0};
    if (::poll(&ready, 1, 50) <= 0) continue;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const std::lock_guard lock(mutex_);
    auto& connection = connections_.emplace_back();
    connection.thread = std::thread([this, client, &connection] {
      serve(client);
      ::close(client);
      connection.done = true;
    });
  }
}

std::string FaultProxy::forward(std::string_view request) const {
  std::string out;
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto address = loopback(server_);
  if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    // One request, one connection: what comes until the server closes is the answer.
    const auto header = request.find("\r\n") + 2;
    std::string whole(request.substr(0, header));
    whole += "Connection: close\r\n";
    whole += request.substr(header);
    send_all(server, whole);
    ::shutdown(server, SHUT_WR);
    while (receive_some(server, out)) continue;
  }
  ::close(server);
  return out;
}

void FaultProxy::serve(int client) {
  Fault fault = Fault::none;
  std::function<void()> stop;
  std::uint64_t releases = 0;
  {
    const std::lock_guard lock(mutex_);
    releases = releases_;
    if (++requests_ == at_ && fault_ != Fault::none) {
      fault = fault_;
      stop = stop_;
      happened_ = true;
    }
  }
  if (fault == Fault::refuse) return reset(client);
  const auto request = receive_request(client);
  if (request.find(kEndOfHeader) == request.npos)
    return;  // a client that only looked whether somebody is there
  const auto body = request.find(kEndOfHeader) + kEndOfHeader.size();
  switch (fault) {
    case Fault::none:
      if (const auto whole = forward(request); whole.empty()) {
        reset(client);
      } else {
        answered_ += whole.size();
        send_all(client, whole);
      }
      return;
    case Fault::refuse:
    case Fault::cut_before: return reset(client);
    case Fault::cut_within: {
      forward(std::string_view(request).substr(0, body + (request.size() - body) / 2));
      return reset(client);
    }
    case Fault::cut_after: {
      forward(request);
      return reset(client);
    }
    case Fault::late: {
      std::this_thread::sleep_for(patience_);
      forward(request);
      return;
    }
    case Fault::slow: {
      const auto whole = forward(request);
      std::this_thread::sleep_for(patience_);
      send_all(client, whole);
      return;
    }
    case Fault::twice: {
      const auto first = forward(request);
      const auto second = forward(request);
      send_all(client, first);
      send_all(client, second);
      return;
    }
    case Fault::error_500:
      send_all(client, answer("500 Internal Server Error", "text/plain", "out of order"));
      return;
    case Fault::error_503: send_all(client, answer("503 Service Unavailable", "text/plain", "")); return;
    case Fault::done_503: {
      forward(request);
      send_all(client, answer("503 Service Unavailable", "text/html", "<h1>No server is available</h1>"));
      return;
    }
    case Fault::garbage: {
      forward(request);
      send_all(client, std::string_view("\x16\x03\x01\0\x05hello\r\n\r\n", 14));
      return;
    }
    case Fault::page:
      send_all(client,
               answer("200 OK", "text/html", "<html>Please sign in to the network of the hospital</html>"));
      return;
    case Fault::half_answer: {
      const auto whole = forward(request);
      const auto end = whole.find(kEndOfHeader);
      if (end == whole.npos) return reset(client);
      const auto start = end + kEndOfHeader.size();
      send_all(client, std::string_view(whole).substr(0, start + (whole.size() - start) / 2));
      return;
    }
    case Fault::half_header: {
      const auto whole = forward(request);
      send_all(client,
               std::string_view(whole).substr(0, std::min(whole.size(), whole.find(kEndOfHeader)) / 2));
      return;
    }
    case Fault::stop_before: {
      if (stop) stop();
      return reset(client);
    }
    case Fault::stop_after: {
      forward(request);
      if (stop) stop();
      return reset(client);
    }
    case Fault::held: {
      std::unique_lock lock(mutex_);
      released_.wait(lock, [&] { return releases_ != releases; });
      lock.unlock();
      send_all(client, forward(request));
      return;
    }
  }
  MAMORI_UNREACHABLE();
}

}  // namespace mamori::testing
