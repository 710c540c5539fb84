// The whole program, built top to bottom; destruction runs backwards.
#pragma once

#include "api/services.h"
#include "os/file.h"
#include "server/home.h"

namespace mamori::server {

// The one directory that Mamori owns: ledger.db (unless PostgreSQL), blobs/, keys/, tls/, archive/.
class Installation {
 public:
  // `database`: "" = DIR/ledger.db, else postgresql://…; `archive`: "" = DIR/archive, else clickhouse://…
  // Creates what is missing. Errors: base.*, store.*, and what the data files say.
  static Result<std::unique_ptr<Installation>> open(const std::filesystem::path& directory,
                                                    const std::string& database, const std::string& archive,
                                                    const Home& home, const Clock& clock);

  ~Installation();

  api::Services& services() { return *services_; }
  const std::filesystem::path& directory() const { return directory_; }
  const Home& home() const { return home_; }
  // Of this directory, for as long as it is: among several servers on one database.
  const std::string& server() const { return server_; }

 private:
  Installation() = default;
  std::filesystem::path directory_;
  Home home_;
  std::string server_;
  Texts texts_;
  std::unique_ptr<store::Database> database_;
  std::optional<Sealer> sealer_;
  std::optional<SigningKey> signing_key_;
  std::optional<os::Blobs> blobs_;
  std::optional<ledger::Registers> registers_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::optional<catalog::Catalog> catalog_;
  std::unique_ptr<assess::Assessor> assessor_;
  std::unique_ptr<jobs::Jobs> jobs_;
  std::unique_ptr<readers::Sources> sources_;
  std::unique_ptr<archive::Archive> archive_;
  std::unique_ptr<logs::Logs> logs_;
  std::unique_ptr<identity::Users> users_;
  std::unique_ptr<api::Services> services_;
};

inline constexpr const char* kVersion = "0.1.0";

}  // namespace mamori::server
