#include "http/listener.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include <atomic>
#include <sstream>
#include <thread>

#include "base/log.h"
#include "base/text.h"

namespace mamori::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using tcp = asio::ip::tcp;
using Parser = beast::http::request_parser<beast::http::string_body>;

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
  reply.body = json::serialize(json::object{{"type", "about:blank"}, {"status", status}, {"code", code}, {"title", code}});
  return reply;
}

constexpr std::size_t kReadAtOnce = 64 << 10;

// A connection, encrypted or not: the message handling is compiled once for both.
class Line {
 public:
  virtual ~Line() = default;
  virtual asio::awaitable<std::size_t> read(asio::mutable_buffer to, beast::error_code& failure) = 0;
  virtual asio::awaitable<void> write(std::string_view bytes, beast::error_code& failure) = 0;
  virtual void expire(std::optional<std::chrono::seconds> after) = 0;  // none: never
};

template <class Stream>
class LineOf final : public Line {
 public:
  explicit LineOf(Stream& stream) : stream_(stream) {}
  asio::awaitable<std::size_t> read(asio::mutable_buffer to, beast::error_code& failure) override { co_return co_await stream_.async_read_some(to, asio::redirect_error(asio::use_awaitable, failure)); }
  asio::awaitable<void> write(std::string_view bytes, beast::error_code& failure) override {
    co_await asio::async_write(stream_, asio::buffer(bytes.data(), bytes.size()), asio::redirect_error(asio::use_awaitable, failure));
  }
  void expire(std::optional<std::chrono::seconds> after) override {
    if (after) beast::get_lowest_layer(stream_).expires_after(*after);
    else beast::get_lowest_layer(stream_).expires_never();
  }

 private:
  Stream& stream_;
};

}  // namespace

struct Listener::State {
  State(const ListenerOptions& given, Handler given_handler) : options(given), handler(std::move(given_handler)), acceptor(io), workers(static_cast<std::size_t>(given.workers)) {}

  ListenerOptions options;
  Handler handler;
  asio::io_context io{2};
  std::optional<asio::ssl::context> tls;
  tcp::acceptor acceptor;
  asio::thread_pool workers;
  std::atomic<std::size_t> open{0};

  std::size_t body_limit(std::string_view target) const {
    return options.limits.is_upload(target.substr(0, target.find('?'))) ? options.limits.upload : options.limits.body;
  }

  // Reads until the header, or the whole message, is there.
  static asio::awaitable<beast::error_code> read(Line& line, beast::flat_buffer& buffer, Parser& parser, bool whole) {
    parser.eager(whole);
    beast::error_code failure;
    while (whole ? !parser.is_done() : !parser.is_header_done()) {
      if (buffer.size() != 0) {
        buffer.consume(parser.put(buffer.data(), failure));
        if (!failure) continue;
        if (failure != beast::http::error::need_more) co_return failure;
        failure = {};
        if (buffer.size() == buffer.max_size()) co_return beast::http::error::buffer_overflow;
      }
      const auto room = buffer.prepare(std::min(kReadAtOnce, buffer.max_size() - buffer.size()));
      buffer.commit(co_await line.read(room, failure));
      if (failure) co_return failure;
    }
    co_return failure;
  }

  asio::awaitable<void> serve(Line& line, std::string remote) {
    beast::flat_buffer buffer(options.limits.header + kReadAtOnce);
    while (true) {
      line.expire(std::chrono::seconds(options.limits.seconds * 2));
      Parser parser;
      parser.header_limit(static_cast<std::uint32_t>(options.limits.header));
      parser.body_limit(options.limits.upload);
      auto failure = co_await read(line, buffer, parser, false);
      if (failure) {
        if (failure == beast::http::error::header_limit || failure == beast::http::error::buffer_overflow) co_await write(line, plain_reply(431, "http.header.too-large"), 11, false, false);
        co_return;
      }
      const auto& message = parser.get();
      const std::string_view target(message.target().data(), message.target().size());
      const auto limit = body_limit(target);
      const auto length = parser.content_length();
      if (length && *length > limit) {
        co_await write(line, plain_reply(413, "http.body.too-large"), message.version(), false, false);
        co_return;
      }
      parser.body_limit(limit);
      if (beast::iequals(message[beast::http::field::expect], "100-continue")) {
        co_await line.write("HTTP/1.1 100 Continue\r\n\r\n", failure);
      }
      // A large file over a slow line gets more time, a silent sender none.
      line.expire(std::chrono::seconds(options.limits.seconds) + std::chrono::seconds(length.value_or(0) >> 16));
      failure = co_await read(line, buffer, parser, true);
      if (failure) {
        if (failure == beast::http::error::body_limit) co_await write(line, plain_reply(413, "http.body.too-large"), 11, false, false);
        co_return;
      }
      Request request;
      request.method = method_of(message.method());
      request.remote = remote;
      request.secure = tls.has_value();
      for (const auto& field : message) request.headers[to_lower_ascii({field.name_string().data(), field.name_string().size()})] = std::string(field.value());
      const bool readable = fill_target(target, request);
      const auto version = message.version();
      const bool keep_alive = message.keep_alive();
      request.body = std::move(parser.get().body());
      line.expire({});
      Reply reply;
      if (readable) reply = co_await asio::co_spawn(workers, answer(request), asio::use_awaitable);
      else reply = plain_reply(400, "http.target.bad");
      line.expire(std::chrono::seconds(options.limits.seconds) + std::chrono::seconds(reply.body.size() >> 16));
      const bool written = co_await write(line, std::move(reply), version, keep_alive, request.method == Method::head);
      if (!written || !keep_alive) co_return;
    }
  }

