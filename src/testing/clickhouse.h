// Real ClickHouse servers from Debian's package on free loopback ports, stopped at the end.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "testing/child.h"

namespace mamori::testing {

class ClickHouseServers {
 public:
  // One server with tables of its own; or several as the cluster "test": replicated tables on a real ZooKeeper, a shard for each server.
  static bool installed();
  explicit ClickHouseServers(std::size_t servers);
  ~ClickHouseServers();

  // "clickhouse://default:@127.0.0.1:PORT,…/mamori", with the cluster's name where there are several.
  std::string url() const;
  std::string url_of(std::size_t server) const;
  void stop(std::size_t server, int signal);
  void start(std::size_t server);

 private:
  struct Server {
    std::filesystem::path folder;
    int http, tcp, interserver;
    std::unique_ptr<Child> process;
  };
  void write_settings(std::size_t server) const;
  TemporaryFolder folder_;
  int keeper_port_ = 0;
  std::unique_ptr<Child> keeper_;
  std::vector<Server> servers_;
};

}  // namespace mamori::testing
