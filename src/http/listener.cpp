#include "http/listener.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include <atomic>
#include <latch>
#include <list>
#include <sstream>
#include <thread>

#include "base/background.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/text.h"
#include "base/tls.h"

namespace mamori::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using tcp = asio::ip::tcp;
using Parser = beast::http::request_parser<beast::http::buffer_body>;

Method method_of(beast::http::verb verb) {
  if (verb == beast::http::verb::get) return Method::get;
  if (verb == beast::http::verb::head) return Method::head;
  if (verb == beast::http::verb::post) return Method::post;
  if (verb == beast::http::verb::put) return Method::put;
  if (verb == beast::http::verb::patch) return Method::patch;
  if (verb == beast::http::verb::delete_) return Method::delete_;
  return Method::other;
}

// False for a target that cannot be decoded.
bool fill_target(std::string_view target, Request& request) {
  const auto question = target.find('?');
  auto path = percent_decode(target.substr(0, question), false);
  if (!path || !path->starts_with('/')) return false;
  request.path = std::move(*path);
  if (question == target.npos) return true;
  for (const auto pair : split(target.substr(question + 1), '&')) {
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals), true);
    auto value = percent_decode(equals == pair.npos ? "" : pair.substr(equals + 1), true);
    if (!name || !value) return false;
    request.query[*name] = std::move(*value);
  }
  return true;
}

Reply plain_reply(int status, std::string_view code) {
  Reply reply;
  reply.status = status;
  reply.content_type = "application/problem+json";
  reply.body = json::serialize(
      json::object{{"type", "about:blank"}, {"status", status}, {"code", code}, {"title", code}});
  return reply;
}

constexpr std::size_t kReadAtOnce = 64 << 10;
constexpr std::size_t kDrained =
    16u << 20;  // what is thrown away of a body that was refused, so that the answer is read
constexpr std::chrono::seconds kDrainFor{2};
constexpr std::chrono::milliseconds kRoomPause{50};

// Bytes that all bodies share. Threads: all calls may come from several.
class Budget {
 public:
  explicit Budget(std::size_t most) : most_(most) {}
  bool take(std::size_t bytes) {
    auto used = used_.load();
    while (bytes <= most_ - used)
      if (used_.compare_exchange_weak(used, used + bytes)) return true;
    return false;
  }
  void give_back(std::size_t bytes) { used_ -= bytes; }

 private:
  const std::size_t most_;
  std::atomic<std::size_t> used_{0};
};

// What one body has of it.
struct Share {
  Budget& budget;
  std::size_t bytes = 0;
  ~Share() { budget.give_back(bytes); }
};

// The workers of one lane. Threads: all calls may come from several.
struct Pool {
  explicit Pool(const LaneLimits& limits) : most(limits.workers + limits.waiting), threads(limits.workers) {}
  // Each of its threads gives way to those of the other lanes. Before any work.
  void to_background(std::size_t workers) {
    const auto all = std::make_shared<std::latch>(static_cast<std::ptrdiff_t>(workers));
    for (std::size_t i = 0; i < workers; ++i)
      asio::post(threads, [all] {
        work_in_background();
        all->arrive_and_wait();  // so that no thread takes two
      });
  }
  const std::size_t most;
  std::atomic<std::size_t> taken{0};
  asio::thread_pool threads;
};

// A place in a lane, worked on or waiting, as long as this lives.
class Turn {
 public:
  explicit Turn(Pool& pool) : pool_(pool), has_(++pool.taken <= pool.most) {}
  ~Turn() { --pool_.taken; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  explicit operator bool() const { return has_; }

 private:
  Pool& pool_;
  const bool has_;
};

// A connection, encrypted or not: the message handling is compiled once for both.
class Line {
 public:
  virtual ~Line() = default;
  virtual asio::awaitable<std::size_t> read(asio::mutable_buffer to, beast::error_code& failure) = 0;
  virtual asio::awaitable<void> write(std::string_view bytes, beast::error_code& failure) = 0;
  virtual void expire(std::optional<std::chrono::milliseconds> after) = 0;  // none: never
  virtual void finish() = 0;                                                // nothing more will be written
  virtual void cut() = 0;  // what is being read or written ends
};

template <class Stream>
class LineOf final : public Line {
 public:
  explicit LineOf(Stream& stream) : stream_(stream) {}
  asio::awaitable<std::size_t> read(asio::mutable_buffer to, beast::error_code& failure) override {
    co_return co_await stream_.async_read_some(to, asio::redirect_error(asio::use_awaitable, failure));
  }
  asio::awaitable<void> write(std::string_view bytes, beast::error_code& failure) override {
    co_await asio::async_write(stream_, asio::buffer(bytes.data(), bytes.size()),
                               asio::redirect_error(asio::use_awaitable, failure));
  }
  void expire(std::optional<std::chrono::milliseconds> after) override {
    if (after)
      beast::get_lowest_layer(stream_).expires_after(*after);
    else
      beast::get_lowest_layer(stream_).expires_never();
  }
  void finish() override {
    beast::error_code ignored;
    if constexpr (std::is_same_v<Stream, beast::tcp_stream>)
      stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }
  void cut() override { beast::get_lowest_layer(stream_).close(); }