  asio::awaitable<Reply> answer(const Request& request) {
    try {
      co_return handler(request);
    } catch (const std::exception& exception) {  // the one place where a library's exception ends
      log::error(std::string("unexpected: ") + exception.what());
    }
    co_return plain_reply(500, "http.internal");
  }

  asio::awaitable<bool> write(Line& line, Reply reply, unsigned version, bool keep_alive, bool without_body) {
    beast::http::response<beast::http::string_body> response{static_cast<beast::http::status>(reply.status), version};
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

  asio::awaitable<void> connection(tcp::socket socket) {
    struct Count {
      std::atomic<std::size_t>& open;
      ~Count() { --open; }
    } count{open};
    beast::error_code failure;
    const auto peer = socket.remote_endpoint(failure);
    auto remote = failure ? std::string("?") : peer.address().to_string();
    if (tls) {
      beast::ssl_stream<beast::tcp_stream> stream(std::move(socket), *tls);
      beast::get_lowest_layer(stream).expires_after(std::chrono::seconds(options.limits.seconds));
      co_await stream.async_handshake(asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, failure));
      if (failure) co_return;
      LineOf line(stream);
      co_await serve(line, std::move(remote));
      beast::get_lowest_layer(stream).expires_after(std::chrono::seconds(5));
      co_await stream.async_shutdown(asio::redirect_error(asio::use_awaitable, failure));
    } else {
      beast::tcp_stream stream(std::move(socket));
      LineOf line(stream);
      co_await serve(line, std::move(remote));
      stream.socket().shutdown(tcp::socket::shutdown_send, failure);
    }
  }

  asio::awaitable<void> accept() {
    while (acceptor.is_open()) {
      beast::error_code failure;
      auto socket = co_await acceptor.async_accept(asio::make_strand(io), asio::redirect_error(asio::use_awaitable, failure));
      if (failure == asio::error::operation_aborted) co_return;
      if (failure) {  // out of descriptors: wait for some to come back
        asio::steady_timer pause(io, std::chrono::milliseconds(100));
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
  if (failure || options.port < 0 || options.port > 65535) return Error{ErrorKind::invalid, "http.listen.address", {{"address", options.address}}};
  if (!address.is_loopback() && options.certificate_file.empty()) return Error{ErrorKind::forbidden, "http.listen.plain", {{"address", options.address}}};
  auto state = std::make_unique<State>(options, std::move(handler));
  if (!options.certificate_file.empty()) {
    state->tls.emplace(asio::ssl::context::tls_server);
    auto& tls = *state->tls;
    tls.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
    tls.use_certificate_chain_file(options.certificate_file, failure);
    if (!failure) tls.use_private_key_file(options.key_file, asio::ssl::context::pem, failure);
    if (failure) return Error{ErrorKind::invalid, "http.listen.certificate", {{"file", options.certificate_file}, {"reason", failure.message()}}};
  }
  const tcp::endpoint endpoint(address, static_cast<unsigned short>(options.port));
  state->acceptor.open(endpoint.protocol(), failure);
  if (!failure) state->acceptor.set_option(asio::socket_base::reuse_address(true), failure);
  if (!failure) state->acceptor.bind(endpoint, failure);
  if (!failure) state->acceptor.listen(asio::socket_base::max_listen_connections, failure);
  if (failure) return Error{ErrorKind::unavailable, "http.listen.taken", {{"port", std::to_string(options.port)}, {"reason", failure.message()}}};
  return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

int Listener::port() const { return state_->acceptor.local_endpoint().port(); }

void Listener::run() {
  asio::co_spawn(state_->io, state_->accept(), asio::detached);
  std::thread second([this] { state_->io.run(); });
  state_->io.run();
  second.join();
  state_->workers.join();
}

void Listener::stop() {
  asio::post(state_->io, [this] {
    beast::error_code ignored;
    state_->acceptor.close(ignored);
  });
  state_->io.stop();
}

}  // namespace mamori::http
