#include "testing/clickhouse.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "net/web_client.h"
#include "os/file.h"
#include "os/process.h"
#include "testing/postgres.h"

namespace mamori::testing {
namespace {

bool answers(int port) {
  const int file = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  const bool done = ::connect(file, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  ::close(file);
  return done;
}

bool wait_for(int port, const std::filesystem::path& log) {
  for (int i = 0; i < 600; ++i) {
    if (answers(port)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  std::fprintf(stderr, "%s\n", read_file(log, 1 << 20).value_or("no log").c_str());
  return false;
}

}  // namespace

bool ClickHouseServers::installed() {
  return std::filesystem::exists("/usr/sbin/clickhouse-server") &&
         std::filesystem::exists("/usr/share/java/zookeeper.jar");
}

ClickHouseServers::ClickHouseServers(const ClickHouseSetup& setup) : setup_(setup) {
  const auto servers = setup.servers;
  if (setup.tls) {
    const auto made =
        os::run_process({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                         "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                         (folder_.path() / "key.pem").string(), "-out", authority().string()});
    MAMORI_ASSERT(made.has_value() && made->exit_code == 0);
  }
  if (servers > 1) {
    keeper_port_ = free_port();
    const auto folder = folder_.path() / "keeper";
    std::filesystem::create_directory(folder);
    MAMORI_ASSERT(os::write_file(folder / "zoo.cfg",
                                 fmt::format("tickTime=500\ndataDir={}\nclientPort={}\nclientPortAddress=127."
                                             "0.0.1\nadmin.enableServer=false\n",
                                             folder.string(), keeper_port_),
                                 os::Visibility::shared)
                      .has_value());
    keeper_ = std::make_unique<Child>(
        std::vector<std::string>{"java", "-Xmx256m", "-cp", "/usr/share/java/zookeeper.jar:/usr/share/java/*",
                                 "org.apache.zookeeper.server.ZooKeeperServerMain",
                                 (folder / "zoo.cfg").string()},
        folder / "log");
    MAMORI_ASSERT(wait_for(keeper_port_, folder / "log"));
  }
  for (std::size_t i = 0; i < servers; ++i) {
    const auto folder = folder_.path() / fmt::format("server{}", i + 1);
    std::filesystem::create_directory(folder);
    servers_.push_back({folder, free_port(), free_port(), free_port(), nullptr});
  }
  for (std::size_t i = 0; i < servers; ++i) write_settings(i);
  for (std::size_t i = 0; i < servers; ++i) start(i);
}

ClickHouseServers::~ClickHouseServers() {
  for (auto& server : servers_)
    if (server.process) server.process->stop(SIGKILL);  // nothing of it is needed any more
}

void ClickHouseServers::write_settings(std::size_t number) const {
  const auto& server = servers_[number];
  const auto path = server.folder.string();
  std::string cluster;
  if (keeper_) {
    const std::string open = "<shard><internal_replication>true</internal_replication>", close = "</shard>";
    std::string shards;
    for (const auto& one : servers_)
      shards += fmt::format("{}<replica><host>127.0.0.1</host><port>{}</port></replica>{}",
                            setup_.replicas ? "" : open, one.tcp, setup_.replicas ? "" : close);
    if (setup_.replicas) shards = open + shards + close;
    cluster = fmt::format(
        "<zookeeper><node><host>127.0.0.1</host><port>{}</port></node><session_timeout_ms>5000</"
        "session_timeout_ms></zookeeper><remote_servers><test>{}</test></remote_servers>"
        "<macros><shard>{:02}</shard><replica>r{}</replica></macros><distributed_ddl><path>/clickhouse/"
        "task_queue/ddl</path></distributed_ddl>",
        keeper_port_, shards, setup_.replicas ? 1 : number + 1, setup_.replicas ? number + 1 : 1);
  }
  const auto port = setup_.tls
                        ? fmt::format(
                              "<https_port>{0}</https_port><openSSL><server><certificateFile>{1}</"
                              "certificateFile><privateKeyFile>{2}</privateKeyFile><verificationMode>none</"
                              "verificationMode><cacheSessions>true</cacheSessions>"
                              "<disableProtocols>sslv2,sslv3</disableProtocols><preferServerCiphers>true</"
                              "preferServerCiphers></server></openSSL>",
                              server.http, authority().string(), (folder_.path() / "key.pem").string())
                        : fmt::format("<http_port>{}</http_port>", server.http);
  const auto settings = fmt::format(
      "<yandex><logger><level>warning</level><log>{0}/log</log><errorlog>{0}/errors</errorlog></"
      "logger><listen_host>127.0.0.1</listen_host>{1}<tcp_port>{2}</tcp_port>"
      "<interserver_http_port>{3}</interserver_http_port><interserver_http_host>127.0.0.1</"
      "interserver_http_host><path>{0}/data/</path><tmp_path>{0}/tmp/</tmp_path><users_config>{0}/users.xml</"
      "users_config>"
      "<default_profile>default</default_profile><default_database>default</"
      "default_database><mark_cache_size>67108864</mark_cache_size><timezone>UTC</timezone>{4}"
      "<compression "
      "incl=\"none\"><case><min_part_size>0</min_part_size><min_part_size_ratio>0</"
      "min_part_size_ratio><method>zstd</method></case></compression></yandex>",
      path, port, server.tcp, server.interserver, cluster);
  MAMORI_ASSERT(os::write_file(server.folder / "config.xml", settings, os::Visibility::shared).has_value());
  MAMORI_ASSERT(
      os::write_file(server.folder / "users.xml",
                     "<yandex><profiles><default><max_memory_usage>2000000000</max_memory_usage></default></"
                     "profiles><users><default><password></password><networks><ip>127.0.0.1</ip></"
                     "networks><profile>default</profile><quota>default</quota></default>"
                     "</users><quotas><default><interval><duration>3600</duration><queries>0</"
                     "queries><errors>0</errors><result_rows>0</result_rows><read_rows>0</"
                     "read_rows><execution_time>0</execution_time></interval></default></quotas></yandex>",
                     os::Visibility::shared)
          .has_value());
}

void ClickHouseServers::start(std::size_t number) {
  auto& server = servers_[number];
  server.process = std::make_unique<Child>(
      std::vector<std::string>{"/usr/sbin/clickhouse-server",
                               "--config-file=" + (server.folder / "config.xml").string()},
      server.folder / "out");
  MAMORI_ASSERT(wait_for(server.http, server.folder / "out"));
}

void ClickHouseServers::stop(std::size_t number, int signal) { servers_[number].process->stop(signal); }

std::string ClickHouseServers::url(const std::string& hosts) const {
  return fmt::format("clickhouse{}://{}/mamori{}{}", setup_.tls ? "s" : "", hosts,
                     keeper_      ? "?cluster=test"
                     : setup_.tls ? "?"
                                  : "",
                     setup_.tls ? (keeper_ ? "&ca=" : "ca=") + authority().string() : "");
}

std::string ClickHouseServers::url() const {
  std::string hosts;
  for (const auto& server : servers_)
    hosts += fmt::format("{}127.0.0.1:{}", hosts.empty() ? "" : ",", server.http);
  return url(hosts);
}

std::string ClickHouseServers::url_of(std::size_t server) const {
  return url(fmt::format("127.0.0.1:{}", servers_[server].http));
}

}  // namespace mamori::testing
