// Real ClickHouse servers from Debian's package on free loopback ports, stopped at the end.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "testing/child.h"

namespace mamori::testing {

// One server with tables of its own; or several as the cluster "test" with replicated tables on a real
// ZooKeeper: a shard for each server, or one shard that each of them holds.
struct ClickHouseSetup {
  std::size_t servers = 1;
  bool replicas = false;
  bool tls = false;  // over HTTPS only, with a certificate of its own (authority())
};

class ClickHouseServers {
 public:
  static bool installed();
  explicit ClickHouseServers(std::size_t servers) : ClickHouseServers(ClickHouseSetup{.servers = servers}) {}
  explicit ClickHouseServers(const ClickHouseSetup& setup);
  ~ClickHouseServers();

  // "clickhouse://127.0.0.1:PORT,…/mamori", with the cluster's name where there are several, clickhouses://
  // and its authority with TLS.
  std::string url() const;
  std::filesystem::path authority() const { return folder_.path() / "certificate.pem"; }
  std::string url_of(std::size_t server) const;
  int port_of(std::size_t server) const { return servers_[server].http; }
  void stop(std::size_t server, int signal);
  void start(std::size_t server);

 private:
  struct Server {
    std::filesystem::path folder;
    int http, tcp, interserver;
    std::unique_ptr<Child> process;
  };
  void write_settings(std::size_t server) const;
  std::string url(const std::string& hosts) const;
  const ClickHouseSetup setup_;
  TemporaryFolder folder_;
  int keeper_port_ = 0;
  std::unique_ptr<Child> keeper_;
  std::vector<Server> servers_;
};

}  // namespace mamori::testing
