// A real PostgreSQL server from Debian's package, started once per test program on a free loopback port and
// stopped at its end.
#pragma once

#include <memory>
#include <string>

#include "base/file.h"
#include "store/database.h"

namespace mamori::testing {

// A free TCP port on 127.0.0.1.
int free_port();

// A fresh, empty database of the given engine. For PostgreSQL the server must be installed; the test fails
// otherwise.
class FreshDatabase {
 public:
  FreshDatabase(store::Engine engine, const Clock& clock);
  store::Database& operator*() { return *database_; }
  store::Database* operator->() { return database_.get(); }
  const std::string& url() const { return url_; }

 private:
  TemporaryFolder folder_;
  std::string url_;
  std::unique_ptr<store::Database> database_;
};

}  // namespace mamori::testing
