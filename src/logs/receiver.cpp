#include "logs/receiver.h"

#include <netinet/in.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstring>
#include <list>
#include <map>
#include <thread>

#include "base/log.h"
#include "base/mutex.h"
#include "base/tls.h"
#include "formats/framing.h"
#include "logs/keeper.h"

namespace mamori::logs {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kRead = 512u << 10;
constexpr std::size_t kDatagrams = 128, kLongestDatagram = 65536;
constexpr std::chrono::milliseconds kGather{20};  // UDP: how long datagrams wait for company
constexpr std::size_t kMostGathered = 4096;
constexpr std::size_t kMostOfOne =
    8192;  // messages of one batch of a connection: short ones weigh more than their bytes
constexpr std::size_t kMostShares = 4096;            // senders of datagrams that are remembered
constexpr std::chrono::milliseconds kLastLook{300};  // at the end, for datagrams that lie in the socket

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
  if (::setsockopt(file, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
    ::setsockopt(file, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);  // the first is for the administrator only
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

// How many datagrams the kernel has dropped since the socket was opened, as it says beside each one; none
// where it says nothing.
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
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
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
  State(const ReceiverOptions& given, Logs& given_logs)
      : options(given),
        logs(given_logs),
        keeper(given_logs, {.bytes = given.datagram_bytes}),
        listening(asio::make_strand(io)),
        tcp_acceptor(listening),
        tls_acceptor(listening),
        tls(asio::ssl::context::tls_server) {}

  // An open connection, so that its reading can be ended. `cut` is called on its executor only.
  struct Open {
    asio::any_io_executor executor;
    std::function<void()> cut;
  };

  ReceiverOptions options;
  Logs& logs;
  // Before `io`, whose end ends the connections that count themselves here.
  std::atomic<std::size_t> open{0};
  Mutex mutex;
  std::map<std::string, std::size_t> by_address GUARDED_BY(mutex);  // connections
  std::list<Open> connections GUARDED_BY(mutex);
  std::atomic<bool> stopping{false};
  bool stopping_began GUARDED_BY(mutex) = false;
  Keeper keeper;  // where events go to the archive; the network's threads never wait for it
  asio::io_context io{2};
  asio::strand<asio::io_context::executor_type> listening;
  tcp::acceptor tcp_acceptor, tls_acceptor;
  asio::ssl::context tls;
  std::vector<std::thread> threads;  // of `io`
  std::thread datagrams;
  int udp = -1, udp_bound = -1, tcp_bound = -1, tls_bound = -1;

  template <class Stream>
  asio::awaitable<void> read(Stream& stream, const std::string& address, const std::string& certificate) {
    using Clock = std::chrono::steady_clock;
    const auto executor = co_await asio::this_coro::executor;
    const auto lane = Keeper::lane({.address = address, .certificate = certificate}, Keeper::Flow::waits);
    std::optional<Clock::time_point> asked;
    const auto alive = std::make_shared<bool>(true);
    struct Ended {
      std::shared_ptr<bool> alive;
      ~Ended() { *alive = false; }
    } ended{alive};
    formats::Framer framer;
    std::uint64_t cut = 0;
    std::vector<char> buffer(64u << 10);
    asio::steady_timer idle(executor);
    // While one batch goes to the archive the next is read; a third has to wait, and the sender with it.
    auto keeping = std::make_shared<std::optional<Keeper::Outcome>>(Keeper::Outcome::kept);
    asio::steady_timer kept(executor, asio::steady_timer::time_point::max());
    error_code woken;
    std::optional<Clock::time_point> end;  // where we end: until when what lies in the socket is read
    const auto more_lies_there = [&] {
      error_code ignored;
      return stream.lowest_layer().available(ignored) != 0 && !ignored;
    };
    for (bool reading = true; reading;) {
      if (stopping && !end) end = Clock::now() + kLastLook;
      reading = !end || (Clock::now() < *end && more_lies_there());
      if (reading &&
          (!asked || Clock::now() - *asked >
                         std::chrono::seconds(10))) {  // what was decided about the sender meanwhile
        asked = Clock::now();
        if (const auto known = logs.find_sender(lane->sender); !known) {
          log::warning("log sender " + address + ": " + describe(known.error()));
          break;
        }
      }
      if (reading) {
        error_code failure;
        if (end)
          idle.expires_at(*end);
        else
          idle.expires_after(std::chrono::seconds(options.idle_seconds));
        idle.async_wait([&stream, alive](error_code cancelled) {
          error_code ignored;
          if (!cancelled && *alive) stream.lowest_layer().close(ignored);
        });
        const auto count = co_await stream.async_read_some(
            asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, failure));
        idle.cancel();
        framer.feed({buffer.data(), count});
        if (count == buffer.size() && buffer.size() < kRead) buffer.resize(buffer.size() * 2);
        if (failure == asio::error::operation_aborted && stopping && !end) continue;  // the last look
        reading = !failure && count != 0;
      }
      for (bool more = true; more;) {
        std::vector<std::string> messages;
        while (more && messages.size() < kMostOfOne) {
          // Nobody sends again what the kernel has acknowledged: what is not whole is kept too.
          const auto message = reading ? framer.next() : framer.finish();
          if (message)
            messages.emplace_back(*message);
          else
            more = false;
        }
        if (messages.empty()) break;
        while (!keeping->has_value())
          co_await kept.async_wait(asio::redirect_error(asio::use_awaitable, woken));
        if (**keeping != Keeper::Outcome::kept) co_return;
        keeping->reset();
        keeper.put(lane, std::move(messages), [keeping, executor, &kept](Keeper::Outcome outcome) {
          asio::post(executor, [keeping, outcome, &kept] {
            *keeping = outcome;
            kept.cancel();
          });
        });
      }
      if (framer.cut() != cut) logs.counting().count_cut(framer.cut() - std::exchange(cut, framer.cut()));
    }
    while (!keeping->has_value()) co_await kept.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }

  // A connection among the others; counted from accept() on.
  struct Place {
    State& state;
    std::string address = {};
    std::optional<std::list<Open>::iterator> entry = {};
    ~Place() {
      --state.open;
      const MutexLock lock(state.mutex);
      if (!address.empty() && --state.by_address[address] == 0) state.by_address.erase(address);
      if (entry) state.connections.erase(*entry);
    }
  };

  // False where it may not stay.
  bool enter(Place& place, tcp::socket::lowest_layer_type& socket) {
    error_code failure;
    const auto peer = socket.remote_endpoint(failure);
    if (failure) return false;
    const auto address = shown(peer.address());
    const MutexLock lock(mutex);
    if (stopping) return false;
    if (const auto others = by_address.find(address);
        others != by_address.end() && others->second >= options.of_one_address)
      return false;
    ++by_address[address];
    place.address = address;
    place.entry = connections.insert(connections.end(), {socket.get_executor(), [&socket] {
                                                           error_code ignored;
                                                           socket.cancel(ignored);
                                                         }});
    return true;
  }

  asio::awaitable<void> plain(tcp::socket socket) {
    Place place{*this};  // goes before the socket that it cuts
    if (enter(place, socket)) co_await read(socket, place.address, "");
  }

  asio::awaitable<void> encrypted(tcp::socket socket) {
    asio::ssl::stream<tcp::socket> stream(std::move(socket), tls);
    Place place{*this};
    if (!enter(place, stream.lowest_layer())) co_return;
    error_code failure;
    const auto waiting = std::make_shared<bool>(true);
    asio::steady_timer limit(co_await asio::this_coro::executor,
                             std::chrono::seconds(options.handshake_seconds));
    limit.async_wait([&stream, waiting](error_code cancelled) {
      error_code ignored;
      if (!cancelled && *waiting) stream.lowest_layer().close(ignored);
    });
    co_await stream.async_handshake(asio::ssl::stream_base::server,
                                    asio::redirect_error(asio::use_awaitable, failure));
    *waiting = false;
    limit.cancel();
    if (failure) {
      if (stopping) co_return;
      const auto verdict = SSL_get_verify_result(stream.native_handle());
      log::warning("log sender " + place.address + ": TLS " + failure.message() +
                   (verdict == X509_V_OK ? "" : std::string(": ") + X509_verify_cert_error_string(verdict)));
      co_return;
    }
    co_await read(stream, place.address, fingerprint(stream.native_handle()));
  }

  // Ends the reading of all connections: each then hands over what is whole and ends.
  void cut_all() {
    const MutexLock lock(mutex);
    for (auto entry = connections.begin(); entry != connections.end(); ++entry)
      asio::post(entry->executor, [this, sought = &*entry] {
        std::function<void()> cut;
        {
          // It may have ended meanwhile; that happens on this executor too, so not while `cut` runs.
          const MutexLock looking(mutex);
          for (const auto& one : connections)
            if (&one == sought) cut = one.cut;
        }
        if (cut) cut();
      });
  }

  asio::awaitable<void> accept(tcp::acceptor& acceptor, bool with_tls) {
    while (!stopping) {
      error_code failure;
      auto socket = co_await acceptor.async_accept(asio::make_strand(io),
                                                   asio::redirect_error(asio::use_awaitable, failure));
      if (failure == asio::error::operation_aborted || stopping) co_return;
      if (failure || open >= options.connections) {
        asio::steady_timer pause(listening, std::chrono::milliseconds(100));
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, failure));
        continue;
      }
      ++open;
      const auto executor = socket.get_executor();
      asio::co_spawn(executor, with_tls ? encrypted(std::move(socket)) : plain(std::move(socket)),
                     asio::detached);
    }
  }

  // Datagrams are gathered for a moment, by sender, and kept together.
  struct Share {
    Keeper::LanePtr lane;
    std::vector<std::string> messages;
    std::size_t bytes = 0;
    std::uint64_t dropped = 0;
  };

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
    std::map<std::string, Share> shares;
    std::vector<Share*> touched;  // since the last flush
    std::size_t gathered = 0, bytes = 0;
    auto since = std::chrono::steady_clock::now();
    std::optional<std::chrono::steady_clock::time_point> end;
    const auto flush = [&] {
      for (auto* const share : touched) {
        if (share->dropped != 0) count_dropped(*share);
        keeper.put(share->lane, std::exchange(share->messages, {}));
        share->bytes = 0;
      }
      touched.clear();
      gathered = bytes = 0;
      // Who is silent now is forgotten; who still waits is not, so that nothing overtakes it.
      if (shares.size() > kMostShares)
        std::erase_if(shares, [](const auto& entry) { return entry.second.lane->waiting() == 0; });
    };
    while (true) {
      if (stopping && !end) end = std::chrono::steady_clock::now() + kLastLook;
      pollfd watched{udp, POLLIN, 0};
      ::poll(&watched, 1, stopping ? 0 : gathered == 0 ? 200 : 5);
      const auto now = std::chrono::steady_clock::now();
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
      const int got =
          ::recvmmsg(udp, headers.data(), static_cast<unsigned>(headers.size()), MSG_DONTWAIT, nullptr);
      for (int i = 0; i < got; ++i) {
        const auto number = static_cast<std::size_t>(i);
        if (const auto total = overflow_of(headers[number].msg_hdr); total && *total != overflow) {
          logs.counting().count_overflow(*total - overflow);
          overflow = *total;
        }
        std::string_view message(buffers[number].data(), headers[number].msg_len);
        while (!message.empty() &&
               (message.back() == '\n' || message.back() == '\0' || message.back() == '\r'))
          message.remove_suffix(1);
        if (message.empty()) continue;
        const auto address = address_of(froms[number], headers[number].msg_hdr.msg_namelen);
        auto& share = shares[address];
        if (!share.lane) share.lane = Keeper::lane({.address = address}, Keeper::Flow::comes);
        if (share.messages.empty() && share.dropped == 0) touched.push_back(&share);
        if (gathered == 0) since = now;
        ++gathered;
        const auto weight = Keeper::weight(message);
        if (!keeper.room(*share.lane, share.bytes + weight, bytes - share.bytes)) {
          ++share.dropped;
          continue;
        }
        share.bytes += weight;
        bytes += weight;
        share.messages.emplace_back(message);
      }
      if (gathered >= kMostGathered || (gathered != 0 && now - since >= kGather)) flush();
      if (end && (got <= 0 || now >= *end)) break;
    }
    flush();
  }

  void count_dropped(Share& share) {
    const auto source = logs.find_sender(share.lane->sender);
    const auto events = std::exchange(share.dropped, 0);
    if (!source)
      logs.counting().count_turned_away(events);
    else
      logs.counting().count_dropped(*source ? (*source)->id : "", events);
  }
};

