// The listener on real connections: its limits, its gate, how it ends, its certificate.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/file.h"
#include "http/listener.h"
#include "net/certificate.h"
#include "os/file.h"
#include "os/process.h"
#include "testing/clock.h"

namespace mamori::http {
namespace {

TEST(Listener, ServesRealConnectionsWithinItsLimits) {
  ListenerOptions options;
  options.port = 0;
  options.limits.body = 1000;
  options.limits.seconds = 2;
  const auto listener = Listener::open(options, [](const Request& request) {
    return Reply::json(json::object{{"path", request.path}, {"size", request.body.size()}});
  });
  ASSERT_TRUE(listener) << describe(listener.error());
  std::thread running([&] { (*listener)->run(); });
  const auto url = "http://127.0.0.1:" + std::to_string((*listener)->port());
  const auto curl = [&](const std::string& more) {
    const auto run = os::run_process({"sh", "-c", "curl -s -m 20 -o - -w ' %{http_code}' " + more},
                                     {.limit = std::chrono::seconds(30)});
    return run ? run->out : "";
  };
  EXPECT_EQ(curl("'" + url + "/a%20b'"), R"({"path":"/a b","size":0} 200)");
  EXPECT_EQ(curl("-d abc " + url + "/x"), R"({"path":"/x","size":3} 200)");
  EXPECT_NE(curl("--data-binary @/bin/ls " + url + "/x").find("413"), std::string::npos);
  EXPECT_NE(curl("'" + url + "/%zz'").find("400"), std::string::npos);
  EXPECT_NE(curl("-H \"X: $(head -c 40000 /dev/zero | tr '\\0' a)\" " + url + "/x").find("431"),
            std::string::npos);
  // A sender that says nothing is cut off, others are served meanwhile.
  const auto slow = os::run_process(
      {"python3", "-c",
       "import socket,time\ns=socket.create_connection(('127.0.0.1'," + std::to_string((*listener)->port()) +
           "))\ns.send(b'GET / HT')\ns.settimeout(15)\nt=time.time()\ntry:\n  d=s.recv(10)\nexcept "
           "Exception: d=b'?'\nprint(d==b'' and time.time()-t<10)"},
      {.limit = std::chrono::seconds(30)});
  EXPECT_EQ(slow->out, "True\n");
  EXPECT_EQ(curl(url + "/still"), R"({"path":"/still","size":0} 200)");
  (*listener)->stop();
  running.join();
}

// A client of a few bytes at a time.
class Client {
 public:
  explicit Client(int port) : file_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    EXPECT_EQ(::connect(file_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    const timeval patience{.tv_sec = 60, .tv_usec = 0};
    ::setsockopt(file_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(file_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  Client(Client&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  ~Client() {
    if (file_ >= 0) ::close(file_);
  }
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const auto sent = ::send(file_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // What comes until the other side ends, or `enough` stands in it.
  std::string read(std::string_view enough = "\r\n\r\n") const {
    std::string out;
    char piece[4096];
    while (out.find(enough) == out.npos) {
      const auto count = ::recv(file_, piece, sizeof piece, 0);
      if (count <= 0) break;
      out.append(piece, static_cast<std::size_t>(count));
    }
    return out;
  }

 private:
  int file_;
};

std::size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  in >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// A listener whose gate knows one word.
class Gated : public ::testing::Test {
 protected:
  void start(
      const Limits& limits,
      Handler handler = [](const Request& request) { return Reply::json(request.body.size()); }) {
    ListenerOptions options;
    options.port = 0;
    options.limits = limits;
    options.gate = [](const Request& head) {
      if (head.header("authorization") == "friend") return Admission{72u << 20};
      Reply reply;
      reply.status = 401;
      return Admission{0, reply};
    };
    auto opened = Listener::open(options, std::move(handler));
    ASSERT_TRUE(opened) << describe(opened.error());
    listener_ = std::move(opened).take();
    running_ = std::thread([this] { listener_->run(); });
  }
  void TearDown() override {
    if (!listener_) return;
    listener_->stop();
    running_.join();
  }
  static std::string header(std::string_view more) {
    return "POST /x HTTP/1.1\r\nHost: a\r\n" + std::string(more) + "\r\n\r\n";
  }

  std::unique_ptr<Listener> listener_;
  std::thread running_;
};

TEST_F(Gated, StrangersAreAnsweredBeforeTheirBodiesAreRead) {
  start({});
  const std::string piece(1u << 20, 'x');
  {
    const Client warm(listener_->port());
    warm.send(header("Content-Length: 5") + "hello");
    warm.read();
  }
  const auto before = resident_bytes();
  std::vector<Client> clients;
  for (int i = 0; i < 12; ++i) {
    const auto& client = clients.emplace_back(listener_->port());
    // Promised whole, in chunks, and with a length that is a lie.
    client.send(header(i % 3 == 0   ? "Content-Length: 75000000"
                       : i % 3 == 1 ? "Transfer-Encoding: chunked"
                                    : "Content-Length: 12"));
    const auto reply = client.read();
    EXPECT_EQ(reply.substr(0, 12), "HTTP/1.1 401") << i;
    for (int n = 0; n < 20; ++n)
      if (!client.send("100000\r\n") || !client.send(piece) || !client.send("\r\n")) break;
  }
  EXPECT_LT(resident_bytes(), before + (24u << 20));  // of the 240 MB they tried, or the 900 they promised
}

TEST_F(Gated, BodiesTogetherTakeNoMoreThanTheirBudget) {
  std::atomic<int> waiting{0};
  std::atomic<bool> go{false};
  start({.bodies = 8u << 20, .room_seconds = 1}, [&](const Request& request) {
    ++waiting;
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return Reply::json(request.body.size());
  });
  const std::string body(5u << 20, 'x');
  const auto friendly = header("Authorization: friend\r\nContent-Length: " + std::to_string(body.size()));
  const Client first(listener_->port()), second(listener_->port());
  ASSERT_TRUE(first.send(friendly + body));
  for (int i = 0; i < 3000 && waiting == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  second.send(friendly + body);
  const auto reply = second.read();
  EXPECT_EQ(reply.substr(0, 12), "HTTP/1.1 503");
  EXPECT_NE(reply.find("Retry-After: "), std::string::npos);
  go = true;
  EXPECT_EQ(first.read().substr(0, 12), "HTTP/1.1 200");
  // What was held is free again; in chunks too.
  const Client third(listener_->port());
  ASSERT_TRUE(third.send(header("Authorization: friend\r\nTransfer-Encoding: chunked") + "200000\r\n" +
                         body.substr(0, 2u << 20) + "\r\n5\r\nhello\r\n0\r\n\r\n"));
  EXPECT_EQ(third.read("2097157").substr(0, 12), "HTTP/1.1 200");
  const Client large(listener_->port());
  ASSERT_TRUE(large.send(header("Authorization: friend\r\nContent-Length: 90000000")));
  EXPECT_EQ(large.read().substr(0, 12), "HTTP/1.1 413");
}

TEST_F(Gated, ABodyThatDripsIsCutOffWhateverItPromised) {
  start({.seconds = 1});
  const Client slow(listener_->port());
  ASSERT_TRUE(slow.send(header("Authorization: friend\r\nContent-Length: 70000000") + "x"));
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 400 && slow.send("x"); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
}

TEST_F(Gated, EndsBesideIdleConnectionsAndUploadsAndFinishesWhatItAnswers) {
  std::atomic<bool> asked{false};
  start({.patience = std::chrono::seconds(30)}, [&](const Request& request) {
    asked = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    return Reply::json(request.body.size());
  });
  std::vector<Client> clients;
  for (int i = 0; i < 200; ++i) {
    const auto& client = clients.emplace_back(listener_->port());
    if (i % 4 == 1) client.send("GET / HT");
    if (i % 4 == 2)
      client.send(header("Authorization: friend\r\nContent-Length: 70000000") + std::string(100'000, 'x'));
    if (i % 4 == 3) client.send(header("Authorization: friend\r\nTransfer-Encoding: chunked") + "10\r\nx");
  }
  const Client answered(listener_->port());
  answered.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  for (int i = 0; i < 3000 && !asked; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const auto start = std::chrono::steady_clock::now();
  listener_->stop();
  running_.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  EXPECT_EQ(answered.read().substr(0, 12), "HTTP/1.1 200");
  listener_.reset();
}

TEST(Listener, ALaneThatIsStuckHoldsUpNoOther) {
  std::atomic<bool> go{false};
  std::atomic<int> stuck{0};
  ListenerOptions options;
  options.port = 0;
  options.lanes = {{{1, 4}, {1, 4}, {1, 4}, {2, 4}, {2, 3}, {1, 4}}};
  options.lane = [](const Request& head) {
    return head.path == "/in"        ? Lane::intake
           : head.path == "/long"    ? Lane::slow
           : head.path == "/healthz" ? Lane::health
                                     : Lane::quick;
  };
  const auto listener = Listener::open(options, [&](const Request& request) {
    if (request.path == "/in") ++stuck;
    while (request.path == "/in" && !go) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return Reply::json(request.body.size());
  });
  ASSERT_TRUE(listener) << describe(listener.error());
  std::thread running([&] { (*listener)->run(); });
  const auto port = (*listener)->port();
  const auto get = [](const Client& client, const std::string& path) {
    return client.send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
  };
  std::vector<Client> senders;
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(get(senders.emplace_back(port), "/in"));
  // Two are worked on, three wait; one of the six was told to come again.
  for (int i = 0; i < 3000 && stuck < 2; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  for (const auto* path : {"/page", "/long", "/healthz"}) {
    const Client client(port);
    ASSERT_TRUE(get(client, path));
    EXPECT_EQ(client.read().substr(0, 12), "HTTP/1.1 200") << path;
  }
  const Client beyond(port);
  ASSERT_TRUE(get(beyond, "/in"));
  const auto reply = beyond.read();
  EXPECT_EQ(reply.substr(0, 12), "HTTP/1.1 503");
  EXPECT_NE(reply.find("Retry-After: "), std::string::npos);
  go = true;
  int served = 0;
  for (const auto& sender : senders) served += sender.read().starts_with("HTTP/1.1 200") ? 1 : 0;
  EXPECT_EQ(served, 5);
  const Client again(port);
  ASSERT_TRUE(get(again, "/in"));
  EXPECT_EQ(again.read().substr(0, 12), "HTTP/1.1 200") << "there is room again";
  go = false;
  const Client last(port);
  ASSERT_TRUE(get(last, "/in"));
  for (int i = 0; i < 3000 && stuck < 7; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::thread release([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    go = true;
  });
  const auto start = std::chrono::steady_clock::now();
  (*listener)->stop();
  running.join();
  release.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(Listener, SpeaksTlsBeyondLoopbackOnly) {
  const TemporaryFolder folder;
  ListenerOptions options;
  options.port = 0;
  options.address = "0.0.0.0";
  EXPECT_EQ(Listener::open(options, {}).error().code, "http.listen.plain");
  options.address = "127.0.0.1";
  options.certificate_file = folder.path() / "c.pem";
  options.key_file = folder.path() / "k.pem";
  ASSERT_TRUE(
      net::make_certificate(options.certificate_file, options.key_file, "127.0.0.1", SystemClock().now()));
  const auto listener =
      Listener::open(options, [](const Request& request) { return Reply::json(request.secure); });
  ASSERT_TRUE(listener) << describe(listener.error());
  std::thread running([&] { (*listener)->run(); });
  const auto run = os::run_process({"curl", "-s", "--cacert", options.certificate_file,
                                    "https://127.0.0.1:" + std::to_string((*listener)->port()) + "/"});
  EXPECT_EQ(run->out, "true");
  (*listener)->stop();
  running.join();
}

TEST(Listener, TakesNoSuiteThatTheKeyWouldOpenLater) {
  const TemporaryFolder folder;
  ListenerOptions options;
  options.port = 0;
  options.certificate_file = folder.path() / "c.pem";
  options.key_file = folder.path() / "k.pem";
  const auto made =
      os::run_process({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1",
                       "-keyout", options.key_file, "-out", options.certificate_file});
  ASSERT_EQ(made->exit_code, 0) << made->err;
  const auto listener = Listener::open(options, [](const Request&) { return Reply::json(true); });
  ASSERT_TRUE(listener) << describe(listener.error());
  std::thread running([&] { (*listener)->run(); });
  const auto shakes_hands = [&](const std::string& suite) {
    const auto run =
        os::run_process({"openssl", "s_client", "-connect",
                         "127.0.0.1:" + std::to_string((*listener)->port()), "-tls1_2", "-cipher", suite});
    return run->exit_code == 0;
  };
  EXPECT_TRUE(shakes_hands("ECDHE-RSA-AES128-GCM-SHA256"));
  for (const auto* suite : {"AES128-GCM-SHA256", "AES128-SHA", "ECDHE-RSA-AES128-SHA"})
    EXPECT_FALSE(shakes_hands(suite)) << suite;
  (*listener)->stop();
  running.join();
}

}  // namespace
}  // namespace mamori::http
