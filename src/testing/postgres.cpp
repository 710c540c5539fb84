#include "testing/postgres.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "base/crypto.h"

namespace mamori::testing {
namespace {

std::filesystem::path server_programs() {
  for (const auto* version : {"17", "16", "15"}) {
    std::filesystem::path bin = std::string("/usr/lib/postgresql/") + version + "/bin";
    if (std::filesystem::exists(bin / "postgres")) return bin;
  }
  std::fprintf(stderr, "PostgreSQL's server is not installed (Debian package postgresql)\n");
  std::abort();
}

// PostgreSQL refuses to run as root: its programs then run as the user its package made.
pid_t spawn(const std::vector<std::string>& words) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  if (::geteuid() == 0) {
    const auto* user = ::getpwnam("postgres");
    if (!user || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0) ::_exit(126);
  }
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(null, 0);
  ::dup2(null, 1);
  ::dup2(null, 2);
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

class Server {
 public:
  Server() : port_(free_port()) {
    const auto bin = server_programs();
    const auto data = folder_.path() / "data";
    if (::geteuid() == 0) {
      const auto* user = ::getpwnam("postgres");
      MAMORI_ASSERT(user && ::chown(folder_.path().c_str(), user->pw_uid, user->pw_gid) == 0);
    }
    int status = 0;
    ::waitpid(spawn({bin / "initdb", "-D", data, "-U", "mamori", "-A", "trust", "-E", "UTF8",
                     "--locale=C.UTF-8", "-N"}),
              &status, 0);
    MAMORI_ASSERT(status == 0);
    process_ = spawn({bin / "postgres", "-D", data, "-k", folder_.path(), "-p", std::to_string(port_), "-c",
                      "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=40", "-c",
                      "shared_buffers=32MB"});
    for (int i = 0; i < 300; ++i) {
      if (PQping(url("postgres").c_str()) == PQPING_OK) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    const bool postgresql_started = false;
    MAMORI_ASSERT(postgresql_started);
  }
  ~Server() {
    ::kill(process_, SIGINT);
    ::waitpid(process_, nullptr, 0);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::string url(const std::string& database) const {
    return "postgresql://mamori@127.0.0.1:" + std::to_string(port_) + "/" + database;
  }

  std::string make_database() {
    const auto name = "t" + random_token(10);
    auto connection = store::open_postgresql(url("postgres"));
    MAMORI_ASSERT(connection.has_value());
    MAMORI_ASSERT((*connection)->script("CREATE DATABASE " + name).has_value());
    return url(name);
  }

 private:
  TemporaryFolder folder_;
  int port_;
  pid_t process_ = -1;
};

}  // namespace

int free_port() {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  MAMORI_ASSERT(::bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  MAMORI_ASSERT(::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(probe);
  return ntohs(address.sin_port);
}

FreshDatabase::FreshDatabase(store::Engine engine, const Clock& clock) {
  if (engine == store::Engine::sqlite) {
    url_ = "sqlite:" + (folder_.path() / "ledger.db").string();
  } else {
    static Server server;
    url_ = server.make_database();
  }
  auto opened = store::Database::open(url_, clock);
  if (!opened) std::fprintf(stderr, "%s\n", describe(opened.error()).c_str());
  MAMORI_ASSERT(opened.has_value());
  database_ = std::move(opened).take();
}

}  // namespace mamori::testing