Receiver::Receiver(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Receiver>> Receiver::open(const ReceiverOptions& options, Logs& logs) {
  auto state = std::make_unique<State>(options, logs);
  const auto taken = [](int port, const std::string& reason) {
    return Error{ErrorKind::unavailable,
                 "collect.receiver.taken",
                 {{"port", std::to_string(port)}, {"reason", reason}}};
  };
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
    tls.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                        asio::ssl::context::no_tlsv1_1,
                    failure);
    MAMORI_ASSERT(SSL_CTX_set_cipher_list(tls.native_handle(), kTlsSuites) == 1);
    tls.use_certificate_chain_file(options.certificate_file, failure);
    if (!failure) tls.use_private_key_file(options.key_file, asio::ssl::context::pem, failure);
    if (!failure && !options.client_ca_file.empty()) {
      tls.load_verify_file(options.client_ca_file, failure);
      tls.set_verify_mode(
          asio::ssl::verify_peer);  // a certificate that is shown must be good; none need be shown
    }
    if (failure)
      return Error{ErrorKind::invalid,
                   "collect.receiver.certificate",
                   {{"file", options.certificate_file}, {"reason", failure.message()}}};
    MAMORI_TRY(listen(state->tls_acceptor, options.tls_port));
  }
  if (options.udp_port >= 0) {
    state->udp = open_udp(options.address, options.udp_port, state->udp_bound);
    if (state->udp < 0) return taken(options.udp_port, std::strerror(errno));
  }
  auto* const raw = state.get();
  if (options.tcp_port >= 0) {
    state->tcp_bound = state->tcp_acceptor.local_endpoint().port();
    asio::co_spawn(state->listening, raw->accept(raw->tcp_acceptor, false), asio::detached);
  }
  if (options.tls_port >= 0) {
    state->tls_bound = state->tls_acceptor.local_endpoint().port();
    asio::co_spawn(state->listening, raw->accept(raw->tls_acceptor, true), asio::detached);
  }
  if (options.tcp_port >= 0 || options.tls_port >= 0)
    for (int i = 0; i < 2; ++i) state->threads.emplace_back([raw] { raw->io.run(); });
  if (state->udp >= 0) state->datagrams = std::thread([raw] { raw->read_datagrams(); });
  return std::unique_ptr<Receiver>(new Receiver(std::move(state)));
}

Receiver::~Receiver() {
  stop();
  if (state_->udp >= 0) ::close(state_->udp);
}

void Receiver::stop() {
  // First nothing more is read, then what was read is kept, and only then do those end who keep it.
  {
    const MutexLock lock(state_->mutex);
    if (std::exchange(state_->stopping_began, true)) return;
    state_->stopping = true;
  }
  asio::post(state_->listening, [state = state_.get()] {
    error_code ignored;
    state->tcp_acceptor.close(ignored);
    state->tls_acceptor.close(ignored);
  });
  state_->cut_all();
  state_->keeper.hurry(state_->options.patience);
  if (state_->datagrams.joinable()) state_->datagrams.join();
  // Each connection ends when its last batch is kept or given up.
  for (auto& thread : state_->threads) thread.join();
  state_->keeper.stop();
}

std::uint64_t Receiver::left() const { return state_->keeper.left(); }
std::uint64_t Receiver::progress() const { return state_->keeper.progress(); }

int Receiver::udp_port() const { return state_->udp_bound; }
int Receiver::tcp_port() const { return state_->tcp_bound; }
int Receiver::tls_port() const { return state_->tls_bound; }

}  // namespace mamori::logs