 private:
  Stream& stream_;
};

}  // namespace

struct Listener::State {
  State(const ListenerOptions& given, Handler given_handler)
      : options(given),
        handler(std::move(given_handler)),
        budget(given.limits.bodies),
        listening(asio::make_strand(io)),
        acceptor(listening) {
    for (std::size_t i = 0; i < kLanes; ++i) pools[i] = std::make_unique<Pool>(options.lanes[i]);
    const auto slow = static_cast<std::size_t>(Lane::slow);
    pools[slow]->to_background(options.lanes[slow].workers);
  }

  Reply refuse(int status, std::string_view code) const {
    return options.refusal ? options.refusal(status, code) : plain_reply(status, code);
  }
  Reply come_again() const {
    auto reply = refuse(503, "http.busy");
    reply.headers.emplace_back("Retry-After", "5");
    return reply;
  }

  // A connection among the others, so that stop() finds it. Its line is touched on its executor only.
  struct Open {
    asio::any_io_executor executor;
    Line* line;
    bool answering = false;
  };

  ListenerOptions options;
  Handler handler;
  Budget budget;
  // Before `io`, whose end ends the connections that stand here.
  Mutex mutex;
  std::list<Open> lines GUARDED_BY(mutex);
  bool running GUARDED_BY(mutex) = false;
  CondVar ended;
  std::atomic<std::size_t> open{0};
  std::atomic<bool> stopping{false};
  asio::io_context io{2};
  asio::strand<asio::io_context::executor_type> listening;
  std::optional<asio::ssl::context> tls;
  tcp::acceptor acceptor;
  std::array<std::unique_ptr<Pool>, kLanes> pools;

  Pool& pool_of(const Request& head) {
    return *pools[static_cast<std::size_t>(options.lane ? options.lane(head) : Lane::quick)];
  }

  static asio::awaitable<beast::error_code> read_some(Line& line, beast::flat_buffer& buffer) {
    if (buffer.size() == buffer.max_size()) co_return beast::http::error::buffer_overflow;
    beast::error_code failure;
    const auto room = buffer.prepare(std::min(kReadAtOnce, buffer.max_size() - buffer.size()));
    buffer.commit(co_await line.read(room, failure));
    co_return failure;
  }

  static asio::awaitable<beast::error_code> read_header(Line& line, beast::flat_buffer& buffer,
                                                        Parser& parser) {
    beast::error_code failure;
    while (!parser.is_header_done()) {
      if (buffer.size() != 0) {
        buffer.consume(parser.put(buffer.data(), failure));
        if (!failure) continue;
        if (failure != beast::http::error::need_more) co_return failure;
      }
      failure = co_await read_some(line, buffer);
      if (failure) co_return failure;
    }
    co_return failure;
  }

