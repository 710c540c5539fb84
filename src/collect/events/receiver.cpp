#include "collect/events/receiver.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <netinet/in.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "collect/events/framing.h"

namespace mamori::collect::events {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kRead = 512u << 10;
constexpr std::size_t kDatagrams = 128, kLongestDatagram = 65536;
constexpr std::chrono::milliseconds kGather{20};       // UDP: how long datagrams wait for company
constexpr std::size_t kMostGathered = 4096;
constexpr std::size_t kBurst = 20'000;                 // datagrams a second of one sender, when there is more than can be kept

std::string fingerprint(SSL* session) {
  X509* const certificate = SSL_get1_peer_certificate(session);
  if (!certificate) return {};
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  const bool done = X509_digest(certificate, EVP_sha256(), digest, &size) == 1;
  X509_free(certificate);
  return done ? to_hex({reinterpret_cast<const char*>(digest), size}) : std::string();
}

int open_udp(const std::string& address, int port, int& bound) {
  error_code failure;
  const auto parsed = asio::ip::make_address(address, failure);
  const tcp::endpoint endpoint(parsed, static_cast<unsigned short>(port));
  const int file = ::socket(endpoint.data()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (file < 0) return -1;
  const int room = 8 << 20, count = 1;
  if (::setsockopt(file, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0) ::setsockopt(file, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);  // the first is for the administrator only
  ::setsockopt(file, SOL_SOCKET, SO_RXQ_OVFL, &count, sizeof count);  // how many the kernel had no room for
  if (::bind(file, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) {
    ::close(file);
    return -1;
  }
  tcp::endpoint here;
  socklen_t size = static_cast<socklen_t>(here.capacity());
  ::getsockname(file, here.data(), &size);
  bound = here.port();
  return file;
}

// How many datagrams the kernel has dropped since the socket was opened, as it says beside each one; none where it says nothing.
std::optional<std::uint32_t> overflow_of(msghdr& message) {
  for (auto* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SO_RXQ_OVFL) continue;
    std::uint32_t total = 0;
    std::memcpy(&total, CMSG_DATA(part), sizeof total);
    return total;
  }
  return std::nullopt;
}

// An IPv4 sender on a socket for both is shown as IPv4.
std::string shown(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  return address.to_string();
}

std::string address_of(const sockaddr_storage& from, socklen_t size) {
  tcp::endpoint endpoint;
  std::memcpy(endpoint.data(), &from, size);
  endpoint.resize(size);
  return shown(endpoint.address());
}

}  // namespace

struct Receiver::State {
  State(const ReceiverOptions& given, Logs& given_logs) : options(given), logs(given_logs), tcp_acceptor(io), tls_acceptor(io), tls(asio::ssl::context::tls_server), keepers(4) {}

  ReceiverOptions options;
  Logs& logs;
  // Before `io`, whose end ends the connections that count themselves here.
  std::atomic<std::size_t> open{0};
  std::mutex mutex;                      // guards by_address
  std::map<std::string, std::size_t> by_address;  // connections
  asio::io_context io{2};
  tcp::acceptor tcp_acceptor, tls_acceptor;
  asio::ssl::context tls;
  asio::thread_pool keepers;             // where events go to the disk; the network's threads never wait for it
  std::vector<std::thread> threads;
  std::atomic<bool> stopping{false};
  int udp = -1, udp_bound = -1;

  // Keeps what was read from one sender; waits while the disk is full, so that the sender waits too.
  Status keep(const LogSource& source, const std::string& address, const std::vector<std::string>& messages) {
    Bodies bodies;
    bodies.events.reserve(messages.size());
    for (const auto& message : messages) bodies.events.push_back({message, 0});
    for (int tries = 0;; ++tries) {
      const auto kept = logs.accept(source, address, bodies);
      if (kept) return {};
      if (tries == 0) log::error("log intake: " + describe(kept.error()));
      if (kept.error().code != "os.disk.full" || stopping) return kept.error();
      std::this_thread::sleep_for(std::chrono::seconds(1));
    }
  }

  template <class Stream>
  asio::awaitable<void> read(Stream& stream, const std::string& address, const std::string& certificate) {
    auto source = logs.source_of({.address = address, .certificate = certificate});
    auto asked = std::chrono::steady_clock::now();
    const auto alive = std::make_shared<bool>(true);
    struct Ended {
      std::shared_ptr<bool> alive;
      ~Ended() { *alive = false; }
    } ended{alive};
    Framer framer;
    std::vector<char> buffer(64u << 10);
    asio::steady_timer idle(co_await asio::this_coro::executor);
    // While one batch goes to the disk the next is read; a third has to wait.
    auto keeping = std::make_shared<std::optional<Status>>(Status{});
    asio::steady_timer kept(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    while (!stopping) {
      if (std::chrono::steady_clock::now() - asked > std::chrono::seconds(10)) {  // what was decided about the sender meanwhile
        source = logs.source_of({.address = address, .certificate = certificate});
        asked = std::chrono::steady_clock::now();
      }
      if (!source) {
        log::warning("log sender " + address + ": " + describe(source.error()));
        break;
      }
      error_code failure;
      idle.expires_after(std::chrono::seconds(options.idle_seconds));
      idle.async_wait([&stream, alive](error_code cancelled) {
        error_code ignored;
        if (!cancelled && *alive) stream.lowest_layer().close(ignored);
      });
      const auto count = co_await stream.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, failure));
      idle.cancel();
      std::vector<std::string> messages;
      if (!failure) {
        framer.feed({buffer.data(), count});
        if (count == buffer.size() && buffer.size() < kRead) buffer.resize(buffer.size() * 2);
      }
      while (const auto message = framer.next()) messages.emplace_back(*message);
      if (failure)
        if (const auto last = framer.finish()) messages.emplace_back(*last);
      if (!messages.empty()) {
        error_code woken;
        while (!keeping->has_value()) co_await kept.async_wait(asio::redirect_error(asio::use_awaitable, woken));
        if (!**keeping) co_return;
        keeping->reset();
        auto executor = co_await asio::this_coro::executor;
        asio::post(keepers, [this, source = *source, address, messages = std::move(messages), keeping, executor, &kept]() mutable {
          auto done = keep(source, address, messages);
          asio::post(executor, [keeping, done = std::move(done), &kept]() mutable {
            *keeping = std::move(done);
            kept.cancel();
          });
        });
      }
      if (failure || count == 0) break;
    }
    error_code ignored;
    while (!keeping->has_value()) co_await kept.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  asio::awaitable<void> connection(tcp::socket socket, bool encrypted) {
    struct Count {
      State& state;
      std::string address = {};
      ~Count() {
        --state.open;
        const std::lock_guard lock(state.mutex);
        if (!address.empty() && --state.by_address[address] == 0) state.by_address.erase(address);
      }
    } count{*this};
    error_code failure;
    const auto peer = socket.remote_endpoint(failure);
    if (failure) co_return;
    const auto address = shown(peer.address());
    {
      const std::lock_guard lock(mutex);
      auto& of_one = by_address[address];
      if (of_one >= options.of_one_address) co_return;
      ++of_one;
      count.address = address;
    }
    if (!encrypted) {
      co_await read(socket, address, "");
      co_return;
    }
    asio::ssl::stream<tcp::socket> stream(std::move(socket), tls);
    const auto waiting = std::make_shared<bool>(true);
    asio::steady_timer limit(co_await asio::this_coro::executor, std::chrono::seconds(options.handshake_seconds));
    limit.async_wait([&stream, waiting](error_code cancelled) {
      error_code ignored;
      if (!cancelled && *waiting) stream.lowest_layer().close(ignored);
    });
    co_await stream.async_handshake(asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, failure));
    *waiting = false;
    limit.cancel();
    if (failure) {
      const auto verdict = SSL_get_verify_result(stream.native_handle());
      log::warning("log sender " + address + ": TLS " + failure.message() + (verdict == X509_V_OK ? "" : std::string(": ") + X509_verify_cert_error_string(verdict)));
      co_return;
    }
    co_await read(stream, address, fingerprint(stream.native_handle()));
  }

  asio::awaitable<void> accept(tcp::acceptor& acceptor, bool encrypted) {
    while (acceptor.is_open()) {
      error_code failure;
      auto socket = co_await acceptor.async_accept(asio::make_strand(io), asio::redirect_error(asio::use_awaitable, failure));
      if (failure == asio::error::operation_aborted) co_return;
      if (failure || open >= options.connections) {
        asio::steady_timer pause(io, std::chrono::milliseconds(100));
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, failure));
        continue;
      }
      ++open;
      const auto executor = socket.get_executor();
      asio::co_spawn(executor, connection(std::move(socket), encrypted), asio::detached);
    }
  }

  // Datagrams are gathered for a moment, by sender, and kept together.
  void read_datagrams() {
    std::vector<std::vector<char>> buffers(kDatagrams, std::vector<char>(kLongestDatagram));
    std::vector<mmsghdr> headers(kDatagrams);
    std::vector<iovec> places(kDatagrams);
    std::vector<sockaddr_storage> froms(kDatagrams);
    struct alignas(cmsghdr) Control {
      char bytes[CMSG_SPACE(sizeof(std::uint32_t))];
    };
    std::vector<Control> controls(kDatagrams);
    std::uint32_t overflow = 0;
    struct Share {
      std::optional<LogSource> source;
      std::vector<std::string> messages;
      std::size_t this_second = 0;
      std::uint64_t dropped = 0;
    };
    std::map<std::string, Share> shares;
    std::atomic<int> in_flight{0};
    std::size_t gathered = 0;
    auto since = std::chrono::steady_clock::now(), second = since;
    const auto flush = [&] {
      for (auto& [address, share] : shares) {
        if (share.dropped != 0 && share.source) logs.count_dropped(*share.source, std::exchange(share.dropped, 0));
        if (share.messages.empty() || !share.source) continue;
        ++in_flight;
        asio::post(keepers, [this, &in_flight, source = *share.source, address = address, messages = std::move(share.messages)] {
          (void)keep(source, address, messages).has_value();
          --in_flight;
        });
        share.messages = {};
      }
      gathered = 0;
    };
    while (!stopping) {
      pollfd watched{udp, POLLIN, 0};
      ::poll(&watched, 1, gathered == 0 ? 200 : 5);
      const auto now = std::chrono::steady_clock::now();
      if (now - second > std::chrono::seconds(1)) {
        second = now;
        for (auto& [address, share] : shares) share.this_second = 0;
        if (shares.size() > 4096) {
          flush();
          shares.clear();
        }
      }
      for (std::size_t i = 0; i < kDatagrams; ++i) {
        places[i] = {buffers[i].data(), buffers[i].size()};
        headers[i] = {};
        headers[i].msg_hdr.msg_iov = &places[i];
        headers[i].msg_hdr.msg_iovlen = 1;
        headers[i].msg_hdr.msg_name = &froms[i];
        headers[i].msg_hdr.msg_namelen = sizeof froms[i];
        headers[i].msg_hdr.msg_control = controls[i].bytes;
        headers[i].msg_hdr.msg_controllen = sizeof controls[i].bytes;
      }
      const int got = ::recvmmsg(udp, headers.data(), static_cast<unsigned>(headers.size()), MSG_DONTWAIT, nullptr);
      for (int i = 0; i < got; ++i) {
        const auto number = static_cast<std::size_t>(i);
        if (const auto total = overflow_of(headers[number].msg_hdr); total && *total != overflow) {
          logs.count_overflow(*total - overflow);
          overflow = *total;
        }
        if (headers[number].msg_len == 0) continue;
        const auto address = address_of(froms[number], headers[number].msg_hdr.msg_namelen);
        auto& share = shares[address];
        if (!share.source || share.this_second == 0) {
          auto source = logs.source_of({.address = address});
          share.source = source ? std::optional(std::move(*source)) : std::nullopt;
        }
        ++share.this_second;
        if (!share.source) continue;
        if (in_flight > 8 && (share.this_second > kBurst || share.messages.size() > kMostGathered)) {
          ++share.dropped;
          continue;
        }
        std::string_view message(buffers[number].data(), headers[number].msg_len);
        while (!message.empty() && (message.back() == '\n' || message.back() == '\0' || message.back() == '\r')) message.remove_suffix(1);
        if (message.empty()) continue;
        if (gathered == 0) since = now;
        ++gathered;
        share.messages.emplace_back(message);
      }
      if (gathered >= kMostGathered || (gathered != 0 && now - since >= kGather && in_flight < 8)) flush();
    }
    flush();
    while (in_flight != 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
};

Receiver::Receiver(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Receiver>> Receiver::open(const ReceiverOptions& options, Logs& logs) {
  auto state = std::make_unique<State>(options, logs);
  const auto taken = [](int port, const std::string& reason) { return Error{ErrorKind::unavailable, "collect.receiver.taken", {{"port", std::to_string(port)}, {"reason", reason}}}; };
  error_code failure;
  const auto address = asio::ip::make_address(options.address, failure);
  if (failure) return Error{ErrorKind::invalid, "http.listen.address", {{"address", options.address}}};
  const auto listen = [&](tcp::acceptor& acceptor, int port) -> Status {
    const tcp::endpoint endpoint(address, static_cast<unsigned short>(port));
    acceptor.open(endpoint.protocol(), failure);
    if (!failure) acceptor.set_option(asio::socket_base::reuse_address(true), failure);
    if (!failure) acceptor.bind(endpoint, failure);
    if (!failure) acceptor.listen(asio::socket_base::max_listen_connections, failure);
    if (failure) return taken(port, failure.message());
    return {};
  };
  if (options.tcp_port >= 0) MAMORI_TRY(listen(state->tcp_acceptor, options.tcp_port));
  if (options.tls_port >= 0) {
    auto& tls = state->tls;
    tls.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, failure);
    tls.use_certificate_chain_file(options.certificate_file, failure);
    if (!failure) tls.use_private_key_file(options.key_file, asio::ssl::context::pem, failure);
    if (!failure && !options.client_ca_file.empty()) {
      tls.load_verify_file(options.client_ca_file, failure);
      tls.set_verify_mode(asio::ssl::verify_peer);  // a certificate that is shown must be good; none need be shown
    }
    if (failure) return Error{ErrorKind::invalid, "collect.receiver.certificate", {{"file", options.certificate_file}, {"reason", failure.message()}}};
    MAMORI_TRY(listen(state->tls_acceptor, options.tls_port));
  }
  if (options.udp_port >= 0) {
    state->udp = open_udp(options.address, options.udp_port, state->udp_bound);
    if (state->udp < 0) return taken(options.udp_port, std::strerror(errno));
  }
  auto* const raw = state.get();
  if (options.tcp_port >= 0) asio::co_spawn(state->io, raw->accept(raw->tcp_acceptor, false), asio::detached);
  if (options.tls_port >= 0) asio::co_spawn(state->io, raw->accept(raw->tls_acceptor, true), asio::detached);
  if (options.tcp_port >= 0 || options.tls_port >= 0)
    for (int i = 0; i < 2; ++i) state->threads.emplace_back([raw] { raw->io.run(); });
  if (state->udp >= 0) state->threads.emplace_back([raw] { raw->read_datagrams(); });
  return std::unique_ptr<Receiver>(new Receiver(std::move(state)));
}

Receiver::~Receiver() {
  state_->stopping = true;
  asio::post(state_->io, [state = state_.get()] {
    error_code ignored;
    state->tcp_acceptor.close(ignored);
    state->tls_acceptor.close(ignored);
  });
  // Messages already handed to the keepers are kept; connections in the middle of one end here, and their senders send it again.
  state_->keepers.wait();
  state_->io.stop();
  for (auto& thread : state_->threads) thread.join();
  state_->keepers.join();
  if (state_->udp >= 0) ::close(state_->udp);
}

int Receiver::udp_port() const { return state_->udp_bound; }
int Receiver::tcp_port() const { return state_->tcp_acceptor.is_open() ? state_->tcp_acceptor.local_endpoint().port() : -1; }
int Receiver::tls_port() const { return state_->tls_acceptor.is_open() ? state_->tls_acceptor.local_endpoint().port() : -1; }

}  // namespace mamori::collect::events
