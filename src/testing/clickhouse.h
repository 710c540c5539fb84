// Real ClickHouse servers from Debian's package on free loopback ports, stopped at the end.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/file.h"

namespace mamori::testing {

// A process and its end.
class Child {
 public:
  Child(const std::vector<std::string>& words, const std::filesystem::path& output);
  Child(Child&& other) noexcept : process_(other.process_) { other.process_ = -1; }
  Child& operator=(Child&&) = delete;
  ~Child() { stop(); }
  void stop(int signal = 15);

 private:
  pid_t process_;
};

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