  // Room for `more` bytes at the end of `body`, paid for; false where there is none in time.
  asio::awaitable<bool> make_room(std::string& body, std::size_t more, std::size_t most, Share& share) {
    const auto needed = body.size() + more;
    if (needed <= share.bytes) co_return true;
    const auto grown = share.bytes >= most / 4 ? most : share.bytes * 2;
    const auto wanted = std::min(most, std::max({needed, grown, kReadAtOnce}));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(options.limits.room_seconds);
    asio::steady_timer pause(co_await asio::this_coro::executor);
    while (!budget.take(wanted)) {  // the old place stays beside the new one while it is copied
      if (stopping || std::chrono::steady_clock::now() >= end) co_return false;
      beast::error_code ignored;
      pause.expires_after(kRoomPause);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    body.reserve(wanted);
    budget.give_back(std::exchange(share.bytes, wanted));
    co_return true;
  }

  // The whole body into `body`. The memory grows with what comes, never with what is promised.
  asio::awaitable<std::optional<Reply>> read_body(Line& line, beast::flat_buffer& buffer, Parser& parser,
                                                  std::size_t limit, std::string& body, Share& share,
                                                  bool& broken) {
    const auto most = parser.content_length() ? static_cast<std::size_t>(*parser.content_length()) : limit;
    std::vector<char> piece(kReadAtOnce);
    auto start = std::chrono::steady_clock::now();
    parser.eager(true);
    while (!parser.is_done()) {
      beast::error_code failure;
      auto& into = parser.get().body();
      into.data = piece.data();
      into.size = piece.size();
      into.more = true;
      buffer.consume(parser.put(buffer.data(), failure));
      const auto count = piece.size() - into.size;
      if (failure == beast::http::error::body_limit) co_return refuse(413, "http.body.too-large");
      const bool wants_more = failure == beast::http::error::need_more;
      broken = failure && failure != beast::http::error::need_buffer && !wants_more;
      if (broken) co_return std::nullopt;
      if (count != 0) {
        const auto before = std::chrono::steady_clock::now();
        if (!co_await make_room(body, count, most, share)) co_return come_again();
        start += std::chrono::steady_clock::now() - before;
        body.append(piece.data(), count);
      }
      if (parser.is_done()) break;
      if (buffer.size() != 0 && !wants_more) continue;
      // A large body over a slow line gets more time, a silent sender none, whatever he has promised.
      const auto end =
          start + std::chrono::seconds(options.limits.seconds) + std::chrono::seconds(body.size() >> 16);
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
      broken = left.count() <= 0;
      if (broken) co_return std::nullopt;
      line.expire(left);
      failure = co_await read_some(line, buffer);
      broken = static_cast<bool>(failure);
      if (broken) co_return std::nullopt;
    }
    co_return std::nullopt;
  }

  // Answers and ends. What is still coming is thrown away for a moment: a connection closed with bytes unread
  // may take the answer with it.
  asio::awaitable<void> turn_away(Line& line, Reply reply, unsigned version) {
    line.expire(std::chrono::seconds(options.limits.seconds));
    if (!co_await write(line, std::move(reply), version, false, false)) co_return;
    line.finish();
    line.expire(kDrainFor);
    std::vector<char> piece(16u << 10);
    beast::error_code failure;
    for (std::size_t drained = 0; !failure && drained < kDrained && !stopping;) {
      const auto count = co_await line.read(asio::buffer(piece), failure);
      drained += count;
    }
  }

  asio::awaitable<void> serve(Line& line, std::string remote, Open& here) {
    beast::flat_buffer buffer(options.limits.header + kReadAtOnce);
    while (!stopping) {
      line.expire(std::chrono::seconds(options.limits.seconds * 2));
      Parser parser;
      parser.header_limit(static_cast<std::uint32_t>(options.limits.header));
      parser.body_limit(boost::none);
      if (const auto failure = co_await read_header(line, buffer, parser)) {
        if (failure == beast::http::error::header_limit || failure == beast::http::error::buffer_overflow)
          co_await turn_away(line, refuse(431, "http.header.too-large"), 11);
        co_return;
      }
      const auto& message = parser.get();
      const auto version = message.version();
      const bool keep_alive = message.keep_alive();
      const auto length = parser.content_length();
      Request request;
      request.method = method_of(message.method());
      request.remote = remote;
      request.secure = tls.has_value();
      for (const auto& field : message)
        request.headers[to_lower_ascii({field.name_string().data(), field.name_string().size()})] =
            std::string(field.value());
      if (!fill_target({message.target().data(), message.target().size()}, request)) {
        co_await turn_away(line, refuse(400, "http.target.bad"), version);
        co_return;
      }
      Share share{budget};
      if (parser.chunked() || length.value_or(0) != 0) {
        line.expire({});
        Admission admission{options.limits.body};
        if (options.gate) admission = co_await asked(request);
        if (!admission.refusal && length && *length > admission.body)
          admission.refusal = refuse(413, "http.body.too-large");
        if (admission.refusal) {
          co_await turn_away(line, std::move(*admission.refusal), version);
          co_return;
        }
        parser.body_limit(admission.body);
        beast::error_code failure;
        line.expire(std::chrono::seconds(options.limits.seconds));
        if (beast::iequals(message[beast::http::field::expect], "100-continue"))
          co_await line.write("HTTP/1.1 100 Continue\r\n\r\n", failure);
        bool broken = static_cast<bool>(failure);
        std::optional<Reply> refusal;
        if (!broken)
          refusal = co_await read_body(line, buffer, parser, admission.body, request.body, share, broken);
        if (broken) co_return;
        if (refusal) {
          request.body = {};
          co_await turn_away(line, std::move(*refusal), version);
          co_return;
        }
      }
      if (!begin_answer(here)) co_return;
      line.expire({});
      auto reply = co_await answered(request);
      request.body = {};
      budget.give_back(std::exchange(share.bytes, 0));
      const bool stays = keep_alive && !stopping;
      line.expire(std::chrono::seconds(options.limits.seconds) +
                  std::chrono::seconds(reply.body.size() >> 16));
      const bool written =
          co_await write(line, std::move(reply), version, stays, request.method == Method::head);
      end_answer(here);
      if (!written || !stays) co_return;
    }
  }

  // Between these two stop() lets a connection be. False: it has come first.
  bool begin_answer(Open& here) {
    const MutexLock lock(mutex);
    if (stopping) return false;
    return here.answering = true;
  }
  void end_answer(Open& here) {
    const MutexLock lock(mutex);
    here.answering = false;
  }

  asio::awaitable<Admission> asked(const Request& head) {
    auto& pool = pool_of(head);
    const Turn turn(pool);
    if (!turn) co_return Admission{0, come_again()};
    co_return co_await asio::co_spawn(pool.threads, ask(head), asio::use_awaitable);
  }

  asio::awaitable<Reply> answered(const Request& request) {
    auto& pool = pool_of(request);
    const Turn turn(pool);
    if (!turn) co_return come_again();
    co_return co_await asio::co_spawn(pool.threads, answer(request), asio::use_awaitable);
  }

  asio::awaitable<Admission> ask(const Request& head) {
    try {
      co_return options.gate(head);
    } catch (const std::exception& exception) {  // as below
      log::error(std::string("unexpected: ") + exception.what());
    }
    co_return Admission{0, refuse(500, "http.internal")};
  }

  asio::awaitable<Reply> answer(const Request& request) {
    try {
      co_return handler(request);
    } catch (const std::exception& exception) {  // the one place where a library's exception ends
      log::error(std::string("unexpected: ") + exception.what());
    }
    co_return refuse(500, "http.internal");
  }

  asio::awaitable<bool> write(Line& line, Reply reply, unsigned version, bool keep_alive, bool without_body) {
    beast::http::response<beast::http::string_body> response{static_cast<beast::http::status>(reply.status),
                                                             version};
    if (!reply.content_type.empty()) response.set(beast::http::field::content_type, reply.content_type);
    for (const auto& [name, value] : reply.headers) response.insert(name, value);
    response.keep_alive(keep_alive);
    response.body() = std::move(reply.body);
    if (reply.status != 204 && reply.status != 304) response.prepare_payload();
    std::ostringstream head;
    head << response.base();
    beast::error_code failure;
    // One piece where that is cheap, so that the other side is not woken twice.
    auto first = std::move(head).str();
    const bool together = !without_body && response.body().size() <= kReadAtOnce;
    if (together) first += response.body();
    co_await line.write(first, failure);
    if (!failure && !together && !without_body) co_await line.write(response.body(), failure);
    co_return !failure;
  }

  struct Place {
    State& state;
    std::list<Open>::iterator entry;
    ~Place() {
      const MutexLock lock(state.mutex);
      state.lines.erase(entry);
    }
  };
  Place enter(Line& line, asio::any_io_executor executor) {
    const MutexLock lock(mutex);
    return {*this, lines.insert(lines.end(), {std::move(executor), &line})};
  }

  // Ends the connections that are not being answered.
  void cut_idle() {
    const MutexLock lock(mutex);
    for (auto& one : lines)
      asio::post(one.executor, [this, sought = &one] {
        Line* line = nullptr;
        {
          // It may have ended meanwhile; that happens on this executor too, so not before cut().
          const MutexLock looking(mutex);
          for (const auto& other : lines)
            if (&other == sought && !other.answering) line = other.line;
        }
        if (line) line->cut();
      });
  }

  asio::awaitable<void> connection(tcp::socket socket) {
    struct Count {
      std::atomic<std::size_t>& open;
      ~Count() { --open; }
    } count{open};
    const auto executor = co_await asio::this_coro::executor;
    beast::error_code failure;
    const auto peer = socket.remote_endpoint(failure);
    auto remote = failure ? std::string("?") : peer.address().to_string();
    if (tls) {
      beast::ssl_stream<beast::tcp_stream> stream(std::move(socket), *tls);
      LineOf line(stream);
      const auto place = enter(line, executor);
      if (stopping) co_return;
      line.expire(std::chrono::seconds(options.limits.seconds));
      co_await stream.async_handshake(asio::ssl::stream_base::server,
                                      asio::redirect_error(asio::use_awaitable, failure));
      if (failure) co_return;
      co_await serve(line, std::move(remote), *place.entry);
      line.expire(stopping ? std::chrono::milliseconds(200) : std::chrono::milliseconds(5000));
      co_await stream.async_shutdown(asio::redirect_error(asio::use_awaitable, failure));
    } else {
      beast::tcp_stream stream(std::move(socket));
      LineOf line(stream);
      const auto place = enter(line, executor);
      co_await serve(line, std::move(remote), *place.entry);
      line.finish();
    }
  }

  asio::awaitable<void> accept() {
    while (!stopping) {
      beast::error_code failure;
      auto socket = co_await acceptor.async_accept(asio::make_strand(io),
                                                   asio::redirect_error(asio::use_awaitable, failure));
      if (failure == asio::error::operation_aborted || stopping) co_return;
      if (failure) {  // out of descriptors: wait for some to come back
        asio::steady_timer pause(listening, std::chrono::milliseconds(100));
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, failure));
        continue;
      }
      if (open >= options.limits.connections) continue;  // closed at once
      ++open;
      const auto executor = socket.get_executor();
      asio::co_spawn(executor, connection(std::move(socket)), asio::detached);
    }
  }
};

Listener::Listener(std::unique_ptr<State> state) : state_(std::move(state)) {}
Listener::~Listener() { stop(); }

bool is_loopback(const std::string& address) {
  beast::error_code failure;
  const auto parsed = asio::ip::make_address(address, failure);
  return !failure && parsed.is_loopback();
}

Result<std::unique_ptr<Listener>> Listener::open(const ListenerOptions& options, Handler handler) {
  beast::error_code failure;
  const auto address = asio::ip::make_address(options.address, failure);
  if (failure || options.port < 0 || options.port > 65535)
    return Error{ErrorKind::invalid, "http.listen.address", {{"address", options.address}}};
  if (!address.is_loopback() && options.certificate_file.empty())
    return Error{ErrorKind::forbidden, "http.listen.plain", {{"address", options.address}}};
  auto state = std::make_unique<State>(options, std::move(handler));
  if (!options.certificate_file.empty()) {
    state->tls.emplace(asio::ssl::context::tls_server);
    auto& tls = *state->tls;
    tls.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                    asio::ssl::context::no_tlsv1_1);
    MAMORI_ASSERT(SSL_CTX_set_cipher_list(tls.native_handle(), kTlsSuites) == 1);
    tls.use_certificate_chain_file(options.certificate_file, failure);
    if (!failure) tls.use_private_key_file(options.key_file, asio::ssl::context::pem, failure);
    if (failure)
      return Error{ErrorKind::invalid,
                   "http.listen.certificate",
                   {{"file", options.certificate_file}, {"reason", failure.message()}}};
  }
  const tcp::endpoint endpoint(address, static_cast<unsigned short>(options.port));
  state->acceptor.open(endpoint.protocol(), failure);
  if (!failure) state->acceptor.set_option(asio::socket_base::reuse_address(true), failure);
  if (!failure) state->acceptor.bind(endpoint, failure);
  if (!failure) state->acceptor.listen(asio::socket_base::max_listen_connections, failure);
  if (failure)
    return Error{ErrorKind::unavailable,
                 "http.listen.taken",
                 {{"port", std::to_string(options.port)}, {"reason", failure.message()}}};
  return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

int Listener::port() const { return state_->acceptor.local_endpoint().port(); }

void Listener::run() {
  {
    const MutexLock lock(state_->mutex);
    if (state_->stopping) return;
    state_->running = true;
  }
  asio::co_spawn(state_->listening, state_->accept(), asio::detached);
  std::thread second([this] { state_->io.run(); });
  state_->io.run();
  second.join();
  {
    const MutexLock lock(state_->mutex);
    state_->running = false;
  }
  state_->ended.notify_all();
  for (const auto& pool : state_->pools) pool->threads.stop();
  for (const auto& pool : state_->pools) pool->threads.join();
}

void Listener::stop() {
  {
    const MutexLock lock(state_->mutex);
    if (state_->stopping) return;
    state_->stopping = true;
  }
  asio::post(state_->listening, [this] {
    beast::error_code ignored;
    state_->acceptor.close(ignored);
  });
  state_->cut_idle();
  MutexLock lock(state_->mutex);
  state_->ended.wait_for(state_->mutex, state_->options.limits.patience,
                         [this]() REQUIRES(state_->mutex) { return !state_->running; });
  state_->io.stop();
}

}  // namespace mamori::http
